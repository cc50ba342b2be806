import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeMessage } from '../../src/decode/decode-message.ts'
import { parseJson } from '../../src/decode/parse-json.ts'
import { defaultLimits, receivedAtMs } from '../golden/cases.ts'

/** Few characters, so that names resemble the texts of other names. */
const name = fc
  .array(fc.constantFrom('\\', 'u', '0', '4', '1', 'n', '"', '\0', '\n', 'A', 'é', '😀'), { maxLength: 6 })
  .map((characters) => characters.join(''))
const escaped = (text: string) =>
  `"${Array.from({ length: text.length }, (_, i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')}"`

test('property: every name is the one that was sent, however it is written and whatever was parsed before', () => {
  const member = fc.tuple(name, fc.constantFrom('plain', 'escaped'), fc.constantFrom('', ' ', '\n\t'))
  const object = fc.uniqueArray(member, { selector: ([text]) => text, maxLength: 4 })
  fc.assert(
    fc.property(fc.array(object, { maxLength: 6 }), (objects) => {
      const text = objects.map(
        (members) =>
          `{${members.map(([text, way, space], i) => `${space}${way === 'plain' ? JSON.stringify(text) : escaped(text)}${space}:${i}`).join()}}`,
      )
      const wanted = objects.map((members) => members.map(([text], i) => [text, i]))
      const entries = (value: unknown) => Object.entries(value as object)
      const sorted = (list: unknown[]) => list.map((one) => JSON.stringify(one)).sort()
      const parsed = parseJson(`[${text.join()}]`) as unknown[]
      assert.deepEqual(
        parsed.map((one) => sorted(entries(one))),
        wanted.map(sorted),
      )
    }),
    { numRuns: 3_000 },
  )
})

test('nothing but names with an escape is parsed another way, and values stay as they were', () => {
  const text = '{"a":"\\u007b{\\"b\\":","c":[{},{ },{"\\u0064":{"__proto__":1}}],"e":12345678901234567891}'
  assert.deepEqual(
    JSON.stringify(parseJson(text)),
    '{"a":"{{\\"b\\":","c":[{},{},{"d":{"__proto__":1}}],"e":12345678901234567000}',
  )
  assert.throws(() => parseJson('{"\\u0061":}'), SyntaxError)
})

test('an unknown name that resembles the text of another one is kept as it was sent', () => {
  const required = '"machine_id":"M","timestamp":"2026-03-01T11:00:00Z"'
  const extraOf = (members: string) =>
    decodeMessage(Buffer.from(`{${required},${members}}`), receivedAtMs, defaultLimits).readings[0]?.reading
      .extra
  assert.equal(extraOf('"\\\\":1'), '{"\\\\":1}')
  assert.equal(extraOf('"\\u0041":2'), '{"A":2}')
  assert.equal(extraOf('"\\u0041":12345678901234567891'), '{"A":12345678901234567891}')
})
