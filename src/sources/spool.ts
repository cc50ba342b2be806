// Standard input, kept in a file: a replay reads its recording twice, first for the last time in it.
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

export interface Spooled {
  readonly path: string
  remove(): Promise<void>
}

export async function spoolInput(input: NodeJS.ReadableStream, signal: AbortSignal): Promise<Spooled> {
  const folder = await mkdtemp(join(tmpdir(), 'cnc-monitor-replay-'))
  const path = join(folder, 'recording')
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    await pipeline(input, createWriteStream(path), { signal })
    return { path, remove }
  } catch (error) {
    await remove()
    throw error
  }
}
