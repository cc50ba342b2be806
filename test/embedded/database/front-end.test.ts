import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { int32, message, simpleQuery, sync } from '../../../src/embedded/database/frames.ts'
import { startDatabase } from '../../support/embedded-database.ts'
import { type Answer, connectRaw, connectSilently, startupPacket } from '../../support/raw-postgres.ts'

const IDLE_MS = 700
let database: Awaited<ReturnType<typeof startDatabase>>
before(async () => {
  database = await startDatabase({ idleTransactionMs: IDLE_MS })
})
after(() => database.stop())

const noParameters = Buffer.alloc(6)
const parse = (name: string, sql: string) => message('P', name, sql, Buffer.alloc(2))
const bind = (name: string) => message('B', '', name, noParameters)
const execute = () => message('E', '', int32(0))
const flush = () => message('H')
const types = (answers: readonly Answer[]) => answers.map((answer) => answer.type).join('')
const rows = (answers: readonly Answer[]) =>
  answers.filter(({ type }) => type === 'D').map(({ text }) => text.slice(6))

async function withClient<T>(run: (client: pg.Client) => Promise<T>, name?: string): Promise<T> {
  const client = new pg.Client({
    connectionString: database.url,
    application_name: name,
    connectionTimeoutMillis: 10_000,
    query_timeout: 10_000,
  })
  client.on('error', () => {})
  await client.connect()
  try {
    return await run(client)
  } finally {
    await client.end()
  }
}

async function withPool<T>(max: number, run: (pool: pg.Pool) => Promise<T>): Promise<T> {
  const pool = new pg.Pool({ connectionString: database.url, max })
  try {
    return await run(pool)
  } finally {
    await pool.end()
  }
}

const sqlState = (code: string) => (error: unknown) => {
  assert.equal(error instanceof pg.DatabaseError ? error.code : error, code)
  return true
}

/** Fails when the database no longer answers a client of its own. */
const answers = () =>
  withClient(async (client) => assert.equal((await client.query('SELECT 41 + 1 AS n')).rows[0].n, 42))

test('parameters of every usual type come back as they went', () =>
  withClient(async (client) => {
    const given = [
      7,
      '9007199254740993',
      1.5,
      'Grüße \u{1f600}',
      null,
      true,
      '2026-01-02T03:04:05.123456Z',
      [1, 2],
    ]
    const { rows: found } = await client.query(
      `SELECT $1::int a, $2::bigint b, $3::float8 c, $4::text d, $5::text e, $6::bool f,
              to_char($7::timestamptz, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') g, $8::int[] h`,
      given,
    )
    assert.deepEqual(Object.values(found[0]), given)
  }))

test('times are shown in UTC', () =>
  withClient(async (client) => {
    const { rows: found } = await client.query(
      `SELECT '2026-06-01T12:00:00+02:00'::timestamptz::text AS t, current_setting('TimeZone') AS zone`,
    )
    assert.deepEqual(found, [{ t: '2026-06-01 10:00:00+00', zone: 'UTC' }])
  }))

test('the same statement name means another statement in another client', () =>
  withClient((one) =>
    withClient(async (two) => {
      for (let round = 0; round < 3; round += 1) {
        const a = await one.query({ name: 'same', text: 'SELECT $1::int * 2 AS n', values: [round] })
        const b = await two.query({ name: 'same', text: `SELECT $1::text || '!' AS n`, values: ['x'] })
        assert.equal(a.rows[0].n, round * 2)
        assert.equal(b.rows[0].n, 'x!')
      }
    }),
  ))

test('statement names too long to be told apart by the engine are told apart', () =>
  withClient(async (client) => {
    const stem = 'n'.repeat(63)
    for (const end of ['a', 'b', 'a', 'b']) {
      const { rows: found } = await client.query({
        name: stem.slice(0, 62) + end,
        text: `SELECT '${end}' AS n`,
      })
      assert.equal(found[0].n, end)
    }
  }))

test('the statements of a client that is gone are closed', async () => {
  await withClient((client) => client.query({ name: 'left open', text: 'SELECT 1' }))
  await withClient(async (client) => {
    const { rows: found } = await client.query(
      `SELECT name FROM pg_prepared_statements WHERE name LIKE '%left open'`,
    )
    assert.deepEqual(found, [])
  })
})

