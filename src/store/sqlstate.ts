// What a failure of the database means for a batch: one table, from SQLSTATE (PostgreSQL, Appendix A).
//
// retry: the database is away or busy, nothing is wrong with the rows. refuse: a row is what it will not
// take; the batch is split until that row stands alone. fatal: neither waiting nor splitting helps.

import type { StoreFailure } from '../observation.ts'

export type FailureKind = 'retry' | 'refuse' | 'fatal'

interface Failure {
  readonly kind: FailureKind
  /** The same in one word, for whoever counts failures. */
  readonly failure: StoreFailure
}

/** Whole codes come before classes (the first two characters). */
const failures: Readonly<Record<string, Failure>> = {
  '08': { kind: 'retry', failure: 'connection' }, // connection exception
  '22': { kind: 'refuse', failure: 'refusal' }, // data exception
  '23': { kind: 'refuse', failure: 'refusal' }, // integrity constraint violation
  '25006': { kind: 'retry', failure: 'shutdown' }, // read-only transaction: the primary is being changed over
  '28': { kind: 'fatal', failure: 'authorization' }, // invalid authorization
  '3D': { kind: 'fatal', failure: 'schema' }, // the database does not exist
  '3F': { kind: 'fatal', failure: 'schema' }, // the schema does not exist
  '40': { kind: 'retry', failure: 'conflict' }, // transaction rollback: deadlock, serialization failure
  '42': { kind: 'fatal', failure: 'schema' }, // undefined table or column, insufficient privilege
  '44': { kind: 'refuse', failure: 'refusal' }, // WITH CHECK OPTION violation
  '53': { kind: 'retry', failure: 'resources' }, // insufficient resources: disk full, out of memory, too many connections
  '53400': { kind: 'refuse', failure: 'refusal' }, // configuration limit, such as tuples decompressed in one insert: splitting cures it
  '54': { kind: 'refuse', failure: 'refusal' }, // program limit exceeded: too complex, row too large
  '55': { kind: 'retry', failure: 'lock' }, // object not in prerequisite state: lock not available
  '57': { kind: 'retry', failure: 'shutdown' }, // operator intervention: shutdown, crash of another session
  '57014': { kind: 'retry', failure: 'timeout' }, // query cancelled: statement timeout
  '58': { kind: 'retry', failure: 'system' }, // system error outside the database: input and output
  '0A': { kind: 'fatal', failure: 'schema' }, // feature not supported
  P0: { kind: 'refuse', failure: 'refusal' }, // raised by a trigger
}

/** A failure without a SQLSTATE is one of the connection; an unknown state is one to wait for. */
export function failureOf(error: unknown): Failure {
  const { code, message } = error as { code?: unknown; message?: unknown }
  if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code)) {
    return failures[code] ?? failures[code.slice(0, 2)] ?? { kind: 'retry', failure: 'other' }
  }
  // The driver's own time limits carry no code: they can be told by their words alone.
  const isTimeout = code === 'ETIMEDOUT' || /time(d )?out/i.test(String(message))
  return { kind: 'retry', failure: isTimeout ? 'timeout' : 'connection' }
}

export function kindOfFailure(error: unknown): FailureKind {
  return failureOf(error).kind
}
