// The stream itself becomes another one: restored from an older state, or deleted and made anew.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import { jetstreamManager } from '@nats-io/jetstream'
import { readBacklog } from '../../src/broker/stream.ts'
import { assertSame, compare } from '../support/comparison.ts'
import { type TestDatabase, withDatabase } from '../support/embedded-database.ts'
import { Load } from '../support/load.ts'
import { until } from '../support/monitor.ts'
import { type MonitorOnServers, withMonitorsOn } from '../support/monitor-on-servers.ts'
import { type TestNats, withNats } from '../support/nats.ts'
import { untilEmpty, untilReady, withConnection } from '../support/outside.ts'
import { roundsOf, type Rounds } from '../support/rounds.ts'
import { copyStream } from '../support/stream-copy.ts'

interface World {
  readonly nats: TestNats
  readonly database: TestDatabase
  readonly monitor: MonitorOnServers
  readonly rounds: Rounds
  /** Another load with the same machine and instant; the one before has stopped. */
  readonly startLoad: () => Promise<Load>
}

/** Rounds in which the stream becomes another one; every load of every life is compared in the end. */
async function anotherStream(
  t: TestContext,
  shortRounds: number,
  change: (world: World) => Promise<void>,
): Promise<void> {
  const rounds = roundsOf(t, shortRounds)
  await withNats((nats) =>
    withDatabase((database) =>
      withMonitorsOn({ nats: nats.url, database: database.url }, 1, async ([monitor]) => {
        assert.ok(monitor)
        const loads: Load[] = []
        const startLoad = async () => {
          await loads.at(-1)?.stop()
          const load = new Load(nats.url, { tag: `load ${loads.length}, `, isOneInstant: true })
          loads.push(load)
          await until('the stream takes messages', () => load.acknowledged.size > 100)
          return load
        }
        try {
          for (let round = 0; rounds.goesOn(round); round++) {
            await change({ nats, database, monitor, rounds, startLoad })
            await untilReady(monitor.http)
            rounds.note(round, monitor.pid)
          }
        } finally {
          await loads.at(-1)?.stop()
        }
        await untilEmpty(nats.url)
        const [first, ...others] = loads
        assert.ok(first)
        const comparison = await compare([first, ...others], database.url)
        rounds.finish(comparison)
        assertSame(comparison)
      }),
    ),
  )
}

/**
 * While the database is frozen the monitor holds a load, which it answers after the thaw. The stream is changed
 * meanwhile, so that nobody but the monitor knows that load any more, and it need not.
 */
async function whileItHoldsALoad(world: World, change: () => Promise<void>): Promise<void> {
  const { nats, database, startLoad } = world
  process.kill(database.pid, 'SIGSTOP')
  try {
    const held = await startLoad()
    await held.stop()
    await withConnection(nats.url, (connection) =>
      until('the monitor holds them', async () => {
        return (await readBacklog(connection, 'CNC_DATA', 'PROCESSOR')).ackPending > 100
      }),
    )
    held.acknowledged.clear()
    await change()
    const again = await startLoad()
    await until('its sequences are used again', () => again.acknowledged.size > held.sent)
  } finally {
    process.kill(database.pid, 'SIGCONT')
  }
}

/** Stream and consumer, the consumer looked at first. */
const standingOf = (nats: TestNats) =>
  withConnection(nats.url, async (connection) => {
    const manager = await jetstreamManager(connection)
    const { delivered } = await manager.consumers.info('CNC_DATA', 'PROCESSOR')
    const { state } = await manager.streams.info('CNC_DATA')
    return { ...state, delivered: delivered.stream_seq }
  })

/**
 * On a busy machine the server may not have kept the latest answers: it delivers those sequences again. Nothing was
 * passed over then when the stream has grown past `position` before the monitor looks; nor when nothing is left in it,
 * and the consumer does not stand beyond its end.
 */
async function nothingWasPassedOver(nats: TestNats, position: number): Promise<boolean> {
  const standing = await standingOf(nats).catch(() => null)
  if (standing === null) return false
  const { messages, first_seq: first, last_seq: last, delivered } = standing
  return first > position || (messages === 0 && delivered <= last)
}

suite('another stream', { concurrency: 2 }, () => {
  test('a stream restored from an older state, its consumer beyond its end: said, mended, nothing lost or doubled', (t) =>
    anotherStream(t, 1, async (world) => {
      const { nats, monitor, rounds, startLoad } = world
      await startLoad()
      await nats.kill('SIGTERM')
      const copy = copyStream(nats.folder, 'CNC_DATA')
      await nats.restart()
      const load = await startLoad()
      await load.stop()
      // What is lost with the disk is nobody's any more; all the rest is stored.
      await untilEmpty(nats.url)
      const { last_seq: position } = await standingOf(nats)
      const said = () => monitor.log.split('It is made anew').length
      const before = said()
      await nats.kill('SIGTERM')
      copy.restore('messages')
      await nats.restart()
      if (rounds.random.next() < 0.5) await startLoad()
      await until(
        'the monitor says so, or nothing was passed over',
        async () => said() > before || (await nothingWasPassedOver(nats, position)),
      )
      await startLoad()
    }))

  test('a stream restored together with its consumer: its sequences are used again, nothing is taken for a repeat', (t) =>
    anotherStream(t, 1, async ({ nats, startLoad }) => {
      await startLoad()
      await nats.kill('SIGTERM')
      const copy = copyStream(nats.folder, 'CNC_DATA')
      await nats.restart()
      const load = await startLoad()
      await load.stop()
      await untilEmpty(nats.url)
      await nats.kill('SIGTERM')
      copy.restore('messages and consumer')
      await nats.restart()
      await startLoad()
    }))

  test('what the monitor holds from before the restore does not settle new messages that bear the same sequence', (t) =>
    anotherStream(t, 1, async (world) => {
      const { nats, monitor, startLoad } = world
      await (await startLoad()).stop()
      await untilEmpty(nats.url)
      await nats.kill('SIGTERM')
      const copy = copyStream(nats.folder, 'CNC_DATA')
      await nats.restart()
      await untilReady(monitor.http)
      await whileItHoldsALoad(world, async () => {
        await nats.kill('SIGKILL')
        copy.restore('messages and consumer')
        await nats.restart()
      })
    }))

  test('a stream deleted and made anew while the monitor holds messages: those of the new one are all stored', (t) =>
    anotherStream(t, 1, async (world) => {
      const { nats, startLoad } = world
      await (await startLoad()).stop()
      await untilEmpty(nats.url)
      await whileItHoldsALoad(world, () =>
        withConnection(nats.url, async (connection) => {
          const manager = await jetstreamManager(connection)
          const { config } = await manager.streams.info('CNC_DATA')
          const consumer = await manager.consumers.info('CNC_DATA', 'PROCESSOR')
          await manager.streams.delete('CNC_DATA')
          await manager.streams.add(config)
          // As another monitor does that holds nothing, and so finds out first.
          await manager.consumers.add('CNC_DATA', consumer.config)
        }),
      )
    }))
})