test('each client has an unnamed statement of its own', async () => {
  const [one, two] = [await connectRaw(database.url), await connectRaw(database.url)]
  try {
    one.send(parse('', `SELECT 'one'`), sync())
    assert.equal(types(await one.until('Z')), '1Z')
    two.send(bind(''), execute(), sync())
    assert.match((await two.until('Z'))[0]?.text ?? '', /C26000/)
    two.send(parse('', `SELECT 'two'`), sync())
    await two.until('Z')
    one.send(bind(''), execute(), sync())
    assert.deepEqual(rows(await one.until('Z')), ['one'])
    two.send(bind(''), execute(), sync())
    assert.deepEqual(rows(await two.until('Z')), ['two'])
  } finally {
    one.destroy()
    two.destroy()
  }
})

test('after an error a transaction refuses everything until it is rolled back', () =>
  withClient(async (client) => {
    await client.query('CREATE TABLE recovery (n int)')
    await client.query('BEGIN')
    await client.query('INSERT INTO recovery VALUES (1)')
    await assert.rejects(client.query('SELECT $1::int / 0', [1]), sqlState('22012'))
    await assert.rejects(client.query('SELECT 1'), sqlState('25P02'))
    await client.query('ROLLBACK')
    assert.equal((await client.query('SELECT count(*) AS n FROM recovery')).rows[0].n, '0')
  }))

test('a savepoint brings back what was before it', () =>
  withClient(async (client) => {
    await client.query('CREATE TABLE savepoints (n int)')
    await client.query('BEGIN')
    await client.query('INSERT INTO savepoints VALUES (1)')
    await client.query('SAVEPOINT here')
    await assert.rejects(client.query('INSERT INTO savepoints VALUES ($1::int / 0)', [2]), sqlState('22012'))
    await client.query('ROLLBACK TO here')
    await client.query('INSERT INTO savepoints VALUES (3)')
    await client.query('COMMIT')
    assert.deepEqual((await client.query('SELECT n FROM savepoints ORDER BY n')).rows, [{ n: 1 }, { n: 3 }])
  }))

for (const size of [1, 2, 4]) {
  test(`a pool of ${size} gives each of thousands of mixed queries its own result`, () =>
    withPool(size, async (pool) => {
      await pool.query(`CREATE TABLE mixed_${size} (n int PRIMARY KEY, text text)`)
      const one = async (n: number): Promise<void> => {
        switch (n % 6) {
          case 0: {
            const { rows: found } = await pool.query('SELECT $1::int AS n, $2::text AS text', [
              n,
              `text ${n}`,
            ])
            return assert.deepEqual(found, [{ n, text: `text ${n}` }])
          }
          case 1: {
            const { rows: found } = await pool.query({
              name: 'series',
              text: 'SELECT generate_series(1, $1) AS n',
              values: [n % 50],
            })
            return assert.deepEqual(
              found.map((row) => row.n),
              Array.from({ length: n % 50 }, (_, i) => i + 1),
            )
          }
          case 2: {
            const { rows: found } = await pool.query(`SELECT ${n} AS n`)
            return assert.deepEqual(found, [{ n }])
          }
          case 3:
            return assert.rejects(pool.query('SELECT $1::int / 0', [n]), sqlState('22012'))
          case 4: {
            const found = await pool.query(`INSERT INTO mixed_${size} VALUES ($1, $2) RETURNING n`, [
              n,
              'x'.repeat(n),
            ])
            return assert.deepEqual(found.rows, [{ n }])
          }
          default: {
            const client = await pool.connect()
            try {
              await client.query('BEGIN')
              await client.query(`INSERT INTO mixed_${size} VALUES ($1, 'to be rolled back')`, [-n])
              const { rows: found } = await client.query(`SELECT text FROM mixed_${size} WHERE n = $1`, [-n])
              assert.deepEqual(found, [{ text: 'to be rolled back' }])
            } finally {
              await client.query('ROLLBACK')
              client.release()
            }
          }
        }
      }
      const numbers = Array.from({ length: 2_400 }, (_, n) => n)
      await Promise.all(numbers.map(one))
      const { rows: found } = await pool.query(
        `SELECT count(*)::int AS count, min(n) AS min, sum(length(text))::int AS length FROM mixed_${size}`,
      )
      const stored = numbers.filter((n) => n % 6 === 4)
      assert.deepEqual(found, [
        { count: stored.length, min: 4, length: stored.reduce((sum, n) => sum + n, 0) },
      ])
    }))
}

