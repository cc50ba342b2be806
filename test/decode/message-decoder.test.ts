// The decoder of a flow gives what the whole decoder gives, whichever way a message takes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeMessage } from '../../src/decode/decode-message.ts'
import { messageDecoder } from '../../src/decode/message-decoder.ts'
import type { Delivery } from '../../src/pipeline-types.ts'
import { defaultLimits, goldenCases, receivedAtMs } from '../golden/cases.ts'
import { delivered } from '../support/delivered.ts'

const good = (id: string) => `{"machine_id":"${id}","timestamp":"2026-03-01T11:00:00Z","temperature":1.5}`

const noMistake = (mistake: unknown) => assert.fail(mistake as Error)

const deliveryOf = (data: Uint8Array): Delivery => delivered(data, 1).delivery

test('every golden input, in one flow, comes out as from the whole decoder', () => {
  const decode = messageDecoder(defaultLimits, noMistake)
  for (const { name, message } of [...goldenCases(), ...goldenCases().toReversed()]) {
    const delivery = deliveryOf(message)
    const { delivery: same, ...decoded } = decode(delivery)
    assert.equal(same, delivery)
    assert.deepEqual(decoded, decodeMessage(message, receivedAtMs, defaultLimits), name)
  }
})

test('bytes are read within their bounds, whether they are a Buffer or not, and wherever they lie in a chunk', () => {
  const decode = messageDecoder(defaultLimits, noMistake)
  const texts = [good('A'), good('BB'), `[${good('C')},${good('D')}]`]
  const chunk = Uint8Array.from(Buffer.from(`}${texts.join('{"')}}`))
  let at = 1
  for (const text of texts) {
    const part = chunk.subarray(at, at + text.length)
    assert.ok(!Buffer.isBuffer(part))
    for (const data of [part, Buffer.from(chunk.buffer, at, text.length), Uint8Array.from(part)]) {
      const { readings, rejections } = decode(deliveryOf(data))
      assert.deepEqual(
        { readings, rejections },
        decodeMessage(Buffer.from(text), receivedAtMs, defaultLimits),
      )
    }
    at += text.length + 2
  }
})

test('what was read does not change with the chunk it came in', () => {
  const decode = messageDecoder(defaultLimits, noMistake)
  const chunk = Buffer.from(good('A'))
  const first = decode(deliveryOf(chunk))
  good('B')
    .split('')
    .forEach((character, i) => (chunk[i] = character.charCodeAt(0)))
  const second = decode(deliveryOf(chunk))
  assert.deepEqual(
    [first, second].map(({ readings }) => readings[0]?.reading.machine_id),
    ['A', 'B'],
  )
})

test('limits hold for the usual message as for every other', () => {
  const code = (change: Partial<typeof defaultLimits>, text: string) =>
    messageDecoder({ ...defaultLimits, ...change }, noMistake)(deliveryOf(Buffer.from(text))).rejections[0]
      ?.code
  const text = good('A')
  assert.equal(code({ maxPayloadBytes: text.length }, text), undefined)
  assert.equal(code({ maxPayloadBytes: text.length - 1 }, text), 'too_large')
  assert.equal(code({ maxReadings: 1 }, `[${text},${text}]`), 'too_many_readings')
  assert.equal(code({ maxAgeMs: 3_600_000 }, text), undefined)
  assert.equal(code({ maxAgeMs: 3_599_999 }, text), 'too_old')
  assert.equal(code({ maxFutureMs: -3_600_000 }, text), undefined)
  assert.equal(code({ maxFutureMs: -3_600_001 }, text), 'in_the_future')
})
