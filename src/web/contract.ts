// The shapes of the API: what clients send and get.
import { Type, type Static } from 'typebox'
import { lastHeardProperties } from './last-heard.ts'

export const nullable = {
  number: Type.Union([Type.Number(), Type.Null()]),
  text: Type.Union([Type.String(), Type.Null()]),
}

export const machineSchema = Type.Object({
  id: Type.String(),
  name: nullable.text,
  location: nullable.text,
  controller_type: nullable.text,
  max_spindle_speed_rpm: nullable.number,
  axis_count: nullable.number,
  registered: Type.Boolean({ description: 'false when it only published readings' }),
  created_at: Type.String({ description: 'RFC 3339, UTC' }),
  last_updated: Type.String({ description: 'RFC 3339, UTC' }),
})
export type Machine = Static<typeof machineSchema>

/** A machine of the list. */
export const listedMachineSchema = Type.Object({ ...machineSchema.properties, ...lastHeardProperties })

/** No U+0000 and no half of a character: the database keeps neither. */
export const shortText = Type.String({ maxLength: 200, pattern: '^[^\\u0000\\ud800-\\udfff]*$' })
export const newMachineSchema = Type.Object(
  {
    id: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 128,
        pattern: '^(?!\\.{1,2}$)[^\\u0000-\\u001f\\u007f-\\u009f]+$',
        description: 'made up when absent; 1 to 128 characters, no control characters, not "." or ".."',
      }),
    ),
    name: Type.Optional(shortText),
    location: Type.Optional(shortText),
    controller_type: Type.Optional(shortText),
    max_spindle_speed_rpm: Type.Optional(Type.Number({ minimum: 0 })),
    axis_count: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000 })),
  },
  { additionalProperties: false },
)
export type NewMachine = Static<typeof newMachineSchema>
