// The live feed as its two sides see it: who keeps the frames, and who sends them to clients.

/** The last reading of one machine, as clients get it. */
export interface LiveFrame {
  /** Counts the frames of one hub, from 1. */
  readonly sequence: number
  readonly machineId: string
  /** JSON: `{"type":"sensor_data","data":{reading},"timestamp":"..."}`. */
  readonly text: string
}

/** Told what happens to the frames; must not throw. */
export interface LiveFollower {
  /** A newer one has taken the place of this frame: whoever has not got it yet never will. */
  replaced(frame: LiveFrame): void
  /** There are frames that were not there before; called once for all that came together. */
  grown(): void
}

/** The last frame of every machine, in the order in which they changed; what came before them is gone. */
export interface LiveFrames {
  /** Tells this start of this monitor from every other: sequences of two of them say nothing about each other. */
  readonly id: string
  /** Of the newest frame; 0 before the first. */
  readonly sequence: number
  /** Those after this sequence, oldest first. Not to be kept while frames are added. */
  after(sequence: number): Iterable<LiveFrame>
  /** Until the returned function is called. */
  follow(follower: LiveFollower): () => void
}

/** The reading of a machine that was received last, also when it is an old one. RFC 3339 in UTC. */
export interface LastHeard {
  readonly timestamp: string
  readonly receivedAt: string
}

/** The ways in which clients listen. */
export const liveKinds = ['ws', 'sse'] as const
export type LiveKind = (typeof liveKinds)[number]

/** Why the monitor closed a client. slow: took nothing for too long; silent: no pong; talkative: sent too much. */
export const liveCloseReasons = ['slow', 'silent', 'talkative'] as const
export type LiveCloseReason = (typeof liveCloseReasons)[number]

/** Told what the live feed does. */
export interface LiveObserver {
  /** Frames came; seconds from the stream's receipt of each, by two machines' clocks. */
  shown(lagSeconds: readonly number[]): void
  clients(kind: LiveKind, count: number): void
  sent(kind: LiveKind, frames: number): void
  skipped(kind: LiveKind, frames: number): void
  closed(reason: LiveCloseReason): void
}
