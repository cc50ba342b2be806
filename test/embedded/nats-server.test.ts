import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { connectToNats } from '../../src/broker/connect.ts'
import { startNats } from '../../src/embedded/nats-server.ts'
import { until } from '../support/monitor.ts'
import { isAlive, natsBinary, withNats } from '../support/nats.ts'

const MODULE = new URL('../../src/embedded/nats-server.ts', import.meta.url)
const LIMIT_MS = 15_000

const never = () => new AbortController().signal

async function withFolder<T>(run: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'cnc-monitor-test-'))
  try {
    return await run(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Somebody else on a port of 127.0.0.1. */
async function withTakenPort<T>(run: (port: number) => Promise<T>): Promise<T> {
  const other = createServer((socket) => socket.destroy())
  other.listen(0, '127.0.0.1')
  await once(other, 'listening')
  const address = other.address()
  try {
    return await run(typeof address === 'object' ? (address?.port ?? 0) : 0)
  } finally {
    other.close()
  }
}

/** An owner in a process of its own, to be killed; resolves to the pids of it and of its nats-server. */
async function startOwner(folder: string): Promise<{ pids: number[]; kill(): Promise<void> }> {
  const code = `const { startNats } = await import(${JSON.stringify(MODULE.href)})
    const server = await startNats({ binary: ${JSON.stringify(await natsBinary())},
      folder: ${JSON.stringify(folder)}, port: 0, isPortFixed: false, signal: new AbortController().signal })
    console.log(server.pid)
    setInterval(() => {}, 1000)`
  const owner = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(owner, 'exit')
  const kill = async () => {
    owner.kill('SIGKILL')
    await exited
  }
  const said = await Promise.race([
    once(owner.stdout, 'data'),
    exited.then(() => assert.fail('the owner ended at once')),
  ])
  return { pids: [owner.pid ?? 0, Number(String(said[0]))], kill }
}

/** The keeper's pid: the parent of the server. */
async function parentOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^PPid:\s*(\d+)/m.exec(status)?.[1])
}

test('a port that is taken is replaced by the next free one', () =>
  withTakenPort((taken) =>
    withFolder(async (folder) => {
      const options = { binary: await natsBinary(), folder, port: taken, signal: never() }
      const server = await startNats({ ...options, isPortFixed: false })
      await server.stop()
      assert.ok(server.port > taken && server.port <= taken + 20, `it took ${server.port} after ${taken}`)
    }),
  ))

test('a port that was set explicitly and is taken is an error that says what to do', () =>
  withTakenPort((taken) =>
    withFolder(async (folder) => {
      const options = { binary: await natsBinary(), folder, port: taken, signal: never() }
      await assert.rejects(
        startNats({ ...options, isPortFixed: true }),
        new RegExp(`Port ${taken} is taken; set NATS_PORT`),
      )
    }),
  ))

test('a server that ends at once is an error with its last words', () =>
  withFolder(async (folder) => {
    const script = join(folder, 'nats-server')
    const lines = ['#!/bin/sh', 'test "$1" = --version && exit 0', 'echo the disk is full >&2', 'exit 1', '']
    await writeFile(script, lines.join('\n'), { mode: 0o755 })
    await assert.rejects(
      startNats({ binary: script, folder, port: 0, isPortFixed: false, signal: never() }),
      /ended at once:\nthe disk is full/,
    )
  }))

test('a start that is called off leaves no server behind', () =>
  withFolder(async (folder) => {
    const options = { binary: await natsBinary(), folder, port: 0, isPortFixed: false }
    await assert.rejects(startNats({ ...options, signal: AbortSignal.abort(new Error('enough')) }), /enough/)
    const pid = Number(await readFile(join(folder, 'nats-server.pid'), 'utf8').catch(() => '0'))
    assert.ok(pid === 0 || !isAlive(pid), 'the server still runs')
  }))

test('a server stops in good order, and stopping it twice does nothing more', () =>
  withFolder(async (folder) => {
    const options = { binary: await natsBinary(), folder, port: 0, isPortFixed: false, signal: never() }
    const server = await startNats(options)
    await Promise.all([server.stop(), server.stop()])
    await server.stop()
    await server.exited
    assert.ok(!isAlive(server.pid), 'the server still runs')
  }))

test('a server ends soon after its owner was killed', () =>
  withFolder(async (folder) => {
    const owner = await startOwner(folder)
    await owner.kill()
    const [, nats = 0] = owner.pids
    await until('the server is gone', () => !isAlive(nats), LIMIT_MS)
  }))

const linuxOnly = process.platform === 'linux' ? false : 'reads /proc'

test('a server whose owner and keeper were both killed is ended by the next start', { skip: linuxOnly }, () =>
  withFolder(async (folder) => {
    const owner = await startOwner(folder)
    const [, orphan = 0] = owner.pids
    const keeper = await parentOf(orphan)
    process.kill(keeper, 'SIGKILL')
    await owner.kill()
    assert.ok(isAlive(orphan), 'there is no orphan to find')
    const options = { binary: await natsBinary(), folder, port: 0, isPortFixed: false, signal: never() }
    const server = await startNats(options)
    try {
      assert.ok(!isAlive(orphan), 'the orphan still runs beside it')
    } finally {
      await server.stop()
    }
  }),
)

test('a server whose keeper was killed is still stopped by its owner', { skip: linuxOnly }, () =>
  withFolder(async (folder) => {
    const options = { binary: await natsBinary(), folder, port: 0, isPortFixed: false, signal: never() }
    const server = await startNats(options)
    process.kill(await parentOf(server.pid), 'SIGKILL')
    try {
      const limit = AbortSignal.timeout(LIMIT_MS)
      await Promise.race([
        server.stop(),
        once(limit, 'abort').then(() => assert.fail(`stop() took more than ${LIMIT_MS} ms`)),
      ])
      assert.ok(!isAlive(server.pid), 'the server still runs')
    } finally {
      if (isAlive(server.pid)) process.kill(server.pid, 'SIGKILL')
    }
  }),
)

test('what was published is there after kill -9 and a restart on the same port', () =>
  withNats(async (nats) => {
    const { jetstream, jetstreamManager } = await import('@nats-io/jetstream')
    const before = await connectToNats({ url: nats.url, name: 'test' })
    const manager = await jetstreamManager(before)
    await manager.streams.add({ name: 'KEPT', subjects: ['kept'] })
    for (let n = 0; n < 10; n += 1) await jetstream(before).publish('kept', String(n))
    await before.close()
    const killed = nats.pid
    await nats.kill()
    await nats.restart()
    assert.notEqual(nats.pid, killed)
    const after = await connectToNats({ url: nats.url, name: 'test' })
    try {
      const info = await (await jetstreamManager(after)).streams.info('KEPT')
      assert.equal(info.state.messages, 10)
    } finally {
      await after.close()
    }
  }))
