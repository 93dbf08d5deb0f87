/* limetta-submit: the submission server and the outgoing queue as a process.
 *
 * Sessions come over the link from the edge, with a ticket that names the user. What they submit is in the queue, on disk,
 * before they hear 250; from there the runner takes it to store workers (LMTP over their links) and out of the house, as the
 * configuration says (queue/route.h). Other mail servers bring mail by LMTP (lmtp_gate.h), workers what their accounts send by
 * themselves (inject_session.h) and what is to be posted to web hooks (webhook.h).
 *
 * It asks auth which accounts an address is and whether a user may write as one, and nothing else; of other people's mail it
 * sees what passes through, and what a URLAUTH token opens.
 *
 * One loop, in turns: sessions are stepped, attempts note their outcomes, then one commit of the queue, then replies leave
 * and what became due is started. */
#include "main/boot.h"

#include "base/log.h"
#include "main/admission.h"
#include "main/burl_hosts.h"
#include "main/control.h"
#include "main/drain.h"
#include "main/inject_session.h"
#include "main/lmtp_gate.h"
#include "main/lookups.h"
#include "main/outgoing.h"
#include "main/queue_desk.h"
#include "main/submit_session.h"
#include "main/webhook.h"
#include "net/fields.h"
#include "net/resolve.h"
#include "net/session_run.h"
#include "net/stream.h"
#include "queue/queue.h"
#include "queue/route.h"
#include "queue/runner.h"
#include "smtp/fetcher.h"
#include "wire/smtp_write.h"

enum {
    REFUSAL_MOST = 1024,
    LMTP_CONNECTIONS_MOST = 100,
    SECOND_MS = 1000,
    MESSAGE_DEFAULT = 64 * 1024 * 1024,
    TRACE_ROOM = 64 * 1024, /* for the header lines that we add */
    IMAP_PORT = 143,
    RECIPIENTS_DEFAULT = 1000,
    HOLD_DEFAULT_S = 0,
    HELD_DEFAULT = 1000,
    HELD_KIB_DEFAULT = 1024 * 1024,
    KIB = 1024,
    PRIORITY_MOST = 9
};

struct submit_role {
    struct loop *loop;
    struct boot *boot;
    struct admission admission;
    struct outgoing *outgoing;
    struct burl_hosts burl_hosts;
    struct queue *queue;
    struct rates *rates; /* NULL: nothing is limited by the hour */
    struct fetcher *fetcher;
    struct runner *runner;
    struct webhooks *webhooks;
    struct session_group *group;
    struct drain drain;
    struct lookups lookups;
    struct lmtp_gate *gate;
    struct queue_desk *desk;
    struct timer *metrics;
    struct peers peers;
};

/* ---- who is a recipient ---- */

static void find_user(void *owner, struct str address,
                      void (*answer)(void *asker, enum err e, const struct mail_found *found),
                      void *asker)
{
    lookups_find(&((struct submit_role *)owner)->lookups, address, answer, asker);
}

static void check_sender(void *owner, struct str user, struct str address,
                         void (*answer)(void *asker, enum err e, const struct mail_found *found),
                         void *asker)
{
    lookups_check_sender(&((struct submit_role *)owner)->lookups, user, address, answer, asker);
}

/* Who may write as anybody is asked nothing. */
static enum sender_check get_sender_check(const struct submit_role *r, struct str user)
{
    static const char *const WORDS[] = {
        [SENDER_CHECK_NOTHING] = "no",
        [SENDER_CHECK_ENVELOPE] = "envelope",
        [SENDER_CHECK_ADD] = "sender",
        [SENDER_CHECK_FROM] = "from",
    };
    struct str word = boot_get(r->boot, STR("sender_check"));
    unsigned i = SENDER_CHECK_FROM;
    if (str_has_word(boot_get(r->boot, STR("sender_any")), user)) {
        return SENDER_CHECK_NOTHING;
    }
    while (i > SENDER_CHECK_NOTHING && !str_eq(word, str_from_c(WORDS[i]))) {
        i--;
    }
    return (enum sender_check)i;
}

