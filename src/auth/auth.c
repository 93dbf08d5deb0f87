/* The authentication server.
 *
 *     request --start--> attempt --step--> challenge ... --continue--> step
 *                                   |-- yes (SCRAM) ------------------------------------> ticket
 *                                   |-- password --> remembered? --------------------> ticket
 *                                   |                  |-- Argon2id on a thread --yes--> ticket
 *                                   |-- token -----------+-- asked outside -------yes--> ticket
 *                                   '-- no <-------------------------------------no--'
 *                                        '-- held back, longer each time (delays.h) --> "no"
 *
 * Nothing tells an unknown user from a wrong password: somebody unknown has a made-up verifier (the same every time,
 * for the site key makes it), costs the same Argon2id run, fails at the same step, waits the same time and hears the
 * same words. The answer to every failure comes a whole number of DELAY_FIRST_MS after the question, so that what was
 * looked at meanwhile does not show either. Every "no" for a reason that the client may know (TLS first, unknown
 * mechanism, overload) is decided before any verifier is read.
 *
 * Users without a verifier here are for somebody else to judge (auth_outside): LDAP for passwords, the issuer for
 * tokens. A token names its user by itself; that user, and whom the client says it wants to be, must be the same
 * account. Aliases and catch-alls are for mail and mean nobody here. Edges have shares of all that (shares.h),
 * because one of them may be in other hands.
 *
 * All state is bounded: AUTH_ATTEMPTS_MOST attempts, each with a timer; of one address AUTH_HELD_BACK_MOST are held
 * back and AUTH_CHECKS_MOST checked, and beyond that the answer is "later", and the attempt is not looked at: the edge
 * asks again, with its logins in line (edge/line.h). So guessing side by side ends soon, too, and a storm of phones is no
 * guessing. In a full table the one that has waited longest makes room. */
#include "auth/auth.h"

#include "auth/auth_priv.h"
#include "auth/renew.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/fields.h"

#include <sodium.h>
#include <stdlib.h>

enum { LATER_MS = 250 };

/* The part of a made-up verifier that `what` names. */
static void make_up(const struct auth *a, const char *what, struct str name, uint8_t *out, size_t n)
{
    crypto_generichash_state s;
    (void)crypto_generichash_init(&s, a->site_key, sizeof(a->site_key), n);
    (void)crypto_generichash_update(&s, (const unsigned char *)what, strlen(what) + 1);
    (void)crypto_generichash_update(&s, (const unsigned char *)name.p, name.n);
    (void)crypto_generichash_final(&s, out, n);
}

/* The verifier of name, or a made-up one; true when there is such a user. Does the same work either way. is_outside:
 * is set when somebody else knows the password. */
static bool find_verifier(struct auth *a, struct str name, struct verifier *out, bool *is_outside)
{
    *is_outside = false;
    struct verifier v = a->dummy;
    make_up(a, "salt", name, v.scram_salt, SCRAM_SALT_SIZE);
    make_up(a, "stored key", name, v.scram_stored_key, SCRAM_KEY_SIZE);
    make_up(a, "server key", name, v.scram_server_key, SCRAM_KEY_SIZE);
    enum err e = users_find(a->o.users, name, out, NULL);
    if (e != ERR_OK) {
        *out = v;
    } else if (verifier_is_outside(out)) {
        memcpy(out->argon2, v.argon2, sizeof(out->argon2));
        *is_outside = true;
    }
    a->find_err = e == ERR_NOT_FOUND ? ERR_OK : e;
    return e == ERR_OK;
}

static void on_find(void *owner, struct str name, struct verifier *out)
{
    bool is_outside = false;
    (void)find_verifier(owner, name, out, &is_outside);
}

/* Forgets remembered checks when anybody changed the database. */
static void look_for_changes(struct auth *a)
{
    uint64_t version = users_get_version(a->o.users);
    if (version == 0 || version != a->users_version) {
        checks_clear(a->checks);
        a->users_version = version;
    }
}

