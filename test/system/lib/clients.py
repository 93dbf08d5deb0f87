"""Mail clients from Debian and npm: how each is configured and run without a screen."""
import imaplib
import os
import pty
import re
import select
import shutil
import subprocess
import time

from .check import Skip, equal, run
from .servers import PASSWORD, TOP
from .wire import context_for, open_imap

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def imaplib_login(server, user='alice'):
    m = imaplib.IMAP4(server.host, server.imap_port)
    m.starttls(context_for(server.cert))
    m.login(user, PASSWORD)
    return m


def ok(answer):
    equal(answer[0], 'OK', f'{answer}')
    return answer[1]


def subjects(server, user, mailbox='INBOX'):
    c = open_imap(server, user, PASSWORD)
    c.command(f'EXAMINE {mailbox}')
    lines = b''.join(c.command('UID SEARCH ALL'))
    if not re.search(rb'SEARCH \d', lines):
        return []
    text = b''.join(c.command('FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]'))
    c.close()
    return re.findall(r'Subject: ([^\r\n]*)', text.decode(errors='replace'))


def mbsync_config(server, folder):
    return f'''
IMAPAccount phone
Host localhost
Port {server.imap_port}
User alice
Pass "{PASSWORD}"
SSLType STARTTLS
CertificateFile {server.cert}
AuthMechs PLAIN

IMAPStore far
Account phone

MaildirStore near
Path {folder}/
Inbox {folder}/Inbox
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
CopyArrivalDate yes
SyncState *
'''


def offlineimap_config(server, folder):
    return f'''
[general]
accounts = phone
ui = basic
metadata = {folder}/state
[Account phone]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {folder}/mail
[Repository far]
type = IMAP
remotehost = localhost
remoteport = {server.imap_port}
remoteuser = alice
remotepass = {PASSWORD}
ssl = no
starttls = yes
sslcacertfile = {server.cert}
usecompression = yes
maxconnections = 3
'''


NPM = ['npm', 'install', '--no-audit', '--no-fund', '--fetch-retries=1', '--fetch-retry-mintimeout=1000', '--fetch-timeout=20000']
NO_NETWORK = ('ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'ENETUNREACH', 'EHOSTUNREACH', 'ERR_SOCKET_TIMEOUT',
              'SELF_SIGNED_CERT', 'UNABLE_TO_GET_ISSUER_CERT', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE')
npm_problem = []


def npm_install(folder):
    try:
        r = subprocess.run([*NPM, '--prefix', folder], stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
        problem = r.stderr.decode(errors='replace')[-2000:] if r.returncode else ''
    except subprocess.TimeoutExpired:
        problem = 'ETIMEDOUT'
    if any(word in problem for word in NO_NETWORK):
        npm_problem.append('npm reaches no registry that it trusts from here')
    elif problem:
        raise AssertionError(f'npm install: {problem}')


def node_modules():
    """Installs the clients from npm once, into build/npm."""
    folder = os.path.join(TOP, 'build', 'npm')
    wanted = os.path.join(HERE, 'node', 'package.json')
    have = os.path.join(folder, 'package.json')
    if not os.path.isdir(os.path.join(folder, 'node_modules', 'imapflow')) or open(have).read() != open(wanted).read():
        os.makedirs(folder, exist_ok=True)
        shutil.copy(wanted, have)
        if not npm_problem:
            npm_install(folder)
        if npm_problem:
            raise Skip(npm_problem[0])
    return os.path.join(folder, 'node_modules')


def run_node(server, script, *more):
    env = {**os.environ, 'NODE_PATH': node_modules(), 'NODE_EXTRA_CA_CERTS': server.cert}
    return run(['node', os.path.join(HERE, 'node', script), server.host, str(server.imap_port),
                str(getattr(server, 'submission_port', 0)), PASSWORD, *more], env=env, timeout_s=300)


def run_on_terminal(args, timeout_s=180, **more):
    """A program that wants a screen gets one (nobody looks)."""
    main, side = pty.openpty()
    p = subprocess.Popen(args, stdin=side, stdout=side, stderr=side, start_new_session=True, **more)
    os.close(side)
    end, out = time.monotonic() + timeout_s, b''
    while p.poll() is None and time.monotonic() < end:
        if select.select([main], [], [], 0.2)[0]:
            try:
                out += os.read(main, 65536)
            except OSError:
                break
    try:
        code = p.wait(30)
    except subprocess.TimeoutExpired:
        p.kill()
        code = 'none, it hangs'
    os.close(main)
    equal(code, 0, f'exit code of {args[0]}; its screen: {out[-1500:]!r}')


def mutt_config(server, folder, more=''):
    path = os.path.join(folder, 'muttrc')
    with open(path, 'w') as f:
        f.write(f'''
set folder="imap://alice@localhost:{server.imap_port}/"
set spoolfile="+INBOX"
set imap_user=alice
set imap_pass="{PASSWORD}"
set imap_authenticators="plain"
set ssl_starttls=yes ssl_force_tls=yes ssl_verify_host=no
set certificate_file="{server.cert}"
set ssl_ca_certificates_file="{server.cert}"
set header_cache="" message_cachedir=""
set from="alice@localhost" hostname=phone.example realname="Alice"
set record="+Sent" copy=yes confirmappend=no confirmcreate=no quit=yes delete=yes move=no wait_key=no tmpdir="{folder}"
set mbox_type=mbox
{more}
''')
    return path
