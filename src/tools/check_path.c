/* Legs over the network: addresses, connections, dialogues, and what is known only when all legs were tried.
 *
 * Every address is tried, for a path is often broken for one of them only; the login and what follows it is done on the first that
 * lets it. Judging a connection that failed waits for the end, because another port that is open shows how far the way goes. */
#include "tools/check_path.h"

#include "base/mem.h"
#include "net/resolve.h"
#include "tools/check_reach.h"

#include <netinet/in.h>

enum { MAIL_POLL_MS = 500, TLS_VERSION_MOST = 32 };

static void hear_25(struct check_dialogue *d)
{
    struct check_path *p = d->owner;
    struct check_leg *other = check_report_find(&p->run->report, "submission");
    bool has_name = other != NULL && other->name_tls.len > 0;
    check_smtp_intercepted(d, has_name ? buf_str(&other->name_tls) : STR_EMPTY);
}

static const struct check_kind KINDS[] = {
    {"imap", 143, check_imap_start, NULL, check_imap_login, FINDING_COUNT},
    {"submission", 587, check_smtp_start, NULL, check_smtp_login, FINDING_COUNT},
    {"acap", 674, NULL, check_acap_start, NULL, FINDING_ACAP_ABSENT},
    {"sieve", 4190, NULL, check_sieve_start, NULL, FINDING_SIEVE_ABSENT},
    {"smtp", 25, NULL, hear_25, NULL, FINDING_PORT25_BLOCKED},
};

const struct check_kind *check_kind_find(struct str name)
{
    for (size_t i = 0; i < sizeof(KINDS) / sizeof(KINDS[0]); i++) {
        if (str_eq(name, str_from_c(KINDS[i].name))) {
            return &KINDS[i];
        }
    }
    return NULL;
}

static void set_port(struct sockaddr_storage *at, uint16_t port)
{
    if (at->ss_family == AF_INET6) {
        ((struct sockaddr_in6 *)at)->sin6_port = htons(port);
    } else {
        ((struct sockaddr_in *)at)->sin_port = htons(port);
    }
}

/* ---- one connection ---- */

static void on_tls(void *owner)
{
    struct check_path *p = owner;
    struct check_leg *leg = p->dialogue.leg;
    CLEANUP(buf_release) struct buf der = BUF_INIT(TALK_LINE_MOST);
    CLEANUP(buf_release) struct buf before = BUF_INIT(TALK_LINE_MOST);
    int verdict = 0;
    buf_add(&before, buf_str(&leg->cert.fingerprint));
    bool was_good = leg->cert.is_good;
    buf_clear(&leg->tls_version);
    buf_add_c(&leg->tls_version, check_wire_get_version(p->wire));
    (void)check_wire_get_certificate(p->wire, &der, &verdict);
    check_cert_judge(leg, buf_str(&der), verdict, &p->run->expectation);
    if (before.len > 0 && !str_eq(buf_str(&before), buf_str(&leg->cert.fingerprint))) {
        check_find(leg,
                   was_good != leg->cert.is_good ? FINDING_CERTIFICATE_DIFFERS
                                                 : FINDING_CERTIFICATES_SEVERAL,
                   "addresses or connections of this port show different ones");
    }
}

static unsigned count_unsent(void *owner)
{
    const struct check_path *p = owner;
    return check_wire_count_unsent(p->wire);
}

struct check_path *check_path_open(struct check_run *run, struct check_leg *leg,
                                   struct check_address *a)
{
    int fd = check_reach_connect(a, run->connect_ms);
    if (fd < 0) {
        return NULL;
    }
    struct check_path *p = mem_new(sizeof(*p));
    p->run = run;
    p->wire = check_wire_new(run->loop, fd, run->tls, run->expectation.host);
    talk_init(&p->talk, &CHECK_WIRE_IO, p->wire, run->timeout_ms);
    bool is_imap = strcmp(leg->name, "imap") == 0;
    p->dialogue = (struct check_dialogue){
        .talk = &p->talk,
        .leg = leg,
        .helo = str_from_c(run->helo),
        .expect = is_imap ? run->expect_imap : run->expect_submission,
        .user = run->user,
        .password = run->password,
        .address = run->address,
        .unique = str_from_c(run->unique),
        .wall_ms = loop_wall_ms(run->loop),
        .offers = BUF_INIT(TALK_LINE_MOST),
        .on_tls = on_tls,
        .count_unsent = count_unsent,
        .owner = p,
    };
    return p;
}

