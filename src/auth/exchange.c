/* SASL, by libgsasl but for tokens.
 *
 * libgsasl parses the messages and does SCRAM's arithmetic; it asks for what it needs by callback. Two kinds of answer:
 *
 *   PLAIN, LOGIN   GSASL_VALIDATE_SIMPLE: we keep name and password and say "fine", then tell the caller
 *                  EXCHANGE_PASSWORD, because Argon2id takes too long for a callback.
 *   SCRAM          salt, iterations and keys of the user. For somebody unknown they are made up, stable and of the usual
 *                  shape, and the proof then fails where a wrong password's does: an observer learns nothing.
 *
 * Bearer tokens are one message, which bearer.c reads; whether they are good is asked elsewhere, as with passwords.
 *
 * Downgrade (RFC 5802, 6): a client that could bind to the channel but was told that we cannot says "y"; we could
 * (cb_type is given), so somebody in the middle cut -PLUS from the list of mechanisms, and the exchange fails. */
#include "auth/exchange.h"

#include "auth/bearer.h"
#include "auth/names.h"
#include "base/base64.h"

#include <gsasl.h>
#include <stdlib.h>

struct sasl {
    Gsasl *gsasl;
    void (*find)(void *owner, struct str name, struct verifier *out);
    void *owner;
    size_t refs; /* its owner, and the exchanges */
};

struct exchange {
    struct sasl *sasl;
    Gsasl_session *session;
    Gsasl_property cb_property; /* which of the two channel bindings is there */
    struct buf cb;              /* base64, as libgsasl wants it; empty: none */
    bool is_scram;
    bool is_plus;
    bool is_bearer;
    bool is_xoauth;
    bool is_refused;   /* the token did not do; the client is told */
    bool is_first;     /* the next message is the client's first */
    bool is_asked;     /* and it was asked for that */
    bool has_password; /* GSASL_VALIDATE_SIMPLE was asked */
    struct buf user;
    struct buf authzid;
    struct buf password; /* or the token */
};

static struct buf secret_buf(size_t cap)
{
    struct buf b = BUF_INIT(cap);
    (void)buf_reserve(&b, cap); /* never moves, so one wipe reaches every copy */
    return b;
}

static struct str get_property(Gsasl_session *s, Gsasl_property p)
{
    return str_from_c(gsasl_property_fast(s, p));
}

/* Takes over who the client says it is. A name that cannot be an account stays empty, and so is nobody's. */
static void take_names(struct exchange *x)
{
    struct str authid = get_property(x->session, GSASL_AUTHID);
    struct str authzid = get_property(x->session, GSASL_AUTHZID);
    buf_clear(&x->user);
    buf_clear(&x->authzid);
    if (name_prepare(authid, false, &x->user) != ERR_OK) {
        buf_clear(&x->user);
    }
    if (authzid.n == 0) {
        buf_add(&x->authzid, buf_str(&x->user));
    } else if (name_prepare(authzid, false, &x->authzid) != ERR_OK) {
        buf_clear(&x->authzid);
    }
}

static int set_base64(Gsasl_session *s, Gsasl_property p, const uint8_t *octets, size_t n)
{
    struct buf b = secret_buf(128);
    base64_write(&b, str_make((const char *)octets, n));
    int rc = gsasl_property_set_raw(s, p, b.p, b.len);
    buf_wipe(&b);
    return rc;
}

/* Hands libgsasl everything it may ask about the user at once. */
static int give_verifier(struct exchange *x)
{
    struct verifier v;
    take_names(x);
    x->sasl->find(x->sasl->owner, buf_str(&x->user), &v);
    struct buf iterations = BUF_INIT(16);
    buf_add_u64(&iterations, v.scram_iterations);
    Gsasl_session *s = x->session;
    int rc = gsasl_property_set_raw(s, GSASL_SCRAM_ITER, iterations.p, iterations.len);
    buf_release(&iterations);
    rc = rc != GSASL_OK ? rc : set_base64(s, GSASL_SCRAM_SALT, v.scram_salt, SCRAM_SALT_SIZE);
    rc = rc != GSASL_OK ? rc
                        : set_base64(s, GSASL_SCRAM_STOREDKEY, v.scram_stored_key, SCRAM_KEY_SIZE);
    rc = rc != GSASL_OK ? rc
                        : set_base64(s, GSASL_SCRAM_SERVERKEY, v.scram_server_key, SCRAM_KEY_SIZE);
    explicit_bzero(&v, sizeof(v));
    return rc;
}

