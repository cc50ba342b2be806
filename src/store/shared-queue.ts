// Work that is dear: a few at once, the oldest first, and the same work once for all who ask while it waits.
//
// Invariant: an answer was begun after it was asked for, so that it holds whatever was stored before.
import { UnavailableError } from '../errors.ts'

const MOST_WAITING = 1_000

interface Waiting<T> {
  readonly answer: Promise<T>
  readonly begin: () => void
}

/** `slots`: how many at once. What it gives throws UnavailableError where too many wait. */
export function sharedQueue<T>(slots: number): (key: string, work: () => Promise<T>) => Promise<T> {
  const waiting = new Map<string, Waiting<T>>()
  let free = slots

  const beginNext = () => {
    const [next] = waiting
    if (next === undefined || free === 0) return
    const [key, { begin }] = next
    waiting.delete(key)
    free--
    begin()
  }

  return (key, work) => {
    const same = waiting.get(key)
    if (same !== undefined) return same.answer
    if (waiting.size >= MOST_WAITING) {
      return Promise.reject(new UnavailableError('Too many ask for series at once; ask again later.'))
    }
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    const answer = begun.then(work).finally(() => {
      free++
      beginNext()
    })
    waiting.set(key, { answer, begin })
    beginNext()
    return answer
  }
}
