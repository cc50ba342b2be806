// Errors that a caller branches on. Everything else is an Error with a good sentence.

/** The user can mend it: the sentence is all that is shown, without a stack, and the exit status is 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** The sentence of whatever was thrown. */
export function sentenceOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return sentenceOf(error.errors[0])
  return error instanceof Error ? error.message || error.name : String(error)
}

/** A server this program depends on does not answer; the same call may succeed later. */
export class UnavailableError extends Error {
  override readonly name = 'UnavailableError'
}
