// One fault, again and again, on a monitor with embedded servers while readings are published; then the tables
// are compared with what the stream acknowledged.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertSame, compare } from './comparison.ts'
import { Load } from './load.ts'
import { type TestMonitor, until, withMonitor } from './monitor.ts'
import { untilEmpty, untilReady } from './outside.ts'
import { freePort } from './ports.ts'
import { roundsOf, type Rounds } from './rounds.ts'

export interface UnderLoad {
  readonly monitor: TestMonitor
  readonly load: Load
  readonly rounds: Rounds
}

/** `fault` breaks something; what it leaves broken must mend itself. */
export async function underLoad(
  t: TestContext,
  shortRounds: number,
  fault: (world: UnderLoad) => Promise<void>,
  env: NodeJS.ProcessEnv = {},
  parent?: string,
): Promise<void> {
  const rounds = roundsOf(t, shortRounds)
  const ports = { NATS_PORT: `${await freePort()}`, HTTP_PORT: `${await freePort()}` }
  await withMonitor(
    async (monitor) => {
      const { nats, http } = monitor.endpoints
      const load = new Load(nats)
      try {
        for (let round = 0; rounds.goesOn(round); round++) {
          const before = load.acknowledged.size
          await until('the stream takes messages', () => load.acknowledged.size > before + 50)
          await sleep(rounds.random.whole(0, 1_000))
          await fault({ monitor, load, rounds })
          await untilReady(http)
          rounds.note(round, monitor.endpoints.pids.monitor)
        }
      } finally {
        await load.stop()
      }
      await untilEmpty(nats)
      const comparison = await compare([load], monitor.endpoints.database)
      rounds.finish(comparison)
      assertSame(comparison)
      assert.ok(comparison.acknowledged > 100)
    },
    { ...ports, ...env },
    { parent },
  )
}
