// Which machines are known to be in the table, so that the hot path asks about each of them once.
import type { DecodedMessage } from '../pipeline-types.ts'
import type { Connection } from './pool.ts'

/** Ids remembered at most; past it all are forgotten and asked about once more. */
const LIMIT = 100_000

export interface HeardMachines {
  /** The messages' machines that are not known yet, sorted: every writer locks them in the same order. */
  unheard(messages: readonly DecodedMessage[]): string[]
  /** To be called once they are committed. */
  remember(ids: readonly string[]): void
}

export function heardMachines(): HeardMachines {
  const heard = new Set<string>()
  return {
    unheard(messages) {
      const found = new Set<string>()
      for (const { readings } of messages) {
        for (const { reading } of readings) if (!heard.has(reading.machine_id)) found.add(reading.machine_id)
      }
      return [...found].sort()
    },
    remember(ids) {
      if (heard.size + ids.length > LIMIT) heard.clear()
      for (const id of ids) heard.add(id)
    },
  }
}

/** Puts machines that readings name into their table; sorted, so that writers wait for each other in one order. */
export async function insertHeardMachines(connection: Connection, ids: readonly string[]): Promise<void> {
  await connection.query(
    'INSERT INTO machines (id, registered) SELECT id, false FROM unnest($1::text[]) AS id ON CONFLICT DO NOTHING',
    [ids],
  )
}
