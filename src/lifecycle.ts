// The life of the process: what is opened is released in reverse order, by the first signal as well as on a
// failed start; a second signal exits at once; no stop takes longer than its deadline.
import { setTimeout as sleep } from 'node:timers/promises'
import { sentenceOf } from './errors.ts'

/**
 * A terminal's Ctrl-C reaches the program twice when npm started it: from the terminal and from npm, which
 * passes it on. Signals closer together than this are one wish.
 */
const SAME_WISH_MS = 500

export interface Lifecycle {
  /** Aborts when the program is to stop; everything that waits takes it. */
  readonly signal: AbortSignal
  /** Registers a release, where the resource is opened. `what` is said when it fails or takes too long. */
  onStop(what: string, release: () => Promise<void> | void): void
  /** Asks for a stop after a failure that cannot be mended: as a signal does, with exit status 1. */
  fail(reason: string): void
  /** Aborts `signal` and releases everything, in reverse order, once. Resolves to the exit status: 0, or 1 after a failure. */
  stop(): Promise<number>
}

export interface LifecycleOptions {
  readonly deadlineMs: number
  readonly say: (sentence: string) => void
}

/** Listens for SIGINT, SIGTERM and SIGHUP from now on. */
export function startLifecycle({ deadlineMs, say }: LifecycleOptions): Lifecycle {
  const aborter = new AbortController()
  const releases: { what: string; release: () => Promise<void> | void }[] = []
  let askedAtMs: number | null = null
  let failed = false
  let stopping: Promise<number> | null = null

  const requestStop = (reason: string) => {
    if (askedAtMs !== null) return
    askedAtMs = Date.now()
    say(reason)
    aborter.abort(new Error(reason))
  }
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (askedAtMs === null) requestStop(`${name}: stopping; what is in hand is finished first`)
      else if (Date.now() - askedAtMs > SAME_WISH_MS) process.exit(130)
    })
  }

  const releaseAll = async () => {
    const deadline = Date.now() + deadlineMs
    let status = failed ? 1 : 0
    for (let next = releases.pop(); next !== undefined; next = releases.pop()) {
      const patience = new AbortController()
      const late = sleep(Math.max(0, deadline - Date.now()), 'late' as const, {
        signal: patience.signal,
        ref: true,
      })
      try {
        const done = await Promise.race([Promise.resolve(next.release()), late.catch(() => undefined)])
        if (done === 'late') {
          say(`${next.what} did not stop within ${deadlineMs} ms; leaving it`)
          status = 1
        }
      } catch (error) {
        say(`${next.what} did not stop cleanly: ${sentenceOf(error)}`)
        status = 1
      } finally {
        patience.abort()
      }
    }
    return status
  }

  return {
    signal: aborter.signal,
    onStop: (what, release) => void releases.push({ what, release }),
    fail: (reason) => {
      failed = true
      requestStop(reason)
    },
    stop() {
      // After a start that failed half-way nothing has asked for a stop yet, and what runs already goes on.
      aborter.abort(new Error('stopping'))
      return (stopping ??= releaseAll())
    },
  }
}

export interface WaitOptions {
  readonly timeoutMs: number
  readonly signal: AbortSignal
  readonly onFailure?: (sentence: string) => void
  /** Says which failures waiting does not mend. */
  readonly isFinal?: (error: unknown) => boolean
}

/**
 * Calls `attempt` until it succeeds, with a pause between. Throws when `signal` aborts, or after `timeoutMs`
 * with a sentence that says what was waited for and why the last attempt failed.
 */
export async function waitFor<T>(what: string, attempt: () => Promise<T>, options: WaitOptions): Promise<T> {
  const deadline = Date.now() + options.timeoutMs
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, 2_000)) {
    options.signal.throwIfAborted()
    try {
      return await attempt()
    } catch (error) {
      if (options.isFinal?.(error) === true) throw error
      if (Date.now() + pauseMs > deadline) {
        throw new Error(
          `Gave up waiting for ${what} after ${Math.round(options.timeoutMs / 1000)} s: ${sentenceOf(error)}`,
          { cause: error },
        )
      }
      options.onFailure?.(`waiting for ${what}: ${sentenceOf(error)}`)
      await sleep(pauseMs, undefined, { signal: options.signal })
    }
  }
}
