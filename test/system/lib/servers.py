"""Servers for tests: Limetta, and a private Dovecot and Cyrus that prove the tests themselves. Each lives in a folder of its own, listens on
loopback only, and is gone when the test is over."""
import fcntl
import glob
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
PASSWORD = 'correct horse'
STOP_S = 60  # as long as it may take to start, or to stop
CRASH = re.compile(r'AddressSanitizer|LeakSanitizer|runtime error:|Assertion|assertion|SIGSEGV|SIGABRT|SIGSYS|stack smashing|'
                   r'killed by signal|core dumped', re.I)


def is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(('127.0.0.1', port))
        except OSError:
            return False
    return True


# Tests that run side by side do not choose the same ports: an offset is some process's for as long as that lives. Offsets are multiples of 64, because
# the ports that are added to them (24, 25, 53, 54, 80, 143, 389, 587, 4190, 9090, 9143, 9144) all differ modulo 64: no two offsets have one in common. And all
# stay below the ports that the system gives to clients, which come and go.
OFFSETS = range(12032, 32768 - 9144, 64)
OFFSETS_OF_ONE = 12
own_offsets = {}  # offset -> the descriptor that holds its lock; the one that was given out last is the last


def lock_offset(offset):
    """The descriptor, or None: another process has it."""
    folder = os.path.join(tempfile.gettempdir(), f'limetta-test-offsets-{os.getuid()}')
    os.makedirs(folder, exist_ok=True)
    fd = os.open(os.path.join(folder, str(offset)), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return fd
    except OSError:
        os.close(fd)
        return None


def free_offset(ports=(24, 143, 587, 4190, 9143, 9144)):
    """To be added to standard ports: nobody listens at these then, and no other test will."""
    for offset in list(own_offsets) if len(own_offsets) >= OFFSETS_OF_ONE else ():
        if all(is_free(p + offset) for p in ports):
            own_offsets[offset] = own_offsets.pop(offset)
            return offset
    while True:
        offset = random.choice(OFFSETS)
        fd = None if offset in own_offsets else lock_offset(offset)
        if fd is None:
            continue
        own_offsets[offset] = fd
        if all(is_free(p + offset) for p in ports):
            return offset


def wait_for_port(port, timeout_s, is_alive=lambda: True, host='127.0.0.1'):
    end = time.monotonic() + timeout_s
    while time.monotonic() < end and is_alive():
        try:
            with socket.create_connection((host, port), 1) as s:
                s.settimeout(5)
                if s.recv(1):
                    return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f'nothing answers at port {port}')


def make_certificate(folder, names='DNS:localhost,IP:127.0.0.1'):
    """A self-signed certificate for localhost; EC, as a server that phones visit would have."""
    cert, key = os.path.join(folder, 'tls-cert.pem'), os.path.join(folder, 'tls-key.pem')
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days',
                    '30', '-subj', '/CN=localhost', '-addext', f'subjectAltName={names}', '-keyout', key,
                    '-out', cert], check=True, capture_output=True)
    return cert, key


def children(pid):
    """The process and all below it."""
    found = [pid]
    for path in glob.glob(f'/proc/{pid}/task/*/children'):
        try:
            with open(path) as f:
                for child in f.read().split():
                    found += children(int(child))
        except OSError:
            pass
    return found


def memory(pid, field='Pss'):
    """KiB of a process: its proportional share, or another field of smaps_rollup."""
    with open(f'/proc/{pid}/smaps_rollup') as f:
        return int(re.search(rf'^{field}:\s+(\d+)', f.read(), re.M).group(1))


class Server:
    """Common parts: a folder, a log, a process."""
    host = '127.0.0.1'

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix='limetta-test-')
        os.chmod(self.dir, 0o755)
        self.log_path = os.path.join(self.dir, 'log')
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.stop(must_be_clean=kind is None)

    def log(self):
        if not os.path.exists(self.log_path):
            return ''
        with open(self.log_path, errors='replace') as f:
            return f.read()

    def stop(self, must_be_clean=True):
        problem = self.shut_down()
        log = self.log()
        if must_be_clean and not problem:
            bad = [l for l in log.split('\n') if CRASH.search(l)]
            problem = '\n'.join(bad[:20])
        shutil.rmtree(self.dir, ignore_errors=True)
        if must_be_clean and problem:
            raise AssertionError(f'{problem}\n{log[-3000:]}')

    def shut_down(self):
        if self.process is None:
            return ''
        self.process.terminate()
        try:
            code = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            for pid in children(self.process.pid):
                os.kill(pid, signal.SIGKILL)
            self.process.wait()
            return f'the server did not stop within {STOP_S} s'
        self.process = None
        return '' if code in (0, -signal.SIGTERM) else f'the server ended with {code}'


