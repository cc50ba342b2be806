// A message as if the stream had delivered it; it remembers how it was answered.
import { decodeMessage } from '../../src/decode/decode-message.ts'
import type { MessageInBatch } from '../../src/pipeline-types.ts'
import type { ReplayOrigin } from '../../src/replay-origin.ts'
import { defaultLimits, receivedAtMs } from '../golden/cases.ts'

export interface Answered extends MessageInBatch {
  readonly answers: string[]
}

export interface DeliveredOptions {
  readonly replayOf?: ReplayOrigin
  readonly subject?: string
  readonly receivedAtMs?: number
  /** 1 unless told otherwise. */
  readonly deliveryCount?: number
}

export function delivered(
  data: Uint8Array | string | object,
  sequence: number,
  options: DeliveredOptions = {},
): Answered {
  const answers: string[] = []
  const text = typeof data === 'string' || data instanceof Uint8Array ? data : JSON.stringify(data)
  const bytes = typeof text === 'string' ? Buffer.from(text) : text
  const atMs = options.receivedAtMs ?? receivedAtMs
  const delivery = {
    subject: options.subject ?? 'CNC_DATA.test',
    data: bytes,
    size: bytes.length,
    incarnation: { stream: 'CNC_DATA', createdAt: '2026-01-01T00:00:00Z' },
    sequence,
    receivedAtMs: atMs,
    deliveryCount: options.deliveryCount ?? 1,
    replayOf: options.replayOf ?? null,
    ack: () => void answers.push('ack'),
    term: () => void answers.push('term'),
    nak: () => void answers.push('nak'),
    working: () => undefined,
  }
  const decoded = decodeMessage(bytes, atMs, defaultLimits)
  return { delivery, answers, ...decoded, readingCount: decoded.readings.length }
}
