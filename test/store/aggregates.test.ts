// The aggregates against the readings they are made of, on the real TimescaleDB.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { aggregateColumns, numberFields } from '../../src/store/aggregate-columns.ts'
import { readAggregateState } from '../../src/store/aggregate-state.ts'
import { runAlone } from '../../src/store/keep-aggregates.ts'
import { LateBoundary } from '../../src/store/late-readings.ts'
import { takesCopy } from '../../src/store/copy-in.ts'
import type { Pool } from '../../src/store/pool.ts'
import { timescaleSink } from '../../src/store/sink.ts'
import { delivered } from '../support/delivered.ts'
import { withStore } from '../support/store.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const { signal } = new AbortController()

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
    const sink = timescaleSink({
      pool: this.#pool,
      ready: this.#pool,
      copies: this.#copies,
      late: this.#late,
    })
    const first = this.#sequence + 1
    const batch = readings.map((one) => delivered(one, ++this.#sequence, { receivedAtMs: Date.now() }))
    const outcome = await sink.write(batch)
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
    this.#late.learn((await readAggregateState(this.#pool, 0)).lateBefore, asked)
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
          // The job last ran a night ago.
          if (stopped) {
            await pool.query(
              `UPDATE aggregate_state SET refreshed_until = refreshed_until - interval '9 hours',
               unmarked_from = unmarked_from - interval '10 hours', late_before = late_before - interval '9 hours 30 minutes'`,
            )
          }
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

test('the views have the columns that are read, of every number', () =>
  withStore(async (pool) => {
    for (const view of ['readings_by_minute', 'readings_by_hour']) {
      const { fields } = await pool.query(`SELECT * FROM ${view} LIMIT 0`)
      assert.deepEqual(
        fields.map(({ name }) => name),
        aggregateColumns,
      )
    }
  }))
