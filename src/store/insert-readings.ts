// One statement that stores rows and leaves alone what is there already: for messages that were delivered
// before, and for servers that take no COPY.
import { readingFields } from '../reading.ts'
import { numberArray, textArray } from './array-literal.ts'
import { idText } from './message-id.ts'
import { columnNames, columns, timeText, type ReadingRow } from './reading-columns.ts'

const parameters = columns.map((column, i) => `$${i + 1}::${column.type}[]`).join(', ')
const text = `INSERT INTO sensor_data (${columnNames}) SELECT * FROM unnest(${parameters}) ON CONFLICT DO NOTHING`

/** The statement for these rows; its row count is the number that was not there before. */
export function insertReadings(rows: readonly ReadingRow[]): {
  name: string
  text: string
  values: string[]
} {
  const values = [
    textArray(rows.map((row) => row.reading.machine_id)),
    textArray(rows.map((row) => row.reading.timestamp)),
    numberArray(rows.map((row) => idText(row.id))),
    numberArray(rows.map((row) => row.position)),
    textArray(rows.map((row) => timeText(row.receivedAtMs))),
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
