// Which machines are known to be in the table, so that the hot path asks about each of them once a minute.
//
// Invariant: what is remembered is younger than `FORGET_AFTER_MS`, so that a machine that was deleted and goes on
// sending is in the table again soon, whichever monitor hears it.
import type { Connection } from './pool.ts'

/** Ids remembered at most; past it all are forgotten and asked about once more. */
const LIMIT = 100_000
const FORGET_AFTER_MS = 60_000

export interface HeardMachines {
  /** Those of them that are not known, sorted: every writer locks them in the same order. */
  unheard(ids: ReadonlySet<string>): string[]
  /** To be called once they are committed. */
  remember(ids: readonly string[]): void
}

/** `now`: milliseconds, monotonic. */
export function heardMachines(now: () => number = () => performance.now()): HeardMachines {
  const heard = new Set<string>()
  let emptyAtMs = now()
  const forget = () => {
    heard.clear()
    emptyAtMs = now()
  }
  return {
    unheard(ids) {
      if (now() - emptyAtMs > FORGET_AFTER_MS) forget()
      const found: string[] = []
      for (const id of ids) if (!heard.has(id)) found.push(id)
      return found.sort()
    },
    remember(ids) {
      if (heard.size + ids.length > LIMIT) forget()
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
