// A running monitor for a test: the real program on embedded servers, on free ports, in a folder of its own.
// Nothing is left behind, also when the test fails.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectToNats, type NatsConnection } from '../../src/broker/connect.ts'
import { readBacklog, type Backlog } from '../../src/broker/stream.ts'
import { copyTemplate } from './embedded-database.ts'
import { stopProcess } from './stop-process.ts'
import { readEndpoints, type EndpointsFile } from '../../src/embedded/state-folder.ts'

const PROGRAM = join(import.meta.dirname, '..', '..', 'bin', 'cnc-monitor.js')
const START_LIMIT_MS = 60_000

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export class TestMonitor {
  readonly stateDir: string
  readonly #env: NodeJS.ProcessEnv
  #child: ChildProcess | null = null
  #log = ''

  constructor(stateDir: string, env: NodeJS.ProcessEnv) {
    this.stateDir = stateDir
    this.#env = {
      ...process.env,
      STATE_DIR: stateDir,
      HTTP_PORT: '0',
      NATS_PORT: '0',
      DATABASE_PORT: '0',
      // Short, so that what a killed monitor held comes back soon.
      STATEMENT_TIMEOUT_MS: '2000',
      NODE_TEST_CONTEXT: undefined,
      ...env,
    }
  }

  get log(): string {
    return this.#log
  }

  get endpoints(): EndpointsFile {
    const endpoints = readEndpoints(this.stateDir)
    if (endpoints === null) throw new Error(`The monitor is not running. It said:\n${this.#log}`)
    return endpoints
  }

  async start(): Promise<void> {
    const child = spawn(process.execPath, [PROGRAM, 'serve'], {
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (this.#log += text))
    }
    await until('the monitor is up', () => {
      if (child.exitCode !== null) throw new Error(`The monitor ended at once. It said:\n${this.#log}`)
      return readEndpoints(this.stateDir)?.pids.monitor === child.pid
    })
  }

  /** Asks it to stop and waits; resolves to its exit status. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const child = this.#child
    this.#child = null
    return stopProcess(child, signal)
  }

  /** Runs one of the program's other commands to its end. */
  async command(args: readonly string[], stdin?: string): Promise<Finished> {
    const child = spawn(process.execPath, [PROGRAM, ...args], {
      env: this.#env,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.stdin.end(stdin)
    const [code] = (await once(child, 'close')) as [number | null]
    return { code, stdout, stderr }
  }

  async get(path: string): Promise<unknown> {
    const response = await fetch(this.endpoints.http + path)
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`)
    return response.json()
  }

  async readings(machineId: string): Promise<Record<string, unknown>[]> {
    return (await this.get(`/api/v1/machines/${encodeURIComponent(machineId)}/data`)) as Record<
      string,
      unknown
    >[]
  }

  async withNats<T>(work: (connection: NatsConnection) => Promise<T>): Promise<T> {
    const connection = await connectToNats({ url: this.endpoints.nats, name: 'test' })
    try {
      return await work(connection)
    } finally {
      await connection.close()
    }
  }

  backlog(): Promise<Backlog> {
    return this.withNats((connection) => readBacklog(connection, 'CNC_DATA', 'PROCESSOR'))
  }

  /** Waits until everything published is answered. */
  async settled(): Promise<void> {
    await until('everything is settled', async () => {
      const { pending, ackPending } = await this.backlog()
      return pending === 0 && ackPending === 0
    })
  }
}

export interface StateFolderOptions {
  /** Where the state folder is made. */
  readonly parent?: string | undefined
  /** Make the database as a first start does, which takes seconds; without it a finished, empty one is copied. */
  readonly isDatabaseMade?: boolean
}

/** Runs a test with a monitor that is up. */
export async function withMonitor<T>(
  run: (monitor: TestMonitor) => Promise<T>,
  env: NodeJS.ProcessEnv = {},
  { parent = tmpdir(), isDatabaseMade = false }: StateFolderOptions = {},
): Promise<T> {
  const stateDir = await mkdtemp(join(parent, 'cnc-monitor-e2e-'))
  const monitor = new TestMonitor(stateDir, env)
  try {
    if (!isDatabaseMade) await copyTemplate(join(stateDir, 'database'))
    await monitor.start()
    return await run(monitor)
  } catch (error) {
    throw withLastLines(error, [monitor])
  } finally {
    await monitor.stop()
    await rm(stateDir, { recursive: true, force: true, maxRetries: 20, retryDelay: 500 })
  }
}

const LAST_LINES = 40

/** The error of a test with what its monitors said last, beside single readings. */
export function withLastLines(error: unknown, monitors: readonly { readonly log: string }[]): unknown {
  if (!(error instanceof Error)) return error
  const lines = monitors.map(({ log }) =>
    log
      .split('\n')
      .filter((line) => !/Successfully processed|was refused|malformed|unmarshalling/.test(line))
      .slice(-LAST_LINES)
      .join('\n'),
  )
  error.message += `\nThe monitors said at last:\n${lines.join('\n---\n')}`
  return error
}

/** Waits for a condition; says which one when it does not come about. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  limitMs = START_LIMIT_MS,
): Promise<void> {
  const deadline = Date.now() + limitMs
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`Waited ${limitMs} ms in vain until ${what}.`)
    await sleep(50)
  }
}
