// What a sender made up must not reach a person, a log or the database as anything but short plain text, and
// what was refused must be kept as it was sent.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeMessage } from '../../src/decode/decode-message.ts'
import { readingJson } from '../../src/reading.ts'
import { defaultLimits, receivedAtMs } from '../golden/cases.ts'

const decode = (message: string | Uint8Array) =>
  decodeMessage(typeof message === 'string' ? Buffer.from(message) : message, receivedAtMs, defaultLimits)

const required = '"machine_id":"M","timestamp":"2026-03-01T11:00:00Z"'

function assertReadable(reason: string | undefined): void {
  assert.ok(reason !== undefined && reason.length > 10 && reason.length < 300, `${reason?.length}`)
  assert.doesNotMatch(reason, /\p{Cc}|\p{Cs}/u)
}

test('property: a reason is one short line of whole characters, whatever was sent', () => {
  // Texts of a single kind of trouble, so that cuts fall within pairs and quotes hold what cannot be seen.
  const trouble = fc
    .tuple(fc.constantFrom('\0', '\n', '\u009f', '\ufeff', '\ud800', '😀', '"', 'n'), fc.nat(400))
    .map(([one, times]) => one.repeat(times))
  const value = fc.oneof(trouble, fc.jsonValue())
  const message = fc.oneof(
    trouble,
    fc
      .tuple(fc.constantFrom('machine_id', 'timestamp', 'program', 'temperature', 'alarms'), value)
      .map(([name, given]) => `{${required},"${name}":${JSON.stringify(given)}}`),
    fc
      .tuple(
        trouble,
        fc.constantFrom('1e999', `${'['.repeat(40)}${']'.repeat(40)}`, '"\\u0000"', '{"\\ud800":1}'),
      )
      .map(([name, given]) => `{${required},${JSON.stringify(name)}:${given}}`),
    trouble.map((text) => `{${required},${text}}`),
  )
  fc.assert(
    fc.property(message, (text) => {
      for (const { reason } of decode(text).rejections) assertReadable(reason)
    }),
    { numRuns: 1_000 },
  )
})

test('property: a refused element is kept as the exact text that was sent', () => {
  const space = fc.constantFrom('', ' ', '\n', '\t \r')
  const element = fc.oneof(
    fc.constantFrom(
      '1e999',
      '12345678901234567891',
      '{"a":1e999,"a":[1,{"b":"],}\\\\"}]}',
      '"\\\\\\","',
      '{}',
    ),
    fc.jsonValue().map((value) => JSON.stringify({ value })),
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(space, element, space), { minLength: 1, maxLength: 50 }), (elements) => {
      const { rejections } = decode(` [${elements.map((parts) => parts.join('')).join(',')}] `)
      assert.deepEqual(
        rejections.map(({ payload }) => Buffer.from(payload).toString()),
        elements.map(([, text]) => text),
      )
    }),
  )
})

test('property: whole numbers of any size come back digit by digit under unknown names, however nested', () => {
  const numbers = fc.array(fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }), {
    minLength: 1,
    maxLength: 20,
  })
  fc.assert(
    fc.property(numbers, fc.boolean(), (all, isArray) => {
      const message = `{${required},"a":{"__proto__":[${all.join()}]},"__proto__":${all[0]}}`
      const { readings, rejections } = decode(isArray ? `[{},${message}]` : message)
      assert.equal(rejections.length, isArray ? 1 : 0)
      assert.equal(readingJson(readings[0]?.reading ?? assert.fail()), message)
    }),
  )
})

test('a message that is no UTF-8 leaves nothing behind for the next one', () => {
  for (const broken of [[0x22, 0xe2, 0x82], [0xff], [0xf0, 0x9f], [0xed, 0xa0, 0x80]]) {
    assert.equal(decode(Uint8Array.from(broken)).rejections[0]?.code, 'not_utf8')
    assert.equal(decode(`{${required}}`).readings.length, 1)
  }
})

test('all readings have the same fields in the same order, whatever they carried', () => {
  const shapes = [`{${required}}`, `{"alarms":[],"x":1,${required}}`, `{"temperature":1.5,${required}}`]
  const orders = shapes.map((text) => Object.keys(decode(text).readings[0]?.reading ?? {}).join())
  assert.equal(new Set(orders).size, 1)
})

test('a reason says by how much a clock is wrong', () => {
  const reasonAt = (time: string) =>
    decode(`{"machine_id":"M","timestamp":"${time}"}`).rejections[0]?.reason ?? assert.fail(time)
  assert.match(reasonAt('2026-03-01T14:05:30Z'), / 2 h 5 min after /)
  assert.match(reasonAt('2026-03-01T13:00:00.001Z'), / 1 h 1 ms after /)
  assert.match(reasonAt('2025-11-01T12:00:00Z'), / 120 d back/)
})

test('a byte order mark is named', () => {
  assert.match(decode(`\ufeff{${required}}`).rejections[0]?.reason ?? '', /byte order mark/)
})

test('a megabyte of nesting costs no stack, wherever it stands', () => {
  const deep = (times: number) => '['.repeat(times) + ']'.repeat(times)
  const codes = [
    '['.repeat(2 ** 20),
    deep(500_000),
    `{${required},"x":${deep(400_000)}}`,
    `{${required},"alarms":${deep(400_000)}}`,
    `{"machine_id":${deep(400_000)}}`,
  ].map((text) => decode(text).rejections[0]?.code)
  assert.deepEqual(codes, ['not_json', 'wrong_root', 'too_deep', 'bad_alarms', 'wrong_type'])
  const overwritten = `{"x":${deep(400_000)},${required},"x":12345678901234567891}`
  assert.match(readingJson(decode(overwritten).readings[0]?.reading ?? assert.fail()), /12345678901234567891/)
})
