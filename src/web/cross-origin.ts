// What pages of other origins may do: read what the API answers, when the configuration names their origin, and
// change nothing. A browser lets any page send a plain POST anywhere and only says whose page it is; a program says
// nothing and may (Fetch standard, "Origin" header).
import type { FastifyInstance } from 'fastify'
import { mayListen } from './live/origins.ts'
import { Problem } from './problems.ts'

const READING = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Refuses what would change something on behalf of a page of another origin, also of one that may read. */
export function refuseOtherOrigins(app: FastifyInstance): void {
  app.addHook('onRequest', async ({ method, headers }) => {
    if (READING.has(method) || mayListen(headers, null)) return
    throw new Problem('forbidden_origin', `Pages of ${headers.origin} may change nothing here.`)
  })
}

/** `allowed`: origins separated by commas; null: none. */
export function answerOtherOrigins(app: FastifyInstance, allowed: string | null): void {
  if (allowed === null) return
  app.addHook('onSend', (request, reply, _payload, done) => {
    const vary = reply.getHeader('vary')
    void reply.header('vary', vary === undefined ? 'origin' : `${String(vary)}, origin`)
    const { origin } = request.headers
    if (origin !== undefined && mayListen(request.headers, allowed)) {
      void reply.header('access-control-allow-origin', origin)
      void reply.header('access-control-expose-headers', 'link, retry-after')
    }
    done()
  })
}
