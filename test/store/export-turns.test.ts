// Whose turn it is to read a page.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import { exportTurns } from '../../src/store/export-turns.ts'
import { until } from '../support/monitor.ts'

const resting = { totalCount: 2, idleCount: 2 }

test('no more run at once than may, and in the order they came, also after one that failed', async () => {
  const turns = exportTurns(resting, 2)
  const begun: number[] = []
  const ends: (() => void)[] = []
  const page = (n: number) =>
    turns.run(async () => {
      begun.push(n)
      await new Promise<void>((resolve) => ends.push(resolve))
      if (n === 1) throw new Error('a page failed')
      return n
    })
  const pages = [0, 1, 2, 3].map((n) => page(n).catch((error: Error) => error.message))
  await tick()
  assert.deepEqual(begun, [0, 1])
  ends[1]?.()
  await until('the next one has begun', () => begun.length === 3)
  ends[0]?.()
  await until('the last one has begun', () => begun.length === 4)
  for (const end of ends) end()
  assert.deepEqual(await Promise.all(pages), [0, 'a page failed', 2, 3])
  assert.deepEqual(begun, [0, 1, 2, 3])
})

test('a page waits for a batch that is being written, but not for ever', async () => {
  const writers = { totalCount: 2, idleCount: 2 }
  const turns = exportTurns(writers, 1)
  const order: string[] = []
  await turns.runBehindWriters(() => new Promise((resolve) => setTimeout(resolve, 40)))
  writers.idleCount = 1
  const waiting = turns.runBehindWriters(() => Promise.resolve(order.push('page')))
  await tick()
  order.push('batch')
  writers.idleCount = 2
  await waiting
  assert.deepEqual(order, ['batch', 'page'])
  writers.idleCount = 0
  assert.equal(await turns.runBehindWriters(() => Promise.resolve('read in the end')), 'read in the end')
})
