// A tour with imapflow: COMPRESS, CONDSTORE, QRESYNC, IDLE, MOVE, SPECIAL-USE as a busy desktop client would use them.
const assert = require('assert');
const { ImapFlow } = require('imapflow');
const [, , host, port, , pass, server] = process.argv;

function client(user, more) {
    return new ImapFlow({ host, port: Number(port), secure: false, servername: 'localhost', auth: { user, pass }, logger: false,
        qresync: true, ...more });
}

function until(emitter, event, is_it) {
    return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`no ${event} within 10 s`)), 10000);
        emitter.on(event, (data) => {
            if (!is_it || is_it(data)) {
                clearTimeout(timer);
                resolve(data);
            }
        });
    });
}

const text = (n) => `From: a@localhost\r\nTo: alice@localhost\r\nSubject: item ${n}\r\n\r\nbody ${n}\r\n`;

async function content(download) {
    const chunks = [];
    for await (const chunk of download.content) {
        chunks.push(chunk);
    }
    return Buffer.concat(chunks);
}

// BINARY (M-3, M-4): an attachment decoded by the server, range by range; a message with NUL, as it is and as everybody can take it.
async function binary() {
    const c = client('alice');
    await c.connect();
    assert.ok(c.capabilities.has('BINARY'));
    await c.mailboxCreate('Pictures');
    const lock = await c.getMailboxLock('Pictures');
    const picture = Buffer.from(Array.from({ length: 300000 }, (_, i) => (i * i) >> 3));
    const encoded = picture.toString('base64').replace(/.{76}/g, '$&\r\n');
    await c.append('Pictures', 'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nlook\r\n--b\r\n'
        + `Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n${encoded}\r\n--b--\r\n`);
    for (const binary of [true, false]) {
        const got = await content(await c.download('1', '2', { uid: true, binary, chunkSize: 50000 }));
        assert.ok(got.equals(picture), `downloaded, binary ${binary}`);
    }
    if (server !== 'dovecot') {
        const head = 'MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n';
        const octets = Buffer.concat([Buffer.from(head), picture]);
        const { uid } = await c.append('Pictures', octets);
        const whole = await c.fetchOne(String(uid), { source: true }, { uid: true, binary: true });
        assert.ok(whole.source.equals(octets), 'as it is stored');
        assert.ok((await content(await c.download(String(uid), '1', { uid: true }))).equals(picture), 'as it is shown');
        const { size, source } = await c.fetchOne(String(uid), { size: true, source: true }, { uid: true });
        assert.strictEqual(size, source.length);
    }
    lock.release();
    await c.mailboxDelete('Pictures');
    await c.logout();
}

async function main() {
    await binary();
    const c = client('alice');
    await c.connect();
    assert.strictEqual(c.secureConnection, true);
    assert.ok(c._inflate, 'COMPRESS=DEFLATE is in use');
    const boxes = await c.list();
    assert.ok(boxes.some((b) => b.specialUse === '\\Sent'), 'a mailbox for sent mail');
    await c.mailboxCreate(['Reise', 'Zürich']);
    const lock = await c.getMailboxLock('INBOX');
    for (let i = 0; i < 10; i++) {
        const r = await c.append('INBOX', text(i), i % 2 ? ['\\Seen'] : [], new Date(1700000000000 + i * 1000));
        assert.strictEqual(r.uid, i + 1);
    }
    assert.strictEqual((await c.status('INBOX', { messages: true, unseen: true })).unseen, 5);
    if (server !== 'dovecot') {
        // X-LIST-EXTENDED, X-LIST-STATUS, X-QUOTA
        const listed = await c.list({ statusQuery: { messages: true, unseen: true } });
        assert.strictEqual(listed.find((b) => b.path === 'INBOX').status.messages, 10);
        assert.ok(listed.find((b) => b.path === 'INBOX').subscribed);
        const quota = await c.getQuota('INBOX');
        assert.strictEqual(quota.quotaRoot, 'Account');
        assert.deepStrictEqual([quota.mailbox.usage, quota.mailbox.limit], [8, 20000]);
    }
    assert.deepStrictEqual(await c.search({ seen: true }, { uid: true }), [2, 4, 6, 8, 10]);
    assert.deepStrictEqual(await c.search({ header: { subject: 'item 7' } }, { uid: true }), [8]);
    const seen = [];
    for await (const m of c.fetch('1:*', { uid: true, envelope: true, bodyStructure: true, flags: true, source: true })) {
        assert.strictEqual(m.source.toString(), text(m.uid - 1));
        seen.push(m.envelope.subject);
    }
    assert.deepStrictEqual(seen, [...Array(10).keys()].map((i) => `item ${i}`));
    await c.messageFlagsAdd({ uid: '1:3' }, ['$Forwarded', '\\Flagged'], { uid: true });
    const one = await c.fetchOne('2', { flags: true }, { uid: true });
    assert.ok(one.flags.has('$Forwarded') && one.flags.has('\\Flagged'));
    const moved = await c.messageMove('4:5', 'Reise/Zürich', { uid: true });
    assert.deepStrictEqual([...moved.uidMap.entries()], [[4, 1], [5, 2]]);
    const copied = await c.messageCopy('6', 'Reise/Zürich', { uid: true });
    assert.strictEqual(copied.uidMap.get(6), 3);
    await c.messageDelete('1', { uid: true });
    const part = await c.download('2', 'TEXT', { uid: true });
    let body = '';
    for await (const chunk of part.content) {
        body += chunk;
    }
    assert.strictEqual(body, 'body 1\r\n');

    // News while idling, made by a second session.
    const other = client('alice');
    await other.connect();
    const other_lock = await other.getMailboxLock('INBOX');
    const idling = c.idle();
    const exists = until(c, 'exists', (e) => e.path === 'INBOX');
    const flags = until(c, 'flags', (e) => e.flags.has('$Later'));
    const expunge = until(c, 'expunge');
    await other.append('INBOX', text('new'));
    assert.strictEqual((await exists).count, 8);
    await other.messageFlagsAdd('2', ['$Later'], { uid: true });
    await flags;
    await other.messageDelete('3', { uid: true });
    await expunge;
    other_lock.release();
    await other.logout();
    await c.noop();
    await idling;

    // QRESYNC: leave with what we know, come back and hear only what changed.
    const known = { uidValidity: c.mailbox.uidValidity, modseq: c.mailbox.highestModseq };
    assert.ok(known.modseq > 0n);
    lock.release();
    await c.logout();
    if (server !== 'dovecot') {
        const back = client('alice');
        await back.connect();
        assert.ok(back.enabled.has('QRESYNC') || back.enabled.has('CONDSTORE'));
        const again = await back.getMailboxLock('INBOX');
        const changed = [];
        for await (const m of back.fetch('1:*', { uid: true, flags: true }, { changedSince: known.modseq })) {
            changed.push(m.uid);
        }
        assert.deepStrictEqual(changed, []);
        again.release();
        await back.mailboxRename(['Reise', 'Zürich'], ['Reise', 'Genève']);
        await back.mailboxDelete(['Reise', 'Genève']);
        await back.logout();
    }
    console.log('all well');
}

main().catch((e) => {
    console.error(e);
    process.exit(1);
});
