/* limetta-store: one worker of the message store as a process.
 *
 * It owns the accounts that hash to its number, and no other process opens them. It has no socket that the outside reaches
 * and no passwords: a client's session comes over the link from the edge with a ticket, which names the user and is
 * checked here against the public key; a delivery comes over the link from submit, which is who the link says it is.
 * A user whose ticket is good exists, so the first session makes the account.
 *
 * All sessions run in one loop, in turns: what came in is stepped, then everything that was changed is committed, one
 * transaction an account, then the replies leave (net/session_run.h). */
#include "main/boot.h"

#include "base/base64.h"
#include "base/log.h"
#include "convert/service.h"
#include "filter/events.h"
#include "filter/filter.h"
#include "imap/peer.h"
#include "imap/session.h"
#include "imap/url_serve.h"
#include "main/admission.h"
#include "main/control.h"
#include "main/deliver.h"
#include "main/drain.h"
#include "main/latencies.h"
#include "main/outbox_run.h"
#include "main/parked.h"
#include "main/peers.h"
#include "managesieve/session.h"
#include "mime/date.h"
#include "net/fields.h"
#include "net/session_run.h"
#include "net/stream.h"
#include "net/ticket.h"
#include "search/indexer.h"
#include "store/outbox.h"
#include "store/store.h"
#include "wire/imap_write.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { SIEVE_PORT = 4190, URL_MOST = 1024 };
enum { SECOND_MS = 1000 };
enum { TICK_MS = 250, INDEX_BUDGET = 32 * 1024, REFUSAL_MOST = 1024, TRACE_ROOM = 128 * 1024 };

struct store_role {
    struct loop *loop;
    struct boot *boot;
    struct store *store;
    struct admission admission;
    struct session_group *group;
    struct drain drain;
    struct parked *parked;
    struct timer *tick;
    bool is_ticking;
    struct indexer *indexer;
    struct timer *index;
    bool is_indexing; /* the timer runs */
    struct imap_host imap_host;
    struct peers peers;
    struct convert_service *convert;
    struct outbox_run *outbox;
    struct filter *filter;
    struct filter_events *events;
    struct timer *event;
    struct timer *metrics;
    struct latencies latencies;
    struct buf sieve_url;
};

/* ---- sessions ---- */

static uint64_t wall_ms(void *owner)
{
    return loop_wall_ms(((struct store_role *)owner)->loop);
}

static uint64_t clock_us(void *owner)
{
    return loop_clock_us(((struct store_role *)owner)->loop);
}

static void on_command(void *owner, struct str name, uint64_t took_us)
{
    latencies_add(&((struct store_role *)owner)->latencies, name, took_us);
}

/* A session at the worker that owns user's account. When that worker is down, one that ends at once. */
static struct stream *open_peer(void *owner, struct str user, struct str head)
{
    struct store_role *r = owner;
    unsigned index = ticket_get_worker(user, (unsigned)boot_get_u64(r->boot, STR("workers"), 1));
    if (index == boot_get_index(r->boot)) {
        return NULL;
    }
    struct link *l = peers_find(&r->peers, ROLE_STORE, index);
    if (l != NULL) {
        return link_open(l, head);
    }
    struct stream *near = NULL;
    struct stream *far = NULL;
    stream_pair(r->loop, &near, &far);
    stream_free(&far);
    return near;
}

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
    kept_attach(r->admission.kept, runner, l, ticket.user, f);
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
        kept_attach(r->admission.kept, runner, l, ticket.user, f);
        session_runner_start(runner, core);
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

/* A delivered message may be larger than one submitted or appended: header lines were added on the way. */
static uint64_t get_delivered_most(const struct store_role *r)
{
    uint64_t most = boot_get_u64(r->boot, STR("message_most"), 0);
    return most == 0 ? 0 : most + TRACE_ROOM;
}

