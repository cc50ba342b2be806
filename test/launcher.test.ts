// The launcher, called in every way: the program runs in the same process, with its heap, and with its exit status.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import heapFlags from '../bin/heap-flags.json' with { type: 'json' }
import { until } from './support/monitor.ts'

const PROGRAM = join(import.meta.dirname, '..', 'bin', 'cnc-monitor.js')

test('called by itself the program gets its heap flags, and keeps those of Node that were given', async (t) => {
  if (process.platform !== 'linux') return t.skip('the arguments of a process are read from /proc')
  for (const given of [[], ['--no-deprecation'], heapFlags]) {
    // A server that nobody is on, so that it waits.
    const child = spawn(process.execPath, [...given, PROGRAM, 'serve'], {
      env: { ...process.env, DATABASE_URL: 'postgres://u@127.0.0.1:1/d', NATS_URL: 'nats://127.0.0.1:1' },
      stdio: 'ignore',
    })
    const exited = once(child, 'exit')
    const args = () => readFileSync(`/proc/${child.pid}/cmdline`, 'utf8').split('\0')
    try {
      await until('the program runs', () => heapFlags.every((flag) => args().includes(flag)), 20_000)
      for (const flag of given) assert.ok(args().includes(flag), flag)
    } finally {
      child.kill('SIGKILL')
      await exited
    }
  }
})

test('the exit status and the output are those of the program', async () => {
  const run = promisify(execFile)
  const { stdout } = await run(process.execPath, [PROGRAM, '--help'])
  assert.match(stdout, /serve/)
  await assert.rejects(run(process.execPath, [PROGRAM, 'serve'], { env: { HTTP_PORT: 'x' } }), { code: 2 })
})
