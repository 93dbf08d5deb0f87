/* Sessions without sockets: each core is fed and stepped by hand until nobody has anything more to do, and the store is
 * committed at the end of each round, as a role's loop does it at the end of a turn. Time stands still between. */
#include "script.h"

#include "base/buf.h"
#include "base/vec.h"
#include "client_model.h"
#include "convert/service.h"
#include "imap/session.h"
#include "kept.h"
#include "managesieve/session.h"
#include "search/indexer.h"
#include "store/store.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SCRIPTS_MOST = 8 };
enum { CACHE_MOST = 1024 * 1024, INPUT_MOST = 4 * 1024 * 1024 };
enum { SAID_MOST = 64 * 1024 * 1024, NAME_MOST = 256, ROUNDS_MOST = 1000000 };

/* What wakes a session while it is parked. */
struct waker {
    struct script_session *whose;
    struct account *account; /* counted; NULL: nothing does */
    struct watch watch;
};

struct script_session {
    struct script *script;
    char name[NAME_MOST];
    struct session *core; /* NULL: ended, or parked */
    struct kept kept;
    bool is_parked;
    struct waker wakers[2]; /* its own account's, and that of another */
    bool is_kept;           /* script_keep() */
    unsigned steps_left;    /* its process dies after so many steps; 0: it does not */
    uint32_t message_limit;
    char shared_account[NAME_MOST];
    struct buf said;
    size_t heard; /* octets of said */
    bool is_woken;
    uint64_t news_ms; /* when it is to be woken for news; 0: no news wait */
    bool is_managesieve;
    struct client_model model;
};

struct script {
    char dir[64];
    char user[NAME_MOST];
    char shared_account[NAME_MOST];
    struct store *store;
    struct imap_host host;
    struct convert_service *convert;
    uint64_t now_ms;
    uint64_t pace_ms;
    uint64_t window_ms; /* for which news gather */
    uint32_t message_limit;
    bool is_managesieve; /* sessions opened later */
    size_t feed_most;    /* octets a session is fed at once */
    enum script_life life;
    VEC(struct script_session *) sessions;
};

static uint64_t get_now(void *owner)
{
    return ((struct script *)owner)->now_ms;
}

static void wake(void *owner)
{
    ((struct script_session *)owner)->is_woken = true;
}

static void wake_soon(void *owner)
{
    struct script_session *x = owner;
    if (x->script->window_ms == 0) {
        x->is_woken = true;
    } else if (x->news_ms == 0) {
        x->news_ms = x->script->now_ms + x->script->window_ms;
    }
}

static void copy_name(char *to, struct str from)
{
    (void)snprintf(to, NAME_MOST, "%.*s", STR_ARG(from));
}

static void open_store(struct script *s)
{
    struct store_config config = {
        .dir = str_from_c(s->dir),
        .now_ms = get_now,
        .now_owner = s,
        .scripts_most = SCRIPTS_MOST,
    };
    if (store_new(&config, &s->store) != ERR_OK) {
        (void)fputs("cannot open the store\n", stderr);
        exit(2);
    }
}

struct script *script_new(void)
{
    struct script *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        abort();
    }
    (void)snprintf(s->dir, sizeof(s->dir), "/tmp/limetta-script-XXXXXX");
    if (mkdtemp(s->dir) == NULL) {
        perror(s->dir);
        exit(2);
    }
    s->now_ms = UINT64_C(1767225600000); /* 1-Jan-2026 00:00:00 */
    static const struct convert_service_config CONVERT = {
        .cache_most = CACHE_MOST, .input_most = INPUT_MOST, .output_most = INPUT_MOST};
    s->convert = convert_service_new(&CONVERT);
    s->host = (struct imap_host){.wall_ms = get_now, .owner = s, .convert = s->convert};
    s->feed_most = SESSION_BACKLOG_MOST;
    copy_name(s->user, STR("anna"));
    open_store(s);
    return s;
}

static void end_watch(struct script_session *x)
{
    for (size_t i = 0; i < sizeof(x->wakers) / sizeof(x->wakers[0]); i++) {
        if (x->wakers[i].account != NULL) {
            watch_cancel(&x->wakers[i].watch);
            account_unref(&x->wakers[i].account);
        }
    }
}

static void end_session(struct script_session *x)
{
    end_watch(x);
    x->is_parked = false;
    if (x->core != NULL) {
        x->core->ops->free(&x->core);
    }
}

static void session_free(struct script_session *x)
{
    end_session(x);
    buf_release(&x->said);
    kept_release(&x->kept);
    free(x);
}

