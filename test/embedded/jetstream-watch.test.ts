// What the watch reads in a server's log. That it finds out and mends is in test/faults: a full disk.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { saysUnwritable } from '../../src/embedded/jetstream-watch.ts'

test('of what nats-server 2.15 logs on a full disk the line that it has given up writing is recognised', () => {
  const reason = 'write /tmp/nats/jetstream/$G/streams/CNC_DATA/msgs/1.blk: no space left on device'
  const lines = [
    `[766] 2026/11/24 13:28:26.979385 [ERR] Filestore [CNC_DATA] Critical write error: ${reason}`,
    `[766] 2026/11/24 13:28:26.979545 [ERR] JetStream failed to store a msg on stream '$G > CNC_DATA': ${reason}`,
    `[766] 2026/11/24 13:28:26.979561 [ERR] JetStream stream '$G > CNC_DATA' critical write error: ${reason}`,
  ]
  assert.deepEqual(lines.map(saysUnwritable), [false, false, true])
})
