/* Fuzzes the SMTP and LMTP client core: octets of a hostile server in.
 *
 * The first octet chooses LMTP, TLS policy, AUTH and how the rest is cut. Invariants: the client settles; what it says is
 * bounded; when it is done every recipient has an outcome; nobody but a server that took the content gets one "done". */
#include "fuzz.h"

#include "base/buf.h"
#include "smtp/client.h"

#include <assert.h>
#include <stdlib.h>

enum { STEPS_MOST = 10000, SAID_MOST = 1 << 20, RECIPIENTS = 3 };

static enum err prepare(void *owner, struct content_able able, enum content_kind *kind,
                        uint64_t *size)
{
    (void)owner;
    *kind = able.kind < CONTENT_8BIT ? able.kind : CONTENT_8BIT;
    *size = 22;
    return ERR_OK;
}

static enum err read_content(void *owner, uint64_t offset, size_t n, struct str *out)
{
    (void)owner;
    *out = str_sub(STR("Subject: x\r\n\r\n.\r\nend\r\n"), (size_t)offset, n);
    return ERR_OK;
}

static enum smtp_client_want drain(struct smtp_client *c, struct buf *said)
{
    for (unsigned i = 0; i < STEPS_MOST; i++) {
        enum smtp_client_want want = smtp_client_step(c, said);
        if (want == SMTP_CLIENT_TLS) {
            smtp_client_on_tls(c);
        } else if (want != SMTP_CLIENT_OUTPUT) {
            assert(!said->is_full);
            return want;
        }
    }
    abort(); /* the client goes round */
    return SMTP_CLIENT_DONE;
}

static void check_outcomes(const struct smtp_client *c, const struct buf *said)
{
    struct str end = STR("\r\nend\r\n");
    for (size_t i = 0; i < RECIPIENTS; i++) {
        struct smtp_outcome o = smtp_client_get_outcome(c, i);
        assert(o.kind != SMTP_OUTCOME_OPEN);
        assert(o.reply.n > 0 && str_find_char(o.reply, '\n') == o.reply.n);
        assert(o.kind != SMTP_OUTCOME_DONE || str_find_str(buf_str(said), end) < said->len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct mail_recipient to[RECIPIENTS] = {
        {.address = {"a@x", 3}}, {.address = {"b@x", 3}, .notify = 7}, {.address = {"c@x", 3}}};
    if (size == 0) {
        return 0;
    }
    struct smtp_client_job job = {
        .is_lmtp = (data[0] & 1) != 0,
        .helo = STR("me"),
        .tls = (enum smtp_tls_policy)((data[0] >> 1) % 3),
        .user = (data[0] & 8) != 0 ? STR("u") : STR_EMPTY,
        .password = STR("p"),
        .envelope = {STR("f@x"), STR("e"), SMTP_RET_FULL, to, RECIPIENTS},
        .source = {prepare, read_content, NULL},
    };
    struct smtp_client *c = smtp_client_new(&job);
    struct buf said = BUF_INIT(SAID_MOST);
    struct str in = str_make((const char *)data + 1, size - 1);
    size_t piece = 1 + (size_t)(data[0] >> 4) * 13;
    enum smtp_client_want want = drain(c, &said);
    while (in.n > 0 && want != SMTP_CLIENT_DONE) {
        smtp_client_feed(c, str_sub(in, 0, piece));
        in = str_skip(in, piece);
        want = drain(c, &said);
    }
    smtp_client_fail(c, ERR_PEER_GONE);
    check_outcomes(c, &said);
    smtp_client_free(&c);
    buf_release(&said);
    return 0;
}
