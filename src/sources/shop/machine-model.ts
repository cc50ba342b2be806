// One simulated machine. Pure: time comes in as steps, chance from a seed. phases.ts draws its states.
//
// Invariant: the values of one instant belong together. No load on a spindle that stands, power follows load, no
// feed unless RUNNING, positions move only in a step that reports a feed, and the part counter rises once for
// each finished cycle. A change of phase takes effect at the beginning of a step, so that this holds for every
// step.
import type { Alarm } from '../../reading.ts'
import { EMERGENCY_STOP_CODE, faults, warnings } from './alarms.ts'
import { makeProgram, type Block, type MachineLimits, type PartProgram } from './part-program.ts'
import { followingPhase, lengthOf, MINUTE, onTime, SECOND, stateWords, type Phase } from './phases.ts'
import type { Random } from './random.ts'

/** What is measured on the machine, under the names of the wire. */
export type Sample = ReturnType<MachineModel['sample']>

/** Time constant of the warming-up. */
const WARMING_MS = 15 * MINUTE
const AMBIENT = 21

export class MachineModel {
  readonly #limits: MachineLimits
  readonly #random: Random
  readonly #program: PartProgram
  #phase: Phase
  /** What is left of the phase; of RUNNING: until something interrupts it. */
  #leftMs = 0
  /** What is left until it is switched off after a part. */
  #onForMs: number
  #block = 0
  #stoodMs = 0
  #line = 0
  #parts: number
  #position: [x: number, y: number, z: number]
  #speed = 0
  #load = 0
  #feed = 0
  #power = 0
  #temperature: number
  #override = 100
  #fault: Alarm | null = null
  #warning: Alarm | null = null

  constructor(limits: MachineLimits, random: Random, phase: Phase) {
    this.#limits = limits
    this.#random = random
    this.#program = makeProgram(random, limits)
    this.#position = [...(this.#program.blocks[0]?.target ?? [0, 0, 0])]
    this.#parts = random.whole(0, 250)
    this.#onForMs = onTime(random)
    this.#temperature = AMBIENT + (phase === 'off' ? 0 : random.between(8, 20))
    const isUnderWay = phase === 'running' || phase === 'held'
    if (isUnderWay) this.#block = random.whole(0, this.#program.blocks.length - 1)
    this.#phase = phase
    this.#enter(phase)
    // Whoever starts a shop wants to see it change: the first phase is a short one.
    this.#leftMs = Math.min(this.#leftMs, random.between(20 * SECOND, 2 * MINUTE))
    this.step(0)
  }

  /** Lets `dtMs` milliseconds pass, at most a second: longer ones are several steps. */
  step(dtMs: number): void {
    this.#leftMs -= dtMs
    this.#onForMs -= dtMs
    if (this.#leftMs <= 0) this.#enter(followingPhase(this.#phase, this.#onForMs, this.#random))
    else if (this.#phase === 'running' && this.#block >= this.#program.blocks.length) this.#finish()
    const block = this.#program.blocks[this.#block]
    const rpm = block !== undefined && (this.#phase === 'running' || this.#phase === 'held') ? block.rpm : 0
    this.#turn(rpm, dtMs)
    this.#line = this.#phase === 'off' ? 0 : (block?.line ?? 0)
    this.#feed = 0
    if (this.#phase === 'running' && block !== undefined && this.#speed === rpm) this.#run(block, dtMs)
    const cuts = this.#feed > 0 && block !== undefined && block.loadPercent > 0
    const load = cuts ? block.loadPercent * this.#random.between(0.9, 1.1) : this.#random.between(1, 4)
    this.#load = this.#speed > 0 && rpm > 0 ? load : 0
    this.#draw(dtMs)
  }

  sample() {
    const isOn = this.#phase !== 'off'
    return {
      temperature: round(this.#temperature, 1),
      spindle_speed: Math.round(this.#speed),
      x_pos_mm: round(this.#position[0], 3),
      y_pos_mm: round(this.#position[1], 3),
      z_pos_mm: round(this.#position[2], 3),
      feed_rate_actual: round(this.#feed, 1),
      spindle_load_percent: round(this.#load, 1),
      machine_state: stateWords[this.#phase],
      active_program_line: this.#line,
      total_power_kw: round(this.#power, 2),
      controller_mode: isOn ? 'AUTOMATIC' : 'UNAVAILABLE',
      program: this.#program.name,
      emergency_stop: this.#fault?.code === EMERGENCY_STOP_CODE ? 'TRIGGERED' : 'ARMED',
      feed_override_percent: this.#override,
      part_count: this.#parts,
      alarms: [this.#fault, this.#warning].filter((alarm) => alarm !== null),
    }
  }

  #enter(phase: Phase): void {
    const random = this.#random
    this.#phase = phase
    this.#leftMs = lengthOf(phase, random)
    this.#fault = phase === 'alarm' ? random.oneOf(faults) : null
    // What an alarm interrupted is scrap: the next cycle begins anew.
    if (phase === 'alarm' || phase === 'load' || phase === 'off') this.#rewind()
    if (phase === 'off') this.#warning = null
    if (phase === 'warmUp') this.#onForMs = onTime(random)
    if (phase !== 'load') return
    this.#override = random.next() < 0.8 ? 100 : random.oneOf([80, 90, 110])
    if (random.next() < 0.05) this.#warning = this.#warning === null ? random.oneOf(warnings) : null
  }

  #finish(): void {
    this.#parts++
    this.#enter('load')
  }

  #rewind(): void {
    this.#block = 0
    this.#stoodMs = 0
  }

  /** The spindle reaches its highest speed, or stands, within two seconds. */
  #turn(rpm: number, dtMs: number): void {
    const most = (this.#limits.maxRpm / 2) * (dtMs / SECOND)
    const missing = rpm - this.#speed
    this.#speed = Math.abs(missing) <= most ? rpm : this.#speed + Math.sign(missing) * most
  }

  /** One step of the block under way. What is left of the step after the block's end is lost to braking. */
  #run(block: Block, dtMs: number): void {
    if (dtMs === 0) return
    if (block.standMs > 0) {
      this.#stoodMs += dtMs
      if (this.#stoodMs >= block.standMs) this.#advance()
      return
    }
    const [x, y, z] = this.#position
    const [toX, toY, toZ] = block.target
    const distance = Math.hypot(toX - x, toY - y, toZ - z)
    if (distance === 0) return this.#advance()
    this.#feed = (block.feed * this.#override) / 100
    const part = (this.#feed * dtMs) / MINUTE / distance
    this.#position =
      part < 1 ? [x + part * (toX - x), y + part * (toY - y), z + part * (toZ - z)] : [...block.target]
    if (part >= 1) this.#advance()
  }

  #advance(): void {
    this.#block++
    this.#stoodMs = 0
  }

  /** Power follows from what moves; heat from power, with delay. */
  #draw(dtMs: number): void {
    const isOn = this.#phase !== 'off'
    const turning = this.#speed / this.#limits.maxRpm
    const cutting = (this.#limits.spindleKw * this.#load) / 100
    this.#power = isOn ? 0.9 + 0.6 * turning + cutting + (this.#feed > 0 ? 0.4 : 0) : 0.04
    const target = AMBIENT + (isOn ? 6 + 14 * turning + this.#load * 0.12 : 0)
    this.#temperature += (target - this.#temperature) * (1 - Math.exp(-dtMs / WARMING_MS))
  }
}

function round(value: number, digits: number): number {
  const factor = 10 ** digits
  return Math.round(value * factor) / factor
}
