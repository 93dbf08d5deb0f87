"""What mail clients that need a screen are known to send, step by step as their logs and documents show it: the answers are sane, and
nothing is BAD (M-1). A function each; Trojita is the one that knows most of what RFC 5550 asks for."""
import re

from lib.check import contains, equal, eventually, limetta_only, matches, message, true
from lib.clients import subjects
from lib.servers import PASSWORD
from lib.wire import Imap, context_for, open_imap, open_smtp, plain

BOUNDED = ('MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n')
ATTACHMENT = b'QUJD' * 19 + b'\r\n'


def with_attachment(subject, lines=1000):
    body = ('--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n' + f'Hello from {subject}.\r\n' * 5
            + '--b\r\nContent-Type: image/png; name=p.png\r\nContent-Disposition: attachment; filename=p.png\r\n'
            + 'Content-Transfer-Encoding: base64\r\n\r\n' + ATTACHMENT.decode() * lines + '--b--')
    return message(subject, body, more=BOUNDED)


def seed(s, user='alice'):
    c = open_imap(s, user, PASSWORD)
    for i in range(6):
        c.append('INBOX', with_attachment(f'letter {i}') if i % 2 else message(f'letter {i}'), '(\\Seen)' if i < 3 else '')
    return c


class Client:
    """Says commands, each of which must be OK, and keeps what it heard."""

    def __init__(self, server, is_tls=True):
        self.c = Imap(server.host, server.imap_port)
        self.server = server
        if is_tls:
            self.say('STARTTLS')
            self.c.start_tls(context_for(server.cert))

    def say(self, text):
        return b''.join(self.c.command(text))

    def refused(self, text, word=b' NO '):
        last = self.c.command(text, must_be_ok=False)[-1]
        contains(last, word, text)
        return last

    def idle(self, change, pattern):
        """Idles while another client changes something, until it hears of it."""
        tag = self.c.next_tag()
        self.c.send(tag + b' IDLE\r\n')
        contains(self.c.response(), b'+ ')
        change()
        heard = b''
        while not re.search(pattern, heard, re.S):
            heard += self.c.response()
        self.c.send(b'DONE\r\n')
        return heard + b''.join(self.c.until(tag))

    def literal(self, text, octets):
        """As clients without LITERAL+: they wait for "+"."""
        tag = self.c.next_tag()
        self.c.send(tag + f' {text} {{{len(octets)}}}\r\n'.encode())
        contains(self.c.response(), b'+ ')
        self.c.send(octets + b'\r\n')
        return b''.join(self.c.until(tag))


def uids(answer):
    return matches(answer, rb'\* SEARCH([ \d]*)').group(1).split()


# ---- Thunderbird on a desktop ----

THUNDERBIRD_HEADERS = 'From To Cc Bcc Subject Date Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To'


def thunderbird_login(s):
    c = Client(s)
    contains(c.say('capability'), b'AUTH=PLAIN')
    tag = c.c.next_tag()
    c.c.send(tag + b' authenticate PLAIN ' + plain('alice', PASSWORD).encode() + b'\r\n')
    offered = b''.join(c.c.until(tag)) + c.say('capability')
    true(b'XLIST' not in offered and b'X-GM-EXT' not in offered, 'nothing that is only Google\'s')
    c.say('ID ("name" "Thunderbird" "version" "128.5.0esr")')
    return c


