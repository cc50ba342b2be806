// Copies of a stream's files, to put a stream back to an older state as a restored disk or a power cut does.
// The server must be down while files are copied.
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** How much comes back old: the messages alone, with the consumer as it was last, or the consumer with them. */
export type CopiedPart = 'messages' | 'messages and consumer'

export interface StreamCopy {
  /** Puts the copied state back in place of the present one. */
  restore(part: CopiedPart): void
}

/** Copies the files of a stream. `folder` is the server's. */
export function copyStream(folder: string, stream: string): StreamCopy {
  const files = join(folder, 'jetstream', 'jetstream', '$G', 'streams', stream)
  const copy = join(folder, 'copies', stream)
  rmSync(copy, { recursive: true, force: true })
  cpSync(files, copy, { recursive: true })
  return {
    restore(part) {
      const below = part === 'messages' ? 'msgs' : ''
      rmSync(join(files, below), { recursive: true })
      cpSync(join(copy, below), join(files, below), { recursive: true })
    },
  }
}
