// Runs one case: the streams filled, the table emptied, the worker warm; then the clock and the books.
import heapFlags from '../bin/heap-flags.json' with { type: 'json' }
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { cpuSeconds, peakMiB } from './processes.ts'
import type { Servers } from './servers.ts'
import { deleteStream, fillStream } from './stream.ts'
import type { Latency, Said, Task } from './worker.ts'

export interface Case {
  readonly title: string
  readonly task: Task['name']
  /** Readings a message. */
  readonly each: number
  /** Messages, as a share of the messages asked for. */
  readonly share: number
}

export interface Result {
  readonly messages: number
  readonly messagesPerSecond: number
  readonly readingsPerSecond: number
  /** Microseconds of CPU a message. */
  readonly cpuUs: { readonly client: number; readonly nats: number; readonly database: number }
  /** Largest resident memory of the client's process; null where it is not known. */
  readonly peakMiB: number | null
  readonly latency: Latency | null
}

const SHARE_TO_WARM_UP = 0.2
export async function runCase(
  servers: Servers,
  { task, each, share }: Case,
  messages: number,
  say: (progress: string) => void,
): Promise<Result> {
  const count = Math.max(100, Math.round(messages * share))
  const [warmStream, stream] = ['BENCH_WARM', 'BENCH']
  const warm = Math.max(50, Math.round(count * SHARE_TO_WARM_UP))
  const worker = new Worker({
    name: task,
    natsUrl: servers.natsUrl,
    databaseUrl: servers.databaseUrl,
    warmStream,
    stream,
    count,
  })
  try {
    await fillStream(servers.nats, warmStream, warm, each, (taken) =>
      say(`filling, ${taken} of ${warm} to warm up`),
    )
    await fillStream(servers.nats, stream, count, each, (taken) => say(`filling, ${taken} of ${count}`))
    await emptyTable(servers)
    say('warming up')
    worker.start()
    await worker.next('ready')
    await emptyTable(servers)
    say('measuring')
    return await measure(servers, worker, count, each)
  } finally {
    await worker.end()
    for (const name of [warmStream, stream]) await deleteStream(servers.nats, name)
  }
}

export async function measure(
  servers: Servers,
  worker: Worker,
  count: number,
  each: number,
): Promise<Result> {
  const pids = { client: [worker.pid], nats: servers.natsPids(), database: servers.databasePids() }
  const before = booksOf(pids)
  worker.go()
  const { ms, latency } = await worker.next('done')
  // The worker's sessions were there before and are there still.
  const after = booksOf(pids)
  const us = (name: keyof typeof before) => ((after[name] - before[name]) / count) * 1e6
  return {
    messages: count,
    messagesPerSecond: (count / ms) * 1_000,
    readingsPerSecond: ((count * each) / ms) * 1_000,
    cpuUs: { client: us('client'), nats: us('nats'), database: us('database') },
    peakMiB: peakMiB(worker.pid),
    latency: latency ?? null,
  }
}

function booksOf(pids: { client: number[]; nats: number[]; database: number[] }) {
  return { client: cpuSeconds(pids.client), nats: cpuSeconds(pids.nats), database: cpuSeconds(pids.database) }
}

/** A checkpoint as well, so that none of an earlier case falls into this one. */
export async function emptyTable(servers: Servers): Promise<void> {
  await servers.database.query('TRUNCATE sensor_data, dead_letters CASCADE')
  await servers.database.query('CHECKPOINT')
}

/** The worker's process. */
export class Worker {
  readonly #task: Task
  #child: ChildProcess | null = null

  constructor(task: Task) {
    this.#task = task
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  start(): void {
    this.#child = fork(join(import.meta.dirname, 'worker.ts'), [JSON.stringify(this.#task)], {
      execArgv: heapFlags,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
  }

  go(): void {
    this.#child?.send('go')
  }

  /** What it says next; throws when it is something else. */
  async next<S extends Said['said']>(expected: S): Promise<Extract<Said, { said: S }>> {
    const child = this.#child
    if (child === null) throw new Error('the worker was not started')
    const ended = once(child, 'exit').then(() => ({ said: 'failed' as const, reason: 'it ended' }))
    const said = await Promise.race([once(child, 'message').then(([message]) => message as Said), ended])
    if (said.said !== expected) {
      throw new Error(
        `${this.#task.name}: ${said.said === 'failed' ? said.reason : `unexpected ${said.said}`}`,
      )
    }
    return said as Extract<Said, { said: S }>
  }

  async end(): Promise<void> {
    const child = this.#child
    if (child === null || child.exitCode !== null) return
    const exited = once(child, 'exit')
    if (child.connected) child.send('end')
    const limit = setTimeout(() => child.kill('SIGKILL'), 15_000)
    await exited
    clearTimeout(limit)
  }
}
