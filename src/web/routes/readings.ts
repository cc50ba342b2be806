// Readings of one machine, of several or of all: streamed page by page as fast as the client reads, or one page of
// `limit` readings with a link to the next.
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ReadingsQuery } from '../../readings-query.ts'
import { cursorOf } from '../cursor.ts'
import { ExportSlots } from '../export-slots.ts'
import { machineIdOf, type Parameter } from '../parameters.ts'
import { formats, framed } from '../readings-format.ts'
import { machineIdsOf, readReadingsQuery } from '../readings-query.ts'
import type { Queries } from '../server.ts'

interface Parameters {
  Querystring: Readonly<Record<string, Parameter | undefined>>
}

/** A client that takes nothing at all for so long is cut off; a slow one is not. */
const UNREAD_LIMIT_MS = 300_000

export function readingRoutes(app: FastifyInstance, queries: Queries): void {
  const slots = new ExportSlots()

  app.get<Parameters & { Params: { id: string } }>(
    '/api/v1/machines/:id/data',
    { exposeHeadRoute: false },
    (request, reply) => {
      return send(request, reply, [machineIdOf('id', request.params.id)], request.query)
    },
  )

  app.get<Parameters>('/api/v1/data', { exposeHeadRoute: false }, (request, reply) => {
    const { machine_id, ...others } = request.query
    return send(request, reply, machine_id === undefined ? null : machineIdsOf(machine_id), others)
  })

  async function send(
    request: FastifyRequest,
    reply: FastifyReply,
    machineIds: readonly string[] | null,
    parameters: Parameters['Querystring'],
  ): Promise<FastifyReply> {
    const { query, limit } = readReadingsQuery(parameters, machineIds, request.headers.accept)
    await slots.take(reply.raw)
    reply.raw.setTimeout(UNREAD_LIMIT_MS)
    void reply.header('vary', 'accept')
    // Read before the headers leave, so that a database that is away is a 503 and not half an answer.
    const pages = limit === null ? await begun(queries.readings(query)) : await onePage(query, limit)
    return reply.type(formats[query.format].type).send(Readable.from(framed(pages, query)))

    async function onePage(wanted: ReadingsQuery, count: number): Promise<readonly Buffer[]> {
      const { texts, last, more } = await queries.limitedReadings(wanted, count)
      if (more && last !== null) void reply.header('link', nextPage(request.url, cursorOf(last, wanted)))
      return texts
    }
  }
}

/** The texts of the pages, the first of which is there already. */
async function begun(pages: ReturnType<Queries['readings']>): Promise<AsyncIterable<Buffer>> {
  const first = await pages.next()
  return (async function* () {
    try {
      for (let page = first; page.done !== true; page = await pages.next()) yield page.value.text
    } finally {
      await pages.return()
    }
  })()
}

/** RFC 8288: the same request, from the last one on. */
function nextPage(url: string, cursor: string): string {
  const next = new URL(url, 'http://monitor')
  next.searchParams.set('cursor', cursor)
  return `<${next.pathname}${next.search}>; rel="next"`
}
