// The aggregates against the readings they are made of, on the real TimescaleDB.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { aggregateColumns, numberFields } from '../../src/store/aggregate-columns.ts'
import { readAggregateState } from '../../src/store/aggregate-state.ts'
import { keepAggregates, runAlone } from '../../src/store/keep-aggregates.ts'
import { LateBoundary } from '../../src/store/late-readings.ts'
import { takesCopy } from '../../src/store/copy-in.ts'
import { migrate, readMigrations } from '../../src/store/migrate.ts'
import type { Pool } from '../../src/store/pool.ts'
import { writeTogether } from '../../src/store/write-together.ts'
import { delivered } from '../support/delivered.ts'
import { until } from '../support/monitor.ts'
import { withNativeDatabase } from '../support/native-database.ts'
import { openTestPool, sinkOn, withEmptyDatabase, withStore } from '../support/store.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const { signal } = new AbortController()
const MIGRATIONS = join(import.meta.dirname, '../../migrations')

/** A monitor's writer and job, and all readings that were ever written. */
class Shop {
  readonly #pool: Pool
  readonly #copies: boolean
  #late = new LateBoundary()
  #sequence = 0
  retentionDays = 0

  private constructor(pool: Pool, copies: boolean) {
    this.#pool = pool
    this.#copies = copies
  }

  static async on(pool: Pool): Promise<Shop> {
    await pool.query('CREATE TABLE ever (LIKE sensor_data)')
    return new Shop(pool, await takesCopy(pool))
  }

