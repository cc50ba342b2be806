import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseJson } from '../../src/decode/parse-json.ts'
import { decodeMessage } from '../../src/decode/decode-message.ts'
import { readingFields, readingJson } from '../../src/reading.ts'
import { defaultLimits, goldenCases, receivedAtMs } from '../golden/cases.ts'

const decode = (message: string | Uint8Array) =>
  decodeMessage(typeof message === 'string' ? Buffer.from(message) : message, receivedAtMs, defaultLimits)

const cases = goldenCases()

test('there are golden inputs', () => {
  assert.ok(cases.length >= 30, `${cases.length}`)
})

for (const { name, message, expected } of cases) {
  test(`golden input: ${name}`, () => {
    const { readings, rejections } = decode(message)
    assert.deepEqual(
      readings.map(({ reading }) => JSON.parse(readingJson(reading)) as unknown),
      expected.readings,
    )
    assert.deepEqual(
      rejections.map(({ position, code }) => ({ position, code })),
      expected.dead_letters,
    )
    for (const { reason } of rejections) assert.ok(reason.length > 10 && reason.length < 300, reason)
  })
}

test('integers beyond 2^53 in unknown names come back digit by digit', () => {
  const message = '{"machine_id":"M","timestamp":"2026-03-01T11:00:00Z","serial":[12345678901234567891,1.5]}'
  const [one] = decode(`[${message}]`).readings
  assert.equal(readingJson(one?.reading ?? assert.fail()), message)
})

test('a refused element keeps its source text, and the last of many counts the rest', () => {
  const bad = '{"machine_id":"a,]}\\"","temperature":1e999, "n":12345678901234567891}'
  const { readings, rejections } = decode(`[ ${bad} , {"machine_id":"M","timestamp":"2026-03-01T11:00:00Z"}]`)
  assert.equal(readings[0]?.position, 1)
  assert.equal(Buffer.from(rejections[0]?.payload ?? []).toString(), bad)
  const many = decode(`[${'{},'.repeat(149)}{}]`)
  assert.equal(many.rejections.length, 100)
  assert.equal(many.rejections.at(-1)?.more, 50)
})

const known = Object.fromEntries(
  readingFields.map(({ name, kind }) => {
    const text = fc
      .string({ unit: 'grapheme' })
      .filter((value) => !value.includes('\0') && value.isWellFormed())
    const value = {
      number: fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (n === 0 ? 0 : n)),
      integer: fc.maxSafeInteger().map((n) => (n === 0 ? 0 : n)),
      text,
      alarms: fc.array(fc.record({ code: text, text, severity: fc.constantFrom('warning', 'fault') })),
    }[kind] as fc.Arbitrary<unknown>
    return [name, value]
  }),
)

test('property: whatever a machine may send comes back equal', () => {
  fc.assert(
    fc.property(fc.record(known, { requiredKeys: [] }), (values) => {
      const sent = { machine_id: 'M', timestamp: '2026-03-01T11:00:00.123456Z', ...values }
      const { readings, rejections } = decode(JSON.stringify(sent))
      assert.deepEqual(rejections, [])
      assert.deepEqual(
        parseJson(readingJson(readings[0]?.reading ?? assert.fail())),
        parseJson(JSON.stringify(sent)),
      )
    }),
  )
})

test('property: no bytes and no JSON make it throw or leave nothing behind', () => {
  const some = (message: string | Uint8Array) => {
    const { readings, rejections } = decode(message)
    assert.ok(readings.length + rejections.length > 0)
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), some))
  fc.assert(fc.property(fc.json(), some))
  fc.assert(
    fc.property(
      fc.array(fc.dictionary(fc.constantFrom('machine_id', 'timestamp', 'alarms', 'x'), fc.jsonValue())),
      (v) => some(JSON.stringify(v)),
    ),
  )
})