@limetta_only
def test_thunderbird(make):
    """M-1, M-9, X-UTF8-ACCEPT, X-MOVE: account set up, INBOX synchronized, read, moved to the bin, a draft, IDLE, and a second visit."""
    with make() as s:
        other = seed(s)
        c = thunderbird_login(s)
        contains(c.say('ENABLE UTF8=ACCEPT'), b'ENABLED UTF8=ACCEPT')
        matches(c.say('namespace'), rb'\* NAMESPACE \(\("" "/"\)\)')
        listed = c.say('list (subscribed) "" "*" return (special-use)')
        for use in (rb'\\Sent', rb'\\Trash', rb'\\Drafts', rb'\\Archive', rb'\\Junk'):
            matches(listed, rb'\* LIST \([^)]*' + use + rb'\b')
        matches(c.say('list "" "INBOX"'), rb'\* LIST \([^)]*\) "/" "?INBOX"?\r\n')
        c.say('create "Templates"')
        c.say('subscribe "Templates"')
        contains(c.say('lsub "" "*"'), b'Templates')
        c.say('getquotaroot "INBOX"')
        contains(c.say('myrights "INBOX"'), b'MYRIGHTS')
        selected = c.say('select "INBOX" (CONDSTORE)')
        known = matches(selected, rb'HIGHESTMODSEQ (\d+)').group(1).decode()
        equal(len(re.findall(rb'FETCH \(UID \d+ FLAGS', c.say('UID fetch 1:* (FLAGS)'))), 6)
        headers = c.say(f'UID fetch 1:6 (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS ({THUNDERBIRD_HEADERS})])')
        equal(re.findall(rb'Subject: (letter \d)', headers), [b'letter %d' % i for i in range(6)])
        equal(len(re.findall(rb'BODY\[HEADER\.FIELDS \(From To Cc', headers)), 6, 'names as they were asked for')
        # reading: the whole in pieces; the last piece is beyond the end
        octets = with_attachment('letter 3')
        first = c.say('UID fetch 4 (UID RFC822.SIZE BODY.PEEK[]<0.65536>)')
        contains(first, b'RFC822.SIZE %d' % len(octets))
        contains(first, octets[:65536])
        contains(c.say('UID fetch 4 (UID RFC822.SIZE BODY.PEEK[]<65536.98304>)'), octets[65536:])
        contains(c.say('UID fetch 4 (UID RFC822.SIZE BODY.PEEK[]<99614720.65536>)'), b'BODY[]<99614720> {0}')
        contains(c.say('UID fetch 4 (BODYSTRUCTURE)'), b'"attachment" ("filename" "p.png")')
        contains(c.say('UID fetch 4 (BODY.PEEK[1.MIME] BODY.PEEK[1])'), b'Hello from letter 3.')
        contains(c.say('uid store 4 +FLAGS (\\Seen)'), b'\\Seen')
        c.say('uid store 5 +FLAGS (NonJunk $label1)')
        equal(uids(c.say('UID SEARCH UNDELETED KEYWORD $label1')), [b'5'])
        equal(uids(c.say('UID SEARCH SINCE 1-Jan-2020 UNDELETED SUBJECT "letter 1"')), [b'2'])
        equal(uids(c.say('UID SEARCH UNDELETED (OR SUBJECT "letter 0" FROM "nobody")')), [b'1'])
        matches(c.say('uid move 6 "Trash"'), rb'COPYUID \d+ 6 1\]')
        # a draft with a literal; the server's UID shows where it is
        draft = message('a draft', more='X-Mozilla-Draft-Info: internal/draft; vcard=0; receipt=0\r\n')
        matches(c.literal('append "Drafts" (\\Seen \\Draft)', draft), rb'APPENDUID \d+ 1\]')
        # a name in UTF-8, as UTF8=ACCEPT wants it
        c.say('create "Größe & Maß"')
        contains(c.say('list "" "Größe*"'), 'Größe & Maß'.encode())
        heard = c.idle(lambda: other.append('INBOX', message('while idle')), rb'\* 6 EXISTS')
        contains(heard, b'OK IDLE')
        c.say('noop')
        contains(c.say('UID fetch 7 (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (Subject)])'), b'while idle')
        c.say('uid store 1 +FLAGS (\\Deleted)')
        contains(c.say('expunge'), b'* 1 EXPUNGE')
        matches(c.say('STATUS "Trash" (UIDNEXT MESSAGES UNSEEN RECENT)'), rb'MESSAGES 1 RECENT 1 UIDNEXT 2 UNSEEN 1')
        c.say('close')
        c.say('logout')
        # The next visit asks only for what changed, and counts to see what is gone.
        c = thunderbird_login(s)
        contains(c.say('select "INBOX" (CONDSTORE)'), b'* 5 EXISTS')
        changed = c.say(f'UID fetch 1:* (FLAGS) (CHANGEDSINCE {known})')
        equal(re.findall(rb'UID (\d+)', changed), [b'4', b'5', b'7'])
        contains(c.say('UID fetch 8:* (FLAGS)'), b'UID 7 ')
        equal(uids(c.say('UID SEARCH 1:*')), [b'2', b'3', b'4', b'5', b'7'])
        c.say('logout')
        other.close()


