import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { deadLetterSchema } from '../contract.ts'
import type { Queries } from '../server.ts'

const LIMIT = 1_000

export function deadLetterRoutes(app: FastifyInstance, queries: Queries): void {
  app.get('/api/v1/dead-letters', { schema: { response: { 200: Type.Array(deadLetterSchema) } } }, () =>
    queries.deadLetters(LIMIT),
  )
}
