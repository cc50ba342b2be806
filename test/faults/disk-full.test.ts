// The disk under the state folder is full for a while: publishers are told, and what was acknowledged is there.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../support/monitor.ts'
import { withSmallDisk } from '../support/small-disk.ts'
import { underLoad } from '../support/under-load.ts'

const DISK_MIB = 200

test('a full disk under the embedded servers: they go on when there is room again', (t) =>
  withSmallDisk(t, DISK_MIB, (disk) =>
    underLoad(
      t,
      1,
      async ({ load, rounds, monitor }) => {
        const free = await disk.fill()
        try {
          await sleep(rounds.random.whole(4_000, 6_000))
          assert.equal(
            (await fetch(`${monitor.endpoints.http}/healthz`)).status,
            200,
            'the process is responsive',
          )
        } finally {
          await free()
        }
        const before = load.acknowledged.size
        await until('the stream takes messages again', () => load.acknowledged.size > before + 100)
      },
      { STREAM_MAX_BYTES: '50000000' },
      disk.path,
    ),
  ))