# ---- Apple Mail ----

APPLE_HEADERS = ('date subject from to cc message-id in-reply-to references content-type x-priority x-uniform-type-identifier '
                 'x-universally-unique-identifier list-id list-unsubscribe bimi-indicator')


@limetta_only
def test_apple_mail(make):
    """M-1, M-9, X-SPECIAL-USE, X-LIST-STATUS: two connections, names in modified UTF-7, fields in lower case, parts in ranges, ESEARCH, QRESYNC."""
    with make() as s:
        other = seed(s)
        c = Client(s)
        c.say('CAPABILITY')
        tag = c.c.next_tag()
        c.c.send(tag + b' AUTHENTICATE PLAIN\r\n')
        contains(c.c.response(), b'+')
        c.c.send(plain('alice', PASSWORD).encode() + b'\r\n')
        c.c.until(tag)
        c.say('CAPABILITY')
        c.say('ID ("name" "Mac OS X Mail" "version" "16.0 (3774.200.91.1.1)" "os" "Mac OS X" "os-version" "14.2 (23C64)" "vendor" "Apple Inc.")')
        c.say('ENABLE CONDSTORE')
        c.say('NAMESPACE')
        plain_list = c.say('LIST "" "*"')
        for name in (b'INBOX', b'Sent', b'Drafts', b'Trash', b'Junk', b'Archive'):
            matches(plain_list, rb'\* LIST \([^)]*\) "/" "?' + name + rb'"?\r\n')
        equal(len(re.findall(rb'\* LIST', c.say('LIST (SPECIAL-USE) "" "*"'))), 5)
        matches(c.say('LIST "" "%" RETURN (SPECIAL-USE SUBSCRIBED STATUS (MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ))'),
                rb'\* STATUS "?INBOX"? \(MESSAGES 6 UIDNEXT 7 UIDVALIDITY \d+ UNSEEN 3 HIGHESTMODSEQ \d+\)')
        c.say('CREATE "Sicherungen/Gr&APYA3w-e"')
        contains(c.say('LIST "" "Sicherungen/%"'), b'Gr&APYA3w-e')
        c.say('CREATE "Sicherungen/&ZeVnLIqe-"')
        c.say('SUBSCRIBE "Sicherungen/Gr&APYA3w-e"')
        contains(c.say('LSUB "" "*"'), b'Sicherungen/Gr&APYA3w-e')
        c.say('RENAME "Sicherungen/Gr&APYA3w-e" "Sicherungen/Ma&AN8-e"')
        c.say('STATUS "Sicherungen/Ma&AN8-e" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ)')
        selected = c.say('SELECT INBOX (CONDSTORE)')
        modseq = matches(selected, rb'HIGHESTMODSEQ (\d+)').group(1).decode()
        contains(c.say('UID SEARCH RETURN (ALL) 1:* NOT DELETED'), b'UID ALL 1:6')
        matches(c.say('UID SEARCH RETURN (MIN MAX COUNT) UNSEEN'), rb'ESEARCH \(TAG "?[^")]*"?\) UID MIN 4 MAX 6 COUNT 3')
        headers = c.say(f'UID FETCH 1:6 (INTERNALDATE UID RFC822.SIZE FLAGS MODSEQ BODY.PEEK[HEADER.FIELDS ({APPLE_HEADERS})])')
        equal(headers.count(f'BODY[HEADER.FIELDS ({APPLE_HEADERS})]'.encode()), 6, 'Apple Mail looks for the field names as it wrote them')
        contains(c.say('UID FETCH 2 (BODYSTRUCTURE BODY.PEEK[HEADER])'), b'"image" "png"')
        got = c.say('UID FETCH 2 (BODY.PEEK[1]<0.16> BODY.PEEK[2]<100.200>)')
        contains(got, b'BODY[1]<0> {16}\r\nHello from lette')
        contains(got, b'BODY[2]<100> {200}\r\n' + (ATTACHMENT * 10)[100:300])
        octets = with_attachment('letter 1')
        contains(c.say('UID FETCH 2 BODY.PEEK[]<0.32768>'), octets[:32768])
        c.say('UID STORE 4:5 +FLAGS.SILENT (\\Seen $NotJunk)')
        c.say('UID STORE 5 FLAGS (\\Flagged $MailFlagBit0)')
        contains(c.say(f'UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE {modseq})'), b'$MailFlagBit0')
        matches(c.say('UID COPY 1 "Archive"'), rb'COPYUID \d+ 1 1\]')
        c.say('UID STORE 1 +FLAGS.SILENT (\\Deleted)')
        contains(c.say('UID EXPUNGE 1'), b'* 1 EXPUNGE')
        matches(c.say('UID MOVE 2 "Sicherungen/&ZeVnLIqe-"'), rb'COPYUID \d+ 2 1\]')
        matches(c.literal('APPEND "Sent" (\\Seen) "21-Nov-2026 10:00:00 +0100"', message('sent')), rb'APPENDUID \d+ 1\]')
        contains(c.idle(lambda: other.append('INBOX', message('more')), rb'\* 5 EXISTS'), b'OK')
        c.say('CHECK')
        c.say('GETQUOTAROOT INBOX')
        c.say('LOGOUT')
        # iOS: QRESYNC when it comes back
        c = Client(s)
        c.c.login('alice', PASSWORD)
        c.say('ENABLE QRESYNC')
        validity = matches(selected, rb'UIDVALIDITY (\d+)').group(1).decode()
        again = c.say(f'SELECT INBOX (QRESYNC ({validity} {modseq}))')
        contains(again, b'VANISHED (EARLIER) 1:2')
        equal(re.findall(rb'FETCH \(UID (\d+)', again), [b'4', b'5', b'7'])
        c.say('LOGOUT')
        other.close()


