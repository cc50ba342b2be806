import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import { answerOtherOrigins, refuseOtherOrigins } from '../../src/web/cross-origin.ts'
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

test('pages of other origins change nothing; programs and own pages do', async () => {
  const app = Fastify()
  handleProblems(app)
  refuseOtherOrigins(app)
  answerOtherOrigins(app, 'http://a.example')
  app.post('/', async () => ({}))
  app.get('/', async () => ({}))
  const status = async (method: 'GET' | 'POST', headers: Record<string, string>) =>
    (await app.inject({ url: '/', method, headers })).statusCode
  assert.equal(await status('POST', {}), 200)
  assert.equal(await status('POST', { host: 'here:8081', origin: 'http://here:8081' }), 200)
  for (const origin of ['http://a.example', 'http://evil.example', 'null']) {
    assert.equal(await status('POST', { host: 'here:8081', origin }), 403, origin)
    assert.equal(await status('GET', { host: 'here:8081', origin }), 200, origin)
  }
  await app.close()
})
