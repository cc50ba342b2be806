/*
 * The process that holds the embedded database; started by its owner, which talks to it through pipes.
 *
 * stdin:  one line of JSON, see Settings (secrets are not for process lists); then nothing. Its end is the
 *         order to stop, so the process ends with its owner. SIGTERM says the same; SIGINT is ignored.
 * stdout: lines of JSON and nothing else: {"progress": sentence}*, then {"ready": true, "port": n, "pid": n}
 *         or {"error": sentence} with exit code 1.
 * stderr: log lines of JSON: {"level", "msg"}.
 *
 * Invariant: at most one such process works on a folder. It blocks while the engine works, so its owner
 * watches it from outside and may kill it at any time: every acknowledged commit is on the disk.
 */
import { Console } from 'node:console'
import { createInterface } from 'node:readline'
import { acquireFolderLock } from '../folder-lock.ts'
import { createDatabase, holdsDatabase } from './create.ts'
import { Engine } from './engine.ts'
import { FrontEnd } from './front-end.ts'
import { Upkeep } from './upkeep.ts'

const DRAIN_LIMIT_MS = 10_000
const MAX_CLIENTS = 50
const MAX_RESULT_BYTES = 256 * 1024 * 1024
const UNREAD_LIMIT_MS = 60_000
/** How many ports after the wanted one are tried when it is taken. */
const MORE_PORTS = 20

interface Settings {
  /** The data folder; made when it does not exist. */
  readonly folder: string
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
  readonly password: string
  /** A transaction idle for longer is rolled back; 5,000 when absent. */
  readonly idleTransactionMs: number
  /** How long to wait for a previous holder of the folder to end; 10,000 when absent. */
  readonly lockWaitMs: number
}

// The engine's package prints now and then; stdout belongs to the owner.
globalThis.console = new Console(process.stderr)

const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)
const log = (level: 'info' | 'warn' | 'error', msg: string) =>
  process.stderr.write(`${JSON.stringify({ level, msg })}\n`)

process.on('SIGINT', () => {})
// An owner that is gone reads nothing any more; that must not end the drain.
process.stdout.on('error', () => {})
process.stderr.on('error', () => {})

const stopping = Promise.withResolvers<void>()
process.on('SIGTERM', () => stopping.resolve())
const input = createInterface({ input: process.stdin })
input.once('close', () => stopping.resolve())

try {
  await run(await readSettings())
  process.exit(0)
} catch (error) {
  say({ error: error instanceof Error ? error.message : String(error) })
  process.exitCode = 1
  process.stdout.end(() => process.exit(1))
}

async function run(settings: Settings): Promise<void> {
  const lock = await acquireFolderLock(settings.folder, { waitMs: settings.lockWaitMs })
  if (!holdsDatabase(settings.folder)) {
    say({ progress: 'creating the database (first start only)' })
    await createDatabase(settings.folder)
  }
  const engine = await Engine.open(settings.folder, { durable: true })
  const upkeep = new Upkeep({
    query: (sql) => engine.query(sql),
    later: (work) => frontEnd.runLater(work),
    log,
    now: () => performance.now(),
  })
  const frontEnd = new FrontEnd(engine, {
    password: settings.password,
    idleTransactionMs: settings.idleTransactionMs,
    maxClients: MAX_CLIENTS,
    maxResultBytes: MAX_RESULT_BYTES,
    unreadLimitMs: UNREAD_LIMIT_MS,
    onFree: () => upkeep.engineFree(),
    onUnit: (unit) => upkeep.noteUnit(unit),
    onEngineFailure: (error) => {
      log('error', `The database engine has failed: ${error instanceof Error ? error.stack : String(error)}`)
      process.exit(1)
    },
  })
  const port = await listen(frontEnd, settings)
  upkeep.start()
  say({ ready: true, port, pid: process.pid })

  await stopping.promise
  setTimeout(() => process.exit(1), DRAIN_LIMIT_MS).unref()
  upkeep.stop()
  frontEnd.stop()
  await engine.close()
  lock.release()
}

/** Listens on the wanted port, or on the next free one. */
async function listen(frontEnd: FrontEnd, { host, port }: Settings): Promise<number> {
  for (let tried = port; ; tried += 1) {
    try {
      return await frontEnd.listen(host, tried)
    } catch (error) {
      const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
      if (!taken || port === 0 || tried >= Math.min(port + MORE_PORTS, 65_535)) throw error
    }
  }
}

/** Reads the one line; throws an Error with a sentence when it is not as it must be. */
async function readSettings(): Promise<Settings> {
  const line = Promise.withResolvers<string>()
  input.once('line', line.resolve)
  void stopping.promise.then(() => line.resolve(''))
  const given: unknown = JSON.parse((await line.promise) || 'null')
  if (typeof given !== 'object' || given === null)
    throw new Error('The settings are expected on stdin, as one line of JSON.')
  const text = (name: string): string => {
    const value: unknown = Reflect.get(given, name)
    if (typeof value !== 'string' || value === '') throw new Error(`The setting "${name}" must be a text.`)
    return value
  }
  const count = (name: string, otherwise?: number): number => {
    const value: unknown = Reflect.get(given, name) ?? otherwise
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0)
      throw new Error(`The setting "${name}" must be a whole number, 0 or more.`)
    return value
  }
  return {
    folder: text('folder'),
    host: text('host'),
    port: count('port'),
    password: text('password'),
    idleTransactionMs: count('idleTransactionMs', 5_000),
    lockWaitMs: count('lockWaitMs', 10_000),
  }
}