/* A user may have something in his outbox; of another worker, perhaps, when it is since before we started. */
static void on_outgoing(void *owner, struct str user)
{
    struct store_role *r = owner;
    if (admission_is_ours(&r->admission, user)) {
        outbox_run_add(r->outbox, user);
    }
}

static void open_lmtp(struct store_role *r, struct session_runner *runner)
{
    struct deliver_args args = {
        .store = r->store,
        .session_host = *session_runner_get_host(runner),
        .hostname = boot_get(r->boot, STR("hostname")),
        .message_most = get_delivered_most(r),
        .index = boot_get_index(r->boot),
        .workers = (unsigned)boot_get_u64(r->boot, STR("workers"), 1),
        .filter = r->filter,
        .delimiters = boot_get(r->boot, STR("recipient_delimiter")),
        .duplicate_s = boot_get_u64(r->boot, STR("duplicate_window_s"), 0),
        .is_full_later = str_eq(boot_get(r->boot, STR("quota_full")), STR("later")),
        .wall_ms = wall_ms,
        .on_outgoing = on_outgoing,
        .owner = r,
    };
    session_runner_start(runner, deliver_new(&args));
}

static void on_open(void *owner, struct link *l, struct str head, struct stream *s)
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

/* ---- sessions that come back, and those that sleep (docs/dormancy.md) ---- */

static enum err resume_imap(struct store_role *r, struct link *l, const struct fields *f,
                            struct session_runner *runner, const struct kept_state *k)
{
    struct session *core = NULL;
    struct imap_session_args args = get_imap_args(r, session_runner_get_host(runner));
    args.user = k->user;
    args.local = fields_get(f, STR("local"));
    args.port = (uint16_t)fields_get_u64(f, STR("port"), 0);
    kept_attach(r->admission.kept, runner, l, k->user, f);
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
    kept_attach(r->admission.kept, runner, l, k->user, f);
    TRY(managesieve_session_resume(&args, &k->resume, &core));
    session_runner_start(runner, core);
    return ERR_OK;
}

static enum err resume(void *owner, struct link *l, const struct fields *f,
                       struct session_runner *runner, const struct kept_state *k)
{
    bool is_imap = str_eq(fields_get(f, STR("service")), STR("imap"));
    return is_imap ? resume_imap(owner, l, f, runner, k) : resume_sieve(owner, l, f, runner, k);
}

static void on_resume(void *owner, struct link *l, struct str head, struct str state,
                      struct stream *s)
{
    struct store_role *r = owner;
    admission_resume(&r->admission, r->group, l, head, state, s);
}

