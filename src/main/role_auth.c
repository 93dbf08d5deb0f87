/* limetta-auth: the authentication server as a process.
 *
 * Holds the verifier database and the key that signs tickets, and reaches nothing else: it talks only to the roles that the
 * supervisor linked to it (edge, submit and verify; anybody else's link is refused), and it has no sockets of its own. */
#include "main/boot.h"

#include "auth/auth.h"
#include "base/log.h"
#include "main/control.h"
#include "main/drain.h"
#include "main/kick_round.h"
#include "main/peers.h"
#include "net/stream.h"

#include <limits.h>
#include <malloc.h>
#include <stdio.h>

enum { AUTH_DRAIN_MS = 3000 }; /* a phone far away answers a challenge */

struct auth_role {
    struct loop *loop;
    struct boot *boot;
    struct users *users;
    struct ticket_signer *signer;
    struct auth *auth;
    struct peers peers;
    struct auth_outside outside;
    struct timer *metrics;
    struct drain drain;
    struct kick_rounds kicks;
};

static void reply(void *peer, uint32_t id, struct str body)
{
    link_reply(peer, id, body);
}

static void on_request(void *owner, struct link *l, uint32_t id, struct str body)
{
    struct auth_role *r = owner;
    struct auth_asker asker = {
        .peer = l, .role = link_get_peer(l), .name = link_get_name(l), .reply = reply};
    auth_request(r->auth, &asker, id, body);
}

static void on_down(void *owner, struct link *l)
{
    struct auth_role *r = owner;
    auth_forget(r->auth, l);
    peers_drop(&r->peers, l);
}

static const struct link_handler LINK_HANDLER = {.on_request = on_request, .on_down = on_down};

enum { PEERS = 1U << ROLE_EDGE | 1U << ROLE_SUBMIT | 1U << ROLE_VERIFY };

static void on_peer(void *owner, const struct boot_peer *peer)
{
    struct auth_role *r = owner;
    (void)peers_add(&r->peers, peer);
}

/* What GET /metrics says of logins. */
static void tell_metrics(void *owner)
{
    struct auth_role *r = owner;
    struct auth_counts n = auth_get_counts(r->auth);
    CLEANUP(buf_release) struct buf text = BUF_INIT(CONTROL_PART_MOST);
    buf_addf(&text,
             "# TYPE limetta_logins counter\n# HELP limetta_logins How logins ended.\n"
             "limetta_logins_total{result=\"succeeded\"} %llu\n"
             "limetta_logins_total{result=\"failed\"} %llu\n"
             "limetta_logins_total{result=\"refused\"} %llu\n"
             "limetta_logins_total{result=\"postponed\"} %llu\n"
             "# TYPE limetta_login_attempts gauge\n"
             "# HELP limetta_login_attempts Logins under way, with answers that are held back.\n"
             "limetta_login_attempts %zu\n",
             (unsigned long long)n.succeeded, (unsigned long long)n.failed,
             (unsigned long long)n.refused, (unsigned long long)n.postponed, n.attempts);
    boot_send_metrics(r->boot, buf_str(&text));
    timer_start(r->metrics, BOOT_METRICS_MS);
}

static bool is_busy(void *owner)
{
    return auth_get_counts(((struct auth_role *)owner)->auth).attempts > 0;
}

static void on_kick(void *owner, unsigned id, struct str service, struct str user)
{
    struct auth_role *r = owner;
    auth_drop_user(r->auth, user);
    kick_rounds_begin(&r->kicks, id, str_eq(service, STR("all")) ? STR_EMPTY : service, user);
}

static void on_kicked(void *owner, unsigned id, struct str report)
{
    boot_send_kicked(((struct auth_role *)owner)->boot, id, report);
}

/* Logins under way end; for those that come now the edges wait for our successor. */
static void on_stop(void *owner)
{
    struct auth_role *r = owner;
    auth_stop(r->auth);
    drain_begin(&r->drain, r->loop, AUTH_DRAIN_MS, is_busy, r);
}

static enum plaintext read_plaintext(const struct boot *b)
{
    struct str s = boot_get(b, STR("plaintext_login"));
    if (str_eq(s, STR("always"))) {
        return PLAINTEXT_ALWAYS;
    }
    return str_eq(s, STR("loopback")) ? PLAINTEXT_LOOPBACK : PLAINTEXT_NEVER;
}

static struct verifier_cost read_cost(const struct boot *b)
{
    struct verifier_cost c = verifier_get_default_cost();
    c.argon2_passes = boot_get_u64(b, STR("argon2_passes"), c.argon2_passes);
    c.argon2_memory_octets = boot_get_u64(b, STR("argon2_memory"), c.argon2_memory_octets);
    c.scram_iterations = (uint32_t)boot_get_u64(b, STR("scram_iterations"), c.scram_iterations);
    return c;
}

