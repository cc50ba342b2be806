import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RANKS, rankOf, Turns } from '../../../src/embedded/database/turns.ts'

test('commits go before readiness, others, jobs and upkeep, whatever the order they came in', () => {
  const turns = new Turns<string>()
  turns.add('upkeep', RANKS.upkeep, 0)
  turns.add('jobs', rankOf('cnc-monitor jobs'), 1)
  turns.add('api', rankOf('psql'), 2)
  turns.add('ready', rankOf('cnc-monitor ready'), 3)
  turns.add('ingest', rankOf('cnc-monitor ingest'), 4)
  const order = Array.from({ length: 6 }, () => turns.take(10))
  assert.deepEqual(order, ['ingest', 'ready', 'api', 'jobs', 'upkeep', undefined])
})

test('equals are served in the order they came', () => {
  const turns = new Turns<number>()
  for (const item of [3, 1, 2]) turns.add(item, RANKS.others, item)
  assert.deepEqual([turns.take(5), turns.take(5), turns.take(5)], [3, 1, 2])
})

test('asking for a turn twice gives one turn and keeps the place', () => {
  const turns = new Turns<string>()
  turns.add('first', RANKS.others, 0)
  turns.add('second', RANKS.others, 1)
  turns.add('first', RANKS.others, 2)
  assert.equal(turns.size, 2)
  assert.equal(turns.take(3), 'first')
})

test('who left the queue is not served', () => {
  const turns = new Turns<string>()
  turns.add('gone', RANKS.ingest, 0)
  turns.add('here', RANKS.jobs, 0)
  turns.delete('gone')
  assert.equal(turns.take(1), 'here')
})

test('no rank waits longer than the limit while commits never stop coming', () => {
  const turns = new Turns<string>(1_000)
  turns.add('upkeep', RANKS.upkeep, 0)
  turns.add('jobs', RANKS.jobs, 50)
  const servedAt: Record<string, number> = {}
  for (let now = 100; now < 3_000; now += 100) {
    turns.add(`commit ${now}`, RANKS.ingest, now)
    servedAt[turns.take(now) ?? ''] = now
  }
  assert.equal(servedAt['upkeep'], 1_100)
  assert.equal(servedAt['jobs'], 1_200)
})
