import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { replayOriginIn, replayOriginText } from '../src/replay-origin.ts'

const origin = fc.record(
  {
    messageId: fc.bigInt(1n, 2n ** 63n - 1n).map(String),
    position: fc.nat({ max: 2 ** 31 - 1 }),
    replayId: fc.uuid(),
  },
  { noNullPrototype: true },
)

test('property: an origin is read as it was written', () => {
  fc.assert(fc.property(origin, (one) => assert.deepEqual(replayOriginIn(replayOriginText(one)), one)))
})

test('what was never written is no origin', () => {
  const id = '00000000-0000-4000-8000-000000000000'
  for (const text of [
    '',
    'x',
    '1:0',
    `1:0:${id}x`,
    `0:0:${id}`,
    `-1:0:${id}`,
    `01:0:${id}`,
    `1:-1:${id}`,
    `1:2147483648:${id}`,
    `9223372036854775808:0:${id}`,
    `1:0:${id.toUpperCase().replaceAll('0', 'G')}`,
    ` 1:0:${id}`,
    `1:0:${id}\n`,
  ]) {
    assert.equal(replayOriginIn(text), null, JSON.stringify(text))
  }
  fc.assert(fc.property(fc.string(), (text) => assert.equal(replayOriginIn(text), null)))
})
