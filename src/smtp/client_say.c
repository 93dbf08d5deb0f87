/* What the client says: which of the server's extensions a message makes use of. A parameter goes out only when the server offered its
 * keyword, and what the sender asked for decides whether it must (client.c). Addresses are what our own parser took, so they hold no line
 * ends; a server that takes no UTF-8 gets the domain in A-labels, which is the same domain. */
#include "smtp/client_priv.h"

#include "base/base64.h"
#include "mime/idna.h"

enum { SECRET_MOST = 4096, DOMAIN_MOST = 255 };

static void read_limits(struct str args, struct client_offer *o)
{
    while (args.n > 0) {
        struct str value = str_split(&args, ' ');
        struct str name = str_split(&value, '=');
        uint64_t number = 0;
        if (!str_to_u64(value, UINT32_MAX, &number)) {
            continue;
        }
        if (str_eq_nocase(name, STR("RCPTMAX"))) {
            o->rcpt_most = number;
        } else if (str_eq_nocase(name, STR("MAILMAX"))) {
            o->mail_most = number;
        } else if (str_eq_nocase(name, STR("RCPTDOMAINMAX"))) {
            o->domains_most = number;
        }
    }
}

static void read_auth(struct str args, struct client_offer *o)
{
    while (args.n > 0) {
        struct str mechanism = str_split(&args, ' ');
        o->has_auth_plain = o->has_auth_plain || str_eq_nocase(mechanism, STR("PLAIN"));
        o->has_auth_login = o->has_auth_login || str_eq_nocase(mechanism, STR("LOGIN"));
    }
}

void client_read_offer(const struct smtp_reply *r, struct client_offer *o)
{
    struct str size = STR_EMPTY;
    struct str auth = STR_EMPTY;
    struct str by = STR_EMPTY;
    struct str limits = STR_EMPTY;
    *o = (struct client_offer){
        .has_starttls = smtp_reply_find_keyword(r, STR("STARTTLS"), NULL),
        .has_pipelining = smtp_reply_find_keyword(r, STR("PIPELINING"), NULL),
        .has_8bitmime = smtp_reply_find_keyword(r, STR("8BITMIME"), NULL),
        .has_chunking = smtp_reply_find_keyword(r, STR("CHUNKING"), NULL),
        .has_binarymime = smtp_reply_find_keyword(r, STR("BINARYMIME"), NULL),
        .has_dsn = smtp_reply_find_keyword(r, STR("DSN"), NULL),
        .has_utf8 = smtp_reply_find_keyword(r, STR("SMTPUTF8"), NULL),
        .has_priority = smtp_reply_find_keyword(r, STR("MT-PRIORITY"), NULL),
        .has_requiretls = smtp_reply_find_keyword(r, STR("REQUIRETLS"), NULL),
        .has_size = smtp_reply_find_keyword(r, STR("SIZE"), &size),
        .has_by = smtp_reply_find_keyword(r, STR("DELIVERBY"), &by),
    };
    (void)str_to_u64(str_trim(size), UINT64_MAX, &o->size_most);
    (void)str_to_u64(str_trim(by), UINT32_MAX, &o->by_least_s);
    (void)smtp_reply_find_keyword(r, STR("AUTH"), &auth);
    (void)smtp_reply_find_keyword(r, STR("LIMITS"), &limits);
    read_auth(auth, o);
    read_limits(limits, o);
}

void client_say_secret(struct smtp_client *c, struct str secret)
{
    base64_write(&c->out, secret);
    buf_add(&c->out, STR("\r\n"));
}

void client_say_auth_plain(struct smtp_client *c)
{
    CLEANUP(buf_wipe) struct buf plain = BUF_INIT(SECRET_MOST);
    (void)buf_reserve(&plain, c->job.user.n + c->job.password.n + 2);
    buf_add_char(&plain, '\0');
    buf_add(&plain, c->job.user);
    buf_add_char(&plain, '\0');
    buf_add(&plain, c->job.password);
    buf_add(&c->out, STR("AUTH PLAIN "));
    client_say_secret(c, buf_str(&plain));
}

/* ---- addresses ---- */

static bool is_ascii(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] > 126) {
            return false;
        }
    }
    return true;
}

bool client_can_say(const struct smtp_client *c, struct str address)
{
    CLEANUP(buf_release) struct buf domain = BUF_INIT(DOMAIN_MOST);
    size_t at = str_find_last_char(address, '@');
    return c->offer.has_utf8 || is_ascii(address)
           || (is_ascii(str_sub(address, 0, at))
               && idna_to_ascii(str_skip(address, at + 1), &domain) == ERR_OK);
}

static void say_address(struct smtp_client *c, struct str address)
{
    size_t at = str_find_last_char(address, '@');
    if (c->offer.has_utf8 || is_ascii(address)) {
        buf_add(&c->out, address);
        return;
    }
    CLEANUP(buf_release) struct buf domain = BUF_INIT(DOMAIN_MOST);
    (void)!idna_to_ascii(str_skip(address, at + 1), &domain); /* client_can_say() has seen to it */
    buf_add(&c->out, str_sub(address, 0, at + 1));
    buf_add(&c->out, buf_str(&domain));
}

/* ---- MAIL ---- */

