// What a delivered message's reply subject says about it (NATS architecture and design, ADR-15):
//
//   $JS.ACK.<stream>.<consumer>.<deliveries>.<stream sequence>.<consumer sequence>.<nanoseconds>.<pending>
//   $JS.ACK.<domain>.<account>.<stream>.<consumer>.<the same five>[.<token>]      from nats-server 2.11 on
//
// Read digit by digit, because it is read for every message: splitting the text costs ten times as much.

const DOT = 0x2e
const ZERO = 0x30
/** Of a time in nanoseconds, what is below the microsecond: a double does not hold it. */
const DIGITS_CUT = 3

export interface AckReply {
  readonly deliveries: number
  readonly streamSequence: number
  readonly consumerSequence: number
  /** Milliseconds since 1970, with a fraction to the microsecond. */
  readonly receivedAtMs: number
}

/** Reads the replies of one consumer: what stands before the numbers is the same in all of them. */
export class AckReplyReader {
  #prefix = ''

  /** Throws when it is no reply subject of JetStream. */
  read(reply: string): AckReply {
    if (this.#prefix === '' || !reply.startsWith(this.#prefix)) this.#prefix = prefixOf(reply)
    let at = this.#prefix.length
    const number = () => {
      let value = 0
      for (let code = reply.charCodeAt(at); code !== DOT; code = reply.charCodeAt(++at)) {
        if (!(code >= ZERO && code <= ZERO + 9)) throw notAReply(reply)
        value = value * 10 + (code - ZERO)
      }
      at++
      return value
    }
    const deliveries = number()
    const streamSequence = number()
    const consumerSequence = number()
    const end = reply.indexOf('.', at) - DIGITS_CUT
    const micros = Number(reply.slice(at, end))
    if (end <= at || !(micros >= 0)) throw notAReply(reply)
    return { deliveries, streamSequence, consumerSequence, receivedAtMs: micros / 1_000 }
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