static void close_all(struct script *s)
{
    for (size_t i = 0; i < s->sessions.count; i++) {
        session_free(s->sessions.at[i]);
    }
    vec_clear(&s->sessions);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void script_free(struct script **s)
{
    close_all(*s);
    vec_release(&(*s)->sessions);
    store_free(&(*s)->store);
    convert_service_free(&(*s)->convert);
    (void)nftw((*s)->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(*s);
    *s = NULL;
}

/* No edge is here: what it would decompress arrives as it is. */
static void take_mark(struct script_session *x)
{
    struct buf rest = BUF_INIT(SAID_MOST);
    (void)x->core->ops->take_mark(x->core, &rest);
    x->core->ops->feed(x->core, buf_str(&rest));
    buf_release(&rest);
}

static struct imap_session_args get_imap_args(struct script_session *x)
{
    struct script *s = x->script;
    return (struct imap_session_args){
        .store = s->store,
        .host = &s->host,
        .session_host = {.wake = wake, .owner = x, .wake_soon = wake_soon},
        .user = str_from_c(s->user),
        .tag = STR("L"),
        .hostname = STR("imap.example.com"),
        .host_names = STR("imap.example.com"),
        .local = STR("127.0.0.1"),
        .port = 143,
        .submit_entities = STR("submit"),
        .media_entities = STR("media"),
        .may_unauthenticate = true,
        .shared_account = str_from_c(x->shared_account),
        .quota_admins = STR("boss"),
        .server_admin = STR("mailto:admin@example.com"),
        .message_most = 1024 * 1024,
        .message_limit = x->message_limit,
    };
}

static struct managesieve_session_args get_sieve_args(struct script_session *x)
{
    return (struct managesieve_session_args){
        .store = x->script->store,
        .session_host = {.wake = wake, .owner = x, .wake_soon = wake_soon},
        .user = str_from_c(x->script->user),
        .capabilities =
            {
                .extensions = STR("fileinto vacation"),
                .methods = STR("mailto"),
                .redirects = STR("4"),
                .mechanisms = STR("PLAIN"),
                .has_unauthenticate = true,
            },
    };
}

/* Goes on in another process. */
static void resume(struct script_session *x, bool is_dead)
{
    struct imap_session_args args = get_imap_args(x);
    struct managesieve_session_args sieve_args = get_sieve_args(x);
    sieve_args.capabilities.mechanisms = STR_EMPTY; /* they are in the state */
    struct session_resume r = kept_get_resume(&x->kept, is_dead);
    end_session(x);
    enum err e = x->is_managesieve ? managesieve_session_resume(&sieve_args, &r, &x->core)
                                   : imap_session_resume(&args, &r, &x->core);
    if (e != ERR_OK) {
        (void)fprintf(stderr, "cannot resume: %s\n", err_get_info(e)->meaning);
        exit(1);
    }
    kept_note_resume(&x->kept);
    x->core->ops->feed(x->core, buf_str(&x->kept.log));
    x->kept.may_park = false;
    x->is_woken = true;
}

/* Its process dies, when there is something to go on with. */
static void crash(struct script_session *x)
{
    if (x->kept.has_state && (x->core != NULL || x->is_parked)) {
        resume(x, true);
    }
}

static void on_change(struct watch *w)
{
    wake_soon(list_entry(w, struct waker, watch)->whose);
}

static bool begin_watch(struct script_session *x, struct waker *w, struct str user,
                        const struct session_save *what)
{
    if (store_open_account(x->script->store, user, false, &w->account) != ERR_OK) {
        return false;
    }
    w->whose = x;
    w->watch.on_change = on_change;
    list_init(&w->watch.node);
    struct mailbox *m = NULL;
    if (what->watch == SESSION_WATCH_ACCOUNT) {
        account_watch(w->account, &w->watch);
    } else if (what->watch == SESSION_WATCH_MAILBOX) {
        m = account_find_mailbox_id(w->account, what->mailbox_id);
    }
    if (m != NULL) {
        mailbox_watch(m, &w->watch);
    }
    return true;
}

/* It leaves its process, if it can; false when it cannot. */
static bool park(struct script_session *x)
{
    bool is_due = x->is_woken || x->news_ms != 0;
    bool may = x->kept.has_state && x->kept.may_park && x->kept.log.len == 0 && !is_due;
    if (!may || x->core == NULL) {
        return x->is_parked;
    }
    CLEANUP(buf_release) struct buf saved_user = BUF_INIT(NAME_MOST);
    imap_session_get_saved_user(buf_str(&x->kept.state), &saved_user);
    struct str user = x->is_managesieve ? str_from_c(x->script->user) : buf_str(&saved_user);
    const struct session_save own = {.watch = x->kept.watch, .mailbox_id = x->kept.mailbox_id};
    const struct session_save far = {.watch = x->kept.far_watch,
                                     .mailbox_id = x->kept.far_mailbox_id};
    struct str far_user = buf_str(&x->kept.far_user);
    if (!begin_watch(x, &x->wakers[0], user, &own)
        || (far_user.n > 0 && !begin_watch(x, &x->wakers[1], far_user, &far))) {
        end_watch(x);
        return false;
    }
    if (x->core != NULL) {
        x->core->ops->free(&x->core);
    }
    x->is_parked = true;
    return true;
}

/* Steps one session as far as it goes; false when there was nothing to do. */
static bool step_session(struct script_session *x)
{
    bool was_woken = x->is_woken || (x->news_ms != 0 && x->news_ms <= x->script->now_ms);
    x->is_woken = false;
    if (was_woken && x->is_parked) {
        resume(x, false);
    }
    if (x->core == NULL || !was_woken) {
        return false;
    }
    x->is_woken = false;
    x->news_ms = 0;
    x->script->now_ms += x->script->pace_ms;
    enum session_want want = SESSION_OUTPUT;
    while (want == SESSION_OUTPUT) {
        struct buf out = BUF_INIT(SAID_MOST);
        want = x->core->ops->step(x->core, &out);
        buf_add(&x->said, buf_str(&out));
        if (want != SESSION_CLOSE) {
            kept_note_step(&x->kept, x->core, buf_str(&out));
        }
        buf_release(&out);
        if (x->steps_left > 0 && --x->steps_left == 0 && want != SESSION_CLOSE) {
            crash(x);
            return true;
        }
        if (want == SESSION_MARK) {
            take_mark(x);
            want = SESSION_OUTPUT;
        }
    }
    if (want == SESSION_CLOSE) {
        end_session(x);
    }
    return true;
}

static void settle(struct script *s)
{
    bool is_busy = true;
    for (unsigned round = 0; is_busy; round++) {
        is_busy = false;
        for (size_t i = 0; i < s->sessions.count; i++) {
            is_busy = step_session(s->sessions.at[i]) || is_busy;
        }
        store_commit(s->store);
        if (round == ROUNDS_MOST) {
            (void)fputs("a session never comes to rest\n", stderr);
            exit(1);
        }
    }
    for (size_t i = 0; s->life == SCRIPT_PARKS && i < s->sessions.count; i++) {
        struct script_session *x = s->sessions.at[i];
        if (!x->is_kept) {
            (void)park(x);
        }
    }
}

void script_begin_turn(struct script *s)
{
    for (size_t i = 0; s->life == SCRIPT_CRASHES && i < s->sessions.count; i++) {
        struct script_session *x = s->sessions.at[i];
        if (!x->is_kept) {
            crash(x);
        }
    }
    settle(s);
}

void script_set_life(struct script *s, enum script_life life)
{
    s->life = life;
}

void script_keep(struct script_session *x)
{
    x->is_kept = true;
    x->is_woken = x->is_woken || x->is_parked;
    settle(x->script);
}

bool script_park(struct script_session *x)
{
    return park(x);
}

void script_crash(struct script_session *x, size_t unheard)
{
    unheard = unheard < x->kept.said ? unheard : (size_t)x->kept.said;
    buf_truncate(&x->said, x->said.len - unheard);
    kept_forget_said(&x->kept, buf_str(&x->said), unheard);
    crash(x);
    settle(x->script);
}

void script_crash_after(struct script_session *x, unsigned steps)
{
    x->steps_left = steps;
}

void script_set_slow(struct script *s)
{
    s->feed_most = 1;
}

void script_set_user(struct script *s, struct str user)
{
    copy_name(s->user, user);
}

void script_set_managesieve(struct script *s)
{
    s->is_managesieve = true;
}

void script_set_shared_account(struct script *s, struct str user)
{
    copy_name(s->shared_account, user);
}

static enum err open_imap(struct script_session *x)
{
    struct imap_session_args args = get_imap_args(x);
    return imap_session_new(&args, &x->core);
}

struct script_session *script_open(struct script *s, struct str name)
{
    struct script_session *x = calloc(1, sizeof(*x));
    if (x == NULL) {
        abort();
    }
    x->script = s;
    copy_name(x->name, name);
    x->said = BUF_INIT(SAID_MOST);
    x->message_limit = s->message_limit;
    copy_name(x->shared_account, str_from_c(s->shared_account));
    kept_init(&x->kept);
    x->is_managesieve = s->is_managesieve;
    struct managesieve_session_args sieve_args = get_sieve_args(x);
    enum err e = x->is_managesieve ? managesieve_session_new(&sieve_args, &x->core) : open_imap(x);
    if (e != ERR_OK) {
        (void)fputs("cannot open a session\n", stderr);
        exit(1);
    }
    vec_push(&s->sessions, x);
    x->is_woken = true;
    settle(s);
    return x;
}

static struct script_session *find_session(struct script *s, struct str name)
{
    for (size_t i = 0; i < s->sessions.count; i++) {
        if (str_eq(str_from_c(s->sessions.at[i]->name), name)) {
            return s->sessions.at[i];
        }
    }
    return NULL;
}

void script_close(struct script *s, struct str name)
{
    for (size_t i = 0; i < s->sessions.count; i++) {
        struct script_session *x = s->sessions.at[i];
        if (str_eq(str_from_c(x->name), name)) {
            session_free(x);
            vec_remove(&s->sessions, i);
            break;
        }
    }
    settle(s);
}

struct script_session *script_get_session(struct script *s, struct str name)
{
    struct script_session *x = find_session(s, name);
    if (x == NULL) {
        struct str greeting;
        x = script_open(s, name);
        (void)script_next_line(x, &greeting);
    }
    return x;
}

void script_restart(struct script *s)
{
    close_all(s);
    store_free(&s->store);
    open_store(s);
}

void script_advance(struct script *s, uint64_t ms)
{
    s->now_ms += ms;
    (void)store_tick(s->store);
    settle(s);
}

void script_set_pace(struct script *s, uint64_t ms)
{
    s->pace_ms = ms;
}

void script_set_window(struct script *s, uint64_t ms)
{
    s->window_ms = ms;
}

void script_set_limit(struct script *s, uint32_t n)
{
    s->message_limit = n;
}

bool script_make_mailboxes(struct script *s, struct str prefix, uint32_t n)
{
    struct account *a = NULL;
    enum err e = store_open_account(s->store, str_from_c(s->user), true, &a);
    for (uint32_t i = 0; e == ERR_OK && i < n; i++) {
        struct buf name = BUF_INIT(256);
        buf_addf(&name, "%.*s%u", STR_ARG(prefix), i);
        e = account_create_mailbox(a, buf_str(&name), 0);
        buf_release(&name);
    }
    store_commit(s->store);
    settle(s);
    account_unref(&a);
    return e == ERR_OK;
}

bool script_fill(struct script *s, struct str mailbox, uint32_t n)
{
    struct account *a = NULL;
    struct mailbox *m = NULL;
    enum err e = store_open_account(s->store, str_from_c(s->user), true, &a);
    if (e == ERR_OK) {
        store_commit(s->store);
        e = account_find_mailbox(a, mailbox, &m);
    }
    for (uint32_t i = 1; e == ERR_OK && i <= n; i++) {
        struct body_writer *w = NULL;
        struct buf text = BUF_INIT(1024);
        struct append_args args = {.internaldate_s = (int64_t)(s->now_ms / 1000)};
        struct uid uid;
        buf_addf(&text, "From: Bob <bob@example.com>\r\nSubject: message %u\r\n\r\nbody %u\r\n", i,
                 i);
        e = body_writer_new(a, &w);
        e = e == ERR_OK ? body_writer_add(w, buf_str(&text)) : e;
        e = e == ERR_OK ? body_writer_finish(w) : e;
        e = e == ERR_OK ? mailbox_append(m, w, &args, &uid) : e;
        body_writer_free(&w);
        buf_release(&text);
    }
    settle(s);
    mailbox_unref(&m);
    account_unref(&a);
    return e == ERR_OK;
}

void script_index(struct script *s)
{
    struct indexer *x = indexer_new(s->store);
    s->now_ms += 3600000; /* later than any patience */
    while (indexer_step(x, UINT64_MAX) != 0) {
    }
    indexer_free(&x);
}

void script_send(struct script_session *s, struct str octets)
{
    while (octets.n > 0 && (s->core != NULL || s->is_parked)) {
        struct str part = str_sub(octets, 0, s->script->feed_most);
        if (s->is_parked) {
            resume(s, false);
        }
        kept_note_input(&s->kept, part);
        s->core->ops->feed(s->core, part);
        octets = str_skip(octets, part.n);
        s->is_woken = true;
        settle(s->script);
    }
}

struct str script_peek(const struct script_session *s)
{
    return str_skip(buf_str(&s->said), s->heard);
}

struct str script_peek_all(const struct script *s)
{
    for (size_t i = 0; s != NULL && i < s->sessions.count; i++) {
        struct str left = script_peek(s->sessions.at[i]);
        if (left.n > 0) {
            return left;
        }
    }
    return STR_EMPTY;
}

bool script_next_line(struct script_session *s, struct str *out)
{
    struct str left = script_peek(s);
    size_t before = left.n;
    if (!client_model_split(&left, out)) {
        return false;
    }
    s->heard += before - left.n;
    if (!s->is_managesieve && !client_model_hear(&s->model, *out)) {
        (void)fprintf(stderr, "contradicts what was said before: %.*s\n", STR_ARG(*out));
        exit(1);
    }
    return true;
}

bool script_is_silent(const struct script_session *s)
{
    return script_peek(s).n == 0;
}

bool script_has_ended(const struct script_session *s)
{
    return s->core == NULL && !s->is_parked;
}
