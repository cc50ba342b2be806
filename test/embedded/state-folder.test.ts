import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  openStateFolder,
  readEndpoints,
  removeEndpoints,
  writeEndpoints,
} from '../../src/embedded/state-folder.ts'

const ENDPOINTS = {
  http: 'http://127.0.0.1:1',
  nats: 'nats://127.0.0.1:2',
  database: 'postgres://cnc:secret@127.0.0.1:3/postgres',
  pids: { monitor: process.pid, nats: null, database: null },
}

async function withFolder(run: (folder: string) => Promise<void> | void): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'cnc-monitor-test-'))
  try {
    await run(join(home, 'state'))
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

/** The pid of a process that has ended and been collected. */
async function endedPid(): Promise<number> {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' })
  await once(child, 'exit')
  return child.pid ?? 0
}

const modeOf = (path: string) => statSync(path).mode & 0o777

test('the folder and its secrets are for their owner only', { skip: process.platform === 'win32' }, () =>
  withFolder(async (folder) => {
    const state = await openStateFolder(folder)
    writeEndpoints(folder, ENDPOINTS)
    state.close()
    assert.equal(modeOf(folder), 0o700)
    assert.equal(modeOf(join(folder, 'endpoints.json')), 0o600)
    assert.equal(modeOf(join(folder, 'database-password')), 0o600)
  }),
)

test('the password is made once and long', () =>
  withFolder(async (folder) => {
    const first = await openStateFolder(folder)
    first.close()
    const second = await openStateFolder(folder)
    second.close()
    assert.equal(second.password, first.password)
    assert.ok(first.password.length >= 20, `it has ${first.password.length} characters`)
  }))

test('a second start on the folder is refused with the holder, the folder and what to do', () =>
  withFolder(async (folder) => {
    const first = await openStateFolder(folder)
    try {
      await assert.rejects(openStateFolder(folder), (error: Error) => {
        assert.match(error.message, new RegExp(`pid ${process.pid}\\b`))
        assert.ok(error.message.includes(folder))
        assert.match(error.message, /STATE_DIR/)
        return true
      })
    } finally {
      first.close()
    }
    const again = await openStateFolder(folder)
    again.close()
  }))

test('endpoints are read as they were written while their monitor lives, and gone when removed', () =>
  withFolder(async (folder) => {
    const state = await openStateFolder(folder)
    writeEndpoints(folder, ENDPOINTS)
    assert.deepEqual(readEndpoints(folder), ENDPOINTS)
    removeEndpoints(folder)
    removeEndpoints(folder)
    assert.equal(readEndpoints(folder), null)
    state.close()
  }))

test('absent endpoints are none, also without a folder', () =>
  withFolder((folder) => assert.equal(readEndpoints(folder), null)))

test('endpoints of a monitor that is gone are stale', () =>
  withFolder(async (folder) => {
    const state = await openStateFolder(folder)
    const monitor = await endedPid()
    writeEndpoints(folder, { ...ENDPOINTS, pids: { ...ENDPOINTS.pids, monitor } })
    assert.equal(readEndpoints(folder), null)
    state.close()
  }))

for (const [what, text] of [
  ['half a file', '{"http": "http://127'],
  ['an empty file', ''],
  ['no object', 'null'],
  ['no pids', '{"http": "a", "nats": "b", "database": "c"}'],
  [
    'a process group for a pid',
    JSON.stringify({ ...ENDPOINTS, pids: { monitor: 0, nats: null, database: null } }),
  ],
  ['no addresses', JSON.stringify({ pids: ENDPOINTS.pids })],
] as const) {
  test(`malformed endpoints are none: ${what}`, () =>
    withFolder(async (folder) => {
      const state = await openStateFolder(folder)
      writeFileSync(join(folder, 'endpoints.json'), text)
      assert.equal(readEndpoints(folder), null)
      state.close()
    }))
}