def write_settings(f, settings):
    """name: value; a section is name: {title: settings}."""
    for key, value in settings.items():
        if isinstance(value, dict):
            for title, section in value.items():
                f.write(f'{key} "{title}" {{\n')
                write_settings(f, section)
                f.write('}\n')
        else:
            f.write(f'{key} = {value}\n' if isinstance(value, int) else f'{key} = "{value}"\n')


class Limetta(Server):
    """build/limetta serve, or the program of the build folder that LIMETTA_BUILD names."""
    name = 'limetta'

    def __init__(self, users=('alice', 'bob'), config=None, offset=None, build=None, **popen):
        super().__init__()
        self.program = os.path.join(TOP, build or os.environ.get('LIMETTA_BUILD', 'build'), 'limetta')
        self.state = os.path.join(self.dir, 'state')
        os.mkdir(self.state, 0o700)
        self.identity = make_certificate(self.state)  # for a peer of the same name
        self.cert = self.identity[0]
        self.config = os.path.join(self.dir, 'limetta.conf')
        with open(self.config, 'w') as f:
            write_settings(f, config or {})
        self.offset = free_offset() if offset is None else offset
        self.popen = popen
        self.lmtp_port, self.imap_port, self.submission_port, self.sieve_port = (n + self.offset for n in (24, 143, 587, 4190))
        for user in users:
            self.add_user(user)
        self.start()

    def run(self, *args, check=True, **more):
        r = subprocess.run([self.program, *args, '--state', self.state], capture_output=True, timeout=600, **more)
        if check and r.returncode != 0:
            raise AssertionError(f'{args}: exit code {r.returncode}: {r.stdout.decode()}{r.stderr.decode()}')
        return r

    def add_user(self, name, password=PASSWORD):
        self.run('user', 'add', name, '--password-stdin', input=password.encode() + b'\n')

    def listening(self):
        return ['--listen', self.host]

    def command(self):
        return [self.program, 'serve', '--state', self.state, '--config', self.config, *self.listening(), '--port-offset', str(self.offset)]

    def start(self):
        log = open(self.log_path, 'a')
        self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self.popen)
        log.close()
        try:
            for port in (self.imap_port, self.submission_port):
                wait_for_port(port, STOP_S, lambda: self.process.poll() is None, self.host)
        except RuntimeError as e:
            self.process.terminate()  # nobody else will
            self.process.wait(STOP_S)
            raise AssertionError(f'{e}\n{self.log()[-3000:]}') from None

    def roles(self, role):
        """Process ids of a role: edge, auth, store, submit."""
        found = []
        for pid in children(self.process.pid)[1:]:
            try:
                with open(f'/proc/{pid}/cmdline', 'rb') as f:
                    words = f.read().decode(errors='replace').split('\0')
            except OSError:
                continue
            if any(os.path.basename(w.split(' ')[0]) == f'limetta-{role}' for w in words[:1]):
                found.append(pid)
        return found


DOVECOT = '''
base_dir = {dir}/run
state_dir = {dir}/run
log_path = {dir}/log
protocols = imap lmtp
listen = 127.0.0.1
ssl = {ssl}
ssl_cert = <{cert}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_cache_size = 16M
auth_username_format = %Ln
mail_location = {storage}
mail_fsync = optimized
mail_attribute_dict = file:{dir}/mail/%u/attributes
imap_urlauth_host = *
default_internal_user = {user}
default_login_user = {login_user}
default_client_limit = 20000
default_process_limit = 2000
mail_max_userip_connections = 20000
first_valid_uid = 1
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {dir}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={dir}/mail/%u
}}
service imap-login {{
  service_count = 0
  process_min_avail = {cores}
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service imap {{
  service_count = 100
  process_min_avail = {cores}
}}
service lmtp {{
  process_min_avail = {cores}
  inet_listener lmtp {{
    port = {lmtp_port}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Drafts {{
    auto = create
    special_use = \\Drafts
  }}
  mailbox Sent {{
    auto = create
    special_use = \\Sent
  }}
  mailbox Trash {{
    auto = create
    special_use = \\Trash
  }}
}}
'''