static void forget(void *owner, void *asker)
{
    lookups_forget(&((struct submit_role *)owner)->lookups, asker);
}

/* A recipient of a submission: an account or an alias here, or foreign and then only with a next hop. */
static void find_recipient(void *owner, struct str address,
                           void (*answer)(void *asker, enum err e, const struct mail_found *found),
                           void *asker)
{
    static const struct mail_found NOBODY;
    struct submit_role *r = owner;
    if (runner_is_local(boot_get(r->boot, STR("domains")), address)) {
        find_user(r, address, answer, asker);
        return;
    }
    CLEANUP(buf_release) struct buf key = BUF_INIT(ROUTE_KEY_MOST);
    struct str domain = str_skip(address, str_find_last_char(address, '@') + 1);
    answer(asker, routes_write_key(outgoing_get_routes(r->outgoing), domain, &key), &NOBODY);
}

/* ---- sessions ---- */

/* What an address without a domain gets: the first local domain, or our own name. */
static struct str get_domain(const struct submit_role *r)
{
    struct str domains = str_trim(boot_get(r->boot, STR("domains")));
    return domains.n > 0 ? str_split(&domains, ' ') : boot_get(r->boot, STR("hostname"));
}

/* The address that the client reached us at, as the edge says. We log in there for a BURL, so the edge is believed only
 * when the address is this host's: else a taken-over edge could have our password sent to anybody. */
static struct str get_local(const struct fields *f)
{
    struct sockaddr_storage at;
    struct str local = fields_get(f, STR("local"));
    if (resolve_numeric(local, 0, &at) && resolve_is_own_address(&at)) {
        return local;
    }
    log_info("the edge named an address that is not this host's: BURL needs a section of its own");
    return STR_EMPTY;
}

/* The highest priority that the user may ask for: priority_users, else priority_most. */
static int8_t get_priority_most(const struct submit_role *r, struct str user)
{
    struct str words = boot_get(r->boot, STR("priority_users"));
    while (words.n > 0) {
        struct str word = str_split(&words, ' ');
        size_t colon = str_find_last_char(word, ':');
        struct str bound = str_skip(word, colon + 1);
        bool is_negative = str_starts(bound, STR("-"));
        uint64_t n = 0;
        if (str_eq(str_sub(word, 0, colon), user)
            && str_to_u64(str_skip(bound, is_negative ? 1 : 0), PRIORITY_MOST, &n)) {
            return (int8_t)(is_negative ? -(int)n : (int)n);
        }
    }
    return (int8_t)boot_get_u64(r->boot, STR("priority_most"), 0);
}

static struct rates_sum get_hour(const struct submit_role *r, bool is_user)
{
    const struct boot *b = r->boot;
    if (!is_user) {
        return (struct rates_sum){
            .messages = boot_get_u64(b, STR("address_messages_hour"), 0),
            .recipients = boot_get_u64(b, STR("address_recipients_hour"), 0),
        };
    }
    return (struct rates_sum){
        .messages = boot_get_u64(b, STR("user_messages_hour"), 0),
        .recipients = boot_get_u64(b, STR("user_recipients_hour"), 0),
        .octets = KIB * boot_get_u64(b, STR("user_storage_hour"), 0),
    };
}

/* Nothing is counted where nothing is limited. */
static enum err open_rates(struct submit_role *r, struct str dir)
{
    struct rates_sum user = get_hour(r, true);
    struct rates_sum address = get_hour(r, false);
    bool is_limited =
        user.messages + user.recipients + user.octets + address.messages + address.recipients > 0;
    return is_limited ? rates_open(dir, &r->rates) : ERR_OK;
}

