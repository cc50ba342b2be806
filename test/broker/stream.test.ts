import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { AckPolicy, jetstreamManager, RetentionPolicy } from '@nats-io/jetstream'
import { connectToNats, type NatsConnection } from '../../src/broker/connect.ts'
import { deliveriesOf } from '../../src/broker/deliveries.ts'
import { publisherOn } from '../../src/broker/publisher.ts'
import { declareStream, readBacklog } from '../../src/broker/stream.ts'
import { UsageError } from '../../src/errors.ts'
import { until } from '../support/monitor.ts'
import { natsBinary, withNats } from '../support/nats.ts'
import { freePort } from '../support/ports.ts'

const settings = {
  stream: 'CNC_DATA',
  consumer: 'PROCESSOR',
  maxBytes: 2 ** 30,
  ackWaitMs: 1_000,
  maxAckPending: 1_000,
}

function withConnection(run: (connection: NatsConnection) => Promise<void>): Promise<void> {
  return withNats(async ({ url }) => {
    const connection = await connectToNats({ url, name: 'test' })
    try {
      await run(connection)
    } finally {
      await connection.close()
    }
  })
}

const unexpected = (sentence: string) => assert.fail(sentence)

test('declaring twice, also at once, makes one stream and says nothing', () =>
  withConnection(async (connection) => {
    const both = await Promise.all([
      declareStream(connection, settings, unexpected),
      declareStream(connection, settings, unexpected),
    ])
    assert.deepEqual(both[0], both[1])
    assert.deepEqual(await declareStream(connection, settings, unexpected), both[0])
  }))

test('a stream with other settings is left as it is and named', () =>
  withConnection(async (connection) => {
    const manager = await jetstreamManager(connection)
    await manager.streams.add({
      name: 'CNC_DATA',
      subjects: ['CNC_DATA.>'],
      retention: RetentionPolicy.Limits,
    })
    const warnings: string[] = []
    await declareStream(connection, settings, (sentence) => warnings.push(sentence))
    assert.equal(warnings.length, 1)
    assert.match(warnings[0] ?? '', /stream CNC_DATA exists with other settings.*retention is "limits"/)
    assert.equal((await manager.streams.info('CNC_DATA')).config.retention, 'limits')
  }))

test('a stream without the subject, or a consumer without explicit acks, ends the start with a sentence', () =>
  withConnection(async (connection) => {
    const manager = await jetstreamManager(connection)
    await manager.streams.add({ name: 'OTHER', subjects: ['elsewhere'] })
    await assert.rejects(
      declareStream(connection, { ...settings, stream: 'OTHER' }, unexpected),
      /does not take OTHER\.>.*STREAM_NAME/,
    )
    await manager.streams.add({ name: 'CNC_DATA', subjects: ['CNC_DATA.>'] })
    await manager.consumers.add('CNC_DATA', { durable_name: 'PROCESSOR', ack_policy: AckPolicy.None })
    await assert.rejects(
      declareStream(connection, settings, () => undefined),
      /not a pull consumer with explicit acks.*CONSUMER_NAME/,
    )
  }))

/** A nats-server that has this much room for streams. */
async function withRoom(settings: string, run: (connection: NatsConnection) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'cnc-monitor-test-'))
  const port = await freePort()
  const config = join(folder, 'nats.conf')
  await writeFile(
    config,
    `host: 127.0.0.1, port: ${port}\n${settings.replaceAll('FOLDER', JSON.stringify(folder))}\n`,
  )
  const server = spawn(await natsBinary(), ['--config', config], { stdio: 'ignore' })
  const exited = once(server, 'exit')
  try {
    const url = `nats://127.0.0.1:${port}`
    const connections: NatsConnection[] = []
    try {
      await until('the server answers', async () => {
        const tried = await connectToNats({ url, name: 'test' }).catch(() => null)
        if (tried !== null) connections.push(tried)
        return tried !== null
      })
      await run(connections[0] ?? assert.fail())
    } finally {
      await connections[0]?.close()
    }
  } finally {
    server.kill('SIGKILL')
    await exited
    await rm(folder, { recursive: true, force: true })
  }
}

