/* Rules on settings and ports: what can be said without looking at any file or clock.
 *
 * Most come from RFC 5383: one service a port (6), its standard port (3), nothing hidden behind HTTP or port 25 (6.1), TLS on the normal
 * port (8), silence of two hours (4.1). The others are what strangers would use first. */
#include "main/doctor.h"

#include "main/listen.h"
#include "net/network.h"
#include "net/resolve.h"

#include <arpa/inet.h>
#include <netinet/in.h>

enum { TWO_HOURS_S = 7200, NEARLY_S = 6900, SECOND_MS = 1000, SMTP_PORT = 25, HTTPS_PORT = 443 };

static const struct str ALL_ADDRESSES = {"all addresses", sizeof("all addresses") - 1};

static bool is_one_of(unsigned port, const unsigned *ports, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ports[i] == port) {
            return true;
        }
    }
    return false;
}

static void check_port(struct doctor *d, const struct doctor_service *s)
{
    static const unsigned HTTP[] = {80, 443, 3128, 8000, 8008, 8080, 8443, 8888};
    static const unsigned IMPLICIT[] = {465, 993};
    if (is_one_of(s->port, HTTP, sizeof(HTTP) / sizeof(HTTP[0]))) {
        doctor_say(
            d, DOCTOR_ERROR, "http-port",
            "%s is on port %u, which is HTTP's: tunnels around a firewall's rules are not for us "
            "(RFC 5383, 6.1); choose another port_offset",
            s->name, s->port);
    }
    if (s->port == SMTP_PORT) {
        doctor_say(
            d, DOCTOR_ERROR, "port-25",
            "%s is on port 25, which networks block or intercept (RFC 5383, 3); choose another "
            "port_offset",
            s->name);
    }
    if (is_one_of(s->port, IMPLICIT, sizeof(IMPLICIT) / sizeof(IMPLICIT[0]))) {
        doctor_say(d, DOCTOR_WARNING, "implicit-tls-port",
                   "%s speaks STARTTLS on port %u, where clients expect TLS from the first octet; "
                   "choose another port_offset",
                   s->name, s->port);
    }
}

static bool is_heard(const struct doctor *d, unsigned port)
{
    for (size_t i = 0; i < d->host.listening_count; i++) {
        if (d->host.listening[i] == port) {
            return true;
        }
    }
    return false;
}

static void check_listening(struct doctor *d, const struct doctor_service *s)
{
    bool is_there = is_heard(d, s->port);
    if (d->host.is_running && !is_there) {
        doctor_say(d, DOCTOR_ERROR, "port-closed",
                   "the server runs, but nobody listens on port %u (%s)", s->port, s->name);
    } else if (!d->host.is_running && is_there) {
        doctor_say(d, DOCTOR_ERROR, "port-taken",
                   "port %u (%s) is taken by another program: stop it, or change port_offset",
                   s->port, s->name);
    }
}

static void check_addresses(struct doctor *d, const struct doctor_service *s)
{
    struct str list = str_eq(s->addresses, ALL_ADDRESSES) ? STR_EMPTY : s->addresses;
    while (list.n > 0) {
        struct sockaddr_storage at;
        struct str one = str_split(&list, ' ');
        if (one.n > 0 && !resolve_numeric(one, (uint16_t)s->port, &at)) {
            doctor_say(d, DOCTOR_ERROR, "no-address",
                       "%s cannot listen on %.*s: that is no IPv4 or IPv6 address", s->name,
                       STR_ARG(one));
        }
    }
}

void doctor_check_ports(struct doctor *d, const struct doctor_service *services, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct doctor_service *s = &services[i];
        if (s->port == 0) {
            continue;
        }
        for (size_t k = 0; k < i; k++) {
            if (services[k].port == s->port) {
                doctor_say(d, DOCTOR_ERROR, "shared-port",
                           "%s and %s are both on port %u: one service a port (RFC 5383, 6)",
                           services[k].name, s->name, s->port);
            }
        }
        check_port(d, s);
        check_addresses(d, s);
        check_listening(d, s);
    }
    if (d->offset != 0 && doctor_has_role(d, STR("edge"))) {
        doctor_say(
            d, DOCTOR_WARNING, "other-ports",
            "clients look for IMAP on port 143 and submission on 587 (RFC 5383, 3); here they "
            "are %u and %u",
            PORT_IMAP + d->offset, PORT_SUBMISSION + d->offset);
    }
}

