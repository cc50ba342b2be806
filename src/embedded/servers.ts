// The embedded servers together: started at once, watched, stopped in good order. One that dies unasked is
// started again on the same port, so that clients find it where it was.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sentenceOf } from '../errors.ts'
import { startDatabase } from './database-server.ts'
import { findNatsServer } from './nats-binary.ts'
import { startNats } from './nats-server.ts'
import type { StateFolder } from './state-folder.ts'

/** A server that ran for so long starts again with the shortest pause. */
const STEADY_MS = 10_000

export interface ServerPort {
  /** 0 takes any free port. */
  readonly port: number
  /** A port that is taken is an error instead of the next free one. */
  readonly isPortFixed: boolean
}

export interface RunningServer {
  readonly url: string
  readonly port: number
  readonly pid: number
  /** Resolves when it is gone, asked or not. */
  readonly exited: Promise<void>
  stop(): Promise<void>
}

export interface EmbeddedOptions {
  readonly folder: StateFolder
  /** Null: this one is not embedded. */
  readonly nats: ServerPort | null
  readonly database: ServerPort | null
  readonly log: { info(line: string): void; warn(line: string): void }
  /** One of them was started again and has another process now. */
  readonly onRestart?: () => void
  readonly signal: AbortSignal
}

export interface EmbeddedServers {
  readonly natsUrl: string | null
  readonly databaseUrl: string | null
  pids(): { nats: number | null; database: number | null }
  stop(): Promise<void>
}

export async function startEmbeddedServers(options: EmbeddedOptions): Promise<EmbeddedServers> {
  const { folder, log } = options
  const onProgress = (sentence: string) => log.info(sentence)
  const start = {
    nats: async (port: ServerPort, signal: AbortSignal) => {
      const binary = await findNatsServer({ onProgress, signal })
      return startNats({
        ...port,
        binary,
        folder: join(folder.path, 'nats'),
        onStuck: (sentence) => log.warn(sentence),
        signal,
      })
    },
    database: (port: ServerPort, signal: AbortSignal) =>
      startDatabase({
        ...port,
        folder: join(folder.path, 'database'),
        password: folder.password,
        onProgress,
        onLog: (level, sentence) => (level === 'info' ? log.info(sentence) : log.warn(sentence)),
        signal,
      }),
  }
  log.info('starting the embedded servers')
  const [nats, database] = await Promise.allSettled([
    options.nats && keepRunning('nats-server', options.nats, start.nats, options),
    options.database && keepRunning('the embedded database', options.database, start.database, options),
  ])
  const started = [nats, database].flatMap((one) =>
    one.status === 'fulfilled' && one.value ? [one.value] : [],
  )
  const stop = async () => void (await Promise.all(started.map((one) => one.stop())))
  const failed = [nats, database].find((one) => one.status === 'rejected')
  if (nats.status === 'rejected' || database.status === 'rejected') {
    await stop()
    throw failed?.reason
  }
  return {
    natsUrl: nats.value?.current().url ?? null,
    databaseUrl: database.value?.current().url ?? null,
    pids: () => ({
      nats: nats.value?.current().pid ?? null,
      database: database.value?.current().pid ?? null,
    }),
    stop,
  }
}

interface Kept {
  current(): RunningServer
  stop(): Promise<void>
}

/** Starts it, and again whenever it ends unasked, with a growing pause. */
async function keepRunning(
  name: string,
  port: ServerPort,
  start: (port: ServerPort, signal: AbortSignal) => Promise<RunningServer>,
  { log, onRestart, signal }: EmbeddedOptions,
): Promise<Kept> {
  let running = await start(port, signal)
  let startedAtMs = performance.now()
  const stopping = new AbortController()
  const startAgain = AbortSignal.any([signal, stopping.signal])
  const watch = async () => {
    for (let failures = 0; ; failures++) {
      await running.exited
      if (stopping.signal.aborted) return
      if (performance.now() - startedAtMs > STEADY_MS) failures = 0
      log.warn(`${name} ended unasked; it is started again`)
      const pauseMs = Math.min(5_000, 200 * 2 ** Math.min(failures, 5))
      await sleep(pauseMs, undefined, { signal: stopping.signal }).catch(() => undefined)
      if (stopping.signal.aborted) return
      try {
        running = await start({ port: running.port, isPortFixed: true }, startAgain)
        startedAtMs = performance.now()
        // stop() found only the one before it.
        if (stopping.signal.aborted) return await running.stop()
        onRestart?.()
      } catch (error) {
        if (stopping.signal.aborted) return
        log.warn(`${name} could not be started again: ${sentenceOf(error)}`)
      }
    }
  }
  const watching = watch()
  return {
    current: () => running,
    async stop() {
      stopping.abort()
      await running.stop()
      await watching
    },
  }
}
