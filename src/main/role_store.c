/* limetta-store: one worker of the message store as a process.
 *
 * It owns the accounts that hash to its number, and no other process opens them. It has no socket that the outside reaches
 * and no passwords: a client's session comes over the link from the edge with a ticket, which names the user and is
 * checked here against the public key; a delivery comes over the link from submit, which is who the link says it is.
 * A user whose ticket is good exists, so the first session makes the account.
 *
 * All sessions run in one loop, in turns: what came in is stepped, then everything that was changed is committed, one
 * transaction an account, then the replies leave (net/session_run.h). */
#include "main/role_store_priv.h"

#include "base/log.h"
#include "main/control.h"

#include <time.h>

enum { TICK_MS = 250, SECOND_MS = 1000 };
enum { INDEX_BUDGET = 32 * 1024, TRACE_ROOM = 128 * 1024, URL_MOST = 1024 };

uint64_t store_role_wall_ms(void *owner)
{
    return loop_wall_ms(((struct store_role *)owner)->loop);
}

uint64_t store_role_get_delivered_most(const struct store_role *r)
{
    uint64_t most = boot_get_u64(r->boot, STR("message_most"), 0);
    return most == 0 ? 0 : most + TRACE_ROOM;
}

/* ---- sessions that were kept (docs/dormancy.md) ---- */

static void on_resume(void *owner, struct link *l, struct str head, struct str state,
                      struct stream *s)
{
    struct store_role *r = owner;
    if (link_get_peer(l) == ROLE_STORE) {
        store_role_resume_peer(r, l, head, state, s);
        return;
    }
    admission_resume(&r->admission, r->group, l, head, state, s);
}

/* A session that was parked before we started. A state that is not good is refused when it is used. */
static void on_park(void *owner, struct link *l, uint32_t id, struct str head, struct str state)
{
    struct store_role *r = owner;
    struct fields f;
    struct kept_state k;
    if (link_get_peer(l) == ROLE_STORE) {
        store_role_park_peer(r, l, id, head, state);
        return;
    }
    if (fields_parse(head, &f) != ERR_OK) {
        peers_log_presumption(&r->peers, l, "sent a broken park message");
        return;
    }
    bool is_good = admission_open_state(&r->admission, l, &f, state, &k) == ERR_OK;
    if (!is_good || k.watch.watch != SESSION_WATCH_NONE) {
        parked_doubt(r->parked, l, id);
    }
    if (is_good) {
        kept_state_release(&k);
    }
    fields_release(&f);
}

static void on_forget(void *owner, struct link *l, uint32_t id)
{
    parked_forget(((struct store_role *)owner)->parked, l, id);
}

static void on_wake(void *owner, struct link *l, void *whose)
{
    (void)l;
    parked_note_far(((struct store_role *)owner)->parked, whose);
}

/* A session of ours was parked. */
static void on_parked(void *owner, struct link *l, struct str user, const struct session_save *save,
                      uint32_t id)
{
    struct store_role *r = owner;
    bool is_here = true;
    bool is_known = save->far == NULL || save->far->user.n > 0;
    struct link *far =
        save->far != NULL && is_known ? far_desk_find(&r->far, save->far->user, &is_here) : NULL;
    if (!is_known || (far == NULL && !is_here)) {
        parked_doubt(r->parked, l, id); /* something came, or nobody is there who would wake it */
        return;
    }
    parked_add(r->parked, l, user, save, id, far);
}

static void on_change(void *owner, struct str user, uint64_t mailbox_id)
{
    parked_note_change(((struct store_role *)owner)->parked, user, mailbox_id);
}

static enum err start_admission(struct store_role *r)
{
    struct admission_settings settings = {
        .boot = r->boot,
        .loop = r->loop,
        .peers = &r->peers,
        .services = STR("imap sieve"),
        .is_worker = true,
        .resume = store_role_resume,
        .on_park = on_parked,
        .owner = r,
    };
    r->parked = parked_new(r->loop, PARKED_MOST);
    return admission_init(&r->admission, &settings);
}

/* ---- turns ---- */

static void start_tick(struct store_role *r, uint64_t after_ms)
{
    r->is_ticking = true;
    timer_start(r->tick, after_ms);
}

static void on_tick(void *owner)
{
    struct store_role *r = owner;
    r->is_ticking = false;
    uint64_t next_ms = store_tick(r->store);
    if (next_ms > 0) {
        start_tick(r, next_ms);
    }
}

static void start_index(struct store_role *r, uint64_t after_ms)
{
    r->is_indexing = true;
    timer_start(r->index, after_ms);
}

/* A slice of work for the text indexes, in turns of its own: nobody's reply waits for it but those of the same moment. */
static void on_index(void *owner)
{
    struct store_role *r = owner;
    r->is_indexing = false;
    uint64_t next_ms = indexer_step(r->indexer, INDEX_BUDGET);
    if (next_ms > 0) {
        start_index(r, next_ms);
    }
}

/* The end of a turn. Housekeeping is called for while accounts are open; a worker whose sessions all sleep, sleeps. */
static void commit(void *owner)
{
    struct store_role *r = owner;
    store_commit(r->store);
    if (store_is_empty(r->store)) {
        return;
    }
    if (!r->is_ticking) {
        start_tick(r, TICK_MS);
    }
    if (!r->is_indexing) {
        start_index(r, TICK_MS);
    }
}

/* ---- links ---- */

