// The short way of decoding against the whole one: what it accepts it reads the same, whatever came before.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeMessage, timeWindow } from '../../src/decode/decode-message.ts'
import { UsualMessages } from '../../src/decode/usual-message.ts'
import { readingFields } from '../../src/reading.ts'
import { simulatedShop } from '../../src/sources/shop/shop.ts'
import { testReading } from '../../src/sources/test-readings.ts'
import { defaultLimits, goldenCases, receivedAtMs } from '../golden/cases.ts'

const limits = { ...defaultLimits, maxReadings: 4 }
const window = timeWindow(receivedAtMs, limits)

/** Whether the short way takes the message; then it must have read it as the whole one does. */
function isTaken(usual: UsualMessages, message: string | Uint8Array, maxReadings = 4): boolean {
  const data = typeof message === 'string' ? Buffer.from(message) : message
  const readings = usual.read(data, maxReadings, window)
  if (readings === null) return false
  const whole = decodeMessage(data, receivedAtMs, { ...limits, maxReadings })
  assert.deepEqual(whole.rejections, [])
  assert.deepEqual(readings, whole.readings) // strictly: -0 is not 0
  assert.deepEqual(
    readings.map(({ reading }) => Object.keys(reading)),
    whole.readings.map(({ reading }) => Object.keys(reading)),
  )
  return true
}

/** One message after another through one instance; how many were taken. */
function taken(messages: readonly (string | Uint8Array)[], maxReadings?: number): number {
  const usual = new UsualMessages()
  return messages.filter((message) => isTaken(usual, message, maxReadings)).length
}

const weighted = <T>(...parts: [number, fc.Arbitrary<T>][]) =>
  fc.oneof(...parts.map(([weight, arbitrary]) => ({ weight, arbitrary })))

const number = fc
  .tuple(
    fc.constantFrom('', '', '', '-', '+'),
    weighted([8, fc.stringMatching(/^(0|[1-9][0-9]{0,19})$/)], [1, fc.stringMatching(/^[0-9]{0,20}$/)]),
    weighted([2, fc.constant('')], [2, fc.stringMatching(/^\.[0-9]{0,16}$/)]),
    weighted([6, fc.constant('')], [1, fc.stringMatching(/^[eE][+-]?[0-9]{0,3}$/)]),
  )
  .map((parts) => parts.join(''))
/** As JSON writes it, and as nobody may. */
const text = weighted(
  [6, fc.stringMatching(/^[ -~]{0,40}$/).map((value) => JSON.stringify(value))],
  [2, fc.stringMatching(/^[A-Z]{1,8}$/).map((value) => `"${value}"`)],
  [1, fc.string({ unit: 'binary' }).map((value) => JSON.stringify(value))],
  [1, fc.string({ unit: 'binary', maxLength: 4 }).map((value) => `"${value}"`)],
  [
    1,
    fc.constantFrom(
      '""',
      '"\x7f"',
      '"\\u0041"',
      '"a\tb"',
      '"\\/"',
      '"é"',
      '"\\ud800"',
      '"\\x"',
      '"',
      "'a'",
      '"."',
    ),
  ],
)
const anything = weighted<string>(
  [3, number],
  [3, text],
  [1, fc.json()],
  [2, fc.constantFrom('null', '[]', '[ ]', 'true', 'nul', 'nulll', '', '[{}]', '{}')],
)
const ofKind: Readonly<Record<string, fc.Arbitrary<string>>> = {
  number,
  integer: weighted([3, fc.maxSafeInteger().map(String)], [1, number]),
  text,
  alarms: weighted(
    [3, fc.constantFrom('[]', '[ ]')],
    [1, fc.constant('[{"code":"1","text":"x","severity":"fault"}]')],
  ),
}
const field = fc
  .constantFrom(...readingFields)
  .chain(({ name, kind }) =>
    weighted(
      [12, ofKind[kind] ?? anything],
      [2, fc.constantFrom('null', 'null', 'null', 'nulL')],
      [1, anything],
    ).map((value): Pair => [`"${name}"`, value]),
  )
type Pair = readonly [name: string, value: string]
const id = fc
  .tuple(fc.constant('"machine_id"'), weighted([9, fc.stringMatching(/^"M[0-9]{1,2}"$/)], [1, anything]))
  .map((pair): Pair => pair)
