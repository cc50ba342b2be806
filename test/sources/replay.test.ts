import assert from 'node:assert/strict'
import { createReadStream, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { replay, type ReplayOptions } from '../../src/sources/replay.ts'
import { movedTimestamp, withTimestamp } from '../../src/sources/move-time.ts'
import { RecordingPublisher } from './recording-publisher.ts'

const NOW = Date.UTC(2026, 2, 1, 12)
const mazakDay = join(
  import.meta.dirname,
  '../../../shared/data/recorded/mazak01-20161129-1hz.sensordata.ndjson',
)

async function replayed(
  text: string,
  options: Partial<ReplayOptions> = {},
  publisher = new RecordingPublisher(),
) {
  const problems: [number, string][] = []
  const result = await replay(publisher, {
    open: async function* () {
      yield text
    },
    speed: 'max',
    keepTime: false,
    nowMs: NOW,
    signal: new AbortController().signal,
    streamName: 'CNC_DATA',
    onProblem: (line, problem) => problems.push([line, problem]),
    ...options,
  })
  return { result, problems, messages: publisher.messages, publisher }
}

const at = (...times: string[]) => times.map((time) => `{"machine_id":"M","timestamp":"${time}"}\n`).join('')
const timesOf = (messages: readonly { payload: string }[]) =>
  messages.map(({ payload }) => (JSON.parse(payload) as { timestamp: string }).timestamp)

test('all times move by one whole number of milliseconds, and finer digits stay', async () => {
  const { result, messages } = await replayed(
    at('2016-11-29T13:00:00.123456Z', '2016-11-29T14:00:01.5+01:00', '2016-11-29T13:00:00.9999999Z'),
  )
  assert.deepEqual(timesOf(messages), [
    '2026-03-01T11:59:58.623456Z',
    '2026-03-01T12:00:00.000Z',
    '2026-03-01T11:59:59.4999999Z',
  ])
  assert.equal(result.firstTime, '2026-03-01T11:59:58.623456Z')
  assert.equal(result.lastTime, '2026-03-01T12:00:00.000Z')
})

test('kept times are not touched, and neither is anything else', async () => {
  const line =
    '{ "timestamp" : "2016-11-29T14:00:00.10+01:00", "machine_id":"a b.c*>é" , "n":12345678901234567890}'
  const { messages } = await replayed(`${line}\n`, { keepTime: true })
  assert.deepEqual(
    messages.map(({ subject, payload }) => [subject, payload]),
    [['CNC_DATA.a_b_c___', line]],
  )
})

test('moving a time changes the top-level timestamp only, of repeated ones the last', () => {
  const moved = '2026-03-01T00:00:00Z'
  const rows = [
    [
      '{"timestamp":"T","n":123456789012345678901,"f":1.10}',
      '{"timestamp":"@","n":123456789012345678901,"f":1.10}',
    ],
    [
      '{"a":{"timestamp":"no"},"b":["timestamp","no"],"timestamp" : "T"}',
      '{"a":{"timestamp":"no"},"b":["timestamp","no"],"timestamp" : "@"}',
    ],
    [
      '{"note":"\\"timestamp\\":\\"no\\"","timestamp":"T"}',
      '{"note":"\\"timestamp\\":\\"no\\"","timestamp":"@"}',
    ],
    [
      '{"timestamp":"first","machine_id":"timestamp","timestamp":"T"}',
      '{"timestamp":"first","machine_id":"timestamp","timestamp":"@"}',
    ],
    ['{"time\\u0073tamp":"T","x":"\\\\"}', '{"time\\u0073tamp":"@","x":"\\\\"}'],
  ] as const
  for (const [before, after] of rows) assert.equal(withTimestamp(before, moved), after.replace('@', moved))
})

test('a time moved out of the calendar is a problem', async () => {
  assert.equal(movedTimestamp('9999-12-31T23:59:59Z', Date.UTC(9999, 11, 31, 23, 59, 59), 1_000), null)
  const { result, problems } = await replayed(at('0001-01-01T00:00:00Z', '9999-01-01T00:00:00Z'))
  assert.deepEqual([result.taken, result.problems, problems[0]?.[0]], [1, 1, 1])
})

test('bad lines are named and skipped', async () => {
  const { result, problems } = await replayed(`nonsense\n${at('2026-01-01T00:00:00Z')}{}\n`)
  assert.deepEqual(
    problems.map(([line]) => line),
    [1, 3],
  )
  assert.deepEqual([result.read, result.taken, result.refused, result.problems], [1, 1, 0, 2])
})

test('an empty recording is a result with nothing in it', async () => {
  const { result } = await replayed('')
  assert.deepEqual(result, {
    read: 0,
    taken: 0,
    refused: 0,
    problems: 0,
    firstTime: null,
    lastTime: null,
    firstError: null,
  })
})

test('what the stream did not take is counted, with the first error', async () => {
  const text = at(...Array.from({ length: 9 }, (_, i) => `2026-01-01T00:00:0${i}Z`))
  const { result } = await replayed(text, {}, new RecordingPublisher((count) => count % 3 === 0))
  assert.deepEqual([result.read, result.taken, result.refused, result.firstError], [9, 6, 3, 'no responders'])
})

test('the recorded pace is kept, divided by the speed, in the order of the file', async () => {
  const times = ['00.000', '00.400', '00.300', '02.000', '04.000'].map((s) => `2026-01-01T00:00:${s}Z`)
  const { messages, result } = await replayed(at(...times), { speed: 20, keepTime: true })
  assert.deepEqual(timesOf(messages), times)
  assert.equal(result.taken, 5)
  const afterMs = messages.map(({ atMs }) => atMs - (messages[0]?.atMs ?? 0))
  const recordedMs = [0, 20, 20, 100, 200]
  // No reading is early; a timer may count the last millisecond as passed.
  recordedMs.forEach((ms, i) =>
    assert.ok((afterMs[i] ?? 0) >= ms - 2, `${afterMs.join()} against ${recordedMs.join()}`),
  )
})

test('aborting ends a long pause at once, with what was done', async () => {
  const stopping = new AbortController()
  const { result } = await replayed(at('2020-01-01T00:00:00Z', '2026-01-01T00:00:00Z'), {
    speed: 1,
    signal: stopping.signal,
    onProgress: ({ taken }) => taken === 1 && stopping.abort(),
  })
  assert.deepEqual([result.read, result.taken], [1, 1])
})

test('the recorded day of a real machine goes through whole, its values as recorded', async (t) => {
  if (!existsSync(mazakDay)) return t.skip(`the recorded day is not there: ${mazakDay}`)
  const progress: number[] = []
  const publisher = new RecordingPublisher()
  const { result, messages } = await replayed(
    '',
    {
      open: () => createReadStream(mazakDay),
      onProgress: ({ taken, total }) => {
        assert.equal(total, 26_526)
        progress.push(taken)
      },
    },
    publisher,
  )
  const { taken, refused, problems, lastTime } = result
  assert.deepEqual([taken, refused, problems, lastTime], [26_526, 0, 0, '2026-03-01T12:00:00.000Z'])
  assert.equal(progress.at(-1), 26_526)
  assert.ok(publisher.mostInFlight <= 2_000)
  const recorded = readFileSync(mazakDay, 'utf8').trim().split('\n')
  const parse = (text: string | undefined) => JSON.parse(text ?? '') as Record<string, unknown>
  const moves = new Set<number>()
  const seen = new Set<unknown>()
  messages.forEach(({ payload }, i) => {
    const { timestamp: time, ...values } = parse(payload)
    const { timestamp: recordedTime, ...recordedValues } = parse(recorded[i])
    moves.add(Date.parse(String(time)) - Date.parse(String(recordedTime)))
    seen.add(time)
    assert.deepEqual(values, recordedValues)
  })
  assert.equal(moves.size, 1)
  assert.equal(seen.size, 26_526)
})
