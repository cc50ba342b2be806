// What a failure to write means for a batch: one table, from SQLSTATE (PostgreSQL, Appendix A), from the codes of
// Node, and from the words of the driver where it gives no code.
//
// away:   the database is away, shutting down or out of something. Wait for it; nobody is to blame.
// retry:  the statement failed for a reason of the moment. Give the batch back; a message that fails so
//         alone, again and again, against a database that is well, is refused.
// split:  the batch is too much for one transaction. Write it in parts; what fails alone is refused.
// refuse: a row is what the database will not take. It alone is refused.
// fatal:  neither waiting nor splitting helps; the monitor stops and says why.
// mistake: none of these: an exception of this program. It is no outage: the message it happens with is found,
//         and refused as one that fails again and again.
//
// An outage in words that are not known here would look like a mistake; so a mistake is believed only while the
// database answers (blame.ts).
import pg from 'pg'
import type { StoreFailure } from '../observation.ts'

export type FailureKind = 'away' | 'retry' | 'split' | 'refuse' | 'fatal' | 'mistake'

interface Failure {
  readonly kind: FailureKind
  /** The same in one word, for whoever counts failures. */
  readonly failure: StoreFailure
}

/** Whole codes come before classes (the first two characters). */
const failures: Readonly<Record<string, Failure>> = {
  '08': { kind: 'away', failure: 'connection' }, // connection exception
  '0A': { kind: 'fatal', failure: 'schema' }, // feature not supported
  '22': { kind: 'refuse', failure: 'refusal' }, // data exception
  '23': { kind: 'refuse', failure: 'refusal' }, // integrity constraint violation
  '25006': { kind: 'away', failure: 'shutdown' }, // read-only transaction: the primary is being changed over
  '28': { kind: 'fatal', failure: 'authorization' }, // invalid authorization
  '3D': { kind: 'fatal', failure: 'schema' }, // the database does not exist
  '3F': { kind: 'fatal', failure: 'schema' }, // the schema does not exist
  '40': { kind: 'retry', failure: 'conflict' }, // transaction rollback: deadlock, serialization failure
  '42': { kind: 'fatal', failure: 'schema' }, // undefined table or column, insufficient privilege
  '44': { kind: 'refuse', failure: 'refusal' }, // WITH CHECK OPTION violation
  '53': { kind: 'away', failure: 'resources' }, // insufficient resources: disk full, out of memory, too many connections
  '53400': { kind: 'split', failure: 'limit' }, // a configured limit, such as tuples decompressed by one insert
  '54': { kind: 'split', failure: 'limit' }, // program limit exceeded: too complex, row too large
  '55': { kind: 'retry', failure: 'lock' }, // object not in prerequisite state: lock not available
  '57': { kind: 'away', failure: 'shutdown' }, // operator intervention: shutdown, starting up
  '57014': { kind: 'retry', failure: 'timeout' }, // the statement was cancelled: statement_timeout, or an administrator
  '58': { kind: 'away', failure: 'system' }, // system error outside the database: input and output
  P0: { kind: 'refuse', failure: 'refusal' }, // raised by a trigger
  XX: { kind: 'retry', failure: 'internal' }, // internal error
}

const UNIQUE_VIOLATION = '23505'

/** Node's own exceptions have codes as well, but these are of sockets and TLS. */
const CONNECTION_CODES = /^(?!ERR_)|^ERR_(?:STREAM|SOCKET|SSL|TLS)_/

/** What pg's client and pool say without a code. */
const TIMEOUT_WORDS =
  /^Query read timeout$|^timeout expired$|^timeout exceeded when|due to connection timeout$/
const CONNECTION_WORDS =
  /^Connection terminated|is not queryable$|^The server does not support SSL|establishing an SSL connection$|^SASL: |^Received unexpected \w+ message|^Cannot use a pool after calling end/

/** Of an unknown SQLSTATE nobody knows that it lasts. */
export function failureOf(error: unknown): Failure {
  const state = sqlstateOf(error)
  if (state !== null) {
    return failures[state] ?? failures[state.slice(0, 2)] ?? { kind: 'retry', failure: 'other' }
  }
  const { code, message } = Object(error) as { code?: unknown; message?: unknown }
  const said = String(message)
  if (code === 'ETIMEDOUT' || TIMEOUT_WORDS.test(said)) return { kind: 'away', failure: 'timeout' }
  const isOfConnection =
    (typeof code === 'string' && CONNECTION_CODES.test(code)) || CONNECTION_WORDS.test(said)
  return isOfConnection ? { kind: 'away', failure: 'connection' } : { kind: 'mistake', failure: 'mistake' }
}

export function kindOfFailure(error: unknown): FailureKind {
  return failureOf(error).kind
}

/** COPY knows no ON CONFLICT: some of its rows are there already. */
export function isConflict(error: unknown): boolean {
  return sqlstateOf(error) === UNIQUE_VIOLATION
}

/** Null where the failure is not the server's word. */
export function sqlstateOf(error: unknown): string | null {
  // Not by its form: Node's EPIPE looks like one.
  return error instanceof pg.DatabaseError ? (error.code ?? null) : null
}
