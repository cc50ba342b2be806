// Pages of other origins may read what the API answers when the configuration names their origin. They may change
// nothing: a browser asks first whether it may send JSON, and that is granted nowhere.
import type { FastifyInstance } from 'fastify'
import { mayListen } from './live/origins.ts'

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
