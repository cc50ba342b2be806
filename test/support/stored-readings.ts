// What the store gives back of a machine.
import { readingFields } from '../../src/reading.ts'
import type { ReadingsQuery } from '../../src/readings-query.ts'
import { exportTurns } from '../../src/store/export-turns.ts'
import type { Pool } from '../../src/store/pool.ts'
import { readingPages } from '../../src/store/reading-pages.ts'

/** Everything of one machine, as lines of JSON, but for what is told otherwise. */
export function queryFor(machineId: string, other: Partial<ReadingsQuery> = {}): ReadingsQuery {
  return {
    machineIds: [machineId],
    startTime: null,
    endTime: null,
    order: 'asc',
    shown: { fields: readingFields, extra: true },
    format: 'ndjson',
    after: null,
    ...other,
  }
}

export async function textOf(pool: Pool, query: ReadingsQuery): Promise<string> {
  let text = ''
  for await (const page of readingPages(pool, exportTurns(pool, 2), query)) text += page.text.toString()
  return text
}

export async function storedReadings(pool: Pool, machineId: string): Promise<unknown[]> {
  const lines = (await textOf(pool, queryFor(machineId))).split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line) as unknown)
}
