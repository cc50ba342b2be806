/*
 * Messages of the PostgreSQL frontend/backend protocol 3.0 as bytes: cut out of a stream, and built.
 * Source: PostgreSQL manual, "Message Formats". Nothing here knows what a message means for a session.
 */

/** The longest message a client may send, in bytes. */
export const MAX_MESSAGE_BYTES = 64 * 1024 * 1024
/** The longest startup packet, in bytes, as in PostgreSQL. */
const MAX_STARTUP_BYTES = 10_000

/** One message: its type (a letter, or '' before the startup is over) and all its bytes. */
export interface Frame {
  readonly type: string
  readonly bytes: Buffer
}

/** What came cannot be a message: the connection has to end. */
export class FrameError extends Error {}

/** Cuts a stream of bytes into messages, copying each byte at most twice however it arrives. */
export class FrameReader {
  #parts: Buffer[] = []
  #size = 0
  #needed = 1

  push(chunk: Buffer): void {
    this.#parts.push(chunk)
    this.#size += chunk.length
  }

  /** The next message if it is complete. `typed` is false until the startup packet has been read. */
  next(typed: boolean): Frame | undefined {
    const header = typed ? 5 : 4
    if (this.#size < Math.max(header, this.#needed)) return undefined
    if (this.#parts.length > 1) this.#parts = [Buffer.concat(this.#parts, this.#size)]
    const buffer = this.#parts[0] ?? Buffer.alloc(0)
    const length = buffer.readInt32BE(header - 4)
    const most = typed ? MAX_MESSAGE_BYTES : MAX_STARTUP_BYTES
    if (length < (typed ? 4 : 8) || length > most)
      throw new FrameError(`A message says it is ${length} bytes long; between 4 and ${most} are allowed.`)
    const total = header - 4 + length
    if (buffer.length < total) {
      this.#needed = total
      return undefined
    }
    this.#needed = 1
    this.#parts = [buffer.subarray(total)]
    this.#size = buffer.length - total
    return { type: typed ? String.fromCharCode(buffer[0] ?? 0) : '', bytes: buffer.subarray(0, total) }
  }
}

/** A text that ends with a zero byte; throws a FrameError when it does not end. */
export function readText(bytes: Buffer, from: number): { text: string; next: number } {
  const end = bytes.indexOf(0, from)
  if (end === -1) throw new FrameError('A message holds a text without an end.')
  return { text: bytes.toString('utf8', from, end), next: end + 1 }
}

/** A message of the given type; texts among its parts get their closing zero byte. */
export function message(type: string, ...parts: (string | Buffer)[]): Buffer {
  const body = Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(`${part}\0`) : part)),
  )
  const head = Buffer.alloc(5)
  head.write(type, 0, 'latin1')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

export function int32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  values.forEach((value, index) => bytes.writeInt32BE(value, index * 4))
  return bytes
}

export const simpleQuery = (sql: string): Buffer => message('Q', sql)
export const closeStatement = (name: string): Buffer => message('C', Buffer.from('S'), name)
/** Fails for want of such a portal: what was begun without a Sync yet is then rolled back by the Sync. */
export const executeNothing = (): Buffer => message('E', 'no such portal', int32(0))
export const sync = (): Buffer => message('S')
export const copyFail = (reason: string): Buffer => message('f', reason)
export const authentication = (kind: 'ok' | 'cleartext password'): Buffer =>
  message('R', int32(kind === 'ok' ? 0 : 3))
export const parameterStatus = (name: string, value: string): Buffer => message('S', name, value)
export const backendKeyData = (pid: number, secret: number): Buffer => message('K', int32(pid, secret))
export const readyForQuery = (status: 'I' | 'T' | 'E'): Buffer => message('Z', Buffer.from(status))

/** What an ErrorResponse says; `code` is an SQLSTATE. */
export interface ErrorFields {
  readonly severity: 'ERROR' | 'FATAL'
  readonly code: string
  readonly message: string
}

export function errorResponse(fields: ErrorFields): Buffer {
  const { severity, code, message: text } = fields
  return message('E', `S${severity}`, `V${severity}`, `C${code}`, `M${text}`, Buffer.from([0]))
}

/** NegotiateProtocolVersion: only 3.0 is spoken, and none of the named options is known. */
export function negotiateProtocolVersion(unknownOptions: readonly string[]): Buffer {
  return message('v', int32(0, unknownOptions.length), ...unknownOptions)
}

/** The transaction status in a ReadyForQuery that ends here, if one does. */
export function statusAtEnd(tail: Buffer): 'I' | 'T' | 'E' | undefined {
  if (tail.length < 6 || tail.toString('latin1', 0, 5) !== 'Z\0\0\0\x05') return undefined
  const status = String.fromCharCode(tail[5] ?? 0)
  return status === 'I' || status === 'T' || status === 'E' ? status : undefined
}

/** Whether the bytes end with a CopyInResponse: the sender waits for data. They may begin in mid-message. */
export function isCopyInResponse(bytes: Buffer): boolean {
  for (let columns = 0; 8 + columns * 2 <= bytes.length; columns += 1) {
    const at = bytes.length - 8 - columns * 2
    if (
      bytes[at] === 0x47 &&
      bytes.readInt32BE(at + 1) === 7 + columns * 2 &&
      bytes.readInt16BE(at + 6) === columns
    )
      return true
  }
  return false
}

/** Every message in the bytes. */
export function* messagesIn(bytes: Buffer): Generator<{ type: string; body: Buffer }> {
  for (let at = 0; at + 5 <= bytes.length;) {
    const end = at + 1 + bytes.readInt32BE(at + 1)
    yield { type: String.fromCharCode(bytes[at] ?? 0), body: bytes.subarray(at + 5, end) }
    at = end
  }
}

/** What the first ErrorResponse among the bytes says, if there is one. */
export function errorText(bytes: Buffer): string | undefined {
  for (const { type, body } of messagesIn(bytes)) {
    if (type !== 'E') continue
    const field = body
      .toString('utf8')
      .split('\0')
      .find((text) => text.startsWith('M'))
    return field?.slice(1) ?? 'unknown error'
  }
  return undefined
}

/** Every DataRow among the bytes, as text. */
export function rowsOf(bytes: Buffer): (string | null)[][] {
  const rows: (string | null)[][] = []
  for (const { type, body } of messagesIn(bytes)) {
    if (type !== 'D') continue
    const row: (string | null)[] = []
    let at = 2
    for (let column = 0; column < body.readInt16BE(0); column += 1) {
      const length = body.readInt32BE(at)
      row.push(length === -1 ? null : body.toString('utf8', at + 4, at + 4 + length))
      at += 4 + Math.max(length, 0)
    }
    rows.push(row)
  }
  return rows
}
