import assert from 'node:assert/strict'
import { test } from 'node:test'
import { posting, type PostedReading } from '../src/posted-readings.ts'
import { RecordingPublisher } from './sources/recording-publisher.ts'

const reading = (position: number, machineId: string, text = `"${machineId}${position}"`): PostedReading => ({
  position,
  machineId,
  text,
})

const post = async (
  accepted: readonly PostedReading[],
  {
    publisher = new RecordingPublisher(),
    maxReadings = 3,
    maxBytes = 1_000,
    key = null as string | null,
  } = {},
) => {
  const outcome = await posting({
    judge: () => ({ kind: 'readings', accepted, refused: [] }),
    publisher,
    subjectOf: (id) => `S.${id}`,
    maxReadings,
    maxBytes: () => maxBytes,
    messageId: (given, { position }) => `${given}-${position}`,
  }).post(Buffer.alloc(0), 'json', key)
  if (outcome.kind !== 'posted') assert.fail(outcome.kind)
  return { outcome, sent: publisher.messages.map(({ subject, payload }) => `${subject} ${payload}`) }
}

test('readings of one machine share messages up to the limit of readings, one alone is no array', async () => {
  const { outcome, sent } = await post([
    ...[0, 1, 2, 3].map((i) => reading(i, 'A')),
    reading(4, 'B'),
    reading(5, 'A'),
  ])
  assert.deepEqual(sent.sort(), ['S.A ["A0","A1","A2"]', 'S.A ["A3","A5"]', 'S.B "B4"'])
  assert.deepEqual([outcome.accepted, outcome.messages, outcome.failure], [6, 3, null])
})

test('no message is longer than allowed, and every byte allowed is used', async () => {
  const texts = ['"a"', '"é"', '"bb"', '"c"', '"d"']
  const all = texts.map((text, i) => reading(i, 'A', text))
  const { sent } = await post(all, { maxReadings: 10, maxBytes: 10 })
  assert.deepEqual(sent, ['S.A ["a","é"]', 'S.A ["bb","c"]', 'S.A "d"'])
})

test('a request that may be repeated sends one reading a message', async () => {
  const { sent, outcome } = await post([reading(0, 'A'), reading(2, 'A')], { key: 'k' })
  assert.deepEqual(sent, ['S.A "A0"', 'S.A "A2"'])
  assert.equal(outcome.messages, 2)
})

test('after a message that is not taken no further one is sent, and what was acknowledged is counted', async () => {
  const publisher = new RecordingPublisher((count) => count === 300)
  const { outcome, sent } = await post(
    Array.from({ length: 2_000 }, (_, i) => reading(i, `M${i}`)),
    { publisher },
  )
  assert.equal(outcome.failure, 'no responders')
  assert.equal(outcome.accepted, sent.length)
  assert.ok(sent.length >= 299 && sent.length < 1_000, `${sent.length}`)
  assert.ok(publisher.mostInFlight <= 256)
})