/* Opens the database, then gives up every right but its folder. */
static enum err open_and_confine(struct auth_role *r)
{
    char path[PATH_MAX];
    struct str users_path = boot_get(r->boot, STR("users_path"));
    if (users_path.n == 0 || users_path.n >= sizeof(path)) {
        log_error("setting users_path is missing");
        return ERR_SYNTAX;
    }
    (void)snprintf(path, sizeof(path), "%.*s", STR_ARG(users_path));
    TRY(users_open(path, &r->users));
    TRY(ticket_signer_new(boot_get(r->boot, STR("ticket_private")), &r->signer));
    struct str folder = str_sub(users_path, 0, str_find_last_char(users_path, '/'));
    return confine(r->boot, ROLE_AUTH, folder);
}

/* What others hear when verify is not there. */
static void ask_outside(void *owner, struct str body,
                        void (*answer)(void *asker, enum err e, struct str body), void *asker)
{
    struct link *l = peers_find(&((struct auth_role *)owner)->peers, ROLE_VERIFY, 0);
    if (l == NULL) {
        answer(asker, ERR_UNAVAILABLE, STR_EMPTY);
        return;
    }
    link_request(l, body, answer, asker);
}

static void cancel_outside(void *owner, void *asker)
{
    struct link *l = peers_find(&((struct auth_role *)owner)->peers, ROLE_VERIFY, 0);
    if (l != NULL) {
        link_cancel(l, asker);
    }
}

static const struct auth_outside *read_outside(struct auth_role *r)
{
    const struct boot *b = r->boot;
    r->outside = (struct auth_outside){
        .has_passwords = boot_get(b, STR("ldap_url")).n > 0,
        .has_tokens = boot_get(b, STR("oauth_introspection")).n > 0,
        .makes_users = str_eq(boot_get(b, STR("outside_users")), STR("any")),
        .scope = boot_get(b, STR("oauth_scope")),
        .configuration = boot_get(b, STR("oauth_configuration")),
        .ask = ask_outside,
        .cancel = cancel_outside,
        .owner = r,
    };
    return &r->outside;
}

static enum err start(struct auth_role *r)
{
    TRY(open_and_confine(r));
    struct auth_options o = {
        .loop = r->loop,
        .users = r->users,
        .signer = r->signer,
        .addresses =
            {
                .domains = boot_get(r->boot, STR("domains")),
                .postmaster = boot_get(r->boot, STR("postmaster")),
                .delimiters = boot_get(r->boot, STR("recipient_delimiter")),
            },
        .senders_of_all = boot_get(r->boot, STR("sender_any")),
        .is_alias_shared = str_eq(boot_get(r->boot, STR("sender_alias")), STR("each")),
        .edge_minute_most = boot_get_u64(r->boot, STR("edge_logins_minute"), 0),
        .plaintext = read_plaintext(r->boot),
        .cost = read_cost(r->boot),
        .outside = read_outside(r),
    };
    return auth_new(&o, &r->auth);
}

/* Passwords pass through here, also through memory of libraries that frees it as it is: what is freed is overwritten. */
static void wipe_freed_memory(void)
{
    (void)mallopt(M_PERTURB, 0xa5);
}

int main(void)
{
    static const struct boot_handler HANDLER = {
        .on_peer = on_peer, .on_stop = on_stop, .on_kick = on_kick};
    struct auth_role r = {.loop = NULL};
    wipe_freed_memory();
    if (boot_begin("auth", &r.boot) != ERR_OK) {
        return 3;
    }
    r.loop = loop_new();
    loop_wipe_reads(r.loop);
    peers_init(&r.peers, r.loop, PEERS, &LINK_HANDLER, &r);
    kick_rounds_init(&r.kicks, r.loop, &r.peers, on_kicked, &r);
    enum err e = start(&r);
    if (e != ERR_OK) {
        log_error("cannot start: %s", err_get_info(e)->meaning);
    } else {
        boot_attach(r.boot, r.loop, &HANDLER, &r);
        r.metrics = timer_new(r.loop, tell_metrics, &r);
        timer_start(r.metrics, 1);
        loop_run(r.loop);
    }
    if (r.metrics != NULL) {
        timer_free(&r.metrics);
    }
    drain_release(&r.drain);
    kick_rounds_release(&r.kicks);
    peers_release(&r.peers);
    auth_free(&r.auth);
    ticket_signer_free(&r.signer);
    users_close(&r.users);
    boot_free(&r.boot);
    loop_free(&r.loop);
    return e == ERR_OK ? 0 : 3;
}
