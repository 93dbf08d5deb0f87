"""The scripts of test/script/sieve/ over their messages, by Limetta and by Debian's Pigeonhole (Dovecot's Sieve): the same actions.

What differs is named in KNOWN: the title of the case, and the row of docs/differences.md that says why. A difference that is not known
fails, and so does one that is known where nothing differs.
"""
import glob
import os
import re
import shutil
import subprocess
import tempfile

from lib.check import Skip, limetta_only, true
from lib.servers import TOP

RUNNER = os.path.join(TOP, os.environ.get('LIMETTA_BUILD', 'build'), 'test/script/sieve-runner')
CASES = os.path.join(TOP, 'test/script/sieve')
EXTENSIONS = '+editheader +vacation-seconds +mboxmetadata +servermetadata'
FROM, TO = 'sender@example.com', 'user+detail@example.org'
# What Pigeonhole does not know, or knows by other means than sieve-test has.
LACKS = {'comparator-i;unicode-casemap', 'ereject', 'fcc', 'mailboxid', 'special-use', 'include', 'imapsieve', 'environment', 'mboxmetadata',
         'servermetadata', 'mailbox', 'duplicate'}
# Differs by the host that runs it: no question of the language.
HOSTS = {'currentdate', 'zones: the local one'}
KNOWN = {
    'names of mailboxes': 'sieve-mailbox-empty',
    'fields of our own may hold addresses': 'sieve-x-addresses',
    'transfer encodings and charsets are undone': 'sieve-body-encoding',
    ':text is what a reader sees: HTML without its markup': 'sieve-body-markup',
    ':last alone': 'sieve-deleteheader-last',
    'named variables': 'sieve-flag-spaces',
    ':count counts fields, and addresses (RFC 5231, 4.2)': 'sieve-count',
    'days: at most a year': 'sieve-vacation-days',
    'seconds; vacation comes with them': 'sieve-vacation-zero',
    'no address, from a variable': 'sieve-vacation-from',
    'a subject is one line': 'sieve-vacation-subject',
    'namespaces': 'sieve-namespaces',
    'the global namespace needs include': 'sieve-namespaces',
    'match variables beyond the last': 'sieve-match-variables',
    'the test string, and its count (5)': 'sieve-string',
}

CONF = """protocols =
mail_uid = 65534
mail_gid = 65534
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:{dir}/mail
ssl = no
"""


def read_cases():
    """(file, title, script, messages by name): cases whose world is the default one."""
    for path in sorted(glob.glob(os.path.join(CASES, '*.sieve'))):
        messages, is_plain = {}, True
        for section in re.split(r'^=== ', open(path, encoding='utf-8').read(), flags=re.M)[1:]:
            head, _, body = section.partition('\n')
            kind, _, name = head.partition(' ')
            if kind == 'world':
                is_plain = not body.strip()
            elif kind == 'message':
                messages[name] = body.replace('\n', '\r\n')
            elif kind == 'script' and is_plain and not any(h in name for h in HOSTS):
                yield os.path.basename(path), name, body, dict(messages)


def normal_limetta(text):
    """{actions}: what both can be compared by."""
    found = set()
    for line in text.split('\n'):
        flags = frozenset((re.search(r' flags\((.*?)\)', line) or ['', ''])[1].lower().split())
        word, _, rest = line.removeprefix('implicit ').partition(' ')
        quoted = (re.search(r'"(.*?)"', rest) or ['', ''])[1]
        if word in ('keep', 'fileinto'):
            mailbox = 'INBOX' if word == 'keep' or quoted.upper() == 'INBOX' else quoted
            found.add(('store', mailbox, flags))
        elif word in ('redirect', 'reject'):
            found.add((word, re.sub(r'(\\n|\s)+', ' ', quoted).strip()))
        elif word == 'vacation':
            found.add((word, re.search(r'seconds (\d+)', line)[1], (re.search(r'subject "(.*?)"', line) or ['', ''])[1]))
        elif word == 'notify':
            found.add((word, re.search(r'importance (\d)', line)[1]))
        elif word in ('wrong', 'error'):
            return {(word,)}
    return found


def normal_pigeonhole(status, out, err):
    if 'failed to compile' in err:
        return {('wrong',)}
    if 'final result: failed' in err:
        return {('error',)}
    found = set()
    for block in re.split(r'^ \* ', out, flags=re.M)[1:]:
        line = block.split('\n')[0]
        flags = frozenset((re.search(r'add IMAP flags: (.*)', block) or ['', ''])[1].lower().split())
        if m := re.match(r'store message in folder: (.*)', line):
            found.add(('store', m[1], flags))
        elif m := re.match(r'redirect message to: <(.*)>', line):
            found.add(('redirect', m[1]))
        elif m := re.match(r'reject message with reason: ((?:.|\n)*)', block.split('\n\n')[0]):
            found.add(('reject', re.sub(r'[?\s]+', ' ', block.split('Implicit keep')[0][28:]).strip()))
        elif line.startswith('send vacation'):
            found.add(('vacation', re.search(r'seconds : (\d+)', block)[1], (re.search(r'subject : (.*)', block) or ['', ''])[1].strip()))
        elif line.startswith('send notification'):
            found.add(('notify', re.search(r'importance +: (\d)', block)[1]))
    return found


def requirements(script):
    return set(re.findall(r'"([^"]+)"', ' '.join(re.findall(r'(?:require|ihave)\s*(\[[^\]]*\]|"[^"]*")', script, flags=re.I))))


def run_both(folder, script, message):
    paths = [os.path.join(folder, name) for name in ('s.sieve', 'm.eml')]
    for path, text in zip(paths, (script.replace('\n', '\r\n'), message)):
        with open(path, 'w', encoding='utf-8', newline='') as f:
            f.write(text)
    ours = subprocess.run([RUNNER, '--run', *paths, FROM, TO], capture_output=True, text=True, check=True, timeout=60).stdout
    theirs = subprocess.run(['sieve-test', '-c', os.path.join(folder, 'dovecot.conf'), '-x', EXTENSIONS, '-f', FROM, '-r', TO, *paths],
                            capture_output=True, text=True, errors='replace', timeout=60)
    return normal_limetta(ours), normal_pigeonhole(theirs.returncode, theirs.stdout, theirs.stderr)


@limetta_only
def test_pigeonhole(make):
    if shutil.which('sieve-test') is None:
        raise Skip('sieve-test (package dovecot-sieve) is not installed')
    page = open(os.path.join(TOP, 'docs/differences.md'), encoding='utf-8').read()
    differing, compared, lines = set(), 0, []
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        os.mkdir(os.path.join(folder, 'mail'), 0o777)
        with open(os.path.join(folder, 'dovecot.conf'), 'w', encoding='utf-8') as f:
            f.write(CONF.format(dir=folder))
        for file, title, script, messages in read_cases():
            if requirements(script) & LACKS:
                continue
            for name, message in messages.items():
                ours, theirs = run_both(folder, script, message)
                compared += 1
                if ours != theirs:
                    differing.add(title)
                    if title not in KNOWN:
                        lines.append(f'{file}: {title}: {name}:\n  only here: {sorted(map(str, ours - theirs))}\n'
                                     f'  only there: {sorted(map(str, theirs - ours))}')
    true(not lines, '\n'.join(lines))
    true(compared > 150, f'{compared} comparisons')
    true(set(KNOWN) == differing, f'known, but the same: {sorted(set(KNOWN) - differing)}')
    for key in set(KNOWN.values()):
        true(f'| {key} |' in page, f'docs/differences.md has no row {key}')
