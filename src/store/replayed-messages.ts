// Replayed dead letters into the store: a sink around the sink, which the messages of everybody else pass untouched.
//
// Invariant: of one dead letter at most one replay is ever stored, whatever is delivered again, corrected otherwise
// or handled by two monitors at once: its row is locked, and marked in the transaction that stores the readings.
// Rows keep the identity of the message that was refused, so they are its readings and not another message's. A
// replay is stored whole or not at all, and never makes a second dead letter: a refusal is its outcome. What
// nobody asked for is an ordinary message, whatever its header says (docs/decisions/0005).
import { sentenceOf } from '../errors.ts'
import type { DecodedMessage, RefusedReadings, Sink, WriteOutcome } from '../pipeline-types.ts'
import type { ReplayOrigin } from '../replay-origin.ts'
import { isToBeRefused, isWell } from './blame.ts'
import { insertHeardMachines } from './heard-machines.ts'
import { storable } from './insert-dead-letters.ts'
import { insertReadingsOnce } from './insert-once.ts'
import { insertReadings } from './insert-readings.ts'
import { insertLateHours, LateBoundary, ReadingHours } from './late-readings.ts'
import { idOf, idText, messageIds } from './message-id.ts'
import { type Connection, inTransaction, type Pool } from './pool.ts'
import { byMessage, type ReadingRow } from './reading-columns.ts'
import { isArrayText } from './refused-part.ts'
import { refusalBy, type Refusal } from './refused-readings.ts'
import { failureOf, kindOfFailure } from './sqlstate.ts'
import { writeTogether } from './write-together.ts'

/** What a message with an origin turned out to be. */
type Handled =
  | { readonly kind: 'stored'; readonly rows: number }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'ordinary' }

/** The dead letter, locked, and whether this attempt to replay it is on record. */
interface LockedLetter {
  readonly id: string
  readonly in_array: boolean
  readonly is_stored: boolean
  readonly is_requested: boolean
  readonly received_at_ms: number
}

export interface ReplaySinkOptions {
  /** The writers' own. */
  readonly pool: Pool
  /** Asked whether the database is well. */
  readonly ready: Pool
  /** Stores all other messages. */
  readonly sink: Sink
  /** Without it every reading is taken for a late one. */
  readonly late?: LateBoundary
  /** Told of every exception that is this program's own mistake. */
  readonly onMistake: (mistake: unknown) => void
}

export function sinkWithReplays({
  pool,
  ready,
  sink,
  late = new LateBoundary(),
  onMistake,
}: ReplaySinkOptions): Sink {
  const ids = messageIds(pool)
  return {
    available: (signal) => sink.available(signal),

    open() {
      const batch = sink.open()
      return {
        add: (message) => batch.add(message),
        write: (messages) =>
          messages.some(({ delivery }) => delivery.replayOf !== null)
            ? writeWithReplays(messages)
            : batch.write(messages),
      }
    },
  }

  async function writeWithReplays(messages: readonly DecodedMessage[]): Promise<WriteOutcome> {
    const ordinary: DecodedMessage[] = []
    const refused = new Map<DecodedMessage, RefusedReadings>()
    const postponed = new Map<DecodedMessage, string>()
    let stored = 0
    try {
      for (const message of messages) {
        const handled = await handle(message).catch(async (error: unknown) => {
          // What is wrong with one replay costs the others nothing: it is given back alone.
          const kind = kindOfFailure(error)
          if (kind === 'mistake' && (await isWell(ready))) onMistake(error)
          else if (kind !== 'retry' && kind !== 'split') throw error
          postponed.set(message, sentenceOf(error))
          return null
        })
        if (handled === null) continue
        if (handled.kind === 'ordinary') ordinary.push(message)
        if (handled.kind === 'stored') stored += handled.rows
        if (handled.kind === 'refused') refused.set(message, everyReading(message, handled.refusal))
      }
    } catch (error) {
      // What is committed so far stays so: delivered again, it is known to be stored.
      const { kind, failure } = failureOf(error)
      const isFatal = kind === 'fatal' || kind === 'refuse'
      return { kind: isFatal ? 'fatal' : 'retry', reason: sentenceOf(error), failure }
    }
    const outcome = ordinary.length === 0 ? nothing : await writeTogether(sink, ordinary)
    if (outcome.kind !== 'committed') return outcome
    return {
      kind: 'committed',
      stored: outcome.stored + stored,
      refused: new Map([...outcome.refused, ...refused]),
      postponed: new Map([...outcome.postponed, ...postponed]),
    }
  }

  async function handle(message: DecodedMessage): Promise<Handled> {
    const { delivery } = message
    const origin = delivery.replayOf
    if (origin === null) return { kind: 'ordinary' }
    await ids.prepare(delivery.incarnation)
    try {
      return await inTransaction(pool, async (client) => {
        const letter = await lockLetter(client, origin)
        const hours = hoursOf(message).late(late)
        if (hours.length > 0) await insertLateHours(client, hours)
        if (letter !== null) return replay(client, message, origin, letter)
        const own = ids.of(delivery.incarnation, delivery.sequence)
        const mayBeGone = BigInt(origin.messageId) < BigInt(idText(own)) && message.rejections.length === 0
        return mayBeGone
          ? storeRows(client, rowsOf(message, origin, null), insertPlainly)
          : { kind: 'ordinary' }
      })
    } catch (error) {
      const kind = kindOfFailure(error)
      if (kind === 'away' || kind === 'fatal') throw error
      if (kind !== 'refuse' && !(await isToBeRefused(message, ready))) throw error
      if (kind === 'mistake') onMistake(error)
      return refuseOnRecord(origin, refusalBy(error, 'a reading of the replay'))
    }
  }

  /** Looks again, because what failed may have been the look itself; the lock, because another one may store it now. */
  function refuseOnRecord(origin: ReplayOrigin, refusal: Refusal): Promise<Handled> {
    return inTransaction(pool, async (client) => {
      const letter = await lockLetter(client, origin)
      if (letter === null || !letter.is_requested) return { kind: 'ordinary' }
      return letter.is_stored ? storedBefore(client, origin) : refuse(client, origin, refusal)
    })
  }
}

