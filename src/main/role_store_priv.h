#ifndef LIMETTA_MAIN_ROLE_STORE_PRIV_H
#define LIMETTA_MAIN_ROLE_STORE_PRIV_H

/* What role_store.c (the process, its turns and links), role_store_sessions.c (what runs in it) and role_store_errands.c (what it has
 * others do) share. */
#include "convert/service.h"
#include "filter/events.h"
#include "filter/filter.h"
#include "imap/host.h"
#include "main/admission.h"
#include "main/boot.h"
#include "main/drain.h"
#include "main/far_desk.h"
#include "main/latencies.h"
#include "main/outbox_run.h"
#include "main/parked.h"
#include "main/peers.h"
#include "net/session_run.h"
#include "search/indexer.h"
#include "store/store.h"

struct store_role {
    struct loop *loop;
    struct boot *boot;
    struct store *store;
    struct admission admission;
    struct session_group *group;
    struct drain drain;
    struct parked *parked;
    struct timer *tick; /* housekeeping in the store */
    bool is_ticking;    /* the timer runs */
    struct indexer *indexer;
    struct timer *index; /* the next slice of indexing */
    bool is_indexing;    /* the timer runs */
    struct imap_host imap_host;
    struct peers peers;
    struct far_desk far;
    struct convert_service *convert;
    struct outbox_run *outbox;
    struct filter *filter;
    struct filter_events *events; /* what IMAP sessions did that scripts are to hear of */
    struct timer *event;          /* the next slice of that */
    struct timer *metrics;
    struct latencies latencies;
    struct buf sieve_url; /* where ManageSieve listens, for IMAP sessions to tell */
};

/* Unix time in ms; owner: the role, as in all callbacks below. */
uint64_t store_role_wall_ms(void *owner);
/* The largest message that is delivered, in octets; 0: any. It may be larger than one submitted or appended: header lines were added on
 * the way. */
uint64_t store_role_get_delivered_most(const struct store_role *r);

/* ---- role_store_sessions.c ---- */

/* Fills r->imap_host but for what errands add. */
void store_role_init_sessions(struct store_role *r);
/* For the link handler: a session begins. */
void store_role_on_open(void *owner, struct link *l, struct str head, struct stream *s);
/* For admission: a session goes on. */
enum err store_role_resume(void *owner, struct link *l, const struct fields *head,
                           struct session_runner *runner, const struct kept_state *k);
/* For the link handler: a session that another worker has in an account of ours goes on, or sleeps there and is to be woken. */
void store_role_resume_peer(struct store_role *r, const struct link *l, struct str head,
                            struct str state, struct stream *s);
void store_role_park_peer(struct store_role *r, struct link *l, uint32_t id, struct str head,
                          struct str state);

/* ---- role_store_errands.c ---- */

/* Begins to carry mail to submit, and to have parts converted. When there are a store and peers. */
void store_role_start_errands(struct store_role *r);
/* Fine without the start, too. */
void store_role_release_errands(struct store_role *r);
/* User may have something to send. */
void store_role_on_outgoing(void *owner, struct str user);
/* A link to convert is there: asks what it can do. */
void store_role_ask_tools(struct store_role *r, struct link *l);

#endif
