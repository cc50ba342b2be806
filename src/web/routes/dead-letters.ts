import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { deadLetterSchema, deadLetterWithReplaysSchema } from '../dead-letter-contract.ts'
import { deadLetterQuery } from '../dead-letter-query.ts'
import { idOf, type Parameter } from '../parameters.ts'
import { Problem } from '../problems.ts'
import type { Queries } from '../server.ts'

const USUAL_LIMIT = 100

export function deadLetterRoutes(app: FastifyInstance, queries: Queries): void {
  app.get<{ Querystring: Record<string, Parameter | undefined> }>(
    '/api/v1/dead-letters',
    { schema: { response: { 200: Type.Array(deadLetterSchema) } } },
    async (request, reply) => {
      const { filter, limit, cursor } = deadLetterQuery(request.query, USUAL_LIMIT)
      const found = await queries.deadLetters(limit + 1, filter, cursor)
      const page = found.slice(0, limit)
      const last = page.at(-1)
      if (found.length > limit && last !== undefined)
        void reply.header('link', nextPage(request.url, last.id))
      return page
    },
  )

  app.get<{ Params: { id: string } }>(
    '/api/v1/dead-letters/:id',
    { schema: { response: { 200: deadLetterWithReplaysSchema } } },
    async (request, reply) => {
      const id = idOf('id', request.params.id)
      const letter = await queries.deadLetter(id)
      if (letter === null)
        throw new Problem('not_found', `There is no dead letter ${id}; it may have been removed.`)
      return reply.send(letter)
    },
  )
}

/** RFC 8288: the same request, from the last one on. */
function nextPage(url: string, lastId: string): string {
  const next = new URL(url, 'http://monitor')
  next.searchParams.set('cursor', lastId)
  return `<${next.pathname}${next.search}>; rel="next"`
}
