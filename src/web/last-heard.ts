// When a machine was last heard, and what that says of it and of its clock.
import { Type, type Static } from 'typebox'

/** A machine's last reading: its own time, and when the stream received it. RFC 3339 in UTC. */
export interface Heard {
  readonly timestamp: string
  readonly receivedAt: string
}

export const lastHeardProperties = {
  last_reading: Type.Union([Type.String(), Type.Null()], {
    description: "time of the last reading, by the machine's own clock; null: it never sent",
  }),
  last_heard: Type.Union([Type.String(), Type.Null()], { description: 'when the stream received it' }),
  lag_seconds: Type.Union([Type.Number(), Type.Null()], { description: 'seconds since last_heard' }),
  clock_skew_seconds: Type.Union([Type.Number(), Type.Null()], {
    description: "last_reading minus last_heard: above 0 the machine's clock is ahead",
  }),
}
const lastHeardSchema = Type.Object(lastHeardProperties)
type LastHeard = Static<typeof lastHeardSchema>

export function lastHeard(heard: Heard | null, nowMs: number): LastHeard {
  if (heard === null) {
    return { last_reading: null, last_heard: null, lag_seconds: null, clock_skew_seconds: null }
  }
  const receivedMs = Date.parse(heard.receivedAt)
  return {
    last_reading: heard.timestamp,
    last_heard: heard.receivedAt,
    lag_seconds: (nowMs - receivedMs) / 1_000,
    clock_skew_seconds: (Date.parse(heard.timestamp) - receivedMs) / 1_000,
  }
}

/** The one that was received later. */
export function laterOf(one: Heard | null, other: Heard | null): Heard | null {
  if (one === null || other === null) return one ?? other
  return Date.parse(other.receivedAt) > Date.parse(one.receivedAt) ? other : one
}