enum err auth_new(const struct auth_options *o, struct auth **out)
{
    struct verifier dummy;
    TRY(verifier_make_dummy(&o->cost, &dummy));
    struct auth *a = mem_new(sizeof(*a));
    a->o = *o;
    a->dummy = dummy;
    users_get_site_key(o->users, a->site_key);
    a->sasl = sasl_new(on_find, a);
    a->delays = delays_new();
    a->checks = checks_new();
    a->shares = shares_new(o->edge_minute_most);
    list_init(&a->at_work);
    a->attempts = map_new();
    list_init(&a->order);
    randombytes_buf(&a->next_id, sizeof(a->next_id));
    a->next_id >>= 16; /* room to count */
    *out = a;
    return ERR_OK;
}

/* Takes it out of the books; what it holds lives on while a thread reads it. */
static void attempt_free(struct attempt *t)
{
    struct auth *a = t->auth;
    if (a != NULL) {
        (void)map_remove(a->attempts, map_id(&t->id));
        t->share->attempts--;
    }
    list_remove(&t->node);
    t->auth = NULL;
    if (a != NULL && t->state == ATTEMPT_OUTSIDE) {
        a->o.outside->cancel(a->o.outside->owner, t);
    }
    if (t->timer != NULL) {
        timer_free(&t->timer);
    }
    if (t->is_at_work) {
        return; /* on_checked() comes back here */
    }
    list_remove(&t->wait);
    exchange_free(&t->exchange);
    explicit_bzero(t, sizeof(*t));
    free(t);
}

void auth_free(struct auth **a)
{
    struct auth *dead = *a;
    *a = NULL;
    if (dead == NULL) {
        return;
    }
    list_each_safe(node, &dead->order)
    {
        attempt_free(list_entry(node, struct attempt, node));
    }
    list_each(node, &dead->at_work)
    {
        list_entry(node, struct attempt, wait)->line = NULL;
    }
    list_detach(&dead->at_work);
    map_free(&dead->attempts);
    shares_free(&dead->shares);
    checks_free(&dead->checks);
    delays_free(&dead->delays);
    sasl_free(&dead->sasl);
    explicit_bzero(dead, sizeof(*dead));
    free(dead);
}

struct auth_counts auth_get_counts(const struct auth *a)
{
    struct auth_counts counts = a->counts;
    counts.attempts = map_get_count(a->attempts);
    return counts;
}

void auth_forget(struct auth *a, void *peer)
{
    list_each_safe(node, &a->order)
    {
        struct attempt *t = list_entry(node, struct attempt, node);
        if (t->asker.peer == peer) {
            attempt_free(t);
        }
    }
}

static void reply_no(const struct auth_asker *asker, uint32_t id, enum err why, uint64_t delay_ms)
{
    struct buf b = BUF_INIT(LINK_MESSAGE_MOST);
    fields_add(&b, STR("result"), STR("no"));
    fields_add(&b, STR("code"), str_from_c(err_get_info(why)->name));
    fields_add_u64(&b, STR("delay_ms"), delay_ms);
    asker->reply(asker->peer, id, buf_str(&b));
    buf_release(&b);
}

/* Nothing was looked at; the edge asks again. is_all: until then it may as well keep all its logins, else those from the same address. */
static void reply_later(struct auth *a, const struct auth_asker *asker, uint32_t id,
                        uint64_t wait_ms, bool is_all)
{
    struct buf b = BUF_INIT(LINK_MESSAGE_MOST);
    a->counts.postponed++;
    fields_add(&b, STR("result"), STR("later"));
    fields_add_u64(&b, STR("wait_ms"), wait_ms);
    fields_add_u64(&b, STR("all"), is_all ? 1 : 0);
    asker->reply(asker->peer, id, buf_str(&b));
    buf_release(&b);
}

void attempt_postpone(struct attempt *t)
{
    struct auth *a = t->auth;
    struct auth_asker asker = t->asker;
    uint32_t request = t->request;
    attempt_free(t);
    reply_later(a, &asker, request, LATER_MS, false);
}

void attempt_refuse(struct attempt *t, enum err why)
{
    struct auth_asker asker = t->asker;
    uint32_t request = t->request;
    t->auth->counts.refused +=
        t->state == ATTEMPT_HELD_BACK ? 0 : 1; /* which was counted as failed */
    attempt_free(t);
    reply_no(&asker, request, why, 0);
}

