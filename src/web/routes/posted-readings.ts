// The way in for what cannot speak NATS: answered when the stream has acknowledged it.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { BodyForm, Posting, PostOutcome, RefusedReading } from '../../posted-readings.ts'
import { postedSchema } from '../posting-contract.ts'
import { noParameters, textOf } from '../parameters.ts'
import { Problem } from '../problems.ts'

const BODY_LIMIT = 8 * 2 ** 20
const SHOWN = 100
/** Requests in hand at once; each may hold a body of the limit. */
const AT_ONCE = 16
const MAX_KEY_CHARACTERS = 200
const FORMS: Readonly<Record<string, BodyForm>> = {
  'application/json': 'json',
  'application/x-ndjson': 'ndjson',
}

export function postedReadingRoutes(app: FastifyInstance, posting: Posting): void {
  const turns = takeTurns(AT_ONCE)

  // A scope of its own: bodies are taken as bytes here, so that every reading keeps its own text.
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    for (const type of Object.keys(FORMS)) {
      scope.addContentTypeParser(type, { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
    }
    scope.addContentTypeParser('*', (_request, _body, done) => {
      const types = Object.keys(FORMS).join(' or ')
      done(new Problem('unsupported_media_type', `Send readings with content-type ${types}.`))
    })
    scope.post<{ Body: Buffer | undefined; Querystring: Record<string, unknown> }>(
      '/api/v1/readings',
      { schema: { response: { 202: postedSchema } }, bodyLimit: BODY_LIMIT, onRequest: turns.enter },
      (request, reply) =>
        turns.work(request, reply, async () => {
          noParameters(request.query)
          const form = formOf(request)
          const outcome = await posting.post(request.body ?? Buffer.alloc(0), form, keyOf(request))
          return reply.code(202).send(answerOf(outcome, form))
        }),
    )
  })
}

function formOf(request: FastifyRequest): BodyForm {
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? ''
  return FORMS[type] ?? 'json'
}

function keyOf(request: FastifyRequest): string | null {
  const key = request.headers['idempotency-key']
  if (key === undefined) return null
  return textOf('Idempotency-Key', key, MAX_KEY_CHARACTERS)
}

/** At most `most` requests in hand: from their first byte until they are answered and no work is left of them. */
function takeTurns(most: number) {
  let inHand = 0
  const working = new WeakSet<FastifyRequest>()
  return {
    enter: async (request: FastifyRequest, reply: FastifyReply) => {
      if (inHand >= most) {
        void reply.header('retry-after', '1')
        throw new Problem('busy', `${most} requests of this kind are in hand; send it again in a second.`)
      }
      inHand++
      reply.raw.once('close', () => {
        if (!working.has(request)) inHand--
      })
    },
    work: async <T>(request: FastifyRequest, reply: FastifyReply, work: () => Promise<T>): Promise<T> => {
      working.add(request)
      try {
        return await work()
      } finally {
        working.delete(request)
        if (reply.raw.closed) inHand--
      }
    },
  }
}

/** Throws a Problem where nothing was accepted, or the stream did not take what was. */
function answerOf(outcome: PostOutcome, form: BodyForm): object {
  if (outcome.kind === 'unreadable') throw new Problem('invalid_parameter', sentence(outcome.reason))
  if (outcome.kind === 'too_many') {
    const detail = `The request holds more than ${outcome.limit} readings; send it in parts.`
    throw new Problem('too_large', detail)
  }
  const { accepted, messages, failure } = outcome
  const refused = {
    refused_total: outcome.refused.length,
    refused: outcome.refused.slice(0, SHOWN).map((one) => shown(one, form)),
  }
  if (failure !== null) {
    const detail = `${sentence(failure)} Of the readings ${accepted} were acknowledged before. With an Idempotency-Key the same request can be sent again within two minutes, and nothing is stored twice.`
    throw new Problem('unavailable', detail, undefined, { accepted, messages, ...refused })
  }
  if (accepted === 0) {
    const detail = `Of ${outcome.refused.length} readings none was accepted; the first: ${outcome.refused[0]?.reason}.`
    throw new Problem('nothing_accepted', detail, undefined, refused)
  }
  return { accepted, messages, ...refused }
}

function shown({ position, code, reason }: RefusedReading, form: BodyForm): object {
  return form === 'json' ? { position, code, reason } : { line: position + 1, code, reason }
}

function sentence(words: string): string {
  return `${words.slice(0, 1).toUpperCase()}${words.slice(1)}${words.endsWith('.') ? '' : '.'}`
}
