// This program's own mistakes in the log, with their stacks, bounded under any load.

/** Writes one a second at most; the next one says how many were held back. */
export function mistakeLog(
  error: (line: string) => void,
  clock: () => number = Date.now,
): (mistake: unknown) => void {
  let second = -1
  let held = 0
  return (mistake) => {
    const now = Math.floor(clock() / 1000)
    if (now === second) {
      held += 1
      return
    }
    const before = held === 0 ? '' : ` (${held} more were held back before)`
    second = now
    held = 0
    const stack = mistake instanceof Error ? (mistake.stack ?? mistake.message) : String(mistake)
    error(`A mistake in this program, not in the data or the database; please report it${before}: ${stack}`)
  }
}
