// The subject a machine's readings are published on.

/**
 * `<stream>.<machine>`. A subject's tokens are cut at dots and may hold neither blanks nor wildcards, and ids hold
 * anything: what is outside [A-Za-z0-9_-] becomes '_'. The payload names the machine, so two ids may share one.
 */
export function machineSubject(streamName: string, machineId: string): string {
  return `${streamName}.${machineId.slice(0, 128).replace(/[^A-Za-z0-9_-]/g, '_') || '_'}`
}
