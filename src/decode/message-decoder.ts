// The decoder of a flow: usual messages on the short way, everything else on the whole one.
import type { DecodedMessage, Delivery } from '../pipeline-types.ts'
import type { Rejection } from '../reading.ts'
import { decodeMessage, timeWindow, type DecodeLimits } from './decode-message.ts'
import { UsualMessages } from './usual-message.ts'

const NONE: readonly Rejection[] = []

/** One for each flow: it learns from the messages it has seen. What it gives does not depend on that. */
export function messageDecoder(limits: DecodeLimits): (delivery: Delivery) => DecodedMessage {
  const usual = new UsualMessages()
  return (delivery) => {
    const { data, receivedAtMs } = delivery
    if (data.length <= limits.maxPayloadBytes) {
      const readings = usual.read(data, limits.maxReadings, timeWindow(receivedAtMs, limits))
      if (readings !== null) return { delivery, readings, rejections: NONE }
    }
    const { readings, rejections } = decodeMessage(data, receivedAtMs, limits)
    return { delivery, readings, rejections }
  }
}
