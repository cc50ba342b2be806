// The sink: a batch into the database, and what came of it as a value.
//
//   whole batch --split, retry with suspects, mistake--> parts, each in a transaction of its own --> ... --> one alone
//   a part that fails for a reason of the moment and holds no suspect --> postponed as a whole
//
// Invariant: rows and dead letters of a message are committed before it counts as done. What is wrong with one
// message costs that message alone; an outage costs none (sqlstate.ts says which is which).
import type { DecodedMessage, PlacedReading, RefusedReadings, Sink, WriteOutcome } from '../pipeline-types.ts'
import { sentenceOf } from '../errors.ts'
import { waitFor } from '../lifecycle.ts'
import type { BatchDraft } from './batch-draft.ts'
import { isSuspect, isToBeRefused, isWell } from './blame.ts'
import { LateBoundary } from './late-readings.ts'
import { messageIds } from './message-id.ts'
import type { Pool } from './pool.ts'
import { refusalBy, type Refusal, type RefusedReading } from './refused-readings.ts'
import { type FailureKind, failureOf, kindOfFailure } from './sqlstate.ts'
import { messageWriter, type Written } from './write-messages.ts'

export interface SinkOptions {
  /** The writers' own: a batch never waits for a query of the API. */
  readonly pool: Pool
  /** Answers `available`. */
  readonly ready: Pool
  /** Whether the server takes COPY. */
  readonly copies: boolean
  /** Without it every reading is taken for a late one. */
  readonly late?: LateBoundary
  /** Kept of one message at most; the last one counts the rest. */
  readonly maxDeadLetters: number
  /** Told of every exception that is this program's own mistake. */
  readonly onMistake: (mistake: unknown) => void
}

