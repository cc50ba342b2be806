// What the stream acknowledged is in the table once, whatever ends in the middle.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { publisherOn } from '../../src/broker/publisher.ts'
import { type TestMonitor, until, withMonitor } from '../support/monitor.ts'

/** Publishes until told to stop; remembers what the stream acknowledged. */
async function publishUntil(
  monitor: TestMonitor,
  stop: AbortSignal,
  acknowledged: Set<string>,
): Promise<void> {
  await monitor
    .withNats(async (connection) => {
      const publisher = publisherOn(connection, 1_000)
      for (let i = acknowledged.size; !stop.aborted; i += 100) {
        const batch = Array.from({ length: 100 }, (_, n) =>
          new Date(Date.now() - 60_000 + (i + n)).toISOString(),
        )
        await Promise.all(
          batch.map(async (timestamp, n) => {
            const program = `${i + n}`
            await publisher.publish(
              'CNC_DATA.load',
              JSON.stringify({ machine_id: 'LOAD', timestamp, program }),
            )
            acknowledged.add(program)
          }),
        )
      }
    })
    // The server goes away in the middle: what counts is what was acknowledged until then.
    .catch(() => undefined)
}

function programsOf(readings: readonly Record<string, unknown>[]): string[] {
  return readings.map((reading) => String(reading['program'])).sort()
}

/** Ends the monitor while readings are published, starts it again and compares what was acknowledged. */
async function survives(end: (monitor: TestMonitor) => Promise<void>): Promise<void> {
  await withMonitor(async (monitor) => {
    const acknowledged = new Set<string>()
    const stop = new AbortController()
    const publishing = publishUntil(monitor, stop.signal, acknowledged)
    await sleep(1_500)
    await end(monitor)
    stop.abort()
    await publishing
    await monitor.start()
    await monitor.settled()
    const stored = programsOf(await monitor.readings('LOAD'))
    assert.ok(acknowledged.size > 100)
    assert.equal(new Set(stored).size, stored.length, 'nothing twice')
    assert.deepEqual(
      [...acknowledged].filter((program) => !stored.includes(program)),
      [],
      'nothing missing',
    )
  })
}

test('SIGTERM under load and a new start: nothing missing, nothing twice', () =>
  survives(async (monitor) => {
    assert.equal(await monitor.stop('SIGTERM'), 0, monitor.log)
  }))

test('kill -9 of everything at once and a new start: nothing missing, nothing twice', () =>
  survives((monitor) => monitor.killEverything()))

test('kill -9 of the monitor alone: its servers end by themselves and a new start finds everything', () =>
  withMonitor(async (monitor) => {
    assert.equal((await monitor.command(['publish-test-data'])).code, 0)
    await monitor.settled()
    const { nats, database } = monitor.endpoints.pids
    await monitor.stop('SIGKILL')
    await until(
      'both servers are gone',
      () => ![nats, database].some((pid) => pid !== null && isAlive(pid)),
      15_000,
    )
    await monitor.start()
    assert.equal((await monitor.readings('CNC-001')).length, 1)
  }))

test('kill -9 of the database or of nats-server: the monitor starts it again and goes on', () =>
  withMonitor(async (monitor) => {
    const { nats, database } = monitor.endpoints.pids
    for (const pid of [database, nats]) {
      process.kill(pid ?? assert.fail(), 'SIGKILL')
      await until('the monitor is ready again', async () => {
        const answer = await fetch(`${monitor.endpoints.http}/readyz`).catch(() => null)
        return answer?.status === 200 && !isAlive(pid ?? 0)
      })
      await until('a reading is taken', async () => (await monitor.command(['publish-test-data'])).code === 0)
    }
    await monitor.settled()
    await until('both are stored', async () => (await monitor.readings('CNC-001')).length >= 2)
  }))

test('a second start on the same state folder names the holder and ends', () =>
  withMonitor(async (monitor) => {
    const second = await monitor.command(['serve'])
    assert.equal(second.code, 2)
    assert.match(
      second.stdout,
      new RegExp(`in use by a running cnc-monitor \\(pid ${monitor.endpoints.pids.monitor}\\)`),
    )
  }))

test('a port that was asked for by name and is taken ends the start with a sentence', () =>
  withMonitor(async (first) => {
    const portOf = (url: string) => new URL(url).port
    const { http, nats } = first.endpoints
    // The environment names the ports explicitly here, so a taken one must be an error that says so.
    const busy = { HTTP_PORT: portOf(http), NATS_PORT: portOf(nats), DATABASE_PORT: '0' }
    const refused = withMonitor(async () => undefined, busy)
    await assert.rejects(refused, /is taken; set NATS_PORT to a free one/)
  }))

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