  /** Writes them as one batch, one message each. */
  async write(readings: readonly object[]): Promise<void> {
    const sink = sinkOn(this.#pool, { copies: this.#copies, late: this.#late })
    const first = this.#sequence + 1
    const batch = readings.map((one) => delivered(one, ++this.#sequence, { receivedAtMs: Date.now() }))
    const outcome = await writeTogether(sink, batch)
    assert.equal(outcome.kind === 'committed' ? outcome.stored : outcome.reason, readings.length)
    // What comes in where raw readings were removed already is in no aggregate; the rest of its hour is gone.
    await this.#pool.query(
      `INSERT INTO ever SELECT s.* FROM sensor_data s, aggregate_state
       WHERE message_id & 4294967295 >= $1 AND time >= raw_kept_since`,
      [first],
    )
  }

  /** As every monitor does now and then. */
  async look(): Promise<void> {
    const asked = performance.now()
    this.#late.learn((await readAggregateState(this.#pool)).lateBefore, asked)
  }

  /** A monitor that has just started, or has heard nothing for long. */
  forget(): void {
    this.#late = new LateBoundary()
  }

  async run(): Promise<void> {
    await runAlone(this.#pool, { retentionDays: this.retentionDays, windowMinutes: 60, signal })
  }

  /** Half an hour passes, in which nothing is written. */
  async pass(): Promise<void> {
    await this.#pool.query(
      "UPDATE aggregate_state SET late_before_since = late_before_since - interval '31 minutes'",
    )
    this.forget()
  }

  /** Every bucket of both views equals the aggregate of its readings. */
  async check(): Promise<void> {
    for (const [view, width] of [
      ['readings_by_minute', '1 minute'],
      ['readings_by_hour', '1 hour'],
    ] as const) {
      const [stored, expected] = await Promise.all([
        this.#pool.query(`SELECT ${aggregateColumns.join(', ')} FROM ${view} ORDER BY machine_id, bucket`),
        this.#pool.query(expectedSql, [width]),
      ])
      assert.deepEqual(stored.rows, expected.rows, view)
    }
  }
}

/** Written another way than the views: no time_bucket, no first, no last. */
const expectedSql = `
  SELECT machine_id, date_bin($1::interval, time, '2000-01-01T00:00:00Z') AS bucket, count(*) AS readings,
    ${numberFields
      .map(
        ({ name: n }) =>
          `min(${n}) AS ${n}_min, max(${n}) AS ${n}_max, count(${n}) AS ${n}_count, sum(${n}) AS ${n}_sum`,
      )
      .join(', ')},
    (array_agg(machine_state ORDER BY time, message_id, position) FILTER (WHERE machine_state IS NOT NULL))[1]
      AS machine_state_first,
    (array_agg(machine_state ORDER BY time DESC, message_id DESC, position DESC)
      FILTER (WHERE machine_state IS NOT NULL))[1] AS machine_state_last
  FROM ever GROUP BY 1, 2 ORDER BY 1, 2`

// Whole numbers, so that sums of doubles are exact in any order.
const whole = fc.option(fc.integer({ min: -1_000, max: 1_000 }), { nil: undefined })
const reading = fc.record({
  machine: fc.constantFrom('A', 'B'),
  // At the edge, yesterday, and where retention is about to remove.
  agoMs: fc
    .tuple(
      fc.constantFrom(0, 2 * HOUR_MS, DAY_MS, 3 * DAY_MS, 10 * DAY_MS, 20 * DAY_MS),
      fc.integer({ min: -2, max: 180 }),
      fc.constantFrom(0, 1, 59_999),
    )
    .map(([base, minutes, ms]) => base + minutes * MINUTE_MS + ms),
  temperature: whole,
  part_count: whole,
  machine_state: fc.option(fc.constantFrom('running', 'idle', 'alarm'), { nil: undefined }),
})
const command = fc.oneof(
  { weight: 4, arbitrary: fc.record({ write: fc.array(reading, { minLength: 1, maxLength: 12 }) }) },
  { weight: 3, arbitrary: fc.constant('run' as const) },
  { weight: 2, arbitrary: fc.constantFrom('look' as const, 'forget' as const, 'pass' as const) },
  { weight: 1, arbitrary: fc.record({ retentionDays: fc.constantFrom(0, 2, 5, 15) }) },
)

test('after the next run every bucket equals the aggregate of its readings, whatever came when', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(command, { minLength: 8, maxLength: 16 }),
      fc.boolean(),
      async (commands, stopped) => {
        await withStore(async (pool) => {
          const shop = await Shop.on(pool)
          if (stopped) await stopForANight(pool)
          const nowMs = Date.now()
          for (const one of commands) {
            if (one === 'run') {
              await shop.run()
              await shop.check()
            } else if (one === 'look') await shop.look()
            else if (one === 'forget') shop.forget()
            else if (one === 'pass') await shop.pass()
            else if ('retentionDays' in one) shop.retentionDays = one.retentionDays
            else {
              await shop.write(
                one.write.map(({ machine, agoMs, ...values }) => ({
                  machine_id: machine,
                  timestamp: new Date(nowMs - agoMs).toISOString(),
                  ...values,
                })),
              )
            }
          }
          await shop.run()
          await shop.check()
        })
      },
    ),
    {
      numRuns: Number(process.env['SOAK_ROUNDS'] ?? 3),
      interruptAfterTimeLimit: 600_000,
      endOnFailure: true,
    },
  )
})

test('a monitor that was told of the boundary before it moved has its readings aggregated', () =>
  withStore(async (pool) => {
    const shop = await Shop.on(pool)
    await stopForANight(pool)
    await shop.write([readingAt(10 * MINUTE_MS, { temperature: 2 })])
    await shop.look()
    await shop.run()
    await shop.run()
    // It lies before the boundary of now, and after the one that the monitor knows: nothing is marked.
    await shop.write([readingAt(3 * HOUR_MS, { temperature: 1 })])
    assert.equal((await readAggregateState(pool)).lateWindows, 0)
    await shop.run()
    await shop.check()
  }))

