"""Real mail clients and the extensions that they know: each test looks at what the client did with an extension, and that it used it.
M-3, M-7, M-9, M-10, M-11, M-14, X-ACL, X-LIST-STATUS, X-OBJECTID, X-QUOTA, X-THREAD, X-UTF8-ACCEPT."""
import imaplib
import os
import re
import tempfile

from lib.check import contains, equal, limetta_only, matches, message, run, true
from lib.clients import imaplib_login, mbsync_config, mutt_config, offlineimap_config, ok, run_node, run_on_terminal, subjects
from lib.servers import PASSWORD
from lib.wire import open_imap


@limetta_only
def test_imapflow(make):
    """M-3, M-7, M-10, X-OBJECTID, X-QUOTA, X-LIST-STATUS, X-UTF8-ACCEPT: a session each, its log read by the client's script."""
    with make() as s:
        s.run('user', 'quota', 'bob', '--storage', '200', '--messages', '3')
        contains(run_node(s, 'imapflow_sessions.js'), b'all well', 'imapflow')


# ---- mbsync ----

FOLDERS = ('INBOX', 'Work', 'Work/Plans', 'Größe')


def near_folder(mail, mailbox, inbox='Inbox'):
    """Where a mailbox is kept here; its name is as on the wire, but for INBOX."""
    return os.path.join(mail, inbox if mailbox == 'INBOX' else mailbox)


def near_state(mail, mailbox, inbox='Inbox'):
    """Subject -> flags of a Maildir; no subject twice."""
    found = {}
    for part in ('cur', 'new'):
        folder = os.path.join(near_folder(mail, mailbox, inbox), part)
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), 'rb') as f:
                subject = matches(f.read(), rb'Subject: ([^\r\n]*)').group(1).decode()
            true(subject not in found, f'{subject} is there twice')
            found[subject] = ''.join(sorted(name.split(':2,')[1])) if ':2,' in name else ''
    return found


LETTERS = {'\\Seen': 'S', '\\Answered': 'R', '\\Flagged': 'F', '\\Deleted': 'T', '\\Draft': 'D'}


def far_state(c, mailbox):
    c.command(f'EXAMINE "{mailbox}"')
    found = {}
    for line in c.command('UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])')[:-1]:
        m = re.search(rb'FLAGS \(([^)]*)\).*Subject: ([^\r\n]*)', line, re.S)
        if m:
            found[m.group(2).decode()] = ''.join(sorted(LETTERS[f] for f in m.group(1).decode().split() if f in LETTERS))
    c.command('UNSELECT')
    return found


def file_of(mail, mailbox, subject, inbox='Inbox'):
    for part in ('cur', 'new'):
        folder = os.path.join(near_folder(mail, mailbox, inbox), part)
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), 'rb') as f:
                if f'Subject: {subject}\n'.encode() in f.read().replace(b'\r\n', b'\n'):
                    return os.path.join(folder, name)
    raise AssertionError(f'{subject} is not in {mailbox}')


def mark(path, letters):
    base = os.path.basename(path).split(':2,')[0]
    os.rename(path, os.path.join(os.path.dirname(os.path.dirname(path)), 'cur', f'{base}:2,{letters}'))


def move(mail, source, target, subject):
    """As a mail reader moves: a new file there, without the UID that mbsync wrote into the name."""
    path = file_of(mail, source, subject)
    name = re.sub(r',U=\d+', '', os.path.basename(path))
    os.rename(path, os.path.join(near_folder(mail, target), 'cur', name if ':2,' in name else name + ':2,'))


