import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as frames from '../../../src/embedded/database/frames.ts'

test('messages come out whole however their bytes arrive', () => {
  const messages = [
    frames.simpleQuery('SELECT 1'),
    frames.sync(),
    frames.message('P', 'name', 'x'.repeat(20_000)),
  ]
  const bytes = Buffer.concat(messages)
  for (const step of [1, 2, 4, 5, 6, 7, 1_000, bytes.length]) {
    const reader = new frames.FrameReader()
    const found: Buffer[] = []
    for (let at = 0; at < bytes.length; at += step) {
      reader.push(bytes.subarray(at, at + step))
      for (let frame = reader.next(true); frame !== undefined; frame = reader.next(true))
        found.push(frame.bytes)
    }
    assert.deepEqual(found, messages, `in steps of ${step}`)
  }
})

test('a length nobody means is an error before its bytes are waited for', () => {
  for (const length of [-1, 0, 3, frames.MAX_MESSAGE_BYTES + 1, 0x7fff_ffff]) {
    const reader = new frames.FrameReader()
    reader.push(Buffer.concat([Buffer.from('Q'), frames.int32(length)]))
    assert.throws(() => reader.next(true), frames.FrameError, String(length))
  }
})

test('a CopyInResponse is recognised at the end of bytes that begin in mid-message', () => {
  const response = frames.message('G', Buffer.from([0, 0, 3, 0, 0, 0, 0, 0, 0]))
  assert.equal(frames.isCopyInResponse(Buffer.concat([Buffer.from('rest of a row'), response])), true)
  assert.equal(frames.isCopyInResponse(Buffer.concat([response, frames.readyForQuery('I')])), false)
})
