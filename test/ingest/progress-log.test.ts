import assert from 'node:assert/strict'
import { test } from 'node:test'
import { progressLog } from '../../src/ingest/progress-log.ts'
import type { DecodedMessage } from '../../src/pipeline-types.ts'
import { decodeMessage } from '../../src/decode/decode-message.ts'
import { defaultLimits, receivedAtMs } from '../golden/cases.ts'
import { batchOf } from '../support/batches.ts'

const outcome = { kind: 'committed', stored: 1, refused: new Map(), postponed: new Map() } as const

function message(text: string): DecodedMessage {
  const delivery = { sequence: 7 } as DecodedMessage['delivery']
  return { delivery, ...decodeMessage(Buffer.from(text), receivedAtMs, defaultLimits) }
}

const good = (id: string) => message(JSON.stringify({ machine_id: id, timestamp: '2026-03-01T11:00:00Z' }))

test("a machine's first line in a second is written at once, further ones are counted", () => {
  const lines: string[] = []
  let nowMs = 10_000
  const log = progressLog({ info: (line) => lines.push(line), warn: (line) => lines.push(line) }, () => nowMs)
  log.committed(batchOf([good('A'), good('A'), good('B')]), outcome)
  log.committed(batchOf([good('A')]), outcome)
  log.committed(batchOf([good('A')]), outcome)
  nowMs = 11_000
  log.committed(batchOf([good('A')]), outcome)
  log.flush(12_000)
  const said = 'Successfully processed and stored data for machine:'
  assert.deepEqual(lines, [
    `${said} A (2 readings)`,
    `${said} B (1 reading)`,
    `${said} A (3 readings, 2 lines held back)`,
  ])
})

test('what was held back is said when nothing follows', () => {
  const lines: string[] = []
  const log = progressLog(
    { info: (line) => lines.push(line), warn: (line) => lines.push(line) },
    () => 10_000,
  )
  log.committed(batchOf([good('A')]), outcome)
  log.committed(batchOf([good('A')]), outcome)
  log.flush(10_900)
  assert.equal(lines.length, 1)
  log.flush(11_000)
  log.flush(12_000)
  assert.equal(lines.length, 2)
  assert.match(lines[1] ?? '', /A \(1 reading, 1 line held back\)/)
})

test('readings that the database refused are not said to be stored, also those beyond its dead letters', () => {
  const lines: string[] = []
  const log = progressLog(
    { info: (line) => lines.push(line), warn: (line) => lines.push(line) },
    () => 10_000,
  )
  const machines = ['A', 'B', 'C', 'A', 'B']
  const many = message(
    JSON.stringify(machines.map((id) => ({ machine_id: id, timestamp: '2026-03-01T11:00:00Z' }))),
  )
  const rejection = { code: 'refused_by_database', reason: 'no', payload: new Uint8Array() } as const
  const rejections = [{ ...rejection, position: 0, more: 2 }]
  const batch = batchOf([many])
  const [held] = batch.messages
  assert.ok(held !== undefined)
  log.committed(batch, {
    ...outcome,
    refused: new Map([[held, { rejections, positions: new Set([0, 1, 2]) }]]),
  })
  assert.equal(lines.length, 3)
  assert.match(lines[0] ?? '', /^Part of message 7 was refused: no/)
  assert.match(lines[1] ?? '', /machine: A \(1 reading\)/)
  assert.match(lines[2] ?? '', /machine: B \(1 reading\)/)
})

test('a flood of malformed messages makes a bounded number of lines and says how many it held back', () => {
  const lines: string[] = []
  const log = progressLog({ info: () => undefined, warn: (line) => lines.push(line) }, () => 10_000)
  log.committed(batchOf(Array.from({ length: 5_000 }, () => message('nonsense'))), outcome)
  assert.equal(lines.length, 10)
  assert.match(
    lines[0] ?? '',
    /^Error unmarshalling message data: the message is not JSON.*\. Message will be terminated\.$/,
  )
  log.flush(11_000)
  assert.match(lines[10] ?? '', /^4990 more malformed messages/)
})

test('what was given back is said with its reason, once a second', () => {
  const lines: string[] = []
  let nowMs = 10_000
  const log = progressLog({ info: () => undefined, warn: (line) => lines.push(line) }, () => nowMs)
  const again = { ...good('A'), delivery: { sequence: 7, deliveryCount: 6 } as DecodedMessage['delivery'] }
  const others = [good('B'), good('C')]
  const givenBack = (messages: readonly DecodedMessage[], reason: string) => {
    const batch = batchOf(messages)
    log.committed(batch, { ...outcome, postponed: new Map(batch.messages.map((one) => [one, reason])) })
  }
  givenBack([again, ...others], 'deadlock detected')
  givenBack([again], 'not told')
  nowMs = 11_000
  givenBack([again], 'row is too big')
  assert.deepEqual(lines, [
    'Message 7 and 2 more of its batch could not be written (tried 6 times): deadlock detected. It is tried again.',
    'Message 7 could not be written (tried 6 times): row is too big. It is tried again.',
  ])
})
