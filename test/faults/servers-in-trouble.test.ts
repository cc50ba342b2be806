// Servers that are there and of no use for a while: frozen, full, or cut off. Side by side: most of it is waiting.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertSame, compare } from '../support/comparison.ts'
import { withCutProxy, type CutProxy } from '../support/cut-proxy.ts'
import { withDatabase } from '../support/embedded-database.ts'
import { Load } from '../support/load.ts'
import { until } from '../support/monitor.ts'
import { withMonitorsOn } from '../support/monitor-on-servers.ts'
import { endSessions, withNativeDatabase } from '../support/native-database.ts'
import { withNats } from '../support/nats.ts'
import { readyOf, untilEmpty, untilReady } from '../support/outside.ts'
import { roundsOf } from '../support/rounds.ts'
import { withSmallDisk } from '../support/small-disk.ts'
import { underLoad, type UnderLoad } from '../support/under-load.ts'

/**
 * /readyz has said 503 after 5 s; with these the client's own time limit has passed as well, so that statements
 * are given up while the server has them.
 */
const FURTHER_MS = [1_000, 2_000] as const

async function freeze({ monitor, load, rounds }: UnderLoad): Promise<void> {
  const { http, pids } = monitor.endpoints
  const database = pids.database ?? assert.fail('the database is not embedded')
  process.kill(database, 'SIGSTOP')
  try {
    const before = load.acknowledged.size
    await untilReady(http, 'database')
    await sleep(rounds.random.whole(...FURTHER_MS))
    const ready = await readyOf(http)
    assert.deepEqual([ready?.checks['database']?.ok, ready?.checks['broker']?.ok], [false, true])
    assert.equal((await fetch(`${http}/healthz`)).status, 200, 'the process is responsive')
    assert.ok(load.acknowledged.size > before, 'the stream goes on taking messages')
  } finally {
    process.kill(database, 'SIGCONT')
  }
}

const DISK_MIB = 200

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
            for (let round = 0; rounds.goesOn(round); round++) {
              await sleep(rounds.random.whole(100, 700))
              connections += await cut({ nats, database, databaseUrl }, round)
              await untilReady(monitor.http)
              rounds.note(round, monitor.pid)
            }
          } finally {
            await load.stop()
          }
          assert.ok(connections >= rounds.done, 'something was cut in each round')
          await untilEmpty(server.url)
          const comparison = await compare([load], databaseUrl)
          rounds.finish(comparison)
          assertSame(comparison)
        }),
      ),
    ),
  )
}

suite('servers in trouble', { concurrency: 3 }, () => {
  test('a database frozen in mid-commit and thawed: /readyz says so meanwhile, and nothing is lost or doubled', (t) =>
    underLoad(t, 1, freeze, { STATEMENT_TIMEOUT_MS: '500' }))

  test('a nats-server that answers nothing any more: /readyz says so, it is killed and started again', (t) =>
    underLoad(t, 1, async ({ monitor }) => {
      const { http, pids } = monitor.endpoints
      process.kill(pids.nats ?? assert.fail('nats-server is not embedded'), 'SIGSTOP')
      await untilReady(http, 'broker')
      await until('another one runs', () => monitor.endpoints.pids.nats !== pids.nats)
      await until('the log says so', () => monitor.log.includes('nats-server has not answered for 10 s'))
    }))

  test('while the database is away the stream fills up, publishers are refused with a sentence, and all goes on', (t) =>
    underLoad(
      t,
      1,
      async ({ monitor, load }) => {
        const database = monitor.endpoints.pids.database ?? assert.fail('the database is not embedded')
        const full = () =>
          load.refusals.get('the stream did not take a message on CNC_DATA.LOAD: maximum bytes exceeded')
        process.kill(database, 'SIGSTOP')
        try {
          const before = full() ?? 0
          await until('publishers are told', () => (full() ?? 0) > before + 10)
        } finally {
          process.kill(database, 'SIGCONT')
        }
        const before = load.acknowledged.size
        await until('the stream takes messages again', () => load.acknowledged.size > before + 100)
      },
      { STREAM_MAX_BYTES: '200000' },
    ))

  test('a full disk under the embedded servers: they go on when there is room again', (t) =>
    withSmallDisk(t, DISK_MIB, (disk) =>
      underLoad(
        t,
        1,
        async ({ load, rounds, monitor }) => {
          const free = await disk.fill()
          try {
            await sleep(rounds.random.whole(4_000, 6_000))
            assert.equal(
              (await fetch(`${monitor.endpoints.http}/healthz`)).status,
              200,
              'the process is responsive',
            )
          } finally {
            await free()
          }
          const before = load.acknowledged.size
          await until('the stream takes messages again', () => load.acknowledged.size > before + 100)
        },
        { STREAM_MAX_BYTES: '50000000' },
        disk.path,
      ),
    ))

  test('connections to NATS and to the embedded database are cut', (t) =>
    withDatabase(({ url }) =>
      cutUnderLoad(t, url, 4, ({ nats, database }, round) => [database, nats][round % 2]?.cut() ?? 0),
    ))

  test('connections to NATS and to a database server are cut, and sessions ended by its administrator', (t) =>
    withNativeDatabase(t, (url) =>
      cutUnderLoad(t, url, 9, ({ nats, database }, round) =>
        round % 3 === 0 ? nats.cut() : round % 3 === 1 ? database.cut() : endSessions(url),
      ),
    ))
})
