// Names that are the test's: the gateway runs in a mount namespace whose /etc/hosts is ours, and nobody else is asked.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir } from './temp.mjs';

const MOUNT = 'mount --bind "$0/hosts" /etc/hosts && { [ ! -e /etc/nsswitch.conf ] || mount --bind "$0/nsswitch.conf" /etc/nsswitch.conf; } && exec "$@"';
const WRAP = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', MOUNT];

export class Hosts {
  constructor(names = {}) {
    const dir = tempDir('hosts');
    this.file = join(dir, 'hosts');
    this.wrap = [...WRAP, dir]; // of startGateway
    writeFileSync(join(dir, 'nsswitch.conf'), 'hosts: files\n');
    this.know(names);
  }
  // { name: addresses }, and no other.
  know(names) {
    writeFileSync(this.file, Object.entries(names).flatMap(([name, addresses]) => addresses.map((address) => `${address} ${name}\n`)).join(''));
  }
  // Why there is no such namespace here; false: there is.
  get skip() {
    return process.getuid() !== 0 ? 'only root can mount' : spawnSync(WRAP[0], [...this.wrap.slice(1), 'true']).status !== 0 ? 'no mount namespace can be made here' : false;
  }
}