bool doctor_has_role(const struct doctor *d, struct str role)
{
    struct str roles = config_get(d->config, CONFIG_roles);
    while (roles.n > 0) {
        if (str_eq(str_split(&roles, ' '), role)) {
            return true;
        }
    }
    return false;
}

size_t doctor_list_services(const struct doctor *d, struct doctor_service out[DOCTOR_SERVICES_MOST])
{
    const struct config *c = d->config;
    struct str clients = d->listen.n > 0 ? d->listen : config_get(c, CONFIG_listen);
    clients = str_trim(clients).n > 0 ? clients : ALL_ADDRESSES;
    size_t n = 0;
    if (doctor_has_role(d, STR("edge"))) {
        out[n++] = (struct doctor_service){"IMAP", PORT_IMAP + d->offset, clients,
                                           "logins; the mail of who logs in", true};
        out[n++] = (struct doctor_service){"submission", PORT_SUBMISSION + d->offset, clients,
                                           "logins; sending as who logs in", true};
        out[n++] = (struct doctor_service){"ManageSieve", PORT_SIEVE + d->offset, clients,
                                           "logins; the scripts of who logs in", true};
    }
    if (doctor_has_role(d, STR("submit")) && config_get(c, CONFIG_lmtp_listen).n > 0) {
        out[n++] = (struct doctor_service){"LMTP", PORT_LMTP + d->offset,
                                           config_get(c, CONFIG_lmtp_listen),
                                           "delivery to every account, without a password", false};
    }
    if (config_is_on(c, CONFIG_metrics)) {
        out[n++] = (struct doctor_service){"metrics", PORT_METRICS + d->offset, STR("127.0.0.1"),
                                           "numbers, no names", false};
    }
    if (config_get(c, CONFIG_link_listen).n > 0) {
        out[n++] = (struct doctor_service){
            "links", PORT_LINK + d->offset, config_get(c, CONFIG_link_listen),
            "what a certificate of our own link authority allows", false};
    }
    return n;
}

/* ---- settings ---- */

static bool is(const struct doctor *d, enum config_id id, const char *value)
{
    return str_eq(config_get(d->config, id), str_from_c(value));
}

static void check_login(struct doctor *d)
{
    if (is(d, CONFIG_plaintext_login, "always")) {
        doctor_say(
            d, DOCTOR_ERROR, "plaintext-login",
            "plaintext_login = always: passwords cross the network unprotected; say loopback or "
            "never");
    }
    if (is(d, CONFIG_tls, "offered")) {
        doctor_say(
            d, DOCTOR_WARNING, "tls-not-required",
            "tls = offered: a client that is talked out of STARTTLS goes on without; say tls = "
            "required when all clients can (RFC 5383, 8)");
    }
}

static void check_silence(struct doctor *d)
{
    uint64_t idle_s = config_get_u64(d->config, CONFIG_max_idle_s);
    uint64_t logout_s = config_get_u64(d->config, CONFIG_idle_timeout_s);
    uint64_t keep_s = config_get_u64(d->config, CONFIG_tcp_keepalive_s);
    if (logout_s <= TWO_HOURS_S || logout_s <= idle_s) {
        doctor_say(
            d, DOCTOR_WARNING, "short-logout",
            "idle_timeout_s = %llu logs out clients that sleep as long as they may: more than "
            "7200, and more than max_idle_s (RFC 5383, 4.1)",
            (unsigned long long)logout_s);
    }
    if (idle_s > 0 && idle_s < NEARLY_S) {
        doctor_say(
            d, DOCTOR_WARNING, "chatty",
            "max_idle_s = %llu wakes silent phones more often than every two hours (RFC 5383, "
            "5)",
            (unsigned long long)idle_s);
    }
    if (idle_s == 0 || idle_s > TWO_HOURS_S) {
        doctor_say(
            d, DOCTOR_NOTE, "long-idle",
            "max_idle_s = %llu: NATs and firewalls on the way must keep silent connections for "
            "longer than that; two hours is what they promise",
            (unsigned long long)idle_s);
    }
    if (keep_s > 0) {
        doctor_say(d, DOCTOR_NOTE, "tcp-keepalive",
                   "tcp_keepalive_s = %llu: TCP's own questions wake phones, too (RFC 5383, 4.2)",
                   (unsigned long long)keep_s);
    }
}

