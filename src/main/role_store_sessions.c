/* What runs in a store worker: which session an open message asks for, and whose it is.
 *
 *     from     service    for
 *     edge     imap       the user of a ticket, or of a state that was kept
 *     edge     sieve      likewise
 *     submit   lmtp       whom RCPT names: submit knows by auth that they live here
 *     store    urlfetch   a user whom that worker has identified, or anybody: what the URL lets him have
 *     store    peer       a user whom that worker has identified: as a guest in an account of ours
 *
 * Nobody else may have any. */
#include "main/role_store_priv.h"

#include "base/log.h"
#include "imap/peer.h"
#include "imap/session.h"
#include "imap/url_serve.h"
#include "main/deliver.h"
#include "managesieve/session.h"
#include "net/keep.h"
#include "net/stream.h"
#include "wire/imap_write.h"

enum { REFUSAL_MOST = 1024 };

/* ---- the world of IMAP sessions ---- */

static uint64_t clock_us(void *owner)
{
    return loop_clock_us(((struct store_role *)owner)->loop);
}

static void on_command(void *owner, struct str name, uint64_t took_us)
{
    latencies_add(&((struct store_role *)owner)->latencies, name, took_us);
}

static struct stream *open_peer(void *owner, struct str user, struct str head, struct str state)
{
    return far_desk_open(&((struct store_role *)owner)->far, user, head, state);
}

static void await_peer(void *owner, struct str user, struct imap_peer_wait *w)
{
    far_desk_await(&((struct store_role *)owner)->far, user, w);
}

void store_role_init_sessions(struct store_role *r)
{
    r->imap_host = (struct imap_host){
        .wall_ms = store_role_wall_ms,
        .clock_us = clock_us,
        .on_command = on_command,
        .open_peer = open_peer,
        .await_peer = await_peer,
        .owner = r,
    };
}

/* ---- sessions that begin ---- */

/* What is the same for all sessions of this worker. */
static struct imap_session_args get_imap_args(struct store_role *r, const struct session_host *host)
{
    return (struct imap_session_args){
        .store = r->store,
        .host = &r->imap_host,
        .session_host = *host,
        .hostname = boot_get(r->boot, STR("hostname")),
        .host_names = boot_get(r->boot, STR("host_names")),
        .submit_entities = boot_get(r->boot, STR("submit_entities")),
        .media_entities = boot_get(r->boot, STR("media_entities")),
        .heartbeat_clients = boot_get(r->boot, STR("heartbeat_clients")),
        .may_unauthenticate = str_eq(boot_get(r->boot, STR("unauthenticate")), STR("yes")),
        .quota_admins = boot_get(r->boot, STR("quota_admins")),
        .server_admin = boot_get(r->boot, STR("server_admin")),
        .server_comment = boot_get(r->boot, STR("server_comment")),
        .shared_account = boot_get(r->boot, STR("shared_account")),
        .message_most = boot_get_u64(r->boot, STR("message_most"), 0),
        .message_limit = (uint32_t)boot_get_u64(r->boot, STR("message_limit"), 0),
    };
}

static enum err new_imap(struct store_role *r, struct link *l, const struct fields *f,
                         struct session_runner *runner, struct session **out)
{
    struct ticket ticket;
    TRY(admission_check_ticket(&r->admission, l, f, SERVICE_IMAP, &ticket));
    log_debug("imap session of %.*s", STR_ARG(ticket.user));
    struct imap_session_args args = get_imap_args(r, session_runner_get_host(runner));
    args.user = ticket.user;
    args.tag = fields_get(f, STR("tag"));
    args.local = fields_get(f, STR("local"));
    args.port = (uint16_t)fields_get_u64(f, STR("port"), 0);
    kept_attach(r->admission.kept, runner, l, ticket.user, f, NULL);
    return imap_session_new(&args, out);
}

static void open_imap(struct store_role *r, struct link *l, const struct fields *f,
                      struct session_runner *runner)
{
    struct session *core = NULL;
    enum err e = new_imap(r, l, f, runner, &core);
    if (e == ERR_OK) {
        session_runner_start(runner, core);
        return;
    }
    if (e == ERR_TICKET_OLD) {
        session_runner_send_back(runner);
        return;
    }
    struct buf last = BUF_INIT(REFUSAL_MOST);
    imap_write_err(&last, fields_get(f, STR("tag")), e);
    session_runner_refuse(runner, buf_str(&last));
    buf_release(&last);
}

