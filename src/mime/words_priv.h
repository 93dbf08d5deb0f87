#ifndef LIMETTA_MIME_WORDS_PRIV_H
#define LIMETTA_MIME_WORDS_PRIV_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

/* Encoded words one by one, for the files of this room only. */
struct word {
    struct str charset;
    struct str language; /* RFC 2231, 5; empty: none */
    struct str text;
    bool is_q;
    size_t size; /* octets of the whole word */
};

/* Reads an encoded word at the start of s ("=?"); false when there is none. */
bool word_find(struct str s, struct word *out);
/* Appends the word's octets, in its charset. */
void word_decode(const struct word *w, struct buf *out);

#endif