test('nobody sees what another has not committed, and waits instead', () =>
  withClient((writer) =>
    withClient(async (reader) => {
      await writer.query('CREATE TABLE unseen (n int)')
      await writer.query('BEGIN')
      await writer.query('INSERT INTO unseen VALUES (1)')
      const order: string[] = []
      const read = reader.query('SELECT count(*)::int AS n FROM unseen').then((result) => {
        order.push('read')
        return result.rows[0].n
      })
      await sleep(100)
      await writer.query('DELETE FROM unseen')
      await writer.query('INSERT INTO unseen VALUES (2), (3)')
      order.push('commit')
      await writer.query('COMMIT')
      assert.equal(await read, 2)
      assert.deepEqual(order, ['commit', 'read'])
    }),
  ))

test('a cursor gives its rows in portions', () =>
  withClient(async (client) => {
    await client.query('BEGIN')
    await client.query('DECLARE portions CURSOR FOR SELECT generate_series(1, 25) AS n')
    const sizes: number[] = []
    for (let size = -1; size !== 0;) {
      size = (await client.query('FETCH 10 FROM portions')).rows.length
      sizes.push(size)
    }
    await client.query('COMMIT')
    assert.deepEqual(sizes, [10, 10, 5, 0])
  }))

test('a portal gives its rows in portions between Flushes', async () => {
  const client = await connectRaw(database.url)
  try {
    client.send(parse('', 'SELECT generate_series(1, 5)'), bind(''), message('E', '', int32(2)), flush())
    assert.deepEqual(rows(await client.until('s')), ['1', '2'])
    const other = answers() // waits: the first client holds the engine
    client.send(message('E', '', int32(0)), flush())
    assert.deepEqual(rows(await client.until('C')), ['3', '4', '5'])
    client.send(sync())
    assert.equal(types(await client.until('Z')), 'Z')
    await other
  } finally {
    client.destroy()
  }
})

test('pipelined units are answered one by one and in order, errors included', async () => {
  const client = await connectRaw(database.url)
  try {
    const select = (sql: string) => [parse('', sql), bind(''), execute()]
    client.send(
      ...select('SELECT 1'),
      sync(),
      ...select('SELECT 1/0'),
      ...select('SELECT 2'),
      sync(),
      simpleQuery('SELECT 3'),
    )
    assert.equal(types(await client.until('Z')), '12DCZ')
    assert.match(types(await client.until('Z')), /^1?2?EZ$/)
    assert.equal(types(await client.until('Z')), 'TDCZ')
  } finally {
    client.destroy()
  }
})

test('COPY TO STDOUT sends the rows', async () => {
  const client = await connectRaw(database.url)
  try {
    client.send(
      simpleQuery('COPY (SELECT n, n * n FROM generate_series(1, 3) n) TO STDOUT WITH (FORMAT csv)'),
    )
    const found = await client.until('Z')
    assert.deepEqual(
      found.filter(({ type }) => type === 'd').map(({ text }) => text),
      ['1,1\n', '2,4\n', '3,9\n'],
    )
  } finally {
    client.destroy()
  }
})

test('COPY FROM is refused with 0A000, and the connection and the transaction go on as after any error', () =>
  withClient(async (client) => {
    await client.query('CREATE TABLE copied (n int)')
    await assert.rejects(client.query('COPY copied FROM STDIN'), sqlState('0A000'))
    await assert.rejects(
      client.query({ text: 'COPY copied FROM STDIN', name: 'extended' }),
      sqlState('0A000'),
    )
    await assert.rejects(
      client.query('INSERT INTO copied VALUES (1); /* */ copy copied FROM STDIN'),
      sqlState('0A000'),
    )
    await client.query('BEGIN')
    await assert.rejects(client.query('COPY copied FROM STDIN'), /use INSERT/)
    await assert.rejects(client.query('SELECT 1'), sqlState('25P02'))
    await client.query('ROLLBACK')
    assert.equal((await client.query('SELECT count(*)::int AS n FROM copied')).rows[0].n, 0)
  }))

test('messages of every size around 8,192 bytes and its multiples lose nothing that follows them', async () => {
  const client = await connectRaw(database.url)
  try {
    const overhead = parse('', `SELECT length('')`).length
    for (const multiple of [1, 2, 3, 8, 128]) {
      for (let size = multiple * 8_192 - 40; size <= multiple * 8_192 + 6; size += 1) {
        const length = size - overhead
        client.send(parse('', `SELECT length('${'x'.repeat(length)}')`), bind(''), execute(), sync())
        assert.deepEqual(rows(await client.until('Z')), [String(length)], `a message of ${size} bytes`)
      }
    }
    const queryOverhead = simpleQuery(`SELECT length('')`).length
    for (let size = 8_192 - 3; size <= 8_192 + 3; size += 1) {
      client.send(
        simpleQuery(`SELECT length('${'x'.repeat(size - queryOverhead)}')`),
        simpleQuery('SELECT 7'),
      )
      assert.deepEqual(rows(await client.until('Z')), [String(size - queryOverhead)])
      assert.deepEqual(rows(await client.until('Z')), ['7'])
    }
  } finally {
    client.destroy()
  }
})