static struct managesieve_session_args get_sieve_args(const struct store_role *r,
                                                      const struct session_host *host)
{
    return (struct managesieve_session_args){
        .store = r->store,
        .session_host = *host,
        .script_most = boot_get_u64(r->boot, STR("sieve_script_most"), 0),
        .capabilities =
            {
                .extensions = boot_get(r->boot, STR("sieve_extensions")),
                .methods = boot_get(r->boot, STR("sieve_methods")),
                .redirects = boot_get(r->boot, STR("sieve_redirects")),
                .has_unauthenticate = str_eq(boot_get(r->boot, STR("unauthenticate")), STR("yes")),
            },
    };
}

static void open_sieve(struct store_role *r, struct link *l, const struct fields *f,
                       struct session_runner *runner)
{
    struct session *core = NULL;
    struct ticket ticket;
    struct managesieve_session_args args = get_sieve_args(r, session_runner_get_host(runner));
    enum err e = admission_check_ticket(&r->admission, l, f, SERVICE_SIEVE, &ticket);
    if (e == ERR_OK) {
        args.user = ticket.user;
        args.capabilities.mechanisms = fields_get(f, STR("sasl"));
        e = managesieve_session_new(&args, &core);
    }
    if (e == ERR_OK) {
        kept_attach(r->admission.kept, runner, l, ticket.user, f, NULL);
        session_runner_start(runner, core);
        return;
    }
    if (e == ERR_TICKET_OLD) {
        session_runner_send_back(runner);
        return;
    }
    struct buf last = BUF_INIT(REFUSAL_MOST);
    managesieve_write_bye(&last, e);
    session_runner_refuse(runner, buf_str(&last));
    buf_release(&last);
}

/* A session in an account of ours for a user whose own session, at the worker that asks, showed its ticket there. */
static void open_imap_peer(struct store_role *r, const struct fields *f,
                           struct session_runner *runner)
{
    struct session *core = NULL;
    struct imap_session_args args = get_imap_args(r, session_runner_get_host(runner));
    peer_read_head(f, &args);
    if (fields_get_u64(f, STR("kept"), 0) != 0) {
        far_desk_keep(runner);
    }
    enum err e = imap_session_new(&args, &core);
    if (e == ERR_OK) {
        session_runner_start(runner, core);
        return;
    }
    struct buf last = BUF_INIT(REFUSAL_MOST);
    peer_write_refusal(&last, e);
    session_runner_refuse(runner, buf_str(&last));
    buf_release(&last);
}

static void open_lmtp(struct store_role *r, struct session_runner *runner)
{
    struct deliver_args args = {
        .store = r->store,
        .session_host = *session_runner_get_host(runner),
        .hostname = boot_get(r->boot, STR("hostname")),
        .message_most = store_role_get_delivered_most(r),
        .index = boot_get_index(r->boot),
        .workers = (unsigned)boot_get_u64(r->boot, STR("workers"), 1),
        .filter = r->filter,
        .delimiters = boot_get(r->boot, STR("recipient_delimiter")),
        .duplicate_s = boot_get_u64(r->boot, STR("duplicate_window_s"), 0),
        .is_full_later = str_eq(boot_get(r->boot, STR("quota_full")), STR("later")),
        .wall_ms = store_role_wall_ms,
        .on_outgoing = store_role_on_outgoing,
        .owner = r,
    };
    session_runner_start(runner, deliver_new(&args));
}

void store_role_on_open(void *owner, struct link *l, struct str head, struct stream *s)
{
    struct store_role *r = owner;
    struct fields f;
    if (fields_parse(head, &f) != ERR_OK) {
        peers_log_presumption(&r->peers, l, "sent a broken open message");
        stream_free(&s);
        return;
    }
    CLEANUP(log_restore)
    uint32_t before = log_about((uint32_t)fields_get_u64(&f, STR("log"), 0));
    struct str service = fields_get(&f, STR("service"));
    enum link_role peer = link_get_peer(l);
    if (peer == ROLE_EDGE && str_eq(service, STR("imap"))) {
        open_imap(r, l, &f, session_runner_new(r->group, s));
    } else if (peer == ROLE_EDGE && str_eq(service, STR("sieve"))) {
        open_sieve(r, l, &f, session_runner_new(r->group, s));
    } else if (peer == ROLE_SUBMIT && str_eq(service, STR("lmtp"))) {
        open_lmtp(r, session_runner_new(r->group, s));
    } else if (peer == ROLE_STORE && str_eq(service, STR("urlfetch"))) {
        struct session_runner *runner = session_runner_new(r->group, s);
        session_runner_start(runner, url_serve_new(r->store, &r->imap_host, &f));
    } else if (peer == ROLE_STORE && str_eq(service, STR("peer"))) {
        open_imap_peer(r, &f, session_runner_new(r->group, s));
    } else {
        peers_log_presumption(&r->peers, l, "asked for a session that it may not have");
        stream_free(&s);
    }
    fields_release(&f);
}

