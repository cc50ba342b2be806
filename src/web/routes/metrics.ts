// What Prometheus scrapes, and the count of the requests this server answers.
import type { FastifyInstance } from 'fastify'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answers go on for as long as the client listens. */
    isLive?: boolean
  }
}

export interface MetricsPage {
  readonly contentType: string
  exposition(): Promise<string>
  /** `route`: the template of the route that answered; undefined: none did. */
  request(method: string, route: string | undefined, status: number, durationMs: number): void
}

export function metricsRoutes(app: FastifyInstance, metrics: MetricsPage): void {
  app.addHook('onResponse', (request, reply, done) => {
    // A live client that has come and gone took no time to be answered.
    const isLive = request.routeOptions.config.isLive === true && reply.statusCode < 400
    if (!isLive)
      metrics.request(request.method, request.routeOptions.url, reply.statusCode, reply.elapsedTime)
    done()
  })
  app.get('/metrics', async (_request, reply) => {
    return reply.type(metrics.contentType).send(await metrics.exposition())
  })
}