def test_mbsync_folders(make):
    """Several mailboxes with deletions, flags and moves on both sides; both then say the same, and a further run changes nothing."""
    with make() as s, tempfile.TemporaryDirectory() as folder:
        c = open_imap(s, 'alice', PASSWORD)
        names = {name: name.replace('Größe', 'Gr&APYA3w-e') for name in FOLDERS}
        for name in FOLDERS:
            if name != 'INBOX':
                c.command(f'CREATE "{names[name]}"')
            for i in range(8):
                c.append(f'"{names[name]}"', message(f'{name.encode("ascii", "ignore").decode()} {i}'), ('', '(\\Seen)', '(\\Flagged)')[i % 3])
        mail, conf = os.path.join(folder, 'mail'), os.path.join(folder, 'mbsyncrc')
        os.mkdir(mail)
        with open(conf, 'w') as f:
            f.write(mbsync_config(s, mail).replace('Patterns *', 'Patterns INBOX Work Work/Plans Gr*'))
        sync = ['mbsync', '-c', conf, 'all']
        local = {name: names[name] if os.path.isdir(near_folder(mail, names[name])) else name for name in FOLDERS}

        def check(what):
            local.update({n: names[n] if os.path.isdir(near_folder(mail, names[n])) else n for n in FOLDERS})
            states = {}
            for name in FOLDERS:
                states[name] = far_state(c, names[name])
                equal(near_state(mail, local[name]), states[name], f'{what}: {name}')
            return states
        run(sync)
        first = check('first run')
        equal([len(x) for x in first.values()], [8] * 4)
        run(sync)
        equal(check('nothing to do'), first)
        # here: a flag, a deletion, a move; there: the same with other messages, by MOVE
        mark(file_of(mail, local['Work'], 'Work 1'), 'FRS')
        os.remove(file_of(mail, local['Work'], 'Work 2'))
        move(mail, local['INBOX'], local['Work/Plans'], 'INBOX 3')
        c.command('SELECT "Work/Plans"')
        c.command('UID STORE 5 +FLAGS (\\Answered)')
        c.command('UID STORE 1:2 +FLAGS.SILENT (\\Deleted)')
        c.command('UID EXPUNGE 1:2')
        c.command(f'UID MOVE 7:8 "{names["Größe"]}"')
        c.command('UNSELECT')
        run(sync)
        second = check('changes of both sides')
        equal([len(x) for x in second.values()], [7, 7, 5, 10])
        equal((second['Work']['Work 1'], second['Work/Plans']['Work/Plans 4']), ('FRS', 'RS'))
        contains(second['Work/Plans'], 'INBOX 3')
        contains(second['Größe'], 'Work/Plans 7')
        run(sync)
        equal(check('no changes'), second)
        c.close()


@limetta_only
def test_offlineimap(make):
    """M-7: three connections at once, compressed; a move and a deletion here, a flag and a new message there; then nothing is left to do."""
    with make() as s, tempfile.TemporaryDirectory() as folder:
        c = open_imap(s, 'alice', PASSWORD)
        c.command('CREATE Work')
        for mailbox in ('INBOX', 'Work'):
            for i in range(6):
                c.append(mailbox, message(f'{mailbox} {i}'), '(\\Seen)')
        mail, conf = os.path.join(folder, 'mail'), os.path.join(folder, 'rc')
        with open(conf, 'w') as f:
            f.write(offlineimap_config(s, folder))
        sync = ['offlineimap', '-c', conf, '-o', '-d', 'imap']
        env = {**os.environ, 'HOME': folder}

        def check(what, *counts):
            states = [far_state(c, name) for name in ('INBOX', 'Work')]
            equal([near_state(mail, name, inbox='INBOX') for name in ('INBOX', 'Work')], states, what)
            equal([len(x) for x in states], list(counts), what)
            return states
        out = run(sync, env=env)
        contains(out, b'COMPRESS', 'offlineimap compresses')
        check('first run', 6, 6)
        path = file_of(mail, 'INBOX', 'INBOX 1', inbox='INBOX')
        os.rename(path, os.path.join(mail, 'Work', 'new', re.sub(r',U=.*', '', os.path.basename(path))))
        os.remove(file_of(mail, 'INBOX', 'INBOX 2', inbox='INBOX'))
        c.append('Work', message('news'))
        c.command('SELECT INBOX')
        c.command('UID STORE 6 +FLAGS.SILENT (\\Flagged)')
        c.command('UNSELECT')
        run(sync, env=env)
        states = check('changes of both sides', 4, 8)
        equal((states[0]['INBOX 5'], states[1]['news']), ('FS', ''))
        run(sync, env=env)
        equal(check('nothing to do', 4, 8), states)
        c.close()


# ---- mutt and neomutt ----

def read_all(program, rc, folder, keys, log):
    """A session of a reader that opens INBOX, copies all to a file and leaves. Returns what it said and heard."""
    env = {**os.environ, 'HOME': folder, 'TERM': 'xterm', 'LC_ALL': 'C.UTF-8'}
    out = os.path.join(folder, 'out.mbox')
    if os.path.exists(out):
        os.remove(out)
    debug = ['-d', '4', '-l', log[:-1]] if program == 'neomutt' else ['-d', '4']
    push = f'<tag-pattern>~A<enter><tag-prefix><copy-message><kill-line>{out}<enter><untag-pattern>~A<enter>{keys}<quit>'
    run_on_terminal([program, *debug, '-F', rc, '-e', f'push "{push}"'], env=env)
    with open(out, 'rb') as f:
        seen = re.findall(rb'^Subject: (.*)$', f.read(), re.M)
    with open(log, errors='replace') as f:
        return [x.decode().strip() for x in seen], f.read()


