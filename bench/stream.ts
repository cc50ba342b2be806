// Streams to measure with: declared as the monitor declares its own, filled before any clock starts.
import { jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '../src/broker/connect.ts'
import { declareStream, readBacklog } from '../src/broker/stream.ts'
import { readConfig, type Config } from '../src/config.ts'
import { streamSettings } from '../src/ingestion.ts'
import { payload } from './readings.ts'

/** So many messages may be on their way before it is looked how many the stream has taken. */
const AHEAD = 5_000
const POLL_MS = 2

/** The defaults of the program, for this stream. */
export function configFor(stream: string): Config {
  return readConfig({ STREAM_NAME: stream, CONSUMER_NAME: 'PROCESSOR' }).config
}

/** Makes the stream anew and puts `count` messages of `each` readings into it. */
export async function fillStream(
  nats: NatsConnection,
  stream: string,
  count: number,
  each: number,
  onProgress: (taken: number) => void,
): Promise<void> {
  const manager = await jetstreamManager(nats)
  await manager.streams.delete(stream).catch(() => false)
  await declareStream(nats, streamSettings(configFor(stream)), () => undefined)
  const taken = async () => (await manager.streams.info(stream)).state.messages
  for (let n = 0; n < count; n++) {
    nats.publish(`${stream}.x`, payload(n, each))
    const isTurn = n % (each === 1 ? 2_000 : 50) === 0
    if (!isTurn) continue
    await nats.flush()
    for (let now = await taken(); now < n - AHEAD / each; now = await taken()) await pause()
    onProgress(n)
  }
  await nats.flush()
  while ((await taken()) < count) await pause()
}

export async function deleteStream(nats: NatsConnection, stream: string): Promise<void> {
  await (await jetstreamManager(nats)).streams.delete(stream).catch(() => false)
}

/** Waits until nothing is pending and nothing unanswered; no other limit than `signal`. */
export async function untilSettled(nats: NatsConnection, stream: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const { pending, ackPending } = await readBacklog(nats, stream, 'PROCESSOR')
    if (pending === 0 && ackPending === 0) return
    await pause()
  }
  signal.throwIfAborted()
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, POLL_MS))
}
