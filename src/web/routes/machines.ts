import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { listedMachineSchema, machineSchema, newMachineSchema, type NewMachine } from '../contract.ts'
import { lastHeard, laterOf, type Heard } from '../last-heard.ts'
import { Problem } from '../problems.ts'
import type { Queries } from '../server.ts'

/** `heard`: the last reading that was received of a machine, where it is known without the store. */
export function machineRoutes(
  app: FastifyInstance,
  queries: Queries,
  heard: (machineId: string) => Heard | null = () => null,
): void {
  app.get(
    '/api/v1/machines',
    { schema: { response: { 200: Type.Array(listedMachineSchema) } } },
    async () => {
      const [machines, readings] = await Promise.all([queries.machines(), queries.latest()])
      const stored = new Map(readings.map((reading) => [reading.machineId, reading]))
      const nowMs = Date.now()
      return machines.map((machine) => {
        const last = laterOf(stored.get(machine.id) ?? null, heard(machine.id))
        return { ...machine, ...lastHeard(last, nowMs) }
      })
    },
  )

  app.post<{ Body: NewMachine }>(
    '/api/v1/machines',
    { schema: { body: newMachineSchema, response: { 201: machineSchema } } },
    async (request, reply) => {
      const { id = randomUUID(), name = null, location = null, controller_type = null } = request.body
      const { max_spindle_speed_rpm = null, axis_count = null } = request.body
      if (!id.isWellFormed()) throw new Problem('invalid_parameter', 'id holds half of a character.', 'id')
      const machine = { id, name, location, controller_type, max_spindle_speed_rpm, axis_count }
      const registered = await queries.registerMachine(machine)
      if (registered === null) {
        throw new Problem(
          'machine_exists',
          `A machine with the id ${JSON.stringify(id)} is registered already.`,
          'id',
        )
      }
      return reply.code(201).send(registered)
    },
  )
}
