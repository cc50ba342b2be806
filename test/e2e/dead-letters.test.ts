// Dead letters as a user sees them: through the API and the commands of a running monitor.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { publisherOn } from '../../src/broker/publisher.ts'
import type { BulkResult } from '../../src/replay-dead-letters.ts'
import type { DeadLetter, DeadLetterWithReplays, Replay } from '../../src/web/dead-letter-contract.ts'
import { openTestPool } from '../support/store.ts'
import { type TestMonitor, until, withMonitor } from '../support/monitor.ts'

const LIST = '/api/v1/dead-letters'
const now = () => new Date().toISOString()
const good = (machine: string) => ({ machine_id: machine, timestamp: now() })

async function publish(monitor: TestMonitor, ...payloads: (object | string)[]): Promise<void> {
  await monitor.withNats(async (connection) => {
    const publisher = publisherOn(connection)
    for (const payload of payloads) {
      await publisher.publish('CNC_DATA.x', typeof payload === 'string' ? payload : JSON.stringify(payload))
    }
  })
  await monitor.settled()
}

async function post(monitor: TestMonitor, path: string, body?: unknown) {
  const sent = { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  const response = await fetch(monitor.endpoints.http + path, {
    method: 'POST',
    ...(body === undefined ? {} : sent),
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

const list = async (monitor: TestMonitor, query = '') =>
  (await monitor.get(`${LIST}${query}`)) as DeadLetter[]
const show = async (monitor: TestMonitor, id: string) =>
  (await monitor.get(`${LIST}/${id}`)) as DeadLetterWithReplays

/** Waits until no replay is under way. */
async function replayed(monitor: TestMonitor): Promise<void> {
  await monitor.settled()
  await until('no replay is pending', async () => (await list(monitor, '?state=pending')).length === 0)
}

test('bad parameters are problems that name the parameter', () =>
  withMonitor(async (monitor) => {
    await publish(monitor, 'not json')
    const queries: [string, string][] = [
      ['limit=0', 'limit'],
      ['limit=1001', 'limit'],
      ['limit=ten', 'limit'],
      ['limit=1&limit=2', 'limit'],
      ['cursor=x', 'cursor'],
      ['cursor=9223372036854775808', 'cursor'],
      ['ids=', 'ids'],
      ['ids=1,x', 'ids'],
      ['code=no_such_code', 'code'],
      ['machine=', 'machine'],
      ['machine=%00', 'machine'],
      ['subject=a&subject=b', 'subject'],
      [`stream=${'x'.repeat(1_001)}`, 'stream'],
      ['sequence=-1', 'sequence'],
      ['sequence=1.5', 'sequence'],
      ['sequence=9007199254740993', 'sequence'],
      ['since=yesterday', 'since'],
      ['until=2026-03-01', 'until'],
      ['state=closed', 'state'],
      ['__proto__=1', '__proto__'],
      ['colour=red', 'colour'],
    ]
    for (const [query, field] of queries) {
      const response = await fetch(`${monitor.endpoints.http}${LIST}?${query}`)
      const problem = (await response.json()) as Record<string, unknown>
      assert.deepEqual(
        [response.status, problem['code'], problem['field']],
        [400, 'invalid_parameter', field],
        query,
      )
    }
    const bodies: [string, unknown, number, string | undefined][] = [
      ['/x/replay', {}, 400, 'id'],
      ['/999/replay', undefined, 404, undefined],
      ['/1/replay', { payload: 1 }, 400, 'payload'],
      ['/1/replay', { payload: '!', payload_encoding: 'base64' }, 400, 'payload'],
      ['/1/replay', { payload: '\ud800' }, 400, 'payload'],
      ['/1/replay', { payload: 'x', payload_encoding: 'hex' }, 400, 'payload_encoding'],
      ['/1/replay', { by: 'x'.repeat(201) }, 400, 'by'],
      ['/1/replay', { because: 'x' }, 400, 'because'],
      ['/1/replay', [], 400, undefined],
      ['/replay', undefined, 400, 'all'],
      ['/replay', { all: false }, 400, 'all'],
      ['/replay', { ids: [] }, 400, 'ids'],
      ['/replay', { ids: ['x'] }, 400, 'ids'],
      ['/replay', { ids: Array.from({ length: 1_001 }, (_, i) => `${i + 1}`) }, 400, 'ids'],
      ['/replay', { all: true, limit: 1_001 }, 400, 'limit'],
      ['/replay', { all: true, cursor: 'x' }, 400, 'cursor'],
      ['/replay', { code: 'no_such_code' }, 400, 'code'],
      ['/replay', { sequence: 1.5 }, 400, 'sequence'],
      ['/replay', { since: 'yesterday' }, 400, 'since'],
      ['/replay', { all: true, dry_run: 'yes' }, 400, 'dry_run'],
      ['/replay', { all: true, payload: 'x' }, 400, 'payload'],
    ]
    for (const [path, body, status, field] of bodies) {
      const answer = await post(monitor, `${LIST}${path}`, body)
      assert.deepEqual(
        [answer.status, answer.body['field']],
        [status, field],
        `${path} ${JSON.stringify(body)}`,
      )
    }
    for (const [id, status] of [
      ['x', 400],
      ['0', 400],
      ['999', 404],
    ] as const) {
      assert.equal((await fetch(`${monitor.endpoints.http}${LIST}/${id}`)).status, status)
    }
    assert.deepEqual((await show(monitor, '1')).replays, [], 'none of it left a trace')
  }))

test('pages follow each other by their links, with the filters, and are the whole', () =>
  withMonitor(
    async (monitor) => {
      await publish(
        monitor,
        ...Array.from({ length: 7 }, (_, i) => (i % 2 === 0 ? 'x' : { machine_id: 'M' })),
      )
      await publish(
        monitor,
        Array.from({ length: 10 }, () => 'bad'),
      )
      const letters = await list(monitor)
      assert.equal(letters.length, 10)
      assert.deepEqual(
        letters.slice(0, 3).map(({ position, more }) => [position, more]),
        [
          [2, 7],
          [1, 0],
          [0, 0],
        ],
      )
      let next: string | undefined = `${LIST}?limit=2&code=not_json`
      const seen: string[] = []
      while (next !== undefined) {
        const response: Response = await fetch(monitor.endpoints.http + next)
        seen.push(...((await response.json()) as DeadLetter[]).map(({ id }) => id))
        next = /<(.*)>; rel="next"/.exec(response.headers.get('link') ?? '')?.[1]
        await publish(monitor, 'x')
      }
      const expected = letters.filter(({ code }) => code === 'not_json').map(({ id }) => id)
      assert.equal(expected.length, 4)
      assert.deepEqual(seen, expected)
    },
    { MAX_DEAD_LETTERS_PER_MESSAGE: '3' },
  ))

test('a dead letter is replayed as it is, corrected, and not a second time', () =>
  withMonitor(async (monitor) => {
    await publish(monitor, [good('A'), { ...good('B'), temperature: 'warm' }], 'not json')
    const [whole, element] = await list(monitor)
    const path = (letter: DeadLetter | undefined) => `${LIST}/${letter?.id}/replay`

    const asIs = await post(monitor, path(element))
    assert.deepEqual([asIs.status, asIs.body['outcome'], asIs.body['requested_by']], [202, 'pending', null])
    await replayed(monitor)
    assert.deepEqual(await monitor.readings('B'), [])

    const corrected = { payload: JSON.stringify({ ...good('B'), temperature: 21.5 }), by: 'ann' }
    const twice = await Promise.all([
      post(monitor, path(element), corrected),
      post(monitor, path(element), corrected),
    ])
    // The second one may come when the first is stored already, and is told so.
    const taken = twice.filter(({ status }) => status === 202).length
    for (const { status, body } of twice) if (status !== 202) assert.equal(body['code'], 'already_stored')
    assert.ok(taken >= 1)
    await replayed(monitor)
    assert.equal((await monitor.readings('B')).length, 1)
    assert.equal((await monitor.readings('A')).length, 1)
    assert.equal((await post(monitor, path(element), corrected)).body['code'], 'already_stored')

    const shown = await show(monitor, element?.id ?? '')
    assert.equal(shown.state, 'stored')
    assert.deepEqual(
      shown.replays.map((replay) => [replay.outcome, replay.requested_by, replay.corrected?.payload]),
      [
        ...Array.from({ length: taken }, () => ['stored', 'ann', corrected.payload]),
        ['refused', null, undefined],
      ],
    )
    const bytes = Buffer.from(JSON.stringify([good('C'), good('D')])).toString('base64')
    assert.equal(
      (await post(monitor, path(whole), { payload: bytes, payload_encoding: 'base64' })).status,
      202,
    )
    await replayed(monitor)
    assert.deepEqual([(await monitor.readings('C')).length, (await monitor.readings('D')).length], [1, 1])
    assert.equal((await list(monitor)).length, 2, 'no replay made a dead letter')
  }))

test('of a message over the byte limit only the beginning was kept: it is replayed corrected only', () =>
  withMonitor(
    async (monitor) => {
      await publish(monitor, { ...good('LONG'), note: 'x'.repeat(1_000) })
      const [letter] = await list(monitor)
      assert.equal(letter?.code, 'too_large')
      const path = `${LIST}/${letter?.id}/replay`
      const asIs = await post(monitor, path)
      assert.deepEqual([asIs.status, asIs.body['field']], [400, 'payload'])
      assert.match(String(asIs.body['detail']), /only the beginning was kept/)
      assert.equal((await post(monitor, `${LIST}/replay`, { all: true })).body['matched'], 0)
      assert.equal((await post(monitor, path, { payload: JSON.stringify(good('LONG')) })).status, 202)
      await replayed(monitor)
      assert.equal((await monitor.readings('LONG')).length, 1)
    },
    { MAX_PAYLOAD_BYTES: '500' },
  ))

test('many are replayed at once, bounded, and what the stream does not take is on record', () =>
  withMonitor(async (monitor) => {
    await publish(monitor, ...Array.from({ length: 5 }, () => ({ machine_id: 'M' })), 'x', 'x')
    const bulk = async (body: object) => {
      const answer = await post(monitor, `${LIST}/replay`, body)
      return { status: answer.status, ...(answer.body as unknown as BulkResult<Replay>) }
    }
    const dry = await bulk({ code: 'missing_field', dry_run: true })
    assert.deepEqual([dry.status, dry.matched, dry.replayed, dry.remaining], [200, 5, 0, 5])
    assert.equal((await list(monitor, '?state=open')).length, 7)

    const first = await bulk({ machine: 'M', limit: 2, by: 'ann' })
    assert.deepEqual([first.status, first.matched, first.replayed, first.remaining], [202, 5, 2, 3])
    const rest = await bulk({ machine: 'M', cursor: first.next_cursor, by: 'ann' })
    assert.deepEqual([rest.matched, rest.replayed, rest.remaining, rest.next_cursor], [3, 3, 0, null])
    await replayed(monitor)
    const letters = await list(monitor, '?machine=M')
    assert.ok(letters.every(({ last_replay: last }) => last?.outcome === 'refused'))
    assert.deepEqual(
      letters.map(({ last_replay: last }) => last?.id),
      [...first.replays, ...rest.replays].map(({ id }) => id),
    )
    const ids = letters.slice(0, 2).map(({ id }) => id)
    assert.deepEqual(
      (await bulk({ ids })).replays.map((replay) => replay.dead_letter_id),
      ids,
    )
    await replayed(monitor)

    const pool = openTestPool(monitor.endpoints.database)
    try {
      await pool.query("UPDATE dead_letters SET subject = 'ELSEWHERE.x' WHERE code = 'not_json'")
    } finally {
      await pool.end()
    }
    const [lost] = await list(monitor, '?code=not_json')
    const refused = await post(monitor, `${LIST}/${lost?.id}/replay`)
    assert.deepEqual([refused.status, refused.body['code']], [503, 'unavailable'])
    assert.match(String(refused.body['detail']), /the stream did not take a message on ELSEWHERE\.x/)
    assert.equal((await bulk({ code: 'not_json' })).status, 503)
    const shown = await show(monitor, lost?.id ?? '')
    assert.equal(shown.state, 'open')
    assert.deepEqual(
      shown.replays.map(({ outcome }) => outcome),
      ['failed', 'failed'],
    )
    assert.match(shown.replays[0]?.outcome_reason ?? '', /ELSEWHERE/)
  }))

test('the commands list, show and replay dead letters, and end with 0 only when all is stored', () =>
  withMonitor(async (monitor) => {
    const run = (...args: string[]) => monitor.command(['dead-letters', ...args])
    assert.match((await run('list')).stderr, /There is no such dead letter/)
    await publish(monitor, [good('A'), { ...good('B'), temperature: 'warm' }], 'not json\u001b[31m')

    const table = await run('list')
    assert.equal(table.code, 0, table.stderr)
    assert.match(table.stdout, /^ID .*REASON *\n2 .*open +not_json.*\n1 .*open +wrong_type +B .*warm/)
    const lines = (await run('list', '--json', '--code', 'wrong_type')).stdout.trim().split('\n')
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as DeadLetter).id),
      ['1'],
    )
    assert.match((await run('list', '--limit', '1')).stderr, /There are more than these 1/)
    const page = await run('show', '1')
    assert.match(page.stdout, /message +CNC_DATA 1, element 1 of its array\n/)
    assert.match(page.stdout, /"temperature":"warm"/)
    const shown = await run('show', '2')
    assert.ok(shown.stdout.includes('not json\\u001b[31m'), 'what was sent commands no terminal')
    assert.equal((await run('show', '2', '--payload')).stdout, 'not json\u001b[31m')

    const refused = await run('replay', '1')
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /Dead letter 1: refused, temperature must be a number/)
    const folder = await mkdtemp(join(tmpdir(), 'cnc-monitor-test-'))
    try {
      const file = join(folder, 'fixed.json')
      await writeFile(file, JSON.stringify(good('B')))
      const stored = await run('replay', '1', '--payload', file, '--by', 'ann')
      assert.deepEqual([stored.code, stored.stderr], [0, 'Dead letter 1: stored.\n'])
    } finally {
      await rm(folder, { recursive: true })
    }
    assert.equal((await monitor.readings('B')).length, 1)
    assert.match((await run('show', '1')).stdout, /replay .* by ann, corrected \(.*\): stored\n/)
    const again = await run('replay', '1')
    assert.deepEqual([again.code, /was replayed and stored/.test(again.stderr)], [1, true])

    assert.match((await run('replay', '--all', '--dry-run')).stderr, /^1 dead letters would be replayed/)
    const many = await run('replay', '--all', '--code', 'not_json')
    assert.equal(many.code, 1)
    assert.match(many.stderr, /1 replayed: 0 stored, 1 refused again, 0 pending/)
    const piped = await monitor.command(
      ['dead-letters', 'replay', '2', '--payload', '-'],
      JSON.stringify([good('C'), good('C')]),
    )
    assert.equal(piped.code, 0, piped.stderr)
    assert.equal((await monitor.readings('C')).length, 2)
    const both = await run('replay', '1', '2')
    assert.deepEqual([both.code, /2 left out/.test(both.stderr)], [1, true])

    for (const wrong of [[], ['1', '--all'], ['1', '2', '--payload', '-'], ['--all', '--payload', 'x']]) {
      assert.equal((await run('replay', ...wrong)).code, 2, wrong.join(' '))
    }
    assert.equal((await run('list', '--state', 'closed')).code, 1)
    const elsewhere = await run('list', '--url', 'http://127.0.0.1:9')
    assert.equal(elsewhere.code, 1)
    assert.match(elsewhere.stderr, /no monitor answers at http:\/\/127\.0\.0\.1:9 .*--url/)
  }))

