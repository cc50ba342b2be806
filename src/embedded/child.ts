// A server's process as its owner has it: in a process group of its own, tied to the owner by its standard
// input, stopped in good order within a limit.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

const STOP_LIMIT_MS = 12_000
const KEPT_LINES = 20
const LAST_LINES_MS = 300

export interface Child {
  readonly pid: number
  /** Resolves when the process is gone, whether or not one of its own children lives on. */
  readonly exited: Promise<void>
  /** The last lines it wrote to standard error. */
  lastLines(): string
  /** Ends its standard input, which is the order to stop; kills it when that takes too long. */
  stop(): Promise<void>
}

export interface ChildOptions {
  /** A TypeScript file of ours, and its arguments. */
  readonly script: string
  readonly args?: readonly string[]
  /** The first line of its standard input: secrets are not for process lists. */
  readonly firstLine?: string
  readonly onOutput?: (line: string) => void
  readonly onLog?: (line: string) => void
}

export function startChild({ script, args = [], firstLine, onOutput, onLog }: ChildOptions): Child {
  const child = spawn(process.execPath, [script, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  })
  const lines: string[] = []
  const exited = new Promise<void>((resolve) => {
    child.once('close', () => resolve())
    // A child that outlives it keeps the pipes open: the last lines get a moment, not for ever.
    child.once('exit', () => setTimeout(resolve, LAST_LINES_MS).unref())
    child.once('error', () => resolve())
  })
  child.stdin.on('error', () => undefined)
  if (firstLine !== undefined) child.stdin.write(`${firstLine}\n`)
  createInterface({ input: child.stdout }).on('line', (line) => onOutput?.(line))
  createInterface({ input: child.stderr }).on('line', (line) => {
    lines.push(line)
    if (lines.length > KEPT_LINES) lines.shift()
    onLog?.(line)
  })
  return {
    pid: child.pid ?? 0,
    exited,
    lastLines: () => lines.join('\n'),
    async stop() {
      child.stdin.end()
      const limit = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS)
      await exited
      clearTimeout(limit)
    },
  }
}
