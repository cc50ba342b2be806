// The shapes of the API about readings that come in over HTTP.
import { Type } from 'typebox'

const refusedReadingSchema = Type.Object({
  position: Type.Optional(Type.Integer({ description: 'index in the array, from 0; 0 for one reading' })),
  line: Type.Optional(Type.Integer({ description: 'of NDJSON, from 1; blank lines count' })),
  code: Type.String(),
  reason: Type.String(),
})

export const postedSchema = Type.Object({
  accepted: Type.Integer({ description: 'readings that the stream acknowledged' }),
  messages: Type.Integer({ description: 'the messages they went in' }),
  refused_total: Type.Integer(),
  refused: Type.Array(refusedReadingSchema, { description: 'the first 100' }),
})
