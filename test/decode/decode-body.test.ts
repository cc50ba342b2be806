import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeBody } from '../../src/decode/decode-body.ts'
import { decodeMessage } from '../../src/decode/decode-message.ts'
import type { BodyForm, JudgedBody } from '../../src/posted-readings.ts'
import { readingJson } from '../../src/reading.ts'
import { defaultLimits, goldenCases, receivedAtMs } from '../golden/cases.ts'

const limits = { ...defaultLimits, maxReadings: 2_000, maxRejections: 10_000 }
const judge = (body: Uint8Array | string, form: BodyForm, maxBytes = limits.maxPayloadBytes) =>
  decodeBody(typeof body === 'string' ? Buffer.from(body) : body, form, receivedAtMs, maxBytes, limits)

function readings(judged: JudgedBody): JudgedBody & { kind: 'readings' } {
  return judged.kind === 'readings' ? judged : assert.fail(JSON.stringify(judged))
}

/** Refused as a whole: there is no reading to name. */
const whole = new Set(['not_json', 'not_utf8', 'empty_array', 'too_many_readings'])

for (const { name, message } of goldenCases()) {
  test(`a body is judged as a message is: ${name}`, () => {
    const asMessage = decodeMessage(message, receivedAtMs, limits)
    const judged = judge(message, 'json')
    const [first] = asMessage.rejections
    if (first !== undefined && asMessage.readings.length === 0 && whole.has(first.code)) {
      return assert.equal(judged.kind, first.code === 'too_many_readings' ? 'too_many' : 'unreadable')
    }
    if (first?.code === 'too_large') return
    const { accepted, refused } = readings(judged)
    assert.deepEqual(
      refused.map(({ position, code }) => [position, code]),
      asMessage.rejections.map(({ position, code }) => [position, code]),
    )
    // What is published of it is read as the message would have been.
    const again = accepted.map(
      ({ text }) => decodeMessage(Buffer.from(text), receivedAtMs, limits).readings[0],
    )
    assert.deepEqual(
      again.map((one) => readingJson(one?.reading ?? assert.fail())),
      asMessage.readings.map(({ reading }) => readingJson(reading)),
    )
  })
}

const good = '{"machine_id":"M","timestamp":"2026-03-01T11:00:00Z","n":12345678901234567891,"x_pos_mm":1.50}'

test('the text of a reading is kept as it was sent, in each form', () => {
  for (const [body, form] of [
    [` ${good}\n`, 'ndjson'],
    [`[ {} , ${good}\t]`, 'json'],
    [good, 'json'],
  ] as const) {
    assert.deepEqual(
      readings(judge(body, form)).accepted.map(({ machineId, text }) => [machineId, text]),
      [['M', good]],
    )
  }
})

test('a bad line costs itself alone, and blank lines count as lines', () => {
  const body = Buffer.concat([
    Buffer.from(`${good}\r\n\n  \n{"machine_id":\n[${good}]\n`),
    Buffer.from([0x22, 0xff, 0x22, 0x0a]),
    Buffer.from(`\ufeff${good}\n"text"\n${good}`),
  ])
  const { accepted, refused } = readings(judge(body, 'ndjson'))
  assert.deepEqual(
    accepted.map(({ position }) => position),
    [0, 8],
  )
  assert.deepEqual(
    refused.map(({ position, code }) => [position, code]),
    [
      [3, 'not_json'],
      [4, 'wrong_root'],
      [5, 'not_utf8'],
      [6, 'not_json'],
      [7, 'wrong_root'],
    ],
  )
  assert.match(refused[3]?.reason ?? '', /byte order mark/)
})

test('a body without a reading is refused as a whole', () => {
  for (const body of ['', '\n', ' \r\n\t\n']) assert.equal(judge(body, 'ndjson').kind, 'unreadable')
  for (const body of ['', ' ', '[]', '{', 'nonsense', `${good}\n${good}`]) {
    assert.equal(judge(body, 'json').kind, 'unreadable', body)
  }
})

test('a reading beyond the byte limit is refused, and too many readings are told apart', () => {
  const bytes = Buffer.byteLength(good)
  assert.equal(readings(judge(`[${good}]`, 'json', bytes)).accepted.length, 1)
  assert.equal(readings(judge(`[${good}]`, 'json', bytes - 1)).refused[0]?.code, 'too_large')
  const lines = Array(2_000).fill(good)
  assert.equal(readings(judge(`${lines.join('\n')}\n\n`, 'ndjson')).accepted.length, 2_000)
  assert.deepEqual(judge([...lines, '{'].join('\n'), 'ndjson'), { kind: 'too_many', limit: 2_000 })
  assert.deepEqual(judge(`[${[...lines, '1'].join(',')}]`, 'json'), { kind: 'too_many', limit: 2_000 })
})
