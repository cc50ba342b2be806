// What a monitor tells the others of a batch: only what is in the table, of each machine the newest.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoredReadings } from '../../src/feed/stored-readings.ts'
import type { DecodedMessage, WriteOutcome } from '../../src/pipeline-types.ts'
import { readingFields, type Reading } from '../../src/reading.ts'
import { batchOf } from '../support/batches.ts'

const nothing = Object.fromEntries(readingFields.map(({ name }) => [name, null]))

function message(receivedAtMs: number, ...readings: [machine: string, second: number][]): DecodedMessage {
  return {
    delivery: { receivedAtMs, replayOf: null } as unknown as DecodedMessage['delivery'],
    readings: readings.map(([machine_id, second], position) => ({
      position,
      reading: {
        ...nothing,
        machine_id,
        timestamp: `2026-03-01T12:00:0${second}Z`,
        part_count: position,
        extra: null,
      } as unknown as Reading,
    })),
    rejections: [],
  }
}

function committed(changes: object = {}): WriteOutcome & { kind: 'committed' } {
  return { kind: 'committed', stored: 0, refused: new Map(), postponed: new Map(), ...changes }
}

const shownOf = (stored: StoredReadings, nowMs: number) =>
  stored
    .take(nowMs, '2026-03-01T12:00:00Z')
    .map(({ machineId, timestamp }) => `${machineId} ${timestamp.slice(17, -1)}`)
    .toSorted()

test('of each machine the newest, in whatever order batches and readings come', () => {
  const stored = new StoredReadings(5)
  stored.committed(batchOf([message(10, ['A', 1], ['B', 3]), message(11, ['A', 2], ['B', 2])]), committed())
  stored.committed(batchOf([message(5, ['A', 1], ['C', 1])]), committed())
  assert.deepEqual(shownOf(stored, 0), ['A 02', 'B 03', 'C 01'])
  stored.committed(batchOf([message(12, ['A', 4])]), committed())
  assert.deepEqual(shownOf(stored, 100), [])
  assert.ok(stored.isWaiting)
  assert.deepEqual(shownOf(stored, 200), ['A 04'])
})

test('what was refused, postponed or replayed is not told', () => {
  const stored = new StoredReadings(5)
  const partly = message(10, ['A', 1], ['A', 2])
  const postponed = message(11, ['B', 1])
  const replay = {
    ...message(12, ['C', 1]),
    delivery: { receivedAtMs: 12, replayOf: {} } as unknown as DecodedMessage['delivery'],
  }
  const batch = batchOf([partly, postponed, replay])
  const refused = new Map([[batch.messages[0], { rejections: [], positions: new Set([1]) }]])
  stored.committed(batch, committed({ refused, postponed: new Map([[batch.messages[1], 'why']]) }))
  assert.deepEqual(shownOf(stored, 0), ['A 01'])
  stored.committed(batchOf([replay]), committed())
  assert.deepEqual(shownOf(stored, 1_000), [])
})

test('of two readings of one instant the one received last is told', () => {
  const stored = new StoredReadings(5)
  stored.committed(batchOf([message(10, ['A', 1], ['A', 1]), message(9, ['A', 1])]), committed())
  const [line] = stored.take(0, '2026-03-01T12:00:00Z')
  assert.equal(line?.receivedAtMicros, 10_000)
  assert.match(line?.text ?? '', /"part_count":1\}/)
})
