// The stream and its durable consumer, declared idempotently. What exists with other settings is left as it
// is and named; what cannot work stops the start with a sentence.
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiError,
  jetstreamManager,
  ReplayPolicy,
  RetentionPolicy,
  StorageType,
  type ConsumerConfig,
  type JetStreamManager,
  type StreamConfig,
} from '@nats-io/jetstream'
import { UsageError } from '../errors.ts'
import type { StreamIncarnation } from '../pipeline-types.ts'
import type { NatsConnection } from './connect.ts'

export interface StreamSettings {
  readonly stream: string
  readonly consumer: string
  readonly maxBytes: number
  /** How long the server waits for an answer before it delivers again: above batch age plus statement limit. */
  readonly ackWaitMs: number
  /** Deliveries that may be unanswered at once, over all monitors. */
  readonly maxAckPending: number
}

const STREAM_NOT_FOUND = 10_059
const CONSUMER_NOT_FOUND = 10_014
/** The server's storage, or what its account may use of it, is smaller than the stream may grow. */
const NO_STORAGE: readonly number[] = [10_047, 10_002]
const NANOS_PER_MS = 1_000_000

/** The stream's settings. Work queue: what is answered leaves the stream, so that it is full only of work. */
function streamConfig(settings: StreamSettings): Partial<StreamConfig> & { name: string } {
  return {
    name: settings.stream,
    subjects: [`${settings.stream}.>`],
    storage: StorageType.File,
    retention: RetentionPolicy.Workqueue,
    discard: DiscardPolicy.New,
    max_bytes: settings.maxBytes,
    duplicate_window: 120_000 * NANOS_PER_MS,
  }
}

function consumerConfig(settings: StreamSettings): Partial<ConsumerConfig> {
  return {
    durable_name: settings.consumer,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    replay_policy: ReplayPolicy.Instant,
    ack_wait: settings.ackWaitMs * NANOS_PER_MS,
    max_ack_pending: settings.maxAckPending,
    max_deliver: -1,
  }
}

/** Declares both. `warn` is told what differs. Throws UsageError for what cannot work. */
export async function declareStream(
  connection: NatsConnection,
  settings: StreamSettings,
  warn: (sentence: string) => void,
): Promise<StreamIncarnation> {
  const manager = await jetStream(connection)
  const stream = await declare(
    () => manager.streams.info(settings.stream),
    () => addStream(manager, settings),
    STREAM_NOT_FOUND,
  )
  const subject = `${settings.stream}.>`
  if (!stream.config.subjects.includes(subject)) {
    throw new UsageError(
      `The stream ${settings.stream} exists and does not take ${subject} (it takes ${stream.config.subjects.join(', ')}). ` +
        `Add the subject to it, or name another stream with STREAM_NAME.`,
    )
  }
  sayDifferences(`stream ${settings.stream}`, streamConfig(settings), stream.config, warn)
  const consumer = await declare(
    () => manager.consumers.info(settings.stream, settings.consumer),
    () => manager.consumers.add(settings.stream, consumerConfig(settings)),
    CONSUMER_NOT_FOUND,
  )
  if (consumer.config.ack_policy !== AckPolicy.Explicit || consumer.config.deliver_subject !== undefined) {
    throw new UsageError(
      `The consumer ${settings.consumer} exists and is not a pull consumer with explicit acks. ` +
        `Delete it ("nats consumer rm ${settings.stream} ${settings.consumer}"), or name another one with CONSUMER_NAME.`,
    )
  }
  sayDifferences(`consumer ${settings.consumer}`, consumerConfig(settings), consumer.config, warn)
  return { stream: settings.stream, createdAt: stream.created }
}

/** How the consumer stands. */
export interface Backlog {
  /** Messages that were never delivered yet. */
  readonly pending: number
  /** Messages delivered and not yet answered. */
  readonly ackPending: number
  /** Messages that were delivered more than once. */
  readonly redelivered: number
}

export async function readBacklog(
  connection: NatsConnection,
  stream: string,
  consumer: string,
): Promise<Backlog> {
  const manager = await jetstreamManager(connection, { checkAPI: false })
  const info = await manager.consumers.info(stream, consumer)
  return { pending: info.num_pending, ackPending: info.num_ack_pending, redelivered: info.num_redelivered }
}

async function jetStream(connection: NatsConnection): Promise<JetStreamManager> {
  try {
    return await jetstreamManager(connection)
  } catch (error) {
    if ((error as Error).name === 'JetStreamNotEnabled') {
      throw new UsageError(
        `The NATS server ${connection.getServer()} runs without JetStream. Start it with "-js", or with a ` +
          `"jetstream {}" block in its configuration.`,
      )
    }
    throw error
  }
}

/** Room is reserved for all that the stream may hold: too much is no failure of the moment. */
async function addStream(manager: JetStreamManager, settings: StreamSettings): Promise<void> {
  try {
    await manager.streams.add(streamConfig(settings))
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || !NO_STORAGE.includes(error.code)) throw error
    const free = await freeStorage(manager)
    const left = free === null ? '' : ` ${free} bytes are free.`
    throw new UsageError(
      `The NATS server has no room for the stream ${settings.stream} of ${settings.maxBytes} bytes (${error.message}).${left} ` +
        `Lower STREAM_MAX_BYTES, or give the server more: free disk, or raise "max_file_store" in its configuration, ` +
        `which by default is three quarters of what the disk has free when the server starts.`,
      { cause: error },
    )
  }
}

/** What the account may still use; null where it has no limit of its own: of the server's the server says nothing. */
async function freeStorage(manager: JetStreamManager): Promise<number | null> {
  const account = await manager.getAccountInfo().catch(() => null)
  if (account === null || account.limits.max_storage < 0) return null
  const used = Math.max(account.storage, account.reserved_storage ?? 0)
  return Math.max(0, account.limits.max_storage - used)
}

/** Two monitors may start at once: the loser of the race finds what the winner made. */
async function declare<T>(
  find: () => Promise<T>,
  make: () => Promise<unknown>,
  notFound: number,
): Promise<T> {
  try {
    return await find()
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.code !== notFound) throw error
  }
  try {
    await make()
  } catch (error) {
    return find().catch(() => Promise.reject(error as Error))
  }
  return find()
}

function sayDifferences(what: string, wanted: object, found: object, warn: (sentence: string) => void): void {
  const there = found as Record<string, unknown>
  const different = Object.entries(wanted).filter(
    ([key, value]) => JSON.stringify(there[key]) !== JSON.stringify(value),
  )
  if (different.length === 0) return
  const list = different.map(
    ([key, value]) =>
      `${key} is ${JSON.stringify(there[key])}, this program would set ${JSON.stringify(value)}`,
  )
  warn(`The ${what} exists with other settings, which are left as they are: ${list.join('; ')}.`)
}