void auth_drop_user(struct auth *a, struct str user)
{
    a->dropped_ms = loop_wall_ms(a->o.loop);
    list_each_safe(node, &a->order)
    {
        struct attempt *t = list_entry(node, struct attempt, node);
        if (t->state == ATTEMPT_HELD_BACK || !str_eq(exchange_get_user(t->exchange), user)) {
            continue; /* of a token nobody knows yet whose it is: that is looked up when it is judged */
        }
        if (t->state == ATTEMPT_CLIENT) {
            attempt_free(t); /* what its client says next finds nothing */
        } else {
            attempt_refuse(t, ERR_UNAVAILABLE);
        }
    }
}

static void on_held_back(void *owner)
{
    attempt_refuse(owner, ERR_AUTH_FAILED);
}

void auth_stop(struct auth *a)
{
    a->is_stopping = true;
    list_each_safe(node, &a->order)
    {
        struct attempt *t = list_entry(node, struct attempt, node);
        if (t->state == ATTEMPT_HELD_BACK) {
            on_held_back(t);
        }
    }
}

void attempt_fail(struct attempt *t)
{
    struct auth *a = t->auth;
    CLEANUP(log_restore) uint32_t before = log_about(t->about);
    a->counts.failed++;
    uint64_t now_ms = loop_now_ms(a->o.loop);
    uint64_t waited_ms = now_ms - t->asked_ms;
    struct str user = exchange_get_user(t->exchange);
    uint64_t delay_ms = delays_fail(a->delays, str_from_c(t->address), now_ms);
    uint64_t of_account = user.n > 0 ? delays_fail_account(a->delays, user, now_ms) : 0;
    delay_ms = of_account > delay_ms ? of_account : delay_ms;
    delay_ms += DELAY_FIRST_MS - 1 - (waited_ms + DELAY_FIRST_MS - 1) % DELAY_FIRST_MS;
    t->guessed = str_hash(user);
    log_info("login failed: %s from %s by %s, answered in %llu ms",
             t->is_known ? "known user" : "user", t->address, t->mechanism,
             (unsigned long long)delay_ms);
    t->state = ATTEMPT_HELD_BACK;
    timer_free(&t->timer);
    t->timer = timer_new(a->o.loop, on_held_back, t);
    timer_start(t->timer, delay_ms);
}

void attempt_give_ticket(struct attempt *t, struct str user, struct str data)
{
    struct auth *a = t->auth;
    delays_succeed(a->delays, str_from_c(t->address));
    struct ticket ticket = {
        .user = user,
        .auth_user = user,
        .service = t->service,
        .edge_id = t->asker.name,
        .since_ms = loop_wall_ms(a->o.loop),
        .expires_ms = loop_wall_ms(a->o.loop) + TICKET_LIFE_MS,
    };
    memcpy(ticket.nonce, t->nonce, sizeof(ticket.nonce));
    struct buf octets = BUF_INIT(LINK_OPEN_MOST);
    if (ticket_issue(a->o.signer, &ticket, &octets) != ERR_OK) {
        buf_release(&octets);
        attempt_refuse(t, ERR_UNAVAILABLE);
        return;
    }
    CLEANUP(log_restore) uint32_t before = log_about(t->about);
    a->counts.succeeded++;
    shares_note_success(a->shares, t->share, loop_now_ms(a->o.loop));
    log_info("login: %.*s from %s by %s", STR_ARG(user), t->address, t->mechanism);
    struct buf b = BUF_INIT(LINK_MESSAGE_MOST);
    fields_add(&b, STR("result"), STR("ok"));
    fields_add(&b, STR("ticket"), buf_str(&octets));
    fields_add(&b, STR("data"), data);
    struct auth_asker asker = t->asker;
    uint32_t request = t->request;
    attempt_free(t);
    asker.reply(asker.peer, request, buf_str(&b));
    buf_release(&b);
    buf_release(&octets);
}

void attempt_succeed(struct attempt *t, struct str data)
{
    struct str user = exchange_get_user(t->exchange);
    if (!str_eq(user, exchange_get_authzid(t->exchange))) {
        attempt_refuse(t, ERR_NOT_AUTHORIZED);
        return;
    }
    attempt_give_ticket(t, user, data);
}

/* On a helper thread: touches this attempt only, which nobody changes meanwhile. */
static void check(void *owner)
{
    struct attempt *t = owner;
    t->fits = verifier_check(&t->verifier, exchange_get_password(t->exchange));
}

