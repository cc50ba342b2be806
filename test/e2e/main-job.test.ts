// The main job as a user sees it: real nats-server, real TimescaleDB, the program's own commands.
import assert from 'node:assert/strict'
import { readFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { until, withMonitor } from '../support/monitor.ts'

const RECORDED = join(
  import.meta.dirname,
  '../../../shared/data/recorded/mazak01-20161129-1hz.sensordata.ndjson',
)

test('case A: on a first start a published reading is logged, stored once and given back as it was sent', () =>
  withMonitor(
    async (monitor) => {
      const published = await monitor.command(['publish-test-data'])
      assert.equal(published.code, 0, published.stderr)
      await monitor.settled()
      await until('the log says so', () =>
        monitor.log.includes('Successfully processed and stored data for machine: CNC-001 (1 reading)'),
      )
      const readings = await monitor.readings('CNC-001')
      assert.equal(readings.length, 1)
      const [{ timestamp, ...values } = {}] = readings
      assert.ok(Math.abs(Date.parse(String(timestamp)) - Date.now()) < 60_000)
      assert.deepEqual(values, {
        machine_id: 'CNC-001',
        temperature: 65.5,
        spindle_speed: 12000,
        x_pos_mm: 150.25,
        y_pos_mm: 75.5,
        z_pos_mm: -25.125,
        feed_rate_actual: 1500,
        spindle_load_percent: 42.5,
        machine_state: 'RUNNING',
        active_program_line: 1234,
        total_power_kw: 8.75,
      })
    },
    {},
    { isDatabaseMade: true },
  ))

test('case B: under stress every reading is stored once and the malformed message is a dead letter', () =>
  withMonitor(async (monitor) => {
    const stressed = await monitor.command(['stress'])
    assert.equal(stressed.code, 0, stressed.stderr)
    await monitor.settled()
    for (let machine = 0; machine < 5; machine++) {
      const readings = await monitor.readings(`CNC-STRESS-${machine}`)
      assert.equal(readings.length, 20)
      assert.equal(new Set(readings.map((reading) => reading['timestamp'])).size, 20)
    }
    assert.deepEqual(await monitor.readings('CNC-MALFORMED'), [])
    const letters = (await monitor.get('/api/v1/dead-letters')) as Record<string, unknown>[]
    assert.equal(letters.length, 1)
    assert.equal(letters[0]?.['code'], 'wrong_type')
    assert.equal(letters[0]?.['payload'], '{"machine_id": "CNC-MALFORMED", "temperature": "not-a-float"}')
    assert.match(
      monitor.log,
      /Error unmarshalling message data: .*temperature.*\. Message will be terminated\./,
    )
    assert.deepEqual(await monitor.backlog(), { pending: 0, ackPending: 0, redelivered: 0 })
  }))

test('a recorded day of a real machine is given back field by field', async (t) => {
  if (!existsSync(RECORDED)) return t.skip(`the recording is not there: ${RECORDED}`)
  const recorded = readFileSync(RECORDED, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  await withMonitor(async (monitor) => {
    const replayed = await monitor.command(['replay', RECORDED, '--speed', 'max'])
    assert.equal(replayed.code, 0, replayed.stderr)
    await monitor.settled()
    const stored = await monitor.readings('Mazak01')
    assert.equal(recorded.length, 26_526)
    assert.equal(stored.length, recorded.length)
    const offsets = new Set<number>()
    recorded
      .toSorted((a, b) => Date.parse(String(a['timestamp'])) - Date.parse(String(b['timestamp'])))
      .forEach(({ timestamp, ...sent }, i) => {
        const { timestamp: time, ...given } = stored[i] ?? {}
        offsets.add(Date.parse(String(time)) - Date.parse(String(timestamp)))
        assert.deepEqual(given, sent, `reading ${i}`)
      })
    assert.equal(offsets.size, 1, 'all times are moved alike')
    assert.deepEqual(await monitor.get('/api/v1/dead-letters'), [])
  })
})

test('ids with blanks, slashes, quotes and unicode work in every address', () =>
  withMonitor(async (monitor) => {
    const ids = [
      'a b',
      'a/b',
      'say "x"',
      "it's",
      'Fräse Ä 1',
      '旋盤-3',
      '100%',
      'a?b#c',
      '😀',
      'x'.repeat(128),
    ]
    const lines = ids.map((id) => JSON.stringify({ machine_id: id, timestamp: new Date().toISOString() }))
    const replayed = await monitor.command(['replay', '-', '--speed', 'max'], lines.join('\n'))
    assert.equal(replayed.code, 0, replayed.stderr)
    await monitor.settled()
    for (const id of ids)
      assert.deepEqual(
        (await monitor.readings(id)).map((r) => r['machine_id']),
        [id],
      )
    const machines = (await monitor.get('/api/v1/machines')) as { id: string; registered: boolean }[]
    assert.deepEqual(new Set(machines.map((machine) => machine.id)), new Set(ids))
    assert.ok(machines.every((machine) => !machine.registered))
  }))

test('machines are registered once, and wrong requests say what is wrong', () =>
  withMonitor(async (monitor) => {
    const { http } = monitor.endpoints
    const post = async (body: unknown) => {
      const response = await fetch(`${http}/api/v1/machines`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      return { status: response.status, body: (await response.json()) as Record<string, unknown> }
    }
    assert.equal((await post({ id: 'M/1', name: 'Mill', axis_count: 5 })).status, 201)
    const again = await post({ id: 'M/1' })
    assert.deepEqual([again.status, again.body['code'], again.body['field']], [409, 'machine_exists', 'id'])
    const wrong = await post({ axis_count: 'five' })
    assert.deepEqual([wrong.status, wrong.body['field']], [400, 'axis_count'])
    assert.equal(typeof (await post({})).body['id'], 'string')
    const badTime = await fetch(`${http}/api/v1/machines/x/data?start_time=yesterday`)
    assert.equal(badTime.status, 400)
    assert.equal(badTime.headers.get('content-type')?.split(';')[0], 'application/problem+json')
    const problem = (await badTime.json()) as Record<string, unknown>
    assert.equal(problem['field'], 'start_time')
    assert.match(String(problem['detail']), /RFC 3339/)
    assert.deepEqual(await monitor.readings('nobody has heard of it'), [])
    const nowhere = await fetch(`${http}/api/v2`)
    assert.equal(nowhere.status, 404)
  }))