static void on_down(void *owner, struct link *l)
{
    struct store_role *r = owner;
    parked_forget_link(r->parked, l);
    peers_drop(&r->peers, l);
}

static const struct link_handler LINK_HANDLER = {
    .on_open = store_role_on_open,
    .on_down = on_down,
    .on_resume = on_resume,
    .on_park = on_park,
    .on_forget = on_forget,
    .on_wake = on_wake,
};

enum { PEERS = 1U << ROLE_EDGE | 1U << ROLE_SUBMIT | 1U << ROLE_STORE | 1U << ROLE_CONVERT };

static void on_peer(void *owner, const struct boot_peer *peer)
{
    struct store_role *r = owner;
    struct link *l = peers_add(&r->peers, peer);
    if (l != NULL && peer->role == ROLE_CONVERT) {
        store_role_ask_tools(r, l);
    } else if (l != NULL && peer->role == ROLE_STORE) {
        far_desk_note_link(&r->far);
    } else if (l != NULL && peer->role == ROLE_SUBMIT) {
        outbox_run_hurry(r->outbox);
    }
}

static bool is_busy(void *owner)
{
    return session_group_is_busy(((struct store_role *)owner)->group);
}

/* Sessions go to the edge, which keeps them for who comes after us. */
static void on_stop(void *owner)
{
    struct store_role *r = owner;
    session_group_drain(r->group);
    drain_begin(&r->drain, r->loop, DRAIN_MOST_MS, is_busy, r);
}

/* ---- the process ---- */

static enum err open_and_confine(struct store_role *r)
{
    struct str dir = boot_get(r->boot, STR("accounts_dir"));
    if (dir.n == 0) {
        log_error("setting accounts_dir is missing");
        return ERR_SYNTAX;
    }
    TRY(start_admission(r));
    tzset(); /* reads a file */
    TRY(confine(r->boot, ROLE_STORE, dir));
    struct store_config config = {
        .dir = dir,
        .now_ms = store_role_wall_ms,
        .now_owner = r,
        .is_flag_durability_strict =
            str_eq(boot_get(r->boot, STR("flag_durability")), STR("strict")),
        .on_change = on_change,
        .on_change_owner = r,
        .message_most = store_role_get_delivered_most(r),
        .script_most = boot_get_u64(r->boot, STR("sieve_script_most"), 0),
        .scripts_most = boot_get_u64(r->boot, STR("sieve_scripts_most"), 0),
        .quota = {[QUOTA_STORAGE] = boot_get_u64(r->boot, STR("quota_storage"), 0),
                  [QUOTA_MESSAGE] = boot_get_u64(r->boot, STR("quota_messages"), 0),
                  [QUOTA_MAILBOX] = boot_get_u64(r->boot, STR("quota_mailboxes"), 0)},
    };
    return store_new(&config, &r->store);
}

static void tell_metrics(void *owner)
{
    struct store_role *r = owner;
    CLEANUP(buf_release) struct buf text = BUF_INIT(CONTROL_VALUE_MOST);
    latencies_write(&r->latencies, boot_get_index(r->boot), &text);
    filter_write_metrics(r->filter, boot_get_index(r->boot), &text);
    boot_send_metrics(r->boot, buf_str(&text));
    timer_start(r->metrics, BOOT_METRICS_MS);
}

static void run(struct store_role *r)
{
    static const struct boot_handler HANDLER = {.on_peer = on_peer, .on_stop = on_stop};
    r->group = session_group_new(r->loop, commit, r);
    session_group_set_news_window(r->group, boot_get_u64(r->boot, STR("news_window_ms"), 0));
    session_group_set_park(r->group, boot_get_u64(r->boot, STR("time_unit_ms"), SECOND_MS)
                                         * boot_get_u64(r->boot, STR("park_after_s"), 0));
    r->tick = timer_new(r->loop, on_tick, r);
    r->indexer = indexer_new(r->store);
    r->index = timer_new(r->loop, on_index, r);
    peers_init(&r->peers, r->loop, PEERS, &LINK_HANDLER, r);
    far_desk_init(&r->far, r->boot, r->loop, &r->peers);
    store_role_start_errands(r);
    boot_attach(r->boot, r->loop, &HANDLER, r);
    r->metrics = timer_new(r->loop, tell_metrics, r);
    timer_start(r->metrics, 1);
    loop_run(r->loop);
}

static void close_all(struct store_role *r)
{
    /* First: who is left without a process is to see that, and no session's end. */
    peers_release(&r->peers);
    drain_release(&r->drain);
    session_group_free(&r->group);
    far_desk_release(&r->far);
    store_role_release_errands(r);
    timer_free(&r->metrics);
    timer_free(&r->tick);
    timer_free(&r->index);
    indexer_free(&r->indexer);
    store_free(&r->store);
    admission_release(&r->admission);
    parked_free(&r->parked);
    boot_free(&r->boot);
    loop_free(&r->loop);
}

int main(void)
{
    struct store_role r = {.sieve_url = BUF_INIT(URL_MOST)};
    if (boot_begin("store", &r.boot) != ERR_OK) {
        return 3;
    }
    r.loop = loop_new();
    store_role_init_sessions(&r);
    enum err e = open_and_confine(&r);
    if (e != ERR_OK) {
        log_error("cannot start: %s", err_get_info(e)->meaning);
    } else {
        run(&r);
    }
    close_all(&r);
    return e == ERR_OK ? 0 : 3;
}
