import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import { answerOtherOrigins } from '../../src/web/cross-origin.ts'
import { handleProblems } from '../../src/web/problems.ts'

async function headersFor(allowed: string | null, origin: string | undefined, url = '/'): Promise<unknown[]> {
  const app = Fastify()
  handleProblems(app)
  answerOtherOrigins(app, allowed)
  app.get('/', async (_request, reply) => reply.header('vary', 'accept').send({}))
  const { headers } = await app.inject({ url, ...(origin === undefined ? {} : { headers: { origin } }) })
  await app.close()
  return [headers['access-control-allow-origin'], headers['vary']]
}

test('only pages of the origins that are named may read, errors included', async () => {
  const allowed = 'http://a.example,https://b.example:8443'
  const b = 'https://b.example:8443'
  assert.deepEqual(await headersFor(allowed, b), [b, 'accept, origin'])
  assert.deepEqual(await headersFor(allowed, b, '/nowhere'), [b, 'origin'])
  for (const origin of ['https://b.example', 'http://a.example.evil', 'null', 'http://c.example']) {
    assert.deepEqual(await headersFor(allowed, origin), [undefined, 'accept, origin'], origin)
  }
  assert.deepEqual(await headersFor(allowed, undefined), [undefined, 'accept, origin'])
  assert.deepEqual(await headersFor(null, 'http://a.example'), [undefined, 'accept'])
})
