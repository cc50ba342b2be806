// Several monitors, one feed: whoever listens to one of them sees what the others store, whatever happens to those.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { publisherOn } from '../../src/broker/publisher.ts'
import { liveSubject } from '../../src/live-feed.ts'
import { withDatabase } from '../support/embedded-database.ts'
import { parseExposition, valueOf } from '../support/exposition.ts'
import { LiveSocket } from '../support/live-clients.ts'
import { until } from '../support/monitor.ts'
import { type MonitorOnServers, withMonitorsOn } from '../support/monitor-on-servers.ts'
import { withNativeDatabase } from '../support/native-database.ts'
import { withNats } from '../support/nats.ts'
import { untilReady, withConnection } from '../support/outside.ts'

const startMs = Date.now()

async function storedBy({ http }: MonitorOnServers): Promise<number> {
  const page = await (await fetch(`${http}/metrics`)).text()
  return valueOf(parseExposition(page), 'cnc_monitor_readings_stored_total') ?? 0
}

async function oneFeed(database: string): Promise<void> {
  await withNats((nats) =>
    withMonitorsOn({ nats: nats.url, database }, 2, async ([first, second]) => {
      assert.ok(first && second)
      let next = 1
      const publish = (count: number) =>
        withConnection(nats.url, async (connection) => {
          const publisher = publisherOn(connection)
          for (const end = next + count; next < end; next++) {
            const timestamp = new Date(startMs + next).toISOString()
            const reading = { machine_id: `M${next % 5}`, timestamp, part_count: next }
            await publisher.publish('CNC_DATA.x', JSON.stringify(reading))
          }
        })
      const ofFirst = await LiveSocket.open(first.http)
      let ofSecond = await LiveSocket.open(second.http)
      const haveTheLast = (...clients: LiveSocket[]) =>
        until('all have the newest of each machine', () =>
          clients.every((client) =>
            [1, 2, 3, 4, 5].every((back) => {
              const number = next - back
              return client.last().get(`M${number % 5}`)?.['part_count'] === number
            }),
          ),
        )

      await until('both monitors have stored some', async () => {
        await publish(50)
        return (await storedBy(first)) > 0 && (await storedBy(second)) > 0
      })
      await haveTheLast(ofFirst, ofSecond)
      const lastOf = ({ frames }: LiveSocket) =>
        Object.fromEntries(frames.map((frame) => [String(frame.data['machine_id']), frame]))
      assert.deepEqual(lastOf(ofFirst), lastOf(ofSecond), 'frame for frame the same')

      // One is killed: its clients know, those of the other see everything.
      await second.stop('SIGKILL')
      await until('its client knows', () => ofSecond.closed !== null)
      await publish(50)
      await haveTheLast(ofFirst)
      await second.start()
      ofSecond = await LiveSocket.open(second.http)
      await haveTheLast(ofFirst, ofSecond)

      // nats-server is killed and back: both go on, with what was stored meanwhile.
      await nats.kill()
      await untilReady(first.http, 'broker')
      await nats.restart()
      for (const { http } of [first, second]) await untilReady(http)
      await publish(50)
      await haveTheLast(ofFirst, ofSecond)

      // What anybody else says on the feed's subject is not believed, and breaks nothing.
      await withConnection(nats.url, async (connection) => {
        const frame = (data: unknown) =>
          JSON.stringify({ type: 'sensor_data', data, timestamp: '2026-03-01T12:00:00Z' })
        const lies = [
          '',
          '\n\n',
          'no line',
          '17 {"type":"sensor_data"}',
          `1e9 ${frame({ machine_id: 'LIE', timestamp: '2026-03-01T12:00:00Z' })}`,
          `17 ${frame({ machine_id: 'LIE', timestamp: 'yesterday' })}`,
          `17 ${frame({ machine_id: 7, timestamp: '2026-03-01T12:00:00Z' })}`,
          `17 ${frame(null)}`,
          `17 ${'['.repeat(100_000)}`,
          `99999999999999999 ${frame({ machine_id: 'LIE', timestamp: '2026-03-01T12:00:00Z' })}`,
        ]
        for (const lie of lies) connection.publish(liveSubject('CNC_DATA'), lie)
        connection.publish(liveSubject('CNC_DATA'), new Uint8Array([0xff, 0xfe, 0x0a, 0x31]))
        await connection.flush()
      })
      await publish(5)
      await haveTheLast(ofFirst, ofSecond)
      assert.ok([ofFirst, ofSecond].every((client) => !client.last().has('LIE')))

      assert.equal(await second.stop(), 0)
      await until('its client knows', () => ofSecond.closed?.code === 1001)
      await publish(5)
      await haveTheLast(ofFirst)
      await ofFirst.close()
    }),
  )
}

test('two monitors on a database server have one feed', (t) => withNativeDatabase(t, oneFeed))

test('two monitors on one embedded database have one feed', () => withDatabase(({ url }) => oneFeed(url)))
