// The way in over HTTP, joined: the decoder's rules, the stream. Part of the composition root.
import { createHash } from 'node:crypto'
import type { NatsConnection } from './broker/connect.ts'
import { publisherOn } from './broker/publisher.ts'
import type { Config } from './config.ts'
import { decodeBody } from './decode/decode-body.ts'
import { decodeLimits } from './ingestion.ts'
import { posting, type Posting } from './posted-readings.ts'
import { machineSubject } from './sources/subject.ts'

/** Readings in one request. */
const MAX_READINGS = 10_000
/** NATS counts a message's headers as part of its payload. */
const HEADER_BYTES = 1_024

export function postingTo(config: Config, nats: NatsConnection): Posting {
  const limits = { ...decodeLimits(config), maxReadings: MAX_READINGS }
  const { payloadBytes, readings } = config.limits
  return posting({
    judge: (body, form, nowMs, maxBytes) => decodeBody(body, form, nowMs, maxBytes, limits),
    publisher: publisherOn(nats),
    subjectOf: (machineId) => machineSubject(config.nats.stream, machineId),
    maxReadings: readings,
    maxBytes: () => Math.min(payloadBytes, (nats.info?.max_payload ?? payloadBytes) - HEADER_BYTES),
    // Hashed: a key may hold anything and be long. With the text: a key used for two bodies loses none of them.
    messageId: (key, { position, text }) =>
      createHash('sha256')
        .update(JSON.stringify([key, position, text]))
        .digest('base64url'),
  })
}
