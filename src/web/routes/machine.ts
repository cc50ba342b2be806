// One machine: looked at, changed, deleted.
import type { FastifyInstance } from 'fastify'
import { listedMachineSchema, machineSchema, type Machine } from '../contract.ts'
import { lastHeard, laterOf, type Heard } from '../last-heard.ts'
import { machineChangeSchema, removedMachineSchema, type MachineChange } from '../machine-contract.ts'
import { machineIdOf, noParameters, oneOf, type Parameter } from '../parameters.ts'
import { Problem } from '../problems.ts'
import type { Queries } from '../server.ts'

const ADDRESS = '/api/v1/machines/:id'

interface Request {
  Params: { id: string }
  Querystring: Record<string, Parameter | undefined>
}

/** `heard`: as for the list. */
export function oneMachineRoutes(
  app: FastifyInstance,
  queries: Queries,
  heard: (machineId: string) => Heard | null = () => null,
): void {
  app.get<Request>(
    ADDRESS,
    { schema: { response: { 200: listedMachineSchema } } },
    async (request, reply) => {
      const id = machineIdOf('id', request.params.id)
      noParameters(request.query)
      const [machine, readings] = await Promise.all([queries.machine(id), queries.latest()])
      const stored = readings.find(({ machineId }) => machineId === id) ?? null
      const last = laterOf(stored, heard(id))
      return reply.send({ ...known<Machine>(id, machine), ...lastHeard(last, Date.now()) })
    },
  )

  app.patch<Request & { Body: MachineChange }>(
    ADDRESS,
    { schema: { body: machineChangeSchema, response: { 200: machineSchema } } },
    async (request, reply) => {
      const id = machineIdOf('id', request.params.id)
      noParameters(request.query)
      return reply.send(known<Machine>(id, await queries.changeMachine(id, request.body)))
    },
  )

  app.delete<Request>(
    ADDRESS,
    { schema: { response: { 200: removedMachineSchema } } },
    async (request, reply) => {
      const id = machineIdOf('id', request.params.id)
      noParameters(request.query, ['readings'])
      const { readings: wish = 'keep' } = request.query
      const readings = oneOf('readings', wish, ['keep', 'delete'])
      const deleted = known(id, await queries.removeMachine(id, readings))
      const fate = readings === 'keep' ? 'kept' : 'deleted'
      return reply.send({ id, readings: fate, readings_deleted: deleted })
    },
  )
}

function known<T>(id: string, found: T | null): T {
  if (found !== null) return found
  throw new Problem('not_found', `There is no machine ${JSON.stringify(id)}.`)
}
