// At most so often, at once when it can be, and never later than it must.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Coalescer } from '../../src/feed/coalescer.ts'

test('the first passes at once, later ones when the rest is over, and only the newest of them', () => {
  const coalescer = new Coalescer<string>(5)
  coalescer.put('A', 'a1')
  assert.deepEqual(coalescer.take(1_000), ['a1'])
  coalescer.put('A', 'a2')
  coalescer.put('A', 'a3')
  coalescer.put('B', 'b1')
  assert.deepEqual(coalescer.take(1_100), ['b1'])
  assert.equal(coalescer.waiting('A'), 'a3')
  assert.deepEqual(coalescer.take(1_199), [])
  assert.deepEqual(coalescer.take(1_200), ['a3'])
  assert.ok(coalescer.isEmpty)
})

test('whatever comes whenever: the rate is kept, and in the end the newest of each machine has passed', () => {
  const step = fc.record({ machine: fc.constantFrom('A', 'B', 'C'), afterMs: fc.nat(60) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const coalescer = new Coalescer<{ machine: string; n: number }>(10)
      const newest = new Map<string, number>()
      const passed = new Map<string, { atMs: number; n: number }[]>()
      let nowMs = 0
      const take = () => {
        for (const { machine, n } of coalescer.take(nowMs)) {
          const before = passed.get(machine) ?? []
          assert.ok(n > (before.at(-1)?.n ?? -1))
          passed.set(machine, [...before, { atMs: nowMs, n }])
        }
      }
      for (const [n, { machine, afterMs }] of steps.entries()) {
        nowMs += afterMs
        coalescer.put(machine, { machine, n })
        newest.set(machine, n)
        take()
      }
      nowMs += 100
      take()
      assert.deepEqual(new Map([...passed].map(([machine, all]) => [machine, all.at(-1)?.n])), newest)
      for (const all of passed.values()) {
        for (const [i, { atMs: fromMs }] of all.entries()) {
          // From one passage to another no more than fit in between, and the one that came late.
          for (const [j, { atMs }] of all.slice(i).entries()) assert.ok(j <= (atMs - fromMs) / 100 + 1)
        }
      }
    }),
  )
})