# ---- K-9 Mail, Thunderbird for Android ----

@limetta_only
def test_thunderbird_android(make):
    """M-1, M-7: compressed, EXAMINE and SELECT in turn, searches by range and date, structure first, text parts in ranges, IDLE refreshed."""
    with make() as s:
        other = seed(s)
        c = Client(s)
        contains(c.say('CAPABILITY'), b'SASL-IR')
        c.c.login('alice', PASSWORD)
        c.say('COMPRESS DEFLATE')
        c.c.start_deflate()
        c.say('ID ("name" "K-9 Mail" "version" "8.1")')
        c.say('NAMESPACE')
        equal(len(re.findall(rb'\* LIST', c.say('LIST (SUBSCRIBED) "" "*" RETURN (SPECIAL-USE)'))), 6)
        matches(c.say('LIST "" "*" RETURN (SPECIAL-USE)'), rb'\\Sent\b')
        c.say('SELECT "INBOX"')
        equal(uids(c.say('UID SEARCH 1:* NOT DELETED')), [b'%d' % i for i in range(1, 7)])
        equal(uids(c.say('UID SEARCH 3:6 SINCE 01-Jan-2020 NOT DELETED')), [b'3', b'4', b'5', b'6'])
        equal(uids(c.say('UID SEARCH UID 99:* SEEN')), [], '99:* names the last, which is not seen')
        equal(uids(c.say('UID SEARCH UID 6:*')), [b'6'])
        got = c.say('UID FETCH 6,5,4 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS '
                    '(date subject from content-type to cc reply-to message-id references in-reply-to list-unsubscribe sender x-k9mail-identity '
                    'chat-version disposition-notification-to)])')
        equal(len(re.findall(rb'\* \d FETCH', got)), 3)
        contains(c.say('UID FETCH 2 (UID BODYSTRUCTURE)'), b'("image" "png" ("name" "p.png")')
        contains(c.say('UID FETCH 2 (UID BODY.PEEK[1]<0.32768>)'), b'Hello from letter 1.')
        contains(c.say('UID FETCH 2 (UID BODY.PEEK[1.MIME])'), b'charset=utf-8')
        contains(c.say('UID FETCH 2 (UID BODY.PEEK[2])'), ATTACHMENT * 999)
        contains(c.say('UID FETCH 1 (UID BODY.PEEK[]<0.32768>)'), b'Subject: letter 0')
        c.say('UID FETCH 1:6 (UID FLAGS)')
        c.say('UID STORE 5 +FLAGS.SILENT (\\Seen)')
        c.say('UID STORE 5 -FLAGS.SILENT (\\Flagged)')
        equal(uids(c.say('UID SEARCH OR TEXT "letter 4" SUBJECT "nothing"')), [b'5'])
        tag = c.c.next_tag()
        c.c.send(tag + b' UID SEARCH CHARSET UTF-8 TEXT {7}\r\n')
        contains(c.c.response(), b'+')
        c.c.send('Größe'.encode() + b'\r\n')
        c.c.until(tag)
        equal(uids(c.say('UID SEARCH HEADER MESSAGE-ID "<letter.2@test.example>"')), [b'3'])
        matches(c.say('UID MOVE 6 "Trash"'), rb'COPYUID \d+ 6 1\]')
        c.say('UID STORE 1 +FLAGS.SILENT (\\Deleted)')
        c.say('UID EXPUNGE 1')
        c.say('EXAMINE "Trash"')
        equal(uids(c.say('UID SEARCH 1:* NOT DELETED')), [b'1'])
        c.say('SELECT "Sent"')
        equal(uids(c.say('UID SEARCH 1:* NOT DELETED')), [], 'an empty mailbox')
        c.refused('SELECT "Nowhere"')
        c.say('SELECT "INBOX"')
        for i in range(2):
            contains(c.idle(lambda i=i: other.append('INBOX', message(f'pushed {i}')), rb'\* %d EXISTS' % (5 + i)), b'OK IDLE')
            equal(uids(c.say(f'UID SEARCH UID {7 + i}:*')), [b'%d' % (7 + i)])
        c.say('CLOSE')
        c.say('LOGOUT')
        true(c.c.on_wire.received < c.c.inside.received / 3, 'it was compressed')
        other.close()


