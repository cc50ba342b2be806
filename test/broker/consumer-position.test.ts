// The consumer against a stream that came back older than it, on a real nats-server.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connectToNats, type NatsConnection } from '../../src/broker/connect.ts'
import { consumerWatch } from '../../src/broker/consumer-position.ts'
import { publisherOn } from '../../src/broker/publisher.ts'
import { declareStream } from '../../src/broker/stream.ts'
import { until } from '../support/monitor.ts'
import { withNats, type TestNats } from '../support/nats.ts'
import { copyStream, type CopiedPart } from '../support/stream-copy.ts'

const names = { stream: 'CNC_DATA', consumer: 'PROCESSOR' }
const settings = { ...names, maxBytes: 2 ** 30, ackWaitMs: 1_000, maxAckPending: 1_000 }
const unexpected = (sentence: string) => assert.fail(sentence)

async function publish(connection: NatsConnection, texts: readonly string[]): Promise<void> {
  const publisher = publisherOn(connection)
  for (const text of texts) await publisher.publish('CNC_DATA.x', text)
}

/** Takes what comes within a second, `count` at most, and acks it. */
async function takeAndAck(connection: NatsConnection, count: number): Promise<string[]> {
  const consumer = await jetstream(connection).consumers.get(names.stream, names.consumer)
  const taken: string[] = []
  for await (const message of await consumer.fetch({ max_messages: count, expires: 1_000 })) {
    taken.push(message.string())
    await message.ackAck()
  }
  return taken
}

async function withConnection<T>(
  nats: TestNats,
  run: (connection: NatsConnection) => Promise<T>,
): Promise<T> {
  const connection = await connectToNats({ url: nats.url, name: 'test' })
  try {
    return await run(connection)
  } finally {
    await connection.close()
  }
}

/** A consumer that has answered 15 messages, before a stream that ends with its tenth: five of it were never answered. */
async function restoreOlder(nats: TestNats, part: CopiedPart): Promise<void> {
  const count = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `${from + i}`)
  await withConnection(nats, async (connection) => {
    await declareStream(connection, settings, unexpected)
    await publish(connection, count(0, 10))
    assert.equal((await takeAndAck(connection, 5)).length, 5)
  })
  await nats.kill('SIGTERM')
  const copy = copyStream(nats.folder, 'CNC_DATA')
  await nats.restart()
  await withConnection(nats, async (connection) => {
    await publish(connection, count(10, 15))
    assert.equal((await takeAndAck(connection, 10)).length, 10)
  })
  await nats.kill('SIGTERM')
  copy.restore(part)
  await nats.restart()
}

/**
 * Whether nats-server itself has put such a consumer back to the end of its stream, as newer ones do when they
 * start. New messages are delivered then; what was never answered still is not.
 */
async function isPutBack(connection: NatsConnection): Promise<boolean> {
  const { delivered } = await (
    await jetstreamManager(connection)
  ).consumers.info(names.stream, names.consumer)
  assert.ok([10, 15].includes(delivered.stream_seq), `it stands at ${delivered.stream_seq}`)
  return delivered.stream_seq === 10
}

test('a consumer whose position lies beyond the end of its stream is named and made anew', () =>
  withNats(async (nats) => {
    await restoreOlder(nats, 'messages')
    await withConnection(nats, async (connection) => {
      const putBack = await isPutBack(connection)
      await publish(connection, ['new'])
      const early = await takeAndAck(connection, 100)
      assert.deepEqual(early, putBack ? ['new'] : [], 'it waits in vain, or passes over the first five')
      const said: string[] = []
      const watch = consumerWatch(connection, names, (sentence) => said.push(sentence))
      if (putBack) await until('it is seen', () => watch.check())
      else assert.equal(await watch.check(), true)
      assert.match(
        said.join(),
        putBack
          ? /PROCESSOR cannot go on: it has passed over message 6, which the stream still holds/
          : /PROCESSOR cannot go on: its position 15 lies beyond the end of the stream, 11/,
      )
      const late = await takeAndAck(connection, 100)
      assert.deepEqual([...late, ...early], ['5', '6', '7', '8', '9', 'new'])
      assert.equal(await watch.check(), false)
      const manager = await jetstreamManager(connection)
      assert.equal((await manager.streams.info('CNC_DATA')).state.messages, 0)
      const { config } = await manager.consumers.info('CNC_DATA', 'PROCESSOR')
      assert.deepEqual([config.max_ack_pending, config.max_deliver], [1_000, -1])
    })
  }))

test('messages that the consumer has passed over, because the stream has grown past it again, are delivered', () =>
  withNats(async (nats) => {
    await restoreOlder(nats, 'messages')
    await withConnection(nats, async (connection) => {
      const passed = (await isPutBack(connection)) ? 0 : 5
      const later = Array.from({ length: 20 }, (_, i) => `later ${i}`)
      await publish(connection, later)
      assert.deepEqual(await takeAndAck(connection, 100), later.slice(passed), 'the position lay before them')
      const said: string[] = []
      const watch = consumerWatch(connection, names, (sentence) => said.push(sentence))
      // Two looks in a row prove nothing: an answered message leaves the stream a moment later.
      assert.deepEqual([await watch.check(), await watch.check()], [false, false])
      await until('it is seen again a while later', () => watch.check())
      assert.match(said.join(), /has passed over message 6, which the stream still holds/)
      assert.deepEqual(await takeAndAck(connection, 100), [
        '5',
        '6',
        '7',
        '8',
        '9',
        ...later.slice(0, passed),
      ])
    })
  }))

test('two monitors that see it at the same time leave one sound consumer', () =>
  withNats(async (nats) => {
    await restoreOlder(nats, 'messages')
    await withConnection(nats, async (connection) => {
      const watches = [1, 2, 3].map(() => consumerWatch(connection, names, () => undefined))
      await until('one of them has made it anew', async () =>
        (await Promise.all(watches.map((watch) => watch.check()))).includes(true),
      )
      assert.deepEqual(await takeAndAck(connection, 100), ['5', '6', '7', '8', '9'])
    })
  }))

test('a stream that came back together with its consumer is left alone, and so is a sound one under load', () =>
  withNats(async (nats) => {
    await restoreOlder(nats, 'messages and consumer')
    await withConnection(nats, async (connection) => {
      const watch = consumerWatch(connection, names, unexpected)
      const load = publish(
        connection,
        Array.from({ length: 500 }, (_, i) => `${i}`),
      )
      const taken: string[] = []
      while (taken.length < 505) {
        taken.push(...(await takeAndAck(connection, 50)))
        assert.equal(await watch.check(), false)
      }
      await load
      assert.deepEqual(taken.slice(0, 5), ['5', '6', '7', '8', '9'])
    })
  }))
