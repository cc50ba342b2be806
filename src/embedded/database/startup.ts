/*
 * The beginning of a connection: encryption requests, the startup packet, the password.
 *
 * Invariant: nothing reaches the engine before the password was right, and comparing it takes as long for a
 * wrong one. There is no encryption: the listener is on the loopback address, for its owner only. The database
 * and user names are not looked at, there is one of each.
 */
import { createHash, randomInt, timingSafeEqual } from 'node:crypto'
import * as frames from './frames.ts'

const PROTOCOL_3 = 3
const CANCEL_REQUEST = 80_877_102
const SSL_REQUEST = 80_877_103
const GSS_ENCRYPTION_REQUEST = 80_877_104

/** What to do after a packet of the startup. */
export type StartupStep =
  | { readonly next: 'packet'; readonly answer: Buffer }
  | { readonly next: 'password'; readonly answer: Buffer; readonly applicationName: string }
  | { readonly next: 'close'; readonly answer: Buffer }

const failure = (code: string, message: string): StartupStep => ({
  next: 'close',
  answer: frames.errorResponse({ severity: 'FATAL', code, message }),
})

/** Reads a packet that has no type yet. */
export function startupStep(packet: Buffer): StartupStep {
  const version = packet.readInt32BE(4)
  if (version === SSL_REQUEST || version === GSS_ENCRYPTION_REQUEST)
    return { next: 'packet', answer: Buffer.from('N') }
  if (version === CANCEL_REQUEST) return { next: 'close', answer: Buffer.alloc(0) }
  if (version >> 16 !== PROTOCOL_3)
    return failure('0A000', 'Only version 3 of the PostgreSQL protocol is spoken here.')
  const parameters = new Map<string, string>()
  for (let at = 8; at < packet.length - 1;) {
    const name = frames.readText(packet, at)
    const value = frames.readText(packet, name.next)
    parameters.set(name.text, value.text)
    at = value.next
  }
  if (!['', 'false', 'off', 'no', '0'].includes(parameters.get('replication') ?? ''))
    return failure('0A000', 'The embedded database has no replication.')
  const unknown = [...parameters.keys()].filter((name) => name.startsWith('_pq_.'))
  const negotiation =
    (version & 0xffff) > 0 || unknown.length > 0 ? frames.negotiateProtocolVersion(unknown) : Buffer.alloc(0)
  return {
    next: 'password',
    answer: Buffer.concat([negotiation, frames.authentication('cleartext password')]),
    applicationName: parameters.get('application_name') ?? '',
  }
}

/** Whether a PasswordMessage holds the right one. */
export function isPassword(frame: frames.Frame, password: string): boolean {
  if (frame.type !== 'p') return false
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(frames.readText(frame.bytes, 5).text), digest(password))
}

/** What a client is told when it is let in. */
export function welcome(serverVersion: string, applicationName: string): Buffer {
  const parameters: Record<string, string> = {
    server_version: serverVersion,
    server_encoding: 'UTF8',
    client_encoding: 'UTF8',
    application_name: applicationName,
    DateStyle: 'ISO, MDY',
    IntervalStyle: 'postgres',
    TimeZone: 'UTC',
    integer_datetimes: 'on',
    standard_conforming_strings: 'on',
    is_superuser: 'on',
    session_authorization: 'postgres',
  }
  return Buffer.concat([
    frames.authentication('ok'),
    ...Object.entries(parameters).map(([name, value]) => frames.parameterStatus(name, value)),
    frames.backendKeyData(process.pid, randomInt(2 ** 31)),
    frames.readyForQuery('I'),
  ])
}
