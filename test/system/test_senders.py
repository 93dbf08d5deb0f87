"""Who may send as whom: own addresses, details, aliases, what the operator gives (X-SENDERS, S-18)."""
from lib.check import contains, equal, eventually, limetta_only, true
from lib.servers import PASSWORD
from lib.wire import No, open_imap, open_smtp


def mail_from(c, address):
    """The reply's code and enhanced code; no transaction stays."""
    c.command('RSET')
    try:
        return ' '.join(str(line) for line in c.command(f'MAIL FROM:<{address}>'))
    except No as e:
        return str(e)


@limetta_only
def test_return_path(make):
    with make(config={'domains': 'localhost two.example', 'sender_any': 'bob'}) as s:
        s.run('alias', 'add', 'info', 'alice', '--config', s.config)
        s.run('sender', 'add', 'alice', 'me@elsewhere.example')
        c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
        for address in ('alice@localhost', 'alice@two.example', 'Alice+x@localhost', 'info@two.example', 'me@elsewhere.example',
                        'alice', ''):
            contains(mail_from(c, address), '250', address)
        for address in ('bob@localhost', 'nobody@localhost', 'you@elsewhere.example', 'alice@elsewhere.example'):
            contains(mail_from(c, address), f'550 5.7.1 {address} is not an address of yours')
        s.run('sender', 'remove', 'alice', 'me@elsewhere.example')  # counts at once
        contains(mail_from(c, 'me@elsewhere.example'), '550 5.7.1')
        c.close()
        c = open_smtp(s, 'bob', PASSWORD, is_tls=True)
        contains(mail_from(c, 'anybody@anywhere.example'), '250')
        c.close()


def submit(s, header):
    c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
    c.command('MAIL FROM:<alice@localhost>')
    c.command('RCPT TO:<bob@localhost>')
    c.command('DATA')
    c.send(header + b'\r\nHello\r\n.\r\n')
    try:
        c.reply()
        return True
    except No as e:
        contains(str(e), '550')
        return False
    finally:
        c.close()


def inbox(s):
    c = open_imap(s, 'bob', PASSWORD)
    is_empty = b'* 0 EXISTS' in b''.join(c.command('EXAMINE INBOX'))
    got = b'' if is_empty else b''.join(c.command('FETCH 1:* BODY.PEEK[HEADER]'))
    c.close()
    return got


@limetta_only
def test_from(make):
    """By default Sender says who really sends; with sender_check = from such mail is refused."""
    with make() as s:
        equal(submit(s, b'From: boss@localhost\r\nSubject: x\r\n'), True)
        eventually(lambda: b'Subject: x' in inbox(s), 'delivered')
        contains(inbox(s), b'\r\nSender: alice@localhost\r\n')
    with make(config={'sender_check': 'from'}) as s:
        equal(submit(s, b'From: boss@localhost\r\nSubject: x\r\n'), False)
        equal(submit(s, b'From: Alice <alice+y@localhost>\r\nSubject: y\r\n'), True)
        eventually(lambda: b'Subject: y' in inbox(s), 'delivered')
        true(b'Sender: ' not in inbox(s), 'no Sender')
