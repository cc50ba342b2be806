// Which machines are known to be in the table, so that the hot path asks about each of them once.
import type { PoolClient } from 'pg'
import type { ReadingRow } from './insert-readings.ts'

/** Ids remembered at most; past it all are forgotten and asked about once more. */
const LIMIT = 100_000

export interface HeardMachines {
  /** The rows' machines that are not known yet, sorted: every writer locks them in the same order. */
  unheard(rows: readonly ReadingRow[]): string[]
  /** To be called once they are committed. */
  remember(ids: readonly string[]): void
}

export function heardMachines(): HeardMachines {
  const heard = new Set<string>()
  return {
    unheard(rows) {
      const found = new Set<string>()
      for (const { reading } of rows) if (!heard.has(reading.machine_id)) found.add(reading.machine_id)
      return [...found].sort()
    },
    remember(ids) {
      if (heard.size + ids.length > LIMIT) heard.clear()
      for (const id of ids) heard.add(id)
    },
  }
}

/** Puts machines that readings name into their table; sorted, so that writers wait for each other in one order. */
export async function insertHeardMachines(client: PoolClient, ids: readonly string[]): Promise<void> {
  await client.query(
    'INSERT INTO machines (id, registered) SELECT id, false FROM unnest($1::text[]) AS id ON CONFLICT DO NOTHING',
    [ids],
  )
}
