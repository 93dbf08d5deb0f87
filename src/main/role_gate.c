/* limetta-gate: the process that joins hosts.
 *
 * Roles know only links that the supervisor gave them, and that stays so: for each link to another host the gate
 * makes a socket pair, hands one end to the supervisor, who hands it to the role with the name that the certificate
 * said, and passes octets between the other end and TLS 1.3, where both sides showed a certificate of this system's
 * own authority (limetta link-cert). A role that was taken over holds no link key; a gate that was taken over holds
 * no mail, no verifier and no ticket key.
 *
 * It has no file once it runs: certificates come as settings, so new ones need a new gate. It links libc, libuv, OpenSSL and
 * libseccomp, as the edge does, because what stands at its port is read by strangers before a certificate is known. */
#include "main/boot.h"

#include "base/log.h"
#include "base/mem.h"
#include "main/control.h"
#include "main/gate_seats.h"
#include "main/hosts.h"
#include "net/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LISTENERS_MOST = 32, PING_S = 60, DEAD_S = 600, URIS_MOST = 1024, WHY_MOST = 1024 };
enum { DAY_S = 24 * 60 * 60, SOON_DAYS = 30, SECOND_MS = 1000 };

struct gate_role {
    struct loop *loop;
    struct boot *boot;
    struct hosts hosts;
    struct tls_context *client;
    struct tls_context *server;
    struct gate_seats *seats;
    struct listener *listeners[LISTENERS_MOST];
    size_t listener_count;
    struct timer *metrics;
    struct timer *day;
};

static void on_accept(void *owner, int fd, const struct sockaddr_storage *peer)
{
    struct gate_role *r = owner;
    gate_seats_accept(r->seats, fd, peer);
}

static bool join(void *owner, const struct wish *w, unsigned there_index, struct str host, int fd)
{
    struct gate_role *r = owner;
    struct boot_peer peer = {w->there, there_index, host, fd};
    enum err e = boot_send_join(r->boot, w->here, w->here_index, &peer);
    (void)close(fd);
    return e == ERR_OK;
}

/* Nobody is joined to a gate. */
static void on_peer(void *owner, const struct boot_peer *peer)
{
    log_error("%s has no business with the gate", control_role_name(peer->role));
    (void)close(peer->fd);
}

static void on_stop(void *owner)
{
    struct gate_role *r = owner;
    loop_stop(r->loop);
}

static void tell_metrics(void *owner)
{
    struct gate_role *r = owner;
    CLEANUP(buf_release) struct buf text = BUF_INIT(CONTROL_PART_MOST);
    gate_seats_write_metrics(r->seats, &text);
    if (buf_err(&text) == ERR_OK) {
        boot_send_metrics(r->boot, buf_str(&text));
    }
    timer_start(r->metrics, BOOT_METRICS_MS);
}

/* A certificate that nobody renews ends all links at once: that is said in time, every day. */
static void look_at_certificate(void *owner)
{
    struct gate_role *r = owner;
    struct tls_identity said = {.uris = BUF_INIT(URIS_MOST)};
    if (tls_read_identity(boot_get(r->boot, STR("link_cert")), &said) == ERR_OK) {
        int64_t left_s = said.until_s - (int64_t)(loop_wall_ms(r->loop) / SECOND_MS);
        if (left_s <= 0) {
            log_error("this host's link certificate is over: no host will talk to us; see limetta "
                      "link-cert");
        } else if (left_s < (int64_t)SOON_DAYS * DAY_S) {
            log_warn("this host's link certificate is over in %lld days; see limetta link-cert",
                     (long long)(left_s / DAY_S));
        }
    }
    buf_release(&said.uris);
    timer_start(r->day, (uint64_t)DAY_S * SECOND_MS);
}

