// A machine's readings in columns, for charts.
import type { FastifyInstance } from 'fastify'
import type { Parameter } from '../parameters.ts'
import { seriesQueryOf } from '../series-query.ts'
import type { Queries } from '../server.ts'

interface Parameters {
  Params: { id: string }
  Querystring: Record<string, Parameter | undefined>
}

export function seriesRoutes(app: FastifyInstance, queries: Pick<Queries, 'series'>): void {
  app.get<Parameters>('/api/v1/machines/:id/series', async (request, reply) => {
    const query = seriesQueryOf(request.params.id, request.query, Date.now())
    return reply.type('application/json; charset=utf-8').send(await queries.series(query))
  })
}
