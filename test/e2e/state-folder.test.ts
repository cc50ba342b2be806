// One state folder: who ends with whom, and who may use it. Faults under load are in test/faults.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until, withMonitor } from '../support/monitor.ts'
import { isAlive } from '../support/nats.ts'

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

test('a taken HTTP port ends a start that has everything else running, and nothing of it is waited for in vain', () =>
  withMonitor(async (first) => {
    const busy = { HTTP_PORT: new URL(first.endpoints.http).port }
    await assert.rejects(
      withMonitor(async () => undefined, busy),
      ({ message }: Error) => {
        assert.match(message, /is taken; set HTTP_PORT to a free one/)
        assert.doesNotMatch(message, /did not stop/)
        return true
      },
    )
  }))
