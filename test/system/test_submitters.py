"""What people submit with (S-1, S-2, S-3, S-7, S-9, S-12): each of these logs in over STARTTLS and sends 8-bit text and a large
attachment, asks for a report, sends many, and must be told of a wrong password and of a recipient that is refused."""
import email
import email.message
import email.policy
import hashlib
import os
import smtplib
import tempfile

from lib.check import contains, equal, eventually, limetta_only, run, true
from lib.clients import run_node
from lib.servers import PASSWORD
from lib.wire import context_for, open_imap

TEXT = 'Grüße aus Köln, 日本\n.\n..\nFrom here on nothing is escaped\n'
DATA = b''.join(hashlib.sha256(b'%d' % i).digest() for i in range(100_000))  # 3.2 MB


def compose(subject, sender='alice@localhost', to='bob@localhost'):
    """8-bit text and the attachment, as octets with CRLF."""
    m = email.message.EmailMessage(policy=email.policy.SMTP.clone(cte_type='8bit'))
    m['From'], m['To'], m['Subject'] = sender, to, subject
    m.set_content(TEXT, cte='8bit')
    m.add_attachment(DATA, maintype='application', subtype='octet-stream', filename='data.bin')
    return m.as_bytes()


def mailbox(s, user):
    """The messages, parsed."""
    c = open_imap(s, user, PASSWORD)
    is_empty = b'* 0 EXISTS' in b''.join(c.command('EXAMINE INBOX'))
    lines = [] if is_empty else c.command('FETCH 1:* BODY.PEEK[]')[:-1]
    c.close()
    return [email.message_from_bytes(l[l.index(b'\r\n') + 2:-3], policy=email.policy.default) for l in lines]


def find(s, subject, user='bob'):
    found = [m for m in mailbox(s, user) if m['Subject'] == subject]
    return found[0] if found else None


def reports(s, user='alice'):
    return [m.as_string() for m in mailbox(s, user) if m.get_content_type() == 'multipart/report']


def check_arrived(s, subject, text=TEXT):
    m = eventually(lambda: find(s, subject), f'{subject} is delivered')
    equal(m.get_body().get_content().replace('\r\n', '\n').rstrip('\n'), text.rstrip('\n'), subject)
    equal([a.get_content() for a in m.iter_attachments()], [DATA], subject)


def check_report(s, action, address, envid=None):
    """Of one asked for."""
    def is_there():
        return [r for r in reports(s) if f'Action: {action}' in r and f'rfc822; {address}' in r.lower()]
    report = eventually(is_there, f'a report of {address}')[0]
    if envid:
        contains(report, f'Original-Envelope-Id: {envid}')


@limetta_only
def test_swaks(make):
    with make() as s, tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'data.bin')
        with open(path, 'wb') as f:
            f.write(DATA)
        swaks = ['swaks', '--server', s.host, '--port', str(s.submission_port), '--ehlo', 'phone.example', '--timeout', '30', '--tls',
                 '--tls-verify', '--tls-ca-path', s.cert, '--from', 'alice@localhost', '--auth-user', 'alice']
        right = [*swaks, '--auth-password', PASSWORD]
        for mechanism in ('PLAIN', 'LOGIN'):
            run([*right, '--auth', mechanism, '--to', 'bob@localhost', '--header', f'Subject: swaks {mechanism}', '--attach-type',
                 'text/plain; charset=utf-8', '--attach-body', TEXT, '--attach-type', 'application/octet-stream', '--attach-name',
                 'data.bin', '--attach', '@' + path, '--pipeline'])
        for mechanism in ('PLAIN', 'LOGIN'):
            m = eventually(lambda: find(s, f'swaks {mechanism}'), 'delivered')
            equal([a.get_payload(decode=True) for a in m.iter_attachments()][-1], DATA)
        run([*swaks, '--auth-password', 'wrong', '--to', 'bob@localhost'], must_be=28)
        run([*right, '--to', 'nobody@localhost'], must_be=24)
        out = run([*right, '--to', 'nobody@localhost,bob@localhost', '--header', 'Subject: one of two'])
        contains(out, b'550 5.1.1')
        eventually(lambda: find(s, 'one of two'), 'the other one has it')
        equal(len(mailbox(s, 'bob')), 3)


@limetta_only
def test_msmtp(make):
    with make() as s, tempfile.TemporaryDirectory() as folder:
        conf = os.path.join(folder, 'msmtprc')

        def send(message, *more, password=PASSWORD, must_be=0):
            with open(conf, 'w') as f:
                f.write(f'account default\nhost localhost\nport {s.submission_port}\ntls on\ntls_starttls on\ntls_trust_file {s.cert}\n'
                        f'auth on\nuser alice\npassword "{password}"\nfrom alice@localhost\ndomain phone.example\n')
            os.chmod(conf, 0o600)
            return run(['msmtp', '-C', conf, *more], message, must_be=must_be)
        send(compose('by msmtp'), '--dsn-notify=success,failure', '--dsn-return=headers', '--', 'bob@localhost')
        check_arrived(s, 'by msmtp')
        check_report(s, 'delivered', 'bob@localhost')
        contains(send(compose('x'), '--', 'bob@localhost', password='wrong', must_be=77), b'535')
        contains(send(compose('x'), '--', 'nobody@localhost', must_be=65), b'550 5.1.1')
        contains(send(compose('--'), '--dsn-notify=never', '-t', '--read-envelope-from'), b'')
        eventually(lambda: find(s, '--'), 'recipients from the header')


