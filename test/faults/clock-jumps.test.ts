// A monitor whose clock is wrong by a day, in either direction: readings are judged by the time at which the
// stream received them, so nothing is refused, lost or doubled.
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { assertSame, compare } from '../support/comparison.ts'
import { withDatabase } from '../support/embedded-database.ts'
import { Load } from '../support/load.ts'
import { withMonitorsOn } from '../support/monitor-on-servers.ts'
import { withNats } from '../support/nats.ts'
import { untilEmpty, untilReady } from '../support/outside.ts'
import { roundsOf } from '../support/rounds.ts'

/** The library of faketime, which changes what a process is told the time is; null where it is not installed. */
function faketimeLibrary(): string | null {
  const folders = ['/usr/lib', '/usr/lib64', '/usr/local/lib']
  const below = folders
    .filter(existsSync)
    .flatMap((folder) => [
      join(folder, 'faketime'),
      ...readdirSync(folder).map((name) => join(folder, name, 'faketime')),
    ])
  return below.map((folder) => join(folder, 'libfaketimeMT.so.1')).find(existsSync) ?? null
}

const JUMPS = ['+1d', '-1d', '+0', '-2h', '+30d', '-400d', '+0'] as const

test('the clock of the monitor jumps by hours and days while it works', async (t) => {
  const library = faketimeLibrary()
  if (library === null) return t.skip('faketime is not installed; the clock cannot be made to jump')
  const rounds = roundsOf(t, JUMPS.length)
  const folder = await mkdtemp(join(tmpdir(), 'cnc-monitor-test-'))
  const clock = join(folder, 'clock')
  await writeFile(clock, '+0')
  const env = {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: clock,
    FAKETIME_NO_CACHE: '1',
    // Timers go by the monotonic clock, which does not jump.
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  }
  try {
    await withNats((nats) =>
      withDatabase((database) =>
        withMonitorsOn(
          { nats: nats.url, database: database.url },
          1,
          async ([monitor]) => {
            assert.ok(monitor)
            const load = new Load(nats.url)
            try {
              for (let round = 0; rounds.goesOn(round); round++) {
                await writeFile(clock, JUMPS[round % JUMPS.length] ?? '+0')
                await sleep(rounds.random.whole(300, 900))
                await untilReady(monitor.http)
                rounds.note(round, monitor.pid)
              }
            } finally {
              await load.stop()
            }
            await untilEmpty(nats.url)
            const comparison = await compare([load], database.url)
            rounds.finish(comparison)
            assertSame(comparison)
            const days = new Set(monitor.log.match(/"time":"\d{4}-\d\d-\d\d/g))
            assert.ok(days.size >= 4, `the clock did jump: ${[...days].join()}`)
          },
          env,
        ),
      ),
    )
  } finally {
    await rm(folder, { recursive: true })
  }
})
