// What is seen from outside agrees with what happened: real nats-server, real TimescaleDB, the program itself.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { publisherOn } from '../../src/broker/publisher.ts'
import { type Family, nonZeroBy, parseExposition, valueOf } from '../support/exposition.ts'
import { type TestMonitor, until, withMonitor } from '../support/monitor.ts'
import { promtoolCheck } from '../support/promtool.ts'

/** A scrape waits for no server: the limit is far below what a query of a frozen one takes. */
async function pageOf(monitor: TestMonitor): Promise<string> {
  const response = await fetch(`${monitor.endpoints.http}/metrics`, { signal: AbortSignal.timeout(2_000) })
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
  return response.text()
}

async function scrape(monitor: TestMonitor): Promise<Family[]> {
  return parseExposition(await pageOf(monitor))
}

async function isReady(monitor: TestMonitor): Promise<boolean> {
  return (await fetch(`${monitor.endpoints.http}/readyz`)).status === 200
}

test('the numbers in /metrics are what was published', () =>
  withMonitor(async (monitor) => {
    assert.equal((await monitor.command(['publish-test-data'])).code, 0)
    assert.equal((await monitor.command(['stress'])).code, 0)
    const lines = [
      '[{"machine_id":"A","timestamp":"not a time"},{"machine_id":"A","timestamp":"NOW"}]',
      'no json',
    ]
    await monitor.withNats(async (connection) => {
      for (const line of lines) {
        connection.publish('CNC_DATA.A', line.replace('NOW', new Date().toISOString()))
      }
      await connection.flush()
    })
    await monitor.settled()
    await until('the broker was asked since', async () => {
      const page = await scrape(monitor)
      return valueOf(page, 'cnc_monitor_consumer_delivered_stream_sequence') === 104
    })

    const page = await scrape(monitor)
    const value = (name: string, labels = {}) => valueOf(page, `cnc_monitor_${name}`, labels)
    assert.equal(value('readings_stored_total'), 102)
    assert.equal(value('readings_already_stored_total'), 0)
    assert.equal(value('readings_refused_total'), 3)
    assert.deepEqual(nonZeroBy(page, 'cnc_monitor_messages_total', 'outcome'), {
      stored: 101,
      partly_refused: 1,
      refused: 2,
    })
    assert.deepEqual(nonZeroBy(page, 'cnc_monitor_dead_letters_total', 'reason'), {
      wrong_type: 1,
      bad_timestamp: 1,
      not_json: 1,
    })
    assert.deepEqual(nonZeroBy(page, 'cnc_monitor_batch_failures_total', 'failure'), {})
    assert.deepEqual(nonZeroBy(page, 'cnc_monitor_interruptions_total', 'dependency'), {})
    assert.equal(value('messages_redelivered_total'), 0)

    const batches = value('batch_messages_count') ?? 0
    assert.ok(batches >= 1 && batches <= 104)
    assert.equal(value('batch_messages_sum'), 104)
    assert.equal(value('batch_readings_sum'), 102)
    assert.equal(value('commit_duration_seconds_count'), batches)
    assert.equal(value('receipt_to_commit_seconds_count'), batches)
    assert.deepEqual(nonZeroBy(page, 'cnc_monitor_batches_cut_total', 'reason'), { age: batches })
    assert.equal(value('batches_in_flight'), 0)
    assert.equal(value('taking'), 1)

    assert.equal(value('broker_poll_success'), 1)
    assert.equal(value('consumer_pending_messages'), 0)
    assert.equal(value('consumer_ack_pending_messages'), 0)
    assert.equal(value('consumer_max_ack_pending_messages'), 4 * (3 * 4_096 + 2 * 4_096))
    assert.equal(value('consumer_ack_floor_stream_sequence'), 104)
    assert.equal(value('consumer_distance_to_end_messages'), 0)
    assert.equal(value('stream_last_sequence'), 104)
    assert.equal(value('stream_messages'), 0)
    assert.equal(value('stream_max_bytes'), 10 * 2 ** 30)
    assert.equal(value('ready'), 1)
  }))

test('requests are counted by the template of their route, never by their address', () =>
  withMonitor(async (monitor) => {
    const { http } = monitor.endpoints
    for (const id of ['A', 'B', 'C']) await monitor.readings(id)
    for (const path of ['/nowhere', '/api/v2/x', '/wp-login.php']) await fetch(http + path)
    await fetch(`${http}/nowhere`, { method: 'PROPFIND' })
    await fetch(`${http}/api/v1/machines/A/data?start_time=yesterday`)
    const page = await scrape(monitor)
    const count = (method: string, route: string, status: string) =>
      valueOf(page, 'cnc_monitor_http_request_duration_seconds_count', { method, route, status })
    assert.equal(count('GET', '/api/v1/machines/:id/data', '2xx'), 3)
    assert.equal(count('GET', '/api/v1/machines/:id/data', '4xx'), 1)
    assert.equal(count('any', 'none', '4xx'), 4)
  }))