static struct submit_session_args get_args(struct submit_role *r, const struct fields *f,
                                           struct str user, const struct session_host *host)
{
    uint64_t most = boot_get_u64(r->boot, STR("message_most"), MESSAGE_DEFAULT);
    return (struct submit_session_args){
        .loop = r->loop,
        .session_host = *host,
        .queue = r->queue,
        .fetcher = r->fetcher,
        .message_most = most + TRACE_ROOM,
        .rates = r->rates,
        .user_most = get_hour(r, true),
        .address_most = get_hour(r, false),
        .held_messages = boot_get_u64(r->boot, STR("held_messages"), HELD_DEFAULT),
        .held_octets = KIB * boot_get_u64(r->boot, STR("held_storage"), HELD_KIB_DEFAULT),
        .find_recipient = find_recipient,
        .check_sender = check_sender,
        .forget = forget,
        .owner = r,
        .submission =
            {
                .user = user,
                .hostname = boot_get(r->boot, STR("hostname")),
                .domain = get_domain(r),
                .domains = boot_get(r->boot, STR("domains")),
                .helo = fields_get(f, STR("helo")),
                .peer = fields_get(f, STR("peer")),
                .is_tls = fields_get_u64(f, STR("tls"), 0) == 1,
                .size_most = most,
                .recipients_most =
                    boot_get_u64(r->boot, STR("recipients_most"), RECIPIENTS_DEFAULT),
                .hold_most_s = boot_get_u64(r->boot, STR("hold_most_s"), HOLD_DEFAULT_S),
                .priority_most = get_priority_most(r, user),
                .sender_check = get_sender_check(r, user),
                .burl =
                    {
                        .user = user,
                        .host_names = boot_get(r->boot, STR("host_names")),
                        .local = get_local(f),
                        .imap_port = (uint16_t)boot_get_u64(r->boot, STR("imap_port"), IMAP_PORT),
                        .hosts = r->burl_hosts.at,
                        .host_count = r->burl_hosts.count,
                    },
            },
    };
}

static void open_submit(struct submit_role *r, struct link *l, const struct fields *f,
                        struct stream *s)
{
    struct session_runner *runner = session_runner_new(r->group, s);
    struct ticket ticket;
    enum err e = admission_check_ticket(&r->admission, l, f, SERVICE_SUBMIT, &ticket);
    if (e == ERR_OK) {
        struct submit_session_args args =
            get_args(r, f, ticket.user, session_runner_get_host(runner));
        kept_attach(r->admission.kept, runner, l, ticket.user, f, NULL);
        session_runner_start(runner, submit_session_new(&args));
        return;
    }
    if (e == ERR_TICKET_OLD) {
        session_runner_send_back(runner);
        return;
    }
    CLEANUP(buf_release) struct buf last = BUF_INIT(REFUSAL_MOST);
    smtp_write_err(&last, e);
    session_runner_refuse(runner, buf_str(&last));
}

/* A session that another process had, or that was parked. */
static enum err resume_submit(void *owner, struct link *l, const struct fields *f,
                              struct session_runner *runner, const struct kept_state *k)
{
    struct submit_role *r = owner;
    struct session *core = NULL;
    struct submit_session_args args = get_args(r, f, k->user, session_runner_get_host(runner));
    kept_attach(r->admission.kept, runner, l, k->user, f, k);
    TRY(submit_session_resume(&args, &k->resume, &core));
    session_runner_start(runner, core);
    return ERR_OK;
}

static void on_resume(void *owner, struct link *l, struct str head, struct str state,
                      struct stream *s)
{
    struct submit_role *r = owner;
    admission_resume(&r->admission, r->group, l, head, state, s);
}

/* Sessions that rest here wait for their clients alone: nothing of ours wakes them. */
static void on_park(void *owner, struct link *l, uint32_t id, struct str head, struct str state)
{
    (void)owner;
    (void)l;
    (void)id;
    (void)head;
    (void)state;
}

