// One machine over HTTP: real nats-server, real TimescaleDB, the program itself.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type TestMonitor, withMonitor } from '../../support/monitor.ts'

interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
}

async function ask(monitor: TestMonitor, method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await fetch(`${monitor.endpoints.http}/api/v1/machines/${path}`, {
    method,
    ...(body === undefined
      ? {}
      : {
          headers: { 'content-type': 'application/json' },
          body: typeof body === 'string' ? body : JSON.stringify(body),
        }),
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

test('one machine over HTTP', (t) =>
  withMonitor(async (monitor) => {
    const send = async (...ids: string[]) => {
      const sent = await fetch(`${monitor.endpoints.http}/api/v1/readings`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(ids.map((machine_id) => ({ machine_id, timestamp: new Date().toISOString() }))),
      })
      assert.equal(sent.status, 202)
      await monitor.settled()
    }

    await t.test(
      'a machine that was heard is found, named and deleted, its readings kept or not',
      async () => {
        await send('a/b "c"', 'other', 'a/b "c"')
        const path = encodeURIComponent('a/b "c"')
        const heard = await ask(monitor, 'GET', path)
        assert.deepEqual([heard.status, heard.body['id'], heard.body['registered']], [200, 'a/b "c"', false])
        assert.ok(Number(heard.body['lag_seconds']) >= 0 && typeof heard.body['last_reading'] === 'string')
        const named = await ask(monitor, 'PATCH', path, { name: 'Mill', axis_count: 5 })
        assert.deepEqual([named.status, named.body['name'], named.body['registered']], [200, 'Mill', true])
        const cleared = await ask(monitor, 'PATCH', path, { name: null })
        assert.deepEqual([cleared.body['name'], cleared.body['axis_count']], [null, 5])
        assert.deepEqual(await ask(monitor, 'DELETE', path), {
          status: 200,
          body: { id: 'a/b "c"', readings: 'kept', readings_deleted: 0 },
        })
        assert.equal((await ask(monitor, 'GET', path)).body['registered'], false)
        assert.equal((await monitor.readings('a/b "c"')).length, 2)
        assert.deepEqual(await ask(monitor, 'DELETE', `${path}?readings=delete`), {
          status: 200,
          body: { id: 'a/b "c"', readings: 'deleted', readings_deleted: 2 },
        })
        assert.equal((await ask(monitor, 'GET', path)).status, 404)
        assert.deepEqual(await monitor.readings('a/b "c"'), [])
        assert.equal((await monitor.readings('other')).length, 1)
      },
    )

    const bad: readonly [
      method: string,
      path: string,
      body: unknown,
      status: number,
      field: string | undefined,
    ][] = [
      ['GET', 'nobody', undefined, 404, undefined],
      ['PATCH', 'nobody', { name: 'x' }, 404, undefined],
      ['DELETE', 'nobody', undefined, 404, undefined],
      ['GET', 'a%00b', undefined, 400, 'id'],
      ['PATCH', 'a%00b', { name: 'x' }, 400, 'id'],
      ['DELETE', 'a%00b', undefined, 400, 'id'],
      ['GET', 'a%ff', undefined, 400, undefined],
      ['GET', 'other?fields=name', undefined, 400, 'fields'],
      ['PATCH', 'other?name=x', { name: 'x' }, 400, 'name'],
      ['PATCH', 'other', {}, 400, undefined],
      ['PATCH', 'other', '', 400, undefined],
      ['PATCH', 'other', 'null', 400, undefined],
      ['PATCH', 'other', '{', 400, undefined],
      ['PATCH', 'other', { id: 'x' }, 400, 'id'],
      ['PATCH', 'other', { registered: true }, 400, 'registered'],
      ['PATCH', 'other', { name: 7 }, 400, 'name'],
      ['PATCH', 'other', { name: 'a\0b' }, 400, 'name'],
      ['PATCH', 'other', '{"name":"\\ud800"}', 400, 'name'],
      ['PATCH', 'other', { location: 'x'.repeat(201) }, 400, 'location'],
      ['PATCH', 'other', { controller_type: [] }, 400, 'controller_type'],
      ['PATCH', 'other', { max_spindle_speed_rpm: -1 }, 400, 'max_spindle_speed_rpm'],
      ['PATCH', 'other', { axis_count: 1.5 }, 400, 'axis_count'],
      ['PATCH', 'other', { axis_count: 1_001 }, 400, 'axis_count'],
      ['DELETE', 'other?readings=all', undefined, 400, 'readings'],
      ['DELETE', 'other?readings=', undefined, 400, 'readings'],
      ['DELETE', 'other?readings=keep&readings=delete', undefined, 400, 'readings'],
      ['DELETE', 'other?force=1', undefined, 400, 'force'],
    ]
    for (const [method, path, body, status, field] of bad) {
      await t.test(`refused: ${method} ${path} ${JSON.stringify(body)?.slice(0, 60) ?? ''}`, async () => {
        const answer = await ask(monitor, method, path, body)
        assert.deepEqual([answer.status, answer.body['field']], [status, field], JSON.stringify(answer.body))
        assert.ok(String(answer.body['detail']).length > 10)
      })
    }
    assert.equal((await monitor.readings('other')).length, 1)
  }))
