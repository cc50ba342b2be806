// A stream that is full: publishers are told, and it takes messages again when the monitor has stored some.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../support/monitor.ts'
import { underLoad } from '../support/under-load.ts'

test('while the database is away the stream fills up, publishers are refused with a sentence, and all goes on', (t) =>
  underLoad(
    t,
    1,
    async ({ monitor, load }) => {
      const database = monitor.endpoints.pids.database ?? assert.fail('the database is not embedded')
      const full = () =>
        load.refusals.get('the stream did not take a message on CNC_DATA.LOAD: maximum bytes exceeded')
      process.kill(database, 'SIGSTOP')
      try {
        const before = full() ?? 0
        await until('publishers are told', () => (full() ?? 0) > before + 10)
      } finally {
        process.kill(database, 'SIGCONT')
      }
      const before = load.acknowledged.size
      await until('the stream takes messages again', () => load.acknowledged.size > before + 100)
    },
    { STREAM_MAX_BYTES: '200000' },
  ))
