#ifndef LIMETTA_SIEVE_LEX_H
#define LIMETTA_SIEVE_LEX_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

/* For insiders of the room: the tokens of a script (RFC 5228, 8.1). */

enum sieve_token_kind {
    SIEVE_TOKEN_END,
    SIEVE_TOKEN_IDENTIFIER,
    SIEVE_TOKEN_TAG,    /* text: without the colon */
    SIEVE_TOKEN_NUMBER, /* number: with its quantifier multiplied in */
    SIEVE_TOKEN_STRING, /* text: what it means, quoting and dot-stuffing undone */
    SIEVE_TOKEN_MARK,   /* text: one of [ ] ( ) { } , ; */
    SIEVE_TOKEN_BAD     /* problem says why; the next token is bad, too */
};

struct sieve_token {
    enum sieve_token_kind kind;
    uint32_t line; /* where it begins */
    struct str text;
    uint64_t number;
};

struct sieve_lex {
    struct arena *arena; /* strings with quoting live here; others borrow from s */
    struct str s;
    size_t at;
    uint32_t line;
    const char *problem; /* static text */
};

static inline struct sieve_lex sieve_lex_make(struct arena *a, struct str s)
{
    return (struct sieve_lex){.arena = a, .s = s, .line = 1};
}

/* The next token. */
struct sieve_token sieve_lex_next(struct sieve_lex *l);

#endif
