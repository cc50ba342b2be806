// One case, in a process of its own: warms up on one stream, says so, waits for the word, drains another one and
// says how long it took. The parent looks at the books of the processes before and after.
import { jetstream } from '@nats-io/jetstream'
import pg from 'pg'
import { connectToNats, type NatsConnection } from '../src/broker/connect.ts'
import { deliveriesOf } from '../src/broker/deliveries.ts'
import { declareStream, readBacklog } from '../src/broker/stream.ts'
import { sentenceOf } from '../src/errors.ts'
import { openStream, runIngestion, streamSettings } from '../src/ingestion.ts'
import { startLifecycle } from '../src/lifecycle.ts'
import { openLog } from '../src/log.ts'
import { observers } from '../src/observation.ts'
import { keepAggregates } from '../src/store/keep-aggregates.ts'
import { openStore, type Store } from '../src/store/open-store.ts'
import { quantile } from './figures.ts'
import { configFor, untilSettled } from './stream.ts'

export interface Task {
  readonly name: 'original' | 'broker-limit' | 'own-take-and-ack' | 'pipeline' | 'latency'
  readonly natsUrl: string
  readonly databaseUrl: string
  readonly warmStream: string
  readonly stream: string
  /** Messages in `stream`. */
  readonly count: number
}

export type Said =
  | { readonly said: 'ready' }
  | { readonly said: 'done'; readonly ms: number; readonly latency?: Latency }
  | { readonly said: 'failed'; readonly reason: string }

/** Milliseconds from publishing to the commit. */
export interface Latency {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly max: number
}

const SETTLE_LIMIT_MS = 600_000

const say = (said: Said) => process.send?.(said)
const task = JSON.parse(process.argv[2] ?? '') as Task
const life = startLifecycle({ deadlineMs: 10_000, say: () => undefined })
const limit = AbortSignal.any([life.signal, AbortSignal.timeout(SETTLE_LIMIT_MS)])

try {
  const nats = await connectToNats({ url: task.natsUrl, name: `bench ${task.name}` })
  life.onStop('the NATS connection', () => nats.close())
  const run = await prepare(nats)
  await run(task.warmStream)
  say({ said: 'ready' })
  await new Promise((resolve) => process.once('message', resolve))
  const startMs = performance.now()
  const latency = await run(task.stream)
  say({ said: 'done', ms: performance.now() - startMs, ...(latency === undefined ? {} : { latency }) })
  // The parent reads this process's books before it may end.
  await new Promise((resolve) => process.once('message', resolve))
} catch (error) {
  say({ said: 'failed', reason: error instanceof Error ? (error.stack ?? error.message) : String(error) })
}
process.exit(await life.stop())

/** What drains a stream, and returns when it is settled. */
async function prepare(nats: NatsConnection): Promise<(stream: string) => Promise<Latency | undefined>> {
  switch (task.name) {
    case 'original': {
      const pool = new pg.Pool({ connectionString: task.databaseUrl, max: 2 })
      life.onStop('the connections', () => pool.end())
      return (stream) => original(nats, pool, stream)
    }
    case 'broker-limit':
      return (stream) => brokerLimit(nats, stream)
    case 'own-take-and-ack':
      return (stream) => ownTakeAndAck(nats, stream)
    case 'pipeline':
    case 'latency': {
      const config = configFor('BENCH')
      const wait = { timeoutMs: 30_000, signal: life.signal }
      const store = await openStore(
        {
          url: task.databaseUrl,
          writers: config.ingest.batchesInFlight,
          apiConnections: 1,
          statementTimeoutMs: config.database.statementTimeoutMs,
          wait,
        },
        life,
        openLog('error'),
      )
      const log = openLog('error')
      const jobs = { pool: store.jobs, late: store.late, signal: life.signal, log }
      await keepAggregates({ ...jobs, retentionDays: 0, windowMinutes: store.copies ? 60 : 10 })
      return (stream) => pipeline(nats, store, stream)
    }
  }
}

