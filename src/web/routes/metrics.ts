// What Prometheus scrapes, and the count of the requests this server answers.
import type { FastifyInstance } from 'fastify'

export interface MetricsPage {
  readonly contentType: string
  exposition(): Promise<string>
  /** `route`: the template of the route that answered; undefined: none did. */
  request(method: string, route: string | undefined, status: number, durationMs: number): void
}

export function metricsRoutes(app: FastifyInstance, metrics: MetricsPage): void {
  app.addHook('onResponse', (request, reply, done) => {
    metrics.request(request.method, request.routeOptions.url, reply.statusCode, reply.elapsedTime)
    done()
  })
  app.get('/metrics', async (_request, reply) => {
    return reply.type(metrics.contentType).send(await metrics.exposition())
  })
}