const times = [
  '"2026-03-01T11:00:00Z"',
  '"2026-03-01T11:00:00.123456Z"',
  '"2026-03-01T11:00:00.120Z"',
  '"2026-03-01T12:00:00.1234567+02:00"',
  '"2026-03-01t11:00:00z"',
]
const oddTimes = [
  '"2026-03-01T13:00:00.001Z"',
  '"2025-01-01T00:00:00Z"',
  '"2026-02-29T00:00:00Z"',
  '"2026-03-01"',
]
const time = fc
  .tuple(
    fc.constant('"timestamp"'),
    weighted([12, fc.constantFrom(...times)], [1, fc.constantFrom(...oddTimes)], [1, anything]),
  )
  .map((pair): Pair => pair)
const oddPair = fc
  .tuple(
    fc.constantFrom('"x"', '"temperatur"', '"temperature_"', '"\\u0074emperature"', '"__proto__"', '""', 'a'),
    anything,
  )
  .map((pair): Pair => pair)
const space = weighted(
  [60, fc.constant('')],
  [10, fc.constantFrom(' ', '\n', '\t', '\r\n  ')],
  [1, fc.constantFrom('\f', '\u00a0', '\0')],
)

const spaced = (parts: readonly string[]) =>
  fc
    .array(space, { minLength: parts.length + 1, maxLength: parts.length + 1 })
    .map((spaces) => spaces.map((between, i) => between + (parts[i] ?? '')).join(''))
const reading = fc
  .tuple(
    fc.array(field, { maxLength: 8 }),
    weighted([19, fc.tuple(id, time)], [1, fc.array(fc.oneof(id, time), { maxLength: 3 })]),
    weighted<readonly Pair[]>([8, fc.constant([])], [1, fc.array(oddPair, { maxLength: 1 })]),
  )
  .chain(([fields, both, odd]) => {
    const pairs = [...fields, ...both, ...odd]
    return fc.shuffledSubarray(pairs, { minLength: pairs.length })
  })
  .chain((pairs) =>
    spaced(['{', ...pairs.flatMap(([name, value], i) => [...(i > 0 ? [','] : []), name, ':', value]), '}']),
  )
const message = weighted(
  [3, reading],
  [
    2,
    fc
      .array(reading, { maxLength: 5 })
      .chain((all) => spaced(['[', ...all.flatMap((one, i) => (i > 0 ? [',', one] : [one])), ']'])),
  ],
)
const spoilt = fc
  .tuple(message, fc.nat(400), fc.nat(400), fc.uint8Array({ maxLength: 3 }))
  .map(([whole, from, length, other]) => {
    const bytes = Buffer.from(whole)
    return Buffer.concat([bytes.subarray(0, from), other, bytes.subarray(from + length)])
  })

test('every golden input is left alone, or read as the whole decoder reads it', () => {
  const usual = new UsualMessages()
  const names = goldenCases().filter(({ message: bytes }) => isTaken(usual, bytes, defaultLimits.maxReadings))
  assert.ok(names.length >= 15, names.map(({ name }) => name).join(', '))
})

test('property: readings in any order, spacing and spelling are left alone or read the same, one after another', () => {
  let accepted = 0
  let all = 0
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 6 }), (messages) => {
      accepted += taken(messages)
      all += messages.length
    }),
    { numRuns: 3_000 },
  )
  // Otherwise it compares little.
  assert.ok(accepted > all / 10, `${accepted} of ${all}`)
})

test('property: bytes that were cut, changed or put in are left alone or read the same', () => {
  fc.assert(
    fc.property(fc.array(spoilt, { minLength: 1, maxLength: 6 }), (messages) => void taken(messages)),
    {
      numRuns: 3_000,
    },
  )
})

test('property: every single byte that is changed in the ordinary message is noticed, or read the same', () => {
  const whole = Buffer.from(JSON.stringify(testReading(receivedAtMs)))
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, byte) => {
      const changed = Buffer.from(whole)
      changed[at] = byte
      taken([whole, changed, whole.subarray(0, at), changed, whole])
    }),
    { numRuns: 3_000 },
  )
})

test('property: any JSON and any bytes are left alone or read the same', () => {
  fc.assert(fc.property(fc.array(fc.json()), (messages) => void taken(messages)))
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 80 })), (messages) => void taken(messages)))
})

