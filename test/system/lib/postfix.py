"""Debian's Postfix as a private instance: the relay host of a real site. It listens on loopback only, demands TLS, says on every
line of its log what it heard, and hands on what it takes to the transports that the test names."""
import base64
import grp
import os
import pwd
import shutil
import signal
import socketserver
import subprocess
import tempfile
import threading

from .servers import free_offset, make_certificate, wait_for_port

PROGRAMS = '/usr/lib/postfix/sbin'
FOLDERS = ('active', 'bounce', 'corrupt', 'defer', 'deferred', 'flush', 'hold', 'incoming', 'maildrop', 'private', 'public',
           'saved', 'trace')

MAIN = '''
compatibility_level = 3.6
config_directory = {dir}/etc
queue_directory = {dir}/spool
data_directory = {dir}/data
maillog_file = {dir}/log
maillog_file_prefixes = {dir}
myhostname = relay.example
mydestination =
mynetworks =
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
append_dot_mydomain = no
transport_maps = inline:{{ {transports} }}
debug_peer_list = 127.0.0.1
debug_peer_level = 1
smtpd_tls_cert_file = {cert}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = encrypt
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{auth_port}
smtpd_tls_auth_only = yes
smtpd_recipient_restrictions = check_recipient_access inline:{{ nobody@relayed.example=REJECT }},
  permit_sasl_authenticated, reject
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = inline:{{ {{ [127.0.0.1]:{back_port} = {back_login} }} }}
smtp_sasl_security_options = noanonymous
smtp_tls_security_level = may
smtp_host_lookup = native
minimal_backoff_time = 5s
queue_run_delay = 5s
bounce_queue_lifetime = 1h
'''

MASTER = '''
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
'''


class Auth(socketserver.ThreadingTCPServer):
    """What Postfix asks about a login: Dovecot's authentication protocol, with one login and one mechanism."""
    daemon_threads = True

    def __init__(self, user, password):
        expected = base64.b64encode(f'\0{user}\0{password}'.encode()).decode()

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                cookie = '0' * 32
                self.wfile.write(f'VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t{cookie}\nDONE\n'.encode())
                for line in self.rfile:
                    words = line.decode().strip().split('\t')
                    if words[0] == 'AUTH':
                        is_right = f'resp={expected}' in words
                        self.wfile.write(f'OK\t{words[1]}\tuser={user}\n'.encode() if is_right else f'FAIL\t{words[1]}\n'.encode())
        super().__init__(('127.0.0.1', 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Postfix:
    """transports: domain -> port on loopback. back: (port, user, password) of a submission server that takes reports.
    login: user and password that clients need. more: lines for the end of main.cf, where they override."""

    def __init__(self, transports, back=(1, 'x', 'x'), login=('limetta', 'relay secret'), more=''):
        self.dir = tempfile.mkdtemp(prefix='limetta-postfix-')
        os.chmod(self.dir, 0o755)
        self.cert, key = make_certificate(self.dir)
        self.port = free_offset((25,)) + 25
        self.auth = Auth(*login)
        mail, drop = pwd.getpwnam('postfix'), grp.getgrnam('postdrop')
        for name in ('etc', 'spool', 'data', 'spool/pid'):
            os.mkdir(self.path(name), 0o755)
        os.chown(self.path('data'), mail.pw_uid, mail.pw_gid)
        for name in FOLDERS:
            os.mkdir(self.path('spool', name), 0o730 if name == 'maildrop' else 0o710 if name == 'public' else 0o700)
            os.chown(self.path('spool', name), mail.pw_uid, drop.gr_gid if name in ('maildrop', 'public') else -1)
        values = {'dir': self.dir, 'port': self.port, 'cert': self.cert, 'key': key, 'back_port': back[0],
                  'auth_port': self.auth.server_address[1],
                  'back_login': f'{back[1]}:{back[2]}',
                  'transports': ', '.join(f'{domain}=smtp:[127.0.0.1]:{port}' for domain, port in transports.items())}
        for name, text in (('etc/main.cf', MAIN), ('etc/master.cf', MASTER)):
            with open(self.path(name), 'w') as f:
                f.write(text.format(**values) + (more if text is MAIN else ''))
        self.process = None

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def start(self):
        self.process = subprocess.Popen([f'{PROGRAMS}/master', '-c', self.path('etc'), '-s'], stdin=subprocess.DEVNULL,
                                        env={'MAIL_CONFIG': self.path('etc'), 'PATH': '/usr/sbin:/usr/bin:/sbin:/bin'})
        try:
            wait_for_port(self.port, 60, lambda: self.process.poll() is None)
        except RuntimeError as e:
            raise AssertionError(f'{e}\n{self.log()[-3000:]}') from None

    def stop(self):
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(60)
            self.process = None

    def log(self):
        if not os.path.exists(self.path('log')):
            return ''
        with open(self.path('log'), errors='replace') as f:
            return f.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self.auth.shutdown()
        self.auth.server_close()
        shutil.rmtree(self.dir, ignore_errors=True)