test('a message of 20 megabytes and a result as large go through', () =>
  withClient(async (client) => {
    const text = 'äx'.repeat(7_000_000)
    const { rows: found } = await client.query('SELECT $1::text AS text', [text])
    assert.equal(found[0].text === text, true)
  }))

test('who disconnects in the middle of a query disturbs nobody', async () => {
  const client = await connectRaw(database.url)
  client.send(simpleQuery('SELECT count(*) FROM generate_series(1, 2000000)'))
  client.destroy()
  await answers()
})

test('who disconnects in the middle of a transaction has it rolled back at once', () =>
  withClient(async (observer) => {
    await observer.query('CREATE TABLE abandoned (n int)')
    const client = await connectRaw(database.url)
    client.send(simpleQuery('BEGIN; INSERT INTO abandoned VALUES (1)'))
    await client.until('Z')
    client.destroy()
    const startedMs = performance.now()
    assert.equal((await observer.query('SELECT count(*)::int AS n FROM abandoned')).rows[0].n, 0)
    assert.ok(performance.now() - startedMs < IDLE_MS / 2, 'it waited for the idle limit')
  }))

test('who disconnects before the Sync of what it began has nothing committed', () =>
  withClient(async (observer) => {
    await observer.query('CREATE TABLE half (n int)')
    const client = await connectRaw(database.url)
    client.send(parse('', 'INSERT INTO half VALUES (1)'), bind(''), execute(), flush())
    await client.until('C')
    client.destroy()
    assert.equal((await observer.query('SELECT count(*)::int AS n FROM half')).rows[0].n, 0)
  }))

test('who says goodbye behind a query has it done', () =>
  withClient(async (observer) => {
    await observer.query('CREATE TABLE last_words (n int)')
    const client = await connectRaw(database.url)
    client.send(simpleQuery('INSERT INTO last_words VALUES (1)'), message('X'))
    assert.equal(types(await client.untilEnd()), 'CZ')
    assert.equal((await observer.query('SELECT count(*)::int AS n FROM last_words')).rows[0].n, 1)
  }))

test('an idle transaction is rolled back, and its client told 25P03 and ended', () =>
  withClient(async (observer) => {
    await observer.query('CREATE TABLE idle (n int)')
    const client = await connectRaw(database.url)
    client.send(simpleQuery('BEGIN'), simpleQuery('INSERT INTO idle VALUES (1)'))
    const waiting = observer.query('SELECT count(*)::int AS n FROM idle')
    const last = (await client.untilEnd()).at(-1)
    assert.match(last?.text ?? '', /^SFATAL\|VFATAL\|C25P03\|/)
    assert.equal((await waiting).rows[0].n, 0)
  }))

test('a transaction that goes on now and then is not idle', () =>
  withClient(async (client) => {
    await client.query('BEGIN')
    for (let round = 0; round < 4; round += 1) {
      await sleep(IDLE_MS / 2)
      await client.query('SELECT 1')
    }
    await client.query('COMMIT')
  }))

test('a wrong password, or none, is refused with 28P01', async () => {
  const wrong = new URL(database.url)
  for (const password of ['wrong', '', `${wrong.password}x`]) {
    const client = await connectSilently(database.url)
    client.send(startupPacket({ user: 'postgres' }))
    await client.until('R')
    client.send(message('p', password))
    assert.match((await client.untilEnd())[0]?.text ?? '', /^SFATAL\|VFATAL\|C28P01\|/)
  }
  const client = await connectSilently(database.url)
  client.send(startupPacket({ user: 'postgres' }), simpleQuery('SELECT 1'))
  assert.equal(types(await client.untilEnd()), 'RE')
})

