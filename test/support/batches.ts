// Batches as the pipeline makes them, and a sink that is nothing but its answer.
import { Batch } from '../../src/ingest/batch.ts'
import type { DecodedMessage, OpenBatch, Sink } from '../../src/pipeline-types.ts'

/** What is written is answered by `write`, and the store is always there. */
export function sinkWriting(write: OpenBatch['write']): Sink {
  return { open: () => ({ add: () => undefined, write }), available: () => Promise.resolve() }
}

/** A batch that holds these messages, as observers are told of it. */
export function batchOf(messages: readonly DecodedMessage[]): Batch {
  const decoded = new Map(messages.map((message) => [message.delivery, message]))
  const batch = new Batch(
    (delivery) => decoded.get(delivery) as DecodedMessage,
    sinkWriting(() => Promise.reject(new Error('this batch is not to be written'))).open(),
  )
  for (const { delivery } of messages) batch.add(delivery)
  return batch
}