/* A session that was parked before we started. A state that is not good is refused when it is used. */
static void on_park(void *owner, struct link *l, uint32_t id, struct str head, struct str state)
{
    struct store_role *r = owner;
    struct fields f;
    struct kept_state k;
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

/* A session of ours was parked. */
static void on_parked(void *owner, struct link *l, struct str user, const struct session_save *save,
                      uint32_t id)
{
    parked_add(((struct store_role *)owner)->parked, l, user, save, id);
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
        .resume = resume,
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

/* The end of a turn. Housekeeping is called for only when something happened: an idle worker sleeps. */
static void commit(void *owner)
{
    struct store_role *r = owner;
    store_commit(r->store);
    if (!r->is_ticking) {
        start_tick(r, TICK_MS);
    }
    if (!r->is_indexing) {
        start_index(r, TICK_MS);
    }
}

/* ---- what accounts send ---- */

static struct stream *open_submit(void *owner, struct str head)
{
    struct link *l = peers_find_any(&((struct store_role *)owner)->peers, ROLE_SUBMIT);
    return l == NULL ? NULL : link_open(l, head);
}

/* What a request hears when the submission server is not there. */
static void ask_submit(void *owner, struct str body,
                       void (*on_reply)(void *asker, enum err e, struct str body), void *asker)
{
    struct link *l = peers_find_any(&((struct store_role *)owner)->peers, ROLE_SUBMIT);
    if (l == NULL) {
        on_reply(asker, ERR_UNAVAILABLE, STR_EMPTY);
        return;
    }
    link_request(l, body, on_reply, asker);
}

static void cancel_submit(void *owner, void *asker)
{
    struct link *l = peers_find_any(&((struct store_role *)owner)->peers, ROLE_SUBMIT);
    if (l != NULL) {
        link_cancel(l, asker);
    }
}

static void write_unique(void *owner, struct buf *out)
{
    unsigned char octets[12];
    if (getrandom(octets, sizeof(octets), 0) != (ssize_t)sizeof(octets)) {
        abort();
    }
    hex_write(out, str_make((const char *)octets, sizeof(octets)));
}

static void wake_events(void *owner)
{
    timer_start(((struct store_role *)owner)->event, 1);
}

static void on_event_timer(void *owner)
{
    struct store_role *r = owner;
    if (filter_events_step(r->events)) {
        wake_events(r);
    }
}

static void on_event(void *owner, const struct imap_event *e)
{
    filter_events_add(((struct store_role *)owner)->events, e);
}

static void start_filter(struct store_role *r)
{
    const struct boot *b = r->boot;
    struct filter_config config = {
        .hostname = boot_get(b, STR("hostname")),
        .domains = boot_get(b, STR("domains")),
        .delimiters = boot_get(b, STR("recipient_delimiter")),
        .before = boot_get(b, STR("sieve_before")),
        .after = boot_get(b, STR("sieve_after")),
        .notify_urls = boot_get(b, STR("notify_webhooks")),
        .redirects_a_day = boot_get_u64(b, STR("sieve_redirects_most"), 0),
        .notifies_a_day = boot_get_u64(b, STR("sieve_notifies_most"), 0),
        .is_detail_filed = str_eq(boot_get(b, STR("detail_mailbox")), STR("yes")),
        .wall_ms = wall_ms,
        .find_zone_s = date_find_zone,
        .write_unique = write_unique,
        .owner = r,
    };
    r->filter = filter_new(&config);
    struct filter_events_host host = {wake_events, on_outgoing, r};
    r->events = filter_events_new(r->filter, &host);
    r->event = timer_new(r->loop, on_event_timer, r);
    buf_addf(&r->sieve_url, "sieve://%.*s", STR_ARG(config.hostname));
    uint64_t port = boot_get_u64(b, STR("sieve_port"), SIEVE_PORT);
    if (port != SIEVE_PORT) {
        buf_addf(&r->sieve_url, ":%llu", (unsigned long long)port);
    }
    r->imap_host.on_event = on_event;
    r->imap_host.sieve_url = buf_str(&r->sieve_url);
}

static void start_outbox(struct store_role *r)
{
    struct outbox_host host = {open_submit, ask_submit, cancel_submit, r};
    r->outbox = outbox_run_new(r->loop, r->store, &host);
    if (store_list_outgoing(r->store, on_outgoing, r) != ERR_OK) {
        log_error("cannot see which accounts have something to send");
    }
}

/* ---- conversions ---- */

static struct stream *open_convert(void *owner, struct str head)
{
    struct link *l = peers_find(&((struct store_role *)owner)->peers, ROLE_CONVERT, 0);
    return l == NULL ? NULL : link_open(l, head);
}

/* The convert role tells what it has. */
static void on_tools(void *owner, enum err e, struct str body)
{
    struct store_role *r = owner;
    struct fields f;
    unsigned tools = 0;
    if (e != ERR_OK || fields_parse(body, &f) != ERR_OK) {
        return;
    }
    for (struct str names = fields_get(&f, STR("tools")); names.n > 0;) {
        enum convert_tool tool;
        if (convert_tool_find(str_split(&names, ' '), &tool)) {
            tools |= 1U << tool;
        }
    }
    convert_service_set_tools(r->convert, tools);
    fields_release(&f);
}

static void start_convert(struct store_role *r)
{
    const struct boot *b = r->boot;
    struct convert_service_config config = {
        .cache_most = boot_get_u64(b, STR("convert_cache"), 0),
        .input_most = boot_get_u64(b, STR("convert_input_most"), 1U << 26),
        .output_most = boot_get_u64(b, STR("convert_output_most"), 1U << 25),
        .default_image = boot_get(b, STR("convert_default_image")),
        .default_audio = boot_get(b, STR("convert_default_audio")),
        .open = open_convert,
        .owner = r,
    };
    r->convert = convert_service_new(&config);
    r->imap_host.convert = r->convert;
}

/* ---- links ---- */

static void on_down(void *owner, struct link *l)
{
    struct store_role *r = owner;
    parked_forget_link(r->parked, l);
    peers_drop(&r->peers, l);
}

static const struct link_handler LINK_HANDLER = {
    .on_open = on_open,
    .on_down = on_down,
    .on_resume = on_resume,
    .on_park = on_park,
    .on_forget = on_forget,
};

static void on_peer(void *owner, const struct boot_peer *peer)
{
    struct store_role *r = owner;
    if (peer->role != ROLE_EDGE && peer->role != ROLE_SUBMIT && peer->role != ROLE_STORE
        && peer->role != ROLE_CONVERT) {
        log_error("%s has no business with store", control_role_name(peer->role));
        (void)close(peer->fd);
        return;
    }
    peers_add(&r->peers, peer);
    if (peer->role == ROLE_CONVERT) {
        link_request(peers_find(&r->peers, peer->role, peer->index), STR("op=tools\n"), on_tools,
                     r);
    }
    if (peer->role == ROLE_SUBMIT) {
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
        .now_ms = wall_ms,
        .now_owner = r,
        .is_flag_durability_strict =
            str_eq(boot_get(r->boot, STR("flag_durability")), STR("strict")),
        .on_change = on_change,
        .on_change_owner = r,
        .message_most = get_delivered_most(r),
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
    start_convert(r);
    r->group = session_group_new(r->loop, commit, r);
    session_group_set_news_window(r->group, boot_get_u64(r->boot, STR("news_window_ms"), 0));
    session_group_set_park(r->group, boot_get_u64(r->boot, STR("time_unit_ms"), SECOND_MS)
                                         * boot_get_u64(r->boot, STR("park_after_s"), 0));
    r->tick = timer_new(r->loop, on_tick, r);
    r->indexer = indexer_new(r->store);
    r->index = timer_new(r->loop, on_index, r);
    peers_init(&r->peers, r->loop, &LINK_HANDLER, r);
    start_outbox(r);
    start_filter(r);
    boot_attach(r->boot, r->loop, &HANDLER, r);
    r->metrics = timer_new(r->loop, tell_metrics, r);
    timer_start(r->metrics, 1);
    loop_run(r->loop);
}

static void close_all(struct store_role *r)
{
    peers_release(
        &r->peers); /* first: who is left without a process is to see that, and no session's end */
    drain_release(&r->drain);
    session_group_free(&r->group);
    outbox_run_free(&r->outbox);
    filter_events_free(&r->events);
    timer_free(&r->event);
    timer_free(&r->metrics);
    filter_free(&r->filter);
    buf_release(&r->sieve_url);
    convert_service_free(&r->convert);
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
    r.imap_host = (struct imap_host){.wall_ms = wall_ms,
                                     .clock_us = clock_us,
                                     .on_command = on_command,
                                     .open_peer = open_peer,
                                     .owner = &r};
    enum err e = open_and_confine(&r);
    if (e != ERR_OK) {
        log_error("cannot start: %s", err_get_info(e)->meaning);
    } else {
        run(&r);
    }
    close_all(&r);
    return e == ERR_OK ? 0 : 3;
}
