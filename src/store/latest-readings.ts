// The last reading of every machine. Machines that sent in the last days, which is nearly all of them at nearly all
// times, cost one index look-up each in one or two chunks. The others are looked for piece by piece through the
// history, and what was found is kept for twenty times as long as that took: a park that is silent for months costs
// a twentieth of a core at most, however often it is asked about.
import { readingFields } from '../reading.ts'
import type { LatestReading } from '../latest-reading.ts'
import { Pieces, readChunkStarts, type Piece } from './history.ts'
import type { Pool } from './pool.ts'
import { jsonObject, literal, timestampText } from './reading-text.ts'

const RECENT = "time > now() - interval '2 days'"
/** How much longer than the search took its result is kept. */
const KEPT = 20

type Row = [machineId: string, json: string | null, timestamp: string, receivedAt: string]

export interface LatestReadings {
  /** By machine id; without machines that never sent. */
  read(): Promise<LatestReading[]>
}

export function latestReadings(pool: Pool): LatestReadings {
  const older = new Map<string, LatestReading | null>()
  let keptUntilMs = 0

  async function lookBack(machineIds: readonly string[]): Promise<void> {
    const startMs = performance.now()
    const pieces = new Pieces(await readChunkStarts(pool, null, null), 'desc')
    const missing = new Set(machineIds)
    for (let piece = pieces.next(); piece !== null && missing.size > 0; piece = pieces.next()) {
      for (const found of await readOlder(pool, [...missing], piece)) {
        older.set(found.machineId, found)
        missing.delete(found.machineId)
      }
      pieces.held(false)
    }
    for (const id of missing) older.set(id, null)
    keptUntilMs = Math.max(keptUntilMs, performance.now() + KEPT * (performance.now() - startMs))
  }

  return {
    async read() {
      const rows = await readRecent(pool)
      if (performance.now() > keptUntilMs) older.clear()
      const silent = rows.flatMap(([id, json]) => (json === null && !older.has(id) ? [id] : []))
      if (silent.length > 0) await lookBack(silent)
      return rows.flatMap((row) => readingOf(row) ?? older.get(row[0]) ?? [])
    },
  }
}

function readingOf([machineId, json, timestamp, receivedAt]: Row): LatestReading | null {
  return json === null ? null : { machineId, json, timestamp, receivedAt }
}

/** All machines, by id; those without a recent reading with NULL. */
async function readRecent(pool: Pool): Promise<Row[]> {
  const { rows } = await pool.query<Row>({
    text: `SELECT m.id, r.* FROM machines m LEFT JOIN LATERAL (${lastReading('m.id', RECENT)}) r ON true ORDER BY m.id`,
    rowMode: 'array',
  })
  return rows
}

async function readOlder(
  pool: Pool,
  machineIds: readonly string[],
  { from, to }: Piece,
): Promise<LatestReading[]> {
  const conditions = [
    ...(from === null ? [] : [`time >= ${literal(from)}::timestamptz`]),
    ...(to === null ? [] : [`time < ${literal(to)}::timestamptz`]),
  ]
  const { rows } = await pool.query<Row>({
    text: `SELECT m.id, r.* FROM unnest($1::text[]) AS m(id) CROSS JOIN LATERAL (${lastReading('m.id', ...conditions)}) r`,
    values: [machineIds],
    rowMode: 'array',
  })
  return rows.flatMap((row) => readingOf(row) ?? [])
}

/** In the order of the index: any other costs two hundred times as much. */
function lastReading(machineId: string, ...conditions: readonly string[]): string {
  const received = `concat(',"received_at":"', ${timestampText('received_at')}, '"')`
  const shown = { fields: readingFields, extra: true }
  return `
    SELECT concat(${jsonObject('to_json(machine_id)', shown, received)}), ${timestampText('time')}, ${timestampText('received_at')}
    FROM sensor_data
    WHERE ${[`machine_id = ${machineId}`, ...conditions].join(' AND ')}
    ORDER BY time DESC, message_id DESC, position DESC
    LIMIT 1`
}