/* ---- sessions that come back (docs/dormancy.md) ---- */

static enum err resume_imap(struct store_role *r, struct link *l, const struct fields *f,
                            struct session_runner *runner, const struct kept_state *k)
{
    struct session *core = NULL;
    struct imap_session_args args = get_imap_args(r, session_runner_get_host(runner));
    args.user = k->user;
    args.local = fields_get(f, STR("local"));
    args.port = (uint16_t)fields_get_u64(f, STR("port"), 0);
    kept_attach(r->admission.kept, runner, l, k->user, f, k);
    TRY(imap_session_resume(&args, &k->resume, &core));
    session_runner_resume(runner, core);
    return ERR_OK;
}

static enum err resume_sieve(struct store_role *r, struct link *l, const struct fields *f,
                             struct session_runner *runner, const struct kept_state *k)
{
    struct session *core = NULL;
    struct managesieve_session_args args = get_sieve_args(r, session_runner_get_host(runner));
    args.user = k->user;
    kept_attach(r->admission.kept, runner, l, k->user, f, k);
    TRY(managesieve_session_resume(&args, &k->resume, &core));
    session_runner_start(runner, core);
    return ERR_OK;
}

enum err store_role_resume(void *owner, struct link *l, const struct fields *head,
                           struct session_runner *runner, const struct kept_state *k)
{
    bool is_imap = str_eq(fields_get(head, STR("service")), STR("imap"));
    return is_imap ? resume_imap(owner, l, head, runner, k)
                   : resume_sieve(owner, l, head, runner, k);
}

/* ---- sessions of other workers ---- */

/* What another worker has in an account of ours. False: it makes no sense. */
static bool read_peer(struct store_role *r, const struct link *l, struct str head, struct fields *f)
{
    if (fields_parse(head, f) != ERR_OK) {
        return false;
    }
    struct str user = fields_get(f, STR("user"));
    if (str_eq(fields_get(f, STR("service")), STR("peer"))
        && admission_is_ours(&r->admission, user)) {
        return true;
    }
    peers_log_presumption(&r->peers, l, "shows a state that it may not have");
    fields_release(f);
    return false;
}

void store_role_resume_peer(struct store_role *r, const struct link *l, struct str head,
                            struct str state, struct stream *s)
{
    struct fields f;
    struct session *core = NULL;
    struct session_save was;
    struct session_resume again = {.state = state};
    if (!read_peer(r, l, head, &f)) {
        stream_free(&s);
        return;
    }
    CLEANUP(log_restore)
    uint32_t before = log_about((uint32_t)fields_get_u64(&f, STR("log"), 0));
    struct session_runner *runner = session_runner_new(r->group, s);
    struct imap_session_args args = get_imap_args(r, session_runner_get_host(runner));
    peer_read_head(&f, &args);
    far_desk_keep(runner);
    enum err e = keep_read_fields(&f, &again);
    e = e == ERR_OK ? peer_open_state(&again, &was) : e;
    e = e == ERR_OK ? imap_session_resume(&args, &again, &core) : e;
    if (e == ERR_OK) {
        session_runner_resume(runner, core);
    } else {
        log_info("a session from another worker cannot go on: %s", err_get_info(e)->meaning);
        session_runner_abort(runner);
    }
    fields_release(&f);
}

/* It sleeps at the other worker, and waits for a mailbox of ours; maybe something came already. */
void store_role_park_peer(struct store_role *r, struct link *l, uint32_t id, struct str head,
                          struct str state)
{
    struct fields f;
    struct session_save watch;
    struct session_resume again = {.state = state};
    static const struct session_host NO_HOST;
    if (!read_peer(r, l, head, &f)) {
        return;
    }
    struct imap_session_args args = get_imap_args(r, &NO_HOST);
    peer_read_head(&f, &args);
    if (peer_open_state(&again, &watch) == ERR_OK && watch.watch == SESSION_WATCH_MAILBOX
        && imap_session_is_current(&args, again.state)) {
        parked_add(r->parked, l, args.user, &watch, id, NULL);
    } else {
        link_wake(l, id);
    }
    fields_release(&f);
}
