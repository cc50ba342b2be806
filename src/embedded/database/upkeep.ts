/*
 * What a PostgreSQL server does by itself and this engine does not: checkpoints, vacuum, TimescaleDB's policies.
 *
 * Invariant: the write-ahead log stays short (a late checkpoint does not shrink it again), so a checkpoint is
 * run between two transactions as soon as enough was written. All else waits for its turn behind every client,
 * one statement a turn, because the engine serves nobody meanwhile. A refused statement is logged and never fatal.
 */
import { StatementError } from './engine.ts'
import { recordOfRun } from './policy-record.ts'

/** A checkpoint is due after this much write-ahead log. */
const CHECKPOINT_BYTES = 16 * 1024 * 1024
/** The log's length is asked for after so much work, or when one unit took long. */
const LOOK_AFTER_UNITS = 100
const LOOK_AFTER_BYTES = 1024 * 1024
const LOOK_AFTER_MS = 10
/** How often it is looked whether something is due. */
const TICK_MS = 1_000
/** Written data is checkpointed after this long, however little it is: the next start is then quick. */
const CHECKPOINT_LATEST_MS = 60_000
/** How often tables are looked at for vacuum; small ones are vacuumed then whenever anything was written. */
const VACUUM_EVERY_MS = 10 * 60_000
/** The first run of a policy after its first sight. */
const FIRST_RUN_MS = 30_000
/** How often it is looked which policies are due. */
const POLICIES_EVERY_MS = 10_000

/** The policies that are run here, in the order in which they are run when several are due. */
const POLICIES = ['policy_refresh_continuous_aggregate', 'policy_compression', 'policy_retention']

/** As timescaledb_information.jobs has it. */
interface Policy {
  readonly job: string
  readonly everyMs: number
}

export interface UpkeepOptions {
  /** Runs SQL now; the engine is free whenever this is called. */
  readonly query: (sql: string) => (string | null)[][]
  /** Runs a piece of work when nobody else wants the engine. */
  readonly later: (work: () => void) => void
  readonly log: (level: 'info' | 'warn', msg: string) => void
  /** Milliseconds, monotonic. */
  readonly now: () => number
}

export class Upkeep {
  readonly #options: UpkeepOptions
  #timer: NodeJS.Timeout | undefined
  #units = 0
  #bytes = 0
  #slow = false
  /** Write-ahead log position of the last checkpoint. */
  #checkpointed: number
  #checkpointedMs: number
  #unitSince = { checkpoint: false, vacuum: false }
  #vacuumedMs: number
  #policiesSeenMs = -Infinity
  #queued = false
  /** When each policy is due next. */
  readonly #due = new Map<string, number>()

