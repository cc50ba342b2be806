// The answers to a batch. Called only after the commit, or when the batch is given up.
import type { MessageInBatch, WriteOutcome } from '../pipeline-types.ts'

/** Acks what carried a reading that is stored now, terms what carried none, gives back what was postponed. */
export function settle(
  batch: readonly MessageInBatch[],
  outcome: WriteOutcome & { kind: 'committed' },
): void {
  const { refused, postponed } = outcome
  const isPlain = refused.size === 0 && postponed.size === 0
  for (const message of batch) {
    if (!isPlain && postponed.has(message)) {
      message.delivery.nak(nakDelayMs(message.delivery.deliveryCount, Math.random()))
      continue
    }
    const refusedReadings = isPlain ? 0 : (refused.get(message)?.positions.size ?? 0)
    if (message.readingCount > refusedReadings) message.delivery.ack()
    else message.delivery.term()
  }
}

/** Gives everything back, with delays that differ, so that it does not come back all at once. */
export function giveBack(batch: readonly MessageInBatch[], failures: number): void {
  for (const message of batch) message.delivery.nak(nakDelayMs(failures, Math.random()))
}

const FIRST_DELAY_MS = 250
const LONGEST_DELAY_MS = 10_000

/** Doubles with each failure in a row; `random` in [0, 1) spreads it over the upper half. */
export function nakDelayMs(failures: number, random: number): number {
  const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(failures, 16))
  return delay * (0.5 + random / 2)
}
