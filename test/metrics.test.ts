// The registry: its form, its names, and what the pipeline's observer makes of batches.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMetrics, type Metrics } from '../src/metrics.ts'
import type { BrokerPoll, BrokerStanding } from '../src/observation.ts'
import type { DecodedMessage, MessageInBatch } from '../src/pipeline-types.ts'
import { type Rejection, rejectionCodes } from '../src/reading.ts'
import type { Readiness } from '../src/readiness.ts'
import { decodeMessage } from '../src/decode/decode-message.ts'
import { defaultLimits, receivedAtMs } from './golden/cases.ts'
import { batchOf } from './support/batches.ts'
import { nonZeroBy, parseExposition, valueOf } from './support/exposition.ts'
import { promtoolCheck } from './support/promtool.ts'

const standing: BrokerStanding = {
  pending: 12,
  ackPending: 3,
  maxAckPending: 100,
  redelivered: 1,
  waitingPulls: 2,
  deliveredSequence: 90,
  ackFloorSequence: 87,
  lastSequence: 102,
  streamMessages: 15,
  streamBytes: 4_000,
  streamMaxBytes: null,
}
const well: Readiness = {
  ready: true,
  checks: {
    database: { ok: true, last_success: '2026-03-01T12:00:00.500Z' },
    broker: { ok: true, last_success: '2026-03-01T12:00:00Z' },
  },
}

function open(broker: BrokerPoll = { standing, lastSuccessMs: 1_000 }, readiness: Readiness = well): Metrics {
  return openMetrics({ version: '1.2.3', readiness: () => readiness, broker: () => broker })
}

function message(text: string, deliveryCount = 1): DecodedMessage {
  const data = Buffer.from(text)
  const received = { data, size: data.length, receivedAtMs: Date.now() }
  const delivery = { ...received, deliveryCount } as unknown as DecodedMessage['delivery']
  return { delivery, ...decodeMessage(data, receivedAtMs, defaultLimits) }
}

const reading = '{"machine_id":"A","timestamp":"2026-03-01T11:00:00Z"}'

test('the page keeps to the exposition format and to the conventions for names and units', async () => {
  const metrics = open()
  metrics.request('GET', '/metrics', 200, 3)
  for (const { name, help, type, samples } of parseExposition(await metrics.exposition())) {
    assert.match(name, /^(cnc_monitor|process|nodejs)_[a-z0-9_]+$/)
    assert.ok(help.length > 5, name)
    assert.equal(type === 'counter', name.endsWith('_total'), `${name} is a ${type}`)
    assert.doesNotMatch(
      name,
      /_(ms|millis\w*|minutes|hours|kb|mb|kib|mib|percent|gauge|counter|histogram)(_|$)/,
    )
    assert.doesNotMatch(name, /_(count|sum|bucket)$/)
    if (name.startsWith('cnc_monitor_')) assert.match(help, /\.$/, name)
    const series = samples.map((sample) => JSON.stringify([sample.name, sample.labels]))
    assert.equal(new Set(series).size, series.length, `${name} has a series twice`)
    if (type !== 'histogram') continue
    const buckets = samples.filter((sample) => sample.name.endsWith('_bucket'))
    const bounds = buckets.map(({ labels }) => labels['le'])
    assert.ok(buckets.length === 0 || bounds.includes('+Inf'), name)
  }
})

test('promtool has nothing to say about the page of a monitor that has just started', async (t) => {
  promtoolCheck(t, ['check', 'metrics'], await open().exposition())
})

test('two registries know nothing of each other', async () => {
  const [one, other] = [open(), open()]
  one.pipeline.interrupted('away', 'database')
  assert.equal(valueOf(parseExposition(await one.exposition()), 'cnc_monitor_taking'), 0)
  assert.equal(valueOf(parseExposition(await other.exposition()), 'cnc_monitor_taking'), 1)
})

test('what can happen is there with 0 before it happens, so that the first time is an increase', async () => {
  const page = parseExposition(await open().exposition())
  for (const reason of rejectionCodes) {
    assert.equal(valueOf(page, 'cnc_monitor_dead_letters_total', { reason }), 0)
  }
  assert.equal(valueOf(page, 'cnc_monitor_messages_total', { outcome: 'given_back' }), 0)
  assert.equal(valueOf(page, 'cnc_monitor_batch_failures_total', { failure: 'connection' }), 0)
})

