// The live feed over WebSocket and as server-sent events: who may listen, to what, and from where on.
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import websocket, { type WebSocket } from '@fastify/websocket'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { LiveFrames } from '../../live-types.ts'
import { machineOf, noParameters, type Parameter } from '../parameters.ts'
import { Problem } from '../problems.ts'
import { eventStreamConnection, placeOf } from '../live/event-stream.ts'
import { LiveClients, usualLimits, type LiveClientsObserver, type LiveLimits } from '../live/live-clients.ts'
import { mayListen } from '../live/origins.ts'
import { webSocketConnection } from '../live/web-socket.ts'

export interface LiveOptions {
  readonly frames: LiveFrames
  readonly maxClients: number
  /** Origins whose pages may listen besides the monitor's own, separated by commas. */
  readonly origins: string | null
  readonly observer: LiveClientsObserver
  readonly limits?: Partial<LiveLimits>
}

interface Listening {
  Params: { id?: string }
  Querystring: Record<string, Parameter | undefined>
}
type Request = FastifyRequest<Listening>

/** Of one client in one address; an address has room for about 16 KiB. */
const MOST_MACHINES = 1_000
/** Clients have nothing to say. */
const MESSAGE_BYTES = 1_024
/** How long a refused connection may stay. One that becomes a WebSocket has no such limit: the library lifts it. */
const REFUSED_MS = 2_000

/** Whether a request asks to become a WebSocket where there are any. */
export function isLiveUpgrade({ headers, url }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket' && url?.startsWith('/ws/') === true
}

export function liveRoutes(app: FastifyInstance, options: LiveOptions): void {
  const { frames, maxClients, origins, observer, limits } = options
  const clients = new LiveClients(frames, { ...usualLimits, clients: maxClients, ...limits }, observer)

  const admit = async (request: Request, reply: FastifyReply): Promise<void> => {
    machinesOf(request)
    if (!mayListen(request.headers, origins)) {
      const detail = `Pages of ${request.headers.origin} may not listen; LIVE_ORIGINS names those that may.`
      throw new Problem('forbidden_origin', detail)
    }
    if (clients.isClosed) throw new Problem('unavailable', 'The monitor stops.')
    if (clients.isFull) {
      void reply.header('retry-after', '10')
      throw new Problem('too_many_clients', `${maxClients} clients listen (LIVE_MAX_CLIENTS).`)
    }
  }

  const onWebSocket = (socket: WebSocket, request: Request): void => {
    const connection = webSocketConnection(socket, request.raw.socket)
    const client = clients.add(connection, machinesOf(request), 0)
    request.raw.socket.on('drain', () => clients.drained(client))
    for (const event of ['message', 'ping', 'pong'] as const) socket.on(event, () => clients.heard(client))
    socket.on('close', () => clients.remove(client))
  }

  const onEventStream = (request: Request, reply: FastifyReply): void => {
    reply.hijack()
    const { origin, 'last-event-id': lastEventId = '' } = request.headers
    // Of pages elsewhere only those get here that may listen.
    const headers = origin === undefined ? {} : { 'access-control-allow-origin': origin, vary: 'origin' }
    const connection = eventStreamConnection(reply.raw, headers)
    const after = placeOf(String(lastEventId), frames.id, frames.sequence) ?? 0
    const client = clients.add(connection, machinesOf(request), after)
    reply.raw.on('drain', () => clients.drained(client))
    reply.raw.on('close', () => clients.remove(client))
  }

  // A connection that was to become a WebSocket and was refused belongs to nobody: no parser, no time limit.
  app.server.on('upgrade', (_request, socket: Socket) => {
    socket.setTimeout(REFUSED_MS, () => socket.destroy())
  })
  void app.register(async (scope) => {
    await scope.register(websocket, {
      options: {
        maxPayload: MESSAGE_BYTES,
        maxFragments: 16,
        // A client may ask for more pongs than it reads.
        autoPong: false,
        perMessageDeflate: false,
      },
      // The library has answered it with a close frame.
      errorHandler: () => undefined,
      preClose: () => clients.close(),
    })
    const route = {
      method: 'GET',
      exposeHeadRoute: false,
      config: { isLive: true },
      preHandler: admit,
    } as const
    for (const url of ['/ws/machines', '/ws/machines/:id']) {
      scope.route<Listening>({ ...route, url, wsHandler: onWebSocket, handler: refuseHttp })
    }
    scope.route<Listening>({ ...route, url: '/api/v1/events', handler: onEventStream })
  })
}

async function refuseHttp(_request: Request, reply: FastifyReply): Promise<never> {
  void reply.header('upgrade', 'websocket')
  throw new Problem('upgrade_required', 'Connect with a WebSocket client, or use GET /api/v1/events.')
}

/** Whose frames are wanted; null: all. Throws a Problem that names the parameter. */
function machinesOf({ params: { id }, query }: Request): ReadonlySet<string> | null {
  noParameters(query, id === undefined ? ['machine'] : [])
  if (id !== undefined) return new Set([machineOf('id', id)])
  const { machine } = query
  if (machine === undefined) return null
  const ids = typeof machine === 'string' ? [machine] : machine
  if (ids.length > MOST_MACHINES) {
    const detail = `machine may stand there ${MOST_MACHINES} times; it does ${ids.length} times.`
    throw new Problem('invalid_parameter', detail, 'machine')
  }
  return new Set(ids.map((one) => machineOf('machine', one)))
}
