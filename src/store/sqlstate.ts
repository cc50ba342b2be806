// What a failure of the database means for a batch: one table, from SQLSTATE (PostgreSQL, Appendix A).
//
// retry: the database is away or busy, nothing is wrong with the rows. refuse: a row is what it will not
// take; the batch is split until that row stands alone. fatal: neither waiting nor splitting helps.

export type FailureKind = 'retry' | 'refuse' | 'fatal'

/** Whole codes come before classes (the first two characters). */
const kinds: Readonly<Record<string, FailureKind>> = {
  '08': 'retry', // connection exception
  '22': 'refuse', // data exception
  '23': 'refuse', // integrity constraint violation
  '25006': 'retry', // read-only transaction: the primary is being changed over
  '28': 'fatal', // invalid authorization
  '3D': 'fatal', // the database does not exist
  '3F': 'fatal', // the schema does not exist
  '40': 'retry', // transaction rollback: deadlock, serialization failure
  '42': 'fatal', // undefined table or column, insufficient privilege
  '44': 'refuse', // WITH CHECK OPTION violation
  '53': 'retry', // insufficient resources: disk full, out of memory, too many connections
  '53400': 'refuse', // configuration limit, such as tuples decompressed in one insert: splitting cures it
  '54': 'refuse', // program limit exceeded: too complex, row too large
  '55': 'retry', // object not in prerequisite state: lock not available
  '57': 'retry', // operator intervention: shutdown, statement timeout
  '58': 'retry', // system error outside the database: input and output
  '0A': 'fatal', // feature not supported
  P0: 'refuse', // raised by a trigger
}

/** A failure without a SQLSTATE is one of the connection; an unknown state is one to wait for. */
export function kindOfFailure(error: unknown): FailureKind {
  const code = (error as { code?: unknown }).code
  if (typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code)) return 'retry'
  return kinds[code] ?? kinds[code.slice(0, 2)] ?? 'retry'
}
