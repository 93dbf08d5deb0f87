/* SASL from the middle.
 *
 * The edge must not know what credentials mean (RFC 5383, 8: hosts in the DMZ only forward them). So an attempt is a small
 * machine that says whose turn it is:
 *
 *     begin -> ASK auth -> SAY challenge -> client answers -> ASK -> ... -> SUCCEEDED or FAILED
 *
 * Three things are done here. LOGIN (no RFC, but asked for by old programs) has its two questions asked here and becomes
 * PLAIN (RFC 4616). All mechanisms begin with a message of the client, so when that did not come with the command, we ask for it by an
 * empty challenge (RFC 4422, 5): auth hears of a login once there is something to judge. And a last message of the server,
 * which IMAP and SMTP cannot carry in their OK, is one challenge more, which the client answers with nothing (RFC 4422, 3.6).
 *
 * What passes through may be a password: it is wiped when the attempt is over, and never logged. */
#include "edge/login.h"

#include <string.h>

enum { MESSAGE_MOST = 16 * 1024, NAME_MOST = 1024 };

enum { IDLE, AT_NAME, AT_PASSWORD, AT_INITIAL, AT_RESPONSE, AT_AUTH, AT_FINAL };

enum need { NEED_PLAINTEXT, NEED_TOKENS, NEED_SCRAM, NEED_BINDING };

struct mechanism {
    const char *name;
    enum need need; /* of the offer */
    bool is_login;
};

static const struct mechanism MECHANISMS[] = {
    {"PLAIN", NEED_PLAINTEXT, false},     {"LOGIN", NEED_PLAINTEXT, true},
    {"SCRAM-SHA-256", NEED_SCRAM, false}, {"SCRAM-SHA-256-PLUS", NEED_BINDING, false},
    {"OAUTHBEARER", NEED_TOKENS, false},  {"XOAUTH2", NEED_TOKENS, false},
};

enum { MECHANISM_COUNT = sizeof(MECHANISMS) / sizeof(MECHANISMS[0]) };

static bool is_offered(const struct mechanism *m, struct login_offer offer)
{
    switch (m->need) {
    case NEED_PLAINTEXT:
        return offer.has_plaintext;
    case NEED_TOKENS:
        return offer.has_tokens;
    case NEED_SCRAM:
        return offer.has_scram;
    case NEED_BINDING:
        return offer.has_binding;
    }
    return false;
}

void login_write_mechanisms(struct buf *out, struct login_offer offer, struct str prefix)
{
    bool is_first = true;
    for (size_t i = 0; i < MECHANISM_COUNT; i++) {
        if (is_offered(&MECHANISMS[i], offer)) {
            buf_add_c(out, is_first ? "" : " ");
            buf_add(out, prefix);
            buf_add_c(out, MECHANISMS[i].name);
            is_first = false;
        }
    }
}

void login_init(struct login *l)
{
    *l = (struct login){.state = IDLE};
    buf_init(&l->data, MESSAGE_MOST);
    buf_init(&l->name, NAME_MOST);
}

void login_release(struct login *l)
{
    buf_wipe(&l->data);
    buf_wipe(&l->name);
    l->state = IDLE;
    l->mechanism = STR_EMPTY;
    l->is_asked_before = false;
}

static void set_data(struct login *l, struct str s)
{
    buf_wipe(&l->data);
    (void)buf_reserve(&l->data, s.n); /* once, so that growing leaves no copy behind */
    buf_add(&l->data, s);
}

static enum login_next fail(struct login *l, enum err why)
{
    login_release(l);
    l->err = why;
    return LOGIN_FAILED;
}

static enum login_next say(struct login *l, struct str challenge, int next_state)
{
    set_data(l, challenge);
    l->state = next_state;
    return LOGIN_SAY;
}

static enum login_next ask(struct login *l)
{
    if (l->data.is_full) {
        return fail(l, ERR_TOO_LONG);
    }
    l->state = AT_AUTH;
    return LOGIN_ASK;
}

/* authzid NUL authcid NUL passwd (RFC 4616, 2), the first one empty. */
static enum login_next ask_plain(struct login *l, struct str name, struct str password)
{
    buf_wipe(&l->data);
    (void)buf_reserve(&l->data, name.n + password.n + 2);
    buf_add_char(&l->data, '\0');
    buf_add(&l->data, name);
    buf_add_char(&l->data, '\0');
    buf_add(&l->data, password);
    l->mechanism = STR("PLAIN");
    bool is_broken = memchr(name.p == NULL ? "" : name.p, '\0', name.n) != NULL || l->name.is_full;
    return is_broken ? fail(l, ERR_AUTH_FAILED) : ask(l);
}

static enum login_next begin_login(struct login *l, bool has_initial, struct str initial)
{
    if (!has_initial) {
        return say(l, STR("Username:"), AT_NAME);
    }
    buf_add(&l->name, initial);
    return say(l, STR("Password:"), AT_PASSWORD);
}

enum login_next login_begin(struct login *l, struct login_offer offer, struct str mechanism,
                            bool has_initial, struct str initial)
{
    size_t i = 0;
    login_release(l);
    while (i < MECHANISM_COUNT && !str_eq_nocase(mechanism, str_from_c(MECHANISMS[i].name))) {
        i++;
    }
    if (i == MECHANISM_COUNT) {
        return fail(l, ERR_UNSUPPORTED);
    }
    if (!is_offered(&MECHANISMS[i], offer)) {
        return fail(l, MECHANISMS[i].need == NEED_PLAINTEXT ? ERR_TLS_REQUIRED : ERR_UNSUPPORTED);
    }
    l->mechanism = str_from_c(MECHANISMS[i].name);
    if (MECHANISMS[i].is_login) {
        return begin_login(l, has_initial, initial);
    }
    if (!has_initial) {
        return say(l, STR_EMPTY, AT_INITIAL);
    }
    set_data(l, initial);
    return ask(l);
}

enum login_next login_begin_password(struct login *l, struct login_offer offer, struct str name,
                                     struct str password)
{
    login_release(l);
    return offer.has_plaintext ? ask_plain(l, name, password) : fail(l, ERR_TLS_REQUIRED);
}

enum login_next login_answer(struct login *l, struct str octets)
{
    switch (l->state) {
    case AT_NAME:
        buf_add(&l->name, octets);
        return say(l, STR("Password:"), AT_PASSWORD);
    case AT_PASSWORD:
        return ask_plain(l, buf_str(&l->name), octets);
    case AT_INITIAL:
    case AT_RESPONSE:
        set_data(l, octets);
        return ask(l);
    case AT_FINAL:
        if (octets.n > 0) {
            return fail(l, ERR_AUTH_FAILED);
        }
        login_release(l);
        return LOGIN_SUCCEEDED;
    default:
        return fail(l, ERR_AUTH_FAILED);
    }
}

enum login_next login_on_challenge(struct login *l, struct str data)
{
    l->is_asked_before = true;
    return say(l, data, AT_RESPONSE);
}

enum login_next login_on_yes(struct login *l, struct str data)
{
    if (data.n > 0) {
        return say(l, data, AT_FINAL);
    }
    login_release(l);
    return LOGIN_SUCCEEDED;
}

enum login_next login_on_no(struct login *l, enum err why)
{
    return fail(l, why);
}

struct str login_get_challenge(const struct login *l)
{
    return buf_str(&l->data);
}

struct login_question login_get_question(const struct login *l)
{
    return (struct login_question){
        .op = l->is_asked_before ? LOGIN_CONTINUE : LOGIN_START,
        .mechanism = l->mechanism,
        .data = buf_str(&l->data),
    };
}
