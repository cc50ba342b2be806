import type { FastifyInstance } from 'fastify'
import type { StorageReport } from '../../storage-report.ts'
import { noParameters } from '../parameters.ts'
import { storageSchema } from '../storage-contract.ts'

export function storageRoutes(app: FastifyInstance, storage: () => Promise<StorageReport>): void {
  app.get<{ Querystring: Record<string, unknown> }>(
    '/api/v1/storage',
    { schema: { response: { 200: storageSchema } } },
    async (request, reply) => {
      noParameters(request.query)
      return reply.send(await storage())
    },
  )
}
