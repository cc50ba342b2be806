import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { until } from '../support/monitor.ts'
import { isAlive } from '../support/nats.ts'

const KEEPER = join(import.meta.dirname, '..', '..', 'src', 'embedded', 'keeper.ts')
const LIMIT_MS = 5_000

/** A kept process that says its pid and lives until it is ended; ends with 7 on SIGTERM. */
const KEPT =
  "process.on('SIGTERM', () => process.exit(7)); console.log(process.pid); setInterval(() => {}, 1000)"

async function withKeeper(
  args: readonly string[],
  run: (keeper: { child: ReturnType<typeof spawn>; ended: Promise<number | null> }) => Promise<void>,
): Promise<void> {
  const child = spawn(process.execPath, [KEEPER, ...args], { stdio: 'pipe', detached: true })
  const ended = once(child, 'exit').then(([code]) => code as number | null)
  try {
    await run({ child, ended })
  } finally {
    child.stdin.end()
    await ended
  }
}

for (const [how, order] of [
  ['its input ends', (child: ReturnType<typeof spawn>) => void child.stdin?.end()],
  ['it is told to by SIGTERM', (child: ReturnType<typeof spawn>) => void child.kill('SIGTERM')],
] as const) {
  test(`a keeper ends its server when ${how}, and with the same status; Ctrl-C it leaves alone`, () =>
    withKeeper([process.execPath, '-e', KEPT], async ({ child, ended }) => {
      const [said] = child.stdout === null ? [] : ((await once(child.stdout, 'data')) as [Buffer])
      const kept = Number(String(said))
      child.kill('SIGINT')
      await new Promise((resolve) => setTimeout(resolve, 100))
      assert.ok(isAlive(kept), 'Ctrl-C ended the server')
      order(child)
      assert.equal(await ended, 7)
      await until('the server is gone', () => !isAlive(kept), LIMIT_MS)
    }))
}

test('a keeper whose server cannot be started says so and ends', () =>
  withKeeper(['/nowhere/nats-server'], async ({ child, ended }) => {
    let said = ''
    child.stderr?.on('data', (text: Buffer) => (said += String(text)))
    assert.equal(await ended, 127)
    await until('it has said why', () => /nats-server could not be started/.test(said), LIMIT_MS)
  }))
