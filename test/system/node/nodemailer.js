// Sending with nodemailer: over STARTTLS, an attachment, non-ASCII headers, a pooled connection.
const assert = require('assert');
const nodemailer = require('nodemailer');
const [, , host, , port, pass] = process.argv;

async function main() {
    const t = nodemailer.createTransport({ host, port: Number(port), requireTLS: true, pool: true, maxConnections: 1,
        tls: { servername: 'localhost' }, name: 'phone.example', auth: { user: 'alice', pass } });
    for (let i = 0; i < 3; i++) {
        const r = await t.sendMail({ from: 'Älice <alice@localhost>', to: 'bob@localhost', subject: `Grüße ${i}`, text: 'Guten Tag',
            attachments: [{ filename: 'data.bin', content: Buffer.alloc(50000, i) }] });
        assert.deepStrictEqual(r.accepted, ['bob@localhost']);
        assert.match(r.response, /^250 2\./);
    }
    await assert.rejects(t.sendMail({ from: 'alice@localhost', to: 'nobody@localhost', text: 'x' }), /550/);
    t.close();
    console.log('all well');
}

main().catch((e) => {
    console.error(e);
    process.exit(1);
});
