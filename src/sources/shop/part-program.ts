// A part program as a simulated machine runs it: blocks in order, tool by tool.
//
// Invariant: every block either moves (feed over 0) or stands for a while (a tool change, spindle stopped). A
// cutting block has a spindle speed.
import type { Random } from './random.ts'

export type Position = readonly [x: number, y: number, z: number]

export interface Block {
  readonly line: number
  /** Where it ends, in mm. */
  readonly target: Position
  /** Programmed feed in mm/min; 0 for a tool change. */
  readonly feed: number
  /** Programmed spindle speed in rpm. */
  readonly rpm: number
  /** Load of the spindle while it cuts, in percent; 0: it does not cut. */
  readonly loadPercent: number
  /** How long it stands, in milliseconds; 0 for a block that moves. */
  readonly standMs: number
}

export interface PartProgram {
  readonly name: string
  readonly blocks: readonly Block[]
}

export interface MachineLimits {
  readonly maxRpm: number
  /** Rated power of the spindle drive in kW. */
  readonly spindleKw: number
  /** Travel of the axes in mm, each from 0 (Z downwards, from 0 to minus). */
  readonly travel: Position
}

const RAPID_MM_MIN = 20_000
const TOOL_CHANGE_MS = 6_000
const SAFE_Z = 0

/** A program of two to five minutes. */
export function makeProgram(random: Random, { maxRpm, travel }: MachineLimits): PartProgram {
  const blocks: Block[] = []
  let line = 1
  const add = (target: Position, rest: Partial<Block>) => {
    blocks.push({ line, target, feed: 0, rpm: 0, loadPercent: 0, standMs: 0, ...rest })
    line += random.whole(1, 4)
  }
  const home: Position = [travel[0] / 2, travel[1], SAFE_Z]
  for (let tools = random.whole(3, 5); tools > 0; tools--) {
    add(home, { feed: RAPID_MM_MIN })
    add(home, { standMs: TOOL_CHANGE_MS })
    const rpm = Math.round(maxRpm * random.between(0.25, 0.95))
    let [x, y] = [travel[0] * random.between(0.2, 0.6), travel[1] * random.between(0.2, 0.6)]
    const z = -travel[2] * random.between(0.4, 0.8)
    add([x, y, SAFE_Z], { feed: RAPID_MM_MIN, rpm })
    add([x, y, z + 2], { feed: RAPID_MM_MIN, rpm })
    const feed = Math.round(random.between(400, 2_000))
    const loadPercent = random.between(20, 85)
    for (let cuts = random.whole(4, 8); cuts > 0; cuts--) {
      x = within(travel[0], x + random.between(-0.15, 0.15) * travel[0])
      y = within(travel[1], y + random.between(-0.15, 0.15) * travel[1])
      // Roughing a corner takes more than the drive's rating for a moment, as real ones do.
      add([x, y, z], { feed, rpm, loadPercent: cuts === 3 && loadPercent > 75 ? 118 : loadPercent })
    }
    add([x, y, SAFE_Z], { feed: RAPID_MM_MIN, rpm })
  }
  add(home, { feed: RAPID_MM_MIN })
  return { name: `O${random.whole(1_000, 8_999)}`, blocks }
}

function within(travel: number, position: number): number {
  return Math.max(0, Math.min(travel, position))
}