# ---- Outlook ----

@limetta_only
def test_outlook(make):
    """M-1: LOGIN with quoted strings, LSUB, whole messages by RFC822.PEEK, flags and EXPUNGE without UIDPLUS, COPY as its way to move."""
    with make() as s:
        other = seed(s)
        c = Client(s)
        c.say('CAPABILITY')
        contains(c.say(f'LOGIN "alice" "{PASSWORD}"'), b'OK')
        c.say('CAPABILITY')
        c.say('ID ("name" "Microsoft Outlook" "version" "16.0")')
        c.say('NAMESPACE')
        matches(c.say('LIST "" ""'), rb'\* LIST \(\\Noselect\) "/" ""')
        equal(len(re.findall(rb'\* LIST', c.say('LIST "" "%"'))), 6)
        equal(len(re.findall(rb'\* LSUB', c.say('LSUB "" "*"'))), 6)
        c.say('LIST "" "INBOX/%"')
        c.say('LIST "" "*" RETURN (SPECIAL-USE)')
        c.say('CREATE "Deleted Items"')
        c.say('SUBSCRIBE "Deleted Items"')
        contains(c.say('STATUS "INBOX" (UNSEEN MESSAGES RECENT UIDNEXT UIDVALIDITY)'), b'MESSAGES 6')
        contains(c.say('SELECT "INBOX"'), b'* 6 EXISTS')
        equal(len(re.findall(rb'UID \d+', c.say('UID FETCH 1:* (UID FLAGS)'))), 6)
        got = c.say('FETCH 1:6 (UID FLAGS RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER.FIELDS (Subject From To Date X-MSMail-Priority Importance)])')
        equal(len(re.findall(rb'Subject: letter', got)), 6)
        contains(c.say('UID FETCH 2 (UID FLAGS RFC822.SIZE BODY.PEEK[HEADER] INTERNALDATE)'), b'Subject: letter 1')
        whole = c.say('UID fetch 5 (UID RFC822.SIZE RFC822.peek)')
        contains(whole, b' RFC822 {%d}\r\n' % len(message('letter 4')) + message('letter 4'))
        contains(c.say('UID FETCH 5 (BODY.PEEK[] UID)'), message('letter 4'))
        contains(c.say('FETCH 2 BODY'), b'"mixed"')
        contains(c.say('FETCH 2 FULL'), b'ENVELOPE')
        true(b'\\Seen' not in c.say('UID FETCH 5 FLAGS'), 'nothing of this was reading')
        contains(c.say('UID STORE 5 +FLAGS (\\Seen)'), b'\\Seen')
        c.say('UID STORE 5 -FLAGS (\\Seen)')
        c.say('UID COPY 4:5 "Deleted Items"')
        c.say('UID STORE 4:5 +FLAGS (\\Deleted \\Seen)')
        equal(re.findall(rb'\* (\d+) EXPUNGE', c.say('EXPUNGE')), [b'4', b'4'])
        matches(c.literal('APPEND "Sent" (\\Seen) " 1-Nov-2026 09:00:00 +0000"', message('sent by it')), rb'APPENDUID')
        contains(c.idle(lambda: other.append('INBOX', message('new')), rb'\* 5 EXISTS'), b'OK')
        contains(c.say('UID FETCH 6:* (UID FLAGS)'), b'UID 7')
        c.say('NOOP')
        equal(uids(c.say('UID SEARCH UNSEEN UNDELETED')), [b'6', b'7'])
        c.say('CHECK')
        c.say('CLOSE')
        c.say('LOGOUT')
        other.close()


