// Reply subjects of delivered messages, in both forms, and what is none.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AckReply } from '../../src/broker/ack-reply.ts'

/** What one reading leaves in the fields. */
function read(reply: string, reader = new AckReply()) {
  reader.read(Buffer.from(reply))
  const { deliveries, streamSequence, consumerSequence, receivedAtMs } = reader
  return { deliveries, streamSequence, consumerSequence, receivedAtMs }
}

const name = fc.stringMatching(/^[A-Za-z_-][A-Za-z0-9_-]{0,20}$/)
const numbers = fc.record({
  deliveries: fc.nat(1_000_000),
  streamSequence: fc.maxSafeInteger().map(Math.abs),
  consumerSequence: fc.maxSafeInteger().map(Math.abs),
  /** Up to the year 2109, from which on a double of milliseconds holds no microseconds. */
  micros: fc.integer({ min: 1, max: 2 ** 42 * 1_000 }),
  nanos: fc.nat(999),
  pending: fc.nat(),
})

const tail = (of: { micros: number; nanos: number } & Record<string, number>): string => {
  const nanos = BigInt(of.micros) * 1_000n + BigInt(of.nanos)
  return [of['deliveries'], of['streamSequence'], of['consumerSequence'], nanos, of['pending']].join('.')
}

test('property: both forms are read the same, one after another, with whatever names, domain and token', () => {
  const reader = new AckReply()
  fc.assert(
    fc.property(name, name, name, name, fc.option(name), numbers, (a, b, stream, consumer, token, said) => {
      const { deliveries, streamSequence, consumerSequence, micros } = said
      const replies = [
        `$JS.ACK.${stream}.${consumer}.${tail(said)}`,
        `$JS.ACK.${a}.${b}.${stream}.${consumer}.${tail(said)}${token === null ? '' : `.${token}`}`,
        `$JS.ACK._.${b}.${stream}.${consumer}.${tail(said)}`,
      ]
      for (const reply of [...replies, ...replies]) {
        const { receivedAtMs, ...rest } = read(reply, reader)
        assert.deepEqual(rest, { deliveries, streamSequence, consumerSequence }, reply)
        // Nanoseconds are cut off, microseconds kept.
        assert.equal(Math.round(receivedAtMs * 1_000), micros, reply)
      }
    }),
    { numRuns: 2_000 },
  )
})

test('the replies of one consumer are read one after another', () => {
  const reader = new AckReply()
  for (let i = 1; i < 2_000; i++) {
    const said = read(`$JS.ACK.CNC_DATA.PROCESSOR.1.${i * 3}.${i}.1772366400123456789.${2_000 - i}`, reader)
    assert.deepEqual(said, {
      deliveries: 1,
      streamSequence: i * 3,
      consumerSequence: i,
      receivedAtMs: 1_772_366_400_123.456,
    })
  }
})

test('what is no reply of JetStream is refused with a sentence that quotes it, also after good ones', () => {
  const good = '$JS.ACK.CNC_DATA.PROCESSOR.1.2.3.1772366400123456789.4'
  const garbage = [
    '',
    'x',
    '_INBOX.abc.def',
    '$JS.ACK',
    '$JS.ACK.CNC_DATA.PROCESSOR',
    '$JS.ACK.CNC_DATA.PROCESSOR.1.2.3.1772366400123456789',
    '$JS.ACK.CNC_DATA.PROCESSOR.1.x.3.1772366400123456789.4',
    '$JS.ACK.CNC_DATA.PROCESSOR.1.-2.3.1772366400123456789.4',
    '$JS.ACK.CNC_DATA.PROCESSOR.1.2.3.now.4',
    '$JS.ACK.CNC_DATA.PROCESSOR.1.2.3..4',
    '$JS.ACK.CNC_DATA.PROCESSOR.1.2.3.yesterday.4',
    '$JS.ACK.CNC_DATA.PROCESSOR.1.2.3.-1772366400123456789.4',
    '$JS.API.CNC_DATA.PROCESSOR.1.2.3.1772366400123456789.4',
    'JS.ACK.CNC_DATA.PROCESSOR.1.2.3.1772366400123456789.4',
  ]
  for (const reply of garbage) {
    const isRefused = ({ message }: Error) => message.includes(`"${reply}" is no reply subject of JetStream`)
    assert.throws(() => read(reply), isRefused, reply)
    const reader = new AckReply()
    read(good, reader)
    assert.throws(() => read(reply, reader), isRefused, `${reply} after a good one`)
    assert.equal(read(good, reader).streamSequence, 2)
  }
  assert.throws(() => read(`${good}.5`), /no reply subject/)
})
