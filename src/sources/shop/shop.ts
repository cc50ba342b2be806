// A simulated shop: machines of several makes, and what each of them reports.
//
// Invariant: same options and same times, same readings. A publisher that fails costs readings, counted, and
// never the shop: it goes on until it is told to stop, as machines do.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Publisher } from '../../pipeline-types.ts'
import { PublishWindow } from '../publish-window.ts'
import { machineSubject } from '../subject.ts'
import { MachineModel, type Sample } from './machine-model.ts'
import { machineOf } from './makes.ts'
import { seededRandom } from './random.ts'

export interface ShopOptions {
  /** Default 8. */
  readonly machines?: number
  /** Milliseconds between two readings of a machine. Default 1,000. */
  readonly intervalMs?: number
  readonly seed: number
  /** Seconds of the machines' life in one second. Default 1. The times of the readings are real ones. */
  readonly speed?: number
}

export type ShopReading = { readonly machine_id: string; readonly timestamp: string } & Partial<Sample>

export interface SimulatedMachine {
  readonly name: string
  /** What it reports at that time, in milliseconds since 1970; times do not go back. */
  reading(nowMs: number): ShopReading
}

export interface RunOptions {
  readonly streamName: string
  readonly signal: AbortSignal
  /** Told the number of readings taken so far. */
  readonly onPublished?: (published: number) => void
  /** Told a sentence, at most once a second. */
  readonly onRefused?: (sentence: string) => void
}

export interface ShopResult {
  /** Readings the stream acknowledged. */
  readonly published: number
  /** Readings it did not, and those never sent because too many were unanswered. */
  readonly refused: number
}

/** The older control in the corner: it tells little. */
const FRUGAL_MACHINE = 3
const MAX_STEP_MS = 1_000
/** After a longer silence (a laptop that slept) the machines go on from where they were. */
const MAX_CATCH_UP_MS = 6 * 3_600_000
const MAX_IN_FLIGHT = 1_000
const JITTER = 0.1
const TELL_EVERY_MS = 1_000

/** The machines, named such as "DMG-01", "HAAS-02". */
export function simulatedShop({ machines = 8, seed, speed = 1 }: ShopOptions): SimulatedMachine[] {
  const frugal = Math.min(FRUGAL_MACHINE, machines - 1)
  return Array.from({ length: machines }, (_, i) => {
    const { name, limits, beginning } = machineOf(i)
    const random = seededRandom(Math.imul(seed, 0x9e3779b1) + i)
    const model = new MachineModel(limits, random, beginning)
    let lastMs: number | undefined
    return {
      name,
      reading(nowMs) {
        let leftMs = Math.min((nowMs - (lastMs ?? nowMs)) * speed, MAX_CATCH_UP_MS)
        for (; leftMs > 0; leftMs -= MAX_STEP_MS) model.step(Math.min(leftMs, MAX_STEP_MS))
        lastMs = nowMs
        const values = i === frugal && i > 0 ? little(model.sample()) : model.sample()
        return { machine_id: name, timestamp: new Date(nowMs).toISOString(), ...values }
      },
    }
  })
}

function little({ machine_state, spindle_speed, program, part_count }: Sample): Partial<Sample> {
  return { machine_state, spindle_speed, program, part_count }
}

/** Runs the shop until `signal` aborts; resolves when all that was sent is answered. */
export async function runShop(
  publisher: Publisher,
  options: ShopOptions,
  run: RunOptions,
): Promise<ShopResult> {
  const { streamName, signal } = run
  const intervalMs = options.intervalMs ?? 1_000
  const shop = simulatedShop(options)
  const window = new PublishWindow(publisher, MAX_IN_FLIGHT)
  const complain = complaints(run.onRefused)
  let skipped = 0
  const send = async (machine: SimulatedMachine, atMs: number) => {
    const reading = machine.reading(atMs)
    if (window.isFull) {
      skipped++
      return complain(`${MAX_IN_FLIGHT} readings are still unanswered`)
    }
    const problem = await window.send(machineSubject(streamName, machine.name), JSON.stringify(reading))
    if (problem === null) run.onPublished?.(window.taken)
    else complain(problem)
  }
  await Promise.all(
    shop.map(async (machine, i) => {
      // Its own chance, so that delays of the clock do not change what is reported.
      const random = seededRandom(options.seed + i)
      let dueMs = performance.now() + (intervalMs * i) / shop.length
      let atMs = 0
      while (await waited(dueMs - performance.now() + intervalMs * random.between(0, JITTER), signal)) {
        atMs = Math.max(Date.now(), atMs + 1)
        void send(machine, atMs)
        dueMs = Math.max(dueMs + intervalMs, performance.now())
      }
    }),
  )
  await window.settled()
  return { published: window.taken, refused: window.refused + skipped }
}

/** Counts what was not taken, and says so at most once a second. */
function complaints(tell: (sentence: string) => void = () => {}): (problem: string) => void {
  let count = 0
  let toldMs = -Infinity
  return (problem) => {
    count++
    const nowMs = performance.now()
    if (nowMs - toldMs < TELL_EVERY_MS) return
    tell(count === 1 ? `A reading was not taken: ${problem}` : `${count} readings were not taken: ${problem}`)
    toldMs = nowMs
    count = 0
  }
}

/** False when `signal` aborted. */
async function waited(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(Math.max(0, ms), undefined, { signal })
    return !signal.aborted
  } catch {
    return false
  }
}
