// Replays of dead letters: one, as it is or corrected; many, as they are.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Replaying } from '../../replay-dead-letters.ts'
import {
  bulkRequestSchema,
  bulkResultSchema,
  replayRequestSchema,
  replaySchema,
  type BulkReplayRequest,
  type Replay,
  type ReplayRequest,
} from '../dead-letter-contract.ts'
import { deadLetterQuery } from '../dead-letter-query.ts'
import { idOf } from '../parameters.ts'
import { Problem } from '../problems.ts'
import type { Queries } from '../server.ts'

/** A payload of a mebibyte as JSON text: some characters take six bytes there. */
const BODY_LIMIT = 8 * 2 ** 20
const MOST = 1_000

export function replayRoutes(app: FastifyInstance, queries: Queries, replays: Replaying<Replay>): void {
  app.post<{ Params: { id: string }; Body: ReplayRequest }>(
    '/api/v1/dead-letters/:id/replay',
    {
      schema: { body: replayRequestSchema, response: { 202: replaySchema } },
      bodyLimit: BODY_LIMIT,
      preValidation: noBodyIsEmpty,
    },
    async (request, reply) => {
      const id = idOf('id', request.params.id)
      const payload = payloadOf(request.body)
      const done = await replays.one(id, payload, request.body.by ?? null)
      if (done === null) throw await whyNot(queries, id)
      if (done.failure !== null) throw new Problem('unavailable', `${done.failure}.`)
      return reply.code(202).send(done.replay)
    },
  )

  app.post<{ Body: BulkReplayRequest }>(
    '/api/v1/dead-letters/replay',
    {
      schema: { body: bulkRequestSchema, response: { 200: bulkResultSchema, 202: bulkResultSchema } },
      preValidation: noBodyIsEmpty,
    },
    async (request, reply) => {
      const { all, by = null, dry_run: isDryRun = false, ids, sequence, limit, ...texts } = request.body
      const { filter, ...page } = deadLetterQuery(
        { ...texts, ids: ids?.join(','), sequence: textOrNone(sequence), limit: textOrNone(limit) },
        MOST,
      )
      if (all === undefined && Object.keys(filter).length === 0) {
        const detail =
          'Say which dead letters to replay: ids, a filter such as code, or "all": true for every open one.'
        throw new Problem('invalid_parameter', detail, 'all')
      }
      const state = filter.ids === undefined && filter.state === undefined ? ({ state: 'open' } as const) : {}
      const result = await replays.bulk({ filter: { ...filter, ...state }, ...page, by, isDryRun })
      if (result.failure !== null && result.replayed === 0)
        throw new Problem('unavailable', `${result.failure}.`)
      return reply.code(isDryRun ? 200 : 202).send(result)
    },
  )
}

async function noBodyIsEmpty(request: FastifyRequest): Promise<void> {
  request.body ??= {}
}

/** Null: as it is. */
function payloadOf({ payload, payload_encoding: encoding = 'utf8' }: ReplayRequest): Uint8Array | null {
  if (payload === undefined) return null
  if (encoding === 'utf8') {
    if (payload.isWellFormed()) return Buffer.from(payload)
    throw new Problem('invalid_parameter', 'payload holds half of a character.', 'payload')
  }
  if (/^[A-Za-z0-9+/]*={0,2}$/.test(payload) && payload.length % 4 === 0)
    return Buffer.from(payload, 'base64')
  throw new Problem('invalid_parameter', 'payload is not base64, as payload_encoding says it is.', 'payload')
}

async function whyNot(queries: Queries, id: string): Promise<Problem> {
  const letter = await queries.deadLetter(id)
  if (letter === null)
    return new Problem('not_found', `There is no dead letter ${id}; it may have been removed.`)
  if (letter.state === 'stored') {
    return new Problem('already_stored', `Dead letter ${id} was replayed and stored at ${letter.stored_at}.`)
  }
  const detail = `Of dead letter ${id} only the beginning was kept: send the whole message, corrected, as payload.`
  return new Problem('invalid_parameter', detail, 'payload')
}

function textOrNone(value: number | undefined): string | undefined {
  return value === undefined ? undefined : String(value)
}
