// What a live client is to the monitor, whichever way it listens: a wire, and the form of what goes over it.
import type { LiveCloseReason, LiveFrame, LiveKind } from '../../live-types.ts'

export interface LiveConnection {
  readonly kind: LiveKind
  /** Bytes that are written and that the operating system has not taken yet. */
  readonly waitingBytes: number
  /** Whole frames, as the encoding makes them. */
  write(bytes: Buffer): void
  /** Asks for a sign of life, where the kind has one; shows the wire's middlemen that it is in use. */
  ping(): void
  /** Ends it with a word of farewell. */
  end(reason: LiveCloseReason | 'stopping'): void
  /** Ends it at once. */
  destroy(): void
}

export interface LiveEncoding {
  /** `hub`: the frames' `id`. */
  frame(frame: LiveFrame, hub: string): Buffer
  /** JSON of another kind than a frame. */
  notice(type: string, json: string): Buffer
}
