#ifndef LIMETTA_MAIN_METRICS_H
#define LIMETTA_MAIN_METRICS_H

#include "base/buf.h"
#include "net/link.h"
#include "net/loop.h"

#include <stdbool.h>
#include <sys/types.h>

/* GET /metrics on a loopback port, in OpenMetrics text 1.0, for whoever watches this host. */
struct metrics;

enum { METRICS_REQUEST_MOST = 4096, METRICS_CONNECTIONS_MOST = 16, METRICS_TIMEOUT_MS = 10 * 1000 };

/* fd: a listening socket (taken). write: appends the body when somebody asks. */
struct metrics *metrics_new(struct loop *l, int fd, void (*write)(void *owner, struct buf *out),
                            void *owner);
void metrics_free(struct metrics **m);

/* Resident octets of a process, 0 when it is gone. */
uint64_t metrics_get_resident(pid_t pid);
/* What is known of one role's process. pid 0: not running. */
struct metrics_role {
    enum link_role role;
    unsigned index;
    pid_t pid;
    bool is_ready;
    uint64_t restarts;
    struct str text; /* its own families; empty: none */
};
/* Is text nothing but lines of OpenMetrics whose names begin with limetta_? A role is not believed to write others. */
bool metrics_is_text(struct str text);
/* Appends the families of all roles, and "# EOF". */
void metrics_write_roles(struct buf *out, const struct metrics_role *roles, size_t count,
                         uint64_t start_wall_ms);

/* The whole HTTP answer to a request's octets; false: the head is not complete yet. body is called for GET /metrics only. */
bool metrics_answer(struct str request, void (*write)(void *owner, struct buf *out), void *owner,
                    struct buf *out);

#endif
