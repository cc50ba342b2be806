// What a delivered message's reply subject says about it (NATS architecture and design, ADR-15):
//
//   $JS.ACK.<stream>.<consumer>.<deliveries>.<stream sequence>.<consumer sequence>.<nanoseconds>.<pending>
//   $JS.ACK.<domain>.<account>.<stream>.<consumer>.<the same five>[.<token>]      from nats-server 2.11 on
//
// Read from its bytes, digit by digit and into fields, because it is read for every message: splitting the text
// costs ten times as much, and a text or an object a message is garbage a message.

const DOT = 0x2e
const ZERO = 0x30
/** Of a time in nanoseconds, what is below the microsecond: a double does not hold it. */
const DIGITS_CUT = 3

/** Reads the replies of one consumer: what stands before the numbers is the same in all of them. */
export class AckReply {
  /** 1 the first time. */
  deliveries = 0
  streamSequence = 0
  consumerSequence = 0
  /** Milliseconds since 1970, with a fraction to the microsecond. */
  receivedAtMs = 0
  #prefix: Uint8Array = Buffer.alloc(0)
  #at = 0

  /** Reads one into the fields; throws when it is no reply subject of JetStream. */
  read(reply: Uint8Array): void {
    if (!this.#hasPrefix(reply)) this.#prefix = prefixOf(reply)
    this.#at = this.#prefix.length
    this.deliveries = this.#number(reply)
    this.streamSequence = this.#number(reply)
    this.consumerSequence = this.#number(reply)
    // Not indexOf: a call costs more than the few bytes do.
    let dot = this.#at
    while (dot < reply.length && reply[dot] !== DOT) dot++
    const end = dot - DIGITS_CUT
    if (dot === reply.length || end <= this.#at) throw notAReply(reply)
    let micros = 0
    for (; this.#at < end; this.#at++) micros = micros * 10 + this.#digit(reply, this.#at)
    this.receivedAtMs = micros / 1_000
  }

  #hasPrefix(reply: Uint8Array): boolean {
    const prefix = this.#prefix
    for (let i = 0; i < prefix.length; i++) if (reply[i] !== prefix[i]) return false
    return prefix.length > 0
  }

  #number(reply: Uint8Array): number {
    let value = 0
    for (; reply[this.#at] !== DOT; this.#at++) value = value * 10 + this.#digit(reply, this.#at)
    this.#at++
    return value
  }

  #digit(reply: Uint8Array, at: number): number {
    const digit = (reply[at] as number) - ZERO
    if (!(digit >= 0 && digit <= 9)) throw notAReply(reply)
    return digit
  }
}

/** Everything up to the first of the five numbers. */
function prefixOf(reply: Uint8Array): Uint8Array {
  const tokens = textOf(reply).split('.')
  const names = tokens.length === 9 ? 4 : 6
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK' || tokens.length < names + 5) throw notAReply(reply)
  return Buffer.from(`${tokens.slice(0, names).join('.')}.`, 'latin1')
}

function textOf(reply: Uint8Array): string {
  return Buffer.from(reply).toString('latin1')
}

function notAReply(reply: Uint8Array): Error {
  return new Error(
    `"${textOf(reply)}" is no reply subject of JetStream; only a JetStream consumer may feed this flow.`,
  )
}
