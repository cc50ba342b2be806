// What a monitor knows live: newest wins, nothing goes back in time, what is known already is no news.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { frameText, lineOf, linesOf, messagesOf, type FeedLine } from '../../src/feed/feed-message.ts'
import { LiveHub } from '../../src/feed/hub.ts'
import { isLater } from '../../src/timestamp.ts'

const RECEIVED = Date.parse('2026-03-01T12:00:00Z') * 1_000

function line(machineId: string, timestamp: string, receivedAtMicros = RECEIVED, n = 0): FeedLine {
  const json = JSON.stringify({ machine_id: machineId, timestamp, n })
  return { machineId, timestamp, receivedAtMicros, text: frameText(json, '2026-03-01T12:00:01Z') }
}

const numbers = (hub: LiveHub, after = 0) =>
  [...hub.after(after)].map(({ text }) => (JSON.parse(text) as { data: { n: number } }).data.n)

test('timestamps are compared as instants, whatever their fractions', () => {
  const ascending = [
    '0999-12-31T23:59:59.9Z',
    '2026-03-01T12:00:00Z',
    '2026-03-01T12:00:00.000001Z',
    '2026-03-01T12:00:00.25Z',
    '2026-03-01T12:00:00.5Z',
    '2026-03-01T12:00:00.500001Z',
    '2026-03-01T12:00:01Z',
    '2026-03-01T12:00:10Z',
  ]
  for (const [i, one] of ascending.entries()) {
    for (const [j, other] of ascending.entries()) assert.equal(isLater(one, other), i > j, `${one} ${other}`)
  }
})

test('the newest by its own time wins, then by its receipt; what is older or known is no frame', () => {
  const hub = new LiveHub({ id: 'x', perSecond: 10 })
  let grown = 0
  const replaced: number[] = []
  const unfollow = hub.follow({
    grown: () => (grown += 1),
    replaced: ({ sequence }) => replaced.push(sequence),
  })
  hub.tell(line('A', '2026-03-01T12:00:00.5Z', RECEIVED, 1))
  hub.tell(line('A', '2026-03-01T12:00:00Z', RECEIVED + 1, 2))
  hub.tell(line('B', '2026-03-01T12:00:00Z', RECEIVED, 3))
  assert.equal(hub.flush(0).length, 2)
  assert.deepEqual(numbers(hub), [1, 3])
  hub.tell(line('A', '2026-03-01T12:00:00.5Z', RECEIVED, 4))
  hub.tell(line('A', '2026-03-01T11:00:00Z', RECEIVED + 9, 5))
  assert.equal(hub.isWaiting, false)
  hub.tell(line('A', '2026-03-01T12:00:00.5Z', RECEIVED + 1, 6))
  assert.equal(hub.flush(50).length, 0, 'its rest is not over')
  hub.tell(line('A', '2026-03-01T12:00:01Z', RECEIVED, 7))
  assert.equal(hub.flush(100).length, 1)
  assert.deepEqual(numbers(hub), [3, 7])
  assert.deepEqual(numbers(hub, 2), [7])
  assert.deepEqual([grown, replaced], [2, [1]])
  unfollow()
})

test('a machine is heard by readings of any age', () => {
  const hub = new LiveHub({ id: 'x', perSecond: 10 })
  assert.equal(hub.heard('A'), null)
  hub.tell(line('A', '2026-03-01T12:00:00.5Z', RECEIVED))
  assert.deepEqual(hub.heard('A'), {
    timestamp: '2026-03-01T12:00:00.5Z',
    receivedAt: '2026-03-01T12:00:00Z',
  })
  // Its clock was set back: no frame, but it is heard.
  const back = { timestamp: '2026-03-01T11:00:01Z', receivedAt: '2026-03-01T12:00:01.00002Z' }
  hub.tell(line('A', back.timestamp, RECEIVED + 1_000_020))
  assert.deepEqual(hub.heard('A'), back)
  hub.tell(line('A', '2026-03-01T12:00:00.5Z', RECEIVED))
  assert.deepEqual(hub.heard('A'), back, 'what was received before changes nothing')
})

test('what the database says is the line that a monitor would have said', () => {
  const text = ',\\"received_at\\":\\"2026-03-01T12:00:00.000001Z\\"'
  const before = `{"machine_id":"A","timestamp":"2026-03-01T11:59:59.9Z","program":"${text}"`
  const read = lineOf(
    {
      machineId: 'A',
      timestamp: '2026-03-01T11:59:59.9Z',
      receivedAt: '2026-03-01T12:00:00.000001Z',
      json: `${before},"received_at":"2026-03-01T12:00:00.000001Z","other":1}`,
    },
    '2026-03-01T12:00:02.000Z',
  )
  assert.equal(read.text, frameText(`${before},"other":1}`, '2026-03-01T12:00:02.000Z'))
  assert.equal(read.receivedAtMicros, RECEIVED + 1)
  assert.deepEqual(linesOf(messagesOf([read], 1_000)[0] ?? ''), [read])
})

test('machines that the database does not name any more are forgotten, unless they have changed since it was asked', () => {
  const hub = new LiveHub({ id: 'x', perSecond: 1e6 })
  for (const machine of ['A', 'B', 'C']) hub.tell(line(machine, '2026-03-01T12:00:00Z'))
  hub.flush(0)
  const { sequence } = hub
  hub.tell(line('C', '2026-03-01T12:00:01Z'))
  hub.tell(line('D', '2026-03-01T12:00:00Z'))
  hub.flush(1)
  hub.keepOnly(new Set(['A']), sequence)
  assert.deepEqual(
    [...hub.after(0)].map(({ machineId }) => machineId),
    ['A', 'C', 'D'],
  )
  assert.equal(hub.heard('B'), null)
})

test('lines come out of a message as they went in, and a message is not longer than wanted unless one line is', () => {
  const lines = Array.from({ length: 50 }, (_, i) =>
    line(`Ü"${i}\n`, '2026-03-01T12:00:00.000001Z', RECEIVED + i, i),
  )
  const long = line('x'.repeat(2_000), '2026-03-01T12:00:00Z')
  const messages = messagesOf([...lines, long, ...lines], 1_000)
  assert.deepEqual(messages.flatMap(linesOf), [...lines, long, ...lines])
  const tooLong = messages.filter((message) => Buffer.byteLength(message) > 1_000)
  assert.deepEqual(tooLong.flatMap(linesOf), [long])
  assert.deepEqual(messagesOf([], 1_000), [])
})