/** The design this program replaces: ten messages a fetch, an INSERT and an ack each. */
async function original(nats: NatsConnection, pool: pg.Pool, stream: string): Promise<undefined> {
  const consumer = await jetstream(nats).consumers.get(stream, 'PROCESSOR')
  for (let isEmpty = false; !isEmpty && !limit.aborted;) {
    isEmpty = true
    for await (const message of await consumer.fetch({ max_messages: 10, expires: 1_000 })) {
      isEmpty = false
      const r = message.json<Record<string, unknown>>()
      await pool.query(
        `INSERT INTO sensor_data (machine_id, time, message_id, position, received_at, temperature, spindle_speed,
           x_pos_mm, y_pos_mm, z_pos_mm, feed_rate_actual, spindle_load_percent, machine_state, active_program_line,
           total_power_kw)
         VALUES ($1, $2, $3, 0, now(), $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
        [
          r['machine_id'],
          r['timestamp'],
          message.seq,
          r['temperature'],
          r['spindle_speed'],
          r['x_pos_mm'],
          r['y_pos_mm'],
          r['z_pos_mm'],
          r['feed_rate_actual'],
          r['spindle_load_percent'],
          r['machine_state'],
          r['active_program_line'],
          r['total_power_kw'],
        ],
      )
      message.ack()
      if (message.info.pending === 0) isEmpty = true
    }
  }
  await untilSettled(nats, stream, limit)
}

/** Take and ack each message by the client's own means, nothing else. */
async function brokerLimit(nats: NatsConnection, stream: string): Promise<undefined> {
  const consumer = await jetstream(nats).consumers.get(stream, 'PROCESSOR')
  const last = Promise.withResolvers<void>()
  const messages = await consumer.consume({
    max_messages: configFor(stream).ingest.prefetchMessages,
    callback: (message) => {
      message.ack()
      if (message.info.pending === 0) last.resolve()
    },
  })
  await Promise.race([last.promise, new Promise((resolve) => limit.addEventListener('abort', resolve))])
  await untilSettled(nats, stream, limit)
  messages.stop()
}

/** The same by the monitor's own source. */
async function ownTakeAndAck(nats: NatsConnection, stream: string): Promise<undefined> {
  const config = configFor(stream)
  const stop = new AbortController()
  const source = deliveriesOf(nats, {
    stream,
    consumer: 'PROCESSOR',
    prefetch: { messages: config.ingest.prefetchMessages, bytes: config.ingest.prefetchBytes },
    workingEveryMs: 1_000,
    declare: () => declareStream(nats, streamSettings(config), () => undefined),
  })
  let left = (await readBacklog(nats, stream, 'PROCESSOR')).pending
  for await (const burst of source.take(stop.signal)) {
    for (const delivery of burst) delivery.ack()
    left -= burst.length
    if (left <= 0) stop.abort()
  }
  await untilSettled(nats, stream, limit)
}

/** The pipeline of this program. A latency stream is empty when it begins. */
async function pipeline(nats: NatsConnection, store: Store, stream: string): Promise<Latency | undefined> {
  const stop = new AbortController()
  const waits: number[] = []
  let committed = 0
  const expected =
    task.name === 'latency' && stream === task.stream
      ? task.count
      : (await readBacklog(nats, stream, 'PROCESSOR')).pending
  const all = Promise.withResolvers<void>()
  const isTimed = task.name === 'latency' && stream === task.stream
  const config = configFor(stream)
  const wait = { timeoutMs: 30_000, signal: stop.signal }
  const run = runIngestion({
    config,
    nats,
    store,
    stream: await openStream(config, nats, wait, (sentence) => process.stderr.write(`${sentence}\n`)),
    signal: stop.signal,
    observer: observers({
      committed({ messages }) {
        committed += messages.length
        if (isTimed) {
          const nowMs = performance.timeOrigin + performance.now()
          for (const { readings } of messages) {
            for (const { reading } of readings) waits.push(nowMs - epochMs(reading.timestamp))
          }
        }
        if (committed >= expected) all.resolve()
      },
      interrupted: (reason) => process.stderr.write(`interrupted: ${reason}\n`),
    }),
    onMistake: (mistake) => process.stderr.write(`mistake: ${sentenceOf(mistake)}\n`),
  })
  await Promise.race([all.promise, new Promise((resolve) => limit.addEventListener('abort', resolve))])
  await untilSettled(nats, stream, limit)
  stop.abort()
  await run
  if (!isTimed) return
  return {
    count: waits.length,
    p50: quantile(waits, 0.5),
    p99: quantile(waits, 0.99),
    max: Math.max(...waits),
  }
}

/** Of a timestamp with microseconds, which Date.parse cuts off. */
function epochMs(timestamp: string): number {
  const fraction = /\.(\d+)Z$/.exec(timestamp)?.[1] ?? '0'
  return Date.parse(`${timestamp.slice(0, 19)}Z`) + Number(`0.${fraction}`) * 1_000
}
