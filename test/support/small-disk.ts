// A file system small enough to be filled, where this machine lets a test make one.
import { execFile } from 'node:child_process'
import { mkdtemp, open, rmdir, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import { sentenceOf } from '../../src/errors.ts'

const run = promisify(execFile)
const BLOCK = Buffer.alloc(65_536, 'x')

export interface SmallDisk {
  readonly path: string
  /** Writes until nothing fits any more; resolves to what frees it again. */
  fill(): Promise<() => Promise<void>>
}

/** Mounts one for the test and unmounts it in the end; skips aloud where it cannot be had. */
export async function withSmallDisk(
  t: TestContext,
  mib: number,
  work: (disk: SmallDisk) => Promise<void>,
): Promise<void> {
  if (process.platform !== 'linux') return t.skip('a small file system is made on Linux only')
  const path = await mkdtemp(join(tmpdir(), 'cnc-monitor-disk-'))
  try {
    try {
      await run('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'tmpfs', path])
    } catch (error) {
      return t.skip(`a small file system cannot be mounted here: ${sentenceOf(error)}`)
    }
    try {
      await work({ path, fill: () => fill(join(path, 'ballast')) })
    } finally {
      await run('umount', [path]).catch(() => run('umount', ['--lazy', path]))
    }
  } finally {
    await rmdir(path)
  }
}

async function fill(path: string): Promise<() => Promise<void>> {
  const file = await open(path, 'a')
  try {
    // Half a block and less fits where a whole one does not.
    for (let size = BLOCK.length; size >= 512;) {
      try {
        await file.write(BLOCK, 0, size)
      } catch (error) {
        if ((error as { code?: string }).code !== 'ENOSPC') throw error
        size = Math.floor(size / 2)
      }
    }
  } finally {
    await file.close()
  }
  return () => unlink(path)
}
