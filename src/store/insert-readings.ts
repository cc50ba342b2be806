// One statement that stores the readings of a whole batch, and stores what is there already not again.
import { readingFields, type FieldKind, type Reading } from '../reading.ts'
import { numberArray, textArray } from './array-literal.ts'

/** A row of sensor_data before it is one. */
export interface ReadingRow {
  readonly messageId: string
  readonly position: number
  /** RFC 3339. */
  readonly receivedAt: string
  readonly reading: Reading
}

const columnTypes: Readonly<Record<FieldKind, string>> = {
  number: 'float8',
  integer: 'int8',
  text: 'text',
  alarms: 'jsonb',
}

const columns = [
  { name: 'machine_id', type: 'text' },
  { name: 'time', type: 'timestamptz' },
  { name: 'message_id', type: 'int8' },
  { name: 'position', type: 'int4' },
  { name: 'received_at', type: 'timestamptz' },
  ...readingFields.map((field) => ({ name: field.name, type: columnTypes[field.kind] })),
  { name: 'extra', type: 'jsonb' },
]

const names = columns.map((column) => column.name).join(', ')
const parameters = columns.map((column, i) => `$${i + 1}::${column.type}[]`).join(', ')

const text = `INSERT INTO sensor_data (${names}) SELECT * FROM unnest(${parameters}) ON CONFLICT DO NOTHING`

/** The statement for these rows; its row count is the number that was not there before. */
export function insertReadings(rows: readonly ReadingRow[]): {
  name: string
  text: string
  values: string[]
} {
  const values = [
    textArray(rows.map((row) => row.reading.machine_id)),
    textArray(rows.map((row) => row.reading.timestamp)),
    numberArray(rows.map((row) => row.messageId)),
    numberArray(rows.map((row) => row.position)),
    textArray(rows.map((row) => row.receivedAt)),
    ...readingFields.map((field) => {
      switch (field.kind) {
        case 'number':
        case 'integer':
          return numberArray(rows.map((row) => row.reading[field.name]))
        case 'text':
          return textArray(rows.map((row) => row.reading[field.name]))
        case 'alarms':
          return textArray(
            rows.map(({ reading: { alarms } }) => (alarms === null ? null : JSON.stringify(alarms))),
          )
      }
    }),
    textArray(rows.map((row) => row.reading.extra)),
  ]
  return { name: 'insert-readings', text, values }
}

/**
 * The order in which rows are written. All writers keep it, so that two of them that write the same rows wait
 * for each other instead of deadlocking.
 */
export function byIdentity(a: ReadingRow, b: ReadingRow): number {
  return (
    compare(a.reading.machine_id, b.reading.machine_id) ||
    compare(a.reading.timestamp, b.reading.timestamp) ||
    compare(a.messageId, b.messageId) ||
    a.position - b.position
  )
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
