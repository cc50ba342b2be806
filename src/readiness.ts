// Whether the servers answer, found out in the background: asking for it costs nothing and waits for nothing.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Dependency } from './observation.ts'

export interface CheckState {
  readonly ok: boolean
  /** RFC 3339; null: not once yet. */
  readonly last_success: string | null
}

export interface Readiness {
  readonly ready: boolean
  readonly checks: Readonly<Record<string, CheckState>>
}

/** How often each check runs, and how long it may take before it counts as failed. */
const INTERVAL_MS = 1_000
const LIMIT_MS = 5_000

/** Runs the checks until `signal` aborts; the returned function says how they stood last. */
export function watchReadiness(
  checks: Readonly<Record<Dependency, () => Promise<unknown>>>,
  signal: AbortSignal,
): () => Readiness {
  const states = new Map<string, CheckState>()
  for (const [name, check] of Object.entries(checks)) {
    states.set(name, { ok: false, last_success: null })
    void watch(check, signal, (ok) => {
      const last = ok ? new Date().toISOString() : (states.get(name)?.last_success ?? null)
      states.set(name, { ok, last_success: last })
    })
  }
  return () => ({
    ready: !signal.aborted && [...states.values()].every((state) => state.ok),
    checks: Object.fromEntries(states),
  })
}

async function watch(
  check: () => Promise<unknown>,
  signal: AbortSignal,
  report: (ok: boolean) => void,
): Promise<void> {
  while (!signal.aborted) {
    const limit = new AbortController()
    const late = sleep(LIMIT_MS, false, { signal: limit.signal }).catch(() => false)
    const answered = check().then(
      () => true,
      () => false,
    )
    report(await Promise.race([answered, late]))
    limit.abort()
    // A check that is late is not started a second time beside itself.
    await answered
    await sleep(INTERVAL_MS, undefined, { signal }).catch(() => undefined)
  }
}
