// The readings that are measured with: the twelve usual fields, about 330 bytes of JSON, twenty machines, values
// with two or three decimals as controls send them.

const MACHINES = 20

function reading(n: number, atMs: number, machines = MACHINES): object {
  return {
    machine_id: `CNC-${String(n % machines).padStart(3, '0')}`,
    timestamp: new Date(atMs).toISOString().replace('Z', `${String(n % 1_000).padStart(3, '0')}Z`),
    temperature: 60 + ((n * 7_919) % 1_000) / 100,
    spindle_speed: 8_000 + ((n * 31) % 4_000),
    x_pos_mm: ((n * 7_919) % 300_000) / 1_000,
    y_pos_mm: ((n * 104_729) % 200_000) / 1_000,
    z_pos_mm: -((n * 1_299_709) % 50_000) / 1_000,
    feed_rate_actual: 1_500 + ((n * 17) % 1_000) / 10,
    spindle_load_percent: ((n * 13) % 1_000) / 10,
    machine_state: 'RUNNING',
    active_program_line: n % 5_000,
    total_power_kw: ((n * 11) % 1_500) / 100,
  }
}

/** The payload of message `n`: one reading, or an array of `each`. */
export function payload(n: number, each: number): string {
  const startMs = Date.now() - 3_600_000
  if (each === 1) return JSON.stringify(reading(n, startMs + Math.floor(n / MACHINES)))
  return JSON.stringify(
    Array.from({ length: each }, (_, i) => {
      const at = n * each + i
      return reading(at, startMs + Math.floor(at / MACHINES))
    }),
  )
}

/** One reading published now; `atMs` has a fraction to the microsecond. */
export function readingAt(n: number, atMs: number, machines = MACHINES): string {
  const micros = Math.floor((atMs % 1) * 1_000)
  const timestamp = new Date(atMs).toISOString().replace('Z', `${String(micros).padStart(3, '0')}Z`)
  return JSON.stringify({ ...reading(n, atMs, machines), timestamp })
}
