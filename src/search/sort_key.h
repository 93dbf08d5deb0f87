#ifndef LIMETTA_SEARCH_SORT_KEY_H
#define LIMETTA_SEARCH_SORT_KEY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "mime/collate.h"
#include "mime/shape.h"
#include "store/store.h"
#include "store/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* By what messages are ordered (RFC 5256, BASE.6.4.SORT; RFC 5957 for the DISPLAY kinds). */
enum sort_kind {
    SORT_RELEVANCY, /* the highest score first (RFC 6203, 6) */
    SORT_ARRIVAL,
    SORT_SIZE,
    SORT_DATE, /* the internal date when there is no readable Date: field */
    SORT_CC,   /* the local part of the first address */
    SORT_FROM,
    SORT_TO,
    SORT_DISPLAYFROM, /* the name of the first address, else the address */
    SORT_DISPLAYTO,
    SORT_SUBJECT /* base subject */
};

struct sort_criterion {
    enum sort_kind kind;
    bool is_reverse;
};

enum { SORT_CRITERIA_MOST = 32, SORT_STRING_MOST = 512 };

struct sort_program {
    struct sort_criterion at[SORT_CRITERIA_MOST];
    size_t count;
};

/* Makes the sort keys of messages: octets whose memcmp() order is the program's order. Strings count with the first
 * SORT_STRING_MOST octets of their collation keys. */
struct sort_keys {
    const struct sort_program *program; /* borrowed */
    struct account *account;            /* borrowed */
    const uint8_t
        *scores;      /* by sequence number, for SORT_RELEVANCY; NULL: all are alike; borrowed */
    bool has_strings; /* some criterion needs the envelope */
    uint64_t
        work; /* what the keys written so far took, in units of search/run.h's budget; the caller may set it back */
    struct arena *arena;
    struct buf text;
    struct collate collate;
};

void sort_keys_init(struct sort_keys *k, struct account *a, const struct sort_program *program);
void sort_keys_release(struct sort_keys *k);
/* Appends the key of message seq of v. A message that is gone from the disk sorts as if it had no header. Errors:
 * ERR_IO, ERR_CORRUPT. */
MUST_USE enum err sort_keys_write(struct sort_keys *k, struct view *v, struct seq seq,
                                  struct buf *out);
/* The envelope of a body, in arena and borrowing until the next call on the account; one without fields when the body is gone.
 * *octets: of its shape, which is what it costs. Errors: ERR_IO, ERR_CORRUPT, ERR_LIMIT. */
MUST_USE enum err sort_read_envelope(struct arena *arena, struct account *a, uint64_t body_id,
                                     struct envelope *out, size_t *octets);
/* As view_get(), but a message that is gone is ERR_OK, with what is known of it. */
MUST_USE enum err sort_read_message(struct view *v, struct seq seq, struct message *out);
/* The sent date of RFC 5256, 2.2. */
int64_t sort_get_date(const struct message *m, const struct envelope *e);

#endif
