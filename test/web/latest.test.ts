// The last reading of every machine, and what the list of machines says of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pool } from '../../src/store/pool.ts'
import { withApi } from '../support/api.ts'
import { withStore } from '../support/store.ts'

/** `ageMs` before now by the machine's clock, `receivedMs` before now by the stream's. */
async function add(pool: Pool, id: string, ageMs: number, receivedMs = ageMs, messageId = 1): Promise<void> {
  await pool.query(
    `INSERT INTO sensor_data (machine_id, time, message_id, position, received_at, temperature, alarms, extra)
     VALUES ($1, now() - $2 * interval '1 ms', $4::int8, 0, now() - $3 * interval '1 ms', $4::int8, '[]', '{"heat":1}')`,
    [id, ageMs, receivedMs, messageId],
  )
  await pool.query('INSERT INTO machines (id, registered) VALUES ($1, false) ON CONFLICT DO NOTHING', [id])
}

const DAY_MS = 86_400_000

test('the last reading of every machine, however long ago it was', () =>
  withStore(async (pool, databaseUrl) => {
    await pool.query("INSERT INTO machines (id, registered) VALUES ('never', true)")
    for (const days of [0, 1, 5, 40]) await add(pool, 'a', days * DAY_MS, days * DAY_MS, days + 1)
    for (const days of [3, 30, 31, 400]) await add(pool, 'b "x"', days * DAY_MS, days * DAY_MS, days + 1)
    for (const days of [400, 800]) await add(pool, 'c', days * DAY_MS, days * DAY_MS, days + 1)
    await withApi(databaseUrl, async (url) => {
      const latest = async () =>
        (await (await fetch(`${url}/api/v1/latest`)).json()) as Record<string, unknown>[]
      const found = await latest()
      assert.deepEqual(
        found.map(({ machine_id, temperature, heat, alarms }) => [machine_id, temperature, heat, alarms]),
        [
          ['a', 1, 1, []],
          ['b "x"', 4, 1, []],
          ['c', 401, 1, []],
        ],
      )
      for (const reading of found) assert.equal(reading['received_at'], reading['timestamp'])
      await pool.query(
        `INSERT INTO sensor_data (machine_id, time, message_id, position, received_at, temperature)
         SELECT machine_id, time, 1000, 0, received_at, 1000 FROM sensor_data WHERE machine_id = 'a' AND message_id = 1`,
      )
      assert.equal((await latest())[0]?.['temperature'], 1000, 'of one instant the later message is the last')
      await add(pool, 'c', 0, 0, 2_000)
      assert.equal((await latest())[2]?.['temperature'], 2_000)
    })
  }))

test('the list of machines says when each was last heard, and how wrong its clock is', () =>
  withStore(async (pool, databaseUrl) => {
    await pool.query("INSERT INTO machines (id, registered) VALUES ('never', true)")
    await add(pool, 'right', 60_000)
    await add(pool, 'ahead', -1_000_000, 60_000)
    await add(pool, 'behind', 500_000, 60_000)
    const machines = async (url: string) => {
      const list = (await (await fetch(`${url}/api/v1/machines`)).json()) as Record<string, unknown>[]
      return new Map(list.map((machine) => [machine['id'], machine]))
    }
    await withApi(databaseUrl, async (url) => {
      const found = await machines(url)
      const { last_reading, last_heard, lag_seconds, clock_skew_seconds } = found.get('never') ?? {}
      assert.deepEqual([last_reading, last_heard, lag_seconds, clock_skew_seconds], [null, null, null, null])
      for (const [id, skew] of [
        ['right', 0],
        ['ahead', 1_060],
        ['behind', -440],
      ] as const) {
        const machine = found.get(id) ?? assert.fail()
        assert.ok(Math.abs(Number(machine['clock_skew_seconds']) - skew) < 0.01, id)
        assert.ok(Number(machine['lag_seconds']) >= 59, id)
        assert.match(String(machine['last_heard']), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
      }
    })
    // A clock that was set back: the reading received last is not the newest by its time.
    const heard = (id: string) =>
      id === 'ahead'
        ? { timestamp: '2026-01-01T00:00:00Z', receivedAt: new Date().toISOString() }
        : { timestamp: '2026-01-01T00:00:00Z', receivedAt: '2026-01-01T00:00:00Z' }
    await withApi(
      databaseUrl,
      async (url) => {
        const found = await machines(url)
        assert.equal(found.get('ahead')?.['last_reading'], '2026-01-01T00:00:00Z')
        assert.equal(found.get('never')?.['last_heard'], '2026-01-01T00:00:00Z')
        assert.notEqual(found.get('right')?.['last_reading'], '2026-01-01T00:00:00Z')
      },
      heard,
    )
  }))
