import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { machineSchema, newMachineSchema, type NewMachine } from '../contract.ts'
import { Problem } from '../problems.ts'
import type { Queries } from '../server.ts'

export function machineRoutes(app: FastifyInstance, queries: Queries): void {
  app.get('/api/v1/machines', { schema: { response: { 200: Type.Array(machineSchema) } } }, () =>
    queries.machines(),
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
