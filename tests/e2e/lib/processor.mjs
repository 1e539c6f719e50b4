// Processor time that a process has used, in ms and to ten of them. Unlike the clock's it does not pass while a busy machine does
// something else: what another program may spend while somebody waits for it can be bounded by it.
import { readFileSync } from 'node:fs';

const TICK = 10; // Linux tells it in hundredths of a second

export function processorTime(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK;
}
