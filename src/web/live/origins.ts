// Which web pages may listen. Browsers let any page open a WebSocket anywhere and only say whose page it is; a
// program says nothing and may (RFC 6455, section 10.2).
import type { IncomingHttpHeaders } from 'node:http'

/** Pages of the monitor's own address, and those of `allowed` (origins separated by commas; null: none). */
export function mayListen({ origin, host }: IncomingHttpHeaders, allowed: string | null): boolean {
  if (origin === undefined) return true
  if (allowed?.split(',').some((one) => one.toLowerCase() === origin.toLowerCase()) === true) return true
  return URL.canParse(origin) && new URL(origin).host === host?.toLowerCase()
}
