// A database that is there and silent: it answers nothing for a while, and may still commit what it was given.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { readyOf, untilReady } from '../support/outside.ts'
import { underLoad, type UnderLoad } from '../support/under-load.ts'

/**
 * /readyz has said 503 after 5 s; with these the client's own time limit has passed as well, so that statements
 * are given up while the server has them.
 */
const FURTHER_MS = [1_000, 2_000] as const

test('a database frozen in mid-commit and thawed: /readyz says so meanwhile, and nothing is lost or doubled', (t) =>
  underLoad(t, 1, freeze, { STATEMENT_TIMEOUT_MS: '500' }))

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
