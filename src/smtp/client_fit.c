/* Is this a server for the message? What the sender demanded of the way (RFC 8689, RFC 2852), what the addresses and the content need
 * (RFC 6531, RFC 6152, RFC 3030), and how many recipients the server takes at once (RFC 9422) are held against what it offers, before
 * MAIL is said. */
#include "smtp/client_priv.h"

static enum err check_time(const struct smtp_client *c)
{
    const struct mail_terms *t = &c->job.envelope.terms;
    if (t->by != SMTP_BY_RETURN) {
        return ERR_OK; /* RFC 2852, 4.1.3: told of in any case, by whoever notes it */
    }
    if (!c->offer.has_by) {
        return c->job.is_own ? ERR_OK : ERR_NO_DELIVERBY; /* LMTP delivers now, or says why not */
    }
    int64_t left = client_get_by_left_s(c);
    return left > 0 && (uint64_t)left >= c->offer.by_least_s ? ERR_OK : ERR_BY_OVER;
}

/* What the sender demanded, and the server cannot do; for good, but another host might. */
enum err client_check_terms(const struct smtp_client *c)
{
    const struct mail_terms *t = &c->job.envelope.terms;
    bool is_guarded = c->is_tls && c->job.is_authentic && c->offer.has_requiretls;
    if (mail_needs_guard(t, c->job.envelope.return_path) && !is_guarded && !c->job.is_own) {
        return ERR_NO_REQUIRETLS;
    }
    if (!client_can_say(c, c->job.envelope.return_path)) {
        return ERR_NO_UTF8; /* RFC 6531, 3.5 */
    }
    return check_time(c);
}

/* Has the recipient's domain been among those before it? */
static bool is_new_domain(const struct smtp_client *c, size_t i)
{
    struct str a = c->job.envelope.recipients[i].address;
    a = str_skip(a, str_find_last_char(a, '@') + 1);
    for (size_t k = c->from; k < i; k++) {
        struct str b = c->job.envelope.recipients[k].address;
        if (str_eq_nocase(a, str_skip(b, str_find_last_char(b, '@') + 1))) {
            return false;
        }
    }
    return true;
}

/* The recipients of the coming transaction: as many as the server takes at once. */
void client_choose_recipients(struct smtp_client *c)
{
    size_t domains = 0;
    size_t count = 0;
    const struct client_offer *o = &c->offer;
    for (c->to = c->from; c->to < c->job.envelope.recipient_count; c->to++) {
        if (o->domains_most > 0 && is_new_domain(c, c->to) && ++domains > o->domains_most) {
            return;
        }
        if (o->rcpt_most > 0 && ++count > o->rcpt_most) {
            return;
        }
    }
}

/* Recipients that the server cannot be told of have their answer now. */
void client_settle_unsayable(struct smtp_client *c)
{
    for (size_t i = 0; i < c->job.envelope.recipient_count; i++) {
        if (!client_can_say(c, c->job.envelope.recipients[i].address)) {
            client_settle_err(c, i, SMTP_OUTCOME_FAILED, ERR_UTF8_RECIPIENT);
        }
    }
}

enum err client_prepare(struct smtp_client *c)
{
    const struct client_offer *o = &c->offer;
    struct content_able able = {.kind = o->has_8bitmime ? CONTENT_8BIT : CONTENT_7BIT};
    able.kind = o->has_binarymime && o->has_chunking ? CONTENT_BINARY : able.kind;
    /* Mail that came without SMTPUTF8 and has octets above 127 in its header all the same is older than SMTPUTF8. */
    able.is_utf8 = c->job.envelope.terms.is_utf8 ? o->has_utf8 : able.kind != CONTENT_7BIT;
    TRY(c->job.source.prepare(c->job.source.owner, able, &c->kind, &c->size));
    return o->size_most > 0 && c->size > o->size_most ? ERR_TOO_BIG : ERR_OK;
}
