// How many answers of readings are under way at once, on real connections.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { ExportSlots, type SlotLimits } from '../../src/web/export-slots.ts'
import { Problem } from '../../src/web/problems.ts'

/** Each answer says whether it got a slot, and stays open until its client hangs up. */
async function withSlots(
  limits: SlotLimits,
  run: (ask: () => Promise<{ word: string; hangUp(): Promise<void> }>) => Promise<void>,
): Promise<void> {
  const slots = new ExportSlots(limits)
  const server = createServer((_request, response) => {
    slots.take(response).then(
      () => response.write('begun'),
      (error: unknown) => response.end(error instanceof Problem ? error.code : String(error)),
    )
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  try {
    await run(async () => {
      const request = get({ port, agent: false })
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      const [word] = (await once(response, 'data')) as [Buffer]
      return {
        word: word.toString(),
        async hangUp() {
          response.destroy()
          await once(request, 'close')
        },
      }
    })
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

test('whoever finds no room waits for it, in order, and is told when it does not come', () =>
  withSlots({ slots: 2, waiting: 10, waitMs: 60_000 }, async (ask) => {
    const first = await ask()
    await ask()
    const waiting = ask()
    await first.hangUp()
    assert.equal((await waiting).word, 'begun')
  }))

test('waiting has an end', () =>
  withSlots({ slots: 1, waiting: 10, waitMs: 20 }, async (ask) => {
    const first = await ask()
    assert.equal((await ask()).word, 'busy')
    await first.hangUp()
    assert.equal((await ask()).word, 'begun')
  }))

test('too many do not even wait', () =>
  withSlots({ slots: 1, waiting: 0, waitMs: 60_000 }, async (ask) => {
    await ask()
    assert.equal((await ask()).word, 'busy')
  }))
