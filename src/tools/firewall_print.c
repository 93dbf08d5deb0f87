/* What `limetta firewall` prints.
 *
 * A port is one line (two with addresses of both families), so that a line can be taken out, or given to the keeper of another
 * firewall. All lines of mail lead into one chain that accepts: there the connection gets its time-out, which nft can only give by
 * family, and only to a connection's first packet. */
#include "tools/firewall_priv.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const ZONES[ZONE_COUNT] = {"outside", "dmz", "inside"};

static bool is_v6(struct str address)
{
    return str_find_char(address, ':') < address.n;
}

/* "ip daddr { a, b } " of one family; false, and nothing is printed, when there is no such address. */
static bool print_addresses(const char *field, struct str list, bool wants_v6)
{
    bool has_any = false;
    while (list.n > 0) {
        struct str one = str_split(&list, ' ');
        if (one.n == 0 || is_v6(one) != wants_v6) {
            continue;
        }
        if (!has_any) {
            (void)printf("%s %s { ", wants_v6 ? "ip6" : "ip", field);
        }
        (void)printf("%s%.*s", has_any ? ", " : "", STR_ARG(one));
        has_any = true;
    }
    if (has_any) {
        (void)printf(" } ");
    }
    return has_any;
}

static bool has_family(struct str list, bool wants_v6)
{
    bool is_there = str_trim(list).n == 0;
    while (list.n > 0) {
        struct str one = str_split(&list, ' ');
        is_there = is_there || (one.n > 0 && is_v6(one) == wants_v6);
    }
    return is_there;
}

/* A zone that the machine does not touch is reached through the DMZ. */
static enum firewall_zone get_interface(const struct firewall_layout *l, enum firewall_zone zone)
{
    return l->interfaces[zone].n > 0 ? zone : ZONE_DMZ;
}

static void print_line(const struct firewall_layout *l, const struct firewall_need *n,
                       struct str target, bool wants_v6)
{
    enum firewall_zone from = ZONE_OUTSIDE;
    enum firewall_zone to = ZONE_DMZ;
    (void)firewall_find_zones(l, n, &from, &to);
    (void)printf("        ");
    if (!l->is_host) {
        (void)printf("iifname $%s oifname $%s ", ZONES[get_interface(l, from)],
                     ZONES[get_interface(l, to)]);
    }
    (void)print_addresses("saddr", n->from, wants_v6);
    (void)print_addresses("daddr", target, wants_v6);
    (void)printf("%s dport %u %s comment \"%s\"\n", n->is_udp ? "udp" : "tcp", n->port,
                 n->is_udp ? "accept" : "goto mail", n->why);
}

/* Does a need before the i-th lead to the same line? */
static bool is_said(const struct firewall_config *c, const struct firewall_layout *l, unsigned i)
{
    const struct firewall_need *n = &c->needs[i];
    enum firewall_zone from;
    enum firewall_zone to;
    (void)firewall_find_zones(l, n, &from, &to);
    for (unsigned k = 0; k < i; k++) {
        const struct firewall_need *o = &c->needs[k];
        enum firewall_zone other_from;
        enum firewall_zone other_to;
        if (firewall_find_zones(l, o, &other_from, &other_to) && other_from == from
            && other_to == to && o->is_udp == n->is_udp && o->port == n->port
            && str_eq(o->from, n->from)
            && str_eq(firewall_get_target(l, o), firewall_get_target(l, n))) {
            return true;
        }
    }
    return false;
}

/* Is the i-th need this machine's business, and not said yet? */
static bool is_asked(const struct firewall_config *c, const struct firewall_layout *l, unsigned i)
{
    enum firewall_zone from;
    enum firewall_zone to;
    if (!firewall_find_zones(l, &c->needs[i], &from, &to) || is_said(c, l, i)) {
        return false;
    }
    if (l->is_host) {
        return to == ZONE_DMZ;
    }
    return get_interface(l, from) != get_interface(l, to);
}

static void print_need(const struct firewall_layout *l, const struct firewall_need *n)
{
    struct str target = l->is_host ? STR_EMPTY : firewall_get_target(l, n);
    if (str_trim(target).n == 0 && str_trim(n->from).n == 0) {
        print_line(l, n, target, false);
        return;
    }
    for (int wants_v6 = 0; wants_v6 < 2; wants_v6++) {
        if (has_family(target, wants_v6) && has_family(n->from, wants_v6)) {
            print_line(l, n, target, wants_v6);
        }
    }
}

