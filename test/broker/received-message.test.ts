// Where a message lies: whatever buffers its parts came in, and also when the client hides them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Msg } from '@nats-io/transport-node'
import { AckReply } from '../../src/broker/ack-reply.ts'
import type { Answers } from '../../src/broker/answers.ts'
import { JetStreamDelivery } from '../../src/broker/jetstream-delivery.ts'
import { SocketBuffers, subjectsOf } from '../../src/broker/received-message.ts'

const SUBJECT = 'CNC_DATA.MILL-1'
const REPLY = '$JS.ACK.CNC_DATA.PROCESSOR.1.2.3.1772366400123456789.4'
const PAYLOAD = '{"machine_id":"MILL-1"}'

/** Parts of one buffer that holds other things as well. */
function inOneBuffer(): Uint8Array[] {
  const whole = Buffer.from(`MSG ${SUBJECT} 9 ${REPLY} 23\r\n${PAYLOAD}\r\nMSG`)
  return [SUBJECT, REPLY, PAYLOAD].map((part) => {
    const start = whole.indexOf(part)
    return whole.subarray(start, start + part.length)
  })
}

/** As of a message that two reads of the socket brought. */
function inTwoBuffers(): Uint8Array[] {
  const subjects = new Uint8Array(Buffer.from(SUBJECT + REPLY))
  return [
    subjects.subarray(0, SUBJECT.length),
    subjects.subarray(SUBJECT.length),
    new Uint8Array(Buffer.from(PAYLOAD)),
  ]
}

function deliveryOf(message: object, buffers: SocketBuffers): { said: unknown[]; answered: string[] } {
  const { subject, reply = Buffer.alloc(0) } = subjectsOf(message as Msg)
  const answered: string[] = []
  const answers = {
    ack: (bytes: Buffer, start: number, end: number) => answered.push(bytes.toString('latin1', start, end)),
    working: (text: string) => answered.push(text),
  }
  const reader = new AckReply()
  reader.read(reply)
  const flow = {
    incarnation: { stream: 'CNC_DATA', createdAt: '' },
    answers: answers as unknown as Answers,
    buffers,
  }
  const delivery = new JetStreamDelivery(message as Msg, subject, reply, reader, flow)
  delivery.working()
  delivery.ack()
  delivery.ack()
  const { sequence, size, data } = delivery
  return { said: [delivery.subject, sequence, size, Buffer.from(data).toString()], answered }
}

test('a delivery gives subject, payload and reply as they came, whatever they lie in', () => {
  const buffers = new SocketBuffers()
  for (const parts of [inOneBuffer(), inTwoBuffers(), inOneBuffer()]) {
    const [subject, reply, data] = parts
    const shown = { subject: SUBJECT, reply: REPLY, data }
    for (const message of [{ ...shown, _msg: { subject, reply } }, shown]) {
      const { said, answered } = deliveryOf(message, buffers)
      assert.deepEqual(said, [SUBJECT, 2, PAYLOAD.length, PAYLOAD])
      assert.deepEqual(answered, [REPLY, REPLY])
    }
  }
})

test('a message without a reply subject has none, whichever way it is read', () => {
  const subject = Buffer.from(SUBJECT)
  assert.equal(
    subjectsOf({ subject: SUBJECT, reply: '', _msg: { subject } } as unknown as Msg).reply,
    undefined,
  )
  assert.equal(subjectsOf({ subject: SUBJECT } as Msg).reply?.length, 0)
})
