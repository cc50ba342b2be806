import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mistakeLog } from '../../src/ingest/mistake-log.ts'

test('a mistake is logged with its stack, one a second at most, and the next one says how many were held back', () => {
  const lines: string[] = []
  let nowMs = 10_000
  const mistake = mistakeLog(
    (line) => lines.push(line),
    () => nowMs,
  )
  mistake(new TypeError('first'))
  mistake(new TypeError('second'))
  mistake('third')
  nowMs = 11_000
  mistake('fourth')
  assert.equal(lines.length, 2)
  assert.match(lines[0] ?? '', /please report it: TypeError: first\n +at .*mistake-log\.test\.ts/)
  assert.match(lines[1] ?? '', /\(2 more were held back before\): fourth$/)
})