static enum err start_admission(struct submit_role *r)
{
    struct admission_settings settings = {
        .boot = r->boot,
        .loop = r->loop,
        .peers = &r->peers,
        .services = STR("submit"),
        .resume = resume_submit,
        .owner = r,
    };
    return admission_init(&r->admission, &settings);
}

/* What an account sends by itself, from its worker. */
static void open_inject(struct submit_role *r, struct str head, struct stream *s)
{
    struct session_runner *runner = session_runner_new(r->group, s);
    struct inject_args args = {
        .loop = r->loop,
        .session_host = *session_runner_get_host(runner),
        .queue = r->queue,
        .message_most = 2 * boot_get_u64(r->boot, STR("message_most"), MESSAGE_DEFAULT),
        .hostname = boot_get(r->boot, STR("hostname")),
    };
    session_runner_start(runner, inject_session_new(&args, head));
}

static void on_open(void *owner, struct link *l, struct str head, struct stream *s)
{
    struct submit_role *r = owner;
    struct fields f;
    if (fields_parse(head, &f) != ERR_OK) {
        peers_log_presumption(&r->peers, l, "sent a broken open message");
        stream_free(&s);
        return;
    }
    CLEANUP(log_restore)
    uint32_t before = log_about((uint32_t)fields_get_u64(&f, STR("log"), 0));
    bool is_submit = str_eq(fields_get(&f, STR("service")), STR("submit"));
    if (link_get_peer(l) == ROLE_EDGE && is_submit) {
        open_submit(r, l, &f, s);
    } else if (link_get_peer(l) == ROLE_STORE
               && str_eq(fields_get(&f, STR("service")), STR("inject"))) {
        open_inject(r, head, s);
    } else {
        peers_log_presumption(&r->peers, l, "asked for a session that it may not have");
        stream_free(&s);
    }
    fields_release(&f);
}

/* ---- the queue's world ---- */

static struct stream *open_store(void *owner, unsigned worker)
{
    struct link *l = peers_find(&((struct submit_role *)owner)->peers, ROLE_STORE, worker);
    return l == NULL ? NULL : link_open(l, STR("service=lmtp\n"));
}

/* The end of a turn. */
static void commit(void *owner)
{
    struct submit_role *r = owner;
    if (!queue_has_pending(r->queue)) {
        return;
    }
    if (queue_commit(r->queue) == ERR_OK) {
        runner_wake(r->runner);
    } else {
        runner_pause(r->runner);
    }
}

static uint64_t get_ms(const struct submit_role *r, const char *key, uint64_t fallback_ms)
{
    return boot_get_u64(r->boot, str_from_c(key), fallback_ms / 1000) * 1000;
}

static struct schedule get_schedule(const struct submit_role *r)
{
    return (struct schedule){
        .first_ms = get_ms(r, "queue_retry_first_s", SCHEDULE_FIRST_MS),
        .most_ms = get_ms(r, "queue_retry_most_s", SCHEDULE_MOST_MS),
        .delay_ms = get_ms(r, "queue_delay_s", SCHEDULE_DELAY_MS),
        .lifetime_ms = get_ms(r, "queue_lifetime_s", SCHEDULE_LIFETIME_MS),
    };
}

static void start_runner(struct submit_role *r)
{
    struct runner_args args = {
        .loop = r->loop,
        .queue = r->queue,
        .hostname = boot_get(r->boot, STR("hostname")),
        .domains = boot_get(r->boot, STR("domains")),
        .workers = (unsigned)boot_get_u64(r->boot, STR("workers"), 1),
        .routes = outgoing_get_routes(r->outgoing),
        .schedule = get_schedule(r),
        .jobs_most = (unsigned)boot_get_u64(r->boot, STR("queue_jobs_most"), RUNNER_JOBS_MOST),
        .jobs_per_destination = (unsigned)boot_get_u64(r->boot, STR("queue_jobs_per_destination"),
                                                       RUNNER_JOBS_PER_DESTINATION),
        .host = {open_store, find_user, forget, r},
    };
    r->runner = runner_new(&args);
}

