// What a failure of the database means for a batch: one table, from SQLSTATE (PostgreSQL, Appendix A).
//
// away:   the database is away, shutting down or out of something. Wait for it; nobody is to blame.
// retry:  the statement failed for a reason of the moment. Give the batch back; a message that fails so
//         alone, again and again, against a database that is well, is refused.
// split:  the batch is too much for one transaction. Write it in parts; what fails alone is refused.
// refuse: a row is what the database will not take. It alone is refused.
// fatal:  neither waiting nor splitting helps; the monitor stops and says why.

export type FailureKind = 'away' | 'retry' | 'split' | 'refuse' | 'fatal'

/** Whole codes come before classes (the first two characters). */
const kinds: Readonly<Record<string, FailureKind>> = {
  '08': 'away', // connection exception
  '0A': 'fatal', // feature not supported
  '22': 'refuse', // data exception
  '23': 'refuse', // integrity constraint violation
  '25006': 'away', // read-only transaction: the primary is being changed over
  '28': 'fatal', // invalid authorization
  '3D': 'fatal', // the database does not exist
  '3F': 'fatal', // the schema does not exist
  '40': 'retry', // transaction rollback: deadlock, serialization failure
  '42': 'fatal', // undefined table or column, insufficient privilege
  '44': 'refuse', // WITH CHECK OPTION violation
  '53': 'away', // insufficient resources: disk full, out of memory, too many connections
  '53400': 'split', // a configured limit, such as tuples decompressed by one insert
  '54': 'split', // program limit exceeded: too complex, row too large
  '55': 'retry', // object not in prerequisite state: lock not available
  '57': 'away', // operator intervention: shutdown, starting up
  '57014': 'retry', // the statement was cancelled: statement_timeout, or an administrator
  '58': 'away', // system error outside the database: input and output
  P0: 'refuse', // raised by a trigger
  XX: 'retry', // internal error
}

const UNIQUE_VIOLATION = '23505'

/** A failure without a SQLSTATE is one of the connection; of an unknown state nobody knows that it lasts. */
export function kindOfFailure(error: unknown): FailureKind {
  const code = sqlstateOf(error)
  if (code === null) return 'away'
  return kinds[code] ?? kinds[code.slice(0, 2)] ?? 'retry'
}

/** COPY knows no ON CONFLICT: some of its rows are there already. */
export function isConflict(error: unknown): boolean {
  return sqlstateOf(error) === UNIQUE_VIOLATION
}

function sqlstateOf(error: unknown): string | null {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : null
}
