// What processes have used, by the kernel's own books (Linux: /proc). Elsewhere, and for servers on another
// machine, there are no figures.
import { readdirSync, readFileSync } from 'node:fs'

const TICKS_PER_SECOND = 100

/** Seconds of CPU, user and system; 0 for a process that is gone. */
export function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0
  for (const pid of pids) {
    const stat = read(`/proc/${pid}/stat`)
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0)
  }
  return ticks / TICKS_PER_SECOND
}

/** Largest resident memory so far, in MiB; null where it is not known. */
export function peakMiB(pid: number): number | null {
  const found = /VmHWM:\s+(\d+) kB/.exec(read(`/proc/${pid}/status`))
  return found === null ? null : Number(found[1]) / 1_024
}

/** Processes by their name. */
export function pidsOf(name: string): number[] {
  try {
    return readdirSync('/proc')
      .filter((entry) => /^\d+$/.test(entry) && read(`/proc/${entry}/comm`).trim() === name)
      .map(Number)
  } catch {
    return []
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