@limetta_only
def test_curl(make):
    """Its connection is kept for many messages, and so is the login."""
    with make() as s, tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'eml')
        curl = ['curl', '-sS', '--max-time', '60', '--ssl-reqd', '--cacert', s.cert, '--mail-from', 'alice@localhost']
        right = [*curl, '--user', f'alice:{PASSWORD}']
        url = f'smtp://localhost:{s.submission_port}/phone.example'
        with open(path, 'wb') as f:
            f.write(compose('by curl'))
        run([*right, '--mail-rcpt', 'bob@localhost', '-T', path, url])
        check_arrived(s, 'by curl')
        run([*right, '--mail-rcpt', 'bob@localhost', '-F', '=(;type=multipart/mixed', '-F', '=two parts', '-F',
             f'file=@{path};type=message/rfc822', '-F', '=)', '-H', 'Subject: form', '-H', 'From: alice@localhost', url])
        eventually(lambda: find(s, 'form'), 'a message that curl composed')
        out = run([*right, '--mail-rcpt', 'bob@localhost', '-v', '-T', path, url, '--next', *right[1:], '--mail-rcpt', 'bob@localhost',
                   '-T', path, url])
        equal(out.count(b'235 2.7.0'), 1, 'one login for two messages')
        equal(out.count(b'250 2.0.0'), 2)
        run([*curl, '--user', 'alice:wrong', '--mail-rcpt', 'bob@localhost', '-T', path, url], must_be=67)
        run([*right, '--mail-rcpt', 'nobody@localhost', '-T', path, url], must_be=55)
        run([*right, '--mail-rcpt', 'nobody@localhost', '--mail-rcpt', 'bob@localhost', '--mail-rcpt-allowfails', '-T', path, url])
        eventually(lambda: len(mailbox(s, 'bob')) == 5, 'all delivered')


@limetta_only
def test_nodemailer(make):
    with make() as s:
        contains(run_node(s, 'submitters.js'), b'all well', 'nodemailer')
        check_arrived(s, 'by nodemailer')
        check_report(s, 'delivered', 'bob@localhost', 'node-1')
        eventually(lambda: len(mailbox(s, 'bob')) == 22, 'delivered')


@limetta_only
def test_smtplib(make):
    with make() as s, smtplib.SMTP(s.host, s.submission_port, local_hostname='phone.example', timeout=60) as m:
        m.starttls(context=context_for(s.cert))
        try:
            m.login('alice', 'wrong')
            raise AssertionError('a wrong password was taken')
        except smtplib.SMTPAuthenticationError as e:
            equal(e.smtp_code, 535)
        m.login('alice', PASSWORD)
        true(all(m.has_extn(x) for x in ('8bitmime', 'dsn', 'size', 'pipelining', 'chunking')), 'what it needs')
        m.sendmail('alice@localhost', 'bob@localhost', compose('by smtplib'),
                   mail_options=['BODY=8BITMIME', 'RET=FULL', 'ENVID=py-1'], rcpt_options=['NOTIFY=SUCCESS', 'ORCPT=rfc822;bob@localhost'])
        check_arrived(s, 'by smtplib')
        check_report(s, 'delivered', 'bob@localhost', 'py-1')
        refused = m.sendmail('alice@localhost', ['nobody@localhost', 'bob@localhost'], compose('one of two'))
        equal(refused['nobody@localhost'][0], 550)
        for i in range(20):
            m.sendmail('alice@localhost', ['bob@localhost'], f'Subject: many {i}\r\n\r\n{i}\r\n')
        eventually(lambda: len(mailbox(s, 'bob')) == 22, 'all delivered')


@limetta_only
def test_s_nail(make):
    with make() as s, tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'data.bin')
        with open(path, 'wb') as f:
            f.write(DATA)

        def send(subject, to='bob@localhost', password=PASSWORD, must_be=0):
            url = f'smtp://alice:{password.replace(" ", "%20")}@localhost:{s.submission_port}'
            settings = ['v15-compat', f'mta={url}', 'smtp-use-starttls', f'tls-ca-file={s.cert}', 'tls-ca-no-defaults', 'smtp-auth=plain',
                        'from=alice@localhost', 'hostname=phone.example', 'sendcharsets=utf-8', 'sendwait', 'mime-encoding=8bit',
                        f'folder={folder}', 'nosave']
            return run(['s-nail', '-n', *[x for v in settings for x in ('-S', v)], '-a', path, '-s', subject, to], TEXT.encode(),
                       must_be=must_be, env={**os.environ, 'HOME': folder, 'LC_ALL': 'C.UTF-8'})
        send('by s-nail')
        check_arrived(s, 'by s-nail')
        contains(send('x', password='wrong', must_be=4), b'535')
        contains(send('x', to='nobody@localhost', must_be=4), b'550')
