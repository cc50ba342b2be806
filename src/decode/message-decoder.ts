// The decoder of a flow: usual messages on the short way, everything else on the careful one.
import type { DecodedMessage, Delivery } from '../pipeline-types.ts'
import type { Rejection } from '../reading.ts'
import { decodeMessage, timeWindow, type DecodeLimits } from './decode-message.ts'
import { guardedDecoder } from './guarded-decoder.ts'
import { UsualMessages } from './usual-message.ts'

const NONE: readonly Rejection[] = []

/**
 * One for each flow: it learns from the messages it has seen. What it gives does not depend on that. It never throws;
 * `onMistake` is told of every exception that is this program's own mistake.
 */
export function messageDecoder(
  limits: DecodeLimits,
  onMistake: (mistake: unknown) => void,
): (delivery: Delivery) => DecodedMessage {
  const usual = new UsualMessages()
  return guardedDecoder(
    {
      short(delivery) {
        const { data, receivedAtMs } = delivery
        if (data.length > limits.maxPayloadBytes) return null
        const readings = usual.read(data, limits.maxReadings, timeWindow(receivedAtMs, limits))
        return readings === null ? null : { delivery, readings, rejections: NONE }
      },
      careful(delivery) {
        const { readings, rejections } = decodeMessage(delivery.data, delivery.receivedAtMs, limits)
        return { delivery, readings, rejections }
      },
    },
    onMistake,
  )
}
