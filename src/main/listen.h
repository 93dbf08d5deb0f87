#ifndef LIMETTA_MAIN_LISTEN_H
#define LIMETTA_MAIN_LISTEN_H

#include "base/str.h"
#include "base/vec.h"
#include "net/link.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The listening sockets: opened by the supervisor, which may have the right to low ports, used by the edge and by submit. */
struct listening {
    const char *name; /* "imap", "submission", "sieve", "lmtp", "link", "queue", "control" */
    enum link_role role;
    int fd;
    char *path; /* of a Unix socket, to be removed in the end; or NULL */
};

struct listenings {
    VEC(struct listening) all;
};

enum {
    PORT_LMTP = 24,
    PORT_IMAP = 143,
    PORT_SUBMISSION = 587,
    PORT_SIEVE = 4190,
    PORT_METRICS = 9143,
    PORT_LINK = 9144,
    PORT_OFFSET_MOST = 56000,
    LISTEN_BACKLOG = 4096
};

/* Opens all services on each of addresses (separated by spaces; empty: all of IPv4 and IPv6), at their standard port plus
 * offset (RFC 5383, 3). An IPv6 that this host does not have is passed over when nobody asked for it by name.
 * Returns an exit code after one clear line on standard error. */
int listen_open(struct str addresses, unsigned offset, struct listenings *out);
/* The LMTP port plus offset on each of addresses (none when empty), and the Unix socket at path (none when empty) with mode
 * (octal digits) and group (empty: as it comes). is_default: the path is our own choice, so one that is too long for a
 * socket is only passed over. Adds to out. Returns an exit code likewise. */
struct listen_lmtp {
    struct str addresses;
    unsigned offset;
    struct str path;
    bool is_default;
    struct str mode;
    struct str group;
};
int listen_open_lmtp(const struct listen_lmtp *l, struct listenings *out);
/* The port for other hosts of the system plus offset on each of addresses, for the gate. Adds to out. Returns an exit code likewise. */
int listen_open_link(struct str addresses, unsigned offset, struct listenings *out);
/* A socket at path at which a desk (main/desk.h) serves tools, for uid when we are root. Adds to out. Returns an exit code likewise. */
struct listen_desk {
    const char *name; /* "queue": submit's; "control": the supervisor's */
    struct str path;
    uid_t uid;
    gid_t gid;
};
int listen_open_desk(const struct listen_desk *l, struct listenings *out);
/* Takes the socket of that name for ourselves; -1: there is none. Its path is removed with the others. */
int listen_take(struct listenings *l, const char *name);
/* The metrics port on 127.0.0.1, plus offset. Returns an exit code likewise. */
int listen_open_metrics(unsigned offset, int *fd);
void listen_close(struct listenings *l);

#endif
