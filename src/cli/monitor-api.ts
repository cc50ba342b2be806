// The running monitor's HTTP API, as commands use it: a failure is a sentence that says what to do next.
import { sentenceOf } from '../errors.ts'

/** What is answered has the shapes of src/web/: it is the same program. */
export interface MonitorApi {
  readonly url: string
  /** `next`: the address of the next page; null when there is none. */
  get(path: string): Promise<{ readonly body: unknown; readonly next: string | null }>
  post(path: string, body: object): Promise<unknown>
}

/** A bulk replay of payloads of a mebibyte takes this long at most. */
const LIMIT_MS = 60_000

export function monitorApi(url: string): MonitorApi {
  return {
    url,
    async get(path) {
      const response = await ask(url, path, {})
      const next = /<([^>]*)>; rel="next"/.exec(response.headers.get('link') ?? '')?.[1] ?? null
      return { body: await response.json(), next }
    },
    async post(path, body) {
      const headers = { 'content-type': 'application/json' }
      const response = await ask(url, path, { method: 'POST', headers, body: JSON.stringify(body) })
      return response.json()
    },
  }
}

async function ask(url: string, path: string, init: RequestInit): Promise<Response> {
  let response: Response
  try {
    response = await fetch(new URL(path, url), { ...init, signal: AbortSignal.timeout(LIMIT_MS) })
  } catch (error) {
    const reason = sentenceOf((error as { cause?: unknown }).cause ?? error)
    throw new Error(
      `no monitor answers at ${url} (${reason}). Start it with "npm start", or name where it runs with --url.`,
      { cause: error },
    )
  }
  if (response.ok) return response
  const problem = (await response.json().catch(() => null)) as { detail?: unknown } | null
  if (typeof problem?.detail === 'string') throw new Error(problem.detail)
  throw new Error(
    `${url} answered ${response.status} and is no monitor of this version; name one with --url.`,
  )
}
