/** The subject on which a machine publishes: what a subject's token cannot hold becomes "_". */
export function subjectOf(streamName: string, machineId: string): string {
  return `${streamName}.${machineId.replaceAll(/[^A-Za-z0-9_-]/g, '_')}`
}
