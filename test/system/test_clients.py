"""Real mail clients, headless: each does what its user would do all day. M-1, S-1, U-12."""
import imaplib
import os
import re
import smtplib
import subprocess
import tempfile

from lib.check import contains, equal, eventually, limetta_only, matches, message, run, true
from lib.clients import imaplib_login, mbsync_config, mutt_config, ok, run_node, run_on_terminal, subjects
from lib.servers import PASSWORD
from lib.wire import context_for, open_imap, plain


def test_curl_imap(make):
    with make(config={'duplicate_window_s': 0}) as s:  # it is one message, sent more than once
        curl = ['curl', '-sS', '--max-time', '20', '--ssl-reqd', '--cacert', s.cert, '--user', f'alice:{PASSWORD}']
        url = f'imap://localhost:{s.imap_port}'
        with tempfile.NamedTemporaryFile() as f:
            f.write(message('from curl', 'a body\r\n' * 2000))
            f.flush()
            run([*curl, '-T', f.name, url + '/INBOX'])
            run([*curl, '-T', f.name, url + '/INBOX'])
        run([*curl, '-X', 'CREATE Later', url])
        contains(run([*curl, url]), b'Later', 'list')
        got = run([*curl, url + '/INBOX/;UID=1'])
        equal(got, message('from curl', 'a body\r\n' * 2000), 'fetched by UID')
        contains(run([*curl, url + '/INBOX/;UID=2/;SECTION=HEADER.FIELDS%20(SUBJECT)']), b'from curl', 'a section')
        matches(run([*curl, url + '/INBOX?SUBJECT%20curl']), rb'SEARCH 1 2', 'search')
        matches(run([*curl, url + '/INBOX?SUBJECT%20nothing']), rb'^\* SEARCH\r?\n?$', 'search for nothing')
        run([*curl, '-X', 'STORE 1 +Flags \\Deleted', url + '/INBOX'])
        run([*curl, '-X', 'EXPUNGE', url + '/INBOX'])
        contains(run([*curl, '-X', 'STATUS INBOX (MESSAGES)', url]), b'MESSAGES 1', 'status')
        # A mailbox that is not there, and a wrong password.
        run([*curl, url + '/Nowhere?ALL'], must_be=67)
        run([*curl[:-1], 'alice:wrong', url], must_be=67)


@limetta_only
def test_curl_submission(make):
    with make() as s:
        curl = ['curl', '-sS', '--max-time', '20', '--ssl-reqd', '--cacert', s.cert]
        with tempfile.NamedTemporaryFile() as f:
            url = f'smtp://localhost:{s.submission_port}/phone.example'
            for mechanism in ('PLAIN', 'LOGIN', 'SCRAM-SHA-256'):
                if mechanism == 'SCRAM-SHA-256' and b'gsasl' not in run(['curl', '-V']):
                    continue
                f.seek(0)
                f.write(message(f'sent by curl, {mechanism}'))  # each a message of its own: a second copy is left out (X-DUPLICATES)
                f.flush()
                run([*curl, '--user', f'alice:{PASSWORD}', '--login-options', f'AUTH={mechanism}', '--mail-from',
                     'alice@localhost', '--mail-rcpt', 'bob@localhost', '-T', f.name, url])
            run([*curl, '--user', 'alice:wrong', '--mail-from', 'alice@localhost', '--mail-rcpt', 'bob@localhost', '-T', f.name,
                 url], must_be=67)
            run([*curl, '--user', f'alice:{PASSWORD}', '--mail-from', 'alice@localhost', '--mail-rcpt', 'nobody@localhost', '-T',
                 f.name, url], must_be=55)
        eventually(lambda: len(subjects(s, 'bob')) >= 2, 'mail is delivered')
        true({'sent by curl, PLAIN', 'sent by curl, LOGIN'} <= set(subjects(s, 'bob')), 'both logins')


def both_sides(server, folder):
    """All that a sync could change: names and octets of the files here; UIDs, flags and dates there."""
    near = {}
    for path, _, names in os.walk(folder):
        for n in names:
            with open(os.path.join(path, n), 'rb') as f:
                near[os.path.join(path, n)] = f.read() if '/cur/' in path + '/' else b''
    c = open_imap(server, 'alice', PASSWORD)
    far = []
    for mailbox in ('INBOX', 'Work'):
        c.command(f'EXAMINE {mailbox}')
        far.append([l for l in c.command('FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)')[:-1] if b'FETCH' in l])
    c.close()
    return near, far


