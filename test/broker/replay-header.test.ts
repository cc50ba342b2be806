import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectToNats } from '../../src/broker/connect.ts'
import { deliveriesOf } from '../../src/broker/deliveries.ts'
import { publisherOn } from '../../src/broker/publisher.ts'
import { declareStream } from '../../src/broker/stream.ts'
import { REPLAY_HEADER, replayOriginText, type ReplayOrigin } from '../../src/replay-origin.ts'
import { withNats } from '../support/nats.ts'

const settings = {
  stream: 'CNC_DATA',
  consumer: 'PROCESSOR',
  maxBytes: 2 ** 30,
  ackWaitMs: 5_000,
  maxAckPending: 100,
}

test('a delivery says which dead letter it replays; other messages, and other headers, say none', () =>
  withNats(async ({ url }) => {
    const connection = await connectToNats({ url, name: 'test' })
    try {
      const declare = () => declareStream(connection, settings, assert.fail)
      await declare()
      const origin = { messageId: '7', position: 3, replayId: '00000000-0000-4000-8000-000000000000' }
      const publisher = publisherOn(connection)
      await publisher.publish('CNC_DATA.x', 'none')
      await publisher.publish('CNC_DATA.x', 'replay', { [REPLAY_HEADER]: replayOriginText(origin) })
      await publisher.publish('CNC_DATA.x', 'garbage', { [REPLAY_HEADER]: 'garbage' })
      await publisher.publish('CNC_DATA.x', 'other', { 'Other-Header': 'x' })
      const seen: [string, ReplayOrigin | null][] = []
      const stop = new AbortController()
      const source = deliveriesOf(connection, {
        ...settings,
        prefetch: { messages: 10, bytes: 1_000_000 },
        workingEveryMs: 1_000,
        declare,
      })
      for await (const burst of source.take(stop.signal)) {
        for (const delivery of burst) {
          seen.push([Buffer.from(delivery.data).toString(), delivery.replayOf])
          delivery.ack()
        }
        if (seen.length === 4) stop.abort()
      }
      assert.deepEqual(seen, [
        ['none', null],
        ['replay', origin],
        ['garbage', null],
        ['other', null],
      ])
    } finally {
      await connection.close()
    }
  }))