void check_path_free(struct check_path **p)
{
    if (*p != NULL) {
        buf_release(&(*p)->dialogue.offers);
        talk_release(&(*p)->talk);
        check_wire_free(&(*p)->wire);
        free(*p);
        *p = NULL;
    }
}

/* What an earlier conversation of the leg said, but for what was found. */
static void forget(struct check_leg *leg)
{
    buf_clear(&leg->greeting);
    buf_clear(&leg->name_plain);
    buf_clear(&leg->name_tls);
    buf_clear(&leg->plain);
    buf_clear(&leg->tls);
    leg->has_plain = false;
    leg->has_tls = false;
}

struct check_path *check_path_log_in(struct check_run *run, const char *name)
{
    struct check_leg *leg = check_report_find(&run->report, name);
    const struct check_kind *kind = check_kind_find(str_from_c(name));
    for (size_t i = 0; leg != NULL && i < leg->addresses.count; i++) {
        struct check_address a = leg->addresses.at[i];
        if (a.reach != REACH_OK) {
            continue;
        }
        struct check_path *p = check_path_open(run, leg, &a);
        if (p == NULL) {
            check_reach_judge(leg, &a, NULL, run->hop_ms);
            return NULL;
        }
        forget(leg);
        if (!kind->start(&p->dialogue) || !kind->login(&p->dialogue)) {
            check_path_free(&p);
        }
        return p;
    }
    return NULL;
}

/* ---- names ---- */

static void on_resolved(void *owner, enum err e, const struct sockaddr_storage *at, size_t count)
{
    struct check_run *run = owner;
    for (size_t i = 0; e == ERR_OK && i < count && i < sizeof(run->at) / sizeof(run->at[0]); i++) {
        run->at[run->at_count++] = at[i];
    }
    loop_stop(run->loop);
}

bool check_resolve(struct check_run *run, struct str host)
{
    (void)resolve_start(run->loop, host, 0, on_resolved, run);
    loop_run(run->loop);
    if (run->at_count == 0) {
        struct check_leg *leg = check_report_add(&run->report, "dns", 53);
        check_find(leg, FINDING_NO_ADDRESS, "%.*s has no address, says the resolver of this host",
                   STR_ARG(host));
    }
    return run->at_count > 0;
}

/* ---- legs ---- */

static void run_imap_login(struct check_path *p)
{
    check_imap_octets(&p->dialogue);
    check_imap_commands(&p->dialogue);
}

static void run_login(struct check_path *p, const struct check_kind *kind)
{
    if (!kind->login(&p->dialogue)) {
        return;
    }
    if (kind->start == check_imap_start) {
        run_imap_login(p);
        return;
    }
    p->run->is_mail_sent = check_smtp_octets(&p->dialogue, &p->run->is_mail_binary);
    check_smtp_end(&p->dialogue);
}

/* True: it went as far as a login could follow. */
static bool talk_to(struct check_run *run, struct check_leg *leg, const struct check_kind *kind,
                    struct check_address *a, bool may_log_in)
{
    struct check_path *p = check_path_open(run, leg, a);
    bool is_good = false;
    if (p == NULL) {
        return false;
    }
    forget(leg);
    if (kind->hear != NULL) {
        kind->hear(&p->dialogue);
    } else {
        is_good = kind->start(&p->dialogue);
    }
    if (is_good && may_log_in && run->user.n > 0) {
        run_login(p, kind);
    } else if (is_good && kind->start == check_imap_start) {
        check_imap_end(&p->dialogue);
    } else if (is_good) {
        check_smtp_end(&p->dialogue);
    }
    check_path_free(&p);
    return is_good;
}

