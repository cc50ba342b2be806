// The machines a simulated shop is made of.
import type { MachineLimits } from './part-program.ts'
import type { Phase } from './phases.ts'

type Make = MachineLimits & { readonly make: string }

/** Orders of size as in the makers' leaflets for three-axis and five-axis mills. */
const makes: readonly [Make, ...Make[]] = [
  { make: 'DMG', maxRpm: 14_000, spindleKw: 21, travel: [1_050, 560, 510] },
  { make: 'HAAS', maxRpm: 8_100, spindleKw: 22.4, travel: [762, 406, 508] },
  { make: 'MAZAK', maxRpm: 12_000, spindleKw: 18.5, travel: [1_050, 510, 510] },
  { make: 'OKUMA', maxRpm: 15_000, spindleKw: 22, travel: [1_050, 560, 460] },
  { make: 'MAKINO', maxRpm: 20_000, spindleKw: 15, travel: [560, 410, 400] },
  { make: 'HERMLE', maxRpm: 18_000, spindleKw: 20, travel: [800, 800, 550] },
  { make: 'DOOSAN', maxRpm: 8_000, spindleKw: 18.5, travel: [1_270, 635, 625] },
  { make: 'BROTHER', maxRpm: 16_000, spindleKw: 10.1, travel: [500, 400, 300] },
]

/** Different from the first second on: that is what a shop looks like. */
const beginnings: readonly [Phase, ...Phase[]] = [
  'running',
  'running',
  'load',
  'running',
  'held',
  'running',
  'alarm',
  'off',
]

/** The shop's machine number `index`, from 0: its name such as "DMG-01", its limits, how it begins. */
export function machineOf(index: number): { name: string; limits: MachineLimits; beginning: Phase } {
  const limits = makes[index % makes.length] ?? makes[0]
  const name = `${limits.make}-${String(index + 1).padStart(2, '0')}`
  return { name, limits, beginning: beginnings[index % beginnings.length] ?? beginnings[0] }
}
