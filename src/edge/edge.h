#ifndef LIMETTA_EDGE_EDGE_H
#define LIMETTA_EDGE_EDGE_H

#include "base/str.h"
#include "edge/dialogue.h"
#include "edge/limits.h"
#include "net/link.h"
#include "net/loop.h"
#include "net/stream.h"
#include "net/ticket.h"
#include "net/tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* The front of the house: talks to clients until they are logged in, then passes octets between them and the role that
 * has their session. Holds connections, TLS and limits; no mail, no verifiers, no keys but TLS's. */
struct edge;

/* PLAIN and LOGIN without TLS. */
enum edge_plaintext { EDGE_PLAINTEXT_NEVER, EDGE_PLAINTEXT_LOOPBACK, EDGE_PLAINTEXT_ALWAYS };

enum { EDGE_WORKERS_MOST = 1024 };

/* Copied; strings and tls_context are borrowed for the edge's life. */
struct edge_settings {
    struct str hostname;
    enum tls_policy tls;
    struct tls_context *tls_context; /* NULL: no certificate */
    enum edge_plaintext plaintext;
    bool has_tokens;       /* OAUTHBEARER and XOAUTH2 are offered */
    bool is_without_scram; /* SCRAM is not */
    unsigned workers;      /* store workers, at most EDGE_WORKERS_MOST */
    uint64_t message_most;
    struct dialogue_sieve sieve;
    uint64_t recipients_most; /* of one message, for EHLO's LIMITS */
    uint64_t hold_most_s;     /* for EHLO's FUTURERELEASE; 0: not offered */
    uint64_t second_ms;       /* the length of a second of the idle rules */
    bool is_adaptive;         /* keep-alives are shortened for networks that forget earlier */
    struct str heartbeats;    /* users who are to hear something more often (wire/heartbeats.h) */
    struct str heartbeat_clients; /* the same, of clients */
    uint64_t login_timeout_ms;    /* without a command, before login */
    uint64_t
        max_idle_ms; /* an IMAP session says something before it was silent for so long; 0: it does not */
    uint64_t
        idle_timeout_ms; /* without an octet, in an IMAP or a ManageSieve session; more than max_idle_ms */
    uint64_t submission_timeout_ms; /* the same, in a submission session */
    /* How long a client that wants something waits for a worker that died. */
    uint64_t resume_wait_ms;
    size_t connections_most; /* all */
    size_t strangers_most;   /* of these, not logged in */
    struct str
        limits_exempt; /* networks (net/network.h) that the bounds by place are not for; borrowed */
    struct limits_bounds per_address;
    struct limits_bounds per_prefix;
    uint64_t login_time_ms;     /* from the greeting to the login, in all; 0: any */
    uint64_t login_octets_most; /* that a stranger may say in all */
    unsigned handshakes_second; /* TLS handshakes begun in a second; 0: any number */
};

/* What may change while it runs: TLS for those who come from now on (copied; the context is borrowed), and the bound of connections. */
struct edge_again {
    enum tls_policy tls;
    struct tls_context *tls_context;
    size_t connections_most;
};

struct edge *edge_new(struct loop *l, const struct edge_settings *s);
/* Connections that are there keep their TLS, and their place. */
void edge_set_again(struct edge *e, const struct edge_again *a);
/* Drops all connections and links. */
void edge_free(struct edge **e);

/* A link to auth, submit or a store worker, over s (taken); replaces the one that was there. */
void edge_add_peer(struct edge *e, enum link_role role, unsigned index, struct stream *s);
/* A client connected (s is taken). service: any but SERVICE_ACAP. */
void edge_accept(struct edge *e, enum service service, struct stream *s,
                 const struct sockaddr_storage *peer, const struct sockaddr_storage *local);
/* The system has no descriptors left: some strangers go, those that have been silent for longest. False: there are none. */
bool edge_note_no_descriptors(struct edge *e);
size_t edge_get_count(const struct edge *e);

/* Why a stranger was turned away, or sent away. */
enum edge_shed {
    SHED_ADDRESS,     /* his address or prefix has too many connections */
    SHED_OFTEN,       /* it begins too many */
    SHED_OCTETS,      /* it says too much, or he did */
    SHED_FAILURES,    /* too many of its logins failed */
    SHED_FULL,        /* everybody here is logged in */
    SHED_IDLE,        /* he was silent for longest, and room was needed */
    SHED_LATE,        /* he did not log in in time */
    SHED_DESCRIPTORS, /* silent for longest, and the system had no descriptors left */
    SHED_REASONS
};
/* The word for metrics. */
const char *edge_get_shed_name(enum edge_shed why);

enum edge_handshake { EDGE_TLS_FULL, EDGE_TLS_RESUMED, EDGE_TLS_FAILED, EDGE_HANDSHAKES };

/* Of a service's connections, and of all. Counters are since the start. */
struct edge_counts {
    struct edge_count {
        size_t strangers; /* not logged in, now */
        size_t sessions;  /* logged in, now, the parked ones, too */
        size_t parked;    /* of these, kept here alone */
        uint64_t logins;  /* sessions since the start */
    } of[SERVICE_ACAP];   /* by enum service */
    uint64_t keepalives;
    uint64_t wakeups; /* parked sessions that went on, whoever woke them */
    uint64_t resumes; /* sessions that went on in another process */
    uint64_t resumes_refused;
    uint64_t resumes_late; /* their process did not come back in time */
    uint64_t octets_in;    /* of clients, without TLS and DEFLATE */
    uint64_t octets_out;   /* to them, likewise */
    uint64_t shed[SHED_REASONS];
    uint64_t handshakes[EDGE_HANDSHAKES];
};
struct edge_counts edge_get_counts(const struct edge *e);
/* Says good-bye to everybody. The last words leave when the loop runs on. */
void edge_say_bye(struct edge *e);

#endif
