// A message between its decoding and its answer.
//
// Why not the decoder's own: a reading is 500 bytes of small objects, and what is held until the commit is copied by
// the garbage collection again and again (docs/performance.md). Nearly always nobody asks for the readings again.
// Decoding is pure, so that whoever does gets the same. A message of which the decoder refused something keeps its
// readings all the same: what is stored and what is refused then come of one reading, whatever the runtime does.
import type { DecodedMessage, Delivery, MessageInBatch, PlacedReading } from '../pipeline-types.ts'
import type { Rejection } from '../reading.ts'

export type Decode = (delivery: Delivery) => DecodedMessage

export class HeldMessage implements MessageInBatch {
  readonly delivery: Delivery
  readonly readingCount: number
  readonly rejections: readonly Rejection[]
  /** Null: to be decoded again. */
  readonly #readings: readonly PlacedReading[] | null
  readonly #decode: Decode

  constructor({ delivery, readings, rejections }: DecodedMessage, decode: Decode) {
    this.delivery = delivery
    this.readingCount = readings.length
    this.rejections = rejections
    this.#readings = rejections.length > 0 ? readings : null
    this.#decode = decode
  }

  get readings(): readonly PlacedReading[] {
    return this.#readings ?? this.#decode(this.delivery).readings
  }
}
