/* What becomes of each recipient, in words that may be shown. The first word about a recipient stands. What a server says is cut and
 * loses its controls, for it goes to the log and into reports; what we say ourselves, because there is no server or it cannot take the
 * message, has the form of a reply, too. */
#include "smtp/client_priv.h"

#include <stdlib.h>

#include "base/mem.h"

enum { REPLY_MOST = 512 };

void client_outcomes_new(struct smtp_client *c)
{
    size_t count = c->job.envelope.recipient_count;
    c->outcomes = mem_new((count + 1) * sizeof(*c->outcomes));
    for (size_t i = 0; i < count; i++) {
        buf_init(&c->outcomes[i].reply, REPLY_MOST);
    }
}

void client_outcomes_free(struct smtp_client *c)
{
    for (size_t i = 0; i < c->job.envelope.recipient_count; i++) {
        buf_release(&c->outcomes[i].reply);
    }
    free(c->outcomes);
    c->outcomes = NULL;
}

void client_settle(struct smtp_client *c, size_t i, enum smtp_outcome_kind kind, int code,
                   struct str text, bool is_from_server)
{
    struct client_outcome *o = &c->outcomes[i];
    if (o->kind != SMTP_OUTCOME_OPEN) {
        return;
    }
    o->kind = kind;
    o->is_from_server = is_from_server;
    buf_addf(&o->reply, "%d ", code);
    text = str_sub(text, 0, REPLY_MOST - o->reply.len);
    for (size_t n = 0; n < text.n; n++) {
        char ch = text.p[n];
        buf_add_char(&o->reply, ch < 32 || ch > 126 ? ' ' : ch);
    }
}

/* What the reply says, for the log and for reports. An answer to a login may repeat what it was given, so its code alone is told. */
static struct str get_text(const struct smtp_client *c)
{
    bool is_login =
        c->state == AT_AUTH || c->state == AT_LOGIN_NAME || c->state == AT_LOGIN_PASSWORD;
    return is_login ? smtp_reply_get_enhanced(&c->reply) : buf_str(&c->reply.text);
}

/* All recipients that have no outcome yet, by the reply at hand. */
void client_settle_rest(struct smtp_client *c, enum smtp_outcome_kind kind)
{
    for (size_t i = 0; i < c->job.envelope.recipient_count; i++) {
        client_settle(c, i, kind, c->reply.code, get_text(c), true);
    }
}

/* The same for those of the transaction. */
void client_settle_transaction(struct smtp_client *c, enum smtp_outcome_kind kind)
{
    for (size_t i = c->from; i < c->to; i++) {
        client_settle(c, i, kind, c->reply.code, buf_str(&c->reply.text), true);
    }
}

void client_settle_err(struct smtp_client *c, size_t i, enum smtp_outcome_kind kind, enum err e)
{
    const struct err_info *info = err_get_info(e);
    CLEANUP(buf_release) struct buf text = BUF_INIT(REPLY_MOST);
    buf_addf(&text, "%s %s", info->enhanced, info->text);
    client_settle(c, i, kind, info->smtp, buf_str(&text), false);
}

void client_settle_rest_err(struct smtp_client *c, enum smtp_outcome_kind kind, enum err e)
{
    for (size_t i = 0; i < c->job.envelope.recipient_count; i++) {
        client_settle_err(c, i, kind, e);
    }
}

enum smtp_outcome_kind client_get_kind(const struct smtp_client *c)
{
    if (c->reply.code >= 200 && c->reply.code < 300) {
        return SMTP_OUTCOME_DONE;
    }
    return c->reply.code >= 500 ? SMTP_OUTCOME_FAILED : SMTP_OUTCOME_LATER;
}

/* The first recipient from i on without an outcome; the count: none. */
size_t client_find_open(const struct smtp_client *c, size_t i)
{
    while (i < c->job.envelope.recipient_count && c->outcomes[i].kind != SMTP_OUTCOME_OPEN) {
        i++;
    }
    return i;
}

struct smtp_outcome smtp_client_get_outcome(const struct smtp_client *c, size_t i)
{
    const struct client_outcome *o = &c->outcomes[i];
    return (struct smtp_outcome){o->kind,          buf_str(&o->reply), o->is_from_server,
                                 c->offer.has_dsn, c->offer.has_by,    c->job.is_lmtp};
}