def cached(make, program, more):
    """Three sessions with a header cache, and changes by another client between them."""
    with make() as s, tempfile.TemporaryDirectory() as folder:
        c = open_imap(s, 'alice', PASSWORD)
        for i in range(12):
            c.append('INBOX', message(f'letter {i}'), '(\\Seen)')
        os.mkdir(os.path.join(folder, 'cache'))
        rc = mutt_config(s, folder, f'set header_cache="{folder}/cache" imap_condstore=yes imap_qresync=yes imap_idle=no\n{more}')
        log = os.path.join(folder, '.muttdebug0' if program == 'mutt' else 'debug0')
        got, talk = read_all(program, rc, folder, '', log)
        equal(got, [f'letter {i}' for i in range(12)])
        c.command('SELECT INBOX')
        c.command('STORE 3,7 +FLAGS.SILENT (\\Deleted)')
        c.command('STORE 2 +FLAGS.SILENT (\\Flagged)')
        c.command('EXPUNGE')
        c.append('INBOX', message('news'))
        # The cache is right when the flag that came with the changes picks the message to delete.
        got, talk = read_all(program, rc, folder, '<delete-pattern>~F<enter><sync-mailbox>', log)
        equal(got, [f'letter {i}' for i in range(12) if i not in (2, 6)] + ['news'])
        contains(talk, 'Handling VANISHED')
        matches(talk, r'UID FETCH 1:12 \(FLAGS\) \(CHANGEDSINCE \d+ VANISHED\)')
        true(not re.search(r'FETCH 1:1[0-9] \(UID FLAGS INTERNALDATE', talk), 'headers come from the cache')
        true(not re.search(r'\d< a\d+ (BAD|NO)', talk), 'no command failed')
        equal(subjects(s, 'alice'), [f'letter {i}' for i in range(12) if i not in (1, 2, 6)] + ['news'])
        got, talk = read_all(program, rc, folder, '', log)
        equal(got, [f'letter {i}' for i in range(12) if i not in (1, 2, 6)] + ['news'])
        c.close()
        return talk


@limetta_only
def test_mutt_cache(make):
    """M-10 and M-7: mutt's header cache is brought up to date by QRESYNC, through DEFLATE."""
    contains(cached(make, 'mutt', 'set imap_deflate=yes'), 'COMPRESS DEFLATE')


@limetta_only
def test_neomutt_cache(make):
    """M-10: the same with neomutt, which enables UTF8=ACCEPT where it can."""
    contains(cached(make, 'neomutt', ''), 'ENABLE ')


# ---- curl ----

def test_curl_sections(make):
    """What a URL can ask for (RFC 5092): sections, ranges, UIDVALIDITY, message numbers; commands by -X."""
    with make() as s:
        text = message('by url', 'The quick brown fox\r\n' * 100)
        c = open_imap(s, 'alice', PASSWORD)
        c.append('INBOX', message('first'))
        c.append('INBOX', text)
        validity = matches(b''.join(c.command('STATUS INBOX (UIDVALIDITY)')), rb'UIDVALIDITY (\d+)').group(1).decode()
        curl = ['curl', '-sS', '--max-time', '20', '--ssl-reqd', '--cacert', s.cert, '--user', f'alice:{PASSWORD}']
        inbox = f'imap://localhost:{s.imap_port}/INBOX'
        body = text[text.index(b'\r\n\r\n') + 4:]
        equal(run([*curl, inbox + ';MAILINDEX=2']), text)
        equal(run([*curl, inbox + f';UIDVALIDITY={validity}/;UID=2/;SECTION=TEXT']), body)
        equal(run([*curl, inbox + '/;UID=2/;SECTION=TEXT/;PARTIAL=4.11']), body[4:15])
        run([*curl, inbox + ';UIDVALIDITY=7/;UID=2'], must_be=78)
        run([*curl, inbox + '/;UID=99'], must_be=78)
        equal(run([*curl, inbox + '/;UID=2', inbox + '/;UID=1']), text + message('first'))
        matches(run([*curl, '-X', 'UID SORT (SUBJECT) UTF-8 ALL', inbox]), rb'\* SORT 2 1')
        matches(run([*curl, '-X', 'FETCH 1:2 (UID FLAGS)', inbox]), rb'\* 2 FETCH \(UID 2 FLAGS \([^)]*\)\)')
        c.close()


