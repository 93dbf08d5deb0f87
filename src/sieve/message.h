#ifndef LIMETTA_SIEVE_MESSAGE_H
#define LIMETTA_SIEVE_MESSAGE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "sieve/run.h"

#include <stdbool.h>
#include <stdint.h>

/* For insiders of the room: the message as a script sees it: its header with what the script did to it (RFC 5293). */

struct sieve_run;
struct sieve_node;
struct shape;

struct sieve_field {
    struct str name;
    struct str value;  /* behind the colon, folded as it stands */
    struct str octets; /* the whole field with its line ends */
};

struct sieve_message {
    bool is_read;
    struct sieve_field *fields; /* in the run's arena */
    uint32_t count;
    uint32_t size;
    size_t header_size; /* of the stored header, with its empty line */
    bool has_body;      /* there is an empty line */
    uint64_t added;     /* octets that the script added */
    bool is_edited;
    bool is_written; /* written holds the edited header */
    struct str written;
    const struct shape *shape;
};

/* Reads the header, when that was not done. Errors: the script's (memory). */
MUST_USE enum err sieve_message_read(struct sieve_run *r);
/* The edited header as octets, with its empty line; lives as long as the result. */
MUST_USE enum err sieve_message_write(struct sieve_run *r, struct str *out);
/* The message's shape: of what was stored. */
MUST_USE enum err sieve_message_get_shape(struct sieve_run *r, const struct shape **out);

/* The fields that a test means: those called one of the names, name by name; with :index the one of them that it counts to, from
 * either end (RFC 5260, 6). */
struct sieve_fields {
    struct sieve_strings names;
    bool is_indexed;
    bool is_last;
    uint64_t index;  /* 1-based */
    uint32_t name;   /* being looked for */
    uint32_t at;     /* next field to look at */
    uint64_t looked; /* names that were compared */
};
/* names: borrowed. n: the test, for its :index and :last. */
struct sieve_fields sieve_fields_make(const struct sieve_strings *names,
                                      const struct sieve_node *n);
/* The next one; NULL: there is none any more. */
const struct sieve_field *sieve_fields_next(const struct sieve_run *r, struct sieve_fields *f);
/* Counts the steps that looking took. Errors: the script's. */
MUST_USE enum err sieve_fields_spend(struct sieve_run *r, const struct sieve_fields *f);
/* The first field called name; NULL: none. */
const struct sieve_field *sieve_message_find(const struct sieve_run *r, struct str name);

enum { SIEVE_FIELDS_A_STEP = 4 }; /* that are looked at for their name */
/* The steps that sieve_field_write_text() takes. */
uint64_t sieve_field_count_steps(const struct sieve_field *f);
/* Appends what a field says: unfolded, without white space around it, encoded words decoded to UTF-8. */
void sieve_field_write_text(const struct sieve_field *f, struct buf *out);

#endif