/* A leg that need not be there, and is not. */
static void note_absent(struct check_leg *leg, const struct check_kind *kind)
{
    static const char *const HOW[] = {"connected", "refused", "rejected by ICMP", "no answer",
                                      "no route"};
    for (size_t i = 0; i < leg->addresses.count; i++) {
        struct check_address *a = &leg->addresses.at[i];
        if (a->reach != REACH_OK) {
            CLEANUP(buf_release) struct buf at = BUF_INIT(CHECK_DETAIL_MOST);
            check_add_address(&at, &a->at);
            check_find(leg, kind->absent, "%.*s port %u: %s", STR_ARG(buf_str(&at)), leg->port,
                       HOW[a->reach]);
        }
    }
}

void check_leg_run(struct check_run *run, const struct check_kind *kind, uint16_t port,
                   bool is_required)
{
    struct check_leg *leg = check_report_add(&run->report, kind->name, port);
    bool is_done = false;
    leg->is_required = is_required;
    for (size_t i = 0; i < run->at_count; i++) {
        struct check_address a = {.at = run->at[i], .icmp_type = -1, .icmp_code = -1};
        set_port(&a.at, port);
        is_done = talk_to(run, leg, kind, &a, !is_done) || is_done;
        vec_push(&leg->addresses, a);
    }
    if (!is_required) {
        note_absent(leg, kind);
    }
}

/* ---- when all was tried ---- */

static bool is_same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    struct sockaddr_storage x = *a;
    struct sockaddr_storage y = *b;
    set_port(&x, 0);
    set_port(&y, 0);
    return memcmp(&x, &y, sizeof(x)) == 0;
}

/* The same host with a port that is open. */
static const struct sockaddr_storage *find_open(const struct check_run *run,
                                                const struct sockaddr_storage *at)
{
    for (unsigned i = 0; i < run->report.leg_count; i++) {
        const struct check_leg *leg = &run->report.legs[i];
        for (size_t k = 0; k < leg->addresses.count; k++) {
            const struct check_address *a = &leg->addresses.at[k];
            if (a->reach == REACH_OK && is_same_host(&a->at, at)) {
                return &a->at;
            }
        }
    }
    return NULL;
}

static void judge_leg(struct check_run *run, struct check_leg *leg)
{
    bool has_way = false;
    for (size_t i = 0; i < leg->addresses.count; i++) {
        has_way = has_way || leg->addresses.at[i].reach != REACH_NO_ROUTE;
    }
    for (size_t i = 0; i < leg->addresses.count; i++) {
        struct check_address *a = &leg->addresses.at[i];
        if (a->reach == REACH_NO_ROUTE) {
            CLEANUP(buf_release) struct buf at = BUF_INIT(CHECK_DETAIL_MOST);
            check_add_address(&at, &a->at);
            check_find(leg, has_way ? FINDING_NO_ROUTE_FAMILY : FINDING_NO_ROUTE, "to %.*s: %s",
                       STR_ARG(buf_str(&at)), strerrordesc_np(a->errnum));
        } else if (a->reach != REACH_OK) {
            check_reach_judge(leg, a, find_open(run, &a->at), run->hop_ms);
        }
    }
}

static void await_mail(struct check_run *run)
{
    struct check_path *p = check_path_log_in(run, "imap");
    if (p == NULL) {
        return;
    }
    uint64_t end = loop_now_ms(run->loop) + run->mail_wait_ms;
    bool has_come = check_imap_arrived(&p->dialogue, run->is_mail_binary);
    while (!has_come && loop_now_ms(run->loop) < end) {
        check_wire_wait(run->loop, MAIL_POLL_MS);
        has_come = check_imap_arrived(&p->dialogue, run->is_mail_binary);
    }
    if (!has_come) {
        struct check_leg *leg = check_report_find(&run->report, "submission");
        check_find(leg == NULL ? p->dialogue.leg : leg, FINDING_MAIL_LOST,
                   "the test message was accepted, and is not in INBOX after %llu s",
                   (unsigned long long)(run->mail_wait_ms / 1000));
    }
    check_imap_end(&p->dialogue);
    check_path_free(&p);
}

void check_legs_finish(struct check_run *run)
{
    for (unsigned i = 0; i < run->report.leg_count; i++) {
        if (run->report.legs[i].is_required) {
            judge_leg(run, &run->report.legs[i]);
        }
    }
    if (run->is_mail_sent) {
        await_mail(run);
    }
    check_cert_compare(&run->report);
}