test('a stream that is larger than the storage ends the start with a sentence that says what to lower', async () => {
  const large = { ...settings, maxBytes: 10 * 2 ** 20 }
  const declare = (connection: NatsConnection) => declareStream(connection, large, unexpected)
  await withRoom('jetstream { store_dir: FOLDER, max_file_store: 1MB }', async (connection) => {
    await assert.rejects(declare(connection), (error) => {
      assert.ok(error instanceof UsageError)
      assert.match(
        error.message,
        /CNC_DATA of 10485760 bytes \(insufficient storage.*\)\. Lower STREAM_MAX_BYTES/,
      )
      return true
    })
    await declareStream(connection, { ...settings, maxBytes: 2 ** 19 }, unexpected)
  })
  const account = '{ jetstream: { max_file: 4MB }, users: [{ user: u, password: p }] }'
  await withRoom(
    `jetstream { store_dir: FOLDER, max_file_store: 100MB }\naccounts { A: ${account} }\nno_auth_user: u`,
    async (connection) => {
      await assert.rejects(declare(connection), /4194304 bytes are free\. Lower STREAM_MAX_BYTES/)
    },
  )
})

test('what is taken and given back comes again; what is acked leaves the stream', () =>
  withConnection(async (connection) => {
    const declare = () => declareStream(connection, settings, unexpected)
    await declare()
    const publisher = publisherOn(connection)
    for (let i = 0; i < 20; i++) await publisher.publish('CNC_DATA.x', `${i}`)
    const stop = new AbortController()
    const source = deliveriesOf(connection, {
      stream: 'CNC_DATA',
      consumer: 'PROCESSOR',
      prefetch: { messages: 5, bytes: 1_000_000 },
      workingEveryMs: 1_000,
      declare,
    })
    const seen = new Map<number, number>()
    for await (const burst of source.take(stop.signal)) {
      for (const delivery of burst) {
        seen.set(delivery.sequence, delivery.deliveryCount)
        if (delivery.deliveryCount === 1 && delivery.sequence % 2 === 0) delivery.nak(0)
        else delivery.ack()
      }
      if (seen.size === 20 && [...seen].every(([sequence, count]) => sequence % 2 === 1 || count === 2))
        stop.abort()
    }
    await source.flush()
    const { pending, ackPending } = await readBacklog(connection, 'CNC_DATA', 'PROCESSOR')
    assert.deepEqual({ pending, ackPending }, { pending: 0, ackPending: 0 })
    assert.equal((await (await jetstreamManager(connection)).streams.info('CNC_DATA')).state.messages, 0)
  }))

test('a stream deleted and made anew ends the flow; the next one belongs to the new incarnation', () =>
  withConnection(async (connection) => {
    const declare = () => declareStream(connection, settings, unexpected)
    const first = await declare()
    const publisher = publisherOn(connection)
    const source = deliveriesOf(connection, {
      stream: 'CNC_DATA',
      consumer: 'PROCESSOR',
      prefetch: { messages: 5, bytes: 1_000_000 },
      workingEveryMs: 1_000,
      declare,
    })
    const stop = new AbortController()
    const flow = source.take(stop.signal)[Symbol.asyncIterator]()
    await publisher.publish('CNC_DATA.x', 'one')
    const taken = await flow.next()
    assert.deepEqual(taken.value?.[0]?.incarnation, first)
    taken.value?.[0]?.ack()
    await (await jetstreamManager(connection)).streams.delete('CNC_DATA')
    await assert.rejects(flow.next())
    await publisher.publish('CNC_DATA.x', 'lost').catch(() => undefined)
    const again = source.take(stop.signal)[Symbol.asyncIterator]()
    const next = again.next()
    // The stream is made by the flow itself.
    for (let taken = false; !taken;)
      taken = await publisher.publish('CNC_DATA.x', 'two').then(
        () => true,
        () => false,
      )
    const value = (await next).value?.[0]
    assert.notDeepEqual(value?.incarnation, first)
    value?.ack()
    stop.abort()
    await again.next()
  }))
