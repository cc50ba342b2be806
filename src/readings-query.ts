// Which readings a client asks for, and where a page of them ends: what the API and the store say to each other.
import type { readingFields } from './reading.ts'

/** In `json` each line begins with a comma and a line feed; the others end theirs. */
export type ReadingsFormat = 'json' | 'ndjson' | 'csv'
export type ReadingsOrder = 'asc' | 'desc'

/** What of a reading is given back beside its machine and its time. */
export interface ShownFields {
  readonly fields: readonly (typeof readingFields)[number][]
  /** The names this program does not know. */
  readonly extra: boolean
}

/** The identity of a row: readings of a machine are in its order. */
export interface ReadingKey {
  readonly machineId: string
  /** RFC 3339 in UTC, to the microsecond. */
  readonly time: string
  /** A 64-bit integer, as text. */
  readonly messageId: string
  readonly position: number
}

export interface ReadingsQuery {
  /** One after the other, by id; null: all machines. */
  readonly machineIds: readonly string[] | null
  /** RFC 3339; both ends belong to the window. Null: open. */
  readonly startTime: string | null
  readonly endTime: string | null
  /** Within a machine. */
  readonly order: ReadingsOrder
  readonly shown: ShownFields
  readonly format: ReadingsFormat
  /** Only what follows this reading. */
  readonly after: ReadingKey | null
}

/** Whole readings, as text in the wanted format. */
export interface ReadingsPage {
  readonly text: Buffer
  readonly readings: number
  readonly last: ReadingKey
}

/** Read as a whole, before anything of it is given. */
export interface LimitedReadings {
  readonly texts: readonly Buffer[]
  /** Null when there are none. */
  readonly last: ReadingKey | null
  /** Whether readings follow the last one. */
  readonly more: boolean
}
