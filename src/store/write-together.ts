// Messages that are all there already, as one batch.
import type { DecodedMessage, Sink, WriteOutcome } from '../pipeline-types.ts'

export function writeTogether(sink: Sink, messages: readonly DecodedMessage[]): Promise<WriteOutcome> {
  const batch = sink.open()
  for (const message of messages) batch.add(message)
  return batch.write(messages)
}
