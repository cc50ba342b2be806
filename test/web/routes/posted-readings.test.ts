// Readings in over HTTP: real nats-server, real TimescaleDB, the program itself.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { type TestMonitor, until, withMonitor } from '../../support/monitor.ts'

interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
}

async function post(
  monitor: TestMonitor,
  body: string | Uint8Array<ArrayBuffer> | null,
  headers: Record<string, string> = {},
  query = '',
): Promise<Answer> {
  const response = await fetch(`${monitor.endpoints.http}/api/v1/readings${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

/** A body of so many bytes is announced and never sent: the answer comes before it. */
async function announce(monitor: TestMonitor, bytes: number): Promise<Answer> {
  const sent = request(`${monitor.endpoints.http}/api/v1/readings`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-length': bytes },
  })
  sent.flushHeaders()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  const body = JSON.parse(Buffer.concat(await response.toArray()).toString()) as Answer['body']
  sent.destroy()
  return { status: response.statusCode ?? 0, body }
}

const ndjson = { 'content-type': 'application/x-ndjson' }
const now = () => new Date().toISOString()
const line = (machine: string, further = '') =>
  `{"machine_id":"${machine}","timestamp":"${now()}"${further === '' ? '' : `,${further}`}}`

test('readings posted over HTTP', (t) =>
  withMonitor(
    async (monitor) => {
      const { http } = monitor.endpoints

      await t.test('one, an array and lines are stored as they were sent', async () => {
        const odd = '"serial":12345678901234567891,"x_pos_mm":1.25,"program":"O 1\\\\2"'
        assert.deepEqual(await post(monitor, line('one', odd)), {
          status: 202,
          body: { accepted: 1, messages: 1, refused_total: 0, refused: [] },
        })
        const array = await post(monitor, `[${line('a', odd)},${line('b')},${line('a')}]`, {
          'content-type': 'Application/JSON; charset=utf-8',
        })
        assert.deepEqual([array.status, array.body['accepted'], array.body['messages']], [202, 3, 2])
        const lines = await post(monitor, `${line('n')}\n\n${line('n', odd)}\n`, ndjson)
        assert.deepEqual([lines.status, lines.body['accepted'], lines.body['messages']], [202, 2, 1])
        await monitor.settled()
        const given = await (await fetch(`${http}/api/v1/machines/one/data`)).text()
        assert.match(given, /"x_pos_mm":1\.25,.*"program":"O 1\\\\2","serial": ?12345678901234567891/)
        for (const [id, count] of Object.entries({ a: 2, b: 1, n: 2 }))
          assert.equal((await monitor.readings(id)).length, count)
      })

      await t.test('what is refused is answered with its reason and place, the rest is stored', async () => {
        const body = `[${line('mixed')},{"machine_id":"mixed"},7,${line('mixed', '"temperature":"hot"')}]`
        const mixed = await post(monitor, body)
        assert.equal(mixed.status, 202)
        assert.deepEqual([mixed.body['accepted'], mixed.body['refused_total']], [1, 3])
        const refused = mixed.body['refused'] as Record<string, unknown>[]
        assert.deepEqual(
          refused.map(({ position, code }) => [position, code]),
          [
            [1, 'missing_field'],
            [2, 'wrong_root'],
            [3, 'wrong_type'],
          ],
        )
        assert.match(String(refused[2]?.['reason']), /temperature must be a number/)
        const many = await post(monitor, `${line('mixed')}\n${'{}\n'.repeat(150)}`, ndjson)
        const shown = many.body['refused'] as Record<string, unknown>[]
        assert.deepEqual([many.body['refused_total'], shown.length, shown[0]?.['line']], [150, 100, 2])
        await monitor.settled()
        assert.equal((await monitor.readings('mixed')).length, 2)
        assert.deepEqual(await monitor.get('/api/v1/dead-letters'), [])
      })

      await t.test(
        'a repeat with the same Idempotency-Key stores once, whatever it then accepts',
        async () => {
          const key = { 'idempotency-key': `Ä key\t${'k'.repeat(150)}` }
          const early = new Date(Date.now() + 3_600_000 + 1_500).toISOString()
          const body = `[${line('keyed')},{"machine_id":"keyed","timestamp":"${early}"},${line('keyed')}]`
          const first = await post(monitor, body, key)
          assert.deepEqual([first.status, first.body['accepted'], first.body['refused_total']], [202, 2, 1])
          await until('nothing of it is refused', async () => {
            const again = await post(monitor, body, key)
            assert.equal(again.status, 202)
            return again.body['refused_total'] === 0
          })
          const other = line('keyed', '"temperature":1')
          assert.equal((await post(monitor, other, key)).status, 202)
          await monitor.settled()
          assert.equal((await monitor.readings('keyed')).length, 4)
          assert.equal((await post(monitor, other)).status, 202)
          await monitor.settled()
          assert.equal((await monitor.readings('keyed')).length, 5)
        },
      )

      await t.test('ten thousand readings of several machines go in one request, no more', async () => {
        const lines = Array.from({ length: 10_000 }, (_, i) => line(`many-${i % 3}`))
        const all = await post(monitor, lines.join('\n'), ndjson)
        assert.deepEqual([all.status, all.body['accepted'], all.body['messages']], [202, 10_000, 6])
        await monitor.settled()
        assert.equal((await monitor.readings('many-0')).length, 3_334)
        const more = await post(monitor, [...lines, '{}'].join('\n'), ndjson)
        assert.deepEqual([more.status, more.body['code']], [413, 'too_large'])
        assert.match(String(more.body['detail']), /10000 readings; send it in parts/)
      })

      const bad: readonly [
        what: string,
        () => Promise<Answer>,
        status: number,
        code: string,
        detail: RegExp,
      ][] = [
        ['no JSON', () => post(monitor, '{"machine_id"'), 400, 'invalid_parameter', /body is not JSON/],
        ['nothing', () => post(monitor, ''), 400, 'invalid_parameter', /body is empty/],
        ['no body', () => post(monitor, null), 400, 'invalid_parameter', /body is empty/],
        [
          'no UTF-8',
          () => post(monitor, new Uint8Array([0x22, 0xff, 0x22])),
          400,
          'invalid_parameter',
          /UTF-8/,
        ],
        ['no element', () => post(monitor, '[]'), 400, 'invalid_parameter', /without a reading/],
        ['blank lines', () => post(monitor, '\n \n', ndjson), 400, 'invalid_parameter', /no line/],
        [
          'one bad reading',
          () => post(monitor, '{"machine_id":"x"}'),
          422,
          'nothing_accepted',
          /the first: timestamp is missing/,
        ],
        [
          'lines as JSON',
          () => post(monitor, `${line('x')}\n${line('x')}`),
          400,
          'invalid_parameter',
          /JSON/,
        ],
        ['JSON over lines', () => post(monitor, '{\n}', ndjson), 422, 'nothing_accepted', /line is not JSON/],
        [
          'another type',
          () => post(monitor, 'a=b', { 'content-type': 'text/csv' }),
          415,
          'unsupported_media_type',
          /x-ndjson/,
        ],
        [
          'a parameter',
          () => post(monitor, line('x'), {}, '?machine=x'),
          400,
          'invalid_parameter',
          /machine is no parameter/,
        ],
        [
          'an empty key',
          () => post(monitor, line('x'), { 'idempotency-key': '' }),
          400,
          'invalid_parameter',
          /Idempotency-Key/,
        ],
        [
          'a long key',
          () => post(monitor, line('x'), { 'idempotency-key': 'k'.repeat(201) }),
          400,
          'invalid_parameter',
          /200/,
        ],
        ['a large body', () => announce(monitor, 8 * 2 ** 20 + 1), 413, 'too_large', /8388608 bytes/],
      ]
      for (const [what, ask, status, code, detail] of bad) {
        await t.test(`refused: ${what}`, async () => {
          const { status: given, body } = await ask()
          assert.deepEqual([given, body['code']], [status, code], JSON.stringify(body))
          assert.match(String(body['detail']), detail)
        })
      }

      await t.test('a stream that is full is a 503 that says how many were acknowledged', async () => {
        // One message of more than the whole stream may hold.
        const long = Array.from({ length: 127 }, () => line('large', `"note":"${'x'.repeat(8_000)}"`))
        const { status, body } = await post(monitor, [line('small'), ...long].join('\n'), ndjson)
        assert.deepEqual([status, body['code'], body['accepted']], [503, 'unavailable', 1])
        assert.match(String(body['detail']), /maximum bytes exceeded.* 1 were acknowledged/)
      })

      await t.test('while nats-server does not answer it is a 503, and afterwards all is well', async () => {
        const nats = monitor.endpoints.pids.nats ?? assert.fail()
        process.kill(nats, 'SIGSTOP')
        try {
          await until('it stands still', () => readFileSync(`/proc/${nats}/stat`, 'utf8').includes(') T '))
          const { status, body } = await post(monitor, line('away'), { 'idempotency-key': 'away' })
          assert.deepEqual([status, body['code'], body['accepted']], [503, 'unavailable', 0])
          assert.match(String(body['detail']), /stream did not take .*0 were acknowledged/)
        } finally {
          process.kill(nats, 'SIGCONT')
        }
        assert.equal((await post(monitor, line('away-no-more'))).status, 202)
        await monitor.settled()
        assert.equal((await monitor.readings('away-no-more')).length, 1)
      })
    },
    { STREAM_MAX_BYTES: '1000000' },
  ))
