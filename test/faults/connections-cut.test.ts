// Connections that break in the middle of whatever they carry.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertSame, compare } from '../support/comparison.ts'
import { withCutProxy, type CutProxy } from '../support/cut-proxy.ts'
import { withDatabase } from '../support/embedded-database.ts'
import { Load } from '../support/load.ts'
import { withMonitorsOn } from '../support/monitor-on-servers.ts'
import { endSessions, withNativeDatabase } from '../support/native-database.ts'
import { withNats } from '../support/nats.ts'
import { untilEmpty, untilReady } from '../support/outside.ts'
import { roundsOf } from '../support/rounds.ts'

interface Ways {
  readonly nats: CutProxy
  readonly database: CutProxy
  readonly databaseUrl: string
}

/** A monitor under load that reaches its servers by ways that `cut` breaks. */
async function cutUnderLoad(
  t: TestContext,
  databaseUrl: string,
  shortRounds: number,
  cut: (ways: Ways, round: number) => Promise<number> | number,
): Promise<void> {
  const rounds = roundsOf(t, shortRounds)
  await withNats((server) =>
    withCutProxy(server.url, (nats) =>
      withCutProxy(databaseUrl, (database) =>
        withMonitorsOn({ nats: nats.url, database: database.url }, 1, async ([monitor]) => {
          assert.ok(monitor)
          const load = new Load(server.url)
          let connections = 0
          try {
            for (let round = 0; round < rounds.count; round++) {
              await sleep(rounds.random.whole(100, 700))
              connections += await cut({ nats, database, databaseUrl }, round)
              await untilReady(monitor.http)
              rounds.note(round, monitor.pid)
            }
          } finally {
            await load.stop()
          }
          assert.ok(connections >= rounds.count, 'something was cut in each round')
          await untilEmpty(server.url)
          const comparison = await compare([load], databaseUrl)
          rounds.finish(comparison)
          assertSame(comparison)
        }),
      ),
    ),
  )
}

test('connections to NATS and to the embedded database are cut', (t) =>
  withDatabase(({ url }) =>
    cutUnderLoad(t, url, 6, ({ nats, database }, round) => [database, nats][round % 2]?.cut() ?? 0),
  ))

test('connections to NATS and to a database server are cut, and sessions ended by its administrator', (t) =>
  withNativeDatabase(t, (url) =>
    cutUnderLoad(t, url, 9, ({ nats, database }, round) =>
      round % 3 === 0 ? nats.cut() : round % 3 === 1 ? database.cut() : endSessions(url),
    ),
  ))
