// Publishing to the stream, acknowledged by it.
import { jetstream } from '@nats-io/jetstream'
import { headers as messageHeaders, type MsgHdrs } from '@nats-io/transport-node'
import type { Publisher } from '../pipeline-types.ts'
import { sentenceOf } from '../errors.ts'
import type { NatsConnection } from './connect.ts'

/** `timeoutMs`: how long an acknowledgement may take. Closing the publisher closes the connection. */
export function publisherOn(connection: NatsConnection, timeoutMs = 5_000): Publisher {
  const client = jetstream(connection)
  return {
    publish: async (subject, payload, headers) => {
      const options = headers === undefined ? {} : { headers: natsHeaders(headers) }
      try {
        await client.publish(subject, payload, { timeout: timeoutMs, ...options })
      } catch (error) {
        throw new Error(`the stream did not take a message on ${subject}: ${reasonOf(error)}`, {
          cause: error,
        })
      }
    },
    close: () => connection.close(),
  }
}

function natsHeaders(values: Readonly<Record<string, string>>): MsgHdrs {
  const headers = messageHeaders()
  for (const [name, value] of Object.entries(values)) headers.set(name, value)
  return headers
}

function reasonOf(error: unknown): string {
  const sentence = sentenceOf(error)
  return /no responders|503/i.test(sentence)
    ? 'no stream takes this subject; is the monitor running?'
    : sentence
}
