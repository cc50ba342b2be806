// A machine's last reading, by the machine's own time.

export interface LatestReading {
  readonly machineId: string
  /** The reading with its `received_at`, as JSON. */
  readonly json: string
  /** RFC 3339 in UTC: the machine's own time, and when the stream received it. */
  readonly timestamp: string
  readonly receivedAt: string
}
