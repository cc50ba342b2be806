// Messages into the database, in one transaction: rows, dead letters, machines heard for the first time, hours of late readings.
//
// Invariant: all of it is committed, or nothing; only rows that find their place taken by another message
// (insert-once.ts) may follow in statements of their own, which does no harm when it is done again. A row that the
// database itself refuses costs that row alone: the rows are halved with savepoints, inside the transaction, until it
// stands alone.
import type { DecodedMessage, PlacedReading, RefusedReadings } from '../pipeline-types.ts'
import type { Rejection } from '../reading.ts'
import { BatchDraft } from './batch-draft.ts'
import { copyIn } from './copy-in.ts'
import { CopyRows } from './copy-rows.ts'
import { heardMachines, insertHeardMachines } from './heard-machines.ts'
import { deadLetterRow, shortened, type DeadLetterRow } from './insert-dead-letters.ts'
import { insertDeadLettersOnce, insertReadingsOnce } from './insert-once.ts'
import { insertLateHours, type LateBoundary } from './late-readings.ts'
import type { MessageIds } from './message-id.ts'
import { type Connection, inTransaction, type Pool, withConnection } from './pool.ts'
import { byMessage, type ReadingRow } from './reading-columns.ts'
import { refusalBy, refusedReadings, type Refusal, type RefusedReading } from './refused-readings.ts'
import { isConflict, kindOfFailure } from './sqlstate.ts'

export interface Written {
  /** Rows that were not there before. */
  readonly stored: number
  readonly refused: ReadonlyMap<DecodedMessage, RefusedReadings>
}

/** What came of readings of one message: nothing is said of its dead letters yet. */
export interface StoredPart {
  /** Rows that were not there before. */
  readonly stored: number
  readonly refused: readonly RefusedReading[]
}

/** A row, and the message it came with. */
interface SourcedRow extends ReadingRow {
  readonly message: DecodedMessage
}

interface RefusedRow {
  readonly row: SourcedRow
  readonly refusal: Refusal
}

export interface MessageWriter {
  /** Begins one for messages that come one by one; for a single `write`. */
  draft(): BatchDraft
  /**
   * Writes them in one transaction. `draft`: made of the same messages; without it one is made now. Throws what the
   * database says against all of them.
   */
  write(messages: readonly DecodedMessage[], draft?: BatchDraft): Promise<Written>
  /** Stores some readings of a message in one transaction, and no dead letter: `settle` is to follow. Throws as `write`. */
  store(message: DecodedMessage, readings: readonly PlacedReading[]): Promise<StoredPart>
  /**
   * Commits all dead letters of a message whose readings were stored or refused one by one. `why`: what the database
   * said when they were whole; then they are shortened.
   */
  settle(message: DecodedMessage, refused: readonly RefusedReading[], why?: string): Promise<RefusedReadings>
}

export interface WriterOptions {
  /** Whether the server takes COPY. */
  readonly copies: boolean
  readonly late: LateBoundary
  /** Kept of one message; the last one counts the rest. */
  readonly maxDeadLetters: number
}