static void work(struct auth *a);

/* How the check went. */
static void take_result(struct attempt *t)
{
    struct auth *a = t->auth;
    struct str password = exchange_get_password(t->exchange);
    struct str user = exchange_get_user(t->exchange);
    if (!t->is_known || password.n == 0 || !t->fits) {
        attempt_fail(t);
        return;
    }
    look_for_changes(a);
    if (a->users_version == t->users_version) {
        checks_remember(a->checks, user, password, loop_now_ms(a->o.loop));
    }
    attempt_succeed(t, STR_EMPTY);
}

/* ---- a password ---- */

static void on_checked(void *owner)
{
    struct attempt *t = owner;
    struct auth *line = t->line;
    t->state = ATTEMPT_CLIENT;
    t->is_at_work = false;
    list_remove(&t->wait);
    if (t->auth == NULL) {
        attempt_free(t);
    } else {
        take_result(t);
    }
    if (line != NULL) {
        work(line);
    }
}

/* Gives the helper threads what they can take, edge by edge in turn. */
static void work(struct auth *a)
{
    size_t count = 0;
    list_each(node, &a->at_work)
    {
        count++;
    }
    for (; count < AUTH_CHECKS_AT_ONCE; count++) {
        struct list *node = shares_next(a->shares);
        if (node == NULL) {
            return;
        }
        struct attempt *t = list_entry(node, struct attempt, wait);
        t->line = a;
        t->is_at_work = true;
        list_append(&a->at_work, node);
        loop_work(a->o.loop, check, on_checked, t);
    }
}

/* Guesses at one account, through one edge, side by side: beyond some they are not looked at. Whoever logged in
 * lately with the same password is not among them, and for an edge that was taken over the others do not pay. */
static bool is_account_full(const struct auth *a, const struct attempt *of)
{
    uint64_t guessed = str_hash(exchange_get_user(of->exchange));
    unsigned count = 0;
    list_each(node, &a->order)
    {
        const struct attempt *t = list_entry(node, struct attempt, node);
        bool is_held = t->state == ATTEMPT_HELD_BACK && t->share == of->share;
        count += is_held && t->guessed == guessed ? 1 : 0;
    }
    return count >= AUTH_HELD_BACK_PER_ACCOUNT;
}

static void check_password(struct attempt *t)
{
    struct auth *a = t->auth;
    struct str user = exchange_get_user(t->exchange);
    struct str password = exchange_get_password(t->exchange);
    look_for_changes(a);
    t->users_version = a->users_version;
    bool is_outside = false;
    t->is_known = find_verifier(a, user, &t->verifier, &is_outside);
    if (a->find_err != ERR_OK) {
        attempt_refuse(t, ERR_UNAVAILABLE);
        return;
    }
    if (t->is_known && checks_has(a->checks, user, password, loop_now_ms(a->o.loop))) {
        attempt_succeed(t, STR_EMPTY);
        return;
    }
    if (is_account_full(a, t)) {
        attempt_postpone(
            t); /* which counts: it tells that the password is not the remembered one */
        return;
    }
    bool has_outside = a->o.outside != NULL && a->o.outside->has_passwords;
    if (has_outside && (is_outside || !t->is_known) && user.n > 0 && password.n > 0) {
        outside_ask_for_password(t);
        return;
    }
    t->state = ATTEMPT_CHECK;
    timer_stop(t->timer);
    list_append(&t->share->waiting, &t->wait);
    work(a);
}

void attempt_challenge(struct attempt *t, struct str data)
{
    struct buf b = BUF_INIT(LINK_MESSAGE_MOST);
    fields_add(&b, STR("result"), STR("challenge"));
    fields_add_u64(&b, STR("exchange"), t->id);
    fields_add(&b, STR("data"), data);
    t->state = ATTEMPT_CLIENT;
    timer_start(t->timer, AUTH_EXCHANGE_TIMEOUT_MS);
    t->asker.reply(t->asker.peer, t->request, buf_str(&b));
    buf_release(&b);
}

