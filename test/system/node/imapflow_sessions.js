// imapflow again, an extension at a time. Its log shows what went over the wire, so that each part asserts both what the caller gets and
// that the extension was used for it. imapflow enables IMAP4rev2, UTF8=ACCEPT and (when asked to) QRESYNC by itself.
const assert = require('assert');
const { ImapFlow } = require('imapflow');
const [, , host, port, , pass] = process.argv;

function client(user, more) {
    const c = new ImapFlow({ host, port: Number(port), secure: false, servername: 'localhost', auth: { user, pass }, logger: false,
        emitLogs: true, qresync: true, ...more });
    c.sent = [];
    c.heard = [];
    c.on('log', (entry) => {
        if (entry.src === 'c' || entry.src === 's') {
            (entry.src === 'c' ? c.sent : c.heard).push(String(entry.msg));
        }
    });
    return c;
}

async function connected(user, more) {
    const c = client(user, more);
    await c.connect();
    return c;
}

// What was sent since the last look, and that nothing of it was refused as BAD.
function sent(c, pattern) {
    assert.ok(!c.heard.some((l) => /^\S+ BAD/.test(l)), `refused: ${c.sent.concat(c.heard).slice(-20).join('\n')}`);
    assert.ok(c.sent.some((l) => pattern.test(l)), `${pattern} was not sent: ${c.sent.slice(-20).join('\n')}`);
    c.sent.length = 0;
}

const heard = (c, pattern) => assert.ok(c.heard.some((l) => pattern.test(l)), `${pattern} was not heard: ${c.heard.slice(-20).join('\n')}`);

// Collects events, and waits for those that a predicate accepts.
function collector(emitter, ...names) {
    const events = [];
    const waiting = [];
    for (const name of names) {
        emitter.on(name, (data) => {
            events.push({ name, ...data });
            waiting.forEach((look) => look());
        });
    }
    events.until = (is_it, what) => new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`${what}: not within 10 s; ${events.length} events`)), 10000);
        const look = () => {
            const found = events.find(is_it);
            if (found) {
                clearTimeout(timer);
                resolve(found);
            }
        };
        waiting.push(look);
        look();
    });
    return events;
}

async function content(download) {
    const chunks = [];
    for await (const chunk of download.content) {
        chunks.push(chunk);
    }
    return Buffer.concat(chunks);
}

const uids = (messages) => messages.map((m) => m.uid).sort((a, b) => a - b);

const text = (n, more = '', body = `body ${n}`) => 'From: Anna <anna@example.org>\r\nTo: alice@localhost\r\n'
    + `Date: Mon, ${(n % 28) + 1} Sep 2025 10:00:00 +0200\r\nMessage-ID: <${n}@example.org>\r\nSubject: item ${n}\r\n${more}`
    + `MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n${body}\r\n`;

async function fill(c, path, count) {
    await c.mailboxCreate(path);
    for (let n = 1; n <= count; n++) {
        await c.append(path, text(n));
    }
}

// M-10: away while another client expunges and flags, also in a mailbox that loses its highest UIDs; VANISHED while selected.
async function qresync() {
    const other = await connected('alice');
    await fill(other, 'Sync', 12);
    const c = await connected('alice');
    sent(c, /ENABLE .*QRESYNC.*IMAP4rev2|ENABLE .*IMAP4rev2.*QRESYNC/i);
    assert.ok(c.enabled.has('QRESYNC'));
    let box = await c.mailboxOpen('Sync');
    const known = { uidValidity: box.uidValidity, changedSince: box.highestModseq };
    assert.strictEqual(box.exists, 12);
    await c.logout();

    await other.mailboxOpen('Sync');
    await other.messageFlagsAdd('3,8', ['\\Flagged', '$Important'], { uid: true });
    await other.messageDelete('2,5:6,11:12', { uid: true });
    await other.append('Sync', text(13));

    const back = client('alice');
    const events = collector(back, 'expunge', 'flags');
    await back.connect();
    box = await back.mailboxOpen('Sync', known);
    sent(back, /SELECT Sync \(QRESYNC \(\d+ \d+\)\)/);
    heard(back, /VANISHED \(EARLIER\) 2,5:6,11:12/);
    assert.strictEqual(box.exists, 8);
    assert.deepStrictEqual(events.filter((e) => e.name === 'expunge' && e.earlier).map((e) => e.uid), [2, 5, 6, 11, 12]);
    const flagged = events.filter((e) => e.name === 'flags');
    assert.deepStrictEqual(uids(flagged), [3, 8, 13]);
    assert.ok(flagged[0].flags.has('$Important') && flagged.every((e) => e.modseq > known.changedSince));
    // The same by FETCH: CHANGEDSINCE and VANISHED; and nothing is left after that.
    const changed = await back.fetchAll('1:*', { uid: true, flags: true }, { uid: true, changedSince: known.changedSince });
    sent(back, /UID FETCH 1:\* .*\(CHANGEDSINCE \d+ VANISHED\)/);
    assert.deepStrictEqual(uids(changed), [3, 8, 13]);
    assert.deepStrictEqual(await back.fetchAll('1:*', { flags: true }, { uid: true, changedSince: box.highestModseq }), []);
    // While it looks on: news as VANISHED, not EXPUNGE.
    await other.messageDelete('1', { uid: true });
    await back.noop();
    const gone = await events.until((e) => e.name === 'expunge' && e.uid === 1, 'VANISHED');
    assert.ok(gone.vanished && !gone.earlier);
    await back.logout();
    await other.logout();
}

