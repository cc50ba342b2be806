// Readings published without a pause while servers and monitors come and go, and what the stream said to each.
//
// Every message is unique and follows from its number alone, so that a stored row says which one it was, and
// what must be in the table is worked out rather than remembered. Message numbers are never used twice: what
// the stream did not acknowledge may have reached it or not, and is not sent again.
import { setTimeout as sleep } from 'node:timers/promises'
import { connectToNats } from '../../src/broker/connect.ts'
import { publisherOn } from '../../src/broker/publisher.ts'
import { sentenceOf } from '../../src/errors.ts'

/** Messages on their way at once, and the pause between them: some thousand a second. */
const LANES = 32
const PAUSE_MS = 10
const PUBLISH_LIMIT_MS = 1_000
const SAME_INSTANT_MS = Date.now() - 3_600_000

/** A reading as the table must hold it. */
export interface ExpectedReading {
  readonly machine_id: string
  /** RFC 3339 in UTC. */
  readonly timestamp: string
  /** Message number and position: unique. */
  readonly program: string
  readonly part_count: number
  readonly temperature: number
  /** A name that the monitor does not know. */
  readonly heat: string
}

export interface ExpectedMessage {
  readonly subject: string
  readonly payload: string
  readonly readings: readonly ExpectedReading[]
  /** Payloads of its dead letters. */
  readonly refused: readonly string[]
}

export interface LoadOptions {
  /** Machines and subject begin with it. */
  readonly name?: string
  /** Tells loads of the same name apart. */
  readonly tag?: string
  /** All readings are of one machine and instant: a sequence that is used twice makes the same key. */
  readonly isOneInstant?: boolean
}

/** Makes message `number` of a load: one reading mostly, now and then an array, or something to refuse. */
export function loadMessage(
  { name, tag, isOneInstant }: Required<LoadOptions>,
  startMs: number,
  number: number,
): ExpectedMessage {
  const reading = (position: number): ExpectedReading => ({
    machine_id: `${name}-${isOneInstant ? 0 : number % 7}`,
    // Neighbours share an instant, so that the identity has to tell them apart.
    timestamp: new Date(isOneInstant ? SAME_INSTANT_MS : startMs + Math.floor(number / 16)).toISOString(),
    program: `${tag}${number}.${position}`,
    part_count: number,
    temperature: number / 8,
    heat: `Ü${number}`,
  })
  const subject = `CNC_DATA.${name}`
  switch (number % 20) {
    case 3: {
      const readings = [0, 1, 2, 3, 4].map(reading)
      return { subject, payload: JSON.stringify(readings), readings, refused: [] }
    }
    case 7: {
      const bad = JSON.stringify({ load: tag, bad: number })
      const readings = [reading(0), reading(2)]
      const payload = `[${JSON.stringify(readings[0])},${bad},${JSON.stringify(readings[1])}]`
      return { subject, payload, readings, refused: [bad] }
    }
    case 11: {
      const payload = `{"load":"${tag}","broken":${number}`
      return { subject, payload, readings: [], refused: [payload] }
    }
    default:
      return { subject, payload: JSON.stringify(reading(0)), readings: [reading(0)], refused: [] }
  }
}

/** What was published and what became of it. */
export interface Published {
  readonly name: string
  /** How many messages were sent, acknowledged or not: their numbers are below it. */
  readonly sent: number
  /** The numbers that the stream has acknowledged. */
  readonly acknowledged: ReadonlySet<number>
  message(number: number): ExpectedMessage
}

export class Load implements Published {
  readonly acknowledged = new Set<number>()
  /** What publishers were told instead, and how often. */
  readonly refusals = new Map<string, number>()
  readonly #options: Required<LoadOptions>
  readonly #startMs = Date.now() - 3_600_000
  readonly #stop = new AbortController()
  readonly #lanes: Promise<void>
  #next = 0

  /** Publishes from now on. The server may come and go; its address stays. */
  constructor(natsUrl: string, options: LoadOptions = {}) {
    this.#options = { name: 'LOAD', tag: '', isOneInstant: false, ...options }
    this.#lanes = this.#publish(natsUrl)
  }

  get name(): string {
    return this.#options.name
  }

  get sent(): number {
    return this.#next
  }

  message(number: number): ExpectedMessage {
    return loadMessage(this.#options, this.#startMs, number)
  }

  /** Resolves when nothing is on its way any more. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#lanes
  }

  async #publish(url: string): Promise<void> {
    const connection = await connectToNats({ url, name: 'load' })
    const publisher = publisherOn(connection, PUBLISH_LIMIT_MS)
    const lane = async () => {
      while (!this.#stop.signal.aborted) {
        const number = this.#next++
        const { subject, payload } = this.message(number)
        try {
          await publisher.publish(subject, payload)
          this.acknowledged.add(number)
        } catch (error) {
          const sentence = sentenceOf(error)
          this.refusals.set(sentence, (this.refusals.get(sentence) ?? 0) + 1)
        }
        await sleep(PAUSE_MS, undefined, { signal: this.#stop.signal }).catch(() => undefined)
      }
    }
    try {
      await Promise.all(Array.from({ length: LANES }, lane))
    } finally {
      await publisher.close()
    }
  }
}
