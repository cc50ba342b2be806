// A monitor on servers that somebody else has started: several may share them, and each may be killed alone.
import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { until, withLastLines } from './monitor.ts'
import { readyOf } from './outside.ts'
import { freePort } from './ports.ts'
import { stopProcess } from './stop-process.ts'

const PROGRAM = join(import.meta.dirname, '..', '..', 'bin', 'cnc-monitor.js')

export interface ServerUrls {
  readonly nats: string
  readonly database: string
}

export class MonitorOnServers {
  readonly http: string
  readonly #env: NodeJS.ProcessEnv
  #child: ChildProcess | null = null
  #log = ''

  private constructor(port: number, { nats, database }: ServerUrls, env: NodeJS.ProcessEnv) {
    this.http = `http://127.0.0.1:${port}`
    this.#env = {
      ...process.env,
      HTTP_PORT: `${port}`,
      NATS_URL: nats,
      DATABASE_URL: database,
      // Short, so that what a killed monitor held comes back soon.
      STATEMENT_TIMEOUT_MS: '2000',
      NODE_TEST_CONTEXT: undefined,
      ...env,
    }
  }

  static async on(servers: ServerUrls, env: NodeJS.ProcessEnv = {}): Promise<MonitorOnServers> {
    return new MonitorOnServers(await freePort(), servers, env)
  }

  get log(): string {
    return this.#log
  }

  /** Null while it is down. */
  get pid(): number | null {
    return this.#child?.pid ?? null
  }

  /** Resolves when it is ready. */
  async start(): Promise<void> {
    const child = spawn(process.execPath, [PROGRAM, 'serve'], {
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (this.#log += text))
    await until('the monitor is ready', async () => {
      if (child.exitCode !== null) throw new Error(`The monitor ended at once. It said:\n${this.#log}`)
      return (await readyOf(this.http))?.status === 200
    })
  }

  /** Ends it with this signal and waits; resolves to its exit status. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const child = this.#child
    this.#child = null
    return stopProcess(child, signal)
  }
}

/** Runs a test with monitors that are up on the same servers; they are ended, also when it fails. */
export async function withMonitorsOn<T>(
  servers: ServerUrls,
  count: number,
  run: (monitors: readonly MonitorOnServers[]) => Promise<T>,
  env: NodeJS.ProcessEnv = {},
): Promise<T> {
  const monitors = await Promise.all(Array.from({ length: count }, () => MonitorOnServers.on(servers, env)))
  try {
    for (const monitor of monitors) await monitor.start()
    return await run(monitors)
  } catch (error) {
    throw withLastLines(error, monitors)
  } finally {
    await Promise.all(monitors.map((monitor) => monitor.stop()))
  }
}