export function messageWriter(
  pool: Pool,
  ids: MessageIds,
  { copies, late, maxDeadLetters }: WriterOptions,
): MessageWriter {
  const machines = heardMachines()
  const idle: CopyRows[] = []

  const emptyRows = () => {
    const rows = idle.pop() ?? new CopyRows()
    rows.clear()
    return rows
  }

  const draft = () => new BatchDraft(ids, copies ? emptyRows : null)

  const draftOf = (messages: readonly DecodedMessage[], made = draft()): BatchDraft => {
    for (const message of messages) made.add(message)
    return made
  }

  const copy = async (rows: CopyRows, others: Others): Promise<Written> => {
    const stored = await inOneTransaction(others, (connection) => copyIn(connection, rows.finish()))
    // Only now: after a failure the driver may still hold the buffer.
    idle.push(rows)
    return { stored, refused: new Map() }
  }

  const insert = async (
    messages: readonly DecodedMessage[],
    others: Others,
    drafted: readonly ReadingRow[] | null,
  ): Promise<Written> => {
    const rows = drafted?.toSorted(byMessage) ?? rowsOf(messages)
    try {
      const stored = await inOneTransaction(others, async (connection) =>
        rows.length === 0 ? 0 : insertReadingsOnce(connection, rows),
      )
      return { stored, refused: new Map() }
    } catch (error) {
      if (kindOfFailure(error) !== 'refuse') throw error
    }
    return inTransaction(pool, async (connection) => {
      const refusedRows: RefusedRow[] = []
      const stored = await insertSplitting(connection, rowsOf(messages), refusedRows)
      const refused = refusedOf(refusedRows)
      const letters = [...refused].flatMap(([message, { rejections }]) => lettersOf(message, rejections))
      await insertOthers(connection, { ...others, letters: [...others.letters, ...letters] })
      return { stored, refused }
    })
  }

  /** One statement is a transaction by itself. */
  const inOneTransaction = <T>(others: Others, work: (connection: Connection) => Promise<T>): Promise<T> =>
    others.letters.length === 0 && others.unheard.length === 0 && others.late.length === 0
      ? withConnection(pool, work)
      : inTransaction(pool, async (connection) => {
          await insertOthers(connection, others)
          return work(connection)
        })

  const rowsOf = (messages: readonly DecodedMessage[]): SourcedRow[] =>
    messages
      .flatMap((message) => {
        const { delivery } = message
        const id = ids.of(delivery.incarnation, delivery.sequence)
        const { receivedAtMs } = delivery
        return message.readings.map(({ position, reading }) => ({
          message,
          id,
          position,
          receivedAtMs,
          reading,
        }))
      })
      .sort(byMessage)

  const refusedOf = (rows: readonly RefusedRow[]): Map<DecodedMessage, RefusedReadings> => {
    const messages = Map.groupBy(rows, ({ row }) => row.message)
    return new Map(
      [...messages].map(([message, all]) => [
        message,
        refusedReadings(message, all.map(readingOf), maxDeadLetters),
      ]),
    )
  }

  const lettersOf = (message: DecodedMessage, rejections: readonly Rejection[]): DeadLetterRow[] => {
    if (rejections.length === 0) return []
    const { delivery } = message
    const id = ids.of(delivery.incarnation, delivery.sequence)
    return rejections.map((rejection) => deadLetterRow(rejection, id, delivery))
  }

  return {
    draft,

    async write(messages, drafted = draftOf(messages)) {
      const { rows, hours } = drafted
      const letters = messages.flatMap((message) => lettersOf(message, message.rejections))
      const others = { letters, unheard: machines.unheard(drafted.machines), late: hours.late(late) }
      let written: Written | null = null
      if (rows !== null) {
        written = await copy(rows, others).catch((error: unknown) => {
          if (isConflict(error) || kindOfFailure(error) === 'refuse') return null
          throw error
        })
      }
      written ??= await insert(messages, others, drafted.toInsert)
      machines.remember(others.unheard)
      return written
    },

    async store(message, readings) {
      const part = [{ ...message, readings }]
      const { machines: named, hours } = draftOf(part, new BatchDraft(ids, null))
      const unheard = machines.unheard(named)
      const refused: RefusedRow[] = []
      const stored = await inTransaction(pool, async (connection) => {
        await insertOthers(connection, { letters: [], unheard, late: hours.late(late) })
        return insertSplitting(connection, rowsOf(part), refused)
      })
      machines.remember(unheard)
      return { stored, refused: refused.map(readingOf) }
    },

    async settle(message, refused, why) {
      const all = refusedReadings(message, refused, maxDeadLetters)
      const whole = lettersOf(message, [...message.rejections, ...all.rejections])
      const letters = why === undefined ? whole : whole.map((letter) => shortened(letter, why))
      await inTransaction(pool, (connection) => insertOthers(connection, { letters, unheard: [], late: [] }))
      return all
    },
  }
}

interface Others {
  readonly letters: readonly DeadLetterRow[]
  /** Machines that are not in their table yet, sorted: every writer locks them in the same order. */
  readonly unheard: readonly string[]
  /** Hours of late readings. */
  readonly late: readonly string[]
}

async function insertOthers(connection: Connection, { letters, unheard, late }: Others): Promise<void> {
  if (letters.length > 0) await insertDeadLettersOnce(connection, letters)
  if (unheard.length > 0) await insertHeardMachines(connection, unheard)
  if (late.length > 0) await insertLateHours(connection, late)
}

function readingOf({ row: { position, reading }, refusal }: RefusedRow): RefusedReading {
  return { position, reading, ...refusal }
}

/** Inserts what the database takes; halves what it refuses until one row stands alone. */
async function insertSplitting(
  connection: Connection,
  rows: readonly SourcedRow[],
  refused: RefusedRow[],
): Promise<number> {
  if (rows.length === 0) return 0
  await connection.query('SAVEPOINT part')
  try {
    const stored = await insertReadingsOnce(connection, rows)
    await connection.query('RELEASE SAVEPOINT part')
    return stored
  } catch (error) {
    if (kindOfFailure(error) !== 'refuse') throw error
    await connection.query('ROLLBACK TO SAVEPOINT part')
    await connection.query('RELEASE SAVEPOINT part')
    const [only] = rows
    if (rows.length === 1 && only !== undefined) {
      refused.push({ row: only, refusal: refusalBy(error, 'this reading') })
      return 0
    }
  }
  const middle = Math.ceil(rows.length / 2)
  const first = await insertSplitting(connection, rows.slice(0, middle), refused)
  return first + (await insertSplitting(connection, rows.slice(middle), refused))
}
