// A mistake in the decoder costs the message that it happens with, no other: decided, stored and answered.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeMessage } from '../../src/decode/decode-message.ts'
import { guardedDecoder, type DecodingWays } from '../../src/decode/guarded-decoder.ts'
import { runPipeline } from '../../src/ingest/pipeline.ts'
import { observers } from '../../src/observation.ts'
import type { Delivery, Sink } from '../../src/pipeline-types.ts'
import { listDeadLetters } from '../../src/store/dead-letters.ts'
import { defaultLimits, receivedAtMs } from '../golden/cases.ts'
import { sinkWriting } from '../support/batches.ts'
import { delivered } from '../support/delivered.ts'
import { sinkOn, withStore } from '../support/store.ts'

const good = '{"machine_id":"A","timestamp":"2026-03-01T11:00:00Z"}'
const careful = (delivery: Delivery) => ({
  delivery,
  ...decodeMessage(delivery.data, receivedAtMs, defaultLimits),
})
/** As a mistake in the code does. */
const fails = (): never => {
  throw new TypeError('undefined is not a function')
}
const failsOn =
  (sequence: number): DecodingWays['careful'] =>
  (delivery) =>
    delivery.sequence === sequence ? fails() : careful(delivery)

test('what the short way fails on, the careful way decides, and the mistake is told', () => {
  const mistakes: unknown[] = []
  const decode = guardedDecoder({ short: fails, careful }, (mistake) => mistakes.push(mistake))
  const { delivery } = delivered(good, 1)
  assert.deepEqual(decode(delivery), careful(delivery))
  assert.deepEqual(
    mistakes.map((mistake) => (mistake as Error).message),
    ['undefined is not a function'],
  )
})

test('what both ways fail on is refused as a whole', () => {
  const mistakes: unknown[] = []
  const decode = guardedDecoder({ short: fails, careful: fails }, (mistake) => mistakes.push(mistake))
  const { delivery } = delivered(`[${good},${good}]`, 1)
  const reason = 'this program failed to read this message: undefined is not a function'
  assert.deepEqual(decode(delivery), {
    delivery,
    readings: [],
    rejections: [{ code: 'internal_error', reason, position: 0, payload: delivery.data, more: 0 }],
  })
  assert.equal(mistakes.length, 2)
})

/** Runs some messages through the pipeline into the store; the flow is opened once. */
async function run(
  messages: readonly ReturnType<typeof delivered>[],
  decode: DecodingWays['careful'],
  sink: Sink,
): Promise<number> {
  const stop = new AbortController()
  let opened = 0
  await runPipeline(
    {
      source: {
        // eslint-disable-next-line @typescript-eslint/require-await
        async *take() {
          if (++opened > 3) return stop.abort()
          if (opened === 1) yield messages.map(({ delivery }) => delivery)
          stop.abort()
        },
        flush: () => Promise.resolve(),
      },
      sink,
      decode,
      limits: { messages: 10, readings: 1_000, bytes: 1e6, ageMs: 1 },
      batchesInFlight: 2,
      workingEveryMs: 1_000,
      observer: observers({}),
    },
    stop.signal,
  )
  return opened
}

test('the flow goes on past such a message, which is a dead letter with all its bytes', () =>
  withStore(async (pool) => {
    const messages = [delivered(good, 1), delivered(`[${good},${good}]`, 2), delivered(good, 3)]
    const decode = guardedDecoder({ short: () => null, careful: failsOn(2) }, () => undefined)
    const sink = sinkOn(pool)
    assert.equal(await run(messages, decode, sink), 1)
    assert.deepEqual(
      messages.map(({ answers }) => answers),
      [['ack'], ['term'], ['ack']],
    )
    const [letter, ...more] = await listDeadLetters(pool, 10)
    assert.deepEqual(more, [])
    assert.deepEqual([letter?.sequence, letter?.code, letter?.in_array], [2, 'internal_error', false])
    const { rows } = await pool.query<{ payload: Buffer }>('SELECT payload FROM dead_letters')
    assert.equal(rows[0]?.payload.toString(), `[${good},${good}]`)
  }))

test('a decoder that throws all the same ends the pipeline with a sentence, and is no break of the flow', () =>
  assert.rejects(
    run(
      [delivered(good, 1)],
      fails,
      sinkWriting(() => assert.fail('nothing is written')),
    ),
    /the pipeline itself failed: undefined is not a function/,
  ))
