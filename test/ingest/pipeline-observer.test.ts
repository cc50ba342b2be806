// What the pipeline tells its observer: every batch once when it is closed, and once what came of it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { decodeMessage } from '../../src/decode/decode-message.ts'
import type { BatchLimits } from '../../src/ingest/batch.ts'
import { runPipeline } from '../../src/ingest/pipeline.ts'
import { observers, type PipelineObserver } from '../../src/observation.ts'
import type { Delivery, MessageBatch, OpenBatch, WriteOutcome } from '../../src/pipeline-types.ts'
import { defaultLimits, receivedAtMs } from '../golden/cases.ts'
import { batchOf, sinkWriting } from '../support/batches.ts'

const reading = '{"machine_id":"A","timestamp":"2026-03-01T11:00:00Z"}'
const committed = { kind: 'committed', stored: 1, refused: new Map(), postponed: new Map() } as const
const roomy: BatchLimits = { messages: 1_000, readings: 1_000, bytes: 1e6, ageMs: 60_000 }

function delivery(text: string, sequence: number): Delivery {
  const nothing = () => undefined
  return {
    subject: 'CNC_DATA.A',
    data: Buffer.from(text),
    size: Buffer.byteLength(text),
    incarnation: { stream: 'CNC_DATA', createdAt: '2026-01-01T00:00:00Z' },
    sequence,
    receivedAtMs,
    deliveryCount: 1,
    replayOf: null,
    ack: nothing,
    term: nothing,
    nak: nothing,
    working: nothing,
  }
}

/** Runs the pipeline over some messages, which stay unanswered until it ends, and lists what it told. */
async function told(
  texts: readonly string[],
  limits: BatchLimits,
  outcomes: WriteOutcome[] = [],
  pauseMs = 0,
): Promise<string[]> {
  const stop = new AbortController()
  const events: string[] = []
  const sequencesOf = ({ messages }: MessageBatch) =>
    messages.map((message) => message.delivery.sequence).join(' ')
  const listing: PipelineObserver = {
    cut: (batch, { reason, waitedMs }) => {
      assert.ok(waitedMs >= 0)
      events.push(`cut by ${reason}: ${sequencesOf(batch)}`)
    },
    committed: (batch, _outcome, commitMs) => {
      assert.ok(commitMs >= 0)
      events.push(`committed: ${sequencesOf(batch)}`)
    },
    failed: (batch, { failure }) => events.push(`failed by ${failure}: ${sequencesOf(batch)}`),
    givenBack: (batch) => events.push(`given back: ${sequencesOf(batch)}`),
    interrupted: (reason, by) => events.push(`interrupted by ${by}: ${reason}`),
    resumed: () => events.push('resumed'),
  }
  const goesOn = outcomes.length > 0
  let rounds = 0
  await runPipeline(
    {
      source: {
        async *take(signal) {
          if (rounds++ > 0) return stop.abort()
          for (const [i, text] of texts.entries()) {
            if (signal.aborted) return
            yield [delivery(text, i + 1)]
            await sleep(pauseMs)
          }
          if (!goesOn) stop.abort()
        },
        flush: () => Promise.resolve(),
      },
      sink: sinkWriting(() => Promise.resolve(outcomes.shift() ?? committed)),
      decode: (one) => ({ delivery: one, ...decodeMessage(one.data, receivedAtMs, defaultLimits) }),
      limits,
      batchesInFlight: 1,
      workingEveryMs: 60_000,
      observer: observers(listing),
    },
    stop.signal,
  )
  return events
}

test('a batch is cut by the limit it reached, and the rest when the flow ends', async () => {
  assert.deepEqual(await told([reading, reading, reading], { ...roomy, messages: 2 }), [
    'cut by messages: 1 2',
    'committed: 1 2',
    'cut by rest: 3',
    'committed: 3',
  ])
  assert.deepEqual(await told([`[${reading},${reading}]`], { ...roomy, readings: 2 }), [
    'cut by readings: 1',
    'committed: 1',
  ])
  assert.deepEqual(await told([reading], { ...roomy, bytes: 10 }), ['cut by bytes: 1', 'committed: 1'])
  assert.deepEqual(await told([reading], { ...roomy, ageMs: 1 }, [], 50), ['cut by age: 1', 'committed: 1'])
})

test('a batch that failed is told as failed, and what stops and goes on as well', async () => {
  const away = { kind: 'retry', reason: 'the database is away', failure: 'connection' } as const
  assert.deepEqual(await told([reading], { ...roomy, messages: 1 }, [away]), [
    'cut by messages: 1',
    'failed by connection: 1',
    'interrupted by database: the database is away',
    'resumed',
  ])
})

test('several observers are told the same, each only what it asks for', () => {
  const told: string[] = []
  const all = observers(
    { resumed: () => told.push('first') },
    { interrupted: () => told.push('never') },
    { resumed: () => told.push('second') },
  )
  all.resumed()
  all.givenBack(batchOf([]))
  assert.deepEqual(told, ['first', 'second'])
})

/** Runs the pipeline with an observer that throws here; resolves to why the pipeline ended, and to the answers. */
async function endedBy(
  observer: Partial<PipelineObserver>,
  limits: BatchLimits,
  write: OpenBatch['write'] = () => Promise.resolve(committed),
) {
  const answers: string[] = []
  const answering = (sequence: number): Delivery => ({
    ...delivery(reading, sequence),
    ack: () => void answers.push(`ack ${sequence}`),
    nak: () => void answers.push(`nak ${sequence}`),
  })
  const ended = await runPipeline(
    {
      source: {
        async *take(signal) {
          yield [answering(1), answering(2)]
          if (!signal.aborted) await once(signal, 'abort')
        },
        flush: () => Promise.resolve(),
      },
      sink: sinkWriting(write),
      decode: (one) => ({ delivery: one, ...decodeMessage(one.data, receivedAtMs, defaultLimits) }),
      limits,
      batchesInFlight: 1,
      workingEveryMs: 60_000,
      observer: observers(observer),
    },
    new AbortController().signal,
  ).then(
    () => 'without an error',
    (error: Error) => error.message,
  )
  return { ended, answers }
}

test('an observer that throws ends the pipeline with its sentence, wherever it does; no message is left unanswered', async () => {
  const broken = () => {
    throw new Error('the observer is broken')
  }
  const sentence = 'the pipeline itself failed: the observer is broken'
  // By a timer, and in the midst of taking.
  for (const limits of [
    { ...roomy, ageMs: 1 },
    { ...roomy, messages: 2 },
  ]) {
    assert.deepEqual(await endedBy({ committed: broken }, limits), {
      ended: sentence,
      answers: ['ack 1', 'ack 2'],
    })
    assert.deepEqual(await endedBy({ cut: broken }, limits), { ended: sentence, answers: ['nak 1', 'nak 2'] })
    const away = { kind: 'retry', reason: 'away', failure: 'connection' } as const
    assert.deepEqual(await endedBy({ failed: broken }, limits, () => Promise.resolve(away)), {
      ended: sentence,
      answers: ['nak 1', 'nak 2'],
    })
  }
})

test('a sink that throws ends the pipeline, and what it was given is given back', async () => {
  const write = () => Promise.reject(new Error('it must not throw'))
  assert.deepEqual(await endedBy({}, { ...roomy, messages: 1 }, write), {
    ended: 'the pipeline itself failed: it must not throw',
    answers: ['nak 1', 'nak 2'],
  })
})
