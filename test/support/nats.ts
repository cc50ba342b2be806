/*
 * A running nats-server for a test: `withNats` starts one on a free port and a fresh folder, and takes it away.
 *
 * Invariant: nothing is left behind, neither process nor folder, also when the test fails. The binary comes from
 * the PATH or the project's own cache, so that it is fetched once per machine.
 */
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findNatsServer } from '../../src/embedded/nats-binary.ts'
import { startNats } from '../../src/embedded/nats-server.ts'

/** Signals that do not end the server, so that nobody waits for its end. */
const NOT_FATAL: readonly NodeJS.Signals[] = ['SIGSTOP', 'SIGCONT', 'SIGHUP', 'SIGUSR1']

export interface TestNats {
  /** The same before and after `restart`. */
  readonly url: string
  /** Holds the server's files. */
  readonly folder: string
  /** The server's own process; another one after `restart`. */
  readonly pid: number
  /** Ends the server in good order if it still runs, and starts another one on the same folder and port. */
  restart(): Promise<void>
  /** Sends a signal (SIGKILL unless told otherwise); resolves when the server is gone, where it is to end. */
  kill(signal?: NodeJS.Signals): Promise<void>
}

/** Whether a process runs; one that has ended and was not collected yet does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return process.platform !== 'linux' || readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== ''
  } catch {
    return false
  }
}

/** The path of a nats-server that runs; fetched into the default cache when the machine has none. */
export function natsBinary(): Promise<string> {
  return findNatsServer({ onProgress: () => undefined, signal: new AbortController().signal })
}

/** Runs a test with a nats-server of its own, JetStream included. */
export async function withNats<T>(run: (nats: TestNats) => Promise<T>): Promise<T> {
  const binary = await natsBinary()
  const folder = await mkdtemp(join(tmpdir(), 'cnc-monitor-test-'))
  const start = (port: number) =>
    startNats({ binary, folder, port, isPortFixed: port !== 0, signal: new AbortController().signal })
  let server: Awaited<ReturnType<typeof start>> | undefined
  try {
    let running = (server = await start(0))
    return await run({
      url: running.url,
      folder,
      get pid() {
        return running.pid
      },
      async restart() {
        await running.stop()
        running = server = await start(running.port)
      },
      async kill(signal = 'SIGKILL') {
        process.kill(running.pid, signal)
        if (!NOT_FATAL.includes(signal)) await running.exited
      },
    })
  } finally {
    await server?.stop()
    await rm(folder, { recursive: true, force: true })
  }
}
