// As long as answers reach the stream that the messages came from.
//
// An answer names a sequence and nothing else. A stream that was deleted and made anew, or restored from an
// older state by a server that was started again, gives that sequence to another message, which the answer
// would remove unseen. So nothing is answered once the flow has broken or the connection has come to another
// server process. What is left unanswered is delivered again and found stored.
import type { NatsConnection } from './connect.ts'

export interface AnswerTime {
  isOver(): boolean
  /** The flow has broken: its consumer is gone. */
  end(): void
}

/** Begins with the flow. Every start of a server has an id of its own. */
export function answerTime(connection: NatsConnection): AnswerTime {
  const server = connection.info?.server_id
  let isEnded = false
  return {
    isOver: () => isEnded || connection.info?.server_id !== server,
    end: () => void (isEnded = true),
  }
}
