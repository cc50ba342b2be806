import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { test } from 'node:test'
import { findNatsServer, fromRelease } from '../../src/embedded/nats-binary.ts'

const never = () => new AbortController().signal

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'cnc-monitor-test-'))
  try {
    await run(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Runs with another PATH, the only setting the search reads from its surroundings. */
async function withPath(path: string, run: () => Promise<void>): Promise<void> {
  const before = process.env['PATH'] ?? ''
  process.env['PATH'] = path
  try {
    await run()
  } finally {
    process.env['PATH'] = before
  }
}

/** The PATH's folders without those that hold a nats-server. */
async function pathWithoutNats(): Promise<string> {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const names = await Promise.all(folders.map((folder) => readdir(folder).catch((): string[] => [])))
  return folders.filter((_, index) => !names[index]?.includes('nats-server')).join(delimiter)
}

function hasApt(): boolean {
  try {
    execFileSync('apt-get', ['--version'])
    return true
  } catch {
    return false
  }
}

const script = (text: string) => `#!/bin/sh\n${text}\n`

test('a nats-server on the PATH that runs is taken, one that does not run is passed over', () =>
  withFolder(async (folder) => {
    const broken = join(folder, 'broken')
    const sound = join(folder, 'sound')
    await mkdir(broken)
    await mkdir(sound)
    await writeFile(join(broken, 'nats-server'), script('exit 1'), { mode: 0o755 })
    await writeFile(join(sound, 'nats-server'), script('exit 0'), { mode: 0o755 })
    await withPath([broken, sound].join(delimiter), async () => {
      const options = { cacheDir: join(folder, 'cache'), onProgress: assert.fail, signal: never() }
      assert.equal(await findNatsServer(options), join(sound, 'nats-server'))
    })
  }))

test(
  'two starts at once on a machine without nats-server fetch one that runs, and the third finds it',
  { skip: hasApt() ? false : 'apt-get is not there' },
  () =>
    withFolder(async (folder) => {
      const cacheDir = join(folder, 'cache')
      const said: string[] = []
      const options = { cacheDir, onProgress: (line: string) => said.push(line), signal: never() }
      await withPath(await pathWithoutNats(), async () => {
        const found = await Promise.all([findNatsServer(options), findNatsServer(options)])
        assert.deepEqual(found, [join(cacheDir, 'nats-server'), join(cacheDir, 'nats-server')])
        assert.match(execFileSync(found[0], ['--version']).toString(), /nats-server: v2/)
        assert.ok(said.length > 0, 'nothing was said about the fetching')
        assert.deepEqual(await readdir(cacheDir), ['nats-server'])
        assert.equal(await findNatsServer({ ...options, onProgress: assert.fail }), found[0])
      })
    }),
)

test('a fetch that fails is one sentence that says what to do', () =>
  withFolder(async (folder) => {
    // An apt-get that brings nothing.
    for (const name of ['apt-get', 'dpkg']) {
      await writeFile(join(folder, name), script('test "$1" = --version'), { mode: 0o755 })
    }
    await withPath(folder, async () => {
      await assert.rejects(
        findNatsServer({ cacheDir: join(folder, 'cache'), onProgress: () => {}, signal: never() }),
        /nats-server is not on the PATH and could not be fetched.*Install it.*NATS_URL/s,
      )
    })
  }))

test('a release archive without the checksum that its release publishes is refused', () =>
  withFolder(async (folder) => {
    const wanted: string[] = []
    const other = createHash('sha256').update('another archive').digest('hex')
    const server = createServer((request, response) => {
      const name = request.url?.split('/').at(-1) ?? ''
      wanted.push(name)
      const archive = wanted[0] ?? ''
      response.end(name === 'SHA256SUMS' ? `${other}  ${archive}\n` : 'an archive')
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : 0
    try {
      await assert.rejects(fromRelease(folder, never(), `http://127.0.0.1:${port}`), /checksum/)
      assert.ok(wanted.includes('SHA256SUMS'))
      assert.deepEqual(await readdir(folder), [], 'something was unpacked')
    } finally {
      server.close()
      server.closeAllConnections()
    }
  }))

test(
  'a release archive with the published checksum is unpacked',
  { skip: process.platform === 'linux' ? false : 'the archive is made with tar' },
  () =>
    withFolder(async (folder) => {
      const source = join(folder, 'source')
      const server = createServer((request, response) => {
        const name = request.url?.split('/').at(-1) ?? ''
        if (name !== 'SHA256SUMS') {
          const inner = name.replace('.tar.gz', '')
          mkdirSync(join(source, inner), { recursive: true })
          writeFileSync(join(source, inner, 'nats-server'), script('exit 0'), { mode: 0o755 })
          execFileSync('tar', ['-czf', join(folder, name), '-C', source, inner])
          response.end(readFileSync(join(folder, name)))
          return
        }
        const archive = readdirSync(folder).find((file) => file.endsWith('.tar.gz')) ?? ''
        const sum = createHash('sha256')
          .update(readFileSync(join(folder, archive)))
          .digest('hex')
        response.end(`${'0'.repeat(64)}  another.zip\n${sum}  ${archive}\n`)
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const address = server.address()
      const port = typeof address === 'object' ? address?.port : 0
      const work = join(folder, 'work')
      await mkdir(work)
      try {
        const binary = await fromRelease(work, never(), `http://127.0.0.1:${port}`)
        execFileSync(binary)
      } finally {
        server.close()
        server.closeAllConnections()
      }
    }),
)
