// The queue of dear work.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { UnavailableError } from '../../src/errors.ts'
import { sharedQueue } from '../../src/store/shared-queue.ts'

/** Work that ends when it is told to. */
function work() {
  const begun: string[] = []
  const ends = new Map<string, PromiseWithResolvers<string>>()
  const of = (name: string) => () => {
    begun.push(name)
    const end = Promise.withResolvers<string>()
    ends.set(name, end)
    return end.promise
  }
  return {
    begun,
    of,
    end: (name: string) => ends.get(name)?.resolve(name),
    fail: (name: string) => ends.get(name)?.reject(new Error(name)),
  }
}

test('so many at once, the oldest first, also after a failure', async () => {
  const { begun, of, end, fail } = work()
  const ask = sharedQueue<string>(2)
  const answers = ['a', 'b', 'c', 'd'].map((name) => ask(name, of(name)))
  await turn()
  assert.deepEqual(begun, ['a', 'b'])
  fail('b')
  await assert.rejects(answers[1] ?? Promise.resolve(), /b/)
  await turn()
  assert.deepEqual(begun, ['a', 'b', 'c'])
  end('a')
  assert.equal(await answers[0], 'a')
  await turn()
  assert.deepEqual(begun, ['a', 'b', 'c', 'd'])
  end('c')
  end('d')
  assert.deepEqual(await Promise.all(answers.slice(2)), ['c', 'd'])
})

test('who asks for what waits shares its answer; what has begun is begun again', async () => {
  const { begun, of, end } = work()
  const ask = sharedQueue<string>(1)
  const first = ask('a', of('a'))
  await turn()
  const others = [ask('a', of('again')), ask('a', of('never')), ask('b', of('b'))]
  await turn()
  assert.deepEqual(begun, ['a'])
  end('a')
  assert.equal(await first, 'a')
  await turn()
  end('again')
  await turn()
  end('b')
  assert.deepEqual(await Promise.all(others), ['again', 'again', 'b'])
  assert.deepEqual(begun, ['a', 'again', 'b'])
})

test('beyond its bound it says so', async () => {
  const { of } = work()
  const ask = sharedQueue<string>(1)
  for (let i = 0; i <= 1_000; i++) void ask(`${i}`, of(`${i}`))
  await assert.rejects(ask('one more', of('one more')), UnavailableError)
})
