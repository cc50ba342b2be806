// The live feed's clients over real connections: what they get, and what is done with those that are slow, silent,
// talkative, many or not welcome.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { frameText } from '../../src/feed/feed-message.ts'
import { LiveHub } from '../../src/feed/hub.ts'
import { openLog } from '../../src/log.ts'
import { openMetrics } from '../../src/metrics.ts'
import type { LiveLimits } from '../../src/web/live/live-clients.ts'
import { createApp } from '../../src/web/server.ts'
import { parseExposition, valueOf } from '../support/exposition.ts'
import { BareSocket, LiveEvents, LiveSocket } from '../support/live-clients.ts'
import { until } from '../support/monitor.ts'

interface Shop {
  readonly http: string
  readonly hub: LiveHub
  /** Shows a reading of this machine; each is later than the one before. */
  readonly show: (machineId: string, fields?: Readonly<Record<string, unknown>>) => void
  readonly clients: () => Promise<number>
  readonly value: (name: string, labels?: Record<string, string>) => Promise<number | undefined>
  readonly close: () => Promise<void>
}

interface ShopOptions {
  readonly maxClients?: number
  readonly origins?: string
  readonly limits?: Partial<LiveLimits>
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Bytes in use, by heap and buffers, without what is garbage. */
async function memory(): Promise<number> {
  for (let i = 0; i < 4; i++) {
    collect()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** What the live feed never asks. */
const noDatabase = {} as never

async function withShop(
  run: (shop: Shop) => Promise<void>,
  { maxClients = 2_000, origins, limits = {} }: ShopOptions = {},
): Promise<void> {
  const hub = new LiveHub({ id: 'abc123', perSecond: 1e9 })
  const readiness = () => ({ ready: true, checks: {} })
  const metrics = openMetrics({
    version: 'any',
    readiness,
    broker: () => ({ standing: null, lastSuccessMs: null }),
  })
  const live = { frames: hub, maxClients, origins: origins ?? null, observer: metrics.live, limits }
  const log = openLog('error')
  const app = createApp({
    queries: noDatabase,
    replays: noDatabase,
    posting: noDatabase,
    storage: noDatabase,
    readiness,
    metrics,
    live,
    log,
  })
  const http = await app.listen({ host: '127.0.0.1', port: 0 })
  let nowMs = Date.parse('2026-03-01T12:00:00Z')
  let isClosed = false
  const value = async (name: string, labels = {}) =>
    valueOf(parseExposition(await metrics.exposition()), `cnc_monitor_live_${name}`, labels)
  const close = async () => {
    isClosed = true
    await app.close()
  }
  try {
    await run({
      http,
      hub,
      show(machineId, fields = {}) {
        nowMs += 1
        const timestamp = new Date(nowMs).toISOString().replace(/\.?0*Z$/, 'Z')
        const json = JSON.stringify({ machine_id: machineId, timestamp, ...fields })
        hub.tell({
          machineId,
          timestamp,
          receivedAtMicros: nowMs * 1_000,
          text: frameText(json, new Date(nowMs).toISOString()),
        })
        hub.flush(nowMs)
      },
      clients: async () =>
        ((await value('clients', { kind: 'ws' })) ?? 0) + ((await value('clients', { kind: 'sse' })) ?? 0),
      value,
      close,
    })
  } finally {
    if (!isClosed) await close()
  }
}

const refusals: readonly { readonly path: string; readonly field?: string; readonly status?: number }[] = [
  { path: '/ws/machines?machine=', field: 'machine' },
  { path: '/ws/machines?machine=a&machine=..', field: 'machine' },
  { path: '/ws/machines?machine=a%00b', field: 'machine' },
  { path: `/ws/machines?machine=${'x'.repeat(129)}`, field: 'machine' },
  { path: `/ws/machines?${'machine=a&'.repeat(1_001)}`, field: 'machine' },
  { path: '/ws/machines?machines=a', field: 'machines' },
  { path: '/ws/machines?Machine=a', field: 'Machine' },
  { path: '/ws/machines/a?machine=b', field: 'machine' },
  { path: '/ws/machines/a%00', field: 'id' },
  { path: '/ws/machines/%2E', field: 'id' },
  { path: `/ws/machines/${'x'.repeat(129)}`, field: 'id' },
  { path: '/ws/machines/%E0%A4%A' },
  { path: '/ws/machines/', field: 'id' },
  { path: '/ws/machines/a/b', status: 404 },
  { path: '/ws/nothing', status: 404 },
  { path: '/api/v1/events?machine=', field: 'machine' },
  { path: '/api/v1/events?machine=%0A', field: 'machine' },
  { path: '/api/v1/events?last_event_id=1', field: 'last_event_id' },
]

test('a wrong parameter is refused before anything is opened, and named', () =>
  withShop(async ({ http, clients }) => {
    for (const { path, field, status = 400 } of refusals) {
      const body = path.startsWith('/ws/')
        ? await BareSocket.open(http, path).then(async ({ wire, read, status: answered }) => {
            wire.destroy()
            assert.equal(answered, status, path)
            return JSON.parse(read.toString().split('\r\n\r\n')[1] ?? '') as { code: string; field?: string }
          })
        : await fetch(http + path).then(async (response) => {
            assert.equal(response.status, status, path)
            return (await response.json()) as { code: string; field?: string }
          })
      assert.equal(body.code, status === 404 ? 'not_found' : 'invalid_parameter', path)
      assert.equal(body.field, field, path)
    }
    assert.equal(await clients(), 0)
  }))

test('a client gets what is current at once, then every change, in the form of the frames', () =>
  withShop(async ({ http, show }) => {
    show('A', { temperature: 20 })
    show('B')
    show('A', { temperature: 21 })
    const client = await LiveSocket.open(http)
    await until('what is current came', () => client.frames.length === 2)
    show('C', { program: 'Ü "x"' })
    await until('the change came', () => client.frames.length === 3)
    assert.deepEqual(client.frames, [
      {
        type: 'sensor_data',
        data: { machine_id: 'B', timestamp: '2026-03-01T12:00:00.002Z' },
        timestamp: '2026-03-01T12:00:00.002Z',
      },
      {
        type: 'sensor_data',
        data: { machine_id: 'A', timestamp: '2026-03-01T12:00:00.003Z', temperature: 21 },
        timestamp: '2026-03-01T12:00:00.003Z',
      },
      {
        type: 'sensor_data',
        data: { machine_id: 'C', timestamp: '2026-03-01T12:00:00.004Z', program: 'Ü "x"' },
        timestamp: '2026-03-01T12:00:00.004Z',
      },
    ])
    await client.close()
  }))

test('frames of every length arrive whole', () =>
  withShop(async ({ http, show }) => {
    const client = await LiveSocket.open(http)
    const lengths = [0, 1, 50, 60, 1_000, 65_000, 65_400, 65_536, 200_000]
    for (const [i, length] of lengths.entries()) show(`M${i}`, { program: 'é'.repeat(length) })
    await until('all came', () => client.frames.length === lengths.length)
    assert.deepEqual(
      client.frames.map(({ data }) => String(data['program']).length),
      lengths,
    )
    await client.close()
  }))

test('a client may ask for some machines, also for one that nobody has heard of yet', () =>
  withShop(async ({ http, show }) => {
    for (const machine of ['A', 'B', 'C', 'D']) show(machine)
    const some = await LiveSocket.open(http, '/ws/machines?machine=A&machine=C&machine=X')
    const odd = await LiveSocket.open(http, `/ws/machines/${encodeURIComponent('a/b Ü?')}`)
    const events = await LiveEvents.open(http, '?machine=B&machine=X')
    for (const machine of ['B', 'X', 'a/b Ü?', 'C']) show(machine)
    const namesOf = (frames: readonly { data: Readonly<Record<string, unknown>> }[]) =>
      frames.map(({ data }) => data['machine_id'])
    await until('all came', () => some.frames.length === 4 && events.events.length === 3)
    await until('the odd one came', () => odd.frames.length === 1)
    assert.deepEqual(namesOf(some.frames), ['A', 'C', 'X', 'C'])
    assert.deepEqual(namesOf(odd.frames), ['a/b Ü?'])
    assert.deepEqual(namesOf(events.events.map(({ data }) => data)), ['B', 'B', 'X'])
    await Promise.all([some.close(), odd.close(), events.close()])
  }))

test('an event stream goes on where it was cut; with an id of another start all that is current comes first', () =>
  withShop(async ({ http, show, hub }) => {
    for (const machine of ['A', 'B', 'C']) show(machine)
    const first = await LiveEvents.open(http)
    await until('what is current came', () => first.events.length === 3)
    assert.match(first.response.headers['content-type'] ?? '', /^text\/event-stream/)
    const { id } = first.events[1] ?? {}
    assert.equal(id, 'abc123-2')
    await first.close()
    for (const machine of ['A', 'D', 'A']) show(machine)
    const machinesAfter = async (lastEventId: string) => {
      const client = await LiveEvents.open(http, '', { 'last-event-id': lastEventId })
      const before = hub.sequence
      show('END')
      await until('the last one came', () => client.events.at(-1)?.id === `abc123-${before + 1}`)
      hub.keepOnly(new Set(['A', 'B', 'C', 'D']), Infinity)
      await client.close()
      return client.events.map(({ event, data }) => {
        assert.equal(event, 'sensor_data')
        return data.data['machine_id']
      })
    }
    assert.deepEqual(await machinesAfter(id ?? ''), ['C', 'D', 'A', 'END'], 'only what changed since')
    const everything = ['B', 'C', 'D', 'A', 'END']
    for (const unknown of [
      'another-2',
      'abc123-99999',
      'abc123-',
      'abc123--1',
      'abc123-1e1',
      '-',
      'x'.repeat(9_000),
    ]) {
      assert.deepEqual(await machinesAfter(unknown), everything, unknown.slice(0, 20))
    }
    assert.deepEqual(await machinesAfter('abc123-1'), everything)
  }))

test('a client that reads nothing costs a bounded amount, is told what it skipped, and then gets the newest', () =>
  withShop(async ({ http, show, hub, value }) => {
    show('A', { n: -1 })
    const slow = await BareSocket.open(http)
    const quick = await LiveSocket.open(http)
    let taken = 0
    const takenByQuick = () => (taken += quick.frames.splice(0).length)
    const padding = 'x'.repeat(20_000)
    const before = await memory()
    // Far more than the system's own buffers take.
    const rounds = 1_000
    for (let n = 0; n < rounds; n++) {
      for (const machine of ['A', 'B']) show(machine, { n, padding })
      if (n % 20 === 0) await until('the quick one keeps up', () => takenByQuick() >= 2 * n + 2)
    }
    const grown = ((await memory()) - before) / 2 ** 20
    assert.ok(grown < 20, `${grown} MiB grown while 60 MB were not read`)
    await until('the quick one has all', () => takenByQuick() === 2 * rounds + 1)
    slow.wire.resume()
    await until('the slow one has the last', () => slow.texts().at(-1)?.data['n'] === rounds - 1)
    const texts = slow.texts()
    const notices = texts.filter(({ type }) => type === 'skipped')
    assert.ok(notices.length >= 1)
    const skipped = notices.reduce((sum, { data }) => sum + Number(data['frames']), 0)
    const got = texts.length - notices.length
    assert.equal(got + skipped, hub.sequence, 'what it got and what it skipped are all')
    assert.ok(skipped > 0 && !Number.isNaN(Date.parse(String(notices[0]?.data['since']))))
    assert.deepEqual(
      texts.slice(-2).map(({ data }) => [data['machine_id'], data['n']]),
      [
        ['A', rounds - 1],
        ['B', rounds - 1],
      ],
    )
    assert.equal(await value('frames_skipped_total', { kind: 'ws' }), skipped)
    slow.wire.destroy()
    await quick.close()
  }))

test('an event stream that is not read skips in the same way', () =>
  withShop(async ({ http, show, hub }) => {
    const stop = new AbortController()
    const response = await fetch(`${http}/api/v1/events?machine=A`, { signal: stop.signal })
    const padding = 'x'.repeat(50_000)
    const rounds = 600
    for (let n = 0; n < rounds; n++) {
      show('A', { n, padding })
      show('B', { n })
      await new Promise((resolve) => setImmediate(resolve))
    }
    let text = ''
    for await (const bytes of response.body ?? []) {
      text += Buffer.from(bytes as Uint8Array).toString()
      if (text.includes(`"n":${rounds - 1},`)) break
    }
    stop.abort()
    const skipped = [...text.matchAll(/event: skipped\ndata: .*?"frames":(\d+)/g)]
    const got = [...text.matchAll(/event: sensor_data/g)].length
    const sum = skipped.reduce((all, [, frames]) => all + Number(frames), 0)
    assert.ok(sum > 0)
    assert.equal(got + sum, hub.sequence / 2, 'only frames that it asked for count')
  }))

test('who takes nothing for too long, answers no ping, or sends too much is closed', () =>
  withShop(
    async ({ http, show, clients, value }) => {
      const silent = await BareSocket.open(http)
      silent.wire.resume()
      await until('no pong: closed', () => silent.closeCode() === 1008)
      const talkative = await BareSocket.open(http)
      talkative.wire.resume()
      for (let i = 0; i < 30; i++) talkative.send(1, 'hello')
      await until('too many messages: closed', () => talkative.closeCode() === 1008)
      const long = await BareSocket.open(http)
      long.wire.resume()
      long.send(1, 'x'.repeat(2_000))
      await until('too long a message: closed', () => long.closeCode() === 1009)
      const slow = await BareSocket.open(http)
      const padding = 'x'.repeat(100_000)
      for (let n = 0; n < 120; n++) {
        show(`M${n}`, { padding })
        await new Promise((resolve) => setImmediate(resolve))
      }
      await until(
        'nothing taken: closed',
        async () => (await value('clients_closed_total', { reason: 'slow' })) === 1,
      )
      await until('nobody is left', async () => (await clients()) === 0)
      const closedFor = (reason: string) => value('clients_closed_total', { reason })
      assert.equal(await closedFor('silent'), 1)
      assert.equal(await closedFor('talkative'), 1)
      slow.wire.destroy()
    },
    { limits: { pingMs: 100, slowMs: 300, messages: 20, farewellMs: 200 } },
  ))

test('a client that answers pings stays, and gets a pong for its own', () =>
  withShop(
    async ({ http, clients }) => {
      const client = await LiveSocket.open(http)
      const bare = await BareSocket.open(http)
      bare.wire.resume()
      bare.send(9, 'are you there')
      const pings = () => bare.frames().filter(({ opcode }) => opcode === 9).length
      let answered = 0
      await until('several pings came', () => {
        for (; answered < pings(); answered++) bare.send(10, '')
        return answered >= 5
      })
      const pong = bare.frames().find(({ opcode }) => opcode === 10)
      assert.equal(pong?.payload.toString(), 'are you there')
      assert.equal(await clients(), 2)
      await client.close()
      bare.wire.destroy()
    },
    { limits: { pingMs: 100 } },
  ))

test('more clients than may listen are told so, and come in when others have gone', () =>
  withShop(
    async ({ http, clients }) => {
      const first = await LiveSocket.open(http)
      const second = await LiveEvents.open(http)
      const third = await BareSocket.open(http)
      assert.equal(third.status, 503)
      assert.match(third.read.toString(), /retry-after: \d+\r\n[^]*"code":"too_many_clients"/)
      const response = await fetch(`${http}/api/v1/events`)
      assert.equal(response.status, 503)
      assert.equal(((await response.json()) as { code: string }).code, 'too_many_clients')
      await first.close()
      await until('it has gone', async () => (await clients()) === 1)
      await (await LiveSocket.open(http)).close()
      await second.close()
    },
    { maxClients: 2 },
  ))

test('pages of other origins may not listen unless they are named', () =>
  withShop(
    async ({ http }) => {
      const { host } = new URL(http)
      const cases = [
        [`http://${host}`, 101],
        [`https://${host}`, 101],
        ['https://shop.example', 101],
        ['https://other.example:8443', 101],
        ['https://evil.example', 403],
        [`http://${host}.evil.example`, 403],
        ['http://127.0.0.1:1', 403],
        ['null', 403],
      ] as const
      for (const [origin, status] of cases) {
        const client = await BareSocket.open(http, '/ws/machines', `Origin: ${origin}\r\n`)
        assert.equal(client.status, status, origin)
        client.wire.destroy()
      }
      const events = await fetch(`${http}/api/v1/events`, { headers: { origin: 'https://evil.example' } })
      assert.equal(events.status, 403)
      assert.equal(((await events.json()) as { code: string }).code, 'forbidden_origin')
      const allowed = await LiveEvents.open(http, '', { origin: 'https://shop.example' })
      assert.equal(allowed.response.headers['access-control-allow-origin'], 'https://shop.example')
      await allowed.close()
    },
    { origins: 'https://shop.example,https://other.example:8443' },
  ))

test('without a WebSocket the address says what it wants; other upgrades are served as plain requests', () =>
  withShop(async ({ http }) => {
    const plain = await fetch(`${http}/ws/machines`)
    assert.equal(plain.status, 426)
    assert.equal(plain.headers.get('upgrade'), 'websocket')
    assert.equal((await fetch(`${http}/api/v1/events`, { method: 'HEAD' })).status, 404)
    const webSocket = await BareSocket.open(http, '/metrics')
    assert.equal(webSocket.status, 200)
    webSocket.wire.destroy()
    const request = get(`${http}/healthz`, {
      agent: false,
      headers: {
        connection: 'Upgrade, HTTP2-Settings',
        upgrade: 'h2c',
        'http2-settings': 'AAMAAABkAAQAoAAAAAIAAAAA',
      },
    })
    const [h2c] = (await once(request, 'response')) as [IncomingMessage]
    assert.equal(h2c.statusCode, 200)
    h2c.resume()
  }))

test('a thousand clients that open and close leave nothing behind', () =>
  withShop(async ({ http, show, clients }) => {
    show('A')
    const round = async (count: number) => {
      const opened = await Promise.all(
        Array.from({ length: count }, (_, i) =>
          i % 10 === 9
            ? LiveEvents.open(http)
            : LiveSocket.open(http, i % 3 === 0 ? '/ws/machines/A' : undefined),
        ),
      )
      show('A')
      // Half of them say goodbye, the others are cut.
      await Promise.all(opened.map((client) => client.close()))
      const bare = await Promise.all(Array.from({ length: count / 10 }, () => BareSocket.open(http)))
      for (const { wire } of bare) wire.resetAndDestroy()
      await until('all have gone', async () => (await clients()) === 0)
    }
    await round(100)
    const resources = () =>
      process
        .getActiveResourcesInfo()
        .filter((name) => !name.startsWith('TickObject') && name !== 'Immediate')
        .toSorted()
    const before = resources()
    const heapBefore = await memory()
    for (let i = 0; i < 5; i++) await round(200)
    await until('nothing is left', () => resources().length <= before.length)
    const grown = ((await memory()) - heapBefore) / 2 ** 20
    assert.ok(grown < 8, `${grown} MiB of the heap are left over`)
  }))

test('when the monitor stops, every client is told so', () =>
  withShop(
    async ({ http, show, close, clients }) => {
      show('A')
      const socket = await LiveSocket.open(http)
      const events = await LiveEvents.open(http)
      const deaf = await BareSocket.open(http)
      await until('all are there', async () => (await clients()) === 3)
      await close()
      await until('they know', () => socket.closed !== null && events.ended !== null)
      assert.deepEqual(socket.closed, { code: 1001, reason: 'the monitor stops' })
      assert.equal(events.ended, true)
      deaf.wire.resume()
      await until('the deaf one was cut off', () => deaf.wire.destroyed)
      assert.equal(deaf.closeCode(), 1001)
    },
    { limits: { farewellMs: 300 } },
  ))
