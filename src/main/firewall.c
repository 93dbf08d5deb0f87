/* From settings to ports: which connections a configuration makes and takes, for `limetta firewall`.
 *
 * What stays on a host (metrics, LMTP on loopback, the outbox) is not there. A need that two settings have is there once. */
#include "main/firewall.h"

#include "main/config.h"
#include "main/listen.h"
#include "net/fields.h"
#include "net/resolve.h"
#include "tools/firewall.h"
#include "wire/next_hop.h"

enum {
    PORT_DNS = 53,
    PORT_HTTPS = 443,
    /* RFC 5382, REQ-5: two hours and four minutes. */
    REMEMBER_S = 7440,
    REMEMBER_MORE_S = 240,
    /* Five days, Linux's own: for servers that never say a word of themselves. */
    REMEMBER_LONG_S = 432000,
    PORT_LDAP = 389,
    PORT_LDAPS = 636,
};

static void add(struct firewall_config *f, enum firewall_way way, unsigned port, const char *why)
{
    firewall_add(f, (struct firewall_need){.way = way, .port = (uint16_t)port, .why = why});
}

static void add_dns(struct firewall_config *f, enum firewall_way way)
{
    struct firewall_need dns = {.way = way, .is_udp = true, .port = PORT_DNS, .why = "DNS"};
    firewall_add(f, dns);
    dns.is_udp = false;
    firewall_add(f, dns);
}

static bool is_loopback(struct str address)
{
    return str_starts(address, STR("127.")) || str_eq(address, STR("::1"));
}

static void gather_lmtp(const struct config *c, unsigned offset, struct firewall_config *f)
{
    struct str left = config_get(c, CONFIG_lmtp_listen);
    while (left.n > 0) {
        struct str one = str_split(&left, ' ');
        if (one.n > 0 && !is_loopback(one)) {
            firewall_add(f, (struct firewall_need){.way = FIREWALL_MTA_TO_SUBMISSION,
                                                   .port = (uint16_t)(PORT_LMTP + offset),
                                                   .from = config_get(c, CONFIG_lmtp_allow),
                                                   .why = "LMTP: mail from servers in front"});
        }
    }
}

static void gather_relays(const struct config *c, struct firewall_config *f)
{
    struct str left = config_get(c, CONFIG_relay_host);
    while (left.n > 0) {
        struct str name;
        struct str word = str_split(&left, ' ');
        uint16_t port = (uint16_t)config_get_u64(c, CONFIG_relay_port);
        if (word.n > 0 && next_hop_parse_host(word, &name, &port)) {
            add(f, FIREWALL_OUTWARD, port, "mail to the relay");
        }
    }
}

static void gather_direct(const struct config *c, struct firewall_config *f)
{
    add(f, FIREWALL_OUTWARD, (unsigned)config_get_u64(c, CONFIG_mx_port),
        "mail to other domains' hosts");
    if (config_is_on(c, CONFIG_mta_sts)) {
        add(f, FIREWALL_OUTWARD, (unsigned)config_get_u64(c, CONFIG_mta_sts_port),
            "HTTPS: policies of other domains (MTA-STS)");
    }
}

static bool is_numeric(struct str list)
{
    while (list.n > 0) {
        struct sockaddr_storage at;
        struct str one = str_split(&list, ' ');
        if (one.n > 0 && !resolve_numeric(one, 1, &at)) {
            return false;
        }
    }
    return true;
}

/* To the hosts that ours connects to, at their ports; else to our own kind of host. */
static void gather_links(const struct config *c, unsigned offset, struct firewall_config *f)
{
    static const char WHY[] = "links: edge and submission to auth and store (TLS)";
    unsigned before = f->count;
    for (size_t i = 0; config_get_link(c, i).n > 0; i++) {
        struct fields host;
        if (fields_parse(config_get_link(c, i), &host) != ERR_OK) {
            continue;
        }
        struct str at = fields_get(&host, STR("address"));
        if (str_trim(at).n > 0) {
            firewall_add(f, (struct firewall_need){
                                .way = FIREWALL_LINK,
                                .port = (uint16_t)fields_get_u64(&host, STR("port"), PORT_LINK),
                                .to = is_numeric(at) ? at : STR_EMPTY,
                                .why = WHY});
        }
    }
    if (f->count == before) {
        add(f, FIREWALL_LINK, PORT_LINK + offset, WHY);
    }
}

