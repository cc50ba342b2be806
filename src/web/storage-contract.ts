// The shape of the API about what everything takes on the disk.
import { Type } from 'typebox'
import { nullable } from './contract.ts'

const time = Type.Union([Type.String(), Type.Null()], { description: 'RFC 3339, UTC' })
const bytes = Type.Integer()
const rowsEstimate = Type.Integer({ description: 'rows per page, as last counted, times pages' })

export const storageSchema = Type.Object({
  as_of: Type.String({ description: 'when the database was asked; RFC 3339, UTC' }),
  database: Type.Object({ bytes, free_bytes: Type.Union([bytes, Type.Null()]) }),
  readings: Type.Object({
    rows_estimate: rowsEstimate,
    bytes,
    bytes_per_reading: nullable.number,
    chunks: Type.Integer(),
    compressed_chunks: Type.Integer(),
    bytes_before_compression: bytes,
    bytes_after_compression: bytes,
    oldest: time,
    newest: time,
  }),
  aggregates: Type.Array(Type.Object({ name: Type.String(), bytes, chunks: Type.Integer() })),
  dead_letters: Type.Object({ rows_estimate: rowsEstimate, bytes }),
  stream: Type.Union([
    Type.Object({ messages: Type.Integer(), bytes, max_bytes: nullable.number }),
    Type.Null({ description: 'NATS did not answer lately' }),
  ]),
  growth: Type.Object({
    bytes_per_day: nullable.number,
    full_on: time,
    because: Type.String(),
  }),
  policies: Type.Array(
    Type.Object({
      name: Type.String(),
      table: Type.String(),
      schedule_seconds: Type.Number(),
      last_run: time,
      last_success: time,
      last_failure: Type.Union([Type.Object({ at: Type.String(), reason: Type.String() }), Type.Null()]),
      next_run: time,
    }),
  ),
})