int64_t client_get_by_left_s(const struct smtp_client *c)
{
    const struct smtp_source *s = &c->job.source;
    uint64_t now = s->now_ms != NULL ? s->now_ms(s->owner) : UINT64_MAX / 2;
    uint64_t by = c->job.envelope.terms.deliver_by_ms;
    return by >= now ? (int64_t)((by - now) / 1000) : -(int64_t)((now - by) / 1000);
}

/* The sender asked for it, or an address needs it: an alias in ASCII may stand for an account that is not. */
static bool has_utf8(const struct smtp_client *c)
{
    const struct mail_envelope *e = &c->job.envelope;
    bool is_needed = e->terms.is_utf8 || !is_ascii(e->return_path);
    for (size_t i = 0; i < e->recipient_count && !is_needed; i++) {
        is_needed = !is_ascii(e->recipients[i].address);
    }
    return is_needed && c->offer.has_utf8;
}

static void say_terms(struct smtp_client *c)
{
    const struct mail_terms *t = &c->job.envelope.terms;
    if (has_utf8(c)) {
        buf_add(&c->out, STR(" SMTPUTF8"));
    }
    if (c->offer.has_by && t->by != SMTP_BY_NONE) {
        buf_addf(&c->out, " BY=%lld;%c%s", (long long)client_get_by_left_s(c),
                 t->by == SMTP_BY_RETURN ? 'R' : 'N', t->is_by_traced ? "T" : "");
    }
    if (c->offer.has_priority) { /* also what nobody asked for (RFC 6710, 4.2; RFC 6758, 3.2) */
        buf_addf(&c->out, " MT-PRIORITY=%d", t->priority);
    }
    if ((c->offer.has_requiretls || c->job.is_own) && t->is_tls_required) {
        buf_add(&c->out, STR(" REQUIRETLS"));
    }
}

void client_say_mail(struct smtp_client *c)
{
    const struct mail_envelope *e = &c->job.envelope;
    const struct client_offer *o = &c->offer;
    buf_add(&c->out, STR("MAIL FROM:<"));
    say_address(c, e->return_path);
    buf_add_char(&c->out, '>');
    if (o->has_size) {
        buf_addf(&c->out, " SIZE=%llu", (unsigned long long)c->size);
    }
    if (o->has_8bitmime || (c->kind == CONTENT_BINARY && o->has_binarymime)) {
        buf_add(&c->out, STR(" BODY="));
        buf_add(&c->out, content_get_body_value(c->kind));
    }
    bool hears_dsn = o->has_dsn || c->job.is_own;
    if (hears_dsn && e->ret != SMTP_RET_NONE) {
        buf_add(&c->out, e->ret == SMTP_RET_FULL ? STR(" RET=FULL") : STR(" RET=HDRS"));
    }
    if (hears_dsn && e->envid.n > 0) {
        buf_add(&c->out, STR(" ENVID="));
        xtext_write(&c->out, e->envid);
    }
    say_terms(c);
    if (c->job.user.n > 0) {
        /* RFC 4954, 5: whom we logged in to hears that we vouch for nobody in particular. */
        buf_add(&c->out, STR(" AUTH=<>"));
    }
    buf_add(&c->out, STR("\r\n"));
}

/* ---- RCPT ---- */

static void say_notify(struct buf *out, unsigned notify)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {{SMTP_NOTIFY_NEVER, "NEVER"},
                 {SMTP_NOTIFY_SUCCESS, "SUCCESS"},
                 {SMTP_NOTIFY_FAILURE, "FAILURE"},
                 {SMTP_NOTIFY_DELAY, "DELAY"}};
    const char *before = " NOTIFY=";
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((notify & names[i].bit) != 0) {
            buf_addf(out, "%s%s", before, names[i].name);
            before = ",";
        }
    }
}

/* A server that keeps no time, but sends reports, is at least to tell of delays (RFC 2852, 4.1.4.2). */
static unsigned get_notify(const struct smtp_client *c, const struct mail_recipient *r)
{
    bool is_time_lost = c->job.envelope.terms.by == SMTP_BY_NOTIFY && !c->offer.has_by;
    if (!is_time_lost || r->notify == SMTP_NOTIFY_NEVER) {
        return r->notify;
    }
    return (r->notify != 0 ? r->notify : SMTP_NOTIFY_FAILURE) | SMTP_NOTIFY_DELAY;
}

void client_say_rcpt(struct smtp_client *c, size_t i)
{
    const struct mail_recipient *r = &c->job.envelope.recipients[i];
    buf_add(&c->out, STR("RCPT TO:<"));
    say_address(c, r->address);
    buf_add_char(&c->out, '>');
    if (c->offer.has_dsn) {
        say_notify(&c->out, get_notify(c, r));
    } else if (c->job.is_own) {
        say_notify(&c->out, r->notify);
    }
    /* Our own LMTP server takes ORCPT for Delivered-To, and all else for what scripts send on; it offers no DSN, for reports stay our
     * business. Others without DSN must not be told (RFC 3461, 5.2.2). */
    if ((c->offer.has_dsn || c->job.is_own) && r->orcpt.n > 0) {
        buf_add(&c->out, STR(" ORCPT="));
        smtp_orcpt_write(&c->out, r->orcpt, has_utf8(c));
    }
    buf_add(&c->out, STR("\r\n"));
}
