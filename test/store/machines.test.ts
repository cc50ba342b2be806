// Machines looked at, changed and deleted, with what happens to their readings.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  changeMachine,
  findMachine,
  listMachines,
  registerMachine,
  removeMachine,
} from '../../src/store/machines.ts'
import type { Pool } from '../../src/store/pool.ts'
import { withStore } from '../support/store.ts'

const ODD = `o'Neill "x"\\ 旋盤`

/** Readings of three machines on three days, two of the days compressed. */
async function fill(pool: Pool, perDay: number): Promise<void> {
  await pool.query(`INSERT INTO machines (id, registered) VALUES ($1, false), ('M', false), ('N', false)`, [
    ODD,
  ])
  await pool.query(
    `INSERT INTO sensor_data (machine_id, time, message_id, position, received_at, temperature)
     SELECT id, '2026-03-01T00:00:00Z'::timestamptz + make_interval(days => day, secs => n / 2), n, 0, now(), n
     FROM unnest(ARRAY[$1, 'M', 'N']) AS id, generate_series(0, 2) AS day, generate_series(1, $2::int) AS n`,
    [ODD, perDay],
  )
  await pool.query(
    "SELECT compress_chunk(c) FROM show_chunks('sensor_data', older_than => '2026-03-03T00:00:00Z'::timestamptz) c",
  )
}

async function readings(pool: Pool): Promise<Record<string, number>> {
  const { rows } = await pool.query<{ id: string; n: number }>(
    'SELECT machine_id AS id, count(*)::int AS n FROM sensor_data GROUP BY 1',
  )
  return Object.fromEntries(rows.map(({ id, n }) => [id, n]))
}

test('machines are changed and deleted', (t) =>
  withStore(async (pool) => {
    await pool.query(
      "ALTER TABLE sensor_data SET (timescaledb.compress, timescaledb.compress_segmentby = 'machine_id')",
    )
    await t.test(
      'deleting a machine with its readings leaves no reading of it, also in compressed chunks',
      async () => {
        await pool.query('TRUNCATE sensor_data, machines')
        // More than a page in each day, and every instant twice.
        await fill(pool, 6_000)
        assert.equal(await removeMachine(pool, ODD, 'delete'), 18_000)
        assert.deepEqual(await readings(pool), { M: 18_000, N: 18_000 })
        assert.deepEqual(
          (await listMachines(pool)).map(({ id }) => id),
          ['M', 'N'],
        )
        assert.equal(await removeMachine(pool, ODD, 'delete'), null)
      },
    )

    await t.test(
      'the aggregates hold nothing of a machine that was deleted, and all of the others',
      async () => {
        await pool.query('TRUNCATE sensor_data, machines')
        await fill(pool, 400)
        const refresh = async (from: string) => {
          for (const view of ['readings_by_minute', 'readings_by_hour']) {
            await pool.query(
              `CALL refresh_continuous_aggregate('${view}', '${from}', '2026-03-04T00:00:00Z')`,
            )
          }
        }
        const held = async () => {
          const { rows } = await pool.query<{ held: string }>(
            `SELECT concat('minute ', machine_id, ' ', sum(readings)) AS held FROM readings_by_minute GROUP BY machine_id
           UNION ALL SELECT concat('hour ', machine_id, ' ', sum(readings)) FROM readings_by_hour GROUP BY machine_id`,
          )
          return rows.map((row) => row.held).sort()
        }
        await refresh('2026-03-01T00:00:00Z')
        // What retention has removed stays in the aggregates: there is nothing left to make it anew from.
        await pool.query(
          "SELECT drop_chunks('sensor_data', older_than => '2026-03-02T00:00:00Z'::timestamptz)",
        )
        assert.equal((await held()).length, 6)
        assert.equal(await removeMachine(pool, 'M', 'delete'), 800)
        const others = ['hour N 1200', `hour ${ODD} 1200`, 'minute N 1200', `minute ${ODD} 1200`]
        assert.deepEqual(await held(), others)
        await refresh('2026-03-02T00:00:00Z')
        assert.deepEqual(await held(), others)
      },
    )

    await t.test(
      'deleting a machine and keeping its readings leaves it as merely heard, until there are none',
      async () => {
        await pool.query('TRUNCATE sensor_data, machines')
        await fill(pool, 10)
        await changeMachine(pool, 'M', { name: 'Mill', axis_count: 5 })
        assert.equal(await removeMachine(pool, 'M', 'keep'), 0)
        const { registered, name, axis_count } = (await findMachine(pool, 'M')) ?? assert.fail()
        assert.deepEqual(
          { registered, name, axis_count },
          { registered: false, name: null, axis_count: null },
        )
        assert.equal((await readings(pool))['M'], 30)
        await pool.query("DELETE FROM sensor_data WHERE machine_id = 'M'")
        assert.equal(await removeMachine(pool, 'M', 'keep'), 0)
        assert.equal(await findMachine(pool, 'M'), null)
        assert.equal(await removeMachine(pool, 'M', 'keep'), null)
      },
    )

    await t.test(
      'a change sets what it names, clears what is null, and registers a machine that was merely heard',
      async () => {
        await pool.query('TRUNCATE sensor_data, machines')
        await pool.query('INSERT INTO machines (id, registered) VALUES ($1, false)', [ODD])
        const first = await changeMachine(pool, ODD, { name: ODD, max_spindle_speed_rpm: 12_000.5 })
        assert.deepEqual(
          [first?.registered, first?.name, first?.max_spindle_speed_rpm],
          [true, ODD, 12_000.5],
        )
        const second = await changeMachine(pool, ODD, { name: null, location: 'Hall 2' })
        assert.deepEqual(
          [second?.name, second?.location, second?.max_spindle_speed_rpm],
          [null, 'Hall 2', 12_000.5],
        )
        assert.deepEqual(await findMachine(pool, ODD), second)
        assert.equal(await changeMachine(pool, 'nobody', { name: 'x' }), null)
        assert.equal(await findMachine(pool, 'nobody'), null)
        assert.equal(
          await registerMachine(pool, {
            id: ODD,
            name: null,
            location: null,
            controller_type: null,
            max_spindle_speed_rpm: null,
            axis_count: null,
          }),
          null,
        )
      },
    )
  }))