test('what retention removes stays in the aggregates, also when more is kept from then on', () =>
  withStore(async (pool) => {
    const shop = await Shop.on(pool)
    await shop.write([
      readingAt(10 * DAY_MS, { temperature: 4 }),
      readingAt(20 * DAY_MS, { temperature: 5 }),
      readingAt(HOUR_MS, {}),
    ])
    shop.retentionDays = 5
    await shop.run()
    await shop.check()
    const { rows } = await pool.query('SELECT count(*) FROM sensor_data')
    assert.deepEqual(rows, [{ count: '1' }])
    shop.retentionDays = 90
    await shop.write([readingAt(10 * DAY_MS, { temperature: 7 })])
    await shop.run()
    await shop.check()
    const state = await pool.query('SELECT late_below_floor FROM aggregate_state')
    assert.deepEqual(state.rows, [{ late_below_floor: '1' }])
  }))

test('readings from before the aggregates are in them at once, and after the first run', () =>
  withEmptyDatabase(async (url) => {
    const pool = openTestPool(url)
    try {
      const migrations = await readMigrations(MIGRATIONS)
      const before = migrations.filter(({ name }) => name < '0005')
      await migrate(pool, before, () => undefined)
      await pool.query(
        `INSERT INTO sensor_data (machine_id, time, message_id, position, received_at, temperature, machine_state)
         SELECT 'A', now() - i * interval '7 hours', i, 0, now(), i, 'running' FROM generate_series(1, 20) AS i`,
      )
      await migrate(pool, migrations, () => undefined)
      const shop = await Shop.on(pool)
      await pool.query('INSERT INTO ever SELECT * FROM sensor_data')
      await shop.check()
      await shop.run()
      await shop.check()
      await pool.query('DROP TABLE ever')
    } finally {
      await pool.end()
    }
  }))

test('the job looks, runs, says how it stands, and ends', () =>
  withStore(async (pool) => {
    const shop = await Shop.on(pool)
    // Finite each, infinite together: no sum may end the query of everybody else.
    const largest = { temperature: Number.MAX_VALUE, machine_state: 'running' }
    await shop.write([readingAt(5 * HOUR_MS, largest), readingAt(5 * HOUR_MS, largest)])
    const stop = new AbortController()
    const aggregates = await keepAggregates({
      pool,
      late: new LateBoundary(),
      retentionDays: 90,
      windowMinutes: 10,
      signal: stop.signal,
      log: { info: () => undefined, warn: (line: string) => assert.fail(line) },
    })
    assert.equal(aggregates.latest()?.lateWindows, 1)
    await until('it has run', async () => (await readAggregateState(pool)).lastSuccess !== null)
    stop.abort()
    await aggregates.ended
    assert.equal((await readAggregateState(pool)).lateWindows, 0)
    for (const view of ['readings_by_minute', 'readings_by_hour']) {
      const { fields, rows } = await pool.query(`SELECT * FROM ${view}`)
      assert.deepEqual(
        fields.map(({ name }) => name),
        aggregateColumns,
      )
      const [{ readings, temperature_max, temperature_sum }] = rows
      assert.deepEqual([readings, temperature_max, temperature_sum], ['2', Number.MAX_VALUE, null])
    }
  }))

test('of several monitors one works at a time', (t) =>
  withNativeDatabase(t, async (url) => {
    const pool = openTestPool(url)
    try {
      await migrate(pool, await readMigrations(MIGRATIONS), () => undefined)
      const shop = await Shop.on(pool)
      await shop.write([readingAt(30 * DAY_MS, {}), readingAt(MINUTE_MS, {})])
      const options = { retentionDays: 0, windowMinutes: 60, signal }
      const runs = await Promise.all([1, 2, 3].map(() => runAlone(pool, options)))
      assert.equal(runs.filter((refreshed) => refreshed !== null).length, 1)
      assert.notEqual(await runAlone(pool, options), null)
      await shop.check()
    } finally {
      await pool.end()
    }
  }))

function readingAt(agoMs: number, values: object): object {
  return { machine_id: 'A', timestamp: new Date(Date.now() - agoMs).toISOString(), ...values }
}

async function stopForANight(pool: Pool): Promise<void> {
  await pool.query(
    `UPDATE aggregate_state SET refreshed_until = refreshed_until - interval '9 hours',
       unmarked_from = unmarked_from - interval '10 hours',
       late_before = late_before - interval '9 hours 30 minutes'`,
  )
}