  constructor(options: UpkeepOptions) {
    this.#options = options
    this.#checkpointed = this.#logPosition()
    this.#checkpointedMs = options.now()
    this.#vacuumedMs = options.now()
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** To be told after each unit of a client. */
  noteUnit(unit: { readonly bytes: number; readonly elapsedMs: number }): void {
    this.#units += 1
    this.#bytes += unit.bytes
    this.#slow ||= unit.elapsedMs > LOOK_AFTER_MS
    this.#unitSince = { checkpoint: true, vacuum: true }
  }

  /** To be called between transactions: checkpoints when enough was written. */
  engineFree(): void {
    if (this.#units < LOOK_AFTER_UNITS && this.#bytes < LOOK_AFTER_BYTES && !this.#slow) return
    this.#units = 0
    this.#bytes = 0
    this.#slow = false
    if (this.#logPosition() - this.#checkpointed >= CHECKPOINT_BYTES) this.#checkpoint()
  }

  /** What is due at this moment, each as a piece of work for one turn. */
  dueWork(): (() => void)[] {
    const now = this.#options.now()
    const work: (() => void)[] = []
    if (this.#unitSince.checkpoint && now - this.#checkpointedMs > CHECKPOINT_LATEST_MS)
      work.push(() => this.#checkpoint())
    for (const policy of this.#duePolicies(now)) work.push(() => this.#run(policy))
    if (this.#unitSince.vacuum && now - this.#vacuumedMs > VACUUM_EVERY_MS) {
      this.#vacuumedMs = now
      this.#unitSince.vacuum = false
      for (const table of this.#tablesToVacuum()) work.push(() => this.#attempt(`VACUUM (ANALYZE) ${table}`))
    }
    return work
  }

  #tick(): void {
    if (this.#queued) return
    this.#queued = true
    this.#options.later(() => {
      try {
        this.#runOneByOne(this.dueWork())
      } catch (error) {
        this.#queued = false
        this.#warn('looking for what is due', error)
      }
    })
  }

  #runOneByOne(work: (() => void)[]): void {
    const next = work.shift()
    if (next === undefined) {
      this.#queued = false
      return
    }
    next()
    this.#options.later(() => this.#runOneByOne(work))
  }

  #checkpoint(): void {
    this.#attempt('CHECKPOINT')
    this.#checkpointed = this.#logPosition()
    this.#checkpointedMs = this.#options.now()
    this.#unitSince.checkpoint = false
  }

  #logPosition(): number {
    return Number(this.#options.query("SELECT pg_current_wal_insert_lsn() - '0/0'")[0]?.[0] ?? 0)
  }

  #run({ job, everyMs }: Policy): void {
    const startedMs = this.#options.now()
    const failure = this.#attempt(`CALL run_job(${job})`)
    const elapsedMs = this.#options.now() - startedMs
    this.#attempt(recordOfRun({ job, elapsedMs, everyMs, failure }))
  }

  #duePolicies(now: number): Policy[] {
    if (now - this.#policiesSeenMs < POLICIES_EVERY_MS) return []
    this.#policiesSeenMs = now
    const names = POLICIES.map((name) => `'${name}'`).join(', ')
    const jobs = this.#options.query(
      `SELECT job_id, extract(epoch FROM schedule_interval) * 1000
         FROM timescaledb_information.jobs
        WHERE scheduled AND proc_name IN (${names})
        ORDER BY array_position(ARRAY[${names}], proc_name::text), job_id`,
    )
    const due: Policy[] = []
    for (const [job, intervalMs] of jobs) {
      if (job === null || job === undefined) continue
      const everyMs = Number(intervalMs)
      const at = this.#due.get(job) ?? now + FIRST_RUN_MS
      if (at <= now) due.push({ job, everyMs })
      this.#due.set(job, at <= now ? now + everyMs : at)
    }
    return due
  }

  /** Tables that have grown since their last vacuum, small ones, and those whose row versions are old. */
  #tablesToVacuum(): string[] {
    const tables = this.#options.query(
      `SELECT format('%I.%I', n.nspname, c.relname)
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'm') AND c.relpersistence = 'p'
          AND (age(c.relfrozenxid) > 150000000
               OR pg_relation_size(c.oid) / 8192 > c.relpages * 1.2 + 50
               OR (n.nspname NOT IN ('pg_catalog', 'information_schema', '_timescaledb_internal')
                   AND n.nspname NOT LIKE '\\_timescaledb%' AND pg_relation_size(c.oid) BETWEEN 1 AND 8192000))
        ORDER BY age(c.relfrozenxid) DESC
        LIMIT 200`,
    )
    return tables.flatMap(([table]) => (table === null || table === undefined ? [] : [table]))
  }

  /** Runs a statement; what the database says against it is logged, and returned. */
  #attempt(sql: string): string | null {
    const startedMs = this.#options.now()
    let failure: string | null = null
    try {
      this.#options.query(sql)
    } catch (error) {
      failure = this.#warn(sql, error)
    }
    const elapsedMs = Math.round(this.#options.now() - startedMs)
    if (elapsedMs > 1_000) this.#options.log('info', `${sql} took ${elapsedMs} ms.`)
    return failure
  }

  /** Anything but the database's own words means that the engine has failed. */
  #warn(what: string, error: unknown): string {
    if (!(error instanceof StatementError)) throw error
    this.#options.log('warn', `Upkeep (${what}): ${error.message}`)
    return error.message
  }
}