# ---- imaplib ----

@limetta_only
def test_imaplib_extensions(make):
    """X-UTF8-ACCEPT, X-ACL, X-QUOTA, X-THREAD, M-14 and news by NOOP, as Python's own client asks."""
    with make() as s:
        m, bob = imaplib_login(s), imaplib_login(s, 'bob')
        for i, (subject, more) in enumerate((('first', ''), ('Re: first', 'In-Reply-To: <first@test.example>\r\n'), ('other', ''))):
            ok(m.append('INBOX', None, imaplib.Time2Internaldate(1_700_000_000 - i), message(subject, more=more)))
        equal(ok(m.select()), [b'3'])
        ok(bob.select())
        equal(ok(m.sort('(ARRIVAL)', 'UTF-8', 'ALL')), [b'3 2 1'])
        equal(ok(m.uid('SORT', '(SUBJECT REVERSE ARRIVAL)', 'US-ASCII', 'SUBJECT', 'first')), [b'1 2'])
        for algorithm in ('REFERENCES', 'REFS', 'ORDEREDSUBJECT'):
            equal(ok(m.thread(algorithm, 'UTF-8', 'ALL')), [b'(3)(1 2)'] if algorithm == 'REFS' else [b'(1 2)(3)'], algorithm)
        # quotas, rights
        roots = ok(m.getquotaroot('INBOX'))
        equal(roots[0], [b'INBOX Account'])
        matches(roots[1][0], rb'^Account \(.*MAILBOX \d+ \d+\)')
        contains(ok(m.getquota('Account'))[0], b'MAILBOX')
        equal(m.setquota('Account', '(STORAGE 1)')[0], 'NO')
        equal(ok(m.myrights('INBOX'))[0][:6], b'INBOX ')
        ok(m.create('Shared'))
        ok(m.append('Shared', None, None, message('for two')))
        ok(m.setacl('Shared', 'bob', 'lrs'))
        contains(ok(m.getacl('Shared'))[0], b'bob lrs')
        theirs = '"Other Users/alice/Shared"'
        contains(b'\n'.join(ok(bob.list('""', '*'))), theirs.encode())
        equal(ok(bob.select(theirs)), [b'1'])
        ok(bob.store('1', '+FLAGS', '(\\Seen)'))
        equal(bob.append(theirs, None, None, message('no'))[0], 'NO')
        ok(bob.unselect())
        ok(m.deleteacl('Shared', 'bob'))
        true(bob.select(theirs)[0] != 'OK', 'no rights any more')
        ok(bob.select())
        # news by NOOP
        other = open_imap(s, 'alice', PASSWORD)
        other.command('SELECT INBOX')
        other.append('INBOX', message('news'))
        ok(m.noop())
        equal(m.response('EXISTS')[1][-1], b'4')
        other.command('STORE 1 +FLAGS (\\Deleted)')
        other.command('EXPUNGE')
        ok(m.noop())
        equal(m.response('EXPUNGE')[1], [b'1'])
        other.command('STORE 1 +FLAGS (\\Flagged)')
        ok(m.noop())
        contains(m.response('FETCH')[1][-1], b'\\Flagged')
        # UTF8=ACCEPT
        ok(m.unselect())
        ok(m.enable('UTF8=ACCEPT'))
        ok(m.create('"Größe"'))
        contains(b'\n'.join(ok(m.list('""', '"G*"'))), 'Größe'.encode())
        other.command('UNSELECT')
        other.command('ENABLE UTF8=ACCEPT')
        other.command('SELECT INBOX')
        other.append('INBOX', message('Grüße'), is_binary=True)
        ok(m.select())
        equal(ok(m.search(None, 'SUBJECT', '"grüße"')), [b'4'])
        contains(ok(m.fetch('4', '(BODY.PEEK[])'))[0][1], 'Subject: Grüße'.encode())
        ok(m.rename('"Größe"', '"日本"'))
        equal(ok(m.select('"日本"')), [b'0'])
        ok(m.close())
        ok(m.namespace())
        m.logout()
        bob.logout()
        other.close()
