"""What the servers say they can do is what docs/conformance.md says is done: nothing more, nothing less."""
import os
import re

from lib.check import contains, equal, limetta_only, matches, true
from lib.servers import PASSWORD, TOP
from lib.sieve import Sieve, capabilities, open_sieve
from lib.wire import Imap, context_for, open_smtp, plain

# By the number of the row.
IMAP = {
    1: ['IMAP4rev1'], 3: ['BINARY'], 5: ['CATENATE'], 6: ['URL-PARTIAL'], 7: ['COMPRESS=DEFLATE'],
    9: ['CONDSTORE'], 10: ['QRESYNC'], 11: ['ENABLE'], 12: ['CONTEXT=SEARCH', 'CONTEXT=SORT', 'ESORT'],
    13: ['ESEARCH'], 14: ['SORT'], 15: ['CONVERT'], 16: ['I18NLEVEL=1'], 17: ['IDLE'], 18: ['LITERAL+'],
    19: ['NAMESPACE'], 20: ['NOTIFY'], 21: ['SASL-IR'], 23: ['UIDPLUS'], 24: ['URLAUTH'],
    27: ['FILTERS', 'METADATA-SERVER'], 28: ['URLFETCH=BINARY'],
}
EXTENSIONS = {
    'IMAP4REV2': ['IMAP4rev2'], 'STATUS-SIZE': ['STATUS=SIZE'], 'UTF8-ACCEPT': ['UTF8=ACCEPT'], 'FUZZY': ['SEARCH=FUZZY'],
    'SORT-DISPLAY': ['SORT=DISPLAY'], 'THREAD': ['THREAD=ORDEREDSUBJECT', 'THREAD=REFERENCES', 'THREAD=REFS'],
    'QUOTA': ['QUOTA', 'QUOTASET', 'QUOTA=RES-STORAGE', 'QUOTA=RES-MESSAGE', 'QUOTA=RES-MAILBOX'],
    'LMTP': [], 'ALIASES': [], 'SENDERS': [], 'LOOPS': [], 'DUPLICATES': [], 'QUEUE': [], 'OUTBOX': [],
    'FULLTEXT': [], 'NEXT-HOP': [], 'DANE': [], 'MTA-STS': [], 'STREAM': [], 'RESYNC': [], 'BURL-HOSTS': [],
    'OAUTH': [], 'LDAP': [],
}
# MD-9: what ManageSieve's SIEVE has to list.
SIEVE = {
    1: ['fileinto', 'envelope', 'encoded-character'], 2: ['enotify'], 3: ['imap4flags'], 4: ['relational'], 5: ['vacation'],
    6: ['variables'], 7: ['comparator-i;unicode-casemap'],
}
SUBMISSION_EXTENSIONS = ('DELIVERBY', 'FUTURERELEASE', 'LIMITS', 'MT-PRIORITY', 'REQUIRETLS', 'SMTPUTF8')
SUBMISSION = {
    2: ['8BITMIME'], 4: ['BINARYMIME'], 5: ['BURL'], 6: ['CHUNKING'], 7: ['DSN'],
    8: ['ENHANCEDSTATUSCODES'], 9: ['PIPELINING'], 10: ['SIZE'],
}


def states():
    with open(os.path.join(TOP, 'docs', 'conformance.md')) as f:
        return dict(re.findall(r'^\| ((?:M|S|MD)-\d+|X-[A-Z0-9-]+) \|[^|]*\| ([^|]*) \|', f.read(), re.M))


def compare(advertised, kind, table, what):
    """A capability may have a value (APPENDLIMIT=...)."""
    state = states()
    names = {word.split('=')[0] for word in advertised} | set(advertised)
    for number, tokens in table.items():
        row = f'{kind}-{number}'
        for token in tokens:
            equal(token in names, state[row] == 'done', f'{what}: {token}, and {row} is {state[row]!r}')


def extensions():
    """An X- row is about the capability of its name, unless the table above says more."""
    names = [row[2:] for row in states() if row.startswith('X-') and row[2:] not in SUBMISSION_EXTENSIONS and row[:8] != 'X-SIEVE-']
    return {name: EXTENSIONS.get(name, [name]) for name in names}


