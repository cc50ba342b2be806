// How much is asked for: never more than the limits, and always something again.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Amount, PullWindow } from '../../src/broker/pull-window.ts'

/** A server that keeps requests in order, and a client that holds what arrived until it is handed out. */
class Exchange {
  readonly window: PullWindow
  readonly limits: Amount
  readonly requests: { messages: number; bytes: number }[] = []
  held = { messages: 0, bytes: 0 }

  constructor(limits: Amount) {
    this.window = new PullWindow(limits)
    this.limits = limits
  }

  /** Whether something was asked for. */
  ask(): boolean {
    const amount = this.window.next()
    if (amount === null) return false
    assert.ok(amount.messages > 0 && amount.bytes > 0, JSON.stringify(amount))
    this.requests.push({ ...amount })
    return true
  }

  /** The server sends one message that it counts as `bytes`, and the client as `ours`. */
  send(bytes: number, ours: number): void {
    const [request] = this.requests
    if (request === undefined) return
    if (request.bytes < bytes) return this.end()
    request.messages -= 1
    request.bytes -= bytes
    if (request.messages === 0) this.requests.shift()
    this.held = { messages: this.held.messages + 1, bytes: this.held.bytes + ours }
    this.window.arrived(ours)
  }

  /** The server ends the oldest request, and says what was left of it. */
  end(): void {
    const request = this.requests.shift()
    if (request !== undefined) this.window.ended(request)
  }

  handOut(): void {
    this.held = { messages: 0, bytes: 0 }
    this.window.handedOut()
  }

  get inAll(): Amount {
    const all = { ...this.held }
    for (const { messages, bytes } of this.requests) {
      all.messages += messages
      all.bytes += bytes
    }
    return all
  }
}

const limits = fc
  .tuple(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 400, max: 5_000 }))
  .map(([messages, bytes]) => ({ messages, bytes }))
const step = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constant('send'), fc.integer({ min: 1, max: 200 }), fc.nat(200)) },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.constantFrom('ask', 'handOut', 'end'), fc.constant(0), fc.constant(0)),
  },
)

/** Two halves: all of the window, where its bytes allow two messages; the only message of a window of one. */
function wholeOf({ messages, bytes }: Amount): Amount {
  return messages === 1 ? { messages, bytes: Math.ceil(bytes / 2) } : { messages, bytes }
}

function run(exchange: Exchange, [what, bytes, less]: readonly [string, number, number]): void {
  if (what === 'send') exchange.send(bytes, Math.max(0, bytes - less))
  else if (what === 'ask') exchange.ask()
  else if (what === 'handOut') exchange.handOut()
  else exchange.end()
}

test('property: what is asked for and what is held never exceed the limits, however the server counts', () => {
  fc.assert(
    fc.property(limits, fc.array(step, { maxLength: 200 }), (most, steps) => {
      const exchange = new Exchange(most)
      for (const one of steps) {
        run(exchange, one)
        const { messages, bytes } = exchange.inAll
        assert.ok(messages <= most.messages && bytes <= most.bytes, JSON.stringify({ messages, bytes, most }))
        assert.equal(exchange.window.isWaiting, exchange.requests.length > 0)
      }
    }),
    { numRuns: 2_000 },
  )
})

test('property: once everything was handed out and every request has ended, the whole window is asked for', () => {
  fc.assert(
    fc.property(limits, fc.array(step, { maxLength: 200 }), fc.boolean(), (most, steps, bySending) => {
      const exchange = new Exchange(most)
      exchange.ask()
      for (const one of steps) run(exchange, one)
      while (exchange.requests.length > 0) {
        if (bySending) exchange.send(10, 9)
        else exchange.end()
      }
      exchange.handOut()
      assert.ok(exchange.ask())
      while (exchange.ask());
      assert.deepEqual(exchange.inAll, wholeOf(most))
    }),
    { numRuns: 2_000 },
  )
})

test('property: where we count more bytes than the server, messages stay within the limit, and it goes on', () => {
  fc.assert(
    fc.property(limits, fc.array(fc.tuple(fc.integer({ min: 1, max: 200 }), fc.nat(200))), (most, sizes) => {
      const exchange = new Exchange(most)
      for (const [bytes, more] of sizes) {
        exchange.ask()
        exchange.send(bytes, bytes + more)
        assert.ok(exchange.inAll.messages <= most.messages)
        if (more % 7 === 0) exchange.handOut()
      }
      while (exchange.requests.length > 0) exchange.end()
      exchange.handOut()
      assert.ok(exchange.ask())
      while (exchange.ask());
      assert.deepEqual(exchange.inAll, wholeOf(most))
    }),
  )
})

test('nothing more is asked for while nobody takes what has arrived; one half arrives while the other is worked on', () => {
  const exchange = new Exchange({ messages: 10, bytes: 1_000 })
  const half = { messages: 5, bytes: 500 }
  while (exchange.ask());
  assert.deepEqual(exchange.requests, [half, half])
  for (let i = 0; i < 10; i++) {
    exchange.send(50, 50)
    assert.equal(exchange.ask(), false)
  }
  exchange.handOut()
  while (exchange.ask());
  for (let i = 0; i < 5; i++) exchange.send(10, 10)
  assert.equal(exchange.ask(), false)
  exchange.handOut()
  // Bytes that a fulfilled request did not use are free again.
  assert.ok(exchange.ask())
  assert.deepEqual(exchange.requests, [half, half])
})