def test_mbsync_two_ways(make):
    with make() as s, tempfile.TemporaryDirectory() as folder:
        c = open_imap(s, 'alice', PASSWORD)
        for i in range(30):
            c.append('INBOX', message(f'number {i}', 'text\r\n' * i), '(\\Seen)' if i % 3 else '')
        c.command('CREATE Work')
        c.append('Work', message('in a mailbox'), '(\\Flagged \\Answered)')
        conf = os.path.join(folder, 'mbsyncrc')
        mail = os.path.join(folder, 'mail')
        os.mkdir(mail)
        with open(conf, 'w') as f:
            f.write(mbsync_config(s, mail))
        sync = ['mbsync', '-c', conf, 'all']
        run(sync)
        near = [n for p, _, ns in os.walk(mail) if os.path.basename(p) in ('cur', 'new') for n in ns]
        equal(len(near), 31, 'messages that came down')
        before = both_sides(s, mail)
        run(sync)
        true(before == both_sides(s, mail), 'nothing changes the second time')
        # Both sides change: a new message and a deletion here, a flag and a deletion there.
        new = message('made at home').replace(b'\r\n', b'\n')
        with open(os.path.join(mail, 'Inbox', 'new', '1.made.here'), 'wb') as f:
            f.write(new)
        inbox = os.path.join(mail, 'Inbox', 'cur')
        seen = sorted(n for n in os.listdir(inbox) if n.endswith('S'))[0]
        os.rename(os.path.join(inbox, seen), os.path.join(inbox, seen + 'T'))
        c.command('SELECT INBOX')
        c.command('STORE 30 +FLAGS (\\Flagged)')
        c.command('STORE 1 +FLAGS (\\Deleted)')
        c.command('EXPUNGE')
        run(sync)
        before = both_sides(s, mail)
        run(sync)
        true(before == both_sides(s, mail), 'nothing changes after both sides changed')
        c.command('NOOP')
        equal(len(subjects(s, 'alice')), 29, 'messages in INBOX: 30 - 1 - 1 + 1')
        contains(subjects(s, 'alice'), 'made at home')
        flagged = [n for n in os.listdir(inbox) if 'F' in n.split('2,')[-1]]
        equal(len(flagged), 1, 'the flag came down')


def test_python_imaplib(make):
    with make() as s:
        m = imaplib_login(s)
        ok(m.create('Projects'))
        ok(m.create('Projects/M&APw-nchen'))
        ok(m.subscribe('Projects'))
        names = b'\n'.join(ok(m.list()))
        contains(names, b'M&APw-nchen')
        contains(b'\n'.join(ok(m.lsub())), b'Projects')
        texts = [message(f'message {i}', f'body of {i}\r\n' * (i + 1)) for i in range(20)]
        for i, text in enumerate(texts):
            ok(m.append('Projects', '(\\Seen $Later)' if i % 2 else None, imaplib.Time2Internaldate(1_600_000_000 + i), text))
        equal(int(ok(m.select('Projects'))[0]), 20)
        equal(ok(m.search(None, 'SEEN'))[0].split(), [b'%d' % (i + 1) for i in range(20) if i % 2])
        equal(ok(m.search(None, 'KEYWORD', '$Later', 'SUBJECT', '"message 11"'))[0], b'12')
        equal(ok(m.search(None, 'BODY', '"body of 19"'))[0], b'20')
        equal(ok(m.search(None, 'NOT', 'ALL'))[0], b'')
        for i, text in enumerate(texts):
            equal(ok(m.fetch(str(i + 1), '(BODY.PEEK[])'))[0][1], text, 'octets')
        contains(ok(m.fetch('1', '(INTERNALDATE RFC822.SIZE)'))[0], b'RFC822.SIZE %d' % len(texts[0]))
        envelope = ok(m.fetch('3', '(ENVELOPE BODYSTRUCTURE)'))[0]
        contains(envelope, b'"message 2"')
        contains(envelope, b'"text" "plain"' if b'"text" "plain"' in envelope else b'"TEXT" "PLAIN"')
        ok(m.store('1:3', '+FLAGS', '(\\Deleted)'))
        ok(m.uid('COPY', '4:5', 'Projects/M&APw-nchen'))
        equal(len(ok(m.expunge())), 3)
        equal(ok(m.uid('SEARCH', 'ALL'))[0].split()[0], b'4')
        contains(ok(m.status('Projects/M&APw-nchen', '(MESSAGES UNSEEN)'))[0], b'MESSAGES 2')
        ok(m.close())
        ok(m.rename('Projects', 'Old'))
        contains(b'\n'.join(ok(m.list())), b'Old/M&APw-nchen')
        ok(m.delete('Old/M&APw-nchen'))
        equal(m.select('Old/M&APw-nchen')[0], 'NO')
        ok(m.noop())
        m.logout()


