"""Debian's Exim as a private instance: it speaks CHUNKING both ways. Debian does not let it be installed beside Postfix, so it is unpacked
(tools/unpack-peer), and the system user that it is built for is shown to it by libnss-wrapper."""
import os
import pwd
import shutil
import signal
import subprocess
import tempfile

from .check import Skip
from .servers import TOP, free_offset, make_certificate, wait_for_port

SETTINGS = '''
exim_path = {program}
primary_hostname = exim.example
exim_user = mail
exim_group = mail
spool_directory = {dir}/spool
log_file_path = {dir}/%slog
log_selector = +all
pid_file_path = {dir}/pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
tls_certificate = {cert}
tls_privatekey = {key}
tls_advertise_hosts = *
keep_environment = LD_PRELOAD : NSS_WRAPPER_PASSWD : NSS_WRAPPER_GROUP
chunking_advertise_hosts = *
dsn_advertise_hosts = *
prdr_enable = true
trusted_users = root
deliver_drop_privilege = true
never_users =
accept_8bitmime = true
queue_run_max = 5
bounce_return_size_limit = 10K
acl_smtp_rcpt = acl_rcpt

begin acl
acl_rcpt:
  deny recipients = nobody@relayed.example
  accept

begin routers
{routers}

begin transports
{transports}

begin retry
* * F,2h,2s

begin authenticators
login_at_submission:
  driver = plaintext
  public_name = PLAIN
  client_send = ^{user}^{password}
'''


class Exim:
    """routes: domain -> (port, 'smtp' | 'lmtp' | 'submission'), all on loopback; by submission it logs in as user over TLS that is
    verified by the certificates in ca_file."""

    def __init__(self, routes, user='x', password='x', ca_file=None):
        program = os.path.join(TOP, 'build', 'peers', 'exim', 'usr', 'sbin', 'exim4')
        wrapper = '/usr/lib/x86_64-linux-gnu/libnss_wrapper.so'
        if os.getuid() != 0 or not os.path.exists(program) or not os.path.exists(wrapper):
            raise Skip('Exim was not unpacked (tools/unpack-peer exim exim4-daemon-light exim4-base), or this is not root')
        self.dir = tempfile.mkdtemp(prefix='limetta-exim-')
        os.chmod(self.dir, 0o755)
        self.cert, key = make_certificate(self.dir)
        self.port = free_offset((25,)) + 25
        self.program = self.path('exim4')
        shutil.copyfile(program, self.program)
        os.chmod(self.program, 0o755)  # setuid programs do not see the wrapper
        mail = pwd.getpwnam('mail')
        os.mkdir(self.path('spool'))
        for path in (self.dir, key, self.path('spool')):
            os.chown(path, mail.pw_uid, mail.pw_gid)
        with open(self.path('passwd'), 'w') as f:
            f.write(f'root:x:0:0::/:/bin/sh\nmail:x:{mail.pw_uid}:{mail.pw_gid}::/:/bin/false\n'
                    f'Debian-exim:x:{mail.pw_uid}:{mail.pw_gid}::/:/bin/false\n')
        with open(self.path('group'), 'w') as f:
            f.write(f'root:x:0:\nmail:x:{mail.pw_gid}:\nDebian-exim:x:{mail.pw_gid}:\n')
        self.env = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'LD_PRELOAD': wrapper, 'NSS_WRAPPER_PASSWD': self.path('passwd'),
                    'NSS_WRAPPER_GROUP': self.path('group')}
        routers, transports = [], []
        for n, (domain, (port, kind)) in enumerate(routes.items()):
            host = 'localhost' if kind == 'submission' else '127.0.0.1'
            routers.append(f'route{n}:\n  driver = manualroute\n  domains = {domain}\n  route_list = * {host} byname\n'
                           f'  self = send\n  transport = by{n}\n')
            transport = f'by{n}:\n  driver = smtp\n  hosts = {host}\n  port = {port}\n  hosts_try_chunking = *\n  allow_localhost\n'
            if kind == 'lmtp':
                transport += '  protocol = lmtp\n'
            if kind == 'submission':
                transport += f'  hosts_require_auth = *\n  hosts_require_tls = *\n  tls_verify_certificates = {ca_file}\n' \
                             '  tls_verify_hosts = *\n'
            transports.append(transport)
        with open(self.path('exim.conf'), 'w') as f:
            f.write(SETTINGS.format(dir=self.dir, program=self.program, port=self.port, cert=self.cert, key=key,
                                    routers='\n'.join(routers), transports='\n'.join(transports), user=user, password=password))
        self.process = None

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def run(self, *args, stdin=b''):
        return subprocess.run([self.program, '-C', self.path('exim.conf'), *args], env=self.env, input=stdin, capture_output=True,
                              timeout=60, check=True)

    def __enter__(self):
        self.process = subprocess.Popen([self.program, '-C', self.path('exim.conf'), '-bdf', '-q2s'], env=self.env,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        start_new_session=True)
        try:
            wait_for_port(self.port, 60, lambda: self.process.poll() is None)
        except RuntimeError as e:
            raise AssertionError(f'{e}\n{self.log()}') from None
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(60)
        shutil.rmtree(self.dir, ignore_errors=True)

    def log(self):
        text = ''
        for name in ('mainlog', 'paniclog'):
            if os.path.exists(self.path(name)):
                with open(self.path(name), errors='replace') as f:
                    text += f.read()
        return text
