// Whose turn it is to read a page: a few at once, and behind the batches that are being written.
//
// Invariant: commits come first. While a batch is being written a page waits, but no longer than a few times what
// the last page took, so that under full load exports have a seventh of the time and still go on.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from './pool.ts'

/** How many times its own time a page waits for writers at most. */
const PATIENCE = 6
const LOOK_EVERY_MS = 2
/** One page that took long is no reason to stand still. */
const MOST_PATIENCE_MS = 1_000

export interface ExportTurns {
  readonly atOnce: number
  /** Runs `work` when its turn comes, in the order of the calls. */
  run<T>(work: () => Promise<T>): Promise<T>
  /** The same for what takes long: it also waits for writers. */
  runBehindWriters<T>(work: () => Promise<T>): Promise<T>
}

/** `writers`: the pool that batches are written on. */
export function exportTurns(writers: Pick<Pool, 'totalCount' | 'idleCount'>, atOnce: number): ExportTurns {
  const waiting: (() => void)[] = []
  let running = 0
  let lastMs = 0

  const isWriting = () => writers.totalCount > writers.idleCount
  async function untilWriterRests(): Promise<void> {
    const deadline = performance.now() + Math.min(PATIENCE * lastMs, MOST_PATIENCE_MS)
    while (isWriting() && performance.now() < deadline) await sleep(LOOK_EVERY_MS)
  }

  async function run<T>(work: () => Promise<T>): Promise<T> {
    if (running >= atOnce) await new Promise<void>((resolve) => waiting.push(resolve))
    else running++
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) running--
      else next()
    }
  }

  return {
    atOnce,
    run,
    runBehindWriters: (work) =>
      run(async () => {
        await untilWriterRests()
        const startMs = performance.now()
        try {
          return await work()
        } finally {
          lastMs = performance.now() - startMs
        }
      }),
  }
}