static void step(struct attempt *t, struct str message)
{
    struct auth *a = t->auth;
    struct buf out = BUF_INIT(EXCHANGE_MESSAGE_MOST);
    a->find_err = ERR_OK;
    enum exchange_state state = exchange_step(t->exchange, message, &out);
    if (a->find_err != ERR_OK) {
        attempt_refuse(t, ERR_UNAVAILABLE);
        buf_release(&out);
        return;
    }
    switch (state) {
    case EXCHANGE_CHALLENGE:
        if (exchange_get_user(t->exchange).n > 0 && is_account_full(a, t)) {
            attempt_postpone(t); /* SCRAM, which says who first */
            break;
        }
        attempt_challenge(t, buf_str(&out));
        break;
    case EXCHANGE_PASSWORD:
        check_password(t);
        break;
    case EXCHANGE_TOKEN:
        outside_ask_for_token(t);
        break;
    case EXCHANGE_YES:
        attempt_succeed(t, buf_str(&out));
        break;
    case EXCHANGE_NO:
        attempt_fail(t);
        break;
    }
    buf_release(&out);
}

/* A client that went silent; the edge will have given up, too, and a later continue finds nothing. */
static void on_silent(void *owner)
{
    attempt_free(owner);
}

static bool service_from(struct str name, enum service *out)
{
    static const char *const NAMES[] = {
        [SERVICE_IMAP] = "imap",
        [SERVICE_SUBMIT] = "submit",
        [SERVICE_SIEVE] = "sieve",
        [SERVICE_ACAP] = "acap",
    };
    for (unsigned i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (str_eq(name, str_from_c(NAMES[i]))) {
            *out = (enum service)i;
            return true;
        }
    }
    return false;
}

/* Who guesses from one address fills his share of the table, and of the line for Argon2id, and no more: others must find
 * room in it. */
static bool is_place_full(const struct auth *a, uint64_t place)
{
    unsigned held_back = 0;
    unsigned checks = 0;
    list_each(node, &a->order)
    {
        const struct attempt *t = list_entry(node, struct attempt, node);
        held_back += t->state == ATTEMPT_HELD_BACK && t->place == place ? 1 : 0;
        bool is_checked = t->state == ATTEMPT_CHECK || t->state == ATTEMPT_OUTSIDE;
        checks += is_checked && t->place == place ? 1 : 0;
    }
    return held_back >= AUTH_HELD_BACK_MOST || checks >= AUTH_CHECKS_MOST;
}

/* In a full table, of the edge that has most of it, whoever has waited longest makes room: a client that does not go
 * on is forgotten, a guesser hears his "no" early. So many addresses together lock nobody out, for a login takes a
 * moment. False: all are being checked. */
static bool make_room(struct auth *a, const struct share *of)
{
    const struct share *largest = shares_find_largest(a->shares);
    list_each(node, &a->order)
    {
        struct attempt *t = list_entry(node, struct attempt, node);
        if (t->share != largest) {
            continue;
        }
        if (t->state == ATTEMPT_CLIENT) {
            attempt_free(t);
            return true;
        }
        if (t->state == ATTEMPT_HELD_BACK) {
            on_held_back(t);
            return true;
        }
        if (t->state == ATTEMPT_CHECK && !t->is_at_work && largest != of) {
            attempt_refuse(t, ERR_UNAVAILABLE); /* a flood, and not the asker's own */
            return true;
        }
    }
    return false;
}

/* Is it there, and may it be used on such a connection? Passwords and tokens are the same to whoever listens. */
static enum err check_mechanism(const struct auth *a, const struct fields *f, struct str mechanism)
{
    bool is_token =
        str_eq_nocase(mechanism, STR("OAUTHBEARER")) || str_eq_nocase(mechanism, STR("XOAUTH2"));
    if (is_token && (a->o.outside == NULL || !a->o.outside->has_tokens)) {
        return ERR_UNSUPPORTED;
    }
    bool is_plaintext = is_token || str_eq_nocase(mechanism, STR("PLAIN"))
                        || str_eq_nocase(mechanism, STR("LOGIN"));
    bool is_tls = fields_get_u64(f, STR("tls"), 0) == 1;
    bool is_loopback = fields_get_u64(f, STR("loopback"), 0) == 1;
    bool may_plaintext = is_tls || a->o.plaintext == PLAINTEXT_ALWAYS
                         || (a->o.plaintext == PLAINTEXT_LOOPBACK && is_loopback);
    return is_plaintext && !may_plaintext ? ERR_TLS_REQUIRED : ERR_OK;
}

