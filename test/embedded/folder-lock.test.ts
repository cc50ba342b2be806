import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { acquireFolderLock } from '../../src/embedded/folder-lock.ts'

const MODULE = new URL('../../src/embedded/folder-lock.ts', import.meta.url)

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'cnc-monitor-test-'))
  try {
    await run(join(home, 'state'))
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

/** Another process that holds the lock until it is killed. */
async function withHolder(folder: string, run: (holder: ChildProcess) => Promise<void>): Promise<void> {
  const code = `const { acquireFolderLock } = await import(${JSON.stringify(MODULE.href)})
    await acquireFolderLock(${JSON.stringify(folder)}, { waitMs: 0 })
    console.log('held')
    setInterval(() => {}, 1000)`
  const holder = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(holder, 'exit')
  try {
    await Promise.race([once(holder.stdout, 'data'), exited.then(() => assert.fail('the holder ended'))])
    await run(holder)
  } finally {
    holder.kill('SIGKILL')
    await exited
  }
}

test('a folder that another process holds is refused, and the process named', () =>
  withFolder((folder) =>
    withHolder(folder, async (holder) => {
      await assert.rejects(acquireFolderLock(folder, { waitMs: 0 }), new RegExp(`pid ${holder.pid}\\)`))
    }),
  ))

test('the lock of a process that was killed is free at once', () =>
  withFolder(async (folder) => {
    await withHolder(folder, async (holder) => {
      holder.kill('SIGKILL')
      await once(holder, 'exit')
      const lock = await acquireFolderLock(folder, { waitMs: 0 })
      lock.release()
    })
  }))

test('waiting gets the lock as soon as the holder ends', () =>
  withFolder((folder) =>
    withHolder(folder, async (holder) => {
      const startedMs = performance.now()
      setTimeout(() => holder.kill('SIGKILL'), 300)
      const lock = await acquireFolderLock(folder, { waitMs: 5_000 })
      const waitedMs = performance.now() - startedMs
      lock.release()
      assert.ok(waitedMs >= 250 && waitedMs < 2_000, `it waited ${waitedMs} ms`)
    }),
  ))

test('one process cannot take the same folder twice, and can again after giving it back', () =>
  withFolder(async (folder) => {
    const first = await acquireFolderLock(folder, { waitMs: 0 })
    await assert.rejects(acquireFolderLock(folder, { waitMs: 0 }), new RegExp(`pid ${process.pid}\\)`))
    first.release()
    first.release()
    const second = await acquireFolderLock(folder, { waitMs: 0 })
    second.release()
  }))