# ---- Trojita ----

@limetta_only
def test_trojita(make):
    """M-3, M-5, M-7, M-10, M-12, M-24, M-26, S-5, X-LIST-STATUS, X-THREAD: LIST-STATUS, QRESYNC with live sort and search, threads, parts by BINARY;
    an answer built by CATENATE, signed by GENURLAUTH and sent by BURL."""
    with make() as s:
        other = seed(s)
        other.append('INBOX', message('Re: letter 0', more='References: <letter.0@test.example>\r\n'))
        c = Client(s)
        offered = b''.join(c.c.login('alice', PASSWORD))
        offered += c.say('CAPABILITY')
        for word in (b'CATENATE', b'URLAUTH', b'ESORT', b'CONTEXT=SORT', b'CONTEXT=SEARCH', b'THREAD=REFS', b'LIST-STATUS', b'QRESYNC', b'ENABLE'):
            contains(offered, word)
        true(b'INTHREAD' not in offered, 'INTHREAD is not offered, so Trojita threads with REFS')
        c.say('COMPRESS DEFLATE')
        c.c.start_deflate()
        c.say('ID ("name" "Trojita" "version" "0.7" "os" "Linux")')
        contains(c.say('ENABLE QRESYNC'), b'ENABLED')
        c.say('NAMESPACE')
        matches(c.say('LIST "" "%" RETURN (SUBSCRIBED CHILDREN STATUS (MESSAGES UNSEEN RECENT))'),
                rb'\* STATUS "?INBOX"? \(MESSAGES 7 RECENT 7 UNSEEN 4\)')
        selected = c.say('SELECT INBOX (QRESYNC (1 1))')
        contains(selected, b'* 7 EXISTS')
        contains(c.say('UID SEARCH RETURN (ALL) ALL'), b'ALL 1:7')
        contains(c.say('FETCH 1:7 (FLAGS)'), b'* 7 FETCH')
        contains(c.say('UID THREAD REFS utf-8 ALL'), b'(1 7)')
        c.refused('UID THREAD RETURN (THREAD) REFS utf-8 INTHREAD REFS NEW', b' BAD ')
        live = c.say('UID SORT RETURN (ALL UPDATE) (REVERSE ARRIVAL) utf-8 UNSEEN')
        matches(live, rb'ESEARCH \(TAG "?[^")]*"?\) UID ALL [\d,:]+')
        sort_tag = b'a%d' % c.c.tag
        c.say('UID SEARCH RETURN (ALL UPDATE) CHARSET utf-8 SUBJECT pushed')
        search_tag = b'a%d' % c.c.tag
        heard = c.idle(lambda: other.append('INBOX', message('pushed')), rb'(ADDTO.*){2}')
        for tag in (sort_tag, search_tag):
            matches(heard, rb'ESEARCH \(TAG "?' + tag + rb'"?\) UID ADDTO \(\d+ 8\)')
        c.say(f'CANCELUPDATE "{sort_tag.decode()}" "{search_tag.decode()}"')
        got = c.say('UID FETCH 1:8 (FLAGS ENVELOPE INTERNALDATE RFC822.SIZE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (References List-Post)])')
        equal(len(re.findall(rb'ENVELOPE', got)), 8)
        contains(c.say('UID FETCH 2 (BINARY.PEEK[2])'), b'ABC' * 57)
        matches(c.say('UID FETCH 2 (BINARY.SIZE[2])'), rb'BINARY\.SIZE\[2\] 57000')
        c.say('UID STORE 2 +FLAGS (\\Seen)')
        # An answer with the attachment of another message, which never leaves the server.
        head = message('forwarded', more=BOUNDED)[:-len(b'Hello.\r\n')] + b'--b\r\n\r\nSee below.\r\n--b\r\n'
        validity = matches(selected, rb'UIDVALIDITY (\d+)').group(1).decode()
        source = f'/INBOX;UIDVALIDITY={validity}/;UID=2/;SECTION=2'
        tail = b'\r\n--b--\r\n'
        tag = c.c.next_tag()
        c.c.send(tag + b' APPEND Sent (\\Seen $SubmitPending) CATENATE (TEXT {%d+}\r\n' % len(head) + head + f' URL "{source}.MIME" URL "{source}"'.encode()
                 + b' TEXT {%d+}\r\n' % len(tail) + tail + b')\r\n')
        where = matches(b''.join(c.c.until(tag)), rb'APPENDUID (\d+) (\d+)\]')
        rump = (f'imap://alice@{s.host}:{s.imap_port}/Sent;UIDVALIDITY={where.group(1).decode()}/;UID={where.group(2).decode()}'
                ';URLAUTH=submit+alice')
        url = matches(c.say(f'GENURLAUTH "{rump}" INTERNAL'), rb'GENURLAUTH "?([^"\r\n]+)').group(1).decode()
        smtp = open_smtp(s, 'alice', PASSWORD, is_tls=True)
        smtp.command('MAIL FROM:<alice@localhost>')
        smtp.command('RCPT TO:<bob@localhost>')
        smtp.command(f'BURL {url} LAST')
        smtp.close()
        eventually(lambda: subjects(s, 'bob') == ['forwarded'], 'bob has it')
        bob = open_imap(s, 'bob', PASSWORD)
        bob.command('EXAMINE INBOX')
        contains(b''.join(bob.command('FETCH 1 BODY.PEEK[2]')), ATTACHMENT * 999)
        contains(b''.join(bob.command('FETCH 1 BODY.PEEK[2.MIME]')), b'p.png')
        bob.close()
        c.say('SELECT Sent')
        c.say(f'UID STORE {where.group(2).decode()} -FLAGS ($SubmitPending)')
        c.say(f'UID STORE {where.group(2).decode()} +FLAGS ($Submitted)')
        c.say('UNSELECT')
        c.say('LOGOUT')
        other.close()