// M-7: on by default, and off when it is told so; large things both ways.
async function compress() {
    const big = text(1, '', 'a line that compresses well, repeated over and over\r\n'.repeat(20000));
    for (const disableCompression of [false, true]) {
        const c = await connected('alice', { disableCompression });
        assert.strictEqual(Boolean(c._inflate), !disableCompression);
        const path = `Big ${disableCompression}`;
        await c.mailboxCreate(path);
        await c.append(path, big);
        await c.mailboxOpen(path);
        const one = await c.fetchOne('1', { source: true, size: true });
        assert.ok(one.source.equals(Buffer.from(big)) && one.size === big.length);
        assert.strictEqual(c.sent.some((l) => /COMPRESS DEFLATE/.test(l)), !disableCompression);
        const { bytesRead, bytesWritten } = c.socket;
        assert.strictEqual(Math.max(bytesRead, bytesWritten) < big.length / 10, !disableCompression, `${bytesRead} ${bytesWritten}`);
        await c.mailboxDelete(path);
        await c.logout();
    }
}

// News, with and without QRESYNC: exists, expunge, flags; IDLE ends when there is work and starts again.
async function idle() {
    const other = await connected('alice');
    await fill(other, 'Watch', 4);
    await other.mailboxOpen('Watch');
    for (const qresync of [true, false]) {
        const c = await connected('alice', { qresync });
        const box = await c.mailboxOpen('Watch');
        const before = box.exists;
        const events = collector(c, 'exists', 'expunge', 'flags');
        let idling = c.idle();
        const { uid } = await other.append('Watch', text(20));
        const exists = await events.until((e) => e.name === 'exists', 'exists');
        assert.deepStrictEqual([exists.count, exists.prevCount], [before + 1, before]);
        await other.messageFlagsSet(String(uid), ['\\Seen', '$Forwarded'], { uid: true });
        const flags = await events.until((e) => e.name === 'flags' && e.flags.has('$Forwarded'), 'flags');
        assert.strictEqual(flags.seq, before + 1);
        assert.ok(!qresync || flags.uid === uid);
        // A command ends IDLE; its answer is right; IDLE again.
        assert.deepStrictEqual(await c.search({ keyword: '$Forwarded' }, { uid: true }), [uid]);
        await idling;
        sent(c, /IDLE/);
        idling = c.idle();
        await other.messageDelete(String(uid), { uid: true });
        const gone = await events.until((e) => e.name === 'expunge', 'expunge');
        assert.ok(qresync ? gone.vanished && gone.uid === uid : gone.seq === before + 1);
        await c.noop();
        await idling;
        await c.logout();
    }
    await other.logout();
}

