// Stores what is not there yet, and tells a message that came again from another one that bears its number.
//
// A stream restored from an older state uses sequences again. Both messages are whole and acknowledged, so
// neither may be taken for the other. The time of receipt tells them apart: a message that is delivered again
// keeps it, another one received it later. What finds its place taken by another message goes on under the
// number of the next round, and finds itself there when it is delivered again (docs/decisions/0006).
//
// Invariant: a message is stored in the first round in which its place is free or its own. That does not
// depend on who looks or when, so monitors agree without asking each other. Nothing is looked up unless
// something was there already.
import { numberArray, textArray } from './array-literal.ts'
import { insertDeadLetters, type DeadLetterRow } from './insert-dead-letters.ts'
import { insertReadings } from './insert-readings.ts'
import { idText, inNextRound, type MessageId } from './message-id.ts'
import type { Connection, Pool } from './pool.ts'
import { byMessage, timeText, type ReadingRow } from './reading-columns.ts'

type Client = Pool | Connection

/** Times are stored to the millisecond or finer; a restored stream is away for longer than that. */
const differs = (stored: string, given: string) => `abs(extract(epoch FROM ${stored} - ${given})) > 0.001`

/** Stores the readings; resolves to how many were not there before. */
export async function insertReadingsOnce(client: Client, rows: readonly ReadingRow[]): Promise<number> {
  const stored = (await client.query(insertReadings(rows))).rowCount ?? 0
  if (stored === rows.length) return stored
  const displaced = await renumbered(client, rows, await displacedReadings(client, rows))
  if (displaced.length === 0) return stored
  return stored + (await insertReadingsOnce(client, displaced.toSorted(byMessage)))
}

/** Stores the dead letters; resolves to how many were not there before. */
export async function insertDeadLettersOnce(client: Client, rows: readonly DeadLetterRow[]): Promise<number> {
  const stored = (await client.query(insertDeadLetters(rows))).rowCount ?? 0
  if (stored === rows.length) return stored
  const displaced = await renumbered(client, rows, await displacedDeadLetters(client, rows))
  return displaced.length === 0 ? stored : stored + (await insertDeadLettersOnce(client, displaced))
}

async function renumbered<Row extends { readonly id: MessageId }>(
  client: Client,
  rows: readonly Row[],
  indexes: readonly number[],
): Promise<Row[]> {
  const displaced = indexes.flatMap((index) => rows[index] ?? [])
  const ids = await inNextRound(
    client,
    displaced.map((row) => row.id),
  )
  return displaced.map((row, i) => ({ ...row, id: ids[i] ?? row.id }))
}

/** Indexes of the rows whose place another message has. */
async function displacedReadings(client: Client, rows: readonly ReadingRow[]): Promise<number[]> {
  // The window spares looking into every chunk. Milliseconds are cut off, hence the one more at the end.
  const timesMs = rows.map(({ reading }) => Date.parse(reading.timestamp)).sort((a, b) => a - b)
  const window = [timesMs.at(0) ?? 0, (timesMs.at(-1) ?? 0) + 1].map((ms) => new Date(ms).toISOString())
  return indexesOf(
    client,
    `SELECT given.index FROM
       unnest($1::text[], $2::timestamptz[], $3::int8[], $4::int4[], $5::timestamptz[]) WITH ORDINALITY
         AS given (machine_id, time, message_id, position, received_at, index)
       JOIN sensor_data AS stored USING (machine_id, time, message_id, position)
     WHERE stored.time BETWEEN $6::timestamptz AND $7::timestamptz
       AND ${differs('stored.received_at', 'given.received_at')}`,
    [
      textArray(rows.map(({ reading }) => reading.machine_id)),
      textArray(rows.map(({ reading }) => reading.timestamp)),
      numberArray(rows.map((row) => idText(row.id))),
      numberArray(rows.map((row) => row.position)),
      textArray(rows.map((row) => timeText(row.receivedAtMs))),
      ...window,
    ],
  )
}

async function displacedDeadLetters(client: Client, rows: readonly DeadLetterRow[]): Promise<number[]> {
  return indexesOf(
    client,
    `SELECT given.index FROM
       unnest($1::int8[], $2::int4[], $3::timestamptz[]) WITH ORDINALITY
         AS given (message_id, position, received_at, index)
       JOIN dead_letters AS stored USING (message_id, position)
     WHERE ${differs('stored.received_at', 'given.received_at')}`,
    [
      numberArray(rows.map((row) => idText(row.id))),
      numberArray(rows.map((row) => row.position)),
      textArray(rows.map((row) => timeText(row.delivery.receivedAtMs))),
    ],
  )
}

async function indexesOf(client: Client, text: string, values: string[]): Promise<number[]> {
  const { rows } = await client.query<{ index: string }>(text, values)
  return rows.map(({ index }) => Number(index) - 1)
}
