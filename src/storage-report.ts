// What `GET /api/v1/storage` says: what the tables take, what waits in the stream, and when the disk is full.
//
// Invariant: the database is asked by one at a time, and at most once in `KEPT_MS`, however many ask; `as_of` says when it was.
import type { BrokerPoll } from './observation.ts'
import { forecast, type Growth } from './storage-forecast.ts'
import type { PolicyFacts, StorageFacts } from './storage-facts.ts'

const KEPT_MS = 10_000

export interface StorageReport {
  readonly as_of: string
  readonly database: { readonly bytes: number; readonly free_bytes: number | null }
  readonly readings: {
    readonly rows_estimate: number
    readonly bytes: number
    readonly bytes_per_reading: number | null
    readonly chunks: number
    readonly compressed_chunks: number
    readonly bytes_before_compression: number
    readonly bytes_after_compression: number
    readonly oldest: string | null
    readonly newest: string | null
  }
  readonly aggregates: StorageFacts['aggregates']
  readonly dead_letters: { readonly rows_estimate: number; readonly bytes: number }
  readonly stream: {
    readonly messages: number
    readonly bytes: number
    readonly max_bytes: number | null
  } | null
  readonly growth: Growth
  readonly policies: readonly PolicyFacts[]
}

export interface ReportSources {
  readonly facts: () => Promise<StorageFacts>
  readonly broker: () => BrokerPoll
  /** Room left for the database, which has `bytes` now; null: not known. */
  readonly freeBytes: (bytes: number) => Promise<number | null>
  readonly retentionDays: number
}

/** Rejects as `facts` does; a failure is not kept. */
export function storageReports(sources: ReportSources): () => Promise<StorageReport> {
  let report: Promise<StorageReport> | null = null
  let keptUntilMs = 0
  return () => {
    if (report !== null && performance.now() < keptUntilMs) return report
    // While it is made nobody starts another one, however long that takes.
    keptUntilMs = Infinity
    report = reportOf(sources)
    report.then(
      () => (keptUntilMs = performance.now() + KEPT_MS),
      () => (report = null),
    )
    return report
  }
}

async function reportOf({ facts, broker, freeBytes, retentionDays }: ReportSources): Promise<StorageReport> {
  const nowMs = Date.now()
  const { chunks, rowsEstimate, oldest, newest, ...rest } = await facts()
  const free = await freeBytes(rest.bytes)
  const compressed = chunks.filter(({ bytesBeforeCompression }) => bytesBeforeCompression !== null)
  const bytes = sum(chunks.map((chunk) => chunk.bytes))
  const { standing } = broker()
  return {
    as_of: new Date(nowMs).toISOString(),
    database: { bytes: rest.bytes, free_bytes: free },
    readings: {
      rows_estimate: rowsEstimate,
      bytes,
      bytes_per_reading: rowsEstimate === 0 ? null : Math.round((10 * bytes) / rowsEstimate) / 10,
      chunks: chunks.length,
      compressed_chunks: compressed.length,
      bytes_before_compression: sum(
        compressed.map(({ bytesBeforeCompression }) => bytesBeforeCompression ?? 0),
      ),
      bytes_after_compression: sum(compressed.map((chunk) => chunk.bytes)),
      oldest,
      newest,
    },
    aggregates: rest.aggregates,
    dead_letters: { rows_estimate: rest.deadLetters.rowsEstimate, bytes: rest.deadLetters.bytes },
    stream:
      standing === null
        ? null
        : {
            messages: standing.streamMessages,
            bytes: standing.streamBytes,
            max_bytes: standing.streamMaxBytes,
          },
    growth: forecast({
      chunks,
      nowMs,
      freeBytes: free,
      oldestMs: oldest === null ? null : Date.parse(oldest),
      retentionDays,
    }),
    policies: rest.policies.filter(({ name }) => name !== 'retention' || retentionDays > 0),
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0)
}