test('a committed batch is counted by what became of its messages', async () => {
  const metrics = open()
  const byDatabase = message(`[${Array.from({ length: 4 }, () => reading).join()}]`)
  const rejection: Rejection = {
    code: 'refused_by_database',
    reason: 'x',
    position: 0,
    payload: new Uint8Array(),
    more: 2,
  }
  const batch = batchOf([
    message(reading),
    message(`[${reading},${reading}]`, 2),
    message(`[${reading},7]`),
    message('no json'),
    message(`[${Array.from({ length: 150 }, () => 7).join()}]`),
    byDatabase,
  ])
  metrics.pipeline.cut(batch, { reason: 'age', waitedMs: 20 })
  assert.equal(valueOf(parseExposition(await metrics.exposition()), 'cnc_monitor_batches_in_flight'), 1)
  // One of the two readings that were delivered again was there already.
  const outcome = {
    kind: 'committed',
    stored: 4,
    refused: new Map([
      [batch.messages.at(-1) as MessageInBatch, { rejections: [rejection], positions: new Set([0, 1, 2]) }],
    ]),
    postponed: new Map(),
  } as const
  metrics.pipeline.committed(batch, outcome, 1_500)
  const page = parseExposition(await metrics.exposition())
  assert.equal(valueOf(page, 'cnc_monitor_batches_in_flight'), 0)
  assert.equal(valueOf(page, 'cnc_monitor_readings_stored_total'), 4)
  assert.equal(valueOf(page, 'cnc_monitor_readings_already_stored_total'), 1)
  assert.equal(valueOf(page, 'cnc_monitor_readings_refused_total'), 1 + 1 + 150 + 3)
  assert.equal(valueOf(page, 'cnc_monitor_messages_redelivered_total'), 1)
  assert.deepEqual(nonZeroBy(page, 'cnc_monitor_messages_total', 'outcome'), {
    stored: 2,
    partly_refused: 2,
    refused: 2,
  })
  assert.deepEqual(nonZeroBy(page, 'cnc_monitor_dead_letters_total', 'reason'), {
    wrong_root: 1 + 100,
    not_json: 1,
    refused_by_database: 1,
  })
  assert.equal(valueOf(page, 'cnc_monitor_batch_messages_sum'), 6)
  assert.equal(valueOf(page, 'cnc_monitor_batch_readings_sum'), 8)
  assert.equal(valueOf(page, 'cnc_monitor_commit_duration_seconds_sum'), 1.5)
  assert.equal(valueOf(page, 'cnc_monitor_batch_age_seconds_sum'), 0.02)
})

test('a batch that failed and one that was not tried are given back, and the interruption shows', async () => {
  const metrics = open()
  const batch = batchOf([message(reading), message(reading)])
  metrics.pipeline.cut(batch, { reason: 'messages', waitedMs: 1 })
  metrics.pipeline.failed(batch, { kind: 'retry', reason: 'away', failure: 'connection' }, 5)
  metrics.pipeline.cut(batch, { reason: 'rest', waitedMs: 1 })
  metrics.pipeline.givenBack(batch)
  metrics.pipeline.interrupted('away', 'database')
  let page = parseExposition(await metrics.exposition())
  assert.deepEqual(nonZeroBy(page, 'cnc_monitor_messages_total', 'outcome'), { given_back: 4 })
  assert.deepEqual(nonZeroBy(page, 'cnc_monitor_batch_failures_total', 'failure'), { connection: 1 })
  assert.deepEqual(nonZeroBy(page, 'cnc_monitor_batches_cut_total', 'reason'), { messages: 1, rest: 1 })
  assert.deepEqual(nonZeroBy(page, 'cnc_monitor_interruptions_total', 'dependency'), { database: 1 })
  assert.equal(valueOf(page, 'cnc_monitor_batches_in_flight'), 0)
  assert.equal(valueOf(page, 'cnc_monitor_commit_duration_seconds_count'), 0)
  assert.equal(valueOf(page, 'cnc_monitor_taking'), 0)
  metrics.pipeline.resumed()
  page = parseExposition(await metrics.exposition())
  assert.equal(valueOf(page, 'cnc_monitor_taking'), 1)
})

test('figures of the broker are exported while they are known, and left out when they are not', async () => {
  let poll: BrokerPoll = { standing, lastSuccessMs: 1_772_366_400_500 }
  const metrics = openMetrics({ version: '1', readiness: () => well, broker: () => poll })
  const known = parseExposition(await metrics.exposition())
  assert.equal(valueOf(known, 'cnc_monitor_consumer_pending_messages'), 12)
  assert.equal(valueOf(known, 'cnc_monitor_consumer_distance_to_end_messages'), 12)
  assert.equal(valueOf(known, 'cnc_monitor_stream_max_bytes'), undefined, 'the stream has no limit')
  poll = { ...poll, standing: null }
  const unknown = parseExposition(await metrics.exposition())
  const figures = unknown
    .filter(({ name }) => /^cnc_monitor_(consumer|stream)_/.test(name))
    .flatMap(({ samples }) => samples)
  assert.deepEqual(figures, [])
  assert.equal(valueOf(unknown, 'cnc_monitor_broker_poll_success'), 0)
  assert.equal(valueOf(unknown, 'cnc_monitor_broker_poll_last_success_timestamp_seconds'), 1_772_366_400.5)
})

test('readiness is exported as it is answered', async () => {
  const half: Readiness = {
    ready: false,
    checks: { ...well.checks, broker: { ok: false, last_success: null } },
  }
  const page = parseExposition(await open(undefined, half).exposition())
  assert.equal(valueOf(page, 'cnc_monitor_ready'), 0)
  assert.equal(valueOf(page, 'cnc_monitor_dependency_up', { dependency: 'database' }), 1)
  assert.equal(valueOf(page, 'cnc_monitor_dependency_up', { dependency: 'broker' }), 0)
  assert.equal(valueOf(page, 'cnc_monitor_taking'), 0, 'nothing is taken from a broker that does not answer')
  const name = 'cnc_monitor_dependency_last_success_timestamp_seconds'
  assert.equal(valueOf(page, name, { dependency: 'database' }), 1_772_366_400.5)
  assert.equal(valueOf(page, name, { dependency: 'broker' }), undefined)
})
