// Services whose servers come and go.
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir } from '../lib/temp.mjs';

// A file of endpoints, replaced whole.
export class EndpointFile {
  constructor(list) {
    this.path = join(tempDir('discovery'), 'endpoints.json');
    this.url = `file://${this.path}`;
    if (list !== undefined) this.write(list);
  }
  write(list) {
    this.text(JSON.stringify(list));
  }
  text(text) {
    writeFileSync(`${this.path}.new`, text);
    renameSync(`${this.path}.new`, this.path);
  }
}

// The event that comes from now on.
export function next(s, name, predicate = () => true, ms) {
  const from = s.gateway.events.length;
  return () => s.gateway.wait(name, () => s.gateway.events.slice(from).find((e) => e.event === name && predicate(e)), ms);
}
