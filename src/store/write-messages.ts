// Messages into the database, in one transaction: rows, dead letters, machines heard for the first time.
//
// Invariant: all of it is committed, or nothing; only rows that find their place taken by another message
// (insert-once.ts) may follow in statements of their own, which does no harm when it is done again. A row that the database itself refuses costs that row alone:
// the rows are halved with savepoints, inside the transaction, until it stands alone.
import type { DecodedMessage } from '../pipeline-types.ts'
import { readingJson, type Rejection } from '../reading.ts'
import { sentenceOf } from '../errors.ts'
import { copyIn } from './copy-in.ts'
import { CopyRows } from './copy-rows.ts'
import { heardMachines, insertHeardMachines } from './heard-machines.ts'
import type { DeadLetterRow } from './insert-dead-letters.ts'
import { insertDeadLettersOnce, insertReadingsOnce } from './insert-once.ts'
import type { MessageIds } from './message-id.ts'
import { type Connection, inTransaction, type Pool, withConnection } from './pool.ts'
import { byMessage, type ReadingRow } from './reading-columns.ts'
import { isConflict, kindOfFailure } from './sqlstate.ts'

export interface Written {
  /** Rows that were not there before. */
  readonly stored: number
  readonly refused: ReadonlyMap<DecodedMessage, readonly Rejection[]>
}

/** A row, and the message it came with. */
interface SourcedRow extends ReadingRow {
  readonly message: DecodedMessage
}

interface RefusedRow {
  readonly row: SourcedRow
  readonly reason: string
}

export interface MessageWriter {
  /** Writes them in one transaction. Throws what the database says against all of them. */
  write(messages: readonly DecodedMessage[]): Promise<Written>
  /** Makes dead letters of what a message carries; none of its readings is stored. */
  refuse(message: DecodedMessage, reason: string): Promise<Written>
}

/** `copies`: the server takes COPY. */
export function messageWriter(pool: Pool, ids: MessageIds, copies: boolean): MessageWriter {
  const machines = heardMachines()
  const idle: CopyRows[] = []

  /** COPY knows no ON CONFLICT: it is for messages that were never delivered before. */
  const copy = async (messages: readonly DecodedMessage[], others: Others): Promise<Written> => {
    const rows = idle.pop() ?? new CopyRows()
    rows.clear()
    for (const { delivery, readings } of messages) {
      const id = ids.of(delivery.incarnation, delivery.sequence)
      for (const { position, reading } of readings) rows.add(id, position, delivery.receivedAtMs, reading)
    }
    const stored = await inOneTransaction(others, (connection) => copyIn(connection, rows.finish()))
    // Only now: after a failure the driver may still hold the buffer.
    idle.push(rows)
    return { stored, refused: new Map() }
  }

  const insert = async (messages: readonly DecodedMessage[], others: Others): Promise<Written> => {
    const rows = rowsOf(messages)
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
      const stored = await insertSplitting(connection, rows, refusedRows)
      const refused = rejectionsOf(refusedRows)
      const letters = [...refused].flatMap(([message, all]) => lettersOf(message, all))
      await insertOthers(connection, { ...others, letters: [...others.letters, ...letters] })
      return { stored, refused }
    })
  }

  /** One statement is a transaction by itself. */
  const inOneTransaction = <T>(others: Others, work: (connection: Connection) => Promise<T>): Promise<T> =>
    others.letters.length === 0 && others.unheard.length === 0
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

  const lettersOf = (message: DecodedMessage, rejections: readonly Rejection[]): DeadLetterRow[] => {
    if (rejections.length === 0) return []
    const { delivery } = message
    const id = ids.of(delivery.incarnation, delivery.sequence)
    return rejections.map((rejection) => ({ ...rejection, id, delivery }))
  }

  return {
    async write(messages) {
      const letters = messages.flatMap((message) => lettersOf(message, message.rejections))
      const others = { letters, unheard: machines.unheard(messages) }
      const isFresh = messages.every(({ delivery }) => delivery.deliveryCount === 1)
      let written: Written | null = null
      if (copies && isFresh) {
        written = await copy(messages, others).catch((error: unknown) => {
          if (isConflict(error) || kindOfFailure(error) === 'refuse') return null
          throw error
        })
      }
      written ??= await insert(messages, others)
      machines.remember(others.unheard)
      return written
    },

    async refuse(message, reason) {
      const refused = rejectionsOf(rowsOf([message]).map((row) => ({ row, reason })))
      const rejections = [...message.rejections, ...(refused.get(message) ?? [])]
      await inTransaction(pool, (connection) =>
        insertOthers(connection, { letters: lettersOf(message, rejections), unheard: [] }),
      )
      return { stored: 0, refused }
    },
  }
}

interface Others {
  readonly letters: readonly DeadLetterRow[]
  /** Machines that are not in their table yet, sorted: every writer locks them in the same order. */
  readonly unheard: readonly string[]
}

async function insertOthers(connection: Connection, { letters, unheard }: Others): Promise<void> {
  if (letters.length > 0) await insertDeadLettersOnce(connection, letters)
  if (unheard.length > 0) await insertHeardMachines(connection, unheard)
}

function rejectionsOf(rows: readonly RefusedRow[]): Map<DecodedMessage, Rejection[]> {
  const refused = new Map<DecodedMessage, Rejection[]>()
  for (const { row, reason } of rows) {
    const rejection: Rejection = {
      code: 'refused_by_database',
      reason: `the database refused this reading: ${reason}`,
      position: row.position,
      payload: new TextEncoder().encode(readingJson(row.reading)),
      more: 0,
    }
    const others = refused.get(row.message)
    if (others === undefined) refused.set(row.message, [rejection])
    else others.push(rejection)
  }
  return refused
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
      refused.push({ row: only, reason: sentenceOf(error) })
      return 0
    }
  }
  const middle = Math.ceil(rows.length / 2)
  const first = await insertSplitting(connection, rows.slice(0, middle), refused)
  return first + (await insertSplitting(connection, rows.slice(middle), refused))
}
