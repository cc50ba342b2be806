// The sink: a batch into the database in one transaction, and what came of it as a value.
//
// Invariant: rows and dead letters of a batch are committed together or not at all. A row that the database
// itself refuses costs that row alone: the batch is split until it stands alone, inside the transaction.
import type { PoolClient } from 'pg'
import type { DecodedMessage, Sink, WriteOutcome } from '../pipeline-types.ts'
import type { Rejection } from '../reading.ts'
import { readingJson } from '../reading.ts'
import { sentenceOf } from '../errors.ts'
import { waitFor } from '../lifecycle.ts'
import { insertDeadLetters, type DeadLetterRow } from './insert-dead-letters.ts'
import { byIdentity, insertReadings, type ReadingRow } from './insert-readings.ts'
import { heardMachines } from './heard-machines.ts'
import { messageIds } from './message-id.ts'
import { inTransaction, type Pool } from './pool.ts'
import { failureOf, kindOfFailure } from './sqlstate.ts'

/** A row, and the message it came with. */
interface SourcedRow extends ReadingRow {
  readonly message: DecodedMessage
}

interface RefusedRow {
  readonly row: SourcedRow
  readonly reason: string
}

/** `pool` is the writers' own: a batch never waits for a query of the API. `ready` answers `available`. */
export function timescaleSink(pool: Pool, ready: Pool): Sink {
  const ids = messageIds(pool)
  const machines = heardMachines()

  const rowsOf = (batch: readonly DecodedMessage[]): SourcedRow[] =>
    batch
      .flatMap((message) => {
        const { delivery } = message
        const messageId = ids.of(delivery.incarnation, delivery.sequence)
        const receivedAt = new Date(delivery.receivedAtMs).toISOString()
        return message.readings.map(({ position, reading }) => ({
          message,
          messageId,
          position,
          receivedAt,
          reading,
        }))
      })
      .sort(byIdentity)

  const deadLetter = (message: DecodedMessage, rejection: Rejection): DeadLetterRow => ({
    ...rejection,
    messageId: ids.of(message.delivery.incarnation, message.delivery.sequence),
    delivery: message.delivery,
  })

  return {
    async write(batch): Promise<WriteOutcome> {
      try {
        for (const incarnation of new Set(batch.map((message) => message.delivery.incarnation))) {
          await ids.prepare(incarnation)
        }
        const rows = rowsOf(batch)
        const letters = batch.flatMap((message) => message.rejections.map((one) => deadLetter(message, one)))
        const unheard = machines.unheard(rows)
        const outcome = await store(rows, letters, unheard)
        machines.remember(unheard)
        return outcome
      } catch (error) {
        const { kind, failure } = failureOf(error)
        // A refusal that splitting did not cure concerns no row: the same words for ever would block all.
        return { kind: kind === 'retry' ? 'retry' : 'fatal', reason: sentenceOf(error), failure }
      }
    },

    available: async (signal) => {
      await waitFor('the database', () => ready.query('SELECT 1'), { timeoutMs: Infinity, signal })
    },
  }

  async function store(
    rows: readonly SourcedRow[],
    letters: readonly DeadLetterRow[],
    unheard: readonly string[],
  ): Promise<WriteOutcome> {
    try {
      if (letters.length === 0 && unheard.length === 0) {
        const { rowCount } = await pool.query(insertReadings(rows))
        return { kind: 'committed', stored: rowCount ?? 0, refused: new Map() }
      }
      const stored = await inTransaction(pool, async (client) => {
        await insertOthers(client, letters, unheard)
        return rows.length === 0 ? 0 : ((await client.query(insertReadings(rows))).rowCount ?? 0)
      })
      return { kind: 'committed', stored, refused: new Map() }
    } catch (error) {
      if (kindOfFailure(error) !== 'refuse') throw error
    }
    return storeSplitting(rows, letters, unheard)
  }

  function storeSplitting(
    rows: readonly SourcedRow[],
    letters: readonly DeadLetterRow[],
    unheard: readonly string[],
  ): Promise<WriteOutcome> {
    return inTransaction(pool, async (client) => {
      const refusedRows: RefusedRow[] = []
      const stored = await insertSplitting(client, rows, refusedRows)
      const refused = new Map<DecodedMessage, Rejection[]>()
      for (const { row, reason } of refusedRows) {
        const rejection: Rejection = {
          code: 'refused_by_database',
          reason: `the database refused this reading: ${reason}`,
          position: row.position,
          payload: new TextEncoder().encode(readingJson(row.reading)),
          more: 0,
        }
        refused.set(row.message, [...(refused.get(row.message) ?? []), rejection])
      }
      const refusedLetters = [...refused].flatMap(([message, all]) =>
        all.map((one) => deadLetter(message, one)),
      )
      await insertOthers(client, [...letters, ...refusedLetters], unheard)
      return { kind: 'committed', stored, refused }
    })
  }
}

async function insertOthers(
  client: PoolClient,
  letters: readonly DeadLetterRow[],
  unheard: readonly string[],
): Promise<void> {
  if (letters.length > 0) await client.query(insertDeadLetters(letters))
  if (unheard.length > 0) {
    await client.query(
      'INSERT INTO machines (id, registered) SELECT id, false FROM unnest($1::text[]) AS id ON CONFLICT DO NOTHING',
      [unheard],
    )
  }
}

/** Inserts what the database takes; halves what it refuses until one row stands alone. */
async function insertSplitting(
  client: PoolClient,
  rows: readonly SourcedRow[],
  refused: RefusedRow[],
): Promise<number> {
  if (rows.length === 0) return 0
  await client.query('SAVEPOINT part')
  try {
    const { rowCount } = await client.query(insertReadings(rows))
    await client.query('RELEASE SAVEPOINT part')
    return rowCount ?? 0
  } catch (error) {
    if (kindOfFailure(error) !== 'refuse') throw error
    await client.query('ROLLBACK TO SAVEPOINT part')
    await client.query('RELEASE SAVEPOINT part')
    const [only] = rows
    if (rows.length === 1 && only !== undefined) {
      refused.push({ row: only, reason: sentenceOf(error) })
      return 0
    }
  }
  const middle = Math.ceil(rows.length / 2)
  const first = await insertSplitting(client, rows.slice(0, middle), refused)
  return first + (await insertSplitting(client, rows.slice(middle), refused))
}
