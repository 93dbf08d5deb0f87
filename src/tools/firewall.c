/* limetta firewall: what the firewalls and NATs on the way must let through, and for how long they must remember it.
 *
 *     limetta firewall print [--layout one-host|dmz] [--outside IF] [--dmz IF] [--inside IF] [--imap ADDRESSES]
 *                            [--submission ADDRESSES] [--store ADDRESSES] [--submission-zone dmz|inside] [--config FILE]
 *     limetta firewall table (the same)    rows for docs/firewall-request.md
 *
 * The configuration says which ports are in use (main/firewall.c); the layout, which zones they cross:
 *
 *     one-host    outside | dmz             everything on one host, which is all there is in its zone. Without interfaces the rules are
 *                                           for that host itself (hook input); with them, for the machine in front of it (hook forward).
 *     dmz         outside | dmz | inside    edge and submission in the DMZ, auth and store behind a second firewall. One machine with
 *                                           three interfaces, or two with two each: what a machine has no interface for lies
 *                                           beyond the DMZ.
 *
 * RFC 5383 is the measure: 143 and 587 from clients and 143 from submission (section 6), nothing between the zones besides; ICMP errors
 * about known connections pass, for without "packet too big" large mail hangs; NATs and connection tracking wait two hours and
 * four minutes (section 7 and RFC 5382, REQ-5). */
#include "tools/firewall_priv.h"

#include "tools/tool.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const char USAGE[] =
    "limetta firewall print|table [--layout one-host|dmz] [--outside IF] [--dmz IF] [--inside IF] "
    "[--imap ADDRESSES] [--submission ADDRESSES] [--store ADDRESSES] "
    "[--submission-zone dmz|inside] [--config FILE] [--port-offset N]";

enum { ADDRESS_MOST = 64, INTERFACE_MOST = 15 };

void firewall_add(struct firewall_config *f, struct firewall_need need)
{
    for (unsigned i = 0; i < f->count; i++) {
        const struct firewall_need *n = &f->needs[i];
        if (n->way == need.way && n->is_udp == need.is_udp && n->port == need.port
            && str_eq(n->to, need.to)) {
            return;
        }
    }
    if (f->count < FIREWALL_NEEDS_MOST) {
        f->needs[f->count++] = need;
    }
}

bool firewall_find_zones(const struct firewall_layout *l, const struct firewall_need *n,
                         enum firewall_zone *from, enum firewall_zone *to)
{
    switch (n->way) {
    case FIREWALL_CLIENT_TO_IMAP:
    case FIREWALL_CLIENT_TO_SUBMISSION: /* the edge takes these connections, too */
        *from = ZONE_OUTSIDE;
        *to = ZONE_DMZ;
        break;
    case FIREWALL_MTA_TO_SUBMISSION:
        *from = ZONE_OUTSIDE;
        *to = l->submission;
        break;
    case FIREWALL_SUBMISSION_TO_IMAP:
        *from = l->submission;
        *to = ZONE_DMZ;
        break;
    case FIREWALL_OUTWARD:
        *from = l->submission;
        *to = ZONE_OUTSIDE;
        break;
    case FIREWALL_AUTH_OUTWARD:
        *from = l->has_inside ? ZONE_INSIDE : ZONE_DMZ;
        *to = ZONE_OUTSIDE;
        break;
    case FIREWALL_LINK:
        *from = ZONE_DMZ;
        *to = l->has_inside ? ZONE_INSIDE : ZONE_DMZ;
        break;
    }
    return *from != *to;
}

struct str firewall_get_target(const struct firewall_layout *l, const struct firewall_need *n)
{
    switch (n->way) {
    case FIREWALL_CLIENT_TO_IMAP:
    case FIREWALL_CLIENT_TO_SUBMISSION:
    case FIREWALL_SUBMISSION_TO_IMAP:
        return l->imap;
    case FIREWALL_MTA_TO_SUBMISSION:
        return l->submissions;
    case FIREWALL_LINK:
        return l->stores.n > 0 ? l->stores : n->to;
    case FIREWALL_OUTWARD:
    case FIREWALL_AUTH_OUTWARD:
        break;
    }
    return STR_EMPTY;
}

/* What is printed between quotes and braces of a language must be what it seems. */
static bool is_interface(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && strchr("._-@", c) == NULL) {
            return false;
        }
    }
    return s.n <= INTERFACE_MOST;
}

