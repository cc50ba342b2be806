// Several monitors on one consumer, killed and started at will.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertSame, compare } from '../support/comparison.ts'
import { withDatabase } from '../support/embedded-database.ts'
import { Load } from '../support/load.ts'
import { withMonitorsOn } from '../support/monitor-on-servers.ts'
import { withNativeDatabase } from '../support/native-database.ts'
import { withNats } from '../support/nats.ts'
import { untilEmpty, untilReady } from '../support/outside.ts'
import { roundsOf } from '../support/rounds.ts'

/** The second one is ended again and again, mostly by kill -9; the first one goes on. */
async function oneIsKilled(t: TestContext, database: string, shortRounds: number): Promise<void> {
  const rounds = roundsOf(t, shortRounds)
  await withNats((nats) =>
    withMonitorsOn({ nats: nats.url, database }, 2, async ([first, second]) => {
      assert.ok(first && second)
      const load = new Load(nats.url)
      try {
        for (let round = 0; rounds.goesOn(round); round++) {
          await sleep(rounds.random.whole(100, 1_500))
          await second.stop(rounds.random.oneOf(['SIGKILL', 'SIGKILL', 'SIGTERM']))
          await sleep(rounds.random.whole(0, 500))
          await untilReady(first.http)
          await second.start()
          rounds.note(round, first.pid)
        }
      } finally {
        await load.stop()
      }
      await untilEmpty(nats.url)
      const comparison = await compare([load], database)
      rounds.finish(comparison)
      assertSame(comparison)
      for (const { log } of [first, second]) {
        assert.match(log, /Successfully processed/, 'both had their share')
      }
    }),
  )
}

test('two monitors on a database server, one of them killed again and again', (t) =>
  withNativeDatabase(t, (url) => oneIsKilled(t, url, 3)))

test('two monitors on one embedded database, one of them killed again and again', (t) =>
  withDatabase(({ url }) => oneIsKilled(t, url, 1)))
