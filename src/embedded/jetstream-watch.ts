// Whether the embedded nats-server's JetStream still answers, and can still write.
//
// After a full disk a server greets, answers pings and calls itself healthy, while no message is taken any more,
// also when there is room again. 2.9 holds a lock for ever: asking for the list of streams needs the same locks as
// publishing, so it finds out. 2.15 never writes to that stream again and says so in its log only. Killing
// such a server loses nothing that it has acknowledged.
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const CHECK_EVERY_MS = 3_000
const ANSWER_LIMIT_MS = 5_000
/** In a row: one may be lost to a busy machine. */
const MISSES = 2

export interface NatsAddress {
  readonly host: string
  readonly port: number
}

/** Whether the server says in this line of its log that it has given up writing to a stream. */
export const saysUnwritable = (line: string): boolean => /stream .* critical write error/i.test(line)

/**
 * Watches until the server has ended, has stopped answering, or is unwritable: then `onStuck` is told so in a
 * sentence.
 */
export async function watchJetStream(
  address: NatsAddress,
  ended: Promise<void>,
  isUnwritable: () => boolean,
  onStuck: (sentence: string) => void,
): Promise<void> {
  let isEnded = false
  const end = ended.then(() => (isEnded = true))
  for (let misses = 0; misses < MISSES;) {
    await Promise.race([sleep(CHECK_EVERY_MS, undefined, { ref: false }), end])
    if (isEnded) return
    if (isUnwritable())
      return onStuck('nats-server cannot write to a stream any more (is the disk full?); it is killed')
    misses = (await answersJetStream(address)) ? 0 : misses + 1
    if (isEnded) return
  }
  onStuck(
    `nats-server has not answered for ${(MISSES * ANSWER_LIMIT_MS) / 1000} s (is the disk full?); it is killed`,
  )
}

/** Asks for the streams in the words of the client protocol, and waits for a message. */
function answersJetStream({ host, port }: NatsAddress): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    const limit = setTimeout(() => done(false), ANSWER_LIMIT_MS).unref()
    const done = (result: boolean) => {
      clearTimeout(limit)
      socket.destroy()
      resolve(result)
    }
    let said = ''
    socket.setEncoding('latin1').on('data', (text: string) => {
      said += text
      if (/^MSG /m.test(said)) done(true)
    })
    socket.on('error', () => done(false))
    socket.on('close', () => done(false))
    socket.write('CONNECT {"verbose":false}\r\nSUB answer 1\r\nPUB $JS.API.STREAM.LIST answer 0\r\n\r\n')
  })
}
