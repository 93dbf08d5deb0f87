#ifndef LIMETTA_QUEUE_QUEUE_H
#define LIMETTA_QUEUE_QUEUE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"
#include "base/str.h"
#include "queue/spool.h"
#include "smtp/envelope.h"

#include <stdbool.h>
#include <stdint.h>

/* Messages that were accepted and are not yet delivered: an SQLite database and a folder of blobs. Changes gather in one
 * transaction until queue_commit(); what was committed survives every crash. One owner process. */
struct queue;

/* One recipient still to be served. */
struct queue_recipient {
    uint64_t id;
    struct mail_recipient to;
    uint32_t attempts;     /* failed ones so far */
    uint64_t next_ms;      /* Unix time of the next attempt */
    bool is_delay_told;    /* the sender has had a delay report */
    struct str last_reply; /* "451 4.3.0 text" or our own words; empty before the first attempt */
};

struct queue_message {
    uint64_t id;
    uint64_t arrived_ms; /* Unix time */
    uint64_t expires_ms;
    struct str return_path; /* empty: null */
    struct str envid;
    enum smtp_ret ret;
    struct mail_terms terms;
    enum content_kind kind;
    uint64_t size;
    struct str sender; /* who submitted it, for the log */
    struct str token;  /* for queue_add(); empty: none */
    struct queue_recipient *recipients;
    size_t recipient_count;
};

/* Opens or makes the queue in dir, and clears away blobs that belong to nothing. Errors: ERR_IN_USE, ERR_CORRUPT,
 * ERR_NO_SPACE, ERR_IO. */
MUST_USE enum err queue_open(struct str dir, struct queue **out);
/* Pending changes are dropped. */
void queue_close(struct queue **q);
/* A spool whose blobs land in the right folder. */
struct spool *queue_spool_new(const struct queue *q, uint64_t most);

/* Adds m with the octets of s (takes s on success, also on failure). m->id, kind, size and the recipients' ids are set by
 * the queue. With a token that came before, within QUEUE_TOKEN_LIFETIME_MS, nothing is added and m->id is 0: who is not sure, after a
 * crash, whether he added a message adds it again. Pending. Errors: ERR_NO_SPACE, ERR_IO. */
#define QUEUE_TOKEN_LIFETIME_MS (UINT64_C(30) * 24 * 3600 * 1000)
MUST_USE enum err queue_add(struct queue *q, struct queue_message *m, struct spool **s);
/* Notes the state of a recipient after an attempt (attempts, next_ms, is_delay_told, last_reply). Pending. */
MUST_USE enum err queue_update(struct queue *q, const struct queue_recipient *r);
/* The recipient is served or given up; with the last one the message goes. Pending. */
MUST_USE enum err queue_remove(struct queue *q, uint64_t message_id, uint64_t recipient_id);

/* Something that waits for the next commit. Embed it. */
struct queue_wait {
    struct list node;
    void (*on_commit)(struct queue_wait *w, enum err e);
};
void queue_wait_commit(struct queue *q, struct queue_wait *w);
void queue_wait_cancel(struct queue_wait *w);
bool queue_has_pending(const struct queue *q);
/* Makes pending changes durable, then calls the waits. On failure nothing of them happened; so it is, too, when one of the
 * changes had failed. */
enum err queue_commit(struct queue *q);

/* Names the account of a recipient that was added without one. Pending. */
MUST_USE enum err queue_set_user(struct queue *q, uint64_t recipient_id, struct str user);
/* Recipients of accounts here that wait for a later attempt are due at now_ms. Pending. */
MUST_USE enum err queue_hurry_local(struct queue *q, uint64_t now_ms);

/* Hears recipients that are due at now_ms, by message, oldest first, at most `most`; sees pending changes, too.
 * is_local: only those with an account here, or only the others. on_due must not change the queue. */
MUST_USE enum err queue_find_due(struct queue *q, bool is_local, uint64_t now_ms, unsigned most,
                                 void (*on_due)(void *owner, uint64_t message_id,
                                                uint64_t recipient_id),
                                 void *owner);
/* When the next recipient is due after now_ms; UINT64_MAX: none. */
MUST_USE enum err queue_get_next_ms(struct queue *q, uint64_t now_ms, uint64_t *out);
/* The message with all its recipients, copied into a. Errors: ERR_NOT_FOUND, ERR_IO, ERR_LIMIT. */
MUST_USE enum err queue_load(struct queue *q, struct arena *a, uint64_t id,
                             struct queue_message *out);
MUST_USE enum err queue_read(struct queue *q, uint64_t id, struct spool_reader **out);
/* Reads back a spool of queue_spool_new() that was not added; s must stay. Errors: ERR_NO_SPACE, ERR_IO. */
MUST_USE enum err queue_read_spool(struct queue *q, struct spool *s, struct spool_reader **out);
/* Appends a random token of 24 hex digits, for Message-ID, trace lines, boundaries. */
void queue_write_unique(struct buf *out);
/* Messages waiting. */
MUST_USE enum err queue_count(struct queue *q, uint64_t *out);

#endif
