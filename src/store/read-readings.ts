// Readings of one machine, oldest first, in pages by key: no transaction is held while a client reads, so
// nothing else waits and memory stays constant, however many there are.
import { readingFields, type Alarm, type Reading, type ReadingValues } from '../reading.ts'
import type { Pool } from './pool.ts'

const PAGE_ROWS = 5_000

export interface ReadingsQuery {
  readonly machineId: string
  /** RFC 3339; both ends belong to the window. Null: open. */
  readonly startTime: string | null
  readonly endTime: string | null
}

const fieldColumns = readingFields.map(({ name, kind }) => (kind === 'alarms' ? `${name}::text` : name))

/** Times leave as text: a JavaScript Date would cut the microseconds off. */
const text = `
  SELECT (time AT TIME ZONE 'UTC')::text, message_id, position, extra::text, ${fieldColumns.join(', ')}
  FROM sensor_data
  WHERE machine_id = $1
    AND time >= $2::timestamptz AND time <= $3::timestamptz
    AND (time, message_id, position) > ($2::timestamptz, $4::int8, $5::int4)
  ORDER BY time, message_id, position
  LIMIT ${PAGE_ROWS}`

type Cell = string | number | null
type Row = [time: string, messageId: string, position: number, extra: string | null, ...fields: Cell[]]

/** Pages of readings; the first page fails before anything was yielded when the database is away. */
export async function* readReadings(
  pool: Pool,
  query: ReadingsQuery,
): AsyncGenerator<Reading[], void, undefined> {
  let afterTime = query.startTime ?? '-infinity'
  let after: [messageId: string, position: number] = ['-1', -1]
  for (;;) {
    const { rows } = await pool.query<Row>({
      name: 'read-readings',
      text,
      rowMode: 'array',
      values: [query.machineId, afterTime, query.endTime ?? 'infinity', ...after],
    })
    const last = rows.at(-1)
    if (last === undefined) return
    yield rows.map((row) => readingOf(query.machineId, row))
    if (rows.length < PAGE_ROWS) return
    afterTime = `${last[0]}Z`
    after = [last[1], last[2]]
  }
}

function readingOf(machineId: string, [time, , , extra, ...cells]: Row): Reading {
  const values: Record<string, Cell | Alarm[]> = {}
  readingFields.forEach(({ name, kind }, i) => {
    const cell = cells[i] ?? null
    if (cell === null) values[name] = null
    else if (kind === 'integer') values[name] = Number(cell)
    else if (kind === 'alarms') values[name] = JSON.parse(String(cell)) as Alarm[]
    else values[name] = cell
  })
  const timestamp = `${time.slice(0, 10)}T${time.slice(11)}Z`
  return { machine_id: machineId, timestamp, ...(values as unknown as ReadingValues), extra }
}