@limetta_only
def test_imap_capabilities(make):
    """M-2, M-6, M-22: greeting, login and CAPABILITY agree, and LITERAL- and STARTTLS stay away where they must."""
    with make() as s:
        c = Imap(s.host, s.imap_port)
        before = matches(c.greeting, rb'^\* OK \[CAPABILITY ([^\]]*)\]').group(1).split()
        equal(c.command('CAPABILITY')[0].split()[2:], before)
        true(b'STARTTLS' in before and b'IMAP4rev1' in before, before)
        c.command('STARTTLS')
        c.start_tls(context_for(s.cert))
        true(b'STARTTLS' not in c.command('CAPABILITY')[0].split(), 'no STARTTLS inside TLS')
        answer = c.command(f'AUTHENTICATE PLAIN {plain("alice", PASSWORD)}')[-1]
        after = matches(answer, rb' OK \[CAPABILITY ([^\]]*)\]').group(1).decode().split()
        equal(c.command('CAPABILITY')[0].decode().split()[2:], after)
        true('LITERAL-' not in after, after)
        compare(after, 'M', IMAP, 'CAPABILITY')
        compare(after, 'X', extensions(), 'CAPABILITY')
        c.close()


@limetta_only
def test_submission_extensions(make):
    """S-1, S-3, S-5, S-12: the list before and after TLS and AUTH; BURL names IMAP."""
    with make() as s:
        c = open_smtp(s)
        words = [l[4:].split() for l in c.command('EHLO phone.example')[1:]]
        true(['STARTTLS'] in words, words)
        compare([w[0] for w in words], 'S', SUBMISSION, 'EHLO before TLS')
        true('REQUIRETLS' not in [w[0] for w in words], 'X-REQUIRETLS: only inside TLS (RFC 8689, 2)')
        true('XHELD' not in [w[0] for w in words], 'held mail is for those who logged in')
        c.close()
        c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
        words = [l[4:].split() for l in c.command('EHLO phone.example')[1:]]
        true(['STARTTLS'] not in words and not any(w[0] == 'AUTH' for w in words), words)
        contains([w for w in words if w[0] == 'BURL'][0], 'imap')
        compare([w[0] for w in words], 'S', SUBMISSION, 'EHLO after AUTH')
        compare([w[0] for w in words], 'X', {name: [name] for name in SUBMISSION_EXTENSIONS}, 'EHLO after AUTH')
        true(not {'ETRN', 'ATRN', 'NO-SOLICITING'} & {w[0] for w in words}, words)
        c.close()


# X-SIEVE- rows about what has no word.
WORDLESS = ('X-SIEVE-OUTBOX',)


def sieve_extensions():
    """An X-SIEVE- row is about the word of its name; "comparator-i;" is left out there."""
    return {row[8:]: row[8:].lower() for row in states() if row.startswith('X-SIEVE-') and row not in WORDLESS}


@limetta_only
def test_sieve_extensions(make):
    """MD-8, MD-9: SIEVE lists each extension whose row is done, and none else; NOTIFY the methods; before login and after it."""
    with make() as s:
        c = Sieve(s.host, s.sieve_port)
        found = capabilities(c.greeting)
        words = found['SIEVE'].split()
        c.close()
        equal(len(set(words)), len(words), words)
        compare(words, 'MD', SIEVE, 'SIEVE')
        state = states()
        equal(state['MD-8'], 'done')
        equal(state['MD-9'], 'done')
        names = {w.removeprefix('comparator-i;') for w in words}
        for row, word in sieve_extensions().items():
            equal(word in names, state['X-SIEVE-' + row] == 'done', f'SIEVE: {word}')
        proven = {t for tokens in SIEVE.values() for t in tokens} | {w for w in words if w.removeprefix('comparator-i;') in sieve_extensions().values()}
        equal(set(words) - proven, set(), 'words without a row that is done')
        equal(found['NOTIFY'], 'mailto')
        c = open_sieve(s)
        equal(capabilities(c.command('CAPABILITY'))['SIEVE'].split(), words)
        c.put('all', 'require [' + ', '.join(f'"{w}"' for w in words) + ']; keep;')  # each may be required
        contains(c.put('more', 'require "regex"; keep;', must_be_ok=False)[-1], b'line 1')
        c.close()
    with make(config={'notify_webhooks': 'https://hooks.example.org/'}) as s:
        c = Sieve(s.host, s.sieve_port)
        equal(capabilities(c.greeting)['NOTIFY'], 'mailto https')
        c.close()
