// The machines: registered by people, or merely heard.
import { deleteReadings } from './delete-readings.ts'
import { inTransaction, type Pool } from './pool.ts'

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

/** Null when nobody has heard of it. */
export async function findMachine(pool: Pool, id: string): Promise<Machine | null> {
  const { rows } = await pool.query<Machine>(`SELECT ${columns} FROM machines WHERE id = $1`, [id])
  return rows[0] ?? null
}

/** What people say about a machine. */
export type MachineChange = Partial<Omit<NewMachine, 'id'>>

const changeable = ['name', 'location', 'controller_type', 'max_spindle_speed_rpm', 'axis_count'] as const

/** Sets what `change` names, and registers a machine that was merely heard; null when nobody has heard of it. */
export async function changeMachine(pool: Pool, id: string, change: MachineChange): Promise<Machine | null> {
  const named = changeable.filter((name) => change[name] !== undefined)
  const set = named.map((name, i) => `${name} = $${i + 2}, `).join('')
  const { rows } = await pool.query<Machine>(
    `UPDATE machines SET ${set} registered = true, last_updated = now() WHERE id = $1 RETURNING ${columns}`,
    [id, ...named.map((name) => change[name])],
  )
  return rows[0] ?? null
}

/**
 * Deletes what people said about a machine, and its readings where `readings` says so. Resolves to how many readings
 * were deleted; null: nobody has heard of it.
 *
 * Its own row goes last, so that a removal cut off in the middle can be asked for again. While readings of it are
 * stored it stays listed as merely heard.
 */
export async function removeMachine(
  pool: Pool,
  id: string,
  readings: 'keep' | 'delete',
): Promise<number | null> {
  if ((await findMachine(pool, id)) === null) return null
  const deleted = readings === 'delete' ? await deleteReadings(pool, id) : 0
  await inTransaction(pool, async (connection) => {
    // Locks the row: a writer that hears the machine now puts it in again afterwards.
    await connection.query(
      `UPDATE machines SET registered = false, last_updated = now(),
         ${changeable.map((name) => `${name} = NULL`).join(', ')}
       WHERE id = $1`,
      [id],
    )
    await connection.query(
      'DELETE FROM machines WHERE id = $1 AND NOT EXISTS (SELECT FROM sensor_data WHERE machine_id = $1)',
      [id],
    )
  })
  return deleted
}
