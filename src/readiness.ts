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

export interface ReadinessWatch {
  /** How the checks stood last. */
  readonly now: () => Readiness
  /** Checks anew at once, as when a connection is back: what was asked before that may never be answered. */
  readonly lookAgain: (name: Dependency) => void
}

/** Runs the checks until `signal` aborts. Each must end by itself, not much later than after five seconds. */
export function watchReadiness(
  checks: Readonly<Record<Dependency, () => Promise<unknown>>>,
  signal: AbortSignal,
): ReadinessWatch {
  const states = new Map<string, CheckState>()
  const watches = new Map<string, CheckWatch>()
  for (const [name, check] of Object.entries(checks)) {
    states.set(name, { ok: false, last_success: null })
    const watch = new CheckWatch(check, (ok) => {
      const last = ok ? new Date().toISOString() : (states.get(name)?.last_success ?? null)
      states.set(name, { ok, last_success: last })
    })
    watches.set(name, watch)
    void watch.run(signal)
  }
  return {
    now: () => ({
      ready: !signal.aborted && [...states.values()].every((state) => state.ok),
      checks: Object.fromEntries(states),
    }),
    lookAgain: (name) => watches.get(name)?.lookAgain(),
  }
}

/** One check, again and again. One that is late is not started a second time beside itself, unless it is asked for. */
class CheckWatch {
  readonly #check: () => Promise<unknown>
  readonly #report: (ok: boolean) => void
  #again = Promise.withResolvers<null>()

  constructor(check: () => Promise<unknown>, report: (ok: boolean) => void) {
    this.#check = check
    this.#report = report
  }

  lookAgain(): void {
    this.#again.resolve(null)
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#again = Promise.withResolvers()
      const again = this.#again.promise
      const pause = new AbortController()
      const either = AbortSignal.any([signal, pause.signal])
      const wait = <T>(ms: number, value: T) => sleep(ms, value, { signal: either }).catch(() => value)
      const answered = this.#check().then(
        () => true,
        () => false,
      )
      const ok = await Promise.race([answered, wait(LIMIT_MS, false), again])
      if (ok !== null) {
        this.#report(ok)
        await Promise.race([answered, again])
        await Promise.race([wait(INTERVAL_MS, null), again])
      }
      pause.abort()
    }
  }
}
