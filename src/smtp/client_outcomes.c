/* What becomes of each recipient, in words that may be shown. The first word about a recipient stands. What a server says is cut and
 * loses its controls, for it goes to the log and into reports; what we say ourselves, because there is no server or it cannot take the
 * message, has the form of a reply, too. */
#include "smtp/client_priv.h"

#include <stdlib.h>

#include "base/mem.h"

enum { REPLY_MOST = 512, LINES_MOST = 4096 };

void client_outcomes_new(struct smtp_client *c)
{
    size_t count = c->job.envelope.recipient_count;
    c->outcomes = mem_new((count + 1) * sizeof(*c->outcomes));
    for (size_t i = 0; i < count; i++) {
        buf_init(&c->outcomes[i].reply, REPLY_MOST);
        buf_init(&c->outcomes[i].lines, LINES_MOST);
    }
}

void client_outcomes_free(struct smtp_client *c)
{
    for (size_t i = 0; i < c->job.envelope.recipient_count; i++) {
        buf_release(&c->outcomes[i].reply);
        buf_release(&c->outcomes[i].lines);
    }
    free(c->outcomes);
    c->outcomes = NULL;
}

/* The enhanced code with the space behind it; empty: there is none. It stands on every line of a reply (RFC 2034, 4). */
static struct str find_enhanced(struct str text)
{
    bool is_there = text.n > 2 && text.p[0] >= '2' && text.p[0] <= '5' && text.p[1] == '.';
    return is_there ? str_sub(text, 0, str_find_char(text, ' ') + 1) : STR_EMPTY;
}

static void add_shown(struct buf *out, struct str text)
{
    for (size_t n = 0; n < text.n; n++) {
        char ch = text.p[n];
        buf_add_char(out, ch < 32 || ch > 126 ? ' ' : ch);
    }
}

/* The lines of a reply without what is said on each again. */
static void add_lines(struct buf *out, struct str text)
{
    struct str enhanced = find_enhanced(text);
    add_shown(out, str_split(&text, '\n'));
    while (text.n > 0) {
        struct str line = str_split(&text, '\n');
        bool is_again = enhanced.n > 0 && str_starts(line, enhanced);
        buf_add_char(out, '\n');
        add_shown(out, str_skip(line, is_again ? enhanced.n : 0));
    }
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
    buf_addf(&o->lines, "%d ", code);
    add_lines(&o->lines, str_sub(text, 0, LINES_MOST - o->lines.len));
    add_shown(&o->reply, str_sub(buf_str(&o->lines), 0, REPLY_MOST));
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
    return (struct smtp_outcome){
        .kind = o->kind,
        .reply = buf_str(&o->reply),
        .lines = buf_str(&o->lines),
        .is_from_server = o->is_from_server,
        .is_dsn_with_him = c->offer.has_dsn,
        .is_by_with_him = c->offer.has_by,
        .is_delivery = c->job.is_lmtp,
    };
}
