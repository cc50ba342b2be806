import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readRecording } from '../../src/sources/recording.ts'

async function* chunks(...parts: (Buffer | string)[]) {
  yield* parts
}

const good = (seconds: number) => `{"machine_id":"M","timestamp":"2026-03-01T00:00:0${seconds}Z"}`

test('good lines come with their time, bad ones with their number and what is wrong', async () => {
  const text = [
    `\ufeff${good(1)}\r`,
    '',
    '   ',
    'nonsense',
    '[1]',
    'null',
    '{"timestamp":"2026-03-01T00:00:00Z"}',
    '{"machine_id":7,"timestamp":"2026-03-01T00:00:00Z"}',
    '{"machine_id":"M"}',
    '{"machine_id":"M","timestamp":"2026-03-01T00:00:00"}',
    '{"machine_id":"M","timestamp":"2026-03-01T01:00:00.1234567+01:00"}',
  ].join('\n')
  const entries = await Array.fromAsync(readRecording(chunks(text)))
  const problems = entries.filter((entry) => 'problem' in entry)
  assert.deepEqual(
    problems.map(({ line }) => line),
    [4, 5, 6, 7, 8, 9, 10],
  )
  assert.match(problems[0]?.problem ?? '', /not JSON/)
  assert.match(problems[3]?.problem ?? '', /machine_id/)
  assert.match(problems[6]?.problem ?? '', /no offset/)
  assert.deepEqual(
    entries.filter((entry) => !('problem' in entry)),
    [
      {
        line: 1,
        text: good(1),
        timestampMs: Date.UTC(2026, 2, 1, 0, 0, 1),
        timestamp: '2026-03-01T00:00:01Z',
      },
      {
        line: 11,
        text: text.split('\n')[10],
        timestampMs: Date.UTC(2026, 2, 1, 0, 0, 0, 123),
        timestamp: '2026-03-01T01:00:00.1234567+01:00',
      },
    ],
  )
})

test('however the bytes are cut into chunks, the lines are the same', async () => {
  const text = `\ufeff${good(1)}\n{"machine_id":"Fräse 1 😀","timestamp":"2026-03-01T00:00:02Z"}\n\nbad\n${good(3)}\n`
  const bytes = Buffer.from(text)
  const whole = await Array.fromAsync(readRecording(chunks(bytes)))
  assert.equal(whole.length, 4)
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.nat(bytes.length), { maxLength: 8 }), async (cuts) => {
      const ends = [...cuts, bytes.length].sort((a, b) => a - b)
      const parts = ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end))
      assert.deepEqual(await Array.fromAsync(readRecording(chunks(...parts))), whole)
    }),
    { numRuns: 100 },
  )
})

test('bytes that are no UTF-8 are a problem of their line only', async () => {
  const input = Buffer.concat([
    Buffer.from('{"machine_id":"'),
    Buffer.from([0xff]),
    Buffer.from(`"}\n${good(1)}`),
  ])
  const entries = await Array.fromAsync(readRecording(chunks(input)))
  assert.deepEqual(entries[0], { line: 1, problem: 'it is not UTF-8 text' })
  assert.equal(entries[1]?.line, 2)
})

test('a line over 1 MiB is a problem, and is not kept in memory', async () => {
  const chunk = Buffer.alloc(2 ** 20, 'x')
  async function* input() {
    for (let i = 0; i < 300; i++) yield chunk
    yield `\n${good(1)}\n`
  }
  const before = process.memoryUsage().arrayBuffers
  let most = 0
  async function* watched() {
    for await (const part of input()) {
      most = Math.max(most, process.memoryUsage().arrayBuffers)
      yield part
    }
  }
  const entries = await Array.fromAsync(readRecording(watched()))
  assert.deepEqual(entries[0], { line: 1, problem: `it has ${300 * 2 ** 20} bytes, allowed are 1048576` })
  assert.equal(entries[1]?.line, 2)
  assert.ok(most - before < 150 * 2 ** 20, `${most - before} bytes were held`)
})

test('a line of exactly 1 MiB is read', async () => {
  const start = '{"machine_id":"M","timestamp":"2026-03-01T00:00:00Z","note":"'
  const line = `${start}${'x'.repeat(2 ** 20 - start.length - 2)}"}`
  const [exact, over] = await Array.fromAsync(readRecording(chunks(`${line}\n${line} \n`)))
  assert.ok(exact !== undefined && !('problem' in exact))
  assert.ok(over !== undefined && 'problem' in over)
})
