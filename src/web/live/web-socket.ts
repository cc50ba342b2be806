// Live clients on WebSockets. Frames are made here (RFC 6455, section 5.2: from a server unmasked) and written
// to the socket beside the library, so that what goes to many clients is made once and written in one piece.
import type { WebSocket } from '@fastify/websocket'
import type { Socket } from 'node:net'
import type { LiveConnection, LiveEncoding } from './connection.ts'

/** FIN and the opcode of text. */
const TEXT = 0x81
/** A client that does not read is not owed a pong: it would only wait in memory. */
const PONG_ROOM_BYTES = 16 * 2 ** 10

/** RFC 6455, section 7.4.1, and the registry it began: going away, policy violation, try again later. */
const farewells = {
  stopping: [1001, 'the monitor stops'],
  silent: [1008, 'no pong came'],
  talkative: [1008, 'this is for listening: too much was sent'],
  slow: [1013, 'nothing was read for too long'],
} as const

export const webSocketEncoding: LiveEncoding = {
  frame: ({ text }) => textFrame(text),
  notice: (_type, json) => textFrame(json),
}

function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text)
  const header = length < 126 ? 2 : length < 2 ** 16 ? 4 : 10
  const bytes = Buffer.allocUnsafe(header + length)
  bytes[0] = TEXT
  if (header === 2) bytes[1] = length
  else if (header === 4) {
    bytes[1] = 126
    bytes.writeUInt16BE(length, 2)
  } else {
    bytes[1] = 127
    bytes.writeBigUInt64BE(BigInt(length), 2)
  }
  bytes.write(text, header)
  return bytes
}

export function webSocketConnection(client: WebSocket, socket: Socket): LiveConnection {
  const isOpen = () => client.readyState === client.OPEN && socket.writable
  client.on('ping', (data: Buffer) => {
    if (isOpen() && socket.writableLength < PONG_ROOM_BYTES) client.pong(data)
  })
  return {
    kind: 'ws',
    get waitingBytes() {
      return socket.writableLength
    },
    write(bytes) {
      if (isOpen()) socket.write(bytes)
    },
    ping() {
      if (isOpen()) client.ping()
    },
    end(reason) {
      const [code, words] = farewells[reason]
      client.close(code, words)
    },
    destroy() {
      client.terminate()
    },
  }
}
