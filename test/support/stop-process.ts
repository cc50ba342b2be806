// The end of a monitor that a test has started.
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

const STOP_LIMIT_MS = 40_000

/** Sends the signal and waits, SIGKILL after a limit; resolves to the exit status, null after a signal. */
export async function stopProcess(
  child: ChildProcess | null,
  signal: NodeJS.Signals,
): Promise<number | null> {
  if (child === null || child.exitCode !== null) return child?.exitCode ?? null
  const limit = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS)
  child.kill(signal)
  const [code] = (await once(child, 'exit')) as [number | null]
  clearTimeout(limit)
  return code
}
