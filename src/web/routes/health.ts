// Whether the process lives and whether its servers answer: from what is known already, never queued behind work.
import type { FastifyInstance } from 'fastify'

export interface Readiness {
  readonly ready: boolean
  /** Of each server: whether its last check succeeded, and when one last did (RFC 3339); null: never. */
  readonly checks: Readonly<Record<string, { readonly ok: boolean; readonly last_success: string | null }>>
}

export function healthRoutes(app: FastifyInstance, readiness: () => Readiness): void {
  app.get('/healthz', () => ({ status: 'ok' }))
  app.get('/readyz', (_request, reply) => {
    const { ready, checks } = readiness()
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready', checks })
  })
}