static void print_head(const struct firewall_config *c, const struct firewall_layout *l)
{
    (void)printf("# Rules for Limetta, made by `limetta firewall print`; try them with nft -c -f "
                 "FILE. They are to start from:\n"
                 "# everything that no line lets through is dropped, so what else passes this "
                 "machine needs lines, too.\n"
                 "# A silent connection is remembered for %" PRIu64
                 " seconds. RFC 5382 (REQ-5) and RFC 5383 (7) want at least 7440;\n"
                 "# Linux keeps it for 432000 of its own accord, other NATs and firewalls on the "
                 "way often for minutes.\n",
                 c->timeout_s);
    for (unsigned i = 0; i < ZONE_COUNT; i++) {
        if (l->interfaces[i].n > 0) {
            (void)printf("define %s = \"%.*s\"\n", ZONES[i], STR_ARG(l->interfaces[i]));
        }
    }
    (void)printf("\ntable inet limetta {\n");
    for (int family = 4; family <= 6; family += 2) {
        (void)printf(
            "    ct timeout mail%d { protocol tcp; l3proto %s; policy = { established : %" PRIu64
            " }; }\n",
            family, family == 4 ? "ip" : "ip6", c->timeout_s);
    }
    (void)printf("    chain mail {\n"
                 "        meta nfproto ipv4 ct timeout set \"mail4\" accept\n"
                 "        meta nfproto ipv6 ct timeout set \"mail6\" accept\n"
                 "    }\n");
}

static void print_common(bool is_host)
{
    (void)printf("    chain passing {\n"
                 "        type filter hook %s priority filter; policy drop;\n"
                 "        # Errors about connections that are known. Without \"packet too big\" "
                 "(IPv4: fragmentation needed) large mail hangs;\n"
                 "        # \"unreachable\" ends no connection (RFC 1122, 4.2.3.9).\n"
                 "        ct state related icmp type { destination-unreachable, time-exceeded, "
                 "parameter-problem } accept\n"
                 "        ct state related icmpv6 type { destination-unreachable, packet-too-big, "
                 "time-exceeded, parameter-problem } "
                 "accept\n"
                 "        ct state established accept\n"
                 "        ct state invalid counter drop\n",
                 is_host ? "input" : "forward");
    if (is_host) {
        (void)printf(
            "        iifname \"lo\" accept\n"
            "        # Neighbours and routers (IPv6 needs them), ping.\n"
            "        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert, "
            "echo-request } accept\n"
            "        icmp type echo-request accept\n"
            "        tcp dport 22 accept comment \"your own way in: narrow it, or take it out\"\n");
    }
}

void firewall_print(const struct firewall_config *c, const struct firewall_layout *l)
{
    print_head(c, l);
    print_common(l->is_host);
    for (unsigned i = 0; i < c->count; i++) {
        if (is_asked(c, l, i)) {
            print_need(l, &c->needs[i]);
        }
    }
    (void)printf("        counter drop comment \"no rule\"\n    }\n}\n");
}

/* One host is all that is in its zone. */
static const char *get_table_name(const struct firewall_layout *l, enum firewall_zone zone)
{
    return zone == ZONE_DMZ && !l->has_inside ? "server" : ZONES[zone];
}

void firewall_print_table(const struct firewall_config *c, const struct firewall_layout *l)
{
    (void)printf(
        "| from | to | port | what for | silent connections are kept |\n|---|---|---|---|---|\n");
    for (unsigned i = 0; i < c->count; i++) {
        const struct firewall_need *n = &c->needs[i];
        enum firewall_zone from;
        enum firewall_zone to;
        if (!firewall_find_zones(l, n, &from, &to) || is_said(c, l, i)) {
            continue;
        }
        struct str target = firewall_get_target(l, n);
        (void)printf("| %s%s%.*s | %s%s%.*s | %s %u | %s | ", get_table_name(l, from),
                     n->from.n > 0 ? ": " : "", STR_ARG(n->from), get_table_name(l, to),
                     target.n > 0 ? ": " : "", STR_ARG(target), n->is_udp ? "UDP" : "TCP", n->port,
                     n->why);
        if (n->is_udp) {
            (void)printf("no matter |\n");
        } else {
            (void)printf("%" PRIu64 " s or longer |\n", c->timeout_s);
        }
    }
}
