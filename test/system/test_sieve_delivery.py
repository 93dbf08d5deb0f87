"""MD-1, MD-8: from a client's script to mail that is filed: sieve-connect puts it, swaks sends, IMAP shows where it went."""
import http.server
import json
import os
import ssl
import subprocess
import threading

from lib.check import contains, equal, eventually, limetta_only, run
from lib.servers import PASSWORD, make_certificate
from lib.sieve import open_sieve
from lib.wire import open_imap

SORT = '''require ["fileinto", "mailbox", "imap4flags", "vacation"];
if header :contains "subject" "work" {
    fileinto :create :flags "\\\\Flagged" "Work";
    stop;
}
if header :is "subject" "spam" {
    discard;
}
'''


def sieve_connect(s, *args):
    password = os.path.join(s.dir, 'password')
    with open(password, 'w') as f:
        f.write(PASSWORD + '\n')
    with open(password) as f:
        return run(['sieve-connect', '--server', 'localhost', '--4', '--port', str(s.sieve_port), '--user', 'bob', '--tlscafile', s.cert,
                    '--passwordfd', str(f.fileno()), *args], pass_fds=[f.fileno()], cwd=s.dir)


def swaks(s, subject):
    run(['swaks', '--server', s.host, '--port', str(s.submission_port), '--tls', '--auth', 'PLAIN', '--auth-user', 'alice', '--auth-password',
         PASSWORD, '--from', 'alice@localhost', '--to', 'bob@localhost', '--header', f'Subject: {subject}', '--body', 'Hello.'])


def count(c, mailbox):
    lines = c.command(f'STATUS {mailbox} (MESSAGES)', must_be_ok=False)
    return int(lines[0].split(b'MESSAGES ')[1].split(b')')[0]) if lines[-1].split()[1] == b'OK' else None


@limetta_only
def test_end_to_end(make):
    with make() as s:
        script = os.path.join(s.dir, 'sort.sieve')
        with open(script, 'w') as f:
            f.write(SORT)
        sieve_connect(s, '--upload', '--localsieve', script, '--remotesieve', 'sort')
        swaks(s, 'work before')  # it is not active yet
        c = open_imap(s, 'bob', PASSWORD)
        eventually(lambda: count(c, 'INBOX') == 1, 'mail in INBOX')
        sieve_connect(s, '--activate', '--remotesieve', 'sort')
        swaks(s, 'work now')
        eventually(lambda: count(c, 'Work') == 1, 'mail in Work')
        c.command('SELECT Work')
        contains(b''.join(c.command('FETCH 1 (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])')), b'work now')
        contains(b''.join(c.command('FETCH 1 (FLAGS)')), b'\\Flagged')
        swaks(s, 'spam')
        swaks(s, 'other')
        eventually(lambda: count(c, 'INBOX') == 2, 'mail in INBOX')
        equal(count(c, 'Work'), 1)
        # a new text is what counts from the next message on; none: everything is kept
        x = open_sieve(s, 'bob')
        x.put('sort', 'discard;')
        before = s.log().count(' delivered: ')
        swaks(s, 'gone')
        eventually(lambda: s.log().count(' delivered: ') > before, 'it is discarded')
        x.command('SETACTIVE ""')
        swaks(s, 'work again')
        eventually(lambda: count(c, 'INBOX') == 3, 'mail in INBOX')
        equal(count(c, 'Work'), 1)
        x.close()
        c.close()


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.asked.append((self.path, self.headers['Content-Type'], self.rfile.read(int(self.headers['Content-Length']))))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 200)
        self.send_header('Location', '/elsewhere')
        self.send_header('Content-Length', '0')
        self.end_headers()

    def log_message(self, *args):
        pass


@limetta_only
def test_web_hook(make):
    """MD-2: a notification is posted to the hook that the operator allows, once; a hook that fails for ever is let go."""
    folder = subprocess.run(['mktemp', '-d'], capture_output=True, check=True).stdout.decode().strip()
    cert, key = make_certificate(folder)
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Hook)
    server.asked, server.answers = [], []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    hook = f'https://localhost:{port}/hook'
    try:
        with make(config={'notify_webhooks': f'{hook} 127.0.0.1', 'notify_webhooks_ca': cert}) as s:
            x = open_sieve(s, 'bob')
            x.put('tell', f'require ["enotify"]; notify :message "News" :importance "1" "{hook}/bob";')
            x.command('SETACTIVE "tell"')
            swaks(s, 'one')
            eventually(lambda: server.asked, 'a notification')
            path, kind, body = server.asked[0]
            equal((path, kind), ('/hook/bob', 'application/json'))
            contains(json.dumps(json.loads(body)), 'News')
            server.answers = [302]
            swaks(s, 'two')
            eventually(lambda: len(server.asked) == 2, 'a second notification')
            swaks(s, 'three')
            eventually(lambda: len(server.asked) == 3, 'a third notification')
            equal({a[0] for a in server.asked}, {'/hook/bob'})
            # what is not allowed is an error of the script: the message is kept, nobody is called
            x.put('tell', f'require ["enotify"]; notify "https://localhost:{port}/other";')
            swaks(s, 'four')
            c = open_imap(s, 'bob', PASSWORD)
            eventually(lambda: count(c, 'INBOX') >= 4, 'mail in INBOX')
            equal(len(server.asked), 3)
            x.close()
            c.close()
    finally:
        server.shutdown()
        subprocess.run(['rm', '-rf', folder], check=False)
