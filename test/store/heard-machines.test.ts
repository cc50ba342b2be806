import assert from 'node:assert/strict'
import { test } from 'node:test'
import { heardMachines } from '../../src/store/heard-machines.ts'

test('a machine is asked about once a minute, and only once it is committed', () => {
  let now = 5_000
  const machines = heardMachines(() => now)
  assert.deepEqual(machines.unheard(new Set(['B', 'A', 'B'])), ['A', 'B'])
  assert.deepEqual(machines.unheard(new Set(['B'])), ['B'])
  machines.remember(['A', 'B'])
  assert.deepEqual(machines.unheard(new Set(['C', 'B', 'A'])), ['C'])
  now += 59_000
  machines.remember(['C'])
  assert.deepEqual(machines.unheard(new Set(['A', 'B', 'C'])), [])
  now += 1_001
  assert.deepEqual(machines.unheard(new Set(['B', 'A'])), ['A', 'B'])
})