/* What stands against the attempt for ever. */
static enum err check_start(const struct auth *a, const struct fields *f, enum service *service)
{
    struct str mechanism = fields_get(f, STR("mechanism"));
    if (!service_from(fields_get(f, STR("service")), service)
        || fields_get(f, STR("nonce")).n != TICKET_NONCE_SIZE) {
        return ERR_SYNTAX;
    }
    return check_mechanism(a, f, mechanism);
}

/* For how long the attempt has to wait before it is looked at; 0: not at all. */
static uint64_t find_wait(struct auth *a, struct share *share, const struct fields *f, bool *is_all)
{
    *is_all = true;
    if (a->is_stopping) {
        return LATER_MS;
    }
    if (is_place_full(a, delays_get_place(fields_get(f, STR("peer"))))) {
        *is_all = false;
        return LATER_MS;
    }
    uint64_t wait_ms = shares_begin(a->shares, share, loop_now_ms(a->o.loop));
    if (wait_ms > 0) {
        return wait_ms;
    }
    bool is_full = map_get_count(a->attempts) >= AUTH_ATTEMPTS_MOST && !make_room(a, share);
    if (is_full) {
        shares_take_back(a->shares, share, loop_now_ms(a->o.loop));
    }
    return is_full ? LATER_MS : 0;
}

static void keep_text(char *to, size_t size, struct str from)
{
    size_t n = from.n < size ? from.n : size - 1;
    memcpy(to, n > 0 ? from.p : "", n);
    to[n] = '\0';
}

static void start(struct auth *a, const struct auth_asker *asker, uint32_t id,
                  const struct fields *f)
{
    enum service service = SERVICE_IMAP;
    struct exchange *x = NULL;
    struct share *share = shares_get(a->shares, asker->name);
    enum err e = check_start(a, f, &service);
    bool is_all = false;
    uint64_t wait_ms = e == ERR_OK ? find_wait(a, share, f, &is_all) : 0;
    if (wait_ms > 0) {
        reply_later(a, asker, id, wait_ms, is_all);
        return;
    }
    if (e == ERR_OK) {
        e = exchange_new(a->sasl, fields_get(f, STR("mechanism")), fields_get(f, STR("cb_type")),
                         fields_get(f, STR("cb")), &x);
    }
    if (e != ERR_OK) {
        reply_no(asker, id, e, 0);
        return;
    }
    struct attempt *t = mem_new(sizeof(*t));
    t->auth = a;
    t->id = a->next_id++;
    t->about = (uint32_t)fields_get_u64(f, STR("log"), 0);
    t->asker = *asker;
    t->request = id;
    t->share = share;
    share->attempts++;
    list_init(&t->wait);
    t->exchange = x;
    t->service = service;
    t->asked_ms = loop_now_ms(a->o.loop);
    t->timer = timer_new(a->o.loop, on_silent, t);
    memcpy(t->nonce, fields_get(f, STR("nonce")).p, sizeof(t->nonce));
    t->place = delays_get_place(fields_get(f, STR("peer")));
    keep_text(t->address, sizeof(t->address), fields_get(f, STR("peer")));
    keep_text(t->mechanism, sizeof(t->mechanism), fields_get(f, STR("mechanism")));
    list_append(&a->order, &t->node);
    (void)map_put(a->attempts, map_id(&t->id), t);
    if (fields_get_u64(f, STR("has_initial"), 0) == 1) {
        exchange_begin_unasked(x);
        step(t, fields_get(f, STR("data")));
    } else {
        step(t, STR_EMPTY);
    }
}

/* The exchange a request goes on with, when it is this link's and waits for its client. */
static struct attempt *find_waiting(const struct auth *a, const struct auth_asker *asker,
                                    const struct fields *f)
{
    uint64_t id = fields_get_u64(f, STR("exchange"), 0);
    struct attempt *t = map_find(a->attempts, map_id(&id));
    bool is_ours = t != NULL && t->asker.peer == asker->peer && t->state == ATTEMPT_CLIENT;
    return is_ours ? t : NULL;
}

