// What one monitor may hold unanswered: found by driving the real window as the flow and the pipeline do.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PullWindow } from '../src/broker/pull-window.ts'
import { unansweredAtMost } from '../src/ingestion.ts'

interface Sizes {
  readonly batchesInFlight: number
  readonly batchMessages: number
  readonly prefetchMessages: number
}

/** Where the messages of a monitor are; its server has always more. */
class Monitor {
  readonly #sizes: Sizes
  readonly #window: PullWindow
  readonly #requests: number[] = []
  #prefetched = 0
  #burst = 0
  #open = 0
  #inFlight = 0

  constructor(sizes: Sizes) {
    this.#sizes = sizes
    this.#window = new PullWindow({ messages: sizes.prefetchMessages, bytes: 1e9 })
    this.#ask()
  }

  get unanswered(): number {
    return this.#prefetched + this.#burst + this.#open + this.#inFlight * this.#sizes.batchMessages
  }

  /** A message arrives, where one is asked for. */
  arrive(): void {
    const [oldest] = this.#requests
    if (oldest === undefined) return
    if (oldest === 1) this.#requests.shift()
    else this.#requests[0] = oldest - 1
    this.#prefetched += 1
    this.#window.arrived(100)
  }

  /** The oldest request expires, and its status makes the flow ask again, whoever takes or does not. */
  expire(): void {
    const messages = this.#requests.shift()
    if (messages === undefined) return
    this.#window.ended({ messages, bytes: 0 })
    this.#ask()
  }

  /** The pipeline takes what has arrived, as far as there is room. */
  take(): void {
    if (this.#burst === 0) {
      this.#burst = this.#prefetched
      this.#prefetched = 0
      if (this.#burst > 0) this.#window.handedOut()
    }
    this.#decode()
  }

  commit(): void {
    this.#inFlight = Math.max(0, this.#inFlight - 1)
    this.#decode()
  }

  #decode(): void {
    const { batchesInFlight, batchMessages } = this.#sizes
    for (;;) {
      if (this.#open === batchMessages) {
        if (this.#inFlight === batchesInFlight) return // the burst waits, and nothing is asked for
        this.#inFlight += 1
        this.#open = 0
      }
      if (this.#burst === 0) return this.#ask()
      this.#burst -= 1
      this.#open += 1
    }
  }

  #ask(): void {
    for (let amount = this.#window.next(); amount !== null; amount = this.#window.next()) {
      this.#requests.push(amount.messages)
    }
  }
}

const sizes = fc.record({
  batchesInFlight: fc.integer({ min: 1, max: 3 }),
  batchMessages: fc.integer({ min: 1, max: 8 }),
  prefetchMessages: fc.integer({ min: 1, max: 12 }),
})
const steps = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.constant('arrive' as const) },
    { weight: 2, arbitrary: fc.constantFrom('expire' as const, 'take' as const) },
    { weight: 1, arbitrary: fc.constant('commit' as const) },
  ),
  { maxLength: 150 },
)

test('property: a monitor never holds more than max_ack_pending allows it', () => {
  fc.assert(
    fc.property(sizes, steps, (given, all) => {
      const monitor = new Monitor(given)
      for (const step of all) {
        monitor[step]()
        assert.ok(monitor.unanswered <= unansweredAtMost(given), `${monitor.unanswered}`)
      }
    }),
    { numRuns: 3_000 },
  )
})

test('more than the batches in flight and one window is held when a request expires while a burst waits', () => {
  const given = { batchesInFlight: 2, batchMessages: 5, prefetchMessages: 20 }
  const monitor = new Monitor(given)
  const arrive = (count: number) => {
    for (let i = 0; i < count; i++) monitor.arrive()
  }
  // All batches are full but for one place in the open one; both halves are asked for.
  arrive(14)
  monitor.take()
  arrive(6)
  monitor.take()
  monitor.expire()
  arrive(40)
  assert.equal(monitor.unanswered, 20 + 20)
})
