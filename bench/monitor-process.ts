// The whole program as npm starts it, on the servers that are measured.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Servers } from './servers.ts'

const PROGRAM = join(import.meta.dirname, '..', 'bin', 'cnc-monitor.js')

export interface MonitorProcess {
  readonly pid: number
  /** Of its API, once it is up; rejects when it ends before. */
  readonly url: Promise<string>
  stop(): Promise<void>
}

export function startMonitor(
  servers: Servers,
  stream: string,
  settings: NodeJS.ProcessEnv = {},
): MonitorProcess {
  const child = spawn(process.execPath, [PROGRAM, 'serve'], {
    env: {
      ...process.env,
      NATS_URL: servers.natsUrl,
      DATABASE_URL: servers.databaseUrl,
      STREAM_NAME: stream,
      HTTP_PORT: '0',
      LOG_LEVEL: 'info',
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  return {
    pid: child.pid ?? 0,
    url: urlOf(child.stdout),
    async stop() {
      child.kill('SIGTERM')
      await exited
    },
  }
}

/** Reads on for ever: a full pipe would hold the monitor up. */
function urlOf(output: NodeJS.ReadableStream): Promise<string> {
  return new Promise((resolve, reject) => {
    createInterface({ input: output })
      .on('line', (line) => {
        const found = /The monitor is up: (http:\/\/[^/]+)\//.exec(line)
        if (found?.[1] !== undefined) resolve(found[1])
      })
      .on('close', () => reject(new Error('the monitor ended')))
  })
}
