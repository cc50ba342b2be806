// Whether the servers answer: what a check may cost, and that no lost answer is waited for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectToNats, onReconnect } from '../src/broker/connect.ts'
import { declareStream, readBacklog } from '../src/broker/stream.ts'
import { watchReadiness } from '../src/readiness.ts'
import { openPool } from '../src/store/pool.ts'
import { until } from './support/monitor.ts'
import { withNats } from './support/nats.ts'
import { withEmptyDatabase } from './support/store.ts'

const well = () => Promise.resolve()
const never = new Promise<void>(() => undefined)

test('a check that nobody will answer is not waited for when it is asked for anew', async () => {
  const stop = new AbortController()
  let asked = 0
  const broker = () => (++asked === 1 ? never : well())
  const { now, lookAgain } = watchReadiness({ database: well, broker }, stop.signal)
  try {
    await until('the other check is answered', () => now().checks['database']?.ok === true)
    assert.deepEqual([now().ready, asked], [false, 1])
    lookAgain('broker')
    await until('it is answered', () => now().ready)
    assert.equal(asked, 2)
  } finally {
    stop.abort()
  }
  assert.equal(now().ready, false, 'a monitor that stops is not ready')
})

test('what is asked for while a check is answered is asked once more', async () => {
  const stop = new AbortController()
  let isWell = true
  const database = () => (isWell ? well() : Promise.reject(new Error('away')))
  const { now, lookAgain } = watchReadiness({ database, broker: well }, stop.signal)
  try {
    await until('all is well', () => now().ready)
    isWell = false
    lookAgain('database')
    await until('it is away', () => !now().ready)
    assert.notEqual(now().checks['database']?.last_success, null)
  } finally {
    stop.abort()
  }
})

test('what was asked while NATS was away is lost; it is asked anew when the connection is back', () =>
  withNats(async (nats) => {
    const connection = await connectToNats({ url: nats.url, name: 'test' })
    const names = ['CNC_DATA', 'PROCESSOR'] as const
    const settings = {
      stream: names[0],
      consumer: names[1],
      maxBytes: 2 ** 24,
      ackWaitMs: 1_000,
      maxAckPending: 10,
    }
    const stop = new AbortController()
    try {
      await declareStream(connection, settings, assert.fail)
      // As a check without any limit of its own would be.
      const broker = () => readBacklog(connection, ...names).catch(() => never)
      const { now, lookAgain } = watchReadiness({ database: well, broker }, stop.signal)
      onReconnect(connection, () => lookAgain('broker'))
      await until('all is well', () => now().ready)
      await nats.kill()
      await until('it is seen', () => !now().ready)
      await nats.restart()
      await until('it is well again', () => now().ready)
    } finally {
      stop.abort()
      await connection.close()
    }
  }))

test('a connection to the database that went silent is given up after its limit', () =>
  withEmptyDatabase(async (url) => {
    const pool = openPool({
      url,
      purpose: 'ready',
      size: 1,
      statementTimeoutMs: 100,
      graceMs: 100,
      onError: () => undefined,
    })
    try {
      await pool.query('SELECT 1')
      await assert.rejects(pool.query('SELECT pg_sleep(3)'))
      await until('another one is made', () => pool.query('SELECT 1').then(Boolean, () => false))
    } finally {
      await pool.end()
    }
  }))