test('property: every number of up to fifteen digits without an exponent is taken, and exact', () => {
  const usual = new UsualMessages()
  const short = fc.tuple(fc.constantFrom('', '-'), fc.maxSafeInteger().map(Math.abs), fc.nat(15))
  fc.assert(
    fc.property(short, ([sign, value, fractionDigits]) => {
      const digits = String(value)
        .slice(0, 15)
        .padStart(fractionDigits + 1, '0')
      if (digits.length > 15) return
      const point = digits.length - fractionDigits
      const spelt = `${sign}${digits.slice(0, point)}${fractionDigits > 0 ? '.' : ''}${digits.slice(point)}`
      assert.ok(isTaken(usual, `{"machine_id":"M","timestamp":${times[0]},"temperature":${spelt}}`), spelt)
    }),
    { numRuns: 20_000 },
  )
})

test('property: numbers as programs compute them, of seventeen digits, are taken and exact', () => {
  const usual = new UsualMessages()
  fc.assert(
    fc.property(fc.double({ min: -1e9, max: 1e9, noDefaultInfinity: true, noNaN: true }), (value) => {
      const spelt = Object.is(value, -0) ? '-0' : JSON.stringify(value)
      const message = `{"machine_id":"M","timestamp":${times[0]},"temperature":${spelt}}`
      assert.equal(isTaken(usual, message), !spelt.includes('e'), spelt)
    }),
    { numRuns: 5_000 },
  )
})

test('the ordinary messages are taken: classic, of the simulated shop, and as Python writes them', () => {
  const usual = new UsualMessages()
  const classic = testReading(receivedAtMs)
  assert.ok(isTaken(usual, JSON.stringify(classic)))
  const python = JSON.stringify(classic).replaceAll(':', ': ').replaceAll(',', ', ')
  assert.ok(isTaken(usual, python.replace(/T(\d\d): (\d\d): /, 'T$1:$2:')))
  assert.ok(isTaken(usual, JSON.stringify(classic, null, 2)))
  assert.ok(isTaken(usual, JSON.stringify([classic, classic])))
  let withoutAlarm = 0
  for (const machine of simulatedShop({ machines: 20, seed: 7, speed: 60 })) {
    for (let second = 0; second < 200; second++) {
      const shopReading = machine.reading(receivedAtMs - 300_000 + second * 1_000)
      const hasAlarm = (shopReading.alarms?.length ?? 0) > 0
      assert.equal(isTaken(usual, JSON.stringify(shopReading)), !hasAlarm)
      if (!hasAlarm) withoutAlarm++
    }
  }
  assert.ok(withoutAlarm > 2_000, `${withoutAlarm}`)
})

test('nothing of one reading is left in the next', () => {
  const required = `"machine_id":"M","timestamp":${times[0]}`
  const full = readingFields.map(({ name, kind }) =>
    kind === 'alarms' ? `"${name}":[]` : kind === 'text' ? `"${name}":"T"` : `"${name}":7`,
  )
  const messages = [
    `{${required},${full.join()}}`,
    `{${required}}`,
    `{${full.toReversed().join()},${required}}`,
    `[{${required},${full.join()}},{${required}}]`,
    `{${required},"program":"A","program":null,"temperature":1,"temperature":null}`,
  ]
  assert.equal(taken(messages), messages.length)
  // The second of two lacks what every reading has.
  assert.equal(taken([`[{${required}},{"machine_id":"M"}]`, `[{${required}},{"timestamp":${times[0]}}]`]), 0)
  assert.equal(taken([`{${required},"machine_id":null}`, `{${required},"timestamp":null}`]), 0)
})

test('thousands of different texts come through one instance as they were sent', () => {
  const messages = Array.from({ length: 5_000 }, (_, i) =>
    JSON.stringify({
      machine_id: `M${i % 3_000}`,
      timestamp: '2026-03-01T11:00:00Z',
      program: `${i * 7_919}`.padStart(i % 40, 'P'),
    }),
  )
  assert.equal(taken([...messages, ...messages]), 10_000)
})

test('more readings than allowed are left to the whole decoder, and as many as allowed are taken', () => {
  const array = (count: number) =>
    JSON.stringify(Array.from({ length: count }, () => testReading(receivedAtMs)))
  assert.equal(taken([array(4)]), 1)
  assert.equal(taken([array(5)]), 0)
})