const nothing: WriteOutcome = { kind: 'committed', stored: 0, refused: new Map(), postponed: new Map() }

async function lockLetter(client: Connection, origin: ReplayOrigin): Promise<LockedLetter | null> {
  const { rows } = await client.query<LockedLetter>(
    `SELECT d.id, d.in_array, d.stored_at IS NOT NULL AS is_stored, r.id IS NOT NULL AS is_requested,
       (extract(epoch FROM d.received_at) * 1000)::float8 AS received_at_ms
     FROM dead_letters d LEFT JOIN dead_letter_replays r ON r.dead_letter_id = d.id AND r.id = $3
     WHERE d.message_id = $1 AND d.position = $2
     FOR NO KEY UPDATE OF d`,
    [origin.messageId, origin.position, origin.replayId],
  )
  return rows[0] ?? null
}

async function replay(
  client: Connection,
  message: DecodedMessage,
  origin: ReplayOrigin,
  letter: LockedLetter,
): Promise<Handled> {
  if (!letter.is_requested) return { kind: 'ordinary' }
  if (letter.is_stored) return storedBefore(client, origin)
  const refusal = refusalOf(message, letter)
  if (refusal !== null) return refuse(client, origin, refusal)
  const stored = await storeRows(client, rowsOf(message, origin, letter), insertReadingsOnce)
  await client.query('UPDATE dead_letters SET stored_at = now() WHERE id = $1', [letter.id])
  await settle(client, origin, 'stored', null)
  return stored
}

/** Null when all of it may be stored. */
function refusalOf({ delivery, readings, rejections }: DecodedMessage, letter: LockedLetter): Refusal | null {
  if (letter.in_array && isArrayText(delivery.data)) {
    const reason = 'the dead letter is one reading of an array: what replaces it must be one JSON object'
    return { code: 'wrong_root', reason }
  }
  const [first] = rejections
  if (first === undefined) return null
  const others = readings.length === 0 ? '' : '; nothing of the replay is stored, its good readings neither'
  return { code: first.code, reason: `${first.reason}${others}` }
}

/** An element goes alone and keeps its place; a whole message's readings are counted anew. */
function hoursOf({ readings }: DecodedMessage): ReadingHours {
  const hours = new ReadingHours()
  for (const { reading } of readings) hours.add(reading.timestamp)
  return hours
}

function rowsOf(message: DecodedMessage, origin: ReplayOrigin, letter: LockedLetter | null): ReadingRow[] {
  const { delivery } = message
  const isElement = letter?.in_array ?? !isArrayText(delivery.data)
  return message.readings
    .map(({ position, reading }) => ({
      id: idOf(origin.messageId),
      position: isElement ? origin.position : position,
      receivedAtMs: letter?.received_at_ms ?? delivery.receivedAtMs,
      reading,
    }))
    .sort(byMessage)
}

/** Where the dead letter is gone the time of receipt is the replay's own, and tells nothing apart. */
async function insertPlainly(client: Connection, rows: readonly ReadingRow[]): Promise<number> {
  return (await client.query(insertReadings(rows))).rowCount ?? 0
}

async function storeRows(
  client: Connection,
  rows: readonly ReadingRow[],
  insert: typeof insertPlainly,
): Promise<Handled> {
  await insertHeardMachines(client, [...new Set(rows.map(({ reading }) => reading.machine_id))].sort())
  return { kind: 'stored', rows: await insert(client, rows) }
}

async function storedBefore(client: Connection, origin: ReplayOrigin): Promise<Handled> {
  await settle(client, origin, 'stored', { code: 'already_stored', reason: 'another replay had stored it' })
  return { kind: 'stored', rows: 0 }
}

async function refuse(client: Connection, origin: ReplayOrigin, refusal: Refusal): Promise<Handled> {
  await settle(client, origin, 'refused', refusal)
  return { kind: 'refused', refusal }
}

/** The outcome of the attempt; a final one stays, also when its message is delivered again. */
async function settle(
  client: Connection,
  { replayId }: ReplayOrigin,
  outcome: 'stored' | 'refused',
  why: { readonly code: string; readonly reason: string } | null,
): Promise<void> {
  await client.query(
    `UPDATE dead_letter_replays SET outcome = $2, outcome_code = $3, outcome_reason = $4, settled_at = now()
     WHERE id = $1 AND outcome IN ('pending', 'failed')`,
    [replayId, outcome, why?.code ?? null, why === null ? null : storable(why.reason)],
  )
}

/** As an answer to the message: none of its readings was taken. */
function everyReading({ delivery, readings }: DecodedMessage, refusal: Refusal): RefusedReadings {
  const positions = readings.map(({ position }) => position)
  const [position] = positions
  const rejections =
    position === undefined
      ? []
      : [{ ...refusal, position, payload: delivery.data, more: positions.length - 1 }]
  return { rejections, positions: new Set(positions) }
}
