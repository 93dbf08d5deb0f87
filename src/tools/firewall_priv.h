#ifndef LIMETTA_TOOLS_FIREWALL_PRIV_H
#define LIMETTA_TOOLS_FIREWALL_PRIV_H

#include "tools/firewall.h"

/* What the files of `limetta firewall` share: the deployment as the command line describes it. */

enum firewall_zone { ZONE_OUTSIDE, ZONE_DMZ, ZONE_INSIDE, ZONE_COUNT };

struct firewall_layout {
    bool has_inside; /* layout dmz: auth and store stand behind a second firewall */
    bool is_host;    /* the rules are for the mail host itself, not for a machine that forwards */
    enum firewall_zone submission; /* where it runs: ZONE_DMZ or ZONE_INSIDE */
    struct str interfaces
        [ZONE_COUNT]; /* of the machine that forwards; empty: it does not touch this zone */
    struct str imap;  /* addresses between spaces; empty: whoever is in the zone */
    struct str submissions;
    struct str stores;
};

/* Which zones a need crosses; false when none: it stays within one. */
bool firewall_find_zones(const struct firewall_layout *l, const struct firewall_need *n,
                         enum firewall_zone *from, enum firewall_zone *to);
/* The addresses that it leads to; empty: all of the zone. */
struct str firewall_get_target(const struct firewall_layout *l, const struct firewall_need *n);

/* Rules for nft(8) on standard output. */
void firewall_print(const struct firewall_config *c, const struct firewall_layout *l);
/* The same as rows of a Markdown table, for people. */
void firewall_print_table(const struct firewall_config *c, const struct firewall_layout *l);

#endif
