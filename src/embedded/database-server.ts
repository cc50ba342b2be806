// The embedded TimescaleDB: a process of its own (database/process.ts), as its owner sees it.
import { join } from 'node:path'
import { startChild } from './child.ts'
import type { RunningServer, ServerPort } from './servers.ts'

const READY_LIMIT_MS = 60_000

export interface DatabaseOptions extends ServerPort {
  readonly folder: string
  readonly password: string
  readonly onProgress: (sentence: string) => void
  readonly onLog: (level: string, sentence: string) => void
  readonly signal: AbortSignal
}

interface Said {
  readonly ready?: boolean
  readonly port?: number
  readonly pid?: number
  readonly error?: string
  readonly progress?: string
}

/** Resolves when it takes connections. Throws what it says against that. */
export async function startDatabase(options: DatabaseOptions): Promise<RunningServer> {
  const { folder, password, port, signal } = options
  const outcome = Promise.withResolvers<Said>()
  const child = startChild({
    script: join(import.meta.dirname, 'database', 'process.ts'),
    firstLine: JSON.stringify({ folder, host: '127.0.0.1', port, password }),
    onOutput(line) {
      const said = JSON.parse(line) as Said
      if (said.progress !== undefined) options.onProgress(said.progress)
      else outcome.resolve(said)
    },
    onLog: (line) => logLine(line, options.onLog),
  })
  const limit = setTimeout(
    () => outcome.resolve({ error: `the embedded database was not ready in ${READY_LIMIT_MS / 1000} s` }),
    READY_LIMIT_MS,
  )
  const abort = () => outcome.resolve({ error: 'stopped while the embedded database was starting' })
  signal.addEventListener('abort', abort, { once: true })
  void child.exited.then(() =>
    outcome.resolve({ error: `the embedded database ended: ${child.lastLines()}` }),
  )
  const said = await outcome.promise
  clearTimeout(limit)
  signal.removeEventListener('abort', abort)
  const taken = said.port ?? 0
  const isWrongPort = options.isPortFixed && port !== 0 && taken !== port
  if (said.error !== undefined || isWrongPort) {
    await child.stop()
    throw new Error(said.error ?? `Port ${port} is taken; set DATABASE_PORT to a free one, or to 0 for any.`)
  }
  return {
    url: `postgres://cnc:${password}@127.0.0.1:${taken}/postgres`,
    port: taken,
    pid: child.pid,
    exited: child.exited,
    stop: () => child.stop(),
  }
}

function logLine(line: string, onLog: (level: string, sentence: string) => void): void {
  try {
    const { level, msg } = JSON.parse(line) as { level: string; msg: string }
    onLog(level, msg)
  } catch {
    onLog('warn', line)
  }
}
