"""Logins that somebody else judges: passwords by a real LDAP server, tokens by a real issuer (D42, X-LDAP, X-OAUTH)."""
import base64
import imaplib
import smtplib
import ssl

from lib.check import contains, equal, eventually, limetta_only, run, true
from lib.outside import ADMIN, SUFFIX, Issuer, Slapd
from lib.servers import PASSWORD
from lib.wire import No, open_imap, open_smtp


def says(s, name, password=PASSWORD):
    """Of a login: "OK", or the code of the refusal."""
    c = imaplib.IMAP4('127.0.0.1', s.imap_port)
    c.starttls(ssl.create_default_context(cafile=s.cert))
    try:
        c.login(f'"{name}"', password)
        c.logout()
        return 'OK'
    except imaplib.IMAP4.error as e:
        c.shutdown()
        return str(e)


@limetta_only
def test_ldap_bind(make):
    with Slapd() as ldap, make(config=ldap.settings(ldap_dn=f'uid=%n,ou=people,{SUFFIX}')) as s:
        contains(says(s, 'otto'), 'AUTHENTICATIONFAILED')  # nobody added him here
        s.run('user', 'add', 'otto', '--outside')
        equal(says(s, 'otto'), 'OK')
        contains(says(s, 'otto', 'wrong'), 'AUTHENTICATIONFAILED')
        equal(says(s, 'alice'), 'OK')  # her password is here
        c = smtplib.SMTP('127.0.0.1', s.submission_port)
        c.starttls(context=ssl.create_default_context(cafile=s.cert))
        c.login('otto', PASSWORD)
        c.sendmail('otto@localhost', ['otto@localhost'], b'Subject: to myself\r\n\r\nHello\r\n')
        c.quit()
        c = open_imap(s, 'otto', PASSWORD)
        eventually(lambda: b'* 1 EXISTS' in b''.join(c.command('SELECT INBOX')), 'mail for a user of LDAP')
        c.close()
        # A client that would choose SCRAM could not be served, so it is not offered.
        c = open_imap(s, is_tls=True)
        mechanisms = b''.join(c.command('CAPABILITY'))
        contains(mechanisms, b'AUTH=PLAIN')
        true(b'SCRAM' not in mechanisms, 'SCRAM is not offered')
        c.close()
        # The server goes: nobody is told that his password is wrong.
        ldap.shut_down()
        contains(says(s, 'otto'), 'UNAVAILABLE')
        equal(says(s, 'alice'), 'OK')


@limetta_only
def test_ldap_search(make):
    users = [('otto', PASSWORD), ('eve', 'evil')]
    with Slapd(users, is_open=False) as ldap:
        searcher = {'ldap_base': SUFFIX, 'ldap_filter': '(&(objectClass=inetOrgPerson)(uid=%n))', 'outside_users': 'any'}
        with make(config=ldap.settings(ldap_bind_dn=ADMIN, ldap_bind_password='admin secret', **searcher)) as s:
            equal(says(s, 'otto'), 'OK')
            contains(s.run('user', 'list').stdout.decode(), 'otto')
            # What would find everybody, or another entry, finds nobody.
            for name in ('*', 'ot*', 'eve)(uid=otto', 'nobody', 'otto,ou=people'):
                contains(says(s, name, 'evil'), 'AUTHENTICATIONFAILED', name)
                equal(says(s, 'otto'), 'OK')  # else the next answer would be held back longer
            contains(says(s, 'eve', PASSWORD), 'AUTHENTICATIONFAILED')
            equal(says(s, 'eve', 'evil'), 'OK')
        with make(config=ldap.settings(ldap_bind_dn=ADMIN, ldap_bind_password='wrong', **searcher)) as s:
            contains(says(s, 'otto'), 'UNAVAILABLE')  # our own login there is not the user's fault
            contains(s.log(), 'the LDAP server did not say')


@limetta_only
def test_ldap_certificate(make):
    """A server that cannot show a certificate we trust hears no password."""
    with Slapd() as ldap, Slapd() as other:
        bind = {'ldap_dn': f'uid=%n,ou=people,{SUFFIX}', 'outside_users': 'any'}
        with make(config={**ldap.settings(**bind), 'ldap_ca': other.cert}) as s:
            contains(says(s, 'otto'), 'UNAVAILABLE')
        true('BIND' not in ldap.log(), 'nothing was said to a server that is not trusted')


def bearer(s, token, mechanism='OAUTHBEARER', user='alice'):
    message = (f'n,a={user},\1host=localhost\1port=143\1auth=Bearer {token}\1\1' if mechanism == 'OAUTHBEARER'
               else f'user={user}\1auth=Bearer {token}\1\1')
    told = []

    def answer(challenge):
        if not told and not challenge:
            told.append(b'')
            return message.encode()
        told.append(challenge)
        return b'\1' if mechanism == 'OAUTHBEARER' else b''

    c = imaplib.IMAP4('127.0.0.1', s.imap_port)
    c.starttls(ssl.create_default_context(cafile=s.cert))
    try:
        c.authenticate(mechanism, answer)
        c.select()
        c.logout()
        return 'OK'
    except imaplib.IMAP4.error as e:
        c.shutdown()
        return f'{e} {b" ".join(told).decode()}'


