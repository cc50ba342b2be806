// What is held for longer than the stream's patience is not delivered again, wherever it waits; and no more is held
// than is said. A real nats-server; the sink is slow to order.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectToNats, type NatsConnection } from '../../src/broker/connect.ts'
import { deliveriesOf } from '../../src/broker/deliveries.ts'
import { publisherOn } from '../../src/broker/publisher.ts'
import { declareStream, readBacklog } from '../../src/broker/stream.ts'
import { decodeMessage } from '../../src/decode/decode-message.ts'
import { runPipeline } from '../../src/ingest/pipeline.ts'
import { observers } from '../../src/observation.ts'
import { defaultLimits, receivedAtMs } from '../golden/cases.ts'
import { sinkWriting } from '../support/batches.ts'
import { until } from '../support/monitor.ts'
import { withNats } from '../support/nats.ts'

const ACK_WAIT_MS = 1_000
const settings = {
  stream: 'CNC_DATA',
  consumer: 'PROCESSOR',
  maxBytes: 2 ** 30,
  ackWaitMs: ACK_WAIT_MS,
  maxAckPending: 1_000,
}
const reading = '{"machine_id":"A","timestamp":"2026-03-01T11:00:00Z"}'

/** Publishes so many, all of them before the first is taken, or one by one. */
async function held(connection: NatsConnection, messages: number, isBacklog: boolean): Promise<void> {
  const declare = () => declareStream(connection, settings, assert.fail)
  await declare()
  const publisher = publisherOn(connection)
  const publish = async () => {
    for (let i = 0; i < messages; i++) await publisher.publish('CNC_DATA.A', reading)
  }
  if (isBacklog) await publish()
  const gate = Promise.withResolvers<void>()
  const stop = new AbortController()
  const counts: number[] = []
  const run = runPipeline(
    {
      source: deliveriesOf(connection, {
        stream: settings.stream,
        consumer: settings.consumer,
        prefetch: { messages: 20, bytes: 1_000_000 },
        workingEveryMs: ACK_WAIT_MS / 8,
        declare,
      }),
      sink: sinkWriting(async (messages) => {
        counts.push(...messages.map(({ delivery }) => delivery.deliveryCount))
        await gate.promise
        return { kind: 'committed', stored: messages.length, refused: new Map(), postponed: new Map() }
      }),
      decode: (one) => ({ delivery: one, ...decodeMessage(one.data, receivedAtMs, defaultLimits) }),
      limits: { messages: 5, readings: 1_000, bytes: 1e6, ageMs: 1 },
      batchesInFlight: 2,
      workingEveryMs: ACK_WAIT_MS / 8,
      observer: observers({}),
    },
    stop.signal,
  )
  const backlog = () => readBacklog(connection, settings.stream, settings.consumer)
  try {
    if (!isBacklog) await publish()
    // Batches in flight, the open one, what of a burst waits for it, and what was fetched ahead.
    await until('much is held', async () => (await backlog()).ackPending >= 20, 10_000)
    await sleep(3 * ACK_WAIT_MS)
    assert.equal((await backlog()).redelivered, 0)
    gate.resolve()
    await until('everything is answered', async () => {
      const { pending, ackPending } = await backlog()
      return pending + ackPending === 0
    })
  } finally {
    gate.resolve()
    stop.abort()
    await run
  }
  assert.equal(counts.length, messages)
  assert.ok(counts.every((count) => count === 1))
}

test('nothing is delivered again while it is held, for however long', () =>
  withNats(async ({ url }) => {
    const connection = await connectToNats({ url, name: 'test' })
    try {
      await held(connection, 200, true)
      await held(connection, 200, false)
    } finally {
      await connection.close()
    }
  }))
