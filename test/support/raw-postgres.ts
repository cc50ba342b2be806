/*
 * A PostgreSQL client that sends exactly the bytes a test wants, for what well-behaved drivers never do.
 *
 * Invariant: every wait ends, with an answer or with an error that says what had come until then.
 */
import { connect, type Socket } from 'node:net'
import { int32, message, messagesIn } from '../../src/embedded/database/frames.ts'

const LIMIT_MS = 10_000

/** One message of the server: its type and its texts, the zero bytes as `|`. */
export interface Answer {
  readonly type: string
  readonly text: string
}

export interface RawClient {
  readonly socket: Socket
  send(...bytes: Buffer[]): void
  /** The messages up to and with the next one of this type. */
  until(type: string): Promise<Answer[]>
  /** The messages up to the end of the connection. */
  untilEnd(): Promise<Answer[]>
  /** Ends the connection without a word. */
  destroy(): void
}

/** The startup packet. */
export function startupPacket(parameters: Record<string, string>, version = 196_608): Buffer {
  const body = Buffer.from(
    Object.entries(parameters)
      .map(([name, value]) => `${name}\0${value}\0`)
      .join('') + '\0',
  )
  return Buffer.concat([int32(body.length + 8, version), body])
}

/** Connects and says nothing yet. */
export async function connectSilently(url: string): Promise<RawClient> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  let received = Buffer.alloc(0)
  let ended = false
  let look = () => {}
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
    look()
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    ended = true
    look()
  })
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))

  const take = async (enough: () => number | undefined): Promise<Answer[]> => {
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    look = () => {
      const size = enough()
      if (size !== undefined) resolve(size)
      else if (ended) reject(new Error(`The connection ended after ${JSON.stringify(answersIn(received))}`))
    }
    const limit = setTimeout(
      () => reject(new Error(`Nothing more came after ${JSON.stringify(answersIn(received).slice(-20))}`)),
      LIMIT_MS,
    )
    look()
    const size = await promise.finally(() => clearTimeout(limit))
    const answers = answersIn(received.subarray(0, size))
    received = received.subarray(size)
    return answers
  }
  return {
    socket,
    send: (...bytes) => void socket.write(Buffer.concat(bytes)),
    until: (type) => take(() => endOfFirst(received, type)),
    untilEnd: () => take(() => (ended ? received.length : undefined)),
    destroy: () => void socket.destroy(),
  }
}

/** Connects and gives the right password. */
export async function connectRaw(url: string, applicationName = ''): Promise<RawClient> {
  const client = await connectSilently(url)
  client.send(startupPacket({ user: 'postgres', application_name: applicationName }))
  await client.until('R')
  client.send(message('p', new URL(url).password))
  await client.until('Z')
  return client
}

function answersIn(bytes: Buffer): Answer[] {
  return [...messagesIn(bytes)].map(({ type, body }) => ({
    type,
    text: body.toString('latin1').replaceAll('\0', '|'),
  }))
}

function endOfFirst(bytes: Buffer, type: string): number | undefined {
  for (let at = 0; at + 5 <= bytes.length;) {
    const end = at + 1 + bytes.readInt32BE(at + 1)
    if (end > bytes.length) return undefined
    if (String.fromCharCode(bytes[at] ?? 0) === type) return end
    at = end
  }
  return undefined
}
