// The loop: source -> decode -> batch -> sink -> settle.
//
//   taking --(the store is away)--> giving back --> waiting --(it answers)--> taking
//   any --(abort)--> draining --> ended                any --(fatal)--> giving back --> failed
//
// Invariant: an answer follows its commit, and every delivery is answered once: acked or termed after the
// commit, or given back. Batches in flight are bounded; while all are busy nothing more is pulled. What is held for
// long, wherever it waits, is told to the stream as being worked on.
import { setTimeout as sleep } from 'node:timers/promises'
import { sentenceOf } from '../errors.ts'
import type { CutReason, PipelineObserver } from '../observation.ts'
import type { Delivery, Sink, Source, WriteOutcome } from '../pipeline-types.ts'
import { Batch, type BatchLimits } from './batch.ts'
import type { Decode } from './held-message.ts'
import { giveBack, settle } from './settle.ts'

export interface PipelineOptions {
  readonly source: Source
  readonly sink: Sink
  /**
   * Pure: messages are decoded again where their readings are asked for again. Never throws: an exception of its own
   * is a rejection. One that it throws all the same ends the pipeline.
   */
  readonly decode: Decode
  readonly limits: BatchLimits
  readonly batchesInFlight: number
  /** How often the stream is told of what was in hand the last time already; an eighth of its patience at most. */
  readonly workingEveryMs: number
  readonly observer: PipelineObserver
}

/** Runs until `signal` aborts and what was in hand is settled. Throws when going on would not help. */
export async function runPipeline(options: PipelineOptions, signal: AbortSignal): Promise<void> {
  let failures = 0
  while (!signal.aborted) {
    const ended = await takeUntilInterrupted(options, signal, failures)
    if (ended.kind === 'fatal') throw new Error(ended.reason)
    if (signal.aborted) return
    failures = ended.committed ? 1 : failures + 1
    options.observer.interrupted(ended.reason, ended.kind === 'source' ? 'broker' : 'database')
    try {
      await sleep(Math.min(5_000, 100 * 2 ** Math.min(failures, 6)), undefined, { signal })
      if (ended.kind === 'retry') await options.sink.available(signal)
    } catch (error) {
      if (signal.aborted) return
      throw error
    }
    options.observer.resumed()
  }
}

interface Ended {
  /** source: the flow broke; retry and fatal: what the sink said. */
  readonly kind: 'source' | 'retry' | 'fatal'
  readonly reason: string
  /** Whether anything was committed meanwhile. */
  readonly committed: boolean
}

async function takeUntilInterrupted(
  { source, sink, decode, limits, batchesInFlight, workingEveryMs, observer }: PipelineOptions,
  signal: AbortSignal,
  failures: number,
): Promise<Ended> {
  const interruption = new AbortController()
  const inFlight = new Set<Promise<void>>()
  let open = new Batch(decode, sink.open())
  let openedAtMs = 0
  let timer: NodeJS.Timeout | undefined
  /** Taken at once; those from `decoded` on wait for a batch. */
  let burst: readonly Delivery[] = []
  let decoded = 0
  /** Whether what happens is this loop's doing; else it is the source's. */
  let isInHand = false
  const inWriting = new Set<Batch>()
  let committed = false
  const failed: (WriteOutcome & { kind: 'retry' | 'fatal' })[] = []

  // Nobody waits for a batch or a timer: an exception there is a mistake, which must end the pipeline and not get lost.
  const guarded = (work: () => void) => {
    try {
      work()
    } catch (error) {
      failed.push(mistake(error))
      interruption.abort()
    }
  }

  const write = async (batch: Batch): Promise<void> => {
    const startedAtMs = performance.now()
    inWriting.add(batch)
    const outcome = await batch.write().catch(mistake)
    inWriting.delete(batch)
    const commitMs = performance.now() - startedAtMs
    if (outcome.kind === 'committed') {
      committed = true
      guarded(() => settle(batch.messages, outcome))
      guarded(() => observer.committed(batch, outcome, commitMs))
    } else {
      failed.push(outcome)
      guarded(() => giveBack(batch.messages, failures))
      guarded(() => observer.failed(batch, outcome, commitMs))
      interruption.abort()
    }
  }

  const send = (reason: CutReason) => {
    clearTimeout(timer)
    timer = undefined
    const batch = open
    if (batch.isEmpty()) return
    open = new Batch(decode, sink.open())
    guarded(() => observer.cut(batch, { reason, waitedMs: performance.now() - openedAtMs }))
    if (failed.length > 0) {
      guarded(() => giveBack(batch.messages, failures))
      return guarded(() => observer.givenBack(batch))
    }
    const writing: Promise<void> = write(batch).finally(() => inFlight.delete(writing))
    inFlight.add(writing)
  }

  const sendWhenDue = () => {
    if (inFlight.size < batchesInFlight) send(open.fullBy(limits) ?? 'age')
    else void Promise.race(inFlight).then(sendWhenDue)
  }

  let heldBefore = new Set<object>()
  const remind = () => {
    const batches = [...inWriting, open]
    for (const batch of batches.filter((one) => heldBefore.has(one))) {
      for (const { delivery } of batch.messages) delivery.working()
    }
    if (heldBefore.has(burst)) for (const delivery of burst.slice(decoded)) delivery.working()
    heldBefore = new Set([...batches, burst])
  }
  const reminding = setInterval(() => guarded(remind), workingEveryMs)

  let reason = 'the flow of messages ended'
  try {
    for await (burst of source.take(AbortSignal.any([signal, interruption.signal]))) {
      decoded = 0
      isInHand = true
      for (const delivery of burst) {
        decoded += 1
        if (open.isEmpty()) openedAtMs = performance.now()
        open.add(delivery)
        if (open.fullBy(limits) !== null) {
          while (inFlight.size >= batchesInFlight) await Promise.race(inFlight)
          const limit = open.fullBy(limits)
          if (limit !== null) send(limit)
        }
      }
      if (!open.isEmpty()) timer ??= setTimeout(sendWhenDue, limits.ageMs)
      isInHand = false
    }
  } catch (error) {
    // The source mends itself and is opened again; what fails here would fail at the same message for ever.
    if (isInHand) failed.push(mistake(error))
    else reason = sentenceOf(error)
  }
  send('rest')
  await Promise.all(inFlight)
  clearInterval(reminding)
  await source.flush().catch(() => undefined)
  const [first] = failed.toSorted((a, b) => a.kind.localeCompare(b.kind)) // fatal before retry
  return { kind: first?.kind ?? 'source', reason: first?.reason ?? reason, committed }
}

/** What must not happen, as an outcome. */
function mistake(error: unknown) {
  const reason = `the pipeline itself failed: ${sentenceOf(error)}`
  return { kind: 'fatal', reason, failure: 'mistake' } as const
}
