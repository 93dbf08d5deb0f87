"""A domain name system of our own on loopback: Knot serves the zones, and signs those that it should; Unbound resolves and validates.
Both are unpacked beside the build (tools/unpack-peer), because their packages would start services."""
import os
import shutil
import socket
import subprocess
import tempfile

from .check import Skip, eventually, true
from .servers import TOP, free_offset

FOLDER = os.path.join(TOP, 'build', 'peers', 'names', 'usr', 'sbin')

KNOT = '''server:
  rundir: {dir}
  listen: 127.0.0.1@{knot_port}
log:
- target: {dir}/knot.log
  any: info
database:
  storage: {dir}
policy:
- id: test
  algorithm: ecdsap256sha256
  single-type-signing: on
template:
- id: default
  storage: {dir}
  file: "%s.zone"
zone:
{zones}'''

UNBOUND = '''server:
  directory: "{dir}"
  chroot: ""
  username: ""
  pidfile: "{dir}/unbound.pid"
  logfile: "{dir}/unbound.log"
  use-syslog: no
  interface: 127.0.0.1@{port}
  port: {port}
  do-ip6: no
  do-not-query-localhost: no
  module-config: "validator iterator"
  num-threads: 1
  local-zone: "test." nodefault
{anchors}
remote-control:
  control-enable: no
{stubs}'''


def find_program(name):
    unpacked = os.path.join(FOLDER, name)
    found = unpacked if os.path.exists(unpacked) else shutil.which(name)
    if found is None:
        raise Skip(f'{name} was not unpacked (tools/unpack-peer names knot unbound)')
    return found


class Names:
    """zones: name -> (lines of records, is signed)."""

    def __init__(self, zones):
        self.dir = tempfile.mkdtemp(prefix='limetta-names-')
        self.knot_port, self.port = free_offset((53,)) + 53, 0
        self.processes = []
        for name, (lines, _) in zones.items():
            with open(os.path.join(self.dir, name + '.zone'), 'w') as f:
                f.write(f'$ORIGIN {name}.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n')
                f.write('\n'.join(lines) + '\n')
        listed = ''.join(f'- domain: {name}\n' + ('  dnssec-signing: on\n  dnssec-policy: test\n' if signed else '')
                         for name, (_, signed) in zones.items())
        self.write('knot.conf', KNOT.format(dir=self.dir, knot_port=self.knot_port, zones=listed))
        self.run('knotd', '-c', self.path('knot.conf'), port=self.knot_port)
        anchors = ''
        for name, (_, signed) in zones.items():
            anchors += self.find_anchors(name) if signed else f'  domain-insecure: "{name}"\n'
        stubs = ''.join(f'stub-zone:\n  name: "{name}"\n  stub-addr: 127.0.0.1@{self.knot_port}\n' for name in zones)
        self.port = free_offset((54,)) + 54
        self.write('unbound.conf', UNBOUND.format(dir=self.dir, port=self.port, anchors=anchors, stubs=stubs))
        self.run('unbound', '-d', '-c', self.path('unbound.conf'), port=self.port)

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name), 'w') as f:
            f.write(text)

    def find_anchors(self, zone):
        """What a resolver must know to validate the zone."""
        got = subprocess.run([find_program('keymgr'), '-c', self.path('knot.conf'), zone, 'ds'], check=True, capture_output=True)
        return ''.join(f'  trust-anchor: "{line}"\n' for line in got.stdout.decode().splitlines() if ' DS ' in line)

    def run(self, name, *args, port):
        process = subprocess.Popen([find_program(name), *args], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        self.processes.append(process)

        def answers():
            true(process.poll() is None, f'{name} runs')
            with socket.socket() as c:
                return c.connect_ex(('127.0.0.1', port)) == 0
        eventually(answers, f'{name} answers')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
            process.wait(60)
        shutil.rmtree(self.dir)