// Criteria of every kind; UTF-8 in UTF8=ACCEPT; ESEARCH, PARTIAL; WITHIN for dates; object ids.
async function search() {
    const c = await connected('alice');
    assert.ok(c.enabled.has('UTF8=ACCEPT') && c.enabled.has('IMAP4REV2'));
    await fill(c, 'Search', 5);
    const append = async (...args) => (await c.append('Search', ...args)).uid;
    const accents = await append(text(6, 'Cc: =?utf-8?Q?J=C3=BCrgen?= <j@example.org>\r\nX-Kind: odd\r\n', 'Grüße aus Zürich, 東京'));
    const old = await append(text(7, '', 'x'.repeat(5000)), ['\\Seen', '\\Answered', '$Junk'], new Date('2001-02-03T04:05:06Z'));
    const draft = await append(text(8, 'Bcc: hidden@example.org\r\n'), ['\\Draft', '\\Flagged']);
    await c.mailboxOpen('Search');
    const find = (query, options) => c.search(query, { uid: true, ...options });
    const cases = [
        [{ all: true }, [1, 2, 3, 4, 5, 6, 7, 8]],
        [{ seq: '2:3' }, [2, 3]],
        [{ uid: '7:*' }, [7, 8]],
        [{ seen: true }, [old]],
        [{ seen: false, draft: false }, [1, 2, 3, 4, 5, 6]],
        [{ answered: true, keyword: '$Junk' }, [old]],
        [{ flagged: true }, [draft]],
        [{ deleted: true }, []],
        [{ from: 'anna@', to: 'ALICE', subject: 'item 3' }, [3]],
        [{ cc: 'Jürgen' }, [accents]],
        [{ cc: 'JÜRGEN' }, [accents]],
        [{ bcc: 'hidden' }, [draft]],
        [{ body: 'zürich' }, [accents]],
        [{ text: '東京' }, [accents]],
        [{ body: '北京' }, []],
        [{ header: { 'X-Kind': true } }, [accents]],
        [{ header: { 'message-id': '<4@example.org>' } }, [4]],
        [{ larger: 4000 }, [old]],
        [{ larger: 4000, smaller: 5000 }, []],
        [{ before: new Date('2005-01-01') }, [old]],
        [{ since: new Date(Date.now() - 86400000), draft: true }, [draft]],
        [{ on: '2001-02-03' }, [old]],
        [{ sentSince: new Date('2025-09-07'), sentBefore: new Date('2025-09-09') }, [6, 7]],
        [{ sentOn: new Date('2025-09-03') }, [2]],
        [{ unKeyword: '$Junk', not: { or: [{ subject: 'item 1' }, { subject: 'item 2' }] } }, [3, 4, 5, 6, 8]],
        [{ or: [{ subject: 'item 1' }, { body: 'Grüße' }, { flagged: true }] }, [1, accents, draft]],
        [{ or: [{ seen: true, answered: true }, { from: 'nobody' }, { subject: 'item 2' }, { uid: '5' }] }, [2, 5, old]],
        [{ or: [{ not: { draft: true, flagged: true } }], uid: '6:8' }, [6, 7]],
        [{ modseq: c.mailbox.highestModseq }, [draft]],
    ];
    for (const [query, want] of cases) {
        assert.deepStrictEqual(await find(query), want, JSON.stringify(query, (k, v) => (typeof v === 'bigint' ? String(v) : v)));
    }
    assert.ok(!c.sent.some((l) => /CHARSET/.test(l)), 'no CHARSET once UTF8=ACCEPT is on');
    sent(c, /UID SEARCH OLDER \d+/);
    heard(c, /^\* ESEARCH/);
    assert.ok(!c.heard.some((l) => /^\* SEARCH/.test(l)), 'IMAP4rev2 knows ESEARCH only');
    // ESEARCH and PARTIAL
    const some = await find({ seen: false }, { returnOptions: ['MIN', 'MAX', 'COUNT', 'ALL'] });
    assert.deepStrictEqual([some.min, some.max, some.count, some.all], [1, 8, 7, '1:6,8']);
    // imapflow asks right, and cannot read a set before ")".
    await find({ all: true }, { returnOptions: [{ partial: '-1:-3' }] });
    sent(c, /UID SEARCH RETURN \(PARTIAL -1:-3\)/);
    heard(c, /UID PARTIAL \(-1:-3 6:8\)/);
    // the same without IMAP4rev2
    await c.logout();
    const plain = await connected('alice', { disableIMAP4rev2: true });
    await plain.mailboxOpen('Search', { readOnly: true });
    assert.deepStrictEqual(await plain.search({ or: [{ body: 'Grüße' }, { seen: true }] }, { uid: true }), [accents, old]);
    heard(plain, /^\* SEARCH 6 7/);
    await plain.mailboxDelete('Search');
    await plain.logout();
}