static enum err read_hosts(struct gate_role *r)
{
    const struct boot *b = r->boot;
    CLEANUP(buf_release) struct buf why = BUF_INIT(WHY_MOST);
    enum err e = hosts_init(&r->hosts, boot_get(b, STR("host")), boot_get(b, STR("roles")),
                            boot_get(b, STR("store_workers")),
                            (unsigned)boot_get_u64(b, STR("workers"), 0), &why);
    for (size_t i = 0; e == ERR_OK && i + 1 < HOSTS_MOST; i++) {
        char key[24];
        (void)snprintf(key, sizeof(key), "link.%zu", i);
        struct str message = boot_get(b, str_from_c(key));
        if (message.n == 0) {
            break;
        }
        e = hosts_add(&r->hosts, message, &why);
    }
    if (e != ERR_OK) {
        log_error("%.*s", STR_ARG(buf_str(&why)));
    }
    return e;
}

static enum err make_contexts(struct gate_role *r)
{
    const struct tls_mutual m = {
        .cert_pem = boot_get(r->boot, STR("link_cert")),
        .key_pem = boot_get(r->boot, STR("link_key")),
        .ca_pem = boot_get(r->boot, STR("link_ca")),
    };
    enum err e = tls_mutual_context_new(&m, false, &r->client);
    e = e == ERR_OK ? tls_mutual_context_new(&m, true, &r->server) : e;
    if (e != ERR_OK) {
        log_error("link_cert, link_key or link_ca is not usable");
    }
    return e;
}

static void open_ports(struct gate_role *r)
{
    size_t at = 0;
    int fd = -1;
    struct str name = STR_EMPTY;
    while (boot_next_listener(r->boot, &at, &name, &fd)) {
        if (r->listener_count == LISTENERS_MOST) {
            log_error("link_listen: at most %d addresses", LISTENERS_MOST);
            (void)close(fd);
            continue;
        }
        r->listeners[r->listener_count++] = listener_new(r->loop, fd, on_accept, r);
    }
}

static enum err start(struct gate_role *r)
{
    static const struct boot_handler HANDLER = {.on_peer = on_peer, .on_stop = on_stop};
    TRY(read_hosts(r));
    TRY(make_contexts(r));
    TRY(confine(r->boot, ROLE_GATE, STR_EMPTY));
    const struct gate_seats_args args = {
        .loop = r->loop,
        .hosts = &r->hosts,
        .client = r->client,
        .server = r->server,
        .ping_ms = SECOND_MS * boot_get_u64(r->boot, STR("link_ping_s"), PING_S),
        .dead_ms = SECOND_MS * boot_get_u64(r->boot, STR("link_dead_s"), DEAD_S),
        .join = join,
        .owner = r,
    };
    r->seats = gate_seats_new(&args);
    open_ports(r);
    boot_attach(r->boot, r->loop, &HANDLER, r);
    r->metrics = timer_new(r->loop, tell_metrics, r);
    timer_start(r->metrics, 1);
    r->day = timer_new(r->loop, look_at_certificate, r);
    look_at_certificate(r);
    return ERR_OK;
}

static void close_all(struct gate_role *r)
{
    while (r->listener_count > 0) {
        listener_free(&r->listeners[--r->listener_count]);
    }
    gate_seats_free(&r->seats);
    timer_free(&r->metrics);
    timer_free(&r->day);
    tls_context_free(&r->client);
    tls_context_free(&r->server);
    hosts_release(&r->hosts);
    boot_free(&r->boot);
    loop_free(&r->loop);
}

int main(void)
{
    struct gate_role *r = mem_new(sizeof(*r)); /* the table of hosts is too large for a stack */
    if (boot_begin("gate", &r->boot) != ERR_OK) {
        return 3;
    }
    r->loop = loop_new();
    enum err e = start(r);
    if (e == ERR_OK) {
        loop_run(r->loop);
    } else {
        log_error("cannot start: %s", err_get_info(e)->meaning);
    }
    close_all(r);
    free(r);
    return e == ERR_OK ? 0 : 3;
}
