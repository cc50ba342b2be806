// Live clients on server-sent events (WHATWG HTML, section 9.2).
import type { ServerResponse } from 'node:http'
import type { LiveConnection, LiveEncoding } from './connection.ts'

/** How long a client waits before it connects again. */
const RETRY_MS = 2_000

export const eventStreamEncoding: LiveEncoding = {
  frame: ({ sequence, text }, hub) =>
    Buffer.from(`id: ${hub}-${sequence}\nevent: sensor_data\ndata: ${text}\n\n`),
  // Without an id: the last one stays the place to go on from.
  notice: (type, json) => Buffer.from(`event: ${type}\ndata: ${json}\n\n`),
}

/** The sequence to go on after; null: the id is not one of this hub's, and all that is current comes first. */
export function placeOf(lastEventId: string, hub: string, newest: number): number | null {
  const [, sequence] = /^(\d{1,15})$/.exec(lastEventId.slice(hub.length + 1)) ?? []
  if (!lastEventId.startsWith(`${hub}-`) || sequence === undefined) return null
  return Number(sequence) <= newest ? Number(sequence) : null
}

/** Sends the head of the answer. */
export function eventStreamConnection(
  response: ServerResponse,
  headers: Readonly<Record<string, string>>,
): LiveConnection {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    // nginx would gather events before it passes them on.
    'x-accel-buffering': 'no',
    ...headers,
  })
  response.write(`retry: ${RETRY_MS}\n\n`)
  const isOpen = () => response.writable && !response.destroyed
  return {
    kind: 'sse',
    get waitingBytes() {
      return response.writableLength
    },
    write(bytes) {
      if (isOpen()) response.write(bytes)
    },
    ping() {
      if (isOpen()) response.write(': still here\n\n')
    },
    end() {
      response.end()
    },
    destroy() {
      response.destroy()
    },
  }
}
