// Readings that come in over HTTP: judged by the decoder's rules, published to the stream, and answered once it has
// acknowledged them.
//
// Invariant: what is accepted is published as the very text that was sent; what is refused is not published; nothing
// counts as accepted that the stream did not acknowledge. Messages in flight are bounded, and so is the time.
import { sentenceOf } from './errors.ts'
import type { Publisher } from './pipeline-types.ts'
import type { RejectionCode } from './reading.ts'

/** One JSON value (a reading, or an array of them), or one reading a line. */
export type BodyForm = 'json' | 'ndjson'

/** A good reading of a body. */
export interface PostedReading {
  /** Index in the array, or of the line, from 0. */
  readonly position: number
  readonly machineId: string
  /** Its JSON text, as it was sent. */
  readonly text: string
}

export interface RefusedReading {
  readonly position: number
  readonly code: RejectionCode
  readonly reason: string
}

/** What the decoder makes of a body: nothing as a whole, or reading by reading. */
export type JudgedBody =
  | { readonly kind: 'unreadable'; readonly reason: string }
  | { readonly kind: 'too_many'; readonly limit: number }
  | {
      readonly kind: 'readings'
      readonly accepted: readonly PostedReading[]
      readonly refused: readonly RefusedReading[]
    }

export type PostOutcome =
  | Exclude<JudgedBody, { kind: 'readings' }>
  | {
      readonly kind: 'posted'
      /** Readings that the stream acknowledged, and the messages they went in. */
      readonly accepted: number
      readonly messages: number
      readonly refused: readonly RefusedReading[]
      /** Why the stream did not take the others; null: it took all. */
      readonly failure: string | null
    }

export interface PostingOptions {
  /** `maxBytes`: of one reading. */
  readonly judge: (body: Uint8Array, form: BodyForm, nowMs: number, maxBytes: number) => JudgedBody
  readonly publisher: Publisher
  readonly subjectOf: (machineId: string) => string
  /** Readings in a message at most. */
  readonly maxReadings: number
  /** Bytes of a message at most, as it is at this moment. */
  readonly maxBytes: () => number
  /** The `Nats-Msg-Id` of a reading of a request that may be repeated. */
  readonly messageId: (key: string, reading: PostedReading) => string
}

export interface Posting {
  /**
   * `key`: the client's word for the request; a repeat of it within the stream's duplicate window stores nothing
   * twice. Null: every request is a new one.
   */
  post(body: Uint8Array, form: BodyForm, key: string | null): Promise<PostOutcome>
}

const IN_FLIGHT = 256
/** No further message is sent after this; each is acknowledged within the publisher's own limit. */
const LIMIT_MS = 20_000
/** An array's brackets. */
const AROUND = 2

interface Message {
  readonly subject: string
  readonly payload: string
  readonly readings: number
  readonly id: string | null
}

export function posting(options: PostingOptions): Posting {
  return {
    async post(body, form, key) {
      const maxBytes = options.maxBytes()
      const judged = options.judge(body, form, Date.now(), maxBytes - AROUND)
      if (judged.kind !== 'readings') return judged
      const { accepted, refused } = judged
      const messages = key === null ? grouped(accepted, options, maxBytes) : oneByOne(accepted, options, key)
      return { kind: 'posted', refused, ...(await publish(messages, options.publisher)) }
    },
  }
}

/** As few messages as the limits allow, each of one subject. */
function grouped(
  readings: readonly PostedReading[],
  { subjectOf, maxReadings }: PostingOptions,
  maxBytes: number,
): Message[] {
  const messages: Message[] = []
  const open = new Map<string, { texts: string[]; bytes: number }>()
  const close = (subject: string, texts: readonly string[]) => {
    const [only = ''] = texts
    const payload = texts.length === 1 ? only : `[${texts.join(',')}]`
    messages.push({ subject, payload, readings: texts.length, id: null })
  }
  for (const { machineId, text } of readings) {
    const subject = subjectOf(machineId)
    const bytes = Buffer.byteLength(text) + 1
    let group = open.get(subject)
    if (group !== undefined && (group.texts.length === maxReadings || group.bytes + bytes > maxBytes)) {
      close(subject, group.texts)
      group = undefined
    }
    if (group === undefined) open.set(subject, (group = { texts: [], bytes: AROUND - 1 }))
    group.texts.push(text)
    group.bytes += bytes
  }
  for (const [subject, { texts }] of open) close(subject, texts)
  return messages
}

/**
 * A message each: what a repeat accepts may differ (a clock that was too far ahead no longer is), and a group that
 * has grown would be known as a whole or not at all.
 */
function oneByOne(readings: readonly PostedReading[], options: PostingOptions, key: string): Message[] {
  return readings.map((reading) => ({
    subject: options.subjectOf(reading.machineId),
    payload: reading.text,
    readings: 1,
    id: options.messageId(key, reading),
  }))
}

/** Publishes until one is not taken; resolves when all that were sent are answered. */
async function publish(
  messages: readonly Message[],
  publisher: Publisher,
): Promise<{ accepted: number; messages: number; failure: string | null }> {
  const done = { accepted: 0, messages: 0, failure: null as string | null }
  const deadline = performance.now() + LIMIT_MS
  let next = 0
  const sender = async () => {
    while (done.failure === null) {
      const message = messages[next++]
      if (message === undefined) return
      try {
        if (performance.now() > deadline)
          throw new Error(`the stream took not all of it within ${LIMIT_MS / 1_000} s`)
        const { subject, payload, id } = message
        await publisher.publish(subject, payload, id === null ? {} : { 'Nats-Msg-Id': id })
        done.accepted += message.readings
        done.messages++
      } catch (error) {
        done.failure ??= sentenceOf(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(IN_FLIGHT, messages.length) }, sender))
  return done
}
