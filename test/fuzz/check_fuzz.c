/* Fuzzes the dialogues of limetta check: whatever a server says, in whatever pieces, they come to an end within their bounds, and
 * what they report holds nothing that a terminal would obey. The first octet chooses the dialogue, the second the size of a piece. */
#include "fuzz.h"

#include "tools/check_dialogue.h"

#include <assert.h>

enum { TIMEOUT_MS = 10, REPORT_MOST = 16 * 1024 * 1024 };

struct server {
    struct str says;
    size_t piece;
    uint64_t now_ms;
};

static enum talk_result server_read(void *owner, uint64_t within_ms, struct buf *in)
{
    struct server *s = owner;
    struct str part = str_sub(s->says, 0, s->piece);
    assert(within_ms <= TIMEOUT_MS);
    if (part.n == 0) {
        s->now_ms += within_ms;
        return s->now_ms % 2 == 0 ? TALK_SILENT : TALK_CLOSED;
    }
    buf_add(in, part);
    s->says = str_skip(s->says, part.n);
    return TALK_OK;
}

static enum talk_result server_write(void *owner, struct str octets)
{
    (void)owner;
    assert(octets.n > 0);
    return TALK_OK;
}

static enum talk_result server_start_tls(void *owner, uint64_t within_ms)
{
    struct server *s = owner;
    s->now_ms += within_ms > 0 ? 1 : 0;
    return TALK_OK;
}

static uint64_t server_now(void *owner)
{
    const struct server *s = owner;
    return s->now_ms;
}

static const struct talk_io IO = {server_read, server_write, server_start_tls, server_now};

static void talk_imap_all(struct check_dialogue *d)
{
    if (check_imap_start(d) && check_imap_login(d)) {
        check_imap_octets(d);
        (void)check_imap_arrived(d, true);
        check_imap_commands(d);
    }
    check_imap_end(d);
}

static void talk_smtp_all(struct check_dialogue *d)
{
    bool is_binary = false;
    bool is_leave = false;
    if (check_smtp_start(d) && check_smtp_login(d)) {
        (void)check_smtp_octets(d, &is_binary);
        (void)check_smtp_noop(d, &is_leave);
    }
    check_smtp_end(d);
}

static void choose(struct check_dialogue *d, unsigned char kind)
{
    switch (kind % 5) {
    case 0:
        talk_imap_all(d);
        return;
    case 1:
        talk_smtp_all(d);
        return;
    case 2:
        check_smtp_intercepted(d, STR("mail.example"));
        return;
    case 3:
        check_acap_start(d);
        return;
    default:
        check_sieve_start(d);
        return;
    }
}

/* All that is told is plain text. */
static void check_told(const struct check_report *r)
{
    struct buf out = BUF_INIT(REPORT_MOST);
    assert(check_report_write_json(r, &out) == ERR_OK);
    check_report_write_text(r, true, &out);
    for (size_t i = 0; i < out.len; i++) {
        assert((unsigned char)out.p[i] >= ' ' || out.p[i] == '\n');
    }
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    struct server s = {str_make((const char *)data + 2, size - 2), data[1] + 1U, 0};
    struct check_report report = {.host = STR("mail.example"), .from = "client"};
    struct talk talk;
    talk_init(&talk, &IO, &s, TIMEOUT_MS);
    struct check_dialogue d = {
        .talk = &talk,
        .leg = check_report_add(&report, "imap", 143),
        .helo = STR("check.invalid"),
        .expect = STR("PIPELINING"),
        .user = STR("probe"),
        .password = STR("secret"),
        .address = STR("probe@mail.example"),
        .unique = STR("abc"),
        .offers = BUF_INIT(TALK_LINE_MOST),
    };
    d.leg->cert.is_good = true;
    choose(&d, data[0]);
    assert(d.leg->findings.count <= CHECK_FINDINGS_MOST);
    check_told(&report);
    buf_release(&d.offers);
    talk_release(&talk);
    check_report_release(&report);
    return 0;
}
