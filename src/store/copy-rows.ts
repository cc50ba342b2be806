// Rows of sensor_data in PostgreSQL's binary COPY format (PostgreSQL documentation, COPY, "Binary Format").
//
// Binary, because neither side then turns numbers and times into text and back: that was a quarter of the
// server's work a row (docs/performance.md). The buffer is used again for the next batch.
import { readingFields, type Reading } from '../reading.ts'
import type { MessageId } from './message-id.ts'
import { microsOfMs, microsOfTimestamp } from './postgres-time.ts'
import { columnNames, columns } from './reading-columns.ts'

export const copyText = `COPY sensor_data (${columnNames}) FROM STDIN (FORMAT binary)`

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1')
const HEADER_BYTES = SIGNATURE.length + 8
const ABSENT = -1
const JSONB_VERSION = 1
const TWO_32 = 2 ** 32
/** The count of columns, each one's length and eight bytes, and the trailer: all of a row but its texts. */
const FIXED_BYTES = 2 + columns.length * 12 + 2
/** A UTF-16 unit is three bytes of UTF-8 at most. */
const MOST_BYTES_A_UNIT = 3
/** Up to so many characters a loop is quicker than a call. */
const SHORT_TEXT = 40
const FIRST_CAPACITY = 1 << 20

export class CopyRows {
  #buffer = Buffer.allocUnsafeSlow(FIRST_CAPACITY)
  #view = viewOf(this.#buffer)
  #at = 0

  constructor() {
    this.clear()
  }

  /** Begins anew: what `finish` gave is overwritten from now on. */
  clear(): void {
    SIGNATURE.copy(this.#buffer)
    this.#view.setInt32(SIGNATURE.length, 0) // no flags
    this.#view.setInt32(SIGNATURE.length + 4, 0) // no further header
    this.#at = HEADER_BYTES
  }

  add(id: MessageId, position: number, receivedAtMs: number, reading: Reading): void {
    this.#reserve(FIXED_BYTES)
    this.#view.setInt16(this.#at, columns.length)
    this.#at += 2
    this.#text(reading.machine_id)
    this.#int8(microsOfTimestamp(reading.timestamp))
    const view = this.#view
    const at = this.#at
    view.setInt32(at, 8)
    view.setInt32(at + 4, id.high)
    view.setUint32(at + 8, id.low)
    view.setInt32(at + 12, 4)
    view.setInt32(at + 16, position)
    this.#at = at + 20
    this.#int8(microsOfMs(receivedAtMs))
    for (const field of readingFields) this.#field(field, reading)
    if (reading.extra === null) this.#absent()
    else this.#jsonb(reading.extra)
  }

  /** All that was added; valid until the next `clear`. */
  finish(): Buffer {
    this.#view.setInt16(this.#at, -1)
    return this.#buffer.subarray(0, this.#at + 2)
  }

  #field(field: (typeof readingFields)[number], reading: Reading): void {
    switch (field.kind) {
      case 'number': {
        const value = reading[field.name]
        return value === null ? this.#absent() : this.#float8(value)
      }
      case 'text': {
        const value = reading[field.name]
        return value === null ? this.#absent() : this.#text(value)
      }
      case 'integer': {
        const value = reading[field.name]
        return value === null ? this.#absent() : this.#int8(value)
      }
      case 'alarms': {
        const value = reading[field.name]
        return value === null ? this.#absent() : this.#jsonb(JSON.stringify(value))
      }
    }
  }

  #absent(): void {
    this.#view.setInt32(this.#at, ABSENT)
    this.#at += 4
  }

  #float8(value: number): void {
    this.#view.setInt32(this.#at, 8)
    this.#view.setFloat64(this.#at + 4, value)
    this.#at += 12
  }

  #int8(value: number | bigint): void {
    const view = this.#view
    view.setInt32(this.#at, 8)
    if (typeof value === 'bigint') {
      view.setBigInt64(this.#at + 4, value)
    } else {
      view.setInt32(this.#at + 4, Math.floor(value / TWO_32))
      view.setUint32(this.#at + 8, value >>> 0)
    }
    this.#at += 12
  }

  #jsonb(text: string): void {
    const lengthAt = this.#at
    this.#at += 1 // its place is the last byte of the length, which is written again below
    this.#text(text)
    const length = this.#at - lengthAt - 4
    this.#view.setInt32(lengthAt, length)
    this.#view.setUint8(lengthAt + 4, JSONB_VERSION)
  }

  #text(text: string): void {
    this.#reserve(text.length * MOST_BYTES_A_UNIT + FIXED_BYTES)
    const start = this.#at + 4
    const end = text.length <= SHORT_TEXT ? this.#ascii(text, start) : -1
    this.#at = end >= 0 ? end : start + this.#buffer.write(text, start, 'utf8')
    this.#view.setInt32(start - 4, this.#at - start)
  }

  /** Where the text ends; -1 when it is not all ASCII. */
  #ascii(text: string, start: number): number {
    const buffer = this.#buffer
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code > 0x7f) return -1
      buffer[start + i] = code
    }
    return start + text.length
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#at + bytes))
    this.#buffer.copy(larger, 0, 0, this.#at)
    this.#buffer = larger
    this.#view = viewOf(larger)
  }
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.length)
}
