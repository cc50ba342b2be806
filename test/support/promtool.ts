// promtool, Prometheus' own checker: run where the machine has it, skipped aloud where it has not.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import type { TestContext } from 'node:test'

const isThere = spawnSync('promtool', ['--version']).error === undefined

/** Fails unless promtool has nothing to say. */
export function promtoolCheck(t: TestContext, args: readonly string[], stdin = ''): void {
  if (!isThere) return t.skip('promtool is not on the PATH; Debian has it in the package "prometheus"')
  const { status, stdout, stderr } = spawnSync('promtool', args, { input: stdin, encoding: 'utf8' })
  assert.equal(status, 0, stdout + stderr)
  assert.doesNotMatch(stdout + stderr, /error|warning|should|FAILED/i)
}
