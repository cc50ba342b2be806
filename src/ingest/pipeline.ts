// The loop: source -> decode -> batch -> sink -> settle.
//
//   taking --(the store is away)--> giving back --> waiting --(it answers)--> taking
//   any --(abort)--> draining --> ended                any --(fatal)--> giving back --> failed
//
// Invariant: an answer follows its commit, and every delivery is answered once: acked or termed after the
// commit, or given back. Batches in flight are bounded; while all are busy nothing more is pulled.
import { setTimeout as sleep } from 'node:timers/promises'
import { sentenceOf } from '../errors.ts'
import type { DecodedMessage, Delivery, Sink, Source, WriteOutcome } from '../pipeline-types.ts'
import { Batch, type BatchLimits } from './batch-policy.ts'
import { giveBack, settle } from './settle.ts'

export interface PipelineOptions {
  readonly source: Source
  readonly sink: Sink
  readonly decode: (delivery: Delivery) => DecodedMessage
  readonly limits: BatchLimits
  readonly batchesInFlight: number
  /** How often the stream is told that a slow batch is still being worked on. */
  readonly workingEveryMs: number
  readonly observer: PipelineObserver
}

/** Told what happens; must not throw. */
interface PipelineObserver {
  committed(batch: readonly DecodedMessage[], outcome: WriteOutcome & { kind: 'committed' }): void
  /** Taking has stopped; it goes on by itself. */
  interrupted(reason: string): void
  resumed(): void
}

/** Runs until `signal` aborts and what was in hand is settled. Throws when going on would not help. */
export async function runPipeline(options: PipelineOptions, signal: AbortSignal): Promise<void> {
  let failures = 0
  while (!signal.aborted) {
    const ended = await takeUntilInterrupted(options, signal, failures)
    if (ended.kind === 'fatal') throw new Error(ended.reason)
    if (signal.aborted) return
    failures = ended.committed ? 1 : failures + 1
    options.observer.interrupted(ended.reason)
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
  let open = new Batch()
  let timer: NodeJS.Timeout | undefined
  let committed = false
  const failed: (WriteOutcome & { kind: 'retry' | 'fatal' })[] = []

  const write = async (batch: readonly DecodedMessage[]): Promise<void> => {
    const reminder = setInterval(() => {
      for (const { delivery } of batch) delivery.working()
    }, workingEveryMs)
    const outcome = await sink.write(batch).finally(() => clearInterval(reminder))
    if (outcome.kind === 'committed') {
      committed = true
      settle(batch, outcome)
      observer.committed(batch, outcome)
    } else {
      failed.push(outcome)
      giveBack(batch, failures)
      interruption.abort()
    }
  }

  const send = () => {
    clearTimeout(timer)
    timer = undefined
    const batch = open
    open = new Batch()
    if (batch.isEmpty()) return
    if (failed.length > 0) return giveBack(batch.messages, failures)
    const writing: Promise<void> = write(batch.messages).finally(() => inFlight.delete(writing))
    inFlight.add(writing)
  }

  const sendWhenDue = () => {
    if (inFlight.size < batchesInFlight) send()
    else void Promise.race(inFlight).then(sendWhenDue)
  }

  let reason = 'the flow of messages ended'
  try {
    for await (const burst of source.take(AbortSignal.any([signal, interruption.signal]))) {
      for (const delivery of burst) {
        open.add(decode(delivery))
        if (open.isFull(limits)) {
          while (inFlight.size >= batchesInFlight) await Promise.race(inFlight)
          if (open.isFull(limits)) send()
        }
      }
      if (!open.isEmpty()) timer ??= setTimeout(sendWhenDue, limits.ageMs)
    }
  } catch (error) {
    reason = sentenceOf(error)
  }
  send()
  await Promise.all(inFlight)
  await source.flush().catch(() => undefined)
  const [first] = failed.toSorted((a, b) => a.kind.localeCompare(b.kind)) // fatal before retry
  return { kind: first?.kind ?? 'source', reason: first?.reason ?? reason, committed }
}
