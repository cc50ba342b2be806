// The shapes of the API about one machine.
import { Type, type Static } from 'typebox'
import { newMachineSchema } from './contract.ts'

const { name, location, controller_type, max_spindle_speed_rpm, axis_count } = newMachineSchema.properties
const orNull = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) =>
  Type.Optional(Type.Union([schema, Type.Null({ description: 'clears it' })]))

export const machineChangeSchema = Type.Object(
  {
    name: orNull(name),
    location: orNull(location),
    controller_type: orNull(controller_type),
    max_spindle_speed_rpm: orNull(max_spindle_speed_rpm),
    axis_count: orNull(axis_count),
  },
  { additionalProperties: false, minProperties: 1 },
)
export type MachineChange = Static<typeof machineChangeSchema>

export const removedMachineSchema = Type.Object({
  id: Type.String(),
  readings: Type.Union([Type.Literal('kept'), Type.Literal('deleted')]),
  readings_deleted: Type.Integer(),
})
