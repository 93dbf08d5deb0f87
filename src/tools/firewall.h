#ifndef LIMETTA_TOOLS_FIREWALL_H
#define LIMETTA_TOOLS_FIREWALL_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* What a mail system asks of the firewalls between its parts and its users (RFC 5383, 6 and 7). */

/* Who connects to whom. Which zones that crosses is the layout's matter. */
enum firewall_way {
    FIREWALL_CLIENT_TO_IMAP,       /* C -> I */
    FIREWALL_CLIENT_TO_SUBMISSION, /* C -> S */
    FIREWALL_SUBMISSION_TO_IMAP,   /* S -> I: forwarding without download */
    FIREWALL_MTA_TO_SUBMISSION,    /* LMTP from mail servers in front */
    FIREWALL_OUTWARD,              /* from where mail leaves to everywhere */
    FIREWALL_AUTH_OUTWARD,         /* from where passwords are checked to who helps with it */
    FIREWALL_LINK                  /* edge and submission to auth and store */
};

/* One port that must be open one way. */
struct firewall_need {
    enum firewall_way way;
    bool is_udp;
    uint16_t port;
    struct str from; /* networks between spaces; empty: all that the zone holds */
    struct str to;   /* addresses, likewise, unless the command line says better */
    const char *why;
};

enum { FIREWALL_NEEDS_MOST = 256 };
struct firewall_config {
    struct firewall_need needs[FIREWALL_NEEDS_MOST];
    unsigned count;
    uint64_t timeout_s; /* a silent connection is to be remembered for at least so long */
};

/* Adds a need unless the same way, protocol, port and target is there, or there is no room. Strings are borrowed. */
void firewall_add(struct firewall_config *f, struct firewall_need need);

/* limetta firewall print|table; --config is accepted, and read by the caller. Returns an exit code. */
int tool_firewall(int argc, char **argv, const struct firewall_config *config);

#endif
