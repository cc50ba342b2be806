// A message between its decoding and its answer.
//
// Why not the decoder's own: a reading is 500 bytes of small objects, and what is held until the commit is copied by
// the garbage collection again and again (docs/performance.md). Nearly always nobody asks for the readings again.
// Decoding is pure, so that whoever does (a message that came again, or of which something was refused) gets the same.
import type { DecodedMessage, Delivery, MessageInBatch, PlacedReading } from '../pipeline-types.ts'
import type { Rejection } from '../reading.ts'

export type Decode = (delivery: Delivery) => DecodedMessage

export class HeldMessage implements MessageInBatch {
  readonly delivery: Delivery
  readonly readingCount: number
  readonly rejections: readonly Rejection[]
  readonly #decode: Decode

  constructor({ delivery, readings, rejections }: DecodedMessage, decode: Decode) {
    this.delivery = delivery
    this.readingCount = readings.length
    this.rejections = rejections
    this.#decode = decode
  }

  get readings(): readonly PlacedReading[] {
    return this.#decode(this.delivery).readings
  }
}