/* What GET /metrics says of the queue, and of other mail servers. */
static void tell_metrics(void *owner)
{
    struct submit_role *r = owner;
    CLEANUP(buf_release) struct buf text = BUF_INIT(CONTROL_PART_MOST);
    runner_write_metrics(r->runner, &text);
    lmtp_gate_write_metrics(r->gate, &text);
    if (buf_err(&text) == ERR_OK) {
        boot_send_metrics(r->boot, buf_str(&text));
    }
    timer_start(r->metrics, BOOT_METRICS_MS);
}

/* ---- other mail servers, and the operator ---- */

static void open_gate(struct submit_role *r)
{
    struct lmtp_gate_args args = {
        .loop = r->loop,
        .group = r->group,
        .transit =
            {
                .loop = r->loop,
                .queue = r->queue,
                .lookups = &r->lookups,
                .hostname = boot_get(r->boot, STR("hostname")),
                .domains = boot_get(r->boot, STR("domains")),
                .workers = (unsigned)boot_get_u64(r->boot, STR("workers"), 1),
                .message_most = boot_get_u64(r->boot, STR("message_most"), MESSAGE_DEFAULT),
                .open_store = open_store,
                .store_owner = r,
            },
        .allow = boot_get(r->boot, STR("lmtp_allow")),
        .connections_most = boot_get_u64(r->boot, STR("lmtp_connections"), LMTP_CONNECTIONS_MOST),
    };
    size_t at = 0;
    int fd = -1;
    struct str name = STR_EMPTY;
    r->gate = lmtp_gate_new(&args);
    r->desk = queue_desk_new(&(struct queue_desk_args){r->loop, r->queue, r->runner,
                                                       boot_get(r->boot, STR("hostname"))});
    while (boot_next_listener(r->boot, &at, &name, &fd)) {
        if (str_eq(name, STR("queue"))) {
            queue_desk_add(r->desk, fd);
        } else {
            lmtp_gate_add(r->gate, fd);
        }
    }
}

/* ---- links ---- */

static void reply(void *peer, uint32_t id, struct str body)
{
    link_reply(peer, id, body);
}

static void on_request(void *owner, struct link *l, uint32_t id, struct str body)
{
    struct submit_role *r = owner;
    struct webhook_asker asker = {.peer = l, .reply = reply};
    struct fields f;
    enum err e = fields_parse(body, &f);
    if (e == ERR_OK && link_get_peer(l) == ROLE_STORE
        && str_eq(fields_get(&f, STR("op")), STR("post"))) {
        webhooks_post(r->webhooks, &asker, id, &f);
    } else {
        peers_log_presumption(&r->peers, l, "asked for a thing that it may not have");
        link_reply(l, id, STR("result=failed\n"));
    }
    if (e == ERR_OK) {
        fields_release(&f);
    }
}

static void on_down(void *owner, struct link *l)
{
    struct submit_role *r = owner;
    webhooks_forget(r->webhooks, l);
    peers_drop(&r->peers, l);
}

static const struct link_handler LINK_HANDLER = {
    .on_open = on_open,
    .on_request = on_request,
    .on_down = on_down,
    .on_resume = on_resume,
    .on_park = on_park,
};

enum { PEERS = 1U << ROLE_EDGE | 1U << ROLE_AUTH | 1U << ROLE_STORE };

static void on_peer(void *owner, const struct boot_peer *peer)
{
    struct submit_role *r = owner;
    struct link *l = peers_add(&r->peers, peer);
    if (l != NULL && peer->role == ROLE_STORE) {
        runner_on_worker(r->runner, peer->index);
    } else if (l != NULL && peer->role == ROLE_AUTH) {
        runner_on_auth(r->runner);
    }
}

