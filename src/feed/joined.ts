// What comes close together is done in one go.

export interface Joined {
  /** Asks for the work to be done soon. */
  wake(): void
  /** The work is not done any more. */
  stop(): void
}

/**
 * Does `work` as soon as it is asked for, but at most once in `everyMs`, and again while it returns true: there
 * is more to come.
 */
export function joined(everyMs: number, work: () => boolean): Joined {
  let timer: NodeJS.Timeout | undefined
  let isStopped = false
  let lastMs = -Infinity
  const run = () => {
    timer = undefined
    lastMs = performance.now()
    if (work()) wake()
  }
  const wake = () => {
    if (isStopped) return
    timer ??= setTimeout(run, Math.max(0, lastMs + everyMs - performance.now()))
  }
  return {
    wake,
    stop() {
      isStopped = true
      clearTimeout(timer)
    },
  }
}
