// The usual message, read from its bytes: known names, plain ASCII texts, plain numbers, nothing odd.
//
// Invariant: what it accepts it reads exactly as decode-reading.ts does with JSON.parse; of everything else it
// says null, and the whole decoder decides. It refuses nothing and explains nothing.
//
// Why: parsing into an object and checking that object costs three times as much, and twice the garbage
// (docs/performance.md). Numbers are exact: fifteen digits fit a double, and dividing two exact doubles rounds
// once, as reading the decimal number does (Clinger, "How to read floating point numbers accurately", 1990);
// numbers of more digits are read by the language itself, as JSON.parse does.
import type { PlacedReading } from '../pipeline-types.ts'
import { readingFields, type Alarm, type Reading, type ReadingValues } from '../reading.ts'
import { parseTimestamp } from '../timestamp.ts'
import type { TimeWindow } from './decode-reading.ts'
import { TextPool } from './text-pool.ts'

const QUOTE = 0x22
const COMMA = 0x2c
const MINUS = 0x2d
const DOT = 0x2e
const ZERO = 0x30
const NINE = 0x39
const COLON = 0x3a
const OPEN_ARRAY = 0x5b
const BACKSLASH = 0x5c
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const FIRST_PRINTABLE = 0x20
const LAST_PRINTABLE = 0x7e

const MOST_DIGITS = 15
/** Of longer numbers; what is longer still may be beyond a double. */
const MOST_DIGITS_READ = 40
const MAX_ID_CHARACTERS = 128
const POWERS_OF_TEN = Array.from({ length: MOST_DIGITS + 1 }, (_, exponent) => 10 ** exponent)

const NULL = Buffer.from('null')
/** Every name a usual message may hold: the fields by their place in `readingFields`, then the other two. */
const names = [...readingFields.map((field) => field.name), 'machine_id', 'timestamp'].map((name) =>
  Buffer.from(`${name}"`),
)
const MACHINE_ID = readingFields.length
const kinds = readingFields.map((field) => field.kind)
const places = Object.fromEntries(readingFields.map((field, place) => [field.name, place])) as Readonly<
  Record<keyof ReadingValues, number>
>

/** One for a whole flow: it learns the order of the names, and texts that come again and again. */
export class UsualMessages {
  readonly #texts = new TextPool()
  /** The places of the names, in the order in which the last readings had them. */
  readonly #order: number[] = []
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0
  /** Of the reading being read: which fields it has, and their values. */
  #present = 0
  readonly #numbers = new Float64Array(readingFields.length)
  readonly #strings: string[] = readingFields.map(() => '')
  #machineId: string | null = null
  #timestamp: string | null = null

  /** The readings of a message; null when it is not a usual one, or holds more than `maxReadings`. */
  read(data: Uint8Array, maxReadings: number, window: TimeWindow): PlacedReading[] | null {
    this.#bytes = Buffer.isBuffer(data) ? data : Buffer.from(data.buffer, data.byteOffset, data.length)
    this.#at = 0
    const isArray = this.#accepts(OPEN_ARRAY)
    const first = maxReadings > 0 && this.#scan() ? this.#checked(window) : null
    if (first === null) return null
    // A literal of one: an array that grows takes room for seventeen.
    const readings: PlacedReading[] = [{ position: 0, reading: first }]
    if (isArray && !this.#rest(readings, maxReadings, window)) return null
    this.#skipSpace()
    return this.#at === this.#bytes.length ? readings : null
  }

  /** The other elements of an array, and its end. */
  #rest(readings: PlacedReading[], maxReadings: number, window: TimeWindow): boolean {
    while (this.#accepts(COMMA)) {
      const reading = readings.length < maxReadings && this.#scan() ? this.#checked(window) : null
      if (reading === null) return false
      readings.push({ position: readings.length, reading })
    }
    return this.#accepts(CLOSE_ARRAY)
  }

  /** One object; false where it is odd. */
  #scan(): boolean {
    this.#present = 0
    this.#machineId = null
    this.#timestamp = null
    if (!this.#accepts(OPEN_OBJECT)) return false
    for (let i = 0; i === 0 || this.#accepts(COMMA); i++) {
      const place = this.#name(i)
      if (place < 0 || !this.#accepts(COLON)) return false
      this.#skipSpace()
      if (place < MACHINE_ID ? !this.#field(place) : !this.#identity(place)) return false
    }
    return this.#accepts(CLOSE_OBJECT)
  }

  /** The place of the name that comes; -1 for another name. `i`: which name of the reading it is. */
  #name(i: number): number {
    if (!this.#accepts(QUOTE)) return -1
    const expected = this.#order[i]
    if (expected !== undefined && this.#isName(expected)) return expected
    return this.#learnName(i)
  }

  #learnName(i: number): number {
    const found = names.findIndex((_, place) => this.#isName(place))
    if (found >= 0) this.#order[i] = found
    return found
  }

  /** Whether this name comes, with its closing quote; then it is passed over. */
  #isName(place: number): boolean {
    const name = names[place] as Buffer
    const bytes = this.#bytes
    const start = this.#at
    for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name[i]) return false
    this.#at = start + name.length
    return true
  }

  /** One of the two that every reading has. The last one counts, as everywhere. */
  #identity(place: number): boolean {
    if (place === MACHINE_ID) {
      this.#machineId = this.#text()
      return this.#machineId !== null
    }
    const end = this.#textEnd()
    if (end < 0) return false
    this.#timestamp = this.#bytes.toString('latin1', this.#at + 1, end)
    this.#at = end + 1
    return true
  }

