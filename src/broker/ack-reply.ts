// What a delivered message's reply subject says about it (NATS architecture and design, ADR-15):
//
//   $JS.ACK.<stream>.<consumer>.<deliveries>.<stream sequence>.<consumer sequence>.<nanoseconds>.<pending>
//   $JS.ACK.<domain>.<account>.<stream>.<consumer>.<the same five>[.<token>]      from nats-server 2.11 on
//
// Read digit by digit and into fields, because it is read for every message: splitting the text costs ten
// times as much, and an object a message is garbage a message.

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
  #prefix = ''
  #at = 0

  /** Reads one into the fields; throws when it is no reply subject of JetStream. */
  read(reply: string): void {
    if (this.#prefix === '' || !reply.startsWith(this.#prefix)) this.#prefix = prefixOf(reply)
    this.#at = this.#prefix.length
    this.deliveries = this.#number(reply)
    this.streamSequence = this.#number(reply)
    this.consumerSequence = this.#number(reply)
    const end = reply.indexOf('.', this.#at) - DIGITS_CUT
    if (end <= this.#at) throw notAReply(reply)
    let micros = 0
    for (; this.#at < end; this.#at++) micros = micros * 10 + this.#digit(reply, this.#at)
    this.receivedAtMs = micros / 1_000
  }

  #number(reply: string): number {
    let value = 0
    for (; reply.charCodeAt(this.#at) !== DOT; this.#at++) value = value * 10 + this.#digit(reply, this.#at)
    this.#at++
    return value
  }

  #digit(reply: string, at: number): number {
    const digit = reply.charCodeAt(at) - ZERO
    if (!(digit >= 0 && digit <= 9)) throw notAReply(reply)
    return digit
  }
}

/** Everything up to the first of the five numbers. */
function prefixOf(reply: string): string {
  const tokens = reply.split('.')
  const names = tokens.length === 9 ? 4 : 6
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK' || tokens.length < names + 5) throw notAReply(reply)
  return `${tokens.slice(0, names).join('.')}.`
}

function notAReply(reply: string): Error {
  return new Error(
    `"${reply}" is no reply subject of JetStream; only a JetStream consumer may feed this flow.`,
  )
}