test('kill -9 in the middle of replays: every reading is stored once in the end', () =>
  withMonitor(
    async (monitor) => {
      const dueMs = Date.now() + 8_000
      const readings = Array.from({ length: 400 }, (_, i) => ({
        machine_id: 'LATE',
        timestamp: new Date(dueMs + i).toISOString(),
      }))
      await publish(monitor, ...readings.map((reading) => [reading]))
      assert.equal((await list(monitor, '?code=in_the_future&limit=1000')).length, 400)
      await until('their time has come', () => Date.now() > dueMs + 1_000)
      const all = () => post(monitor, `${LIST}/replay`, { all: true }).catch(() => null)
      // Both mean the same dead letters: many are replayed twice.
      const asking = [all(), all()]
      await until('the first are stored', async () => {
        const stored = await list(monitor, '?state=stored&limit=1').catch(() => [])
        return stored.length > 0
      })
      const { nats, database } = monitor.endpoints.pids
      for (const pid of [nats, database]) if (pid !== null) process.kill(pid, 'SIGKILL')
      await monitor.stop('SIGKILL')
      await Promise.all(asking)
      await monitor.start()
      await monitor.settled()
      // What was on record and not published when everything ended stays pending: it may be replayed again.
      await post(monitor, `${LIST}/replay`, { state: 'pending' })
      await all()
      await monitor.settled()
      const stored = (await monitor.readings('LATE')).map((reading) =>
        Date.parse(String(reading['timestamp'])),
      )
      assert.deepEqual(
        stored,
        readings.map(({ timestamp }) => Date.parse(timestamp)),
      )
      assert.equal((await list(monitor, '?state=stored&limit=1000')).length, 400)
    },
    { MAX_FUTURE_MS: '0' },
  ))
