// What the database says about the room its tables take: the contract between the store and whoever reports it.

/** One chunk of a hypertable: the readings of a stretch of time. */
export interface ChunkFacts {
  readonly startMs: number
  readonly endMs: number
  /** Table, indexes and compressed part as they are on the disk now. */
  readonly bytes: number
  /** What its compressed rows took before; null: it is not compressed. */
  readonly bytesBeforeCompression: number | null
}

export interface PolicyFacts {
  /** TimescaleDB's name of what it does, such as `retention`; the monitor's own job is named alike. */
  readonly name: string
  /** Table or view it works on. */
  readonly table: string
  readonly schedule_seconds: number
  /** RFC 3339 in UTC; null: not yet. */
  readonly last_run: string | null
  readonly last_success: string | null
  readonly last_failure: { readonly at: string; readonly reason: string } | null
  readonly next_run: string | null
}

export interface StorageFacts {
  /** Bytes of the whole database. */
  readonly bytes: number
  /** Oldest first. */
  readonly chunks: readonly ChunkFacts[]
  /** Rows of readings, estimated; docs/http-api.md says how. */
  readonly rowsEstimate: number
  /** RFC 3339 in UTC: times of the readings at both ends; null: there are none. */
  readonly oldest: string | null
  readonly newest: string | null
  readonly aggregates: readonly { readonly name: string; readonly bytes: number; readonly chunks: number }[]
  readonly deadLetters: { readonly rowsEstimate: number; readonly bytes: number }
  readonly policies: readonly PolicyFacts[]
}
