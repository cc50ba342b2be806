// When a message that fails again and again is itself to blame: not for an outage, and not at once.
import type { DecodedMessage } from '../pipeline-types.ts'
import type { Pool } from './pool.ts'

/** Delivered so often, a message is written apart from others when a statement fails for no known reason. */
const SUSPECT_FROM_DELIVERY = 3
/** Delivered so often and still failing alone, against a database that is well, it is refused. */
const REFUSED_FROM_DELIVERY = 6

export function isSuspect({ delivery }: DecodedMessage): boolean {
  return delivery.deliveryCount >= SUSPECT_FROM_DELIVERY
}

/** Asked when a message has failed alone. `ready`: connections that no batch uses. */
export async function isToBeRefused({ delivery }: DecodedMessage, ready: Pool): Promise<boolean> {
  return delivery.deliveryCount >= REFUSED_FROM_DELIVERY && (await isWell(ready))
}

/** Whether the database answers. */
export function isWell(ready: Pool): Promise<boolean> {
  return ready.query('SELECT 1').then(
    () => true,
    () => false,
  )
}