@limetta_only
def test_tokens(make):
    with Issuer() as issuer, make(config=issuer.settings(oauth_scope='mail', oauth_configuration='https://id.example/c')) as s:
        c = open_imap(s, is_tls=True)
        contains(b''.join(c.command('CAPABILITY')), b'AUTH=OAUTHBEARER AUTH=XOAUTH2')
        c.close()
        c = open_imap(s, is_tls=False)
        true(b'XOAUTH2' in b''.join(c.command('CAPABILITY')), 'loopback may')
        c.close()
        token = issuer.token('alice')
        for mechanism in ('OAUTHBEARER', 'XOAUTH2'):
            equal(bearer(s, token, mechanism), 'OK', mechanism)
            equal(bearer(s, token, mechanism, 'alice@localhost'), 'OK', mechanism)
            for bad in (issuer.token('bob'), issuer.token('alice', scope='web'), 'x' * 40, 'x' * 3000):
                said = bearer(s, bad, mechanism)
                equal(bearer(s, token, mechanism), 'OK')  # else the next answer would be held back longer
                contains(said, 'AUTHENTICATIONFAILED')
                contains(said, '"scope":"mail"')
        contains(bearer(s, 'x' * 40), '"openid-configuration":"https://id.example/c"')
        contains(bearer(s, issuer.token('nobody'), user='nobody'), 'AUTHENTICATIONFAILED')
        issuer.revoke(token)
        contains(bearer(s, token), 'AUTHENTICATIONFAILED')
        true(token not in s.log(), 'tokens are not logged')
        issuer.shut_down()
        contains(bearer(s, token), 'UNAVAILABLE')
        equal(says(s, 'alice'), 'OK')


@limetta_only
def test_tokens_of_curl(make):
    """Two more clients: curl (OAUTHBEARER by IMAP and submission), Python's smtplib (XOAUTH2)."""
    with Issuer() as issuer, make(config=issuer.settings()) as s:
        token = issuer.token('alice')
        login = ['curl', '-sS', '--cacert', s.cert, '--ssl-reqd', '--user', 'alice:', '--oauth2-bearer', token]
        run([*login, '--login-options', 'AUTH=OAUTHBEARER', '-X', 'STATUS INBOX (MESSAGES)', f'imap://localhost:{s.imap_port}'])
        run([*login, '--login-options', 'AUTH=XOAUTH2', '-T', '-', '--mail-from', 'alice@localhost', '--mail-rcpt', 'alice@localhost',
             f'smtp://localhost:{s.submission_port}'], b'Subject: two\r\n\r\n\r\n')
        c = smtplib.SMTP('127.0.0.1', s.submission_port)
        c.starttls(context=ssl.create_default_context(cafile=s.cert))
        c.ehlo()
        message = base64.b64encode(f'user=alice\1auth=Bearer {token}\1\1'.encode()).decode()
        equal(c.docmd('AUTH', 'XOAUTH2 ' + message)[0], 235)
        c.quit()
        c = open_smtp(s, is_tls=True)
        try:
            c.command('AUTH OAUTHBEARER ' + base64.b64encode(b'n,,\1auth=Bearer no\1\1').decode())
            c.send(b'AQ==\r\n')
            c.reply()
            raise AssertionError('a bad token was taken')
        except No as e:
            contains(str(e), '535')
        c.close()


@limetta_only
def test_settings(make):
    """What cannot work is said before anything starts."""
    with make() as s:
        for settings, word in (({'ldap_url': 'ldapi:///x'}, 'ldap_url'), ({'ldap_url': 'ldap://h'}, '%n'),
                               ({'ldap_url': 'ldap://h', 'ldap_dn': 'uid=x'}, '%n'),
                               ({'oauth_introspection': 'http://id.example.org/'}, 'https'),
                               ({'oauth_introspection': 'https://h/', 'oauth_scope': '"'}, 'quotes'),
                               ({'ldap_url': 'ldap://h', 'ldap_dn': 'uid=%n', 'ldap_ca': '/nowhere'}, '/nowhere')):
            path = s.dir + '/bad.conf'
            with open(path, 'w') as f:
                for key, value in settings.items():
                    f.write('%s = "%s"\n' % (key, value.replace('"', '\\"')))
            r = s.run('serve', '--config', path, '--port-offset', '1', check=False)
            true(r.returncode in (2, 3) and word in r.stderr.decode(), f'{settings}: {r.returncode} {r.stderr.decode()}')