class Dovecot(Server):
    """Debian's Dovecot, tuned as for production: many clients a login process, processes kept ready, fsync on, sdbox."""
    name = 'dovecot'

    def __init__(self, users=('alice', 'bob'), ssl='yes', more='', storage='sdbox:{dir}/mail/%u'):
        """more: further settings; as in storage, {dir} is the server's folder."""
        super().__init__()
        self.cert, key = make_certificate(self.dir)
        offset = free_offset((24, 143))
        self.imap_port, self.lmtp_port = offset + 143, offset + 24
        os.mkdir(os.path.join(self.dir, 'run'))
        os.mkdir(os.path.join(self.dir, 'mail'))
        with open(os.path.join(self.dir, 'users'), 'w') as f:
            for u in users:
                f.write(f'{u}:{{PLAIN}}{PASSWORD}\n')
        is_root = os.getuid() == 0
        import pwd
        me = pwd.getpwuid(os.getuid())
        owner = pwd.getpwnam('mail') if is_root else me
        for n in ('mail', 'run'):
            os.chown(os.path.join(self.dir, n), owner.pw_uid if n == 'mail' else me.pw_uid, owner.pw_gid)
        conf = os.path.join(self.dir, 'dovecot.conf')
        with open(conf, 'w') as f:
            f.write(DOVECOT.format(dir=self.dir, ssl=ssl, storage=storage.replace('{dir}', self.dir), cert=self.cert, key=key,
                                   port=self.imap_port, lmtp_port=self.lmtp_port, uid=owner.pw_uid, gid=owner.pw_gid,
                                   cores=os.cpu_count(), user='dovecot' if is_root else me.pw_name,
                                   login_user='dovenull' if is_root else me.pw_name))
            f.write(more.replace('{dir}', self.dir))
        self.process = subprocess.Popen(['/usr/sbin/dovecot', '-F', '-c', conf], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            wait_for_port(self.imap_port, STOP_S, lambda: self.process.poll() is None)
        except RuntimeError as e:
            raise AssertionError(f'{e}\n{self.log()[-2000:]}') from None


CYRUS = '''
configdirectory: {dir}/conf
partition-default: {dir}/mail
defaultpartition: default
proc_path: {dir}/run/proc
mboxname_lockpath: {dir}/run/lock
idlesocket: {dir}/run/idle
notifysocket: {dir}/run/notify
lmtpsocket: {dir}/run/lmtp
sievedir: {dir}/sieve
cyrus_user: {user}
servername: localhost
unixhierarchysep: yes
altnamespace: yes
hashimapspool: yes
allowplaintext: yes
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {dir}/users
sasl_mech_list: PLAIN LOGIN
autocreate_quota: 0
autocreate_post: yes
autocreate_inbox_folders: Sent|Drafts|Trash
xlist-sent: Sent
xlist-drafts: Drafts
xlist-trash: Trash
syslog_prefix: limetta-test
tls_server_cert: {cert}
tls_server_key: {key}
'''

CYRUS_SERVICES = '''
START {{
  recover cmd="{bin}/ctl_cyrusdb -C {conf} -r"
  idled cmd="{bin}/idled -C {conf}"
}}
SERVICES {{
  imap cmd="{bin}/imapd -C {conf} -U 100" listen="127.0.0.1:{port}" prefork={cores} maxchild=2000
}}
EVENTS {{
}}
'''


class Cyrus(Server):
    """Debian's Cyrus with its defaults, and what production needs: processes kept ready and used again, idled for IDLE."""
    name = 'cyrus'

    def __init__(self, users=('alice', 'bob'), more=''):
        """more: further settings."""
        super().__init__()
        import pwd
        self.cert, key = make_certificate(self.dir)
        self.imap_port = free_offset((143,)) + 143
        owner = pwd.getpwnam('mail') if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        folder = os.path.join(TOP, 'build', 'peers', 'cyrus', 'usr', 'lib')
        if not os.path.exists(os.path.join(folder, 'cyrus', 'bin', 'master')):
            from .check import Skip
            raise Skip('Cyrus was not unpacked (tools/unpack-peer cyrus cyrus-common cyrus-imapd)')
        conf, services = os.path.join(self.dir, 'imapd.conf'), os.path.join(self.dir, 'cyrus.conf')
        values = {'dir': self.dir, 'cert': self.cert, 'key': key, 'user': owner.pw_name, 'port': self.imap_port,
                  'cores': os.cpu_count(), 'bin': f'{folder}/cyrus/bin', 'conf': conf}
        for path, text in ((conf, CYRUS + more), (services, CYRUS_SERVICES)):
            with open(path, 'w') as f:
                f.write(text.format(**values))
        for user in users:
            subprocess.run(['saslpasswd2', '-p', '-c', '-f', os.path.join(self.dir, 'users'), '-u', 'localhost', user],
                           input=PASSWORD.encode(), check=True, capture_output=True)
        for name in ('conf', 'conf/socket', 'mail', 'run'):  # in conf/socket, sessions in IDLE hear idled
            os.mkdir(os.path.join(self.dir, name))
        for name in ('.', 'conf', 'conf/socket', 'mail', 'run', 'users', os.path.basename(key)):
            os.chown(os.path.join(self.dir, name), owner.pw_uid, owner.pw_gid)
        libraries = os.path.dirname(glob.glob(f'{folder}/*/libcyrus.so.0')[0])
        self.process = subprocess.Popen([f'{folder}/cyrus/bin/master', '-C', conf, '-M', services, '-p', f'{self.dir}/run/pid'],
                                        env={**os.environ, 'LD_LIBRARY_PATH': libraries}, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_port(self.imap_port, STOP_S, lambda: self.process.poll() is None)


def make(kind, **more):
    return {'limetta': Limetta, 'dovecot': Dovecot, 'cyrus': Cyrus}[kind](**more)