/* Does a route lead to the domain's own hosts? */
static bool gather_routes(const struct config *c, struct firewall_config *f)
{
    struct str left = config_get(c, CONFIG_routes);
    bool is_direct = false;
    while (left.n > 0) {
        struct next_hop_route route;
        struct str word = str_split(&left, ' ');
        if (word.n == 0 || !next_hop_parse_route(word, &route)) {
            continue;
        }
        is_direct = is_direct || route.hop.kind == NEXT_HOP_MX;
        if (route.hop.kind == NEXT_HOP_SMTP || route.hop.kind == NEXT_HOP_LMTP) {
            add(f, FIREWALL_OUTWARD, route.hop.port, "mail by a route of its own");
        }
    }
    return is_direct;
}

/* host[:port] of an https URL; the port, or 443. */
static unsigned get_https_port(struct str url)
{
    struct str host = str_skip(url, sizeof("https://") - 1);
    struct str name;
    uint16_t port = PORT_HTTPS;
    (void)next_hop_parse_host(str_sub(host, 0, str_find_char(host, '/')), &name, &port);
    return port;
}

static void gather_hooks(const struct config *c, struct firewall_config *f)
{
    struct str left = config_get(c, CONFIG_notify_webhooks);
    while (left.n > 0) {
        struct str one = str_split(&left, ' ');
        if (str_starts(one, STR("https://"))) {
            add(f, FIREWALL_OUTWARD, get_https_port(one), "HTTPS: notifications of users' scripts");
        }
    }
}

static void gather_outward(const struct config *c, struct firewall_config *f)
{
    unsigned before = f->count;
    struct str delivery = config_get(c, CONFIG_delivery);
    if (!str_eq(delivery, STR("none"))) {
        gather_relays(c, f);
    }
    if (gather_routes(c, f) || str_eq(delivery, STR("direct"))) {
        gather_direct(c, f);
    }
    gather_hooks(c, f);
    for (size_t i = 0; config_get_burl(c, i).n > 0; i++) {
        struct fields host;
        if (fields_parse(config_get_burl(c, i), &host) == ERR_OK) {
            add(f, FIREWALL_OUTWARD, (unsigned)fields_get_u64(&host, STR("port"), PORT_IMAP),
                "IMAP: submission fetches from other stores (BURL)");
        }
    }
    if (f->count > before) {
        add_dns(f, FIREWALL_OUTWARD);
    }
}

/* ldap://host[:port], ldaps://host[:port]. */
static void gather_ldap(const struct config *c, struct firewall_config *f)
{
    struct str url = config_get(c, CONFIG_ldap_url);
    bool is_tls = str_starts(url, STR("ldaps://"));
    struct str host = str_skip(url, str_find_str(url, STR("://")) + 3);
    struct str name;
    uint16_t port = is_tls ? PORT_LDAPS : PORT_LDAP;
    if (url.n > 0) {
        (void)next_hop_parse_host(str_sub(host, 0, str_find_char(host, '/')), &name, &port);
        add(f, FIREWALL_AUTH_OUTWARD, port, "LDAP: who checks passwords, wherever it is");
    }
}

static void gather_auth(const struct config *c, struct firewall_config *f)
{
    unsigned before = f->count;
    gather_ldap(c, f);
    if (config_get(c, CONFIG_oauth_introspection).n > 0) {
        add(f, FIREWALL_AUTH_OUTWARD, get_https_port(config_get(c, CONFIG_oauth_introspection)),
            "HTTPS: who judges tokens");
    }
    if (f->count > before) {
        add_dns(f, FIREWALL_AUTH_OUTWARD);
    }
}

/* Longer than the longest silence that our keep-alive leaves (RFC 5383, 4.1). */
static uint64_t get_timeout_s(const struct config *c)
{
    uint64_t idle_s = config_get_u64(c, CONFIG_max_idle_s);
    if (idle_s == 0) {
        return REMEMBER_LONG_S;
    }
    return idle_s + REMEMBER_MORE_S > REMEMBER_S ? idle_s + REMEMBER_MORE_S : REMEMBER_S;
}

void firewall_gather(const struct config *c, unsigned offset, struct firewall_config *out)
{
    *out = (struct firewall_config){.timeout_s = get_timeout_s(c)};
    add(out, FIREWALL_CLIENT_TO_IMAP, PORT_IMAP + offset, "IMAP, for clients");
    add(out, FIREWALL_CLIENT_TO_SUBMISSION, PORT_SUBMISSION + offset, "submission, for clients");
    add(out, FIREWALL_CLIENT_TO_IMAP, PORT_SIEVE + offset, "ManageSieve, for clients");
    add(out, FIREWALL_SUBMISSION_TO_IMAP, PORT_IMAP + offset,
        "IMAP: submission fetches what is forwarded without download");
    gather_links(c, offset, out);
    gather_lmtp(c, offset, out);
    gather_outward(c, out);
    gather_auth(c, out);
}
