/*
 * Lets one process at a time use a folder.
 *
 * Invariant: the lock is the operating system's (through SQLite's exclusive lock on `<folder>.lock`), so it
 * ends with its holder however that one ends, kill -9 included. `<folder>.lock.pid` only names the holder in
 * messages and proves nothing. Nobody may open `<folder>.lock` by other means: closing it again would free
 * a lock held by the same process.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'

/** How often a taken lock is tried again. */
const RETRY_MS = 100
/** SQLite's result codes for "somebody else has it". */
const BUSY = new Set([5, 6])

export interface FolderLock {
  /** Gives the folder back; a second call does nothing. */
  release(): void
}

/**
 * Takes the lock of a folder (which need not exist yet), waiting up to `waitMs` for another holder to end.
 * Throws an Error that names the holder's process when it is still taken then.
 */
export async function acquireFolderLock(
  folder: string,
  options: { readonly waitMs: number },
): Promise<FolderLock> {
  const path = `${folder}.lock`
  const holderPath = `${path}.pid`
  mkdirSync(dirname(path), { recursive: true })
  const deadline = performance.now() + options.waitMs
  for (;;) {
    const database = tryLock(path)
    if (database !== undefined) {
      writeFileSync(holderPath, `${process.pid}\n`)
      let released = false
      const release = () => {
        if (released) return
        released = true
        rmSync(holderPath, { force: true })
        database.close()
      }
      return { release }
    }
    if (performance.now() >= deadline)
      throw new Error(`The folder ${folder} is in use by another process (pid ${readHolder(holderPath)}).`)
    await sleep(RETRY_MS)
  }
}

function tryLock(path: string): DatabaseSync | undefined {
  const database = new DatabaseSync(path)
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database.close()
    if (error instanceof Error && 'errcode' in error && BUSY.has(Number(error.errcode) & 0xff))
      return undefined
    throw error
  }
}

function readHolder(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim() || 'unknown'
  } catch {
    return 'unknown'
  }
}
