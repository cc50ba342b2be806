import type { FastifyInstance } from 'fastify'
import { noParameters, type Parameter } from '../parameters.ts'
import type { Queries } from '../server.ts'

/** The last reading of every machine, by the machine's own time, with `received_at`. */
export function latestRoutes(app: FastifyInstance, queries: Queries): void {
  app.get<{ Querystring: Record<string, Parameter | undefined> }>(
    '/api/v1/latest',
    async (request, reply) => {
      noParameters(request.query)
      const readings = await queries.latest()
      const body = readings.length === 0 ? '[]' : `[\n${readings.map(({ json }) => json).join(',\n')}\n]\n`
      return reply.type('application/json; charset=utf-8').send(body)
    },
  )
}