/* An attempt that is cut off may have delivered already, and would be made again. */
static bool is_busy(void *owner)
{
    const struct submit_role *r = owner;
    struct runner_status s = runner_get_status(r->runner);
    return s.local_jobs + s.remote_jobs > 0 || session_group_is_busy(r->group);
}

/* No new mail, no new attempts; those who connect meanwhile wait in the listening sockets, which outlive us. */
static void on_stop(void *owner)
{
    struct submit_role *r = owner;
    lmtp_gate_close(r->gate);
    runner_stop(r->runner);
    session_group_drain(r->group);
    drain_begin(&r->drain, r->loop, DRAIN_MOST_MS, is_busy, r);
}

/* ---- the process ---- */

static enum err open_and_confine(struct submit_role *r)
{
    struct str dir = boot_get(r->boot, STR("queue_dir"));
    if (dir.n == 0) {
        log_error("setting queue_dir is missing");
        return ERR_SYNTAX;
    }
    TRY(start_admission(r));
    TRY(outgoing_new(r->loop, r->boot, &r->outgoing));
    TRY(burl_hosts_init(&r->burl_hosts, r->boot));
    TRY(confine(r->boot, ROLE_SUBMIT, dir));
    TRY(outgoing_start(r->outgoing));
    struct webhooks_args hooks = {
        .loop = r->loop,
        .list = boot_get(r->boot, STR("notify_webhooks")),
        .anchors = boot_get(r->boot, STR("notify_webhooks_ca")),
    };
    TRY(webhooks_new(&hooks, &r->webhooks));
    TRY(open_rates(r, dir));
    return queue_open(dir, &r->queue);
}

static void run(struct submit_role *r)
{
    static const struct boot_handler HANDLER = {.on_peer = on_peer, .on_stop = on_stop};
    struct fetcher_args fetcher = {
        .loop = r->loop,
        .user = boot_get(r->boot, STR("submit_user")),
        .password = boot_get(r->boot, STR("submit_password")),
        .tls_here = outgoing_get_tls_any(r->outgoing),
    };
    r->fetcher = fetcher_new(&fetcher);
    r->group = session_group_new(r->loop, commit, r);
    session_group_set_park(r->group, boot_get_u64(r->boot, STR("time_unit_ms"), SECOND_MS)
                                         * boot_get_u64(r->boot, STR("park_after_s"), 0));
    start_runner(r);
    peers_init(&r->peers, r->loop, PEERS, &LINK_HANDLER, r);
    open_gate(r);
    r->metrics = timer_new(r->loop, tell_metrics, r);
    timer_start(r->metrics, 1);
    boot_attach(r->boot, r->loop, &HANDLER, r);
    loop_run(r->loop);
}

static void close_all(struct submit_role *r)
{
    lmtp_gate_close(r->gate);
    queue_desk_free(&r->desk);
    if (r->metrics != NULL) {
        timer_free(&r->metrics);
    }
    drain_release(&r->drain);
    session_group_free(&r->group);
    lmtp_gate_free(&r->gate);
    runner_free(&r->runner);
    fetcher_free(&r->fetcher);
    burl_hosts_release(&r->burl_hosts);
    peers_release(&r->peers);
    lookups_release(&r->lookups);
    webhooks_free(&r->webhooks);
    queue_close(&r->queue);
    rates_close(&r->rates);
    outgoing_free(&r->outgoing);
    admission_release(&r->admission);
    boot_free(&r->boot);
    loop_free(&r->loop);
}

int main(void)
{
    struct submit_role r = {.loop = NULL};
    lookups_init(&r.lookups, &r.peers);
    if (boot_begin("submit", &r.boot) != ERR_OK) {
        return 3;
    }
    r.loop = loop_new();
    enum err e = open_and_confine(&r);
    if (e != ERR_OK) {
        log_error("cannot start: %s", err_get_info(e)->meaning);
    } else {
        run(&r);
    }
    close_all(&r);
    return e == ERR_OK ? 0 : 3;
}