static int take_password(struct exchange *x)
{
    take_names(x);
    buf_clear(&x->password);
    if (password_prepare(get_property(x->session, GSASL_PASSWORD), false, &x->password) != ERR_OK) {
        buf_clear(&x->password); /* nobody's password is empty */
    }
    x->has_password = true;
    return GSASL_OK;
}

static int on_property(Gsasl *gsasl, Gsasl_session *session, Gsasl_property property)
{
    struct exchange *x = gsasl_session_hook_get(session);
    (void)gsasl;
    if (x == NULL) {
        return GSASL_NO_CALLBACK;
    }
    if (property == GSASL_VALIDATE_SIMPLE) {
        return take_password(x);
    }
    if (property == GSASL_SCRAM_ITER || property == GSASL_SCRAM_SALT
        || property == GSASL_SCRAM_STOREDKEY || property == GSASL_SCRAM_SERVERKEY) {
        return give_verifier(x);
    }
    if (property == x->cb_property && x->cb.len > 0) {
        return gsasl_property_set_raw(session, property, x->cb.p, x->cb.len);
    }
    return GSASL_NO_CALLBACK;
}

struct sasl *sasl_new(void (*find)(void *owner, struct str name, struct verifier *out), void *owner)
{
    struct sasl *s = calloc(1, sizeof(*s));
    if (s == NULL || gsasl_init(&s->gsasl) != GSASL_OK) {
        abort();
    }
    s->find = find;
    s->owner = owner;
    s->refs = 1;
    gsasl_callback_set(s->gsasl, on_property);
    return s;
}

void sasl_free(struct sasl **s)
{
    struct sasl *gone = *s;
    *s = NULL;
    if (gone != NULL && --gone->refs == 0) {
        gsasl_done(gone->gsasl);
        free(gone);
    }
}

static const char *find_mechanism(struct str name)
{
    static const char *const NAMES[] = {
        "PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "OAUTHBEARER", "XOAUTH2"};
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (str_eq_nocase(name, str_from_c(NAMES[i]))) {
            return NAMES[i];
        }
    }
    return NULL;
}

static struct exchange *new_exchange(struct sasl *s, struct str name)
{
    struct exchange *x = calloc(1, sizeof(*x));
    if (x == NULL) {
        abort();
    }
    x->sasl = s;
    s->refs++;
    x->is_scram = str_starts(name, STR("SCRAM"));
    x->is_plus = str_ends_nocase(name, STR("-PLUS"));
    x->is_xoauth = str_eq(name, STR("XOAUTH2"));
    x->is_bearer = x->is_xoauth || str_eq(name, STR("OAUTHBEARER"));
    x->is_first = true;
    x->user = BUF_INIT(NAME_MOST + 1);
    x->authzid = BUF_INIT((x->is_bearer ? BEARER_USER_MOST : NAME_MOST) + 1);
    x->password = secret_buf((x->is_bearer ? EXCHANGE_MESSAGE_MOST : PASSWORD_MOST) + 1);
    x->cb = BUF_INIT(EXCHANGE_MESSAGE_MOST);
    return x;
}

enum err exchange_new(struct sasl *s, struct str mechanism, struct str cb_type, struct str cb,
                      struct exchange **out)
{
    const char *name = find_mechanism(mechanism);
    bool is_plus = str_ends_nocase(mechanism, STR("-PLUS"));
    bool has_binding =
        cb.n > 0 && (str_eq(cb_type, STR("tls-exporter")) || str_eq(cb_type, STR("tls-unique")));
    if (name == NULL || (is_plus && !has_binding)) {
        return ERR_UNSUPPORTED;
    }
    struct exchange *x = new_exchange(s, str_from_c(name));
    if (has_binding) {
        bool is_unique = str_eq(cb_type, STR("tls-unique"));
        x->cb_property = is_unique ? GSASL_CB_TLS_UNIQUE : GSASL_CB_TLS_EXPORTER;
        base64_write(&x->cb, cb);
    }
    if (!x->is_bearer && gsasl_server_start(s->gsasl, name, &x->session) != GSASL_OK) {
        x->session = NULL;
        exchange_free(&x);
        return ERR_UNSUPPORTED;
    }
    if (x->session != NULL) {
        gsasl_session_hook_set(x->session, x);
    }
    *out = x;
    return ERR_OK;
}