# ---- more of what runs on phones ----

@limetta_only
def test_delta_chat(make):
    """M-1, M-7, M-9, X-METADATA, X-MOVE: a chat over mail: metadata of the server and a token of the device, prefetch by UID, MOVE, IDLE."""
    with make() as s:
        other = seed(s)
        c = Client(s)
        c.c.login('alice', PASSWORD)
        c.say('CAPABILITY')
        c.say('COMPRESS DEFLATE')
        c.c.start_deflate()
        c.say('ID ("name" "Delta Chat")')
        c.say('GETMETADATA "" (/shared/comment /shared/admin /shared/vendor/deltachat/irohrelay)')
        c.say('SETMETADATA "INBOX" (/private/devicetoken "fcm-chat.delta:token")')
        contains(c.say('GETMETADATA "INBOX" (/private/devicetoken)'), b'/private/devicetoken "fcm-chat.delta:token"')
        contains(c.say('SELECT "INBOX" (CONDSTORE)'), b'HIGHESTMODSEQ')
        c.say('CREATE "DeltaChat"')
        c.say('SUBSCRIBE "DeltaChat"')
        c.say('LIST "" "*"')
        c.say('GETQUOTAROOT "INBOX"')
        got = c.say('UID FETCH 1:* (UID INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE X-MICROSOFT-ORIGINAL-MESSAGE-ID '
                    'FROM CHAT-VERSION IN-REPLY-TO REFERENCES AUTO-SUBMITTED AUTOCRYPT-SETUP-MESSAGE)])')
        equal(len(re.findall(rb'RFC822\.SIZE \d+ BODY\[HEADER', got)), 6)
        equal(c.say('UID FETCH 2,4,6 (FLAGS BODY.PEEK[])').count(b'filename=p.png'), 3)
        c.say('UID STORE 4:6 +FLAGS (\\Seen)')
        c.say('UID STORE 6 +FLAGS ($MDNSent)')
        matches(c.say('UID MOVE 4:6 "DeltaChat"'), rb'COPYUID \d+ 4:6 1:3\]')
        contains(c.idle(lambda: other.append('INBOX', message('chat')), rb'\* 4 EXISTS'), b'OK')
        contains(c.say('UID FETCH 7:* (UID FLAGS)'), b'UID 7 ')
        c.say('UID STORE 7 +FLAGS (\\Deleted)')
        c.say('CLOSE')
        contains(c.say('STATUS "INBOX" (UIDNEXT UIDVALIDITY HIGHESTMODSEQ)'), b'UIDNEXT 8')
        c.say('LOGOUT')
        other.close()


