// Readings to try a monitor with: one good one, and a burst that ends with a bad one.
//
// Invariant: every published message is accounted for. The functions resolve only when the stream took all of
// them; otherwise they reject with how many it took and the first reason.
import type { Publisher } from '../pipeline-types.ts'
import { PublishWindow } from './publish-window.ts'

const STRESS_MACHINES = 5
const STRESS_READINGS = 20
/** Valid JSON whose temperature is no number: a dead letter, never a row. */
const MALFORMED = '{"machine_id": "CNC-MALFORMED", "temperature": "not-a-float"}'

/** A reading with the twelve classic fields; docs/wire-format.md has their units. */
export type TestReading = ReturnType<typeof testReading>

/** The one valid reading of CNC-001. `nowMs`: milliseconds since 1970. */
export function testReading(nowMs: number) {
  return {
    machine_id: 'CNC-001',
    timestamp: new Date(nowMs).toISOString(),
    temperature: 65.5,
    spindle_speed: 12_000,
    x_pos_mm: 150.25,
    y_pos_mm: 75.5,
    z_pos_mm: -25.125,
    feed_rate_actual: 1_500,
    spindle_load_percent: 42.5,
    machine_state: 'RUNNING',
    active_program_line: 1_234,
    total_power_kw: 8.75,
  }
}

/** Publishes the reading of CNC-001, with the present time. Rejects when it was not taken. */
export async function publishTestData(publisher: Publisher, streamName: string): Promise<{ taken: 1 }> {
  await publisher.publish(`${streamName}.metrics`, JSON.stringify(testReading(Date.now())))
  return { taken: 1 }
}

/**
 * Publishes 20 readings of each of five machines at once, then the malformed message. `onProgress` is told how
 * many were taken so far. Rejects when anything was not: "97 of 101 taken; first error: ...".
 */
export async function stress(
  publisher: Publisher,
  streamName: string,
  onProgress: (taken: number) => void = () => {},
): Promise<{ readings: number; malformed: number; taken: number }> {
  const readings = STRESS_MACHINES * STRESS_READINGS
  const window = new PublishWindow(publisher, readings)
  const send = async (subject: string, payload: string) => {
    if ((await window.send(subject, payload)) === null) onProgress(window.taken)
  }
  const nowMs = Date.now()
  await Promise.all(
    Array.from({ length: readings }, (_, i) => {
      // The machines take turns, so that all of them are under way at once; each time is the reading's own.
      const reading = testReading(nowMs - readings + i)
      reading.machine_id = `CNC-STRESS-${i % STRESS_MACHINES}`
      reading.temperature += i / 10
      return send(`${streamName}.metrics`, JSON.stringify(reading))
    }),
  )
  await send(`${streamName}.malformed`, MALFORMED)
  if (window.refused > 0) {
    throw new Error(`${window.taken} of ${readings + 1} taken; first error: ${window.firstError}`)
  }
  return { readings, malformed: 1, taken: window.taken }
}
