// The live feed of the running program: real nats-server, real TimescaleDB, real clients.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { publisherOn } from '../../src/broker/publisher.ts'
import { parseExposition, valueOf } from '../support/exposition.ts'
import { BareSocket, LiveEvents, LiveSocket } from '../support/live-clients.ts'
import { type TestMonitor, until, withMonitor } from '../support/monitor.ts'
import { untilReady } from '../support/outside.ts'

const startMs = Date.now()

/** Publishes readings, one message each; `n` tells a machine's readings apart and in which order they were. */
function publish(monitor: TestMonitor, readings: readonly { machine: string; n: number; text?: string }[]) {
  return monitor.withNats(async (connection) => {
    const publisher = publisherOn(connection)
    for (const { machine, n, text } of readings) {
      const timestamp = new Date(startMs + n).toISOString()
      const reading = {
        machine_id: machine,
        timestamp,
        part_count: n,
        ...(text === undefined ? {} : { text }),
      }
      await publisher.publish(`CNC_DATA.x`, JSON.stringify(reading))
    }
  })
}

async function metric(monitor: TestMonitor, name: string, labels = {}): Promise<number | undefined> {
  const page = await (await fetch(`${monitor.endpoints.http}/metrics`)).text()
  return valueOf(parseExposition(page), `cnc_monitor_${name}`, labels)
}

test('the last reading of each machine at once, then every change after its commit, over restarts of everything', () =>
  withMonitor(async (monitor) => {
    await publish(monitor, [
      { machine: 'A', n: 1 },
      { machine: 'A', n: 3 },
      { machine: 'A', n: 2 },
      { machine: 'B/ü', n: 1 },
    ])
    await monitor.settled()
    const { http } = monitor.endpoints
    const client = await LiveSocket.open(http)
    const events = await LiveEvents.open(http, '?machine=A')
    await until('both machines came', () => client.last().size === 2)
    // At once, or within the rate where the three were not written together.
    await until('the newest by its own time came', () => client.last().get('A')?.['part_count'] === 3)

    // A frame tells of what is stored: whoever then asks finds it.
    await publish(monitor, [{ machine: 'C', n: 7, text: '9007199254740993' }])
    await until('the change came', () => client.last().has('C'))
    assert.deepEqual(await monitor.readings('C'), [client.last().get('C')])

    // What is late, refused or known already is no change.
    const frames = client.frames.length
    await publish(monitor, [{ machine: 'A', n: 2 }])
    await monitor.withNats(async (connection) => {
      connection.publish('CNC_DATA.x', '{"machine_id":"A","timestamp":"yesterday"}')
      await connection.flush()
    })
    await monitor.settled()
    await publish(monitor, [{ machine: 'B/ü', n: 5 }])
    await until('the next change came', () => client.last().get('B/ü')?.['part_count'] === 5)
    assert.equal(client.frames.length, frames + 1)

    const { id } = events.events.at(-1) ?? {}
    await events.close()
    await publish(monitor, [{ machine: 'A', n: 10 }])
    await until('it came', () => client.last().get('A')?.['part_count'] === 10)
    const resumed = await LiveEvents.open(http, '?machine=A&machine=B%2F%C3%BC', {
      'last-event-id': id ?? '',
    })
    await until('what was missed came', () => resumed.events.length === 2)
    assert.deepEqual(
      resumed.events.map(({ data }) => data.data['part_count']),
      [5, 10],
    )

    // nats-server is killed and back: the feed goes on, to the same clients.
    process.kill(monitor.endpoints.pids.nats ?? assert.fail(), 'SIGKILL')
    await until('NATS was away and is back', () => monitor.log.includes('NATS is back'))
    await untilReady(http)
    await publish(monitor, [{ machine: 'A', n: 20 }])
    await until('the feed goes on', () => client.last().get('A')?.['part_count'] === 20)
    await until('on the event stream too', () => resumed.events.at(-1)?.data.data['part_count'] === 20)

    // The database is killed and back.
    process.kill(monitor.endpoints.pids.database ?? assert.fail(), 'SIGKILL')
    await publish(monitor, [{ machine: 'A', n: 30 }])
    await until('it is stored and shown', () => client.last().get('A')?.['part_count'] === 30)

    assert.equal(await metric(monitor, 'live_clients', { kind: 'ws' }), 1)
    assert.equal(await metric(monitor, 'live_clients', { kind: 'sse' }), 1)
    assert.equal(await metric(monitor, 'live_frames_sent_total', { kind: 'ws' }), client.frames.length)
    const route = { method: 'GET', route: '/ws/machines', status: '1xx' }
    assert.equal(await metric(monitor, 'http_request_duration_seconds_count', route), undefined)

    assert.equal(await monitor.stop('SIGTERM'), 0)
    await until('both know', () => client.closed !== null && resumed.ended !== null)
    assert.deepEqual(client.closed, { code: 1001, reason: 'the monitor stops' })
    assert.equal(resumed.ended, true)

    await monitor.start()
    const again = await LiveSocket.open(monitor.endpoints.http)
    await until('all that was stored came', () => again.last().size === 3)
    assert.equal(again.last().get('A')?.['part_count'], 30)
    assert.deepEqual(again.last().get('C'), client.last().get('C'))
  }))

test('many readings of a machine are shown at the rate that was asked for, the newest in the end; ingestion does not wait', () =>
  withMonitor(
    async (monitor) => {
      const client = await LiveSocket.open(monitor.endpoints.http)
      const deaf = await BareSocket.open(monitor.endpoints.http)
      const count = 4_000
      const text = 'x'.repeat(4_000)
      const beganMs = performance.now()
      await monitor.withNats(async (connection) => {
        for (let n = 1; n <= count; n++) {
          const reading = {
            machine_id: `M${n % 4}`,
            timestamp: new Date(startMs + n).toISOString(),
            part_count: n,
            text,
          }
          connection.publish('CNC_DATA.x', JSON.stringify(reading))
          if (n % 100 === 0) await connection.flush()
        }
      })
      await monitor.settled()
      const tookSeconds = (performance.now() - beganMs) / 1_000
      await until('the newest of each came', () =>
        [0, 1, 2, 3].every((m) => Number(client.last().get(`M${m}`)?.['part_count']) > count - 4),
      )
      const perMachine = Map.groupBy(client.frames, ({ data }) => data['machine_id'])
      for (const frames of perMachine.values()) {
        // At once, then twice a second; a little more where the last one came after the end.
        assert.ok(frames.length <= 2 + 2 * (tookSeconds + 1.5), `${frames.length} frames in ${tookSeconds} s`)
        const numbers = frames.map(({ data }) => Number(data['part_count']))
        assert.deepEqual(
          numbers,
          numbers.toSorted((a, b) => a - b),
        )
      }
      assert.equal(await metric(monitor, 'readings_stored_total'), count)
      deaf.wire.destroy()
      await client.close()
    },
    { LIVE_RATE: '2' },
  ))