test('a page of the running monitor is as promtool wants it', (t) =>
  withMonitor(async (monitor) => {
    await monitor.command(['stress'])
    await monitor.settled()
    promtoolCheck(t, ['check', 'metrics'], await pageOf(monitor))
  }))

test('after kill -9 of the database the metrics say so, and later that all is well again', () =>
  withMonitor(async (monitor) => {
    await monitor.command(['publish-test-data'])
    await monitor.settled()
    process.kill(monitor.endpoints.pids.database ?? assert.fail(), 'SIGKILL')
    await monitor.withNats(async (connection) => {
      const reading = { machine_id: 'LATER', timestamp: new Date().toISOString() }
      await publisherOn(connection).publish('CNC_DATA.x', JSON.stringify(reading))
    })
    await until('the interruption is counted', async () => {
      const page = await scrape(monitor)
      return valueOf(page, 'cnc_monitor_interruptions_total', { dependency: 'database' }) !== 0
    })
    await until('all is stored', async () => {
      const page = await scrape(monitor)
      return valueOf(page, 'cnc_monitor_readings_stored_total') === 2
    })
    await until('the monitor is ready', () => isReady(monitor))
    const page = await scrape(monitor)
    assert.equal(valueOf(page, 'cnc_monitor_taking'), 1)
    assert.equal(valueOf(page, 'cnc_monitor_ready'), 1)
    const { stored = 0, given_back: givenBack = 0 } = nonZeroBy(page, 'cnc_monitor_messages_total', 'outcome')
    // A message is counted again when it comes again, as it does where the outage outlasts ack_wait; its reading is not.
    assert.ok(stored >= 2)
    assert.ok(givenBack >= 1)
    const failures = Object.keys(nonZeroBy(page, 'cnc_monitor_batch_failures_total', 'failure'))
    assert.ok(failures.length > 0)
    for (const failure of failures) assert.match(failure, /^(connection|timeout|shutdown)$/)
  }))

test('while the database is frozen a scrape is answered, and agrees with /readyz', () =>
  withMonitor(async (monitor) => {
    const database = monitor.endpoints.pids.database ?? assert.fail()
    await until('the monitor is ready', () => isReady(monitor))
    process.kill(database, 'SIGSTOP')
    try {
      const waiting = fetch(`${monitor.endpoints.http}/api/v1/machines`).catch(() => null)
      await until('readiness is lost', async () => !(await isReady(monitor)))
      const page = await scrape(monitor)
      assert.equal(valueOf(page, 'cnc_monitor_ready'), 0)
      assert.equal(valueOf(page, 'cnc_monitor_dependency_up', { dependency: 'database' }), 0)
      assert.equal(valueOf(page, 'cnc_monitor_dependency_up', { dependency: 'broker' }), 1)
      process.kill(database, 'SIGCONT')
      await waiting
    } finally {
      process.kill(database, 'SIGCONT')
    }
    await until('readiness is back', () => isReady(monitor))
    assert.equal(valueOf(await scrape(monitor), 'cnc_monitor_ready'), 1)
  }))

test('while nats-server is frozen the metrics say so, and no old figure of it is exported', () =>
  withMonitor(async (monitor) => {
    const nats = monitor.endpoints.pids.nats ?? assert.fail()
    const pending = async () => valueOf(await scrape(monitor), 'cnc_monitor_consumer_pending_messages')
    await until('the broker was asked', async () => (await pending()) === 0)
    process.kill(nats, 'SIGSTOP')
    try {
      await until('the figures are gone', async () => (await pending()) === undefined)
      const page = await scrape(monitor)
      assert.equal(valueOf(page, 'cnc_monitor_broker_poll_success'), 0)
      assert.equal(valueOf(page, 'cnc_monitor_stream_last_sequence'), undefined)
      const last = valueOf(page, 'cnc_monitor_broker_poll_last_success_timestamp_seconds') ?? 0
      assert.ok(last > 0 && last < Date.now() / 1_000)
      await until('readiness is lost', async () => !(await isReady(monitor)))
      const unready = await scrape(monitor)
      assert.equal(valueOf(unready, 'cnc_monitor_ready'), 0)
      assert.equal(valueOf(unready, 'cnc_monitor_taking'), 0)
      assert.equal(valueOf(unready, 'cnc_monitor_dependency_up', { dependency: 'broker' }), 0)
      assert.equal(valueOf(unready, 'cnc_monitor_dependency_up', { dependency: 'database' }), 1)
    } finally {
      process.kill(nats, 'SIGCONT')
    }
    await until('the figures are back', async () => (await pending()) === 0)
    await until('readiness is back', () => isReady(monitor))
    assert.equal(valueOf(await scrape(monitor), 'cnc_monitor_taking'), 1)
  }))