static void check_tests(struct doctor *d)
{
    static const struct {
        enum config_id id;
        uint64_t normal;
    } NUMBERS[] = {{CONFIG_time_unit_ms, SECOND_MS},
                   {CONFIG_mx_port, SMTP_PORT},
                   {CONFIG_mta_sts_port, HTTPS_PORT}};
    for (size_t i = 0; i < sizeof(NUMBERS) / sizeof(NUMBERS[0]); i++) {
        if (config_get_u64(d->config, NUMBERS[i].id) != NUMBERS[i].normal) {
            doctor_say(d, DOCTOR_ERROR, "test-setting", "%s is not %llu: that is for tests",
                       config_get_key(NUMBERS[i].id)->name, (unsigned long long)NUMBERS[i].normal);
        }
    }
    if (is(d, CONFIG_mx_addresses, "any")) {
        doctor_say(
            d, DOCTOR_ERROR, "test-setting",
            "mx_addresses = any: names of others may lead us to our own network; that is for "
            "tests");
    }
}

static void check_relay(struct doctor *d)
{
    bool is_open = is(d, CONFIG_relay_tls, "off") || is(d, CONFIG_relay_tls, "offered");
    if (config_get(d->config, CONFIG_relay_host).n == 0 || !is_open) {
        return;
    }
    bool has_password = config_get(d->config, CONFIG_relay_password).n > 0;
    doctor_say(d, has_password ? DOCTOR_ERROR : DOCTOR_WARNING, "relay-tls",
               "relay_tls = %.*s: %s can be read on the way to the relay; say required",
               STR_ARG(config_get(d->config, CONFIG_relay_tls)),
               has_password ? "its password and mail" : "mail");
}

/* Is there an address in the list that others reach, too? */
static bool is_reachable(struct str list)
{
    while (list.n > 0) {
        struct sockaddr_storage address = {0};
        struct str word = str_split(&list, ' ');
        char text[INET6_ADDRSTRLEN + 1] = "";
        memcpy(text, word.p, word.n < sizeof(text) ? word.n : 0);
        struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;
        bool is_v4 = inet_pton(AF_INET, text, &v4->sin_addr) == 1;
        address.ss_family = is_v4 ? AF_INET : AF_INET6;
        if (!is_v4 && inet_pton(AF_INET6, text, &v6->sin6_addr) != 1) {
            continue;
        }
        if (!network_has(STR("127.0.0.0/8 ::1"), &address)) {
            return true;
        }
    }
    return false;
}

static void check_lmtp(struct doctor *d)
{
    struct sockaddr_storage stranger = {.ss_family = AF_INET};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&stranger;
    (void)inet_pton(AF_INET, "192.0.2.1", &v4->sin_addr); /* TEST-NET-1: nobody's own network */
    if (!is_reachable(config_get(d->config, CONFIG_lmtp_listen))) {
        return;
    }
    if (network_has(config_get(d->config, CONFIG_lmtp_allow), &stranger)) {
        doctor_say(d, DOCTOR_ERROR, "open-lmtp",
                   "LMTP has no password, listens on a network, and lmtp_allow lets anybody in");
    } else {
        doctor_say(d, DOCTOR_NOTE, "lmtp-network",
                   "LMTP has no password and listens on a network; a firewall should let in only "
                   "lmtp_allow");
    }
}

static void check_ldap(struct doctor *d)
{
    struct str url = config_get(d->config, CONFIG_ldap_url);
    if (str_starts(url, STR("ldap://")) && !config_is_on(d->config, CONFIG_ldap_starttls)) {
        doctor_say(d, DOCTOR_ERROR, "ldap-tls",
                   "ldap_starttls = no: passwords cross the way to the LDAP server unprotected");
    }
}

static void check_tokens(struct doctor *d)
{
    if (config_get(d->config, CONFIG_oauth_introspection).n > 0
        && config_get(d->config, CONFIG_oauth_scope).n == 0
        && config_get(d->config, CONFIG_oauth_audience).n == 0) {
        doctor_say(d, DOCTOR_WARNING, "any-token",
                   "a token for whatever service of the issuer opens mail; say oauth_scope or "
                   "oauth_audience");
    }
}

void doctor_check_config(struct doctor *d)
{
    if (doctor_has_role(d, STR("edge"))) {
        check_login(d);
        check_silence(d);
    }
    check_tests(d);
    check_relay(d);
    check_lmtp(d);
    check_ldap(d);
    check_tokens(d);
    if (!d->has_domains) {
        doctor_say(d, DOCTOR_WARNING, "no-domains",
                   "domains is not set: nothing but mail for %.*s is taken as our own",
                   STR_ARG(config_get(d->config, CONFIG_domains)));
    }
}
