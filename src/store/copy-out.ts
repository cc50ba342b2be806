// One page of rows out of the database by binary COPY (PostgreSQL documentation, COPY, "Binary Format"): the first
// column is text and leaves as the bytes it came in, no string and no object is made of a row.
import type { Connection as Protocol } from 'pg'
import { timestampOfMicros } from './postgres-time.ts'
import { withConnection, type Pool } from './pool.ts'

/** The page holds more bytes than were allowed; fewer rows may fit. */
export class PageTooLargeError extends Error {
  override readonly name = 'PageTooLargeError'
}

export interface CopiedPage {
  /** The first columns, one after the other. */
  readonly text: Buffer
  readonly rows: number
  /** Of the last row; null when there is none, or no key was asked for. */
  readonly last: { readonly time: string; readonly messageId: string; readonly position: number } | null
}

const HEADER_BYTES = 19
/** Length and value of time, message_id and position. */
const KEY_BYTES = 12 + 12 + 8
const END = -1
/** What most pages need, so that they are not copied while they grow. */
const FIRST_CAPACITY = 896 * 1024

/**
 * `select` gives text, or text, timestamptz, int8 and int4, none of them NULL. Throws PageTooLargeError beyond `maxBytes`; the
 * connection is given up then.
 */
export async function copyPage(pool: Pool, select: string, maxBytes: number): Promise<CopiedPage> {
  const copied = await withConnection(pool, (connection) => {
    const copy = new CopyOut(`COPY (${select}) TO STDOUT (FORMAT binary)`, maxBytes)
    connection.query(copy)
    return copy.done
  })
  return unframed(copied)
}

/** Leaves the texts alone, in place, and reads the last row's key. */
function unframed(data: Buffer): CopiedPage {
  let end = 0
  let rows = 0
  let keyAt = 0
  const keyBytes = data.readInt16BE(HEADER_BYTES) === 1 ? 0 : KEY_BYTES
  for (let at = HEADER_BYTES; data.readInt16BE(at) !== END; rows++) {
    const length = data.readInt32BE(at + 2)
    data.copyWithin(end, at + 6, at + 6 + length)
    end += length
    keyAt = at + 6 + length
    at = keyAt + keyBytes
  }
  if (rows === 0 || keyBytes === 0) return { text: data.subarray(0, end), rows, last: null }
  // Read last: texts are moved towards the front and never over the last key.
  const last = {
    time: timestampOfMicros(data.readBigInt64BE(keyAt + 4)),
    messageId: data.readBigInt64BE(keyAt + 16).toString(),
    position: data.readInt32BE(keyAt + 28),
  }
  return { text: data.subarray(0, end), rows, last }
}

/** What pg calls of a query; it names no type for it. */
class CopyOut {
  /** Set by pg, which ends its time limit by it. */
  callback: ((error?: Error) => void) | undefined
  readonly done: Promise<Buffer>
  readonly #settled = Promise.withResolvers<Buffer>()
  readonly #sql: string
  readonly #maxBytes: number
  #data = Buffer.allocUnsafeSlow(FIRST_CAPACITY)
  #bytes = 0

  constructor(sql: string, maxBytes: number) {
    this.#sql = sql
    this.#maxBytes = maxBytes
    this.done = this.#settled.promise
  }

  submit(protocol: Protocol): void {
    protocol.query(this.#sql)
  }

  handleCopyData({ chunk }: { chunk: Buffer }): void {
    const bytes = this.#bytes + chunk.length
    if (bytes > this.#maxBytes) {
      this.#settled.reject(new PageTooLargeError(`The page is larger than ${this.#maxBytes} bytes.`))
      return
    }
    if (bytes > this.#data.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(bytes, this.#data.length * 2))
      this.#data.copy(larger, 0, 0, this.#bytes)
      this.#data = larger
    }
    chunk.copy(this.#data, this.#bytes) // at once: pg uses its own buffer again
    this.#bytes = bytes
  }

  handleCommandComplete(): void {
    // Nothing is of interest in it.
  }

  handleReadyForQuery(): void {
    this.callback?.()
    this.#settled.resolve(this.#data.subarray(0, this.#bytes))
  }

  handleError(error: Error): void {
    this.callback?.(error)
    this.#settled.reject(error)
  }
}
