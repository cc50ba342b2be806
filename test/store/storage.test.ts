// What the store says about the room its tables take.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pool } from '../../src/store/pool.ts'
import { readStorage } from '../../src/store/storage.ts'
import { withStore } from '../support/store.ts'

const insert = (pool: Pool, day: string, rows: number, machine = 'M') =>
  pool.query(
    `INSERT INTO sensor_data (machine_id, time, message_id, position, received_at, temperature)
     SELECT $1, $2::timestamptz + make_interval(secs => n) + interval '1.25 s', n, 0, now(), n FROM generate_series(1, $3::int) n`,
    [machine, day, rows],
  )

const within = (found: number, wanted: number) =>
  assert.ok(Math.abs(found - wanted) <= wanted / 20, `${found} is far from ${wanted}`)

test('storage is what is stored', (t) =>
  withStore(async (pool) => {
    await pool.query(
      "INSERT INTO machines (id, registered) VALUES ('M', false), ('N', false), ('silent', true)",
    )

    await t.test('of nothing', async () => {
      const { bytes, chunks, rowsEstimate, oldest, newest, aggregates, deadLetters } = await readStorage(pool)
      assert.ok(bytes > 1_000_000)
      assert.deepEqual(
        { chunks, rowsEstimate, oldest, newest, letters: deadLetters.rowsEstimate },
        { chunks: [], rowsEstimate: 0, oldest: null, newest: null, letters: 0 },
      )
      assert.deepEqual(aggregates, [
        { name: 'readings_by_hour', bytes: 0, chunks: 0 },
        { name: 'readings_by_minute', bytes: 0, chunks: 0 },
      ])
    })

    await t.test('of a few readings that nobody has analysed: exactly', async () => {
      await insert(pool, '2026-03-01T00:00:00Z', 500)
      await insert(pool, '2026-03-01T12:00:00Z', 77, 'N')
      const { chunks, rowsEstimate, oldest, newest } = await readStorage(pool)
      assert.equal(rowsEstimate, 577)
      assert.deepEqual([oldest, newest], ['2026-03-01T00:00:02.25Z', '2026-03-01T12:01:18.25Z'])
      const [only, ...others] = chunks
      assert.deepEqual(others, [])
      assert.equal(only?.startMs, Date.parse('2026-03-01T00:00:00Z'))
      assert.equal(only?.endMs, Date.parse('2026-03-02T00:00:00Z'))
      assert.ok((only?.bytes ?? 0) >= 577 * 100, `${only?.bytes}`)
    })

    await t.test(
      'of many, in chunks that were analysed long ago, never, or are compressed: nearly',
      async () => {
        await pool.query('ANALYZE sensor_data')
        await insert(pool, '2026-03-01T02:00:00Z', 30_000)
        await insert(pool, '2026-03-02T00:00:00Z', 20_000)
        await insert(pool, '2026-03-03T00:00:00Z', 20_000)
        within((await readStorage(pool)).rowsEstimate, 70_577)
        await pool.query(
          "ALTER TABLE sensor_data SET (timescaledb.compress, timescaledb.compress_segmentby = 'machine_id')",
        )
        await pool.query(
          "SELECT compress_chunk(c) FROM show_chunks('sensor_data', older_than => '2026-03-03T00:00:00Z'::timestamptz) c",
        )
        await insert(pool, '2026-03-01T20:00:00Z', 10, 'N')
        const { chunks, rowsEstimate, oldest, newest } = await readStorage(pool)
        within(rowsEstimate, 70_587)
        assert.deepEqual([oldest, newest], ['2026-03-01T00:00:02.25Z', '2026-03-03T05:33:21.25Z'])
        assert.deepEqual(
          chunks.map(({ bytesBeforeCompression: before, bytes }) => before !== null && before > 3 * bytes),
          [true, true, false],
        )
      },
    )

    await t.test('the reading at an end is found past chunks that were emptied', async () => {
      await pool.query(
        "DELETE FROM sensor_data WHERE time < '2026-03-02T00:00:00Z' OR time >= '2026-03-03T00:00:00Z'",
      )
      const { oldest, newest } = await readStorage(pool)
      assert.deepEqual([oldest, newest], ['2026-03-02T00:00:02.25Z', '2026-03-02T05:33:21.25Z'])
    })

    await t.test('aggregates and policies, with their last run and failure', async () => {
      await pool.query(
        `CREATE MATERIALIZED VIEW per_hour WITH (timescaledb.continuous) AS
         SELECT machine_id, time_bucket('1 hour', time) AS hour, count(*) FROM sensor_data GROUP BY 1, 2 WITH NO DATA`,
      )
      await pool.query("CALL refresh_continuous_aggregate('per_hour', NULL, NULL)")
      await pool.query(
        `SELECT add_continuous_aggregate_policy('per_hour', start_offset => interval '2 days',
           end_offset => interval '1 hour', schedule_interval => interval '5 minutes')`,
      )
      await pool.query("SELECT add_retention_policy('sensor_data', interval '90 days')")
      const { aggregates, policies } = await readStorage(pool)
      const view = aggregates.find(({ name }) => name === 'per_hour')
      assert.ok(view !== undefined && view.bytes > 0 && view.chunks > 0)
      const refresh = policies.find(({ table }) => table === 'per_hour')
      assert.deepEqual([refresh?.name, refresh?.schedule_seconds], ['refresh_continuous_aggregate', 300])
      const retention = policies.find(({ name, table }) => name === 'retention' && table === 'sensor_data')
      assert.deepEqual([retention?.schedule_seconds, retention?.last_failure], [86_400, null])
    })
  }))
