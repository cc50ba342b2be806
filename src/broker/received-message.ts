// A message as it lies in the buffer that came off the socket: where its parts begin, and no text or view of them.
//
// Why: a message is held until its batch is committed, and all that is held is copied by the garbage collection
// again and again. A view or a text takes 100 bytes of it, a number in an object 8 (docs/performance.md).
import type { Msg } from '@nats-io/transport-node'

/** Subject and reply subject are ASCII. */
interface Subjects {
  readonly subject: Uint8Array
  readonly reply?: Uint8Array | undefined
}

/**
 * Where the message came from and what answers it, as bytes: the client's own, which its types do not show; where a
 * release of the client has them no more, they are made of its texts.
 */
export function subjectsOf(message: Msg): Subjects {
  const { _msg: received } = message as unknown as { readonly _msg?: Partial<Subjects> }
  if (received?.subject !== undefined) return received as Subjects
  const bytes = Buffer.from(`${message.subject}${message.reply ?? ''}`, 'latin1')
  const end = message.subject.length
  return { subject: bytes.subarray(0, end), reply: bytes.subarray(end) }
}

/** The buffers that messages lie in: many share one, so that the last one is most often the one. */
export class SocketBuffers {
  #last = Buffer.alloc(0)

  /** The whole buffer that `part` is a view of: it begins there at its own `byteOffset`. */
  holding(part: Uint8Array): Buffer {
    if (part.buffer !== this.#last.buffer) this.#last = Buffer.from(part.buffer as ArrayBuffer)
    return this.#last
  }
}
