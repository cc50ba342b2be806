// The identity of a message in the database: one bigint made of the stream's incarnation, numbered in a
// table, and the sequence in the stream. A stream made anew, or a second one, never collides with what is
// stored (docs/decisions/0003); one restored from an older state goes on in a further round (0006).
//
// Invariant: a number is committed before anything is stored under it, or with it; all monitors share it.
import type { PoolClient } from 'pg'
import type { StreamIncarnation } from '../pipeline-types.ts'
import type { Pool } from './pool.ts'

/** 2^46 messages in one incarnation: 22 years at 100,000 a second. 17 bits remain for incarnations. */
const SEQUENCE_BITS = 46n
const SEQUENCE_LIMIT = 2 ** Number(SEQUENCE_BITS)

export interface MessageIds {
  /** Makes the incarnation's number known; asks the database only the first time. */
  prepare(incarnation: StreamIncarnation): Promise<void>
  /** The message's id as decimal text. Throws when its incarnation was not prepared. */
  of(incarnation: StreamIncarnation, sequence: number): string
}

export type Client = Pool | PoolClient

export function messageIds(pool: Pool): MessageIds {
  const bases = new Map<string, bigint>()
  const keyOf = (incarnation: StreamIncarnation) => `${incarnation.stream} ${incarnation.createdAt}`
  return {
    async prepare(incarnation) {
      const key = keyOf(incarnation)
      if (bases.has(key)) return
      const number = await numberOf(pool, incarnation, 1)
      bases.set(key, BigInt(number) << SEQUENCE_BITS)
    },
    of(incarnation, sequence) {
      const base = bases.get(keyOf(incarnation))
      if (base === undefined) throw new Error(`The stream's incarnation ${keyOf(incarnation)} has no number.`)
      if (sequence >= SEQUENCE_LIMIT)
        throw new Error(`The sequence ${sequence} is beyond what an id can hold.`)
      return (base + BigInt(sequence)).toString()
    },
  }
}

/**
 * The ids of the messages that use the same sequences in the next round. `client` is the one that stores them,
 * so that a number never outlives the transaction that first used it; hence nothing is remembered here.
 */
export async function inNextRound(client: Client, messageIds: readonly string[]): Promise<string[]> {
  const bases = new Map<bigint, bigint>()
  for (const id of messageIds) {
    const number = BigInt(id) >> SEQUENCE_BITS
    if (bases.has(number)) continue
    bases.set(number, BigInt(await numberAfter(client, Number(number))) << SEQUENCE_BITS)
  }
  return messageIds.map((text) => {
    const id = BigInt(text)
    const base = bases.get(id >> SEQUENCE_BITS) ?? 0n
    return (base | BigInt.asUintN(Number(SEQUENCE_BITS), id)).toString()
  })
}

interface Round {
  readonly stream: string
  readonly created_at: string
  readonly round: number
}

async function numberAfter(client: Client, number: number): Promise<number> {
  const { rows } = await client.query<Round>(
    'SELECT stream, created_at, round FROM stream_incarnations WHERE id = $1',
    [number],
  )
  const [found] = rows
  if (found === undefined) throw new Error(`The stream's incarnation ${number} is not in the database.`)
  const { stream, created_at: createdAt, round } = found
  return numberOf(client, { stream, createdAt }, round + 1)
}

/** Looks before it inserts: an insert that finds the row there already uses up a number. */
async function numberOf(
  client: Client,
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
