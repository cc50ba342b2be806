// When a remedy that has not helped is tried again.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RemedyPause } from '../../src/broker/remedy-pause.ts'

test('the first time is at once, then pauses double up to ten minutes', () => {
  const remedy = new RemedyPause()
  const tries: number[] = []
  for (let second = 100; second < 100 + 3_600; second += 5) {
    remedy.see('the same')
    if (!remedy.isDue(second * 1_000)) continue
    remedy.tried(second * 1_000)
    tries.push(second - 100)
  }
  assert.deepEqual(tries, [0, 10, 30, 70, 150, 310, 630, 1_230, 1_830, 2_430, 3_030])
})

test('another trouble is dealt with at once, and the one before is forgotten', () => {
  const remedy = new RemedyPause()
  remedy.see('one')
  for (const nowMs of [0, 10_000, 30_000]) remedy.tried(nowMs)
  assert.equal(remedy.isDue(31_000), false)
  remedy.see('another')
  assert.deepEqual([remedy.times, remedy.isDue(31_000)], [0, true])
  remedy.tried(31_000)
  remedy.see('one')
  assert.deepEqual([remedy.times, remedy.isDue(31_001)], [0, true])
})
