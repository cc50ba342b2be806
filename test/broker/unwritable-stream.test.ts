// A nats-server that cannot write to its stream any more, as 2.15 after a full disk: what it does is seen and said, and
// starting it again mends it. The server of the machine is too old for that, as a rule: then the test is skipped.
import assert from 'node:assert/strict'
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { jetstream } from '@nats-io/jetstream'
import { connectToNats, type NatsConnection } from '../../src/broker/connect.ts'
import { consumerWatch, type ConsumerWatch } from '../../src/broker/consumer-position.ts'
import { publisherOn } from '../../src/broker/publisher.ts'
import { declareStream } from '../../src/broker/stream.ts'
import { waitFor } from '../../src/lifecycle.ts'
import { until } from '../support/monitor.ts'
import { natsBinary } from '../support/nats.ts'
import { freePort } from '../support/ports.ts'
import { withSmallDisk } from '../support/small-disk.ts'

const names = { stream: 'CNC_DATA', consumer: 'PROCESSOR' }
const settings = { ...names, maxBytes: 2 ** 24, ackWaitMs: 2_000, maxAckPending: 1_000 }
const payload = 'x'.repeat(2_000)

/** As a server of somebody's own: nobody watches over it. */
async function serve(binary: string, folder: string, port: number): Promise<ChildProcess> {
  const config = join(folder, 'nats.conf')
  const store = JSON.stringify(join(folder, 'jetstream'))
  await writeFile(
    config,
    `host: 127.0.0.1\nport: ${port}\njetstream { store_dir: ${store}, sync_interval: always }`,
  )
  return spawn(binary, ['--config', config], { stdio: 'ignore' })
}

async function end(server: ChildProcess): Promise<void> {
  const ended = once(server, 'exit')
  server.kill('SIGKILL')
  await ended
}

/** Takes and acks all there is, and looks at the consumer. */
async function answerAndCheck(connection: NatsConnection, watch: ConsumerWatch): Promise<void> {
  const consumer = await jetstream(connection).consumers.get(names.stream, names.consumer)
  for await (const message of await consumer.fetch({ max_messages: 100, expires: 1_000 })) message.ack()
  await watch.check()
}

test('a server that cannot write to its stream is named, and well again after a restart', async (t) => {
  const binary = await natsBinary()
  const { stdout: version } = await promisify(execFile)(binary, ['--version'])
  if (!/v(?:2\.(?:1[5-9]|[2-9]\d)|[3-9])\./.test(version))
    return t.skip(`${version.trim()} is older than 2.15`)
  await withSmallDisk(t, 40, async (disk) => {
    const port = await freePort()
    let server = await serve(binary, disk.path, port)
    try {
      const connection = await waitFor(
        'nats-server',
        () => connectToNats({ url: `nats://127.0.0.1:${port}`, name: 'test' }),
        { timeoutMs: 20_000, signal: t.signal },
      )
      try {
        await declareStream(connection, settings, assert.fail)
        const publisher = publisherOn(connection, 1_000)
        for (let i = 0; i < 10; i++) await publisher.publish('CNC_DATA.x', payload)
        const free = await disk.fill()
        await assert.rejects(
          (async () => {
            for (let i = 0; i < 200; i++) await publisher.publish('CNC_DATA.x', payload)
          })(),
        )
        await free()
        const said: string[] = []
        const watch = consumerWatch(connection, names, (sentence) => said.push(sentence))
        assert.equal(watch.stuck(), null)
        await until('it is seen', async () => {
          await answerAndCheck(connection, watch)
          return watch.stuck() !== null
        })
        assert.match(watch.stuck() ?? '', /^nats-server keeps message 1 in the stream CNC_DATA although/)
        assert.equal(said.length, 2, 'once for each time that the consumer was made anew')
        assert.match(said[1] ?? '', /^Restart nats-server.* made anew all the same, and again in 20 s\.$/)
        await answerAndCheck(connection, watch)
        await answerAndCheck(connection, watch)
        assert.equal(said.length, 2, 'the pause has grown')
        await end(server)
        server = await serve(binary, disk.path, port)
        await until('it is well again', async () => {
          await answerAndCheck(connection, watch).catch(() => undefined)
          return watch.stuck() === null
        })
        await publisher.publish('CNC_DATA.x', payload)
      } finally {
        await connection.close()
      }
    } finally {
      await end(server)
    }
  })
})