@limetta_only
def test_jakarta_mail(make):
    """M-1: FairEmail and other programs in Java fetch by message numbers, EXAMINE for a look, and append with a literal that waits."""
    with make() as s:
        other = seed(s)
        c = Client(s)
        c.say('CAPABILITY')
        c.c.login('alice', PASSWORD)
        c.say('CAPABILITY')
        c.say('ID ("name" "FairEmail" "version" "1.2200" "os" "Android")')
        c.say('NAMESPACE')
        c.say('LIST "" "%"')
        c.say('LIST "" INBOX')
        c.say('EXAMINE INBOX')
        c.say('FETCH 1:6 (UID FLAGS)')
        equal(len(re.findall(rb'ENVELOPE', c.say('FETCH 1:6 (ENVELOPE INTERNALDATE RFC822.SIZE FLAGS BODYSTRUCTURE UID)'))), 6)
        contains(c.say('FETCH 2 (BODY.PEEK[HEADER])'), b'Subject: letter 1')
        contains(c.say('FETCH 2 (BODY.PEEK[1.MIME])'), b'charset=utf-8')
        got = b''
        while len(got) < 77998:  # in pieces, as it reads a stream
            more = matches(c.say(f'FETCH 2 (BODY.PEEK[2]<{len(got)}.16384>)'), rb'BODY\[2\]<\d+> \{(\d+)\}\r\n')
            got += more.string[more.end():more.end() + int(more.group(1))]
        equal(got + b'\r\n', ATTACHMENT * 1000)
        c.refused('STORE 1 +FLAGS (\\Seen)')
        c.say('SELECT INBOX')
        equal(c.say('SEARCH 1:99999 NOT DELETED').split(b'\r\n')[0], b'* SEARCH 1 2 3 4 5 6')
        equal(c.say('SEARCH OR SUBJECT "letter 1" FROM "nobody" UNDELETED').split(b'\r\n')[0], b'* SEARCH 2')
        equal(c.say('SEARCH HEADER Message-ID <letter.3@test.example> ALL').split(b'\r\n')[0], b'* SEARCH 4')
        contains(c.say('FETCH 2:3,6 (FLAGS)'), b'* 6 FETCH')
        c.say('STORE 4,6 +FLAGS (\\Seen \\Answered)')
        c.say('UID FETCH 3:* (UID)')
        contains(c.literal('APPEND Drafts (\\Draft) "21-Nov-2026 12:00:00 +0100"', message('draft')), b'APPENDUID')
        c.say('COPY 1 Archive')
        c.say('STORE 1 +FLAGS (\\Deleted)')
        equal(c.say('EXPUNGE').split(b'\r\n')[0], b'* 1 EXPUNGE')
        contains(c.idle(lambda: other.command('SELECT INBOX') and other.command('UID STORE 2 +FLAGS (\\Deleted)')
                        and other.command('EXPUNGE'), rb'\* 1 EXPUNGE'), b'OK')
        contains(c.say('NOOP'), b'OK')
        c.say('STATUS Drafts (MESSAGES UNSEEN RECENT UIDNEXT UIDVALIDITY)')
        c.say('CLOSE')
        c.say('LOGOUT')
        other.close()