static void go_on(struct auth *a, const struct auth_asker *asker, uint32_t id,
                  const struct fields *f)
{
    struct attempt *t = find_waiting(a, asker, f);
    if (t == NULL) {
        reply_no(asker, id, ERR_TIMEOUT, 0);
        return;
    }
    t->request = id;
    t->asked_ms = loop_now_ms(a->o.loop);
    timer_stop(t->timer);
    step(t, fields_get(f, STR("data")));
}

static void cancel(struct auth *a, const struct auth_asker *asker, uint32_t id,
                   const struct fields *f)
{
    struct attempt *t = find_waiting(a, asker, f);
    if (t != NULL && exchange_is_refused(t->exchange)) {
        t->request = id;
        t->asked_ms = loop_now_ms(a->o.loop);
        attempt_fail(t); /* its token was judged: to go before the "no" is no way round the count */
        return;
    }
    if (t != NULL) {
        attempt_free(t);
    }
    reply_no(asker, id, ERR_AUTH_CANCELLED, 0);
}

/* A login that has succeeded, and whose ticket came too late for the process that it was for. */
static void again(struct auth *a, const struct auth_asker *asker, uint32_t id,
                  const struct fields *f)
{
    struct share *share = shares_get(a->shares, asker->name);
    uint64_t now_ms = loop_now_ms(a->o.loop);
    uint64_t wait_ms = a->is_stopping ? LATER_MS : shares_begin(a->shares, share, now_ms);
    if (wait_ms > 0) {
        reply_later(a, asker, id, wait_ms, true);
        return;
    }
    CLEANUP(buf_release) struct buf octets = BUF_INIT(LINK_OPEN_MOST);
    enum err e = renew_ticket(a->o.users, a->o.signer, asker->name, fields_get(f, STR("ticket")),
                              loop_wall_ms(a->o.loop), &octets);
    struct ticket t;
    if (e == ERR_OK && ticket_read(buf_str(&octets), &t) == ERR_OK && t.since_ms <= a->dropped_ms) {
        e = ERR_TICKET; /* whose it was does not matter: it happens rarely */
    }
    const char *others = e == ERR_OK ? NULL : log_pace(&a->pace, now_ms);
    if (others != NULL) {
        log_warn("edge %.*s asks for another ticket and does not get one: %s%s",
                 STR_ARG(asker->name), err_get_info(e)->meaning, others);
    }
    if (e != ERR_OK) {
        reply_no(asker, id, ERR_UNAVAILABLE, 0);
        return;
    }
    CLEANUP(buf_release) struct buf b = BUF_INIT(LINK_MESSAGE_MOST);
    shares_note_success(a->shares, share, now_ms);
    fields_add(&b, STR("result"), STR("ok"));
    fields_add(&b, STR("ticket"), buf_str(&octets));
    asker->reply(asker->peer, id, buf_str(&b));
}

void auth_request(struct auth *a, const struct auth_asker *asker, uint32_t id, struct str body)
{
    static const struct {
        const char *name;
        enum link_role from;
        void (*run)(struct auth *a, const struct auth_asker *asker, uint32_t id,
                    const struct fields *f);
    } OPERATIONS[] = {
        {"start", ROLE_EDGE, start},          {"continue", ROLE_EDGE, go_on},
        {"cancel", ROLE_EDGE, cancel},        {"again", ROLE_EDGE, again},
        {"lookup", ROLE_SUBMIT, auth_lookup}, {"sender", ROLE_SUBMIT, auth_check_sender},
    };
    struct fields f;
    enum err e = fields_parse(body, &f);
    if (e != ERR_OK) {
        reply_no(asker, id, e, 0);
        return;
    }
    struct str op = fields_get(&f, STR("op"));
    size_t i = 0;
    size_t count = sizeof(OPERATIONS) / sizeof(OPERATIONS[0]);
    while (i < count
           && (OPERATIONS[i].from != asker->role || !str_eq(op, str_from_c(OPERATIONS[i].name)))) {
        i++;
    }
    if (i < count) {
        OPERATIONS[i].run(a, asker, id, &f);
    } else {
        reply_no(asker, id, ERR_UNKNOWN_COMMAND, 0);
    }
    if (f.octets.p != NULL) {
        explicit_bzero(f.octets.p, f.octets.size); /* passwords came in it */
    }
    fields_release(&f);
}
