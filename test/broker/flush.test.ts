// A server that went silent does not keep the pipeline from its end.
import { test } from 'node:test'
import { connectToNats } from '../../src/broker/connect.ts'
import { deliveriesOf } from '../../src/broker/deliveries.ts'
import { withNats } from '../support/nats.ts'

test('answers to a frozen server are not waited for until its pings are missed', { timeout: 15_000 }, () =>
  withNats(async (nats) => {
    const connection = await connectToNats({ url: nats.url, name: 'test' })
    try {
      const source = deliveriesOf(connection, {
        stream: 'CNC_DATA',
        consumer: 'PROCESSOR',
        prefetch: { messages: 10, bytes: 10_000 },
        workingEveryMs: 1_000,
        declare: () => Promise.reject(new Error('nothing is taken here')),
      })
      await nats.kill('SIGSTOP')
      await source.flush()
    } finally {
      await nats.kill('SIGCONT')
      await connection.close()
    }
  }),
)
