// The columns of sensor_data in the order in which rows are written, whichever way they are.
import { readingFields, type FieldKind, type Reading } from '../reading.ts'
import type { MessageId } from './message-id.ts'

/** A row of sensor_data before it is one. */
export interface ReadingRow {
  readonly id: MessageId
  readonly position: number
  /** When the stream received it: milliseconds since 1970, with a fraction to the microsecond. */
  readonly receivedAtMs: number
  readonly reading: Reading
}

const columnTypes: Readonly<Record<FieldKind, string>> = {
  number: 'float8',
  integer: 'int8',
  text: 'text',
  alarms: 'jsonb',
}

export const columns: readonly { readonly name: string; readonly type: string }[] = [
  { name: 'machine_id', type: 'text' },
  { name: 'time', type: 'timestamptz' },
  { name: 'message_id', type: 'int8' },
  { name: 'position', type: 'int4' },
  { name: 'received_at', type: 'timestamptz' },
  ...readingFields.map((field) => ({ name: field.name, type: columnTypes[field.kind] })),
  { name: 'extra', type: 'jsonb' },
]

export const columnNames = columns.map((column) => column.name).join(', ')

/** A time since 1970 in milliseconds with a fraction, as PostgreSQL reads it: to the microsecond. */
export function timeText(ms: number): string {
  // Rounded, as postgres-time.ts does: a double holds most microseconds a little too small.
  const micros = Math.round(ms * 1_000)
  const wholeMs = Math.floor(micros / 1_000)
  const rest = String(micros - wholeMs * 1_000).padStart(3, '0')
  return `${new Date(wholeMs).toISOString().slice(0, -1)}${rest}Z`
}

/**
 * The order in which rows are written, and in which a stream delivers for the first time. All writers keep it,
 * so that two of them that write the same rows wait for each other instead of deadlocking.
 */
export function byMessage(a: ReadingRow, b: ReadingRow): number {
  return a.id.high - b.id.high || a.id.low - b.id.low || a.position - b.position
}
