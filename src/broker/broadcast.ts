// One subject of NATS core: what one monitor says on it, all hear that are there, itself included. Nothing is
// kept for those who are not.
import { setTimeout as sleep } from 'node:timers/promises'
import { PermissionViolationError, type QueuedIterator, type Status } from '@nats-io/transport-node'
import { sentenceOf } from '../errors.ts'
import type { NatsConnection } from './connect.ts'

const FLUSH_LIMIT_MS = 2_000

export interface BroadcastOptions {
  readonly subject: string
  readonly onMessage: (text: string) => void
  /** The connection was away and is back: what was said meanwhile was not heard. */
  readonly onBack: () => void
  /** Told what keeps this from working until somebody mends it. */
  readonly warn: (sentence: string) => void
}

export interface Broadcast {
  /**
   * To all who are there now. Without a connection it leaves when there is one again. What is longer than the
   * server takes is not said.
   */
  say(text: string): void
  /** Resolves when everything said has left, or after a moment. */
  close(): Promise<void>
}

/** Resolves when the server listens for it: what is said from now on is heard. While it is away, after a moment. */
export async function openBroadcast(
  connection: NatsConnection,
  { subject, onMessage, onBack, warn }: BroadcastOptions,
): Promise<Broadcast> {
  const statuses = connection.status() as QueuedIterator<Status>
  const follow = async () => {
    for await (const status of statuses) {
      if (status.type === 'reconnect') onBack()
      if (status.type === 'error' && status.error instanceof PermissionViolationError) {
        if (status.error.subject === subject) warn(refusedSentence(subject, status.error))
      }
    }
  }
  void follow()
  const subscription = connection.subscribe(subject, {
    callback: (error, message) => {
      if (error === null) onMessage(message.string())
      else warn(refusedSentence(subject, error))
    },
  })
  await flushed(connection)
  return {
    say(text) {
      const bytes = Buffer.from(text)
      const isTooLong = bytes.length > (connection.info?.max_payload ?? Infinity)
      if (!isTooLong && !connection.isClosed()) connection.publish(subject, bytes)
    },
    async close() {
      statuses.stop()
      subscription.unsubscribe()
      await flushed(connection)
    },
  }
}

/** Resolves when the server has all that was sent, or does not say so in time: it is away. */
async function flushed(connection: NatsConnection): Promise<void> {
  if (connection.isClosed()) return
  const patience = new AbortController()
  const late = sleep(FLUSH_LIMIT_MS, undefined, { signal: patience.signal }).catch(() => undefined)
  await Promise.race([connection.flush().catch(() => undefined), late])
  patience.abort()
}

function refusedSentence(subject: string, error: Error): string {
  return (
    `NATS does not let the monitor use the subject ${subject}, so live clients see little or nothing: ` +
    `${sentenceOf(error)}. Allow its user to publish and subscribe there.`
  )
}
