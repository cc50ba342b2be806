// The parameters of a series.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '../../src/web/problems.ts'
import { seriesQueryOf } from '../../src/web/series-query.ts'

const nowMs = Date.UTC(2026, 10, 24, 12)
const of = (query: string, id = 'A') => {
  const parameters: Record<string, string | string[]> = {}
  for (const [name, value] of new URLSearchParams(query)) {
    const before = parameters[name]
    parameters[name] = before === undefined ? value : [before, value].flat()
  }
  return seriesQueryOf(id, parameters, nowMs)
}

test('without parameters it is the last day, every field, to a thousand points', () => {
  const query = of('')
  assert.deepEqual(query.wanted, { points: 1_000 })
  assert.deepEqual([query.startTime, query.endTime], ['2026-11-23T12:00:00.000Z', '2026-11-24T12:00:00.000Z'])
  assert.equal(query.fields.length, 12)
  assert.deepEqual(query.aggregates, ['min', 'avg', 'max', 'count'])
})

test('a window that names one end has a day, or goes on to the present', () => {
  assert.equal(of('end_time=2026-11-20T00:00:00Z').startTime, '2026-11-19T00:00:00.000Z')
  assert.equal(of('start_time=2026-11-20T00:00:00Z').endTime, '2026-11-24T12:00:00.000Z')
})

test('buckets, fields and aggregates are taken as they are written, each once', () => {
  const query = of('bucket=90s&fields=temperature,machine_state,temperature&agg=max,min')
  assert.deepEqual(query.wanted, { bucketSeconds: 90 })
  assert.deepEqual(
    [query.fields, query.aggregates],
    [
      ['temperature', 'machine_state'],
      ['max', 'min'],
    ],
  )
})

const bad: readonly (readonly [query: string, field: string, words: RegExp])[] = [
  ['from=1', 'from', /is no parameter here/],
  ['start_time=yesterday', 'start_time', /RFC 3339/],
  ['end_time=2026-11-24 12:00', 'end_time', /RFC 3339/],
  ['start_time=2026-11-24T12:00:00Z&start_time=2026-11-24T12:00:00Z', 'start_time', /one RFC 3339/],
  ['start_time=2026-11-24T12:00:00Z&end_time=2026-11-24T12:00:00Z', 'start_time', /must lie before/],
  [
    'start_time=2026-11-24T12:00:00.000002Z&end_time=2026-11-24T12:00:00.000001Z',
    'start_time',
    /must lie before/,
  ],
  ['start_time=2026-11-25T12:00:00Z', 'start_time', /must lie before/],
  ['end_time=0001-01-01T12:00:00Z', 'end_time', /year 1/],
  ['fields=', 'fields', /one of temperature/],
  ['fields=temperature,', 'fields', /one of temperature/],
  ['fields=heat', 'fields', /one of temperature/],
  ['fields=alarms', 'fields', /one of temperature/],
  ['fields=temperature&fields=z_pos_mm', 'fields', /one of temperature/],
  ['agg=median', 'agg', /one of min, avg/],
  ['agg=', 'agg', /one of min, avg/],
  ['points=0', 'points', /1 to 10000/],
  ['points=10001', 'points', /1 to 10000/],
  ['points=1e3', 'points', /1 to 10000/],
  ['points=-1', 'points', /1 to 10000/],
  ['points=100&bucket=1m', 'points', /not both/],
  ['bucket=1', 'bucket', /such as 10s/],
  ['bucket=0s', 'bucket', /such as 10s/],
  ['bucket=1w', 'bucket', /such as 10s/],
  ['bucket=1.5m', 'bucket', /such as 10s/],
  ['bucket=1m&bucket=1m', 'bucket', /such as 10s/],
  ['bucket=9999999d', 'bucket', /such as 10s/],
  ['bucket=1s', 'bucket', /86400 buckets of 1s; 20000 are the most/],
  ['bucket=1d&start_time=0001-01-01T00:00:00Z', 'bucket', /20000 are the most/],
]
for (const [query, field, words] of bad) {
  test(`?${query} is refused with its reason`, () => {
    assert.throws(
      () => of(query),
      (error) => error instanceof Problem && error.field === field && words.test(error.message),
    )
  })
}

test('an id with U+0000 is refused', () => {
  assert.throws(() => of('', 'A\0'), /U\+0000/)
})
