// Sending with nodemailer over STARTTLS: 8-bit text, a large attachment, a report that is asked for, many on few connections, failures.
const assert = require('assert');
const crypto = require('crypto');
const nodemailer = require('nodemailer');
const [, , host, , port, pass] = process.argv;

const data = Buffer.concat([...Array(100000).keys()].map((i) => crypto.createHash('sha256').update(String(i)).digest()));
const text = 'Grüße aus Köln, 日本\n.\n..\nFrom here on nothing is escaped\n';

function open(more) {
    return nodemailer.createTransport({ host, port: Number(port), requireTLS: true, tls: { servername: 'localhost' },
        name: 'phone.example', auth: { user: 'alice', pass }, ...more });
}

async function main() {
    const t = open({ pool: true, maxConnections: 4 });
    const r = await t.sendMail({ from: 'alice@localhost', to: 'bob@localhost', subject: 'by nodemailer', text, textEncoding: '8bit',
        attachments: [{ filename: 'data.bin', content: data }],
        dsn: { id: 'node-1', return: 'headers', notify: ['success', 'failure'], recipient: 'alice@localhost' } });
    assert.deepStrictEqual(r.accepted, ['bob@localhost']);
    await Promise.all([...Array(20).keys()].map((i) => t.sendMail({ from: 'alice@localhost', to: 'bob@localhost', subject: `many ${i}`,
        text: String(i) })));
    const part = await t.sendMail({ from: 'alice@localhost', to: ['bob@localhost', 'nobody@localhost'], subject: 'one of two', text: 'x' });
    assert.deepStrictEqual(part.rejected, ['nobody@localhost']);
    t.close();
    await assert.rejects(open({ auth: { user: 'alice', pass: 'wrong' } }).sendMail({ from: 'alice@localhost', to: 'bob@localhost' }), /535/);
    await assert.rejects(open().sendMail({ from: 'alice@localhost', to: 'nobody@localhost', text: 'x' }), /550 5\.1\.1/);
    console.log('all well');
}

main().catch((e) => {
    console.error(e);
    process.exit(1);
});
