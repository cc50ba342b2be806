// What a batch keeps of its messages: not the readings, but all that is asked of them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultLimits, goldenCases } from '../golden/cases.ts'
import { messageDecoder } from '../../src/decode/message-decoder.ts'
import { Batch } from '../../src/ingest/batch.ts'
import type { DecodedMessage } from '../../src/pipeline-types.ts'
import { batchOf, sinkWriting } from '../support/batches.ts'
import { delivered } from '../support/delivered.ts'

test('the readings of a held message are those that the decoder gave, for every golden input, each time anew', () => {
  const decode = messageDecoder(defaultLimits, (mistake) => assert.fail(String(mistake)))
  const added: DecodedMessage[] = []
  const sink = sinkWriting(() => assert.fail())
  const batch = new Batch(decode, { ...sink.open(), add: (message) => added.push(message) })
  for (const [i, { message }] of goldenCases().entries()) batch.add(delivered(message, i + 1).delivery)
  assert.ok(batch.messages.length > 50)
  for (const [i, held] of batch.messages.entries()) {
    const { delivery, readings, rejections } = added[i] as DecodedMessage
    assert.deepEqual(held.readings, readings)
    assert.deepEqual(held.readings, readings)
    assert.deepEqual(
      [held.delivery, held.readingCount, held.rejections],
      [delivery, readings.length, rejections],
    )
  }
})

test('of each machine the readings are counted, and the newest is kept', () => {
  const at = (machine: string, second: string, part: number) => ({
    machine_id: machine,
    timestamp: `2026-03-01T11:00:${second}Z`,
    part_count: part,
  })
  const { machines } = batchOf([
    delivered([at('A', '01', 1), at('B', '05', 2), at('A', '01.5', 3)], 1, {
      receivedAtMs: 1_772_366_400_010,
    }),
    delivered([at('A', '01.25', 4), at('B', '05', 5), at('B', '05', 6)], 2, {
      receivedAtMs: 1_772_366_400_020,
    }),
    delivered([at('B', '05', 7), 'bad'], 3, { receivedAtMs: 1_772_366_400_015 }),
  ])
  assert.deepEqual(
    [...machines].map(([id, { readings, newest, newestReceivedAtMs }]) => [
      id,
      readings,
      newest.part_count,
      newestReceivedAtMs % 1_000,
    ]),
    [
      ['A', 3, 3, 10],
      ['B', 4, 6, 20],
    ],
  )
})