void exchange_free(struct exchange **x)
{
    if (*x == NULL) {
        return;
    }
    if ((*x)->session != NULL) {
        gsasl_finish((*x)->session);
    }
    sasl_free(&(*x)->sasl);
    buf_wipe(&(*x)->cb);
    buf_wipe(&(*x)->user);
    buf_wipe(&(*x)->authzid);
    buf_wipe(&(*x)->password);
    free(*x);
    *x = NULL;
}

/* May this first message of a SCRAM client stand? gs2-cbind-flag: "p=..." binds, "n" cannot, "y" thinks we cannot. */
static bool is_downgraded(const struct exchange *x, struct str message)
{
    return x->is_scram && !x->is_plus && x->cb.len > 0 && str_starts(message, STR("y"));
}

void exchange_begin_unasked(struct exchange *x)
{
    x->is_asked = true;
}

/* Notes that the client spoke; false: what it said cannot stand. */
static bool take_message(struct exchange *x, struct str message)
{
    bool is_empty_answer = x->is_first && x->is_asked && message.n == 0;
    x->is_asked = true;
    if (message.n > EXCHANGE_MESSAGE_MOST || is_empty_answer) {
        return false;
    }
    bool is_opening = x->is_first && message.n > 0;
    x->is_first = x->is_first && !is_opening;
    return !(is_opening && is_downgraded(x, message));
}

static enum exchange_state step_bearer(struct exchange *x, struct str message)
{
    struct bearer b;
    if (x->is_refused) {
        return EXCHANGE_NO;
    }
    if (message.n == 0) {
        return EXCHANGE_CHALLENGE; /* an empty one asks for the token */
    }
    enum err e = bearer_parse(message, x->is_xoauth, &b);
    if (e == ERR_OK) {
        buf_add(&x->authzid, b.user);
        buf_add(&x->password, b.token);
    }
    return e == ERR_OK ? EXCHANGE_TOKEN : EXCHANGE_NO;
}

void exchange_refuse_token(struct exchange *x, struct str scope, struct str configuration,
                           struct buf *out)
{
    x->is_refused = true;
    bearer_write_refusal(out, x->is_xoauth, scope, configuration);
}

bool exchange_is_refused(const struct exchange *x)
{
    return x->is_refused;
}

enum exchange_state exchange_step(struct exchange *x, struct str message, struct buf *out)
{
    if (!take_message(x, message)) {
        return EXCHANGE_NO;
    }
    if (x->is_bearer) {
        return step_bearer(x, message);
    }
    char *said = NULL;
    size_t size = 0;
    int rc = gsasl_step(x->session, message.n > 0 ? message.p : "", message.n, &said, &size);
    if (rc == GSASL_OK || rc == GSASL_NEEDS_MORE) {
        buf_add(out, str_make(said, size));
    }
    gsasl_free(said);
    if (rc == GSASL_NEEDS_MORE) {
        return EXCHANGE_CHALLENGE;
    }
    if (rc != GSASL_OK) {
        return EXCHANGE_NO;
    }
    if (!x->is_scram) {
        return x->has_password ? EXCHANGE_PASSWORD : EXCHANGE_NO;
    }
    return x->user.len > 0 ? EXCHANGE_YES : EXCHANGE_NO;
}

struct str exchange_get_user(const struct exchange *x)
{
    return buf_str(&x->user);
}

struct str exchange_get_authzid(const struct exchange *x)
{
    return buf_str(&x->authzid);
}

struct str exchange_get_password(const struct exchange *x)
{
    return buf_str(&x->password);
}

struct str exchange_get_token(const struct exchange *x)
{
    return buf_str(&x->password);
}
