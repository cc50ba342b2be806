// The ways of decoding, and what becomes of a message on which one of them fails: an exception there is a mistake of
// this program.
//
// Invariant: nothing throws, and a mistake costs the message that it happens with, no other. Else the flow would break
// at that message, again and again.
import { sentenceOf } from '../errors.ts'
import type { DecodedMessage, Delivery } from '../pipeline-types.ts'
import type { Rejection } from '../reading.ts'

export interface DecodingWays {
  /** Null: the careful way decides. */
  readonly short: (delivery: Delivery) => DecodedMessage | null
  readonly careful: (delivery: Delivery) => DecodedMessage
}

/** `onMistake` is told of every exception, once. */
export function guardedDecoder(
  { short, careful }: DecodingWays,
  onMistake: (mistake: unknown) => void,
): (delivery: Delivery) => DecodedMessage {
  return (delivery) => {
    try {
      const decoded = short(delivery)
      if (decoded !== null) return decoded
    } catch (error) {
      onMistake(error)
    }
    try {
      return careful(delivery)
    } catch (error) {
      onMistake(error)
      return { delivery, readings: [], rejections: [refusal(delivery, error)] }
    }
  }
}

/** Of the whole message. */
function refusal({ data }: Delivery, error: unknown): Rejection {
  const reason = `this program failed to read this message: ${sentenceOf(error)}`
  return { code: 'internal_error', reason, position: 0, payload: data, more: 0 }
}