static int check_addresses(const char *option, struct str list)
{
    while (list.n > 0) {
        char text[ADDRESS_MOST];
        unsigned char raw[sizeof(struct in6_addr)];
        struct str one = str_split(&list, ' ');
        (void)snprintf(text, sizeof(text), "%.*s", STR_ARG(one));
        if (one.n > 0 && inet_pton(AF_INET, text, raw) != 1
            && inet_pton(AF_INET6, text, raw) != 1) {
            return tool_fail(EXIT_USAGE, "%s: %s is not an IPv4 or IPv6 address", option, text);
        }
    }
    return EXIT_FINE;
}

static int check(const struct firewall_layout *l)
{
    static const char *const NAMES[] = {"--outside", "--dmz", "--inside"};
    for (unsigned i = 0; i < ZONE_COUNT; i++) {
        if (!is_interface(l->interfaces[i])) {
            return tool_fail(EXIT_USAGE, "%s: %.*s is no name of an interface", NAMES[i],
                             STR_ARG(l->interfaces[i]));
        }
    }
    if (!l->is_host
        && (l->interfaces[ZONE_DMZ].n == 0
            || (l->interfaces[ZONE_OUTSIDE].n == 0 && l->interfaces[ZONE_INSIDE].n == 0))) {
        return tool_fail(EXIT_USAGE, "which interfaces? --dmz, and --outside or --inside or both");
    }
    if (!l->has_inside && (l->interfaces[ZONE_INSIDE].n > 0 || l->submission == ZONE_INSIDE)) {
        return tool_fail(EXIT_USAGE, "only the layout dmz has an inside");
    }
    int code = check_addresses("--imap", l->imap);
    code = code == EXIT_FINE ? check_addresses("--submission", l->submissions) : code;
    return code == EXIT_FINE ? check_addresses("--store", l->stores) : code;
}

/* One of two words. */
static int choose(const char *option, const char *word, const char *const choices[2], bool *second)
{
    if (strcmp(word, choices[0]) != 0 && strcmp(word, choices[1]) != 0) {
        return tool_fail(EXIT_USAGE, "%s must be %s or %s", option, choices[0], choices[1]);
    }
    *second = strcmp(word, choices[1]) == 0;
    return EXIT_FINE;
}

int tool_firewall(int argc, char **argv, const struct firewall_config *config)
{
    const char *layout = "one-host";
    const char *zone = "dmz";
    const char *unused = NULL; /* what the caller has read */
    const char *text[6] = {NULL};
    struct tool_words words = {.most = 1};
    const struct tool_option options[] = {{"--layout", &layout, NULL},
                                          {"--submission-zone", &zone, NULL},
                                          {"--outside", &text[0], NULL},
                                          {"--dmz", &text[1], NULL},
                                          {"--inside", &text[2], NULL},
                                          {"--imap", &text[3], NULL},
                                          {"--submission", &text[4], NULL},
                                          {"--store", &text[5], NULL},
                                          {"--config", &unused, NULL},
                                          {"--port-offset", &unused, NULL},
                                          {NULL, NULL, NULL}};
    static const char *const LAYOUTS[] = {"one-host", "dmz"};
    static const char *const ZONES[] = {"dmz", "inside"};
    struct firewall_layout l = {.has_inside = false};
    bool is_submission_inside = false;
    int code = tool_parse(argc, argv, options, USAGE, &words);
    code = code == EXIT_FINE ? choose("--layout", layout, LAYOUTS, &l.has_inside) : code;
    code =
        code == EXIT_FINE ? choose("--submission-zone", zone, ZONES, &is_submission_inside) : code;
    if (code != EXIT_FINE) {
        return code;
    }
    if (words.count != 1
        || (strcmp(words.at[0], "print") != 0 && strcmp(words.at[0], "table") != 0)) {
        return tool_fail(EXIT_USAGE, "usage: %s", USAGE);
    }
    for (unsigned i = 0; i < ZONE_COUNT; i++) {
        l.interfaces[i] = str_from_c(text[i]);
    }
    l.imap = str_from_c(text[3]);
    l.submissions = text[4] != NULL ? str_from_c(text[4]) : l.imap;
    l.stores = str_from_c(text[5]);
    l.submission = is_submission_inside ? ZONE_INSIDE : ZONE_DMZ;
    bool is_table = strcmp(words.at[0], "table") == 0;
    l.is_host = is_table || (!l.has_inside && text[0] == NULL && text[1] == NULL);
    code = check(&l);
    if (code == EXIT_FINE) {
        (is_table ? firewall_print_table : firewall_print)(config, &l);
    }
    return code;
}
