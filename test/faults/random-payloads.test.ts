// Random and mutated payloads through the whole program: every reading is stored or refused, and nothing breaks.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { jetstream } from '@nats-io/jetstream'
import { until, withMonitor } from '../support/monitor.ts'
import { withConnection } from '../support/outside.ts'
import { randomPayload, readingsIn } from '../support/random-payloads.ts'
import { peakMib, roundsOf } from '../support/rounds.ts'
import { readBacklog } from '../../src/broker/stream.ts'

const IS_SOAK = process.env['SOAK_ROUNDS'] !== undefined
const PAYLOADS = IS_SOAK ? 1_000_000 : 100_000
const PART = 2_000
const RETENTION_DAYS = 90
/** A backlog that holds the publisher back, so that the stream does not grow without bound. */
const MOST_WAITING = 50_000
/** However long the backlog is: what a monitor holds is bounded. */
const MOST_RESIDENT_MIB = 300

test(`${PAYLOADS} random and mutated payloads: each is stored or a dead letter, and chunks stay few`, (t) =>
  withMonitor(async (monitor) => {
    const rounds = roundsOf(t, 1)
    const { nats, database, pids } = monitor.endpoints
    let messages = 0
    let readings = 0
    await withConnection(nats, async (connection) => {
      const stream = jetstream(connection)
      while (readings < PAYLOADS) {
        const part = Array.from({ length: PART }, () => randomPayload(rounds.random, Date.now()))
        await Promise.all(
          part.map((payload) => stream.publish('CNC_DATA.random', payload, { timeout: 30_000 })),
        )
        messages += part.length
        readings += part.reduce((sum, payload) => sum + readingsIn(payload), 0)
        rounds.note(0, pids.monitor)
        await until('the backlog is small', async () => {
          return (await readBacklog(connection, 'CNC_DATA', 'PROCESSOR')).pending < MOST_WAITING
        })
      }
    })
    await until('everything is answered', async () => {
      const { pending, ackPending } = await monitor.backlog()
      return pending === 0 && ackPending === 0
    })
    const peak = peakMib(pids.monitor)
    t.diagnostic(`the monitor held ${peak} MiB at most`)
    assert.ok(peak < MOST_RESIDENT_MIB, `the monitor held ${peak} MiB`)
    const client = new pg.Client({ connectionString: database })
    await client.connect()
    const count = async (sql: string) => Number((await client.query<{ n: string }>(sql)).rows[0]?.n)
    try {
      const found = {
        messages: await count(
          'SELECT count(*) AS n FROM (SELECT message_id FROM sensor_data UNION SELECT message_id FROM dead_letters)',
        ),
        rows: await count('SELECT count(*) AS n FROM sensor_data'),
        refused: await count('SELECT sum(1 + more) AS n FROM dead_letters'),
        chunks: await count("SELECT count(*) AS n FROM show_chunks('sensor_data')"),
      }
      t.diagnostic(`${messages} messages, ${readings} payloads: ${JSON.stringify(found)}`)
      assert.equal(found.messages, messages)
      assert.equal(found.rows + found.refused, readings)
      assert.ok(found.rows > readings / 10 && found.refused > readings / 10, 'both kinds are there')
      assert.ok(found.chunks <= RETENTION_DAYS + 2, `${found.chunks} chunks`)
    } finally {
      await client.end()
    }
    assert.equal(monitor.endpoints.pids.monitor, pids.monitor, 'the monitor has not ended')
  }))
