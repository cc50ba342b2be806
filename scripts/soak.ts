// The fault tests in their long form, one test at a time: SOAK_ROUNDS rounds of each (20), or SOAK_MINUTES minutes of
// each, and a million payloads.
// What follows "npm run test:soak --" goes to node --test: a file, or --test-name-pattern.
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const given = process.argv.slice(2)
const files = given.some((argument) => argument.endsWith('.test.ts'))
  ? []
  : globSync('test/faults/*.test.ts', { cwd: root })
const { status } = spawnSync(
  process.execPath,
  ['--test', '--test-concurrency=1', '--test-reporter=spec', ...given, ...files],
  { cwd: root, stdio: 'inherit', env: { ...process.env, SOAK_ROUNDS: process.env['SOAK_ROUNDS'] ?? '20' } },
)
process.exitCode = status ?? 1
