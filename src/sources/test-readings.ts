// The readings of the two test cases.
import type { Publisher } from '../pipeline-types.ts'
import { sentenceOf } from '../errors.ts'

const STRESS_MACHINES = 5
const STRESS_READINGS = 20

/** One valid reading with all the classic fields; `atMs` is its time. */
export function testReading(machineId: string, atMs: number) {
  return {
    machine_id: machineId,
    timestamp: new Date(atMs).toISOString(),
    temperature: 42.5,
    spindle_speed: 12_000,
    x_pos_mm: 100.25,
    y_pos_mm: -50.125,
    z_pos_mm: 12.75,
    feed_rate_actual: 1_500.5,
    spindle_load_percent: 63.2,
    machine_state: 'RUNNING',
    active_program_line: 1_042,
    total_power_kw: 7.35,
  }
}

export async function publishTestData(publisher: Publisher, streamName: string): Promise<void> {
  await publisher.publish(`${streamName}.metrics`, JSON.stringify(testReading('CNC-001', Date.now())))
}

/**
 * Five machines at once, twenty readings each, then one malformed message. Rejects when anything was not
 * taken, and says how much was.
 */
export async function stress(
  publisher: Publisher,
  streamName: string,
  onProgress: (taken: number) => void,
): Promise<void> {
  let taken = 0
  let firstError: unknown
  const publish = async (subject: string, payload: string) => {
    try {
      await publisher.publish(`${streamName}.${subject}`, payload)
      onProgress(++taken)
    } catch (error) {
      firstError ??= error
    }
  }
  const startMs = Date.now() - STRESS_READINGS * 1_000
  const machines = Array.from({ length: STRESS_MACHINES }, async (_, machine) => {
    for (let i = 0; i < STRESS_READINGS; i++) {
      await publish('metrics', JSON.stringify(testReading(`CNC-STRESS-${machine}`, startMs + i * 1_000)))
    }
  })
  await Promise.all(machines)
  await publish('malformed', '{"machine_id": "CNC-MALFORMED", "temperature": "not-a-float"}')
  const all = STRESS_MACHINES * STRESS_READINGS + 1
  if (taken < all) throw new Error(`${taken} of ${all} messages were taken; the first error: ${sentenceOf(firstError)}`)
}
