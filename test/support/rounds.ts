// Many rounds of a fault at random moments: how many, which moments, and the summary of what they came to.
//
// A run is repeated with the seed it has printed (SEED=...), as far as processes and clocks allow.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { seededRandom, type Random } from '../../src/sources/shop/random.ts'
import type { Comparison } from './comparison.ts'

/** Far above what a monitor needs under such a load, far below what a leak reaches in many rounds. */
const MAX_RSS_MIB = 350

export interface Rounds {
  /** Whether this round, counted from 0, is to be begun. */
  goesOn(round: number): boolean
  /** Rounds that were noted. */
  readonly done: number
  readonly random: Random
  /** Says which round it is, and notes how much memory a process has. Nothing when it is gone. */
  note(round: number, pid: number | null): void
  /** Writes the summary and fails when memory was not flat. */
  finish(comparison: Comparison): void
}

/** How long a test goes on in the long form; 0: not by time. It ends after the round in which this passes. */
export const SOAK_MS = Number(process.env['SOAK_MINUTES'] ?? 0) * 60_000

/** `short` rounds in CI; SOAK_ROUNDS, or as many as SOAK_MINUTES hold, in the long form. */
export function roundsOf(t: TestContext, short: number): Rounds {
  const soak = Number(process.env['SOAK_ROUNDS'] ?? 0)
  const count = SOAK_MS > 0 ? Infinity : soak || short
  const endsAtMs = SOAK_MS > 0 ? performance.now() + SOAK_MS : Infinity
  let done = 0
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32))
  const random = seededRandom(seed)
  /** What the process held after the first round, after the latest, and at most. */
  const rss = { first: 0, last: 0, max: 0 }
  t.diagnostic(`SEED=${seed}`)
  return {
    goesOn: (round) => round < count && (round === 0 || performance.now() < endsAtMs),
    get done() {
      return done
    },
    random,
    note(round, pid) {
      done = round + 1
      const mib = pid === null ? 0 : rssMib(pid)
      if (mib > 0) {
        rss.first ||= mib
        rss.last = mib
        rss.max = Math.max(rss.max, mib)
      }
      const of = SOAK_MS > 0 ? '' : ` of ${count}`
      if (soak > 0 || SOAK_MS > 0) process.stderr.write(`  ${t.name}: round ${done}${of}, ${mib} MiB\n`)
    },
    finish({ acknowledged, stored, lost, doubled, wrong }) {
      t.diagnostic(
        `${done} rounds, ${acknowledged} acknowledged, ${stored} stored, ${lost.length} lost, ` +
          `${doubled.length} doubled, ${wrong.length} wrong, RSS ${rss.first} MiB at first, ${rss.last} at last, ` +
          `${rss.max} at most`,
      )
      assert.ok(rss.max < MAX_RSS_MIB, `the monitor held ${rss.max} MiB`)
    },
  }
}

const rssMib = (pid: number) => memoryMib(pid, 'VmRSS')

/** The most resident memory that a process has had; 0 where the system does not say. */
export const peakMib = (pid: number) => memoryMib(pid, 'VmHWM')

/** 0 where the system does not say. */
function memoryMib(pid: number, figure: 'VmRSS' | 'VmHWM'): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const [, kib = '0'] = new RegExp(`^${figure}:\\s+(\\d+) kB`, 'm').exec(status) ?? []
    return Math.round(Number(kib) / 1024)
  } catch {
    return 0
  }
}