@limetta_only
def test_python_smtplib(make):
    with make() as s:
        with smtplib.SMTP(s.host, s.submission_port, local_hostname='phone.example', timeout=120) as m:
            m.starttls(context=context_for(s.cert))
            m.login('alice', PASSWORD)
            equal(m.sendmail('alice@localhost', ['bob@localhost', 'alice@localhost'], message('sent by smtplib')), {})
            equal(m.sendmail('alice@localhost', ['bob@localhost'], message('dots', '.\r\n..\r\n.x')), {})
            try:
                m.sendmail('alice@localhost', ['nobody@localhost'], message('to nobody'))
                raise AssertionError('mail to nobody was taken')
            except smtplib.SMTPRecipientsRefused as e:
                equal(e.recipients['nobody@localhost'][0], 550)
        eventually(lambda: len(subjects(s, 'bob')) == 2, 'delivered')
        equal(subjects(s, 'alice'), ['sent by smtplib'])
        m = imaplib_login(s, 'bob')
        ok(m.select())
        body = ok(m.fetch('2', '(BODY.PEEK[TEXT])'))[0][1]
        equal(body, b'.\r\n..\r\n.x\r\n', 'dots')
        m.logout()


def test_imapflow(make):
    """A desktop client's tour; M-3: it downloads attachments through BINARY."""
    with make() as s:
        out = run_node(s, 'imapflow.js', s.name)
        contains(out, b'all well', 'imapflow')


@limetta_only
def test_nodemailer(make):
    with make() as s:
        contains(run_node(s, 'nodemailer.js'), b'all well', 'nodemailer')
        eventually(lambda: len(subjects(s, 'bob')) == 3, 'delivered')


def test_mutt_reads(make):
    with make() as s, tempfile.TemporaryDirectory() as folder:
        c = open_imap(s, 'alice', PASSWORD)
        for i in range(5):
            c.append('INBOX', message(f'letter {i}', f'text {i}'))
        rc = mutt_config(s, folder)
        env = {**os.environ, 'HOME': folder, 'TERM': 'xterm', 'LC_ALL': 'C.UTF-8'}
        # Tag all, copy to a local mbox; flag the second; delete the third; leave.
        keys = f'<tag-pattern>~A<enter><tag-prefix><copy-message><kill-line>{folder}/out.mbox<enter>' \
               '<untag-pattern>~A<enter><jump>2<enter><flag-message><jump>3<enter><delete-message><sync-mailbox><quit>'
        run_on_terminal(['mutt', '-F', rc, '-e', f'push "{keys}"'], env=env)
        with open(os.path.join(folder, 'out.mbox'), 'rb') as f:
            equal(re.findall(rb'^Subject: letter (\d)', f.read(), re.M), [b'0', b'1', b'2', b'3', b'4'])
        c.command('SELECT INBOX')
        answer = b''.join(c.command('SEARCH FLAGGED'))
        contains(answer, b'SEARCH 2')
        equal(subjects(s, 'alice'), ['letter 0', 'letter 1', 'letter 3', 'letter 4'])


@limetta_only
def test_mutt_sends(make):
    with make() as s, tempfile.TemporaryDirectory() as folder:
        rc = mutt_config(s, folder, f'set smtp_url="smtp://alice@localhost:{s.submission_port}/"\nset smtp_pass="{PASSWORD}"\n'
                                    'set smtp_authenticators="plain"')
        attachment = os.path.join(folder, 'picture.bin')
        with open(attachment, 'wb') as f:
            f.write(os.urandom(100_000))
        env = {**os.environ, 'HOME': folder, 'LC_ALL': 'C.UTF-8'}
        run(['mutt', '-F', rc, '-s', 'from mutt', '-a', attachment, '--', 'bob@localhost'], b'see the picture\n', env=env)
        eventually(lambda: subjects(s, 'bob') == ['from mutt'], 'delivered')
        equal(subjects(s, 'alice', 'Sent'), ['from mutt'])


