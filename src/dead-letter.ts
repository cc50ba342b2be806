// What the stages share of dead letters: the states of one, and which of them a person means.

/**
 *   open --(a replay is asked for)--> pending --(one is stored)--> stored
 *   pending --(every replay is refused, or was not taken by the stream)--> open
 */
export const deadLetterStates = ['open', 'pending', 'stored'] as const
export type DeadLetterState = (typeof deadLetterStates)[number]

/** What became of a replay; "failed": the stream did not take its message. */
export type ReplayOutcome = 'pending' | 'stored' | 'refused' | 'failed'

/** Which dead letters are meant; a field that is absent does not narrow. */
export interface DeadLetterFilter {
  readonly ids?: readonly string[]
  readonly code?: string
  /** The machine the refused reading names. */
  readonly machine?: string
  readonly subject?: string
  readonly stream?: string
  readonly sequence?: number
  /** When the stream received the message: RFC 3339; both ends belong to the window. */
  readonly since?: string
  readonly until?: string
  readonly state?: DeadLetterState
}
