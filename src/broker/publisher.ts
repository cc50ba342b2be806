// Publishing to the stream, acknowledged by it.
import { jetstream } from '@nats-io/jetstream'
import type { Publisher } from '../pipeline-types.ts'
import { sentenceOf } from '../errors.ts'
import type { NatsConnection } from './connect.ts'

/** `timeoutMs`: how long an acknowledgement may take. Closing the publisher closes the connection. */
export function publisherOn(connection: NatsConnection, timeoutMs = 5_000): Publisher {
  const client = jetstream(connection)
  return {
    publish: async (subject, payload) => {
      try {
        await client.publish(subject, payload, { timeout: timeoutMs })
      } catch (error) {
        throw new Error(`the stream did not take a message on ${subject}: ${reasonOf(error)}`, {
          cause: error,
        })
      }
    },
    close: () => connection.close(),
  }
}

function reasonOf(error: unknown): string {
  const sentence = sentenceOf(error)
  return /no responders|503/i.test(sentence)
    ? 'no stream takes this subject; is the monitor running?'
    : sentence
}