@limetta_only
def test_swaks(make):
    with make() as s:
        swaks = ['swaks', '--server', s.host, '--port', str(s.submission_port), '--from', 'alice@localhost', '--to', 'bob@localhost',
                 '--ehlo', 'phone.example', '--auth-user', 'alice', '--auth-password', PASSWORD, '--timeout', '20']
        out = run([*swaks, '--tls', '--tls-verify', '--tls-ca-path', s.cert, '--auth', 'PLAIN', '--header', 'Subject: swaks 1'])
        contains(out, b'250 2.')
        run([*swaks, '--tls', '--auth', 'LOGIN', '--header', 'Subject: swaks 2', '--pipeline'])
        run([*swaks, '--tls', '--auth', 'PLAIN', '--auth-password', 'wrong'], must_be=28)
        run([*swaks[:-6], '--tls', '--timeout', '20'], must_be=23)  # no AUTH: 530 at MAIL
        eventually(lambda: set(subjects(s, 'bob')) == {'swaks 1', 'swaks 2'}, 'delivered')


@limetta_only
def test_msmtp(make):
    with make() as s, tempfile.TemporaryDirectory() as folder:
        conf = os.path.join(folder, 'msmtprc')
        for i, (auth, extra) in enumerate((('plain', ''), ('login', ''), ('scram-sha-256', ''), ('scram-sha-256-plus', ''))):
            if auth.startswith('scram') and auth.encode() not in run(['msmtp', '--version']).lower():
                continue
            with open(conf, 'w') as f:
                f.write(f'account default\nhost localhost\nport {s.submission_port}\ntls on\ntls_starttls on\n'
                        f'tls_trust_file {s.cert}\nauth {auth}\nuser alice\npassword "{PASSWORD}"\nfrom alice@localhost\n'
                        f'domain phone.example\n{extra}')
            os.chmod(conf, 0o600)
            run(['msmtp', '-C', conf, '--', 'bob@localhost'], message(f'msmtp {i}'))
            eventually(lambda: f'msmtp {i}' in subjects(s, 'bob'), f'delivered ({auth})')


def s_client(server, protocol, port, stdin, *more):
    p = subprocess.Popen(['openssl', 's_client', '-connect', f'localhost:{port}', '-starttls', protocol, '-CAfile', server.cert,
                          '-verify_return_error', '-crlf', '-ign_eof', *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT)
    out, _ = p.communicate(stdin, timeout=120)
    return p.returncode, out


def test_openssl_starttls_imap(make):
    with make() as s:
        for version in ('-tls1_2', '-tls1_3'):
            code, out = s_client(s, 'imap', s.imap_port, b'a LOGOUT\n', version)
            equal(code, 0, out[-500:])
            contains(out, b'Verify return code: 0 (ok)')
            contains(out, b'a OK')
        code, out = s_client(s, 'imap', s.imap_port, b'', '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0')
        true(code != 0, 'TLS 1.1 is refused')
        with tempfile.TemporaryDirectory() as folder:
            for version in ('-tls1_2', '-tls1_3'):
                session = os.path.join(folder, version)
                talk = f'a LOGIN alice "{PASSWORD}"\nb LOGOUT\n'.encode()
                s_client(s, 'imap', s.imap_port, talk, version, '-sess_out', session)
                _, out = s_client(s, 'imap', s.imap_port, b'a LOGOUT\n', version, '-sess_in', session)
                contains(out, b'Reused, ', f'session of {version}')


@limetta_only
def test_openssl_starttls_submission(make):
    with make() as s:
        code, out = s_client(s, 'smtp', s.submission_port, b'EHLO phone.example\nQUIT\n')
        equal(code, 0, out[-500:])
        contains(out, b'250-BURL')
        inside = out[out.rindex(b'8BITMIME'):]
        true(b'STARTTLS' not in inside, 'no STARTTLS once TLS is there')
        with tempfile.TemporaryDirectory() as folder:
            session = os.path.join(folder, 'session')
            talk = f'EHLO phone.example\nAUTH PLAIN {plain("alice", PASSWORD)}\nQUIT\n'.encode()
            s_client(s, 'smtp', s.submission_port, talk, '-sess_out', session)
            # Sessions are the edge's, not a port's.
            for protocol, port, end in ('smtp', s.submission_port, b'QUIT\n'), ('imap', s.imap_port, b'a LOGOUT\n'):
                _, out = s_client(s, protocol, port, end, '-sess_in', session)
                contains(out, b'Reused, ', f'session resumed by {protocol}')
