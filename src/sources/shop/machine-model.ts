// One simulated machine: what it does follows from its state, so that its figures belong together.
//
//   OFF -> IDLE -> RUNNING <-> HELD        RUNNING -> IDLE (part done)     RUNNING -> ALARM -> IDLE
//
// Invariant: pure and seeded: the same seed and the same steps give the same readings. No load without speed,
// no motion without feed, one part a finished cycle.
import type { Alarm } from '../../reading.ts'

export type ModelState = 'OFF' | 'IDLE' | 'RUNNING' | 'HELD' | 'ALARM'

/** The words the controls say; docs: MTConnect EXECUTION. */
const words: Readonly<Record<ModelState, string>> = {
  OFF: 'UNAVAILABLE',
  IDLE: 'READY',
  RUNNING: 'ACTIVE',
  HELD: 'FEED_HOLD',
  ALARM: 'STOPPED',
}

const AMBIENT_CELSIUS = 21
const HOT_CELSIUS = 48
/** Time constant of the spindle housing's warming, in seconds. */
const WARMING_S = 900
const CYCLE_LINES = 240

const toolBreakage: Alarm = { code: '1023', text: 'SPINDLE LOAD EXCESSIVE - TOOL BREAKAGE', severity: 'fault' }

export interface MachineModel {
  readonly id: string
  /** Lets `seconds` pass. */
  step(seconds: number): void
  /** What the machine reports now; `atMs` is its time. */
  reading(atMs: number): Record<string, unknown>
}

export function machineModel(id: string, seed: number): MachineModel {
  const random = mulberry32(seed)
  const between = (low: number, high: number) => low + random() * (high - low)
  const maxSpeedRpm = Math.round(between(8, 18)) * 1_000
  const cycleS = between(90, 420)
  const program = `O${Math.floor(between(1_000, 9_999))}`
  let state: ModelState = random() < 0.1 ? 'OFF' : 'IDLE'
  let leftS = between(2, 30)
  let progressS = 0
  let celsius = AMBIENT_CELSIUS
  let parts = 0
  const position = { x: 0, y: 0, z: 120 }
  let speedRpm = 0
  let feed = 0
  let load = 0

  const enter = (next: ModelState, seconds: number) => {
    state = next
    leftS = seconds
  }

  const change = () => {
    switch (state) {
      case 'OFF':
      case 'HELD':
      case 'ALARM':
        return enter(state === 'HELD' ? 'RUNNING' : 'IDLE', state === 'HELD' ? cycleS - progressS : between(5, 40))
      case 'IDLE':
        if (random() < 0.02) return enter('OFF', between(120, 600))
        progressS = 0
        return enter('RUNNING', cycleS)
      case 'RUNNING':
        parts += 1
        progressS = 0
        return enter('IDLE', between(8, 60))
    }
  }

  const interrupt = (seconds: number) => {
    // Rates a second of cutting: a feed hold every 10 minutes, a broken tool every 3 hours.
    if (random() < seconds / 600) enter('HELD', between(2, 45))
    else if (random() < seconds / 10_800) enter('ALARM', between(60, 400))
  }

  const cut = (seconds: number) => {
    const phase = (progressS / cycleS) * Math.PI * 8
    speedRpm = Math.round(maxSpeedRpm * (0.55 + 0.25 * Math.sin(phase / 2)) + between(-12, 12))
    feed = Math.max(50, 1_400 + 900 * Math.sin(phase) + between(-40, 40))
    load = Math.max(3, 42 + 26 * Math.sin(phase) + between(-4, 4))
    const travel = (feed / 60) * seconds
    position.x = 250 + 200 * Math.sin(phase + travel / 1_000)
    position.y = 150 + 120 * Math.cos(phase + travel / 1_000)
    position.z = 20 + 15 * Math.sin(phase * 3)
  }

  return {
    id,
    step(seconds) {
      leftS -= seconds
      if (state === 'RUNNING') progressS += seconds
      if (leftS <= 0) change()
      else if (state === 'RUNNING') interrupt(seconds)
      if (state === 'RUNNING') cut(seconds)
      else {
        feed = 0
        load = 0
        speedRpm = state === 'HELD' ? speedRpm : 0
        if (state === 'HELD' && speedRpm > 0) load = between(2, 4)
      }
      const target = speedRpm > 0 ? HOT_CELSIUS : AMBIENT_CELSIUS
      celsius += (target - celsius) * (1 - Math.exp(-seconds / WARMING_S))
    },
    reading(atMs) {
      const at = { machine_id: id, timestamp: new Date(atMs).toISOString() }
      if (state === 'OFF') return { ...at, machine_state: words.OFF }
      return {
        ...at,
        temperature: rounded(celsius, 1),
        spindle_speed: speedRpm,
        x_pos_mm: rounded(position.x, 3),
        y_pos_mm: rounded(position.y, 3),
        z_pos_mm: rounded(position.z, 3),
        feed_rate_actual: rounded(feed, 1),
        spindle_load_percent: rounded(load, 1),
        machine_state: words[state],
        active_program_line: Math.floor((progressS / cycleS) * CYCLE_LINES) * 10,
        total_power_kw: rounded(0.9 + speedRpm / 12_000 + load * 0.14, 2),
        controller_mode: 'AUTOMATIC',
        program,
        feed_override_percent: 100,
        part_count: parts,
        alarms: state === 'ALARM' ? [toolBreakage] : [],
      }
    },
  }
}

function rounded(value: number, digits: number): number {
  const factor = 10 ** digits
  return Math.round(value * factor) / factor
}

/** A small seeded generator of numbers in [0, 1) (Mulberry32, public domain algorithm by Tommy Ettinger). */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
