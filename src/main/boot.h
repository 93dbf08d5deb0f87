#ifndef LIMETTA_MAIN_BOOT_H
#define LIMETTA_MAIN_BOOT_H

#include "base/err.h"
#include "base/str.h"
#include "net/link.h"
#include "net/loop.h"

#include <stdbool.h>

/* How a role starts. The supervisor reads the configuration, opens what needs rights, then forks and execs
 * limetta-edge, -auth, -verify, -store, -submit, -convert or -gate with a control socket (SOCK_SEQPACKET) as descriptor 3. Over it
 * come, in this order: settings, listening sockets, "start"; later: links to peers (a new one replaces the old one of
 * the same peer), settings with new values and "start" again, a new place for the log, "stop". So a role needs no
 * configuration parser, no paths and no rights of its own. */
struct boot;

/* Who is at the other end of a link. */
struct boot_peer {
    enum link_role role;
    unsigned index;
    struct str
        name; /* of its host: "local", or as its link certificate says; borrowed for the call */
    int fd;   /* the callee's */
};

struct boot_handler {
    /* A link to a peer role is there (the first, or a new one after the peer restarted). */
    void (*on_peer)(void *owner, const struct boot_peer *peer);
    /* Stop in good order, then loop_stop(). Also called when the supervisor died. */
    void (*on_stop)(void *owner);
    /* Settings have new values (limetta reload); what was borrowed of these is gone. NULL: the role takes none. */
    void (*on_settings)(void *owner);
    /* The operator ends the sessions of user (main/kick_round.h); answer with boot_send_kicked(id). service: the word "all", or which.
     * NULL: not a role's business. */
    void (*on_kick)(void *owner, unsigned id, struct str service, struct str user);
};

/* How a role's main() begins: receives from CONTROL_CHILD_FD, and starts the log by settings role, index and log_level: "auth", "store.3",
 * which the log borrows until boot_free(). What fails is logged, for the role as it is named here. Errors: those of boot_receive(). */
MUST_USE enum err boot_begin(const char *role, struct boot **out);
/* Blocks until "start". Errors: ERR_SYNTAX, ERR_IO. */
MUST_USE enum err boot_receive(int control_fd, struct boot **out);
void boot_free(struct boot **b);
/* A setting, as a string; empty when the supervisor did not give it. Borrowed. Keys: see docs/architecture.md. */
struct str boot_get(const struct boot *b, struct str key);
/* A number setting; fallback when absent. */
uint64_t boot_get_u64(const struct boot *b, struct str key, uint64_t fallback);
unsigned boot_get_index(const struct boot *b); /* which of several instances we are */
/* Listening sockets: name ("imap", "submission", "sieve", "lmtp", "queue", "link"). Start with *at = 0; the callee takes fd. */
bool boot_next_listener(struct boot *b, size_t *at, struct str *name, int *fd);
/* Our part of GET /metrics from now on: families of OpenMetrics text named limetta_..., at most CONTROL_VALUE_MOST
 * octets. */
void boot_send_metrics(struct boot *b, struct str text);
enum { BOOT_METRICS_MS = 2000 }; /* how often a role says what changes */
/* The gate's: peer is at the other end of a link for one of our roles; the supervisor hands it over, or closes it.
 * Copies the descriptor. */
MUST_USE enum err boot_send_join(struct boot *b, enum link_role role, unsigned index,
                                 const struct boot_peer *peer);
/* What came of it: a message of at most CONTROL_PART_MOST octets. */
void boot_send_kicked(struct boot *b, unsigned id, struct str report);
/* Hears peers and stop from now on. */
void boot_attach(struct boot *b, struct loop *l, const struct boot_handler *h, void *owner);

/* Gives up every right that the role does not need: rlimits, user and groups (when root), no_new_privs, Landlock,
 * seccomp; confine.c has one line a role that says what is kept. Call after boot_receive() and after opening files,
 * before the first peer octet. dir: the one folder it may still use (auth, store, submit: theirs; convert:
 * that of the programs it runs), or empty. Errors: ERR_IO. */
MUST_USE enum err confine(const struct boot *b, enum link_role role, struct str dir);

#endif
