// The phases of a simulated machine: what follows what, how long each lasts, and its word on the wire.
//
//   off -> warmUp -> load -> running <-> held
//    ^               ^  |       |
//    |   shift over  |  |       v
//    +---------------|--+     alarm
//                    +----------+
//
// A finished cycle goes from running to load too; the machine model says when. Lengths in milliseconds.
import type { Random } from './random.ts'

export type Phase = 'off' | 'warmUp' | 'running' | 'held' | 'alarm' | 'load'

export const SECOND = 1_000
export const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

/** `machine_state` in the words of the control. Warming up and loading a part are both idle. */
export const stateWords = {
  off: 'OFF',
  warmUp: 'IDLE',
  running: 'RUNNING',
  held: 'FEED_HOLD',
  alarm: 'ALARM',
  load: 'IDLE',
} as const satisfies Record<Phase, string>

/** How long a machine stays on: about a shift. */
export function onTime(random: Random): number {
  return random.between(3 * HOUR, 9 * HOUR)
}

/** How long a phase lasts; of running: until something interrupts it. */
export function lengthOf(phase: Phase, random: Random): number {
  switch (phase) {
    case 'off':
      return random.between(20 * MINUTE, 2 * HOUR)
    case 'warmUp':
      return random.between(4 * MINUTE, 10 * MINUTE)
    case 'running':
      return random.waiting(12 * MINUTE)
    case 'held':
      return random.between(2 * SECOND, 90 * SECOND)
    case 'alarm':
      return random.between(MINUTE, 12 * MINUTE)
    case 'load':
      return random.between(15 * SECOND, MINUTE)
  }
}

/** What follows when a phase's time is over. It is switched off only between two parts. */
export function followingPhase(phase: Phase, onForMs: number, random: Random): Phase {
  switch (phase) {
    case 'off':
      return 'warmUp'
    case 'warmUp':
    case 'alarm':
      return 'load'
    case 'load':
      return onForMs <= 0 ? 'off' : 'running'
    case 'held':
      return 'running'
    case 'running':
      return random.next() < 0.15 ? 'alarm' : 'held'
  }
}
