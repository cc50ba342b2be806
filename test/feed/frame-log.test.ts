// A log that keeps of each machine its last frame.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FrameLog } from '../../src/feed/frame-log.ts'

const PLENTY = { machines: 1_000, characters: 1e9 }

test('from any place on it gives exactly the last frames that came after, in their order', () => {
  const machines = fc.array(fc.nat(30), { maxLength: 3_000, size: 'max' })
  fc.assert(
    fc.property(machines, fc.nat(3_000), (all, place) => {
      const log = new FrameLog<number>(PLENTY)
      const lastAt = new Map<number, number>()
      for (const [i, machine] of all.entries()) {
        const replaced = log.append(`M${machine}`, `text ${i}`, i)
        assert.equal(replaced?.sequence, lastAt.get(machine))
        lastAt.set(machine, i + 1)
      }
      assert.equal(log.sequence, all.length)
      assert.deepEqual(
        [...log.after(place)].map(({ sequence }) => sequence),
        [...lastAt.values()].filter((sequence) => sequence > place).toSorted((a, b) => a - b),
      )
      for (const [machine, sequence] of lastAt) assert.equal(log.lastOf(`M${machine}`), sequence - 1)
    }),
    { numRuns: 50 },
  )
})

test('beyond its limits the machine that has not changed for longest is forgotten', () => {
  const log = new FrameLog<null>({ machines: 3, characters: 100 })
  const machines = () => [...log.after(0)].map(({ machineId }) => machineId)
  for (const machine of ['A', 'B', 'C', 'A', 'D']) log.append(machine, 'x', null)
  assert.deepEqual(machines(), ['C', 'A', 'D'])
  log.append('E', 'x'.repeat(98), null)
  assert.deepEqual(machines(), ['A', 'D', 'E'])
  log.append('E', 'x'.repeat(99), null)
  assert.deepEqual(machines(), ['D', 'E'])
  log.forget('D')
  assert.deepEqual(machines(), ['E'])
})
