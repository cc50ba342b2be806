// The readings of a machine, streamed page by page: constant memory, and as fast as the client reads.
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { readingJson, type Reading } from '../../reading.ts'
import { timeOf } from '../parameters.ts'
import { Problem } from '../problems.ts'
import type { Queries } from '../server.ts'

interface Parameters {
  Params: { id: string }
  Querystring: Record<string, string | string[] | undefined>
}

export function readingRoutes(app: FastifyInstance, queries: Queries): void {
  app.get<Parameters>('/api/v1/machines/:id/data', async (request, reply) => {
    const { start_time, end_time, ...others } = request.query
    const [unknown] = Object.keys(others)
    if (unknown !== undefined) {
      throw new Problem(
        'invalid_parameter',
        `${unknown} is no parameter here; start_time and end_time are.`,
        unknown,
      )
    }
    if (request.params.id.includes('\0'))
      throw new Problem('invalid_parameter', 'No machine id holds U+0000.', 'id')
    const readings = queries.readings({
      machineId: request.params.id,
      startTime: start_time === undefined ? null : timeOf('start_time', start_time),
      endTime: end_time === undefined ? null : timeOf('end_time', end_time),
    })
    const pages = readings[Symbol.asyncIterator]()
    // Awaited before the headers leave, so that a database that is away is a 503 and not half an answer.
    const first = await pages.next()
    return reply.type('application/json; charset=utf-8').send(Readable.from(jsonArray(first, pages)))
  })
}

async function* jsonArray(
  first: IteratorResult<Reading[], unknown>,
  pages: AsyncIterator<Reading[]>,
): AsyncGenerator<string, void, undefined> {
  try {
    let separator = '['
    for (let page = first; page.done !== true; page = await pages.next()) {
      yield separator + page.value.map(readingJson).join(',')
      separator = ','
    }
    yield separator === '[' ? '[]' : ']'
  } finally {
    await pages.return?.()
  }
}
