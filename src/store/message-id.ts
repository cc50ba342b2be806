// The identity of a message in the database: one bigint made of the stream's incarnation, numbered in a
// table, and the sequence in the stream. A stream made anew, or a second one, never collides with what is
// stored (docs/decisions/0003); one restored from an older state goes on in a further round (0006).
//
// Invariant: a number is committed before anything is stored under it, or with it; all monitors share it.
import type { StreamIncarnation } from '../pipeline-types.ts'
import type { Connection, Pool } from './pool.ts'

/** 2^46 messages in one incarnation: 22 years at 100,000 a second. 17 bits remain for incarnations. */
const SEQUENCE_BITS = 46
const SEQUENCE_LIMIT = 2 ** SEQUENCE_BITS
/** What the sequence's share of the upper half counts to. */
const SEQUENCE_HIGH = 2 ** (SEQUENCE_BITS - 32)

/** A message's id, in the two halves in which it is sent: the hot path makes no bigint a message. */
export interface MessageId {
  /** The upper 32 bits, signed. */
  readonly high: number
  /** The lower 32 bits, unsigned. */
  readonly low: number
}

export interface MessageIds {
  /** Makes the incarnation's number known; asks the database only the first time. */
  prepare(incarnation: StreamIncarnation): Promise<void>
  /** Throws when the incarnation was not prepared, or the sequence is beyond what an id holds. */
  of(incarnation: StreamIncarnation, sequence: number): MessageId
}

export function messageIds(pool: Pool): MessageIds {
  const numbers = new Map<string, number>()
  // A flow hands out one and the same object with all its deliveries.
  let last: { readonly incarnation: StreamIncarnation; readonly number: number } | null = null
  const keyOf = (incarnation: StreamIncarnation) => `${incarnation.stream} ${incarnation.createdAt}`
  const numberOf = (incarnation: StreamIncarnation): number => {
    if (last?.incarnation === incarnation) return last.number
    const number = numbers.get(keyOf(incarnation))
    if (number === undefined) throw new Error(`The stream's incarnation ${keyOf(incarnation)} has no number.`)
    last = { incarnation, number }
    return number
  }
  return {
    async prepare(incarnation) {
      const key = keyOf(incarnation)
      if (numbers.has(key)) return
      numbers.set(key, await findOrMakeNumber(pool, incarnation, 1))
    },
    of(incarnation, sequence) {
      if (sequence >= SEQUENCE_LIMIT) {
        throw new Error(`The sequence ${sequence} is beyond what an id can hold.`)
      }
      const number = numberOf(incarnation)
      return {
        high: number * 2 ** (SEQUENCE_BITS - 32) + Math.floor(sequence / 2 ** 32),
        low: sequence >>> 0,
      }
    },
  }
}

/** Of the id as decimal text. */
export function idOf(text: string): MessageId {
  const id = BigInt(text)
  return { high: Number(id >> 32n), low: Number(id & 0xffff_ffffn) }
}

/** The id as decimal text. */
export function idText({ high, low }: MessageId): string {
  return ((BigInt(high) << 32n) + BigInt(low)).toString()
}

/**
 * The ids of the messages that use the same sequences in the next round. `client` is the one that stores them,
 * so that a number never outlives the transaction that first used it; hence nothing is remembered here.
 */
export async function inNextRound(
  client: Pool | Connection,
  ids: readonly MessageId[],
): Promise<MessageId[]> {
  const next = new Map<number, number>()
  for (const id of ids) {
    const number = incarnationOf(id)
    if (!next.has(number)) next.set(number, await numberAfter(client, number))
  }
  return ids.map((id) => ({
    high: (next.get(incarnationOf(id)) ?? 0) * SEQUENCE_HIGH + (id.high % SEQUENCE_HIGH),
    low: id.low,
  }))
}

function incarnationOf({ high }: MessageId): number {
  return Math.floor(high / SEQUENCE_HIGH)
}

interface Round {
  readonly stream: string
  readonly created_at: string
  readonly round: number
}

async function numberAfter(client: Pool | Connection, number: number): Promise<number> {
  const { rows } = await client.query<Round>(
    'SELECT stream, created_at, round FROM stream_incarnations WHERE id = $1',
    [number],
  )
  const [found] = rows
  if (found === undefined) throw new Error(`The stream's incarnation ${number} is not in the database.`)
  const { stream, created_at: createdAt, round } = found
  return findOrMakeNumber(client, { stream, createdAt }, round + 1)
}

/** Looks before it inserts: an insert that finds the row there already uses up a number. */
async function findOrMakeNumber(
  client: Pool | Connection,
  { stream, createdAt }: StreamIncarnation,
  round: number,
): Promise<number> {
  const values = [stream, createdAt, round]
  const find = async () => {
    const { rows } = await client.query<{ id: number }>(
      'SELECT id FROM stream_incarnations WHERE stream = $1 AND created_at = $2 AND round = $3',
      values,
    )
    return rows[0]?.id
  }
  const found = await find()
  if (found !== undefined) return found
  await client.query(
    'INSERT INTO stream_incarnations (stream, created_at, round) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
    values,
  )
  const made = await find()
  if (made === undefined)
    throw new Error(`The stream's incarnation ${stream} ${createdAt} could not be numbered.`)
  return made
}