// X-OBJECTID: ids survive moves, copies are told apart by UID only, threads are kept together, a renamed mailbox keeps its id.
async function object_ids() {
    const c = await connected('alice');
    const { mailboxId } = await c.mailboxCreate('Ids');
    await c.mailboxCreate('Ids/Sub');
    await c.append('Ids', text(1));
    await c.append('Ids', text(2, 'In-Reply-To: <1@example.org>\r\nReferences: <1@example.org>\r\n'));
    await c.append('Ids', text(3));
    const box = await c.mailboxOpen('Ids');
    assert.ok(mailboxId && box.mailboxId === mailboxId);
    const all = await c.fetchAll('1:*', { uid: true, threadId: true });
    sent(c, /FETCH 1:\* \(UID EMAILID THREADID/);
    assert.strictEqual(new Set(all.map((m) => m.emailId)).size, 3);
    assert.ok(all.every((m) => /^[A-Za-z0-9_-]{1,255}$/.test(m.emailId)));
    assert.deepStrictEqual(await c.search({ emailId: all[1].emailId }, { uid: true }), [2]);
    if (all[0].threadId) {
        const thread = all.filter((m) => m.threadId === all[0].threadId).map((m) => m.uid);
        assert.deepStrictEqual(await c.search({ threadId: all[0].threadId }, { uid: true }), thread);
        assert.ok(!thread.includes(3));
    }
    await c.messageCopy('1', 'Ids/Sub', { uid: true });
    await c.messageMove('2', 'Ids/Sub', { uid: true });
    await c.mailboxOpen('Ids/Sub');
    const there = await c.fetchAll('1:*', { uid: true });
    assert.deepStrictEqual(there.map((m) => m.emailId), [all[0].emailId, all[1].emailId]);
    await c.mailboxClose();
    await c.mailboxRename('Ids', 'Idents');
    assert.strictEqual((await c.mailboxOpen('Idents')).mailboxId, mailboxId);
    await c.mailboxDelete('Idents/Sub');
    await c.mailboxDelete('Idents');
    await c.logout();
}

// X-QUOTA, X-APPENDLIMIT
async function quota() {
    const c = await connected('bob');
    const before = await c.getQuota('INBOX');
    sent(c, /GETQUOTAROOT INBOX/);
    assert.strictEqual(before.quotaRoot, 'Account');
    assert.deepStrictEqual([before.storage.limit, before.message.limit], [200 * 1024, 3]);
    await c.append('INBOX', text(1, '', 'x'.repeat(60000)));
    const { storage, message } = await c.getQuota('INBOX');
    assert.strictEqual(message.usage, before.message.usage + 1);
    assert.ok(storage.usage >= before.storage.usage + 58 * 1024 && storage.status === `${Math.round(storage.usage / 2048)}%`);
    await c.append('INBOX', text(2));
    await c.append('INBOX', text(3));
    await assert.rejects(c.append('INBOX', text(4)), (e) => e.serverResponseCode === 'OVERQUOTA' || /OVERQUOTA/.test(e.code + e.response));
    assert.ok((await c.mailboxOpen('INBOX')).exists === 3);
    await c.messageDelete('1:*');
    assert.strictEqual((await c.getQuota('INBOX')).message.usage, 0);
    await c.logout();
}

// LIST with STATUS, SPECIAL-USE, SUBSCRIBED in one command (X-LIST-STATUS); names in UTF-8; subscriptions; STATUS of its own.
async function mailboxes() {
    const c = await connected('alice');
    const made = await c.mailboxCreate(['Projekte', 'Größe & Maß', '日本']);
    assert.deepStrictEqual([made.path, made.created], ['Projekte/Größe & Maß/日本', true]);
    assert.strictEqual((await c.mailboxCreate('Projekte')).created, false);
    await c.append('Projekte/Größe & Maß/日本', text(1), ['\\Seen']);
    await c.append('Projekte/Größe & Maß/日本', text(2));
    c.sent.length = 0;
    const query = { messages: true, unseen: true, uidNext: true, uidValidity: true, highestModseq: true, size: true, deleted: true };
    const boxes = await c.list({ statusQuery: query });
    sent(c, /LIST "" "?\*"? RETURN \(STATUS \(.*HIGHESTMODSEQ.*\) SPECIAL-USE CHILDREN SUBSCRIBED\)/);
    const find = (path) => boxes.find((b) => b.path === path);
    const deep = find('Projekte/Größe & Maß/日本');
    const size = text(1).length + text(2).length;
    assert.deepStrictEqual([deep.status.messages, deep.status.unseen, deep.status.uidNext, deep.status.size], [2, 1, 3, size]);
    assert.ok(deep.status.highestModseq > 0n && deep.status.uidValidity > 0n);
    assert.ok(find('Projekte').flags.has('\\HasChildren') && deep.flags.has('\\HasNoChildren'));
    assert.deepStrictEqual([deep.parentPath, deep.name, deep.delimiter], ['Projekte/Größe & Maß', '日本', '/']);
    for (const use of ['\\Sent', '\\Drafts', '\\Trash']) {
        const box = boxes.find((b) => b.specialUse === use);
        assert.strictEqual(box && box.specialUseSource, 'extension', use);
    }
    assert.strictEqual(find('INBOX').specialUse, '\\Inbox');
    const status = await c.status('Projekte/Größe & Maß/日本', query);
    assert.deepStrictEqual({ ...status }, { ...deep.status });
    // subscriptions
    assert.strictEqual(await c.mailboxSubscribe('Projekte'), true);
    assert.ok((await c.list()).find((b) => b.path === 'Projekte').subscribed);
    assert.strictEqual(await c.mailboxUnsubscribe('Projekte'), true);
    assert.ok(!(await c.list()).find((b) => b.path === 'Projekte').subscribed);
    const tree = await c.listTree();
    assert.ok(tree.folders.find((f) => f.path === 'Projekte').folders[0].folders[0].name === '日本');
    // rename and delete; a mailbox that is not there
    const renamed = await c.mailboxRename('Projekte/Größe & Maß', 'Ablage é');
    assert.strictEqual(renamed.newPath, 'Ablage é');
    assert.strictEqual((await c.mailboxOpen('Ablage é/日本')).exists, 2);
    await c.mailboxClose();
    await assert.rejects(c.mailboxOpen('Nowhere'), (e) => e.mailboxMissing || /NONEXISTENT/.test(e.serverResponseCode));
    await assert.rejects(c.mailboxDelete('Nowhere'));
    for (const path of ['Ablage é/日本', 'Ablage é', 'Projekte']) {
        await c.mailboxDelete(path);
    }
    assert.ok(!(await c.list()).some((b) => /Projekte|Ablage é/.test(b.path)));
    await c.logout();
}

// Messages: flags set, added, removed; copy and move with their UIDs; a locked mailbox waits for its turn; reading by parts and ranges.
// Without QRESYNC, because imapflow does not count messages that VANISHED.
async function messages() {
    const c = await connected('alice', { qresync: false });
    await fill(c, 'From', 6);
    await c.mailboxCreate('To');
    const lock = await c.getMailboxLock('From');
    let second = false;
    const waits = c.getMailboxLock('To').then((l) => {
        second = true;
        return l;
    });
    await c.noop();
    assert.strictEqual(second, false);
    const flags = async (uid) => [...(await c.fetchOne(String(uid), { flags: true }, { uid: true })).flags].sort();
    await c.messageFlagsSet('1:2', ['\\Seen', 'custom'], { uid: true });
    await c.messageFlagsAdd('2', ['\\Flagged'], { uid: true });
    await c.messageFlagsRemove('2', ['custom'], { uid: true });
    assert.deepStrictEqual([await flags(1), await flags(2)], [['\\Seen', 'custom'], ['\\Flagged', '\\Seen']]);
    await c.messageFlagsSet({ seen: true }, [], { uid: true });
    assert.deepStrictEqual([await flags(1), await flags(2)], [[], []]);
    const copied = await c.messageCopy('1:3', 'To', { uid: true });
    assert.deepStrictEqual([...copied.uidMap], [[1, 1], [2, 2], [3, 3]]);
    const moved = await c.messageMove('5:6', 'To', { uid: true });
    sent(c, /UID MOVE 5:6 "?To"?/);
    assert.deepStrictEqual([...moved.uidMap], [[5, 4], [6, 5]]);
    assert.strictEqual(c.mailbox.exists, 4);
    const missing = await c.messageMove('1', 'Nowhere', { uid: true }).catch((e) => e);
    assert.ok(missing === false || missing instanceof Error);
    lock.release();
    const lock2 = await waits;
    assert.ok(second && c.mailbox.path === 'To' && c.mailbox.exists === 5);
    const deep = 'From: a@example.org\r\nSubject: =?utf-8?B?UGFydHMg4oKs?=\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n'
        + '--o\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n'
        + '--i\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe=\r\n!\r\n'
        + '--i\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n'
        + `${Buffer.from('<p>Grüße!</p>').toString('base64')}\r\n--i--\r\n`
        + '--o\r\nContent-Type: message/rfc822\r\n\r\n' + text(99)
        + '--o\r\nContent-Type: application/octet-stream; name="=?utf-8?Q?=E2=82=AC.bin?="\r\nContent-Disposition: attachment;'
        + ' filename*=utf-8\'\'%E2%82%AC.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n'
        + `${Buffer.alloc(3000, 7).toString('base64').replace(/.{76}/g, '$&\r\n')}\r\n--o--\r\n`;
    const { uid, uidValidity } = await c.append('To', deep, ['\\Seen'], new Date('2020-02-29T12:00:00Z'));
    assert.strictEqual(uidValidity, c.mailbox.uidValidity);
    const one = await c.fetchOne(String(uid), { uid: true, envelope: true, bodyStructure: true, internalDate: true, size: true,
        headers: ['subject', 'x-none'], bodyParts: ['1.1', { key: '3', start: 4, maxLength: 8 }, '2.header', '3.mime'],
        source: { start: 10, maxLength: 20 } }, { uid: true });
    assert.strictEqual(one.envelope.subject, 'Parts €');
    assert.strictEqual(one.internalDate.toISOString(), '2020-02-29T12:00:00.000Z');
    assert.strictEqual(one.size, Buffer.byteLength(deep));
    assert.strictEqual(one.source.toString(), deep.slice(10, 30));
    assert.match(one.headers.toString(), /^Subject: =\?utf-8\?B\?UGFydHMg4oKs\?=\r\n\r\n$/);
    assert.strictEqual(one.bodyParts.get('1.1').toString(), 'Gr=FC=DFe=\r\n!');
    assert.strictEqual(one.bodyParts.get('3').toString(), 'BwcHBwcH'.slice(4) + 'BwcH');
    assert.match(one.bodyParts.get('2.header').toString(), /^From: Anna[^]*\r\n\r\n$/);
    assert.match(one.bodyParts.get('3.mime').toString(), /^Content-Type: application\/octet-stream/);
    const parts = one.bodyStructure.childNodes;
    assert.deepStrictEqual(parts.map((p) => p.type), ['multipart/alternative', 'message/rfc822', 'application/octet-stream']);
    assert.deepStrictEqual([parts[0].childNodes[1].part, parts[1].envelope.subject, parts[2].disposition], ['1.2', 'item 99', 'attachment']);
    assert.strictEqual(parts[2].dispositionParameters.filename, '€.bin');
    // decoded by the server (BINARY) and by the client alike
    c.sent.length = 0;
    for (const binary of [true, false]) {
        const plain = await c.download(String(uid), '1.1', { uid: true, binary });
        assert.strictEqual((await content(plain)).toString().trim(), 'Grüße!');
        const many = await c.downloadMany(String(uid), ['1.2', '3'], { uid: true, binary });
        assert.strictEqual(many['1.2'].content.toString(), '<p>Grüße!</p>');
        assert.ok(many['3'].content.equals(Buffer.alloc(3000, 7)));
        assert.strictEqual((await content(await c.download(String(uid), '3', { uid: true, binary, chunkSize: 700 }))).length, 3000);
    }
    sent(c, /UID FETCH \d+ .*BINARY\.PEEK\[3\]<0\.700>/);
    const { content: whole } = await c.download(String(uid), undefined, { uid: true, maxBytes: 100 });
    assert.strictEqual((await content({ content: whole })).length, 100);
    assert.strictEqual(await c.fetchOne('4000', { flags: true }, { uid: true }), false);
    // deleting all, then a mailbox without messages
    assert.strictEqual(await c.messageDelete('1:*', { uid: true }), true);
    assert.deepStrictEqual(await c.fetchAll('1:*', { flags: true }, { uid: true }), []);
    assert.deepStrictEqual(await c.search({ all: true }), []);
    assert.strictEqual(c.mailbox.exists, 0);
    lock2.release();
    await c.mailboxClose();
    await c.mailboxDelete('From');
    await c.mailboxDelete('To');
    await c.logout();
    assert.strictEqual(c.usable, false);
}

async function main() {
    for (const part of [qresync, compress, idle, search, object_ids, quota, mailboxes, messages]) {
        await part().catch((e) => {
            console.error(part.name);
            throw e;
        });
    }
    console.log('all well');
}

main().catch((e) => {
    console.error(e);
    process.exit(1);
});
