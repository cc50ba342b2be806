// The machines: registered by people, or merely heard.
import type { Pool } from './pool.ts'

export interface Machine {
  readonly id: string
  readonly name: string | null
  readonly location: string | null
  readonly controller_type: string | null
  readonly max_spindle_speed_rpm: number | null
  readonly axis_count: number | null
  /** False when it only published readings and nobody registered it. */
  readonly registered: boolean
  /** RFC 3339 in UTC. */
  readonly created_at: string
  readonly last_updated: string
}

export type NewMachine = Omit<Machine, 'registered' | 'created_at' | 'last_updated'>

const columns = `id, name, location, controller_type, max_spindle_speed_rpm, axis_count, registered,
  to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS created_at,
  to_char(last_updated AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS last_updated`

/** All machines, by id. */
export async function listMachines(pool: Pool): Promise<Machine[]> {
  const { rows } = await pool.query<Machine>(`SELECT ${columns} FROM machines ORDER BY id`)
  return rows
}

/** Registers a machine, also one that was merely heard; null when the id is registered already. */
export async function registerMachine(pool: Pool, machine: NewMachine): Promise<Machine | null> {
  const { rows } = await pool.query<Machine>(
    `INSERT INTO machines
       (id, name, location, controller_type, max_spindle_speed_rpm, axis_count, registered)
     VALUES ($1, $2, $3, $4, $5, $6, true)
     ON CONFLICT (id) DO UPDATE SET
       name = excluded.name, location = excluded.location, controller_type = excluded.controller_type,
       max_spindle_speed_rpm = excluded.max_spindle_speed_rpm, axis_count = excluded.axis_count,
       registered = true, last_updated = now()
     WHERE NOT machines.registered
     RETURNING ${columns}`,
    [
      machine.id,
      machine.name,
      machine.location,
      machine.controller_type,
      machine.max_spindle_speed_rpm,
      machine.axis_count,
    ],
  )
  return rows[0] ?? null
}
