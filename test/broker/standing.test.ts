// How stream and consumer stand, against the real nats-server.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectToNats, type NatsConnection } from '../../src/broker/connect.ts'
import { deliveriesOf } from '../../src/broker/deliveries.ts'
import { publisherOn } from '../../src/broker/publisher.ts'
import { readStanding, watchBroker } from '../../src/broker/standing.ts'
import { declareStream } from '../../src/broker/stream.ts'
import { until } from '../support/monitor.ts'
import { withNats, type TestNats } from '../support/nats.ts'

const STREAM = 'CNC_DATA'
const CONSUMER = 'PROCESSOR'

async function withStream(
  run: (
    connection: NatsConnection,
    declare: () => ReturnType<typeof declareStream>,
    nats: TestNats,
  ) => Promise<void>,
): Promise<void> {
  await withNats(async (nats) => {
    const connection = await connectToNats({ url: nats.url, name: 'test' })
    const settings = {
      stream: STREAM,
      consumer: CONSUMER,
      maxBytes: 1_000_000,
      ackWaitMs: 30_000,
      maxAckPending: 500,
    }
    const declare = () => declareStream(connection, settings, () => undefined)
    try {
      await declare()
      await run(connection, declare, nats)
    } finally {
      await connection.close()
    }
  })
}

test('what waits, what is unanswered and where the consumer stands is told apart', () =>
  withStream(async (connection, declare) => {
    const publisher = publisherOn(connection)
    for (let i = 0; i < 10; i++) await publisher.publish(`${STREAM}.A`, 'x'.repeat(100))
    const untouched = await readStanding(connection, STREAM, CONSUMER)
    assert.equal(untouched.pending, 10)
    assert.deepEqual([untouched.deliveredSequence, untouched.lastSequence], [0, 10])
    assert.deepEqual([untouched.maxAckPending, untouched.streamMaxBytes], [500, 1_000_000])
    assert.ok(untouched.streamBytes > 1_000)

    const stop = new AbortController()
    const source = deliveriesOf(connection, {
      stream: STREAM,
      consumer: CONSUMER,
      prefetch: { messages: 100, bytes: 1_000_000 },
      workingEveryMs: 1_000,
      declare,
    })
    let taken = 0
    for await (const burst of source.take(stop.signal)) {
      for (const delivery of burst) if (++taken <= 7) delivery.ack()
      if (taken === 10) break
    }
    await source.flush()
    await until('the answers have arrived', async () => {
      return (await readStanding(connection, STREAM, CONSUMER)).ackFloorSequence === 7
    })
    const { pending, ackPending, deliveredSequence, streamMessages } = await readStanding(
      connection,
      STREAM,
      CONSUMER,
    )
    assert.deepEqual(
      { pending, ackPending, deliveredSequence, streamMessages },
      {
        pending: 0,
        ackPending: 3,
        deliveredSequence: 10,
        streamMessages: 3,
      },
    )
  }))

test('while the broker is away nothing is known, and when it is back everything is', () =>
  withStream(async (connection, _declare, nats) => {
    const stop = new AbortController()
    try {
      const poll = watchBroker(connection, STREAM, CONSUMER, stop.signal, 100)
      assert.deepEqual(poll(), { standing: null, lastSuccessMs: null })
      await until('it was asked once', () => poll().standing !== null)
      await nats.kill()
      await until('nothing is known', () => poll().standing === null)
      assert.notEqual(poll().lastSuccessMs, null)
      await nats.restart()
      await until('it is known again', () => poll().standing?.pending === 0)
    } finally {
      stop.abort()
    }
  }))
