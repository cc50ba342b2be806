// kill -9 and SIGTERM under load, at random moments: what the stream acknowledged is in the tables once.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type TestMonitor, until } from '../support/monitor.ts'
import { isAlive } from '../support/nats.ts'
import { underLoad } from '../support/under-load.ts'

async function kill(monitor: TestMonitor, server: 'nats' | 'database'): Promise<void> {
  const pid = monitor.endpoints.pids[server] ?? assert.fail(`${server} is not embedded`)
  process.kill(pid, 'SIGKILL')
  await until(`${server} is gone`, () => !isAlive(pid))
}

/** The old process is gone; what is ready now is another one. */
async function untilAnother(
  monitor: TestMonitor,
  server: 'nats' | 'database',
  pid: number | null,
): Promise<void> {
  await until(`${server} is another process`, () => monitor.endpoints.pids[server] !== pid)
}

suite('kill', { concurrency: 3 }, () => {
  test('kill -9 of the monitor, which its servers follow, and a new start', (t) =>
    underLoad(t, 1, async ({ monitor }) => {
      await monitor.stop('SIGKILL')
      await monitor.start()
    }))

  test('kill -9 of the database: the monitor starts it again and goes on', (t) =>
    underLoad(t, 1, async ({ monitor }) => {
      const { pids } = monitor.endpoints
      await kill(monitor, 'database')
      await untilAnother(monitor, 'database', pids.database)
    }))

  test('kill -9 of nats-server: the monitor starts it again and goes on', (t) =>
    underLoad(t, 1, async ({ monitor }) => {
      const { pids } = monitor.endpoints
      await kill(monitor, 'nats')
      await untilAnother(monitor, 'nats', pids.nats)
    }))

  test('kill -9 of any of the three together, and a new start where the monitor is among them', (t) =>
    underLoad(t, 2, async ({ monitor, rounds }) => {
      const { pids } = monitor.endpoints
      const isHit = () => rounds.random.next() < 0.6
      const hit = { database: isHit(), nats: isHit(), monitor: isHit() }
      for (const server of ['database', 'nats'] as const) {
        if (hit[server]) process.kill(pids[server] ?? assert.fail(), 'SIGKILL')
      }
      if (hit.monitor) {
        await monitor.stop('SIGKILL')
        await monitor.start()
      }
      if (hit.database) await untilAnother(monitor, 'database', pids.database)
      if (hit.nats) await untilAnother(monitor, 'nats', pids.nats)
    }))

  test('SIGTERM in mid-batch ends with 0, and a new start goes on', (t) =>
    underLoad(t, 1, async ({ monitor }) => {
      assert.equal(await monitor.stop('SIGTERM'), 0, monitor.log)
      await monitor.start()
    }))
})
