import assert from 'node:assert/strict'
import { test } from 'node:test'
import { heardMachines } from '../../src/store/heard-machines.ts'
import { delivered } from '../support/delivered.ts'

const from = (...ids: string[]) =>
  ids.map((machine_id, i) => delivered({ machine_id, timestamp: '2026-03-01T11:00:00Z' }, i + 1))

test('a machine is asked about once a minute, and only once it is committed', () => {
  let now = 5_000
  const machines = heardMachines(() => now)
  assert.deepEqual(machines.unheard(from('B', 'A', 'B')), ['A', 'B'])
  assert.deepEqual(machines.unheard(from('B')), ['B'])
  machines.remember(['A', 'B'])
  assert.deepEqual(machines.unheard(from('C', 'B', 'A')), ['C'])
  now += 59_000
  machines.remember(['C'])
  assert.deepEqual(machines.unheard(from('A', 'B', 'C')), [])
  now += 1_001
  assert.deepEqual(machines.unheard(from('B', 'A')), ['A', 'B'])
})
