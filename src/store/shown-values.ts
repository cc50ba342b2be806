// How bytes and times of the tables are given back.
import { isUtf8 } from 'node:buffer'

/** Bytes of a payload that are shown at most, wherever there may be many. */
export const SHOWN_PAYLOAD_BYTES = 4_096

export interface ShownPayload {
  /** Text where the bytes are UTF-8, base64 otherwise. */
  readonly payload: string
  readonly payload_encoding: 'utf8' | 'base64'
}

/** `isCut`: more follows; a character that the cut went through is left out. */
export function shownPayload(payload: Buffer, isCut: boolean): ShownPayload {
  for (let spare = 0; spare < (isCut ? 4 : 1); spare++) {
    const part = payload.subarray(0, payload.length - spare)
    if (isUtf8(part)) return { payload: part.toString(), payload_encoding: 'utf8' }
  }
  return { payload: payload.toString('base64'), payload_encoding: 'base64' }
}

/** SQL for a time as RFC 3339 in UTC. */
export function utc(column: string): string {
  return `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
}
