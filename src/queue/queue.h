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

/* Two destinations are ours: of what has none yet, and of what the operator holds back. */
enum { QUEUE_UNSORTED = 1, QUEUE_HELD = 2 };

/* One recipient still to be served. */
struct queue_recipient {
    uint64_t id;
    struct mail_recipient to;
    uint32_t attempts; /* failed ones so far */
    uint64_t next_ms;  /* Unix time of the next attempt */
    uint64_t tell_ms; /* Unix time at which the sender is to be told something, or it is given up */
    bool is_delay_told;    /* the sender has had a delay report */
    bool is_by_told;       /* the sender was told that its own time (DELIVERBY) is over */
    bool is_deferred;      /* the row, as it was read, had attempts */
    struct str last_reply; /* "451 4.3.0 text" or our own words; empty before the first attempt */
    struct str last_host;  /* who said that; empty: we did, or a store worker */
    uint64_t destination;  /* whose line it stands in */
    struct str via;        /* the aliases that it came out of, between spaces; empty: none */
};

struct queue_message {
    uint64_t id;
    uint64_t arrived_ms;    /* Unix time */
    uint64_t expires_ms;    /* given up then; 0 in queue_add(): by the rules */
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

/* A destination: a store worker, a next hop, the look-up of an account. Its recipients wait in one line. */
struct queue_destination {
    uint64_t id;
    struct str key;    /* what it is, in words of the runner */
    uint32_t failures; /* in a row; 0: fine */
    uint64_t wait_ms;  /* until then nothing is tried (Unix time) */
    struct str reply;  /* why; only where a function says so */
};

struct queue_counts {
    uint64_t messages;
    uint64_t octets;
    uint64_t recipients;
    uint64_t held;     /* recipients */
    uint64_t deferred; /* recipients that were tried in vain */
};

/* What the queue asks when a recipient joins. Without rules it is unsorted, and its sender hears at expires_ms. */
struct queue_rules {
    void (*write_key)(void *owner, const struct mail_recipient *to, struct buf *key);
    uint64_t (*get_tell_ms)(void *owner, const struct queue_message *m,
                            const struct queue_recipient *r);
    uint64_t lifetime_ms; /* of messages that come without expires_ms, from arrival or release */
    void *owner;
};

/* Opens or makes the queue in dir, in a time that does not depend on how much is in it. Errors: ERR_IN_USE, ERR_CORRUPT (also: made by a
 * newer program), ERR_NO_SPACE, ERR_IO. */
MUST_USE enum err queue_open(struct str dir, struct queue **out);
/* Clears away blobs that belong to nothing, looking at `most` of them; true: there are more to look at. */
bool queue_sweep(struct queue *q, unsigned most);
/* Copied; NULL: none. */
void queue_set_rules(struct queue *q, const struct queue_rules *rules);
/* Pending changes are dropped. */
void queue_close(struct queue **q);
/* A spool whose blobs land in the right folder. */
struct spool *queue_spool_new(const struct queue *q, uint64_t most);

/* Adds m with the octets of s (takes s on success, also on failure). m->id, kind, size and the recipients' ids are set by
 * the queue. With a token that came before, within QUEUE_TOKEN_LIFETIME_MS, nothing is added and m->id is 0: who is not sure, after a
 * crash, whether he added a message adds it again. Pending. Errors: ERR_NO_SPACE, ERR_IO. */
#define QUEUE_TOKEN_LIFETIME_MS (UINT64_C(30) * 24 * 3600 * 1000)
MUST_USE enum err queue_add(struct queue *q, struct queue_message *m, struct spool **s);
/* Adds a recipient to a message that is there; r->id is set. Pending. */
MUST_USE enum err queue_add_recipient(struct queue *q, const struct queue_message *m,
                                      struct queue_recipient *r);
/* Notes the state of a recipient (attempts, next_ms, tell_ms, is_delay_told, is_by_told, last_reply, last_host). Pending. */
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
/* Moves the recipient (its id and destination count) into the line of key. Pending. */
MUST_USE enum err queue_sort(struct queue *q, const struct queue_recipient *r, struct str key);
/* The destination has failed so often and is left alone until until_ms; 0, 0: it is fine. reply: why. Pending. */
MUST_USE enum err queue_set_wait(struct queue *q, uint64_t destination, uint32_t failures,
                                 uint64_t until_ms, struct str reply);
/* The destination of that key waits no longer. Pending. */
MUST_USE enum err queue_end_wait(struct queue *q, struct str key);
/* Holds back a message: nothing happens to it; count: recipients that changed. Pending. */
MUST_USE enum err queue_hold(struct queue *q, uint64_t message_id, uint64_t *count);
/* Lets it go again. What its time says is looked at QUEUE_GRACE_MS later, so that it is tried first. Pending. */
enum { QUEUE_GRACE_MS = 60 * 1000 };
MUST_USE enum err queue_release(struct queue *q, uint64_t message_id, uint64_t now_ms,
                                uint64_t *count);
/* The message's recipients that wait for a later attempt are due at now_ms, and their destinations wait no longer; count likewise.
 * Pending. */
MUST_USE enum err queue_flush(struct queue *q, uint64_t message_id, uint64_t now_ms,
                              uint64_t *count);
/* All recipients of the message are due at next_ms, not before. Pending. */
MUST_USE enum err queue_postpone(struct queue *q, uint64_t message_id, uint64_t next_ms,
                                 uint64_t *count);

/* Hears at most `most` destinations whose line has somebody due at now_ms and that do not wait, longest due first. The key is
 * borrowed for the call. on_destination must not use the queue. */
MUST_USE enum err queue_find_destinations(struct queue *q, uint64_t now_ms, unsigned most,
                                          void (*on_destination)(void *owner,
                                                                 const struct queue_destination *d),
                                          void *owner);
/* The same of those whose keys begin with prefix (not empty): they are found however many others are due. */
MUST_USE enum err
queue_find_named(struct queue *q, struct str prefix, uint64_t now_ms, unsigned most,
                 void (*on_destination)(void *owner, const struct queue_destination *d),
                 void *owner);
/* Hears at most `most` destinations that wait after failures, with reply; those that are over soonest first. */
MUST_USE enum err queue_find_waiting(struct queue *q, unsigned most,
                                     void (*on_destination)(void *owner,
                                                            const struct queue_destination *d),
                                     void *owner);
/* One destination, with reply, copied into a. Errors: ERR_NOT_FOUND, ERR_IO. */
MUST_USE enum err queue_load_destination(struct queue *q, struct arena *a, uint64_t id,
                                         struct queue_destination *out);
/* Hears the first recipients of a line that are due at now_ms, at most `most`: higher priority first, then longest due; pending
 * changes count. on_due must not use the queue. */
MUST_USE enum err
queue_find_due(struct queue *q, uint64_t destination, uint64_t now_ms, unsigned most,
               void (*on_due)(void *owner, uint64_t message_id, uint64_t recipient_id),
               void *owner);
/* The same by tell_ms, over all lines. */
MUST_USE enum err queue_find_tell(struct queue *q, uint64_t now_ms, unsigned most,
                                  void (*on_due)(void *owner, uint64_t message_id,
                                                 uint64_t recipient_id),
                                  void *owner);
/* When something is next due, or to be told, after now_ms; UINT64_MAX: never. */
MUST_USE enum err queue_get_next_ms(struct queue *q, uint64_t now_ms, uint64_t *out);
/* The message with all its recipients, copied into a. Errors: ERR_NOT_FOUND, ERR_IO, ERR_LIMIT. */
MUST_USE enum err queue_load(struct queue *q, struct arena *a, uint64_t id,
                             struct queue_message *out);
/* How many recipients it has left; 0: there is no such message. */
MUST_USE enum err queue_count_recipients(struct queue *q, uint64_t id, size_t *out);
/* With its first recipients only. */
MUST_USE enum err queue_load_some(struct queue *q, struct arena *a, uint64_t id, size_t most,
                                  struct queue_message *out);
/* With those of its recipients that stand in one line and are due at now_ms, at most `most`. */
struct queue_line {
    uint64_t message_id;
    uint64_t destination;
    uint64_t now_ms;
};
MUST_USE enum err queue_load_due(struct queue *q, struct arena *a, const struct queue_line *line,
                                 size_t most, struct queue_message *out);
/* With those whose tell_ms has come. */
MUST_USE enum err queue_load_tell(struct queue *q, struct arena *a, uint64_t id, uint64_t now_ms,
                                  size_t most, struct queue_message *out);
/* The ids of the messages behind `after`, ascending, at most `most` (room in ids). */
MUST_USE enum err queue_find_messages(struct queue *q, uint64_t after, unsigned most, uint64_t *ids,
                                      unsigned *count);
MUST_USE enum err queue_read(struct queue *q, uint64_t id, struct spool_reader **out);
/* Reads back a spool of queue_spool_new() that was not added; s must stay. Errors: ERR_NO_SPACE, ERR_IO. */
MUST_USE enum err queue_read_spool(struct queue *q, struct spool *s, struct spool_reader **out);
/* Appends a random token of 24 hex digits, for Message-ID, trace lines, boundaries. */
void queue_write_unique(struct buf *out);
/* How much there is, pending changes included; kept, not counted. */
struct queue_counts queue_get_counts(const struct queue *q);
/* When the oldest message arrived; UINT64_MAX: there is none. */
MUST_USE enum err queue_get_oldest_ms(struct queue *q, uint64_t *out);

/* A sender's messages that wait for their release (RFC 4865). */
struct queue_held_range {
    struct str sender;
    uint64_t now_ms; /* those whose release is later */
    uint64_t after;  /* those with a larger id */
};
/* Their ids, ascending, at most `most` (room in ids). */
MUST_USE enum err queue_find_held(struct queue *q, const struct queue_held_range *range,
                                  unsigned most, uint64_t *ids, unsigned *count);
/* How many they are (range->after does not matter), and their octets. */
MUST_USE enum err queue_sum_held(struct queue *q, const struct queue_held_range *range,
                                 uint64_t *messages, uint64_t *octets);

#endif
