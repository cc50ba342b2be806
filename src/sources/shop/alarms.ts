// What a simulated machine complains about, as controls word it.
import type { Alarm } from '../../reading.ts'

/** The fault that comes with a triggered emergency stop. */
export const EMERGENCY_STOP_CODE = '1004'

/** Each stops the machine. */
export const faults: readonly [Alarm, ...Alarm[]] = [
  { code: EMERGENCY_STOP_CODE, text: 'EMERGENCY STOP', severity: 'fault' },
  { code: '2011', text: 'SPINDLE DRIVE OVERLOAD', severity: 'fault' },
  { code: '3022', text: 'TOOL CHANGER: ARM NOT IN POSITION', severity: 'fault' },
  { code: '4107', text: 'Y AXIS: EXCESS FOLLOWING ERROR', severity: 'fault' },
]

/** The machine goes on. */
export const warnings: readonly [Alarm, ...Alarm[]] = [
  { code: '7001', text: 'COOLANT LEVEL LOW', severity: 'warning' },
  { code: '7012', text: 'LUBRICATION OIL LOW', severity: 'warning' },
]
