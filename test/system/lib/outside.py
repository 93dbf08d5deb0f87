"""Servers that know passwords or tokens: OpenLDAP's slapd (unpacked by tools/unpack-peer, because its package would start a service), and
oidc-provider from npm as an issuer of OAuth 2 tokens."""
import base64
import hashlib
import json
import os
import subprocess
import urllib.parse
import urllib.request

from .check import Skip
from .clients import node_modules
from .servers import PASSWORD, TOP, Server, free_offset, make_certificate, wait_for_port

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SUFFIX = 'dc=example,dc=org'
ADMIN = 'cn=admin,' + SUFFIX

SLAPD = '''
include {peer}/etc/ldap/schema/core.schema
include {peer}/etc/ldap/schema/cosine.schema
include {peer}/etc/ldap/schema/inetorgperson.schema
modulepath {peer}/usr/lib/ldap
moduleload back_mdb
pidfile {dir}/pid
argsfile {dir}/args
TLSCertificateFile {cert}
TLSCertificateKeyFile {key}
TLSVerifyClient never
security {security}
database mdb
maxsize 10485760
suffix "{suffix}"
rootdn "{admin}"
rootpw admin secret
directory {dir}/db
access to attrs=userPassword by anonymous auth by * none
access to * by {readers} read by * none
'''


def ssha(password):
    salt = os.urandom(8)
    return '{SSHA}' + base64.b64encode(hashlib.sha1(password.encode() + salt).digest() + salt).decode()


class Slapd(Server):
    """users: name and password; is_open: everybody may search."""

    def __init__(self, users=(('otto', PASSWORD),), is_open=True, needs_tls=True):
        super().__init__()
        self.peer = os.path.join(TOP, 'build', 'peers', 'slapd')
        program = os.path.join(self.peer, 'usr/sbin/slapd')
        if not os.path.exists(program):
            raise Skip('slapd was not unpacked (tools/unpack-peer slapd slapd)')
        self.cert, key = make_certificate(self.dir)
        self.port = free_offset((389,)) + 389
        os.mkdir(os.path.join(self.dir, 'db'), 0o700)
        self.conf = os.path.join(self.dir, 'slapd.conf')
        with open(self.conf, 'w') as f:
            f.write(SLAPD.format(peer=self.peer, dir=self.dir, cert=self.cert, key=key, suffix=SUFFIX, admin=ADMIN,
                                 readers='*' if is_open else 'users',
                                 security='simple_bind=128' if needs_tls else 'ssf=0').replace('rootpw admin secret',
                                                                                               'rootpw "admin secret"'))
        libraries = os.path.join(self.peer, 'usr/lib', os.uname().machine + '-linux-gnu')
        self.environment = {**os.environ, 'LD_LIBRARY_PATH': libraries}
        self.load(users, program)
        log = open(self.log_path, 'a')
        self.process = subprocess.Popen([program, '-d', '256', '-f', self.conf, '-h', f'ldap://127.0.0.1:{self.port}/'],
                                        stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment)
        log.close()
        self.wait()

    def wait(self):
        import socket
        import time
        for _ in range(200):
            try:
                socket.create_connection(('127.0.0.1', self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError('slapd does not answer\n' + self.log())

    def load(self, users, program):
        entries = [f'dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n',
                   f'dn: ou=people,{SUFFIX}\nobjectClass: organizationalUnit\nou: people\n']
        for name, password in users:
            entries.append(f'dn: uid={name},ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\nsn: {name}\n'
                           f'userPassword: {ssha(password)}\n')
        subprocess.run([program, '-T', 'add', '-f', self.conf], input='\n'.join(entries).encode(), check=True,
                       capture_output=True, env=self.environment)

    def settings(self, **more):
        return {'ldap_url': f'ldap://127.0.0.1:{self.port}', 'ldap_ca': self.cert, **more}


class Issuer(Server):
    CLIENT = ('limetta', 'se/cret:+')

    def __init__(self):
        super().__init__()
        self.port = free_offset((80,)) + 80
        log = open(self.log_path, 'a')
        self.process = subprocess.Popen(['node', os.path.join(HERE, 'node', 'issuer.mjs'), str(self.port), *self.CLIENT],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                                        env={**os.environ, 'NODE_PATH': node_modules()})
        log.close()
        if self.process.stdout.readline() != b'ready\n':
            raise AssertionError('the issuer did not start\n' + self.log())

    def post(self, path, **form):
        data = urllib.parse.urlencode({'client_id': 'phone', 'client_secret': 'phone', **form}).encode()
        with urllib.request.urlopen(f'http://127.0.0.1:{self.port}/{path}', data, 60) as r:
            return r.read()

    def token(self, user, scope='mail', lifetime=3600):
        return json.loads(self.post('token', grant_type='test', user=user, scope=scope, lifetime=lifetime))['access_token']

    def revoke(self, token):
        self.post('token/revocation', token=token)

    def settings(self, **more):
        return {'oauth_introspection': f'http://127.0.0.1:{self.port}/token/introspection', 'oauth_client_id': self.CLIENT[0],
                'oauth_client_secret': self.CLIENT[1], 'oauth_user': 'sub', **more}
