import assert from 'node:assert/strict'
import { test } from 'node:test'
import { publishTestData, stress, testReading } from '../../src/sources/test-readings.ts'
import { RecordingPublisher } from './recording-publisher.ts'

test('the test reading has the twelve classic fields', () => {
  const reading = testReading(Date.UTC(2026, 2, 1))
  assert.equal(reading.timestamp, '2026-03-01T00:00:00.000Z')
  assert.deepEqual(Object.keys(reading), [
    'machine_id',
    'timestamp',
    'temperature',
    'spindle_speed',
    'x_pos_mm',
    'y_pos_mm',
    'z_pos_mm',
    'feed_rate_actual',
    'spindle_load_percent',
    'machine_state',
    'active_program_line',
    'total_power_kw',
  ])
})

test('test data is one message, and a refusal is not hidden', async () => {
  const publisher = new RecordingPublisher()
  assert.deepEqual(await publishTestData(publisher, 'CNC_DATA'), { taken: 1 })
  assert.deepEqual(
    publisher.messages.map(({ subject }) => subject),
    ['CNC_DATA.metrics'],
  )
  await assert.rejects(publishTestData(new RecordingPublisher(() => true), 'CNC_DATA'), /no responders/)
})

test('stress sends a hundred distinct readings of five machines, then one malformed message', async () => {
  const publisher = new RecordingPublisher()
  const progress: number[] = []
  const result = await stress(publisher, 'CNC_DATA', (taken) => progress.push(taken))
  assert.deepEqual(result, { readings: 100, malformed: 1, taken: 101 })
  assert.deepEqual(progress.at(-1), 101)
  const last = publisher.messages.pop()
  assert.equal(last?.subject, 'CNC_DATA.malformed')
  assert.equal(last?.payload, '{"machine_id": "CNC-MALFORMED", "temperature": "not-a-float"}')
  const perMachine = new Map<string, Set<string>>()
  for (const { subject, payload } of publisher.messages) {
    assert.equal(subject, 'CNC_DATA.metrics')
    const { machine_id: id, timestamp } = JSON.parse(payload) as { machine_id: string; timestamp: string }
    perMachine.set(id, (perMachine.get(id) ?? new Set()).add(timestamp))
  }
  assert.deepEqual(
    [...perMachine].map(([id, times]) => [id, times.size]),
    [0, 1, 2, 3, 4].map((i) => [`CNC-STRESS-${i}`, 20]),
  )
  assert.ok(publisher.mostInFlight > 5)
})

test('stress says how many were taken when not all were', async () => {
  const publisher = new RecordingPublisher((count) => count % 25 === 3)
  await assert.rejects(stress(publisher, 'CNC_DATA'), {
    message: '97 of 101 taken; first error: no responders',
  })
})