test('requests for encryption are answered with N, and a request to cancel with silence', async () => {
  for (const code of [80_877_103, 80_877_104]) {
    const client = await connectSilently(database.url)
    const answer = new Promise((resolve) => client.socket.once('data', resolve))
    client.send(int32(8, code))
    assert.equal(String(await answer), 'N')
    client.destroy()
  }
  const client = await connectSilently(database.url)
  client.send(int32(16, 80_877_102, 1, 2))
  assert.deepEqual(await client.untilEnd(), [])
})

test('a newer minor version of the protocol is negotiated down', async () => {
  const client = await connectSilently(database.url)
  client.send(startupPacket({ user: 'postgres', '_pq_.novelty': 'on' }, 196_610))
  const [negotiation] = await client.until('R')
  assert.equal(negotiation?.type, 'v')
  assert.match(negotiation.text, /_pq_\.novelty/)
  client.destroy()
})

test('bytes that are no message end that client alone, with an error', () =>
  withClient(async (neighbour) => {
    const nonsense = [
      Buffer.concat([Buffer.from('Q'), int32(0x7fff_ffff)]),
      Buffer.concat([Buffer.from('Q'), int32(-5)]),
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      message('P', Buffer.from('no end')),
      message('!'),
    ]
    for (const bytes of nonsense) {
      const client = await connectRaw(database.url)
      client.send(bytes)
      assert.match((await client.untilEnd())[0]?.text ?? '', /^SFATAL\|VFATAL\|C08P01\|/)
      assert.equal((await neighbour.query('SELECT 1 AS n')).rows[0].n, 1)
    }
  }))

test('a client that never reads stops nobody and nothing more is run for it', () =>
  withClient(async (observer) => {
    await observer.query('CREATE SEQUENCE served')
    const client = await connectRaw(database.url)
    client.socket.pause()
    const query = simpleQuery(`SELECT nextval('served'), repeat('x', 8000000)`)
    client.send(...Array.from({ length: 20 }, () => query))
    await sleep(500)
    const { rows: found } = await observer.query('SELECT last_value::int AS n FROM served')
    assert.ok(found[0].n < 5, `${found[0].n} of its 20 queries were run`)
    client.socket.resume()
    for (let round = 0; round < 20; round += 1) assert.equal(types(await client.until('Z')), 'TDCZ')
    client.destroy()
  }))

test('a client beyond the fiftieth is refused with 53300 until another one leaves', async () => {
  const clients = await Promise.all(Array.from({ length: 50 }, () => connectRaw(database.url)))
  try {
    const surplus = await connectSilently(database.url)
    surplus.send(startupPacket({ user: 'postgres' }))
    assert.match((await surplus.untilEnd())[0]?.text ?? '', /C53300/)
    clients.pop()?.destroy()
    await sleep(50)
    await answers()
  } finally {
    for (const client of clients) client.destroy()
  }
})

test('waiting clients are served commits first, then readiness, the others and jobs', async () => {
  const order: string[] = []
  const names = ['cnc-monitor jobs', 'anything', 'cnc-monitor ready', 'cnc-monitor ingest']
  const clients = await Promise.all(names.map((name) => connectRaw(database.url, name)))
  const holder = await connectRaw(database.url)
  try {
    holder.send(simpleQuery('BEGIN'))
    await holder.until('Z')
    const served = clients.map(async (client, index) => {
      client.send(simpleQuery('SELECT pg_sleep(0.01)'))
      await client.until('Z')
      order.push(names[index] ?? '')
    })
    await sleep(100)
    holder.send(simpleQuery('COMMIT'))
    await Promise.all(served)
    assert.deepEqual(order, names.toReversed())
  } finally {
    for (const client of [...clients, holder]) client.destroy()
  }
})

test('psql works', async (context) => {
  const run = promisify(execFile)
  try {
    await run('psql', ['--version'])
  } catch {
    return context.skip('psql is not on the PATH')
  }
  const sql = `CREATE TABLE from_psql (n int); INSERT INTO from_psql SELECT generate_series(1, 10); SELECT sum(n) FROM from_psql`
  const { stdout } = await run('psql', ['-XAtq', database.url, '-c', sql])
  assert.equal(stdout.trim(), '55')
  const copied = await run('psql', ['-XAtq', database.url, '-c', '\\copy from_psql to stdout'])
  assert.equal(copied.stdout.split('\n').length, 11)
  await assert.rejects(
    run('psql', ['-XAtq', database.url, '-c', '\\copy from_psql from /dev/null']),
    /COPY FROM/,
  )
  const described = await run('psql', ['-XAtq', database.url, '-c', '\\d from_psql'])
  assert.match(described.stdout, /n\|integer/)
})
