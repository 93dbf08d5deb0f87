// imapflow in IDLE: it said by ID that it is imapflow, so the server says something after each (short) minute. The log shows the wire.
const assert = require('assert');
const { ImapFlow } = require('imapflow');
const [, , host, port, , pass] = process.argv;

async function main() {
    const c = new ImapFlow({ host, port: Number(port), secure: false, servername: 'localhost', auth: { user: 'alice', pass }, logger: false,
        emitLogs: true });
    const beats = [];
    let said = '';
    const enough = new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`${beats.length} beats within a minute; said: ${said}`)), 60000);
        c.on('log', (entry) => {
            said += entry.src === 'c' ? entry.msg : '';
            if (entry.src === 's' && /^\* OK Still here/.test(String(entry.msg))) {
                beats.push(Date.now());
            }
            if (beats.length === 5) {
                clearTimeout(timer);
                resolve();
            }
        });
    });
    await c.connect();
    const lock = await c.getMailboxLock('INBOX');
    lock.release();
    c.idle();
    await enough;
    assert.match(said, / ID \("name"|ID \(/);
    for (let i = 1; i < beats.length; i++) {
        assert.ok(beats[i] - beats[i - 1] > 500, `not before its time: ${beats}`);
    }
    await c.logout();
    console.log('all well');
}

main().catch((e) => {
    console.error(e);
    process.exit(1);
});
