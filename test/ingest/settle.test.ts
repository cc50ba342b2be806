// Each message of a batch gets one answer, as the outcome says.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { giveBack, nakDelayMs, settle } from '../../src/ingest/settle.ts'
import type { MessageInBatch, WriteOutcome } from '../../src/pipeline-types.ts'
import type { Rejection } from '../../src/reading.ts'
import { delivered } from '../support/delivered.ts'

const good = { machine_id: 'M', timestamp: '2026-03-01T11:00:00Z' }

/** As if delivered; remembers the delays as well. */
function message(data: object | string, deliveryCount = 1): MessageInBatch & { readonly answers: string[] } {
  const one = delivered(data, 1, { deliveryCount })
  return {
    ...one,
    delivery: { ...one.delivery, nak: (delayMs) => void one.answers.push(`nak after ${delayMs} ms`) },
  }
}

const rejection = (position: number): Rejection => ({
  code: 'refused_by_database',
  reason: 'the database refused this reading',
  position,
  payload: Buffer.from('{}'),
  more: 0,
})

function outcome(
  refused: readonly (readonly [MessageInBatch, readonly Rejection[]])[] = [],
  postponed: readonly MessageInBatch[] = [],
): WriteOutcome & { kind: 'committed' } {
  return {
    kind: 'committed',
    stored: 0,
    refused: new Map(
      refused.map(([message, rejections]) => [
        message,
        { rejections, positions: new Set(rejections.map(({ position }) => position)) },
      ]),
    ),
    postponed: new Map(postponed.map((one) => [one, 'it failed alone'])),
  }
}

test('what carried a reading is acked, what carried none is termed', () => {
  const batch = [message(good), message('not json'), message([good, 'bad']), message(['bad', 'worse'])]
  settle(batch, outcome())
  assert.deepEqual(
    batch.map(({ answers }) => answers),
    [['ack'], ['term'], ['ack'], ['term']],
  )
})

test('a message of which the database refused everything is termed, one of which it took something is acked', () => {
  const whole = message(good)
  const array = message([good, good])
  const half = message([good, good])
  const mixed = message(['bad', good])
  const other = message(good)
  settle(
    [whole, array, half, mixed, other],
    outcome([
      [whole, [rejection(0)]],
      [array, [rejection(0), rejection(1)]],
      [half, [rejection(1)]],
      [mixed, [rejection(1)]],
      [other, []],
    ]),
  )
  const answers = [whole, array, half, mixed, other].map((one) => one.answers)
  assert.deepEqual(answers, [['term'], ['term'], ['ack'], ['term'], ['ack']])
})

test('what was postponed is given back, later the more often it was delivered, also when part of it was refused', () => {
  const early = message(good, 3)
  const late = message([good, good], 5)
  const other = message(good)
  settle([early, late, other], outcome([[late, [rejection(0), rejection(1)]]], [early, late]))
  assert.deepEqual(other.answers, ['ack'])
  const delays = [early, late].map(({ answers }) => {
    assert.equal(answers.length, 1)
    return Number(/^nak after ([\d.]+) ms$/.exec(answers[0] ?? '')?.[1])
  })
  const [first = NaN, second = NaN] = delays
  assert.ok(first >= nakDelayMs(3, 0) && first <= nakDelayMs(3, 1), `${first}`)
  assert.ok(second >= nakDelayMs(5, 0) && second <= nakDelayMs(5, 1), `${second}`)
})

test('a batch that is given up is given back whole, good and bad alike, not all at once', () => {
  const batch = Array.from({ length: 100 }, (_, i) => message(i % 2 === 0 ? good : 'bad'))
  giveBack(batch, 2)
  assert.ok(batch.every(({ answers }) => answers.length === 1 && answers[0]?.startsWith('nak after ')))
  assert.ok(new Set(batch.map(({ answers }) => answers[0])).size > 50)
})

test('the delay of what is given back grows, is spread, and is bounded', () => {
  assert.ok(nakDelayMs(0, 0) < nakDelayMs(1, 0))
  assert.ok(nakDelayMs(3, 0) < nakDelayMs(3, 0.9))
  assert.ok(nakDelayMs(1_000, 0.99) <= 10_000)
})
