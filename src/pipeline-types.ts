// The contracts between the stages. A stage knows these and nothing of its neighbours.
import type { StoreFailure } from './observation.ts'
import type { Reading, Rejection } from './reading.ts'
import type { ReplayOrigin } from './replay-origin.ts'

/**
 * One life of a stream. A stream that is deleted and made anew counts from 1 again; name and creation time
 * together tell the two apart, so that a row's identity never collides.
 */
export interface StreamIncarnation {
  readonly stream: string
  /** Creation time as the server gives it (RFC 3339). */
  readonly createdAt: string
}

/**
 * One message taken off the stream, with the only means to answer it. Whoever takes it answers it exactly
 * once with `ack`, `term` or `nak`, and does so only after what it carried is committed, or given up.
 */
export interface Delivery {
  /** Made when it is asked for, as `data` is: a delivery itself is small, for it is held until the commit. */
  readonly subject: string
  /** A view. */
  readonly data: Uint8Array
  /** Bytes of `data`. */
  readonly size: number
  readonly incarnation: StreamIncarnation
  /** Sequence in the stream, from 1. */
  readonly sequence: number
  /** When the stream received the message: milliseconds since 1970, with a fraction to the microsecond. */
  readonly receivedAtMs: number
  /** 1 the first time; more when it was delivered before. */
  readonly deliveryCount: number
  /** The dead letter it says it replays; null for all others. A claim: the store decides whether it is so. */
  readonly replayOf: ReplayOrigin | null
  /** Done with: stored, or known to be stored already. */
  ack(): void
  /** Never to be delivered again: nothing of it could be accepted, and its dead letters are committed. */
  term(): void
  /** Given back: the stream delivers it again after the delay. */
  nak(delayMs: number): void
  /** Still being worked on: the stream starts its wait anew. May be called any number of times. */
  working(): void
}

/** Where deliveries come from. */
export interface Source {
  /**
   * Opens the flow: bursts of what had arrived together, oldest first, never empty. Pulls only as fast as the
   * iterator is read. Aborting `signal` ends the iterator without an error and gives back what was fetched but
   * not yet handed out. Throws when the flow cannot go on (the server is away, the consumer is gone); the caller
   * may open it again.
   */
  take(signal: AbortSignal): AsyncIterable<readonly Delivery[]>
  /** Resolves when everything answered so far has left for the server. */
  flush(): Promise<void>
}

/** A delivery and what the decoder made of it. At least one of the two lists is not empty. */
export interface DecodedMessage {
  readonly delivery: Delivery
  readonly readings: readonly PlacedReading[]
  readonly rejections: readonly Rejection[]
}

/** A message that was decoded and waits for its answer. Its readings are decoded anew each time they are asked for. */
export interface MessageInBatch extends DecodedMessage {
  /** How many `readings` there are. */
  readonly readingCount: number
}

/** Messages that are written together, and what their readings say, summed up. */
export interface MessageBatch {
  readonly messages: readonly MessageInBatch[]
  /** By the machines that the readings name. */
  readonly machines: ReadonlyMap<string, MachineInBatch>
}

/** The readings of one machine in a batch. */
export interface MachineInBatch {
  readonly readings: number
  /** By the machine's own time; of several of one instant the one received last. */
  readonly newest: Reading
  /** When the stream received the message of the newest one: milliseconds since 1970, with a fraction. */
  readonly newestReceivedAtMs: number
}

/** A reading and its index in the message's array; 0 when the message is not an array. */
export interface PlacedReading {
  readonly position: number
  readonly reading: Reading
}

/** What the store would not take of one message. */
export interface RefusedReadings {
  /** As they are kept: bounded, the last one counts the rest. */
  readonly rejections: readonly Rejection[]
  /** Of all of them. */
  readonly positions: ReadonlySet<number>
}

/** Where batches go. */
export interface Sink {
  /** Begins a batch. Several may be open, and several being written, at once. */
  open(): OpenBatch
  /** Resolves when the store answers again; rejects when `signal` aborts. */
  available(signal: AbortSignal): Promise<void>
}

/** A batch on its way into the store. One that is given up needs no word. */
export interface OpenBatch {
  /** Makes rows of the message's readings, which nobody has to hold from then on. Never throws. */
  add(message: DecodedMessage): void
  /**
   * Puts readings and dead letters of all messages into the store, in one transaction. `messages`: those that were
   * added, in the same order; to be called once. Never throws for what the store said: that is the outcome. A replay
   * of a dead letter is stored before the others, in a transaction of its own, and known to be when it is written
   * again.
   */
  write(messages: readonly DecodedMessage[]): Promise<WriteOutcome>
}

/**
 * committed: rows and dead letters are durable; answer every message.
 * retry: nothing was stored and nothing is wrong with the messages; give them back and wait for the store.
 * fatal: nothing was stored, and waiting will not help; the monitor must stop and say why.
 */
export type WriteOutcome =
  | {
      readonly kind: 'committed'
      /** Rows this write added; a reading that was there already is not counted. */
      readonly stored: number
      /** Readings the store itself refused; committed as dead letters, or as the outcome of their replay. */
      readonly refused: ReadonlyMap<DecodedMessage, RefusedReadings>
      /** Messages of which nothing was stored, though the rest of the batch was; give them back. */
      readonly postponed: ReadonlyMap<DecodedMessage, string>
    }
  | { readonly kind: 'retry' | 'fatal'; readonly reason: string; readonly failure: StoreFailure }

/** Where readings are sent to: the stream. Used by everything that publishes. */
export interface Publisher {
  /**
   * Sends one message and resolves when the stream has acknowledged it; rejects when it did not, after the
   * client's time limit at the latest. Calls may overlap; the number in flight is bounded by the caller.
   */
  publish(
    subject: string,
    payload: Uint8Array | string,
    headers?: Readonly<Record<string, string>>,
  ): Promise<void>
  close(): Promise<void>
}
