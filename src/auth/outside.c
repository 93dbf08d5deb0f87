/* Somebody else is asked (auth_outside): about the password of a user who has no verifier here, or about a token.
 *
 *     password --> verify: LDAP ----> yes: the user is ours, or becomes ours
 *     token -----> verify: issuer --> whose it is; is that an account here, and whom the client says it wants to be?
 *
 * The answer is about a login and not about an account: a name that nobody here has is one only when outside_users lets it be, and a
 * name@domain means somebody here only with a domain of ours. A token that does not do is answered in two steps (RFC 7628, 3.2.3): the
 * client is told which would, and "no" when it has heard that. */
#include "auth/auth_priv.h"
#include "base/log.h"
#include "net/fields.h"

#include <stdio.h>

static void ask_outside(struct attempt *t, struct buf *body,
                        void (*answer)(void *asker, enum err e, struct str body))
{
    const struct auth_outside *outside = t->auth->o.outside;
    t->state = ATTEMPT_OUTSIDE;
    timer_stop(t->timer);
    outside->ask(outside->owner, buf_str(body), answer, t);
    buf_wipe(body);
}

/* What was answered: ERR_OK, ERR_AUTH_FAILED, ERR_UNAVAILABLE (it cannot be told now), ERR_PEER_GONE (nobody was there to
 * answer, who will be back). user: whom it names, appended. */
static enum err read_verdict(enum err e, struct str body, struct buf *user)
{
    struct fields f;
    if (e != ERR_OK) {
        return ERR_PEER_GONE;
    }
    if (fields_parse(body, &f) != ERR_OK) {
        return ERR_UNAVAILABLE;
    }
    struct str result = fields_get(&f, STR("result"));
    buf_add(user, fields_get(&f, STR("user")));
    e = str_eq(result, STR("ok"))   ? ERR_OK
        : str_eq(result, STR("no")) ? ERR_AUTH_FAILED
                                    : ERR_UNAVAILABLE;
    fields_release(&f);
    return e;
}

/* The user that somebody else answers for becomes ours, if that is allowed. */
static enum err make_user(struct auth *a, struct str name)
{
    struct verifier v;
    if (!a->o.outside->makes_users) {
        return ERR_AUTH_FAILED;
    }
    TRY(verifier_make_outside(&v));
    enum err e = users_add(a->o.users, name, USER_PERSON, &v);
    if (e == ERR_OK) {
        log_info("user %.*s is new here", STR_ARG(name));
    }
    return e == ERR_EXISTS ? ERR_OK : e;
}

/* It cannot be told now. */
static void put_off(struct attempt *t, enum err why)
{
    struct auth *a = t->auth;
    if (why == ERR_PEER_GONE) {
        shares_take_back(a->shares, t->share, loop_now_ms(a->o.loop)); /* it is asked again soon */
        attempt_postpone(t);
    } else {
        attempt_refuse(t, ERR_UNAVAILABLE);
    }
}

static void on_bound(void *owner, enum err e, struct str body)
{
    struct attempt *t = owner;
    struct str user = exchange_get_user(t->exchange);
    struct buf unused = BUF_INIT(EXCHANGE_MESSAGE_MOST);
    t->state = ATTEMPT_CLIENT;
    e = read_verdict(e, body, &unused);
    buf_release(&unused);
    if (e == ERR_OK && !t->is_known) {
        e = make_user(t->auth, user);
    }
    if (e == ERR_OK) {
        attempt_succeed(t, STR_EMPTY);
    } else if (e == ERR_AUTH_FAILED) {
        attempt_fail(t);
    } else {
        put_off(t, e);
    }
}

void outside_ask_for_password(struct attempt *t)
{
    struct buf body = BUF_INIT(LINK_MESSAGE_MOST);
    fields_add(&body, STR("op"), STR("password"));
    fields_add(&body, STR("user"), exchange_get_user(t->exchange));
    fields_add(&body, STR("password"), exchange_get_password(t->exchange));
    ask_outside(t, &body, on_bound);
}

/* The account that a name from elsewhere means: a user's name, or name@domain with a domain of ours. False: none that
 * could be one. */
static bool find_account(struct auth *a, struct str name, struct buf *out)
{
    buf_clear(out);
    if (name_prepare(name, false, out) != ERR_OK) {
        return false;
    }
    if (users_find(a->o.users, buf_str(out), NULL, NULL) == ERR_OK) {
        return true;
    }
    size_t at = str_find_last_char(name, '@');
    if (at < name.n && lookup_is_local(&a->o.addresses, str_skip(name, at + 1))) {
        buf_clear(out);
        return name_prepare(str_sub(name, 0, at), false, out) == ERR_OK;
    }
    return true;
}

/* Whose the token is, as an account; and is it who the client wants to be? */
static enum err judge_token(struct attempt *t, struct str named)
{
    struct auth *a = t->auth;
    CLEANUP(buf_release) struct buf user = BUF_INIT(NAME_MOST + 1);
    CLEANUP(buf_release) struct buf wanted = BUF_INIT(NAME_MOST + 1);
    struct str authzid = exchange_get_authzid(t->exchange);
    if (!find_account(a, named, &user)
        || (authzid.n > 0
            && (!find_account(a, authzid, &wanted) || !str_eq(buf_str(&user), buf_str(&wanted))))) {
        return ERR_AUTH_FAILED;
    }
    enum user_kind kind = USER_PERSON;
    enum err e = users_find(a->o.users, buf_str(&user), NULL, &kind);
    if (e == ERR_NOT_FOUND) {
        e = make_user(a, buf_str(&user));
    } else if (e == ERR_OK && kind != USER_PERSON) {
        e = ERR_AUTH_FAILED;
    }
    (void)snprintf(t->account, sizeof(t->account), "%.*s", STR_ARG(buf_str(&user)));
    return e;
}

static void on_token_judged(void *owner, enum err e, struct str body)
{
    struct attempt *t = owner;
    struct auth *a = t->auth;
    CLEANUP(buf_release) struct buf named = BUF_INIT(EXCHANGE_MESSAGE_MOST);
    t->state = ATTEMPT_CLIENT;
    e = read_verdict(e, body, &named);
    if (e == ERR_OK) {
        e = judge_token(t, buf_str(&named));
    }
    if (e == ERR_OK) {
        attempt_give_ticket(t, str_from_c(t->account), STR_EMPTY);
    } else if (e == ERR_AUTH_FAILED) {
        CLEANUP(buf_release) struct buf out = BUF_INIT(EXCHANGE_MESSAGE_MOST);
        exchange_refuse_token(t->exchange, a->o.outside->scope, a->o.outside->configuration, &out);
        attempt_challenge(t, buf_str(&out));
    } else {
        put_off(t, e);
    }
}

void outside_ask_for_token(struct attempt *t)
{
    struct buf body = BUF_INIT(LINK_MESSAGE_MOST);
    fields_add(&body, STR("op"), STR("token"));
    fields_add(&body, STR("token"), exchange_get_token(t->exchange));
    ask_outside(t, &body, on_token_judged);
}
