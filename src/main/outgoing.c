/* From settings to ways out. The file of trusted certificates is read by the supervisor; the system's own are read by OpenSSL, before the
 * role is confined, and by libcurl, from where confine.c lets it. Resolver and web client are there in any case: routes may go by MX
 * whatever `delivery` says, and scripts of users may call the web. */
#include "main/outgoing.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/dns.h"

#include <limits.h>
#include <stdlib.h>

struct outgoing {
    struct loop *loop;
    const struct boot *boot;
    struct str anchors; /* PEM; empty: the system's */
    struct buf sts_path;
    struct tls_context *tls_any;
    struct tls_context *tls_checked;
    struct dns *dns;
    struct http *http;
    struct routes *routes;
};

enum err outgoing_new(struct loop *loop, const struct boot *boot, struct outgoing **out)
{
    struct outgoing *o = mem_new(sizeof(*o));
    o->loop = loop;
    o->boot = boot;
    o->sts_path = BUF_INIT(PATH_MAX);
    buf_addf(&o->sts_path, "%.*s/sts.db", STR_ARG(boot_get(boot, STR("queue_dir"))));
    o->anchors = boot_get(boot, STR("tls_anchors"));
    enum err e = tls_client_context_new(o->anchors, &o->tls_checked);
    if (e != ERR_OK) {
        log_error("setting tls_anchors: %s", err_get_info(e)->meaning);
    }
    e = e == ERR_OK ? tls_client_context_new_opportunistic(&o->tls_any) : e;
    if (e != ERR_OK) {
        outgoing_free(&o);
        return e;
    }
    *out = o;
    return ERR_OK;
}

static bool is_set(const struct outgoing *o, struct str key, struct str value)
{
    return str_eq(boot_get(o->boot, key), value);
}

static enum route_delivery get_delivery(const struct outgoing *o)
{
    bool has_relay = boot_get(o->boot, STR("relay_host")).n > 0;
    if (is_set(o, STR("delivery"), STR("direct"))) {
        return ROUTE_DIRECT;
    }
    return has_relay && !is_set(o, STR("delivery"), STR("none")) ? ROUTE_RELAY : ROUTE_NONE;
}

static enum smtp_tls_policy get_relay_tls(const struct outgoing *o)
{
    if (is_set(o, STR("relay_tls"), STR("off"))) {
        return SMTP_TLS_OFF;
    }
    return is_set(o, STR("relay_tls"), STR("offered")) ? SMTP_TLS_OFFERED : SMTP_TLS_REQUIRED;
}

static enum mx_reach get_reach(const struct outgoing *o)
{
    if (is_set(o, STR("mx_addresses"), STR("any"))) {
        return MX_REACH_ANY;
    }
    return is_set(o, STR("mx_addresses"), STR("public")) ? MX_REACH_PUBLIC : MX_REACH_FOREIGN;
}

static uint16_t get_port(const struct outgoing *o, struct str key, uint16_t fallback)
{
    return (uint16_t)boot_get_u64(o->boot, key, fallback);
}

static enum err start_routes(struct outgoing *o)
{
    struct routes_args args = {
        .loop = o->loop,
        .delivery = get_delivery(o),
        .routes = boot_get(o->boot, STR("routes")),
        .relay_hosts = boot_get(o->boot, STR("relay_host")),
        .relay_port = get_port(o, STR("relay_port"), 587),
        .relay_user = boot_get(o->boot, STR("relay_user")),
        .relay_password = boot_get(o->boot, STR("relay_password")),
        .relay_tls = get_relay_tls(o),
        .is_relay_implicit = is_set(o, STR("relay_tls"), STR("implicit")),
        .mx =
            {
                .loop = o->loop,
                .dns = o->dns,
                .hostname = boot_get(o->boot, STR("hostname")),
                .host_names = boot_get(o->boot, STR("host_names")),
                .port = get_port(o, STR("mx_port"), 25),
                .reach = get_reach(o),
                .has_dane = is_set(o, STR("dane"), STR("yes")),
            },
        .http = is_set(o, STR("mta_sts"), STR("no")) ? NULL : o->http,
        .sts_path = buf_str(&o->sts_path),
        .sts_port = get_port(o, STR("mta_sts_port"), 443),
        .tls_any = o->tls_any,
        .tls_checked = o->tls_checked,
    };
    return routes_new(&args, &o->routes);
}

enum err outgoing_start(struct outgoing *o)
{
    struct dns_args dns = {.loop = o->loop, .servers = boot_get(o->boot, STR("dns_servers"))};
    struct http_args http = {.loop = o->loop, .anchors_pem = o->anchors};
    enum err e = dns_new(&dns, &o->dns);
    if (e != ERR_OK) {
        log_error("setting dns_servers: %s", err_get_info(e)->meaning);
        return e;
    }
    TRY(http_new(&http, &o->http));
    return start_routes(o);
}

void outgoing_free(struct outgoing **o)
{
    if (*o == NULL) {
        return;
    }
    routes_free(&(*o)->routes);
    http_free(&(*o)->http);
    dns_free(&(*o)->dns);
    tls_context_free(&(*o)->tls_any);
    tls_context_free(&(*o)->tls_checked);
    buf_release(&(*o)->sts_path);
    free(*o);
    *o = NULL;
}

struct routes *outgoing_get_routes(struct outgoing *o)
{
    return o->routes;
}

struct tls_context *outgoing_get_tls_any(struct outgoing *o)
{
    return o->tls_any;
}
