#ifndef LIMETTA_SIEVE_MESSAGE_H
#define LIMETTA_SIEVE_MESSAGE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

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

/* Which of the fields with one name a test means (RFC 5260, 6): all, or one counted from either end. */
struct sieve_index {
    bool is_given;
    bool is_last;
    uint64_t number; /* 1-based */
};
struct sieve_index sieve_index_of(const struct sieve_node *n);

/* Walks the fields called name: start with *at = 0; NULL at the end. */
const struct sieve_field *sieve_message_next(const struct sieve_run *r, struct str name,
                                             const struct sieve_index *index, uint32_t *at);
/* Appends what a field says: unfolded, without white space around it, encoded words decoded to UTF-8. */
void sieve_field_write_text(const struct sieve_field *f, struct buf *out);

#endif