  #field(place: number): boolean {
    if (this.#bytes[this.#at] === NULL[0]) {
      this.#present &= ~(1 << place)
      return this.#acceptsNull()
    }
    this.#present |= 1 << place
    switch (kinds[place]) {
      case 'number':
        return this.#number(place, false)
      case 'integer':
        return this.#number(place, true)
      case 'text': {
        const text = this.#text()
        this.#strings[place] = text ?? ''
        return text !== null
      }
      default: // alarms: usually there is none
        return this.#accepts(OPEN_ARRAY) && this.#accepts(CLOSE_ARRAY)
    }
  }

  #acceptsNull(): boolean {
    for (const byte of NULL) if (this.#bytes[this.#at++] !== byte) return false
    return true
  }

  /** A number without an exponent, as RFC 8259 writes it. */
  #number(place: number, isInteger: boolean): boolean {
    const bytes = this.#bytes
    let at = this.#at
    const isNegative = bytes[at] === MINUS
    if (isNegative) at++
    const start = at
    let digits = 0
    let byte = bytes[at] as number
    for (; byte >= ZERO && byte <= NINE; byte = bytes[++at] as number) digits = digits * 10 + (byte - ZERO)
    let count = at - start
    if (count === 0 || (count > 1 && bytes[start] === ZERO)) return false
    if (byte === DOT) {
      const fraction = ++at
      byte = bytes[at] as number
      for (; byte >= ZERO && byte <= NINE; byte = bytes[++at] as number) digits = digits * 10 + (byte - ZERO)
      const fractionDigits = at - fraction
      count += fractionDigits
      if (isInteger || fractionDigits === 0) return false
      if (count <= MOST_DIGITS) digits /= POWERS_OF_TEN[fractionDigits] as number
    }
    if (count <= MOST_DIGITS) {
      this.#numbers[place] = isNegative ? -digits : digits
    } else {
      // What was computed has seventeen digits as often as not.
      if (isInteger || count > MOST_DIGITS_READ) return false
      this.#numbers[place] = Number(bytes.toString('latin1', this.#at, at))
    }
    // An exponent, or anything else that goes on, is met by whoever expects a comma or the end next.
    this.#at = at
    return true
  }

  /** The text that begins here; null where it is not plain printable ASCII. */
  #text(): string | null {
    const end = this.#textEnd()
    if (end < 0) return null
    const text = this.#texts.get(this.#bytes, this.#at + 1, end)
    this.#at = end + 1
    return text
  }

  /** Where the closing quote stands; -1 where no text begins, or it is not plain, or does not end. */
  #textEnd(): number {
    const bytes = this.#bytes
    if (bytes[this.#at] !== QUOTE) return -1
    for (let at = this.#at + 1; at < bytes.length; at++) {
      const byte = bytes[at] as number
      if (byte === QUOTE) return at
      if (byte === BACKSLASH || byte < FIRST_PRINTABLE || byte > LAST_PRINTABLE) return -1
    }
    return -1
  }

  /** What remains to be checked: the id's length and the time. */
  #checked({ earliestMs, latestMs }: TimeWindow): Reading | null {
    const machine_id = this.#machineId
    if (machine_id === null || machine_id === '' || machine_id === '.' || machine_id === '..') return null
    if (machine_id.length > MAX_ID_CHARACTERS || this.#timestamp === null) return null
    const time = parseTimestamp(this.#timestamp)
    if (!time.ok || time.ms > latestMs || time.ms < earliestMs) return null
    // One literal, so that all readings have one shape.
    return {
      machine_id,
      timestamp: time.text,
      temperature: this.#numberOf(places.temperature),
      spindle_speed: this.#numberOf(places.spindle_speed),
      x_pos_mm: this.#numberOf(places.x_pos_mm),
      y_pos_mm: this.#numberOf(places.y_pos_mm),
      z_pos_mm: this.#numberOf(places.z_pos_mm),
      feed_rate_actual: this.#numberOf(places.feed_rate_actual),
      spindle_load_percent: this.#numberOf(places.spindle_load_percent),
      machine_state: this.#stringOf(places.machine_state),
      active_program_line: this.#numberOf(places.active_program_line),
      total_power_kw: this.#numberOf(places.total_power_kw),
      controller_mode: this.#stringOf(places.controller_mode),
      program: this.#stringOf(places.program),
      emergency_stop: this.#stringOf(places.emergency_stop),
      feed_override_percent: this.#numberOf(places.feed_override_percent),
      part_count: this.#numberOf(places.part_count),
      alarms: this.#has(places.alarms) ? NO_ALARMS : null,
      extra: null,
    }
  }

  #has(place: number): boolean {
    return ((this.#present >> place) & 1) === 1
  }

  #numberOf(place: number): number | null {
    return this.#has(place) ? (this.#numbers[place] as number) : null
  }

  #stringOf(place: number): string | null {
    return this.#has(place) ? (this.#strings[place] as string) : null
  }

  /** Whether this byte comes next, after white space; then it is passed over. */
  #accepts(byte: number): boolean {
    if (this.#bytes[this.#at] !== byte) {
      this.#skipSpace()
      if (this.#bytes[this.#at] !== byte) return false
    }
    this.#at++
    return true
  }

  #skipSpace(): void {
    while (isSpace(this.#bytes[this.#at])) this.#at++
  }
}

const NO_ALARMS: readonly Alarm[] = Object.freeze([])

/** JSON's white space (RFC 8259, section 2). */
function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}
