#ifndef LIMETTA_MIME_LEX_H
#define LIMETTA_MIME_LEX_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

/* A cursor over one unfolded header field value: the lexical tokens of RFC 5322, 3.2, read tolerantly.
 * Nothing here fails: what breaks the grammar is read as the nearest thing that makes sense. Linear in all. */
struct lex {
    struct str s;
    size_t at;
    bool has_no_quote; /* a quoted string was found open: later quotes are plain octets */
    bool has_no_paren; /* the same for comments */
};

static inline struct lex lex_make(struct str s)
{
    return (struct lex){.s = s};
}

/* The next octet, or -1 at the end. */
static inline int lex_peek(const struct lex *l)
{
    return l->at < l->s.n ? (unsigned char)l->s.p[l->at] : -1;
}

/* Steps over white space and comments (CFWS), says whether there was any. comment (may be NULL) is given the text of the
 * last comment, without the outer parentheses and with quoted pairs resolved. */
bool lex_skip_cfws(struct lex *l, struct buf *comment);
/* At a double quote: appends what the quoted string means and steps over it. An open one is no quoted string: then steps
 * over the quote alone and returns false. */
bool lex_take_quoted(struct lex *l, struct buf *out);
/* Appends octets up to one that is in stop, white space, a comment, a double quote or the end. Returns how many were read.
 * "\x" stands for x. stop: NUL-terminated. */
size_t lex_take_run(struct lex *l, const char *stop, struct buf *out);
/* Steps to the next c outside quoted strings and comments, or to the end. */
void lex_skip_to(struct lex *l, char c);

#endif
