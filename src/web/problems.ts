// Errors of the API: RFC 9457 problem documents with stable codes. docs/http-api.md lists the codes.
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { UnavailableError } from '../errors.ts'

export const problemCodes = {
  invalid_parameter: { status: 400, title: 'A parameter or field is wrong' },
  forbidden_origin: { status: 403, title: 'Pages of this origin may not do this' },
  not_found: { status: 404, title: 'There is nothing at this address' },
  already_stored: { status: 409, title: 'A replay of this dead letter is stored already' },
  machine_exists: { status: 409, title: 'A machine with this id is registered already' },
  too_large: { status: 413, title: 'The request is too large' },
  unsupported_media_type: { status: 415, title: 'The request is not JSON' },
  nothing_accepted: { status: 422, title: 'Not one reading was accepted' },
  upgrade_required: { status: 426, title: 'This address speaks WebSocket only' },
  internal: { status: 500, title: 'The monitor made a mistake; its log says more' },
  busy: { status: 503, title: 'Too much is asked at once; the same request may succeed in a moment' },
  too_many_clients: { status: 503, title: 'As many clients listen as may' },
  unavailable: { status: 503, title: 'A server the monitor depends on does not answer' },
} as const

export type ProblemCode = keyof typeof problemCodes

/** Thrown by handlers; becomes a problem document. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly code: ProblemCode
  /** The parameter or field it is about. */
  readonly field: string | undefined
  /** Further members of the document (RFC 9457, section 3.2). */
  readonly further: object

  constructor(code: ProblemCode, detail: string, field?: string, further: object = {}) {
    super(detail)
    this.code = code
    this.field = field
    this.further = further
  }
}

/** For what is refused before a route is looked for. */
export function badAddress(_error: Error, request: FastifyRequest, reply: FastifyReply): void {
  const shown = JSON.stringify(request.raw.url?.slice(0, 200))
  send(reply, new Problem('invalid_parameter', `The address ${shown} is not well percent-encoded UTF-8.`))
}

export function handleProblems(app: FastifyInstance): void {
  app.setNotFoundHandler((request, reply) => {
    send(
      reply,
      new Problem(
        'not_found',
        `${request.method} ${request.url.slice(0, 200)} is not an address of this API.`,
      ),
    )
  })
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const problem = problemOf(error, request.routeOptions.bodyLimit)
    if (problem.code === 'internal') request.log.error(error)
    send(reply, problem)
  })
}

/** `bodyLimit`: bytes that the body of the request may have. */
function problemOf(error: FastifyError | Problem | UnavailableError, bodyLimit: number | undefined): Problem {
  if (error instanceof Problem) return error
  if (error instanceof UnavailableError) return new Problem('unavailable', error.message)
  if ('validation' in error && error.validation) {
    const [first] = error.validation
    const { missingProperty, additionalProperty } = (first?.params ?? {}) as Record<
      string,
      string | undefined
    >
    const field =
      missingProperty ??
      additionalProperty ??
      (first?.instancePath.slice(1).replaceAll('/', '.') || undefined)
    return new Problem('invalid_parameter', `${error.message}.`, field)
  }
  const status = 'statusCode' in error ? (error.statusCode ?? 500) : 500
  if (status === 413)
    return new Problem('too_large', `The body is larger than ${bodyLimit} bytes, which is the limit here.`)
  if (status === 415)
    return new Problem('unsupported_media_type', 'Send JSON, with content-type: application/json.')
  if (status >= 400 && status < 500) return new Problem('invalid_parameter', error.message)
  return new Problem('internal', 'Something went wrong inside the monitor.')
}

function send(reply: FastifyReply, problem: Problem): void {
  const { status, title } = problemCodes[problem.code]
  void reply
    .code(status)
    .type('application/problem+json')
    .send({
      type: `urn:cnc-monitor:problem:${problem.code}`,
      title,
      status,
      code: problem.code,
      detail: problem.message,
      ...(problem.field === undefined ? {} : { field: problem.field }),
      ...problem.further,
    })
}