export function timescaleSink(options: SinkOptions): Sink {
  const { pool, ready, copies, late = new LateBoundary(), maxDeadLetters, onMistake } = options
  const ids = messageIds(pool)
  const writer = messageWriter(pool, ids, { copies, late, maxDeadLetters })

  const judged = new WeakMap<object, 'away' | 'mistake'>()
  /** An exception while the database is away is none of ours. Judged once, when it happens. */
  const kindOf = async (error: unknown): Promise<FailureKind> => {
    const kind = kindOfFailure(error)
    if (kind !== 'mistake') return kind
    const key = Object(error) as object
    const before = judged.get(key)
    if (before !== undefined) return before
    const isMistake = await isWell(ready)
    if (isMistake) onMistake(error)
    judged.set(key, isMistake ? 'mistake' : 'away')
    return isMistake ? 'mistake' : 'away'
  }

  /** Writes what failed together in parts. Throws when the database is away, or nothing will help. */
  const writeInParts = async (messages: readonly DecodedMessage[], parts: Parts): Promise<void> => {
    try {
      return parts.add(await writer.write(messages))
    } catch (error) {
      const kind = await kindOf(error)
      if (!isCuredInParts(kind)) throw error
      const [only] = messages
      if (kind === 'retry' && !messages.some(isSuspect)) {
        parts.postpone(messages, sentenceOf(error))
      } else if (messages.length > 1 || only === undefined) {
        for (const part of halves(messages, kind)) await writeInParts(part, parts)
      } else if (kind !== 'split' && !(await isToBeRefused(only, ready))) {
        parts.postpone([only], sentenceOf(error))
      } else {
        await writeAlone(only, refusalBy(error, 'this reading'), parts)
      }
    }
  }

  /**
   * A message that failed alone: its readings one by one if need be, and then all its dead letters at once. What of
   * that fails for now is given back alone.
   */
  const writeAlone = async (message: DecodedMessage, refusal: Refusal, parts: Parts): Promise<void> => {
    const refused: RefusedReading[] = []
    try {
      // Where there are dead letters it may have been these that failed: no reading is to blame before it is tried.
      parts.stored +=
        message.rejections.length > 0
          ? await storeEach(message, [message.readings], refused)
          : await storeHalves(message, message.readings, refusal, refused)
      parts.refused.set(message, await settleAlone(message, refused))
    } catch (error) {
      const kind = await kindOf(error)
      // Not even of its short dead letters: the same mistake would be made for ever.
      const isHopeless = kind === 'mistake' && (await isToBeRefused(message, ready))
      if (!isCuredInParts(kind) || isHopeless) throw error
      parts.postpone([message], sentenceOf(error))
    }
  }

  /** Its dead letters, whole as long as there is hope. */
  const settleAlone = async (
    message: DecodedMessage,
    refused: readonly RefusedReading[],
  ): Promise<RefusedReadings> => {
    try {
      return await writer.settle(message, refused)
    } catch (error) {
      if (!isCuredInParts(await kindOf(error)) || !(await isToBeRefused(message, ready))) throw error
      return writer.settle(message, refused, sentenceOf(error))
    }
  }

  /** Stores what it can of readings that failed together; adds the others to `refused`. */
  const storeHalves = async (
    message: DecodedMessage,
    readings: readonly PlacedReading[],
    refusal: Refusal,
    refused: RefusedReading[],
  ): Promise<number> => {
    if (readings.length > 1) return storeEach(message, halvesOf(readings), refused)
    refused.push(...readings.map((one) => ({ ...one, ...refusal })))
    return 0
  }

  /** Each part in a transaction of its own, and in halves where it fails. */
  const storeEach = async (
    message: DecodedMessage,
    all: readonly (readonly PlacedReading[])[],
    refused: RefusedReading[],
  ): Promise<number> => {
    let stored = 0
    for (const readings of all) {
      if (readings.length === 0) continue
      try {
        const part = await writer.store(message, readings)
        stored += part.stored
        refused.push(...part.refused)
      } catch (error) {
        const kind = await kindOf(error)
        if (!isCuredInParts(kind)) throw error
        if (kind !== 'split' && !(await isToBeRefused(message, ready))) throw error
        stored += await storeHalves(message, readings, refusalBy(error, 'this reading'), refused)
      }
    }
    return stored
  }

  const write = async (
    batch: readonly DecodedMessage[],
    draft: BatchDraft | undefined,
  ): Promise<WriteOutcome> => {
    try {
      for (const incarnation of new Set(batch.map((message) => message.delivery.incarnation))) {
        await ids.prepare(incarnation)
      }
      const written = await writer.write(batch, draft).catch(async (error: unknown) => {
        const kind = await kindOf(error)
        if (!isCuredInParts(kind) || (kind === 'retry' && !batch.some(isSuspect))) throw error
        return null
      })
      if (written !== null) return { kind: 'committed', ...written, postponed: new Map() }
      const parts = new Parts()
      await writeInParts(batch, parts)
      const { stored, refused, postponed } = parts
      return { kind: 'committed', stored, refused, postponed }
    } catch (error) {
      const kind = await kindOf(error)
      // What splitting did not cure concerns no message: the same words for ever would block all.
      const isFatal = kind === 'fatal' || kind === 'refuse' || kind === 'mistake'
      const { failure } = failureOf(error)
      return { kind: isFatal ? 'fatal' : 'retry', reason: sentenceOf(error), failure }
    }
  }

  return {
    open() {
      let draft: BatchDraft | undefined = writer.draft()
      return {
        add(message) {
          try {
            draft?.add(message)
          } catch {
            // Met again when the batch is written, with the incarnation's number known, and judged there.
            draft = undefined
          }
        },
        write: (messages) => write(messages, draft),
      }
    },

    available: async (signal) => {
      await waitFor('the database', () => ready.query('SELECT 1'), { timeoutMs: Infinity, signal })
    },
  }
}

/** What came of a batch that was written in parts. */
class Parts {
  stored = 0
  readonly refused = new Map<DecodedMessage, RefusedReadings>()
  readonly postponed = new Map<DecodedMessage, string>()

  add({ stored, refused }: Written): void {
    this.stored += stored
    for (const [message, readings] of refused) this.refused.set(message, readings)
  }

  postpone(messages: readonly DecodedMessage[], reason: string): void {
    for (const message of messages) this.postponed.set(message, reason)
  }
}

type CuredInParts = 'split' | 'retry' | 'mistake'

function isCuredInParts(kind: FailureKind): kind is CuredInParts {
  return kind === 'split' || kind === 'retry' || kind === 'mistake'
}

/** Suspects apart from the rest, where there is a rest; halves otherwise. */
function halves(messages: readonly DecodedMessage[], kind: CuredInParts): DecodedMessage[][] {
  if (kind === 'retry') {
    const suspects = messages.filter(isSuspect)
    if (suspects.length < messages.length) {
      return [messages.filter((message) => !isSuspect(message)), suspects].filter((part) => part.length > 0)
    }
  }
  return halvesOf(messages)
}

function halvesOf<T>(all: readonly T[]): [T[], T[]] {
  const middle = Math.ceil(all.length / 2)
  return [all.slice(0, middle), all.slice(middle)]
}
