#ifndef LIMETTA_BASE_SCAN_H
#define LIMETTA_BASE_SCAN_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* A cursor over octets that remembers the first error and where it was. Grammar functions take it, advance it, and
 * after an error do nothing: so a parser is written straight down and asked once, at the end, scan_get_err(). */
struct scan {
    struct str s;
    size_t at;            /* next octet */
    enum err err;         /* first error */
    size_t err_at;        /* where */
    const char *expected; /* what was expected there; static text */
    /* The dialect of IMAP that the speaker switched to: names and quoted strings in UTF-8; what IMAP4rev2 removed is unknown. */
    bool is_utf8;
    bool is_rev2;
};

static inline struct scan scan_make(struct str s)
{
    return (struct scan){.s = s};
}

static inline bool scan_is_ok(const struct scan *c)
{
    return c->err == ERR_OK;
}

/* Nothing is left (or an error occurred). */
static inline bool scan_is_end(const struct scan *c)
{
    return c->err != ERR_OK || c->at >= c->s.n;
}

/* The next octet, or -1 at the end or after an error. */
static inline int scan_peek(const struct scan *c)
{
    return scan_is_end(c) ? -1 : (unsigned char)c->s.p[c->at];
}

/* What has not been read. */
static inline struct str scan_rest(const struct scan *c)
{
    return scan_is_end(c) ? STR_EMPTY : str_skip(c->s, c->at);
}

/* Records the first error at the current place. expected: static text, as in "a mailbox name". */
void scan_fail(struct scan *c, enum err e, const char *expected);
/* Steps over ch when it is next. */
bool scan_accept(struct scan *c, char ch);
/* Steps over the keyword (ASCII, without case) when it is next; does not look at what follows. */
bool scan_accept_nocase(struct scan *c, struct str keyword);
/* Steps over ch or fails with ERR_SYNTAX. */
void scan_require(struct scan *c, char ch, const char *expected);
/* The next n octets; fails with ERR_SYNTAX when there are fewer. */
struct str scan_take(struct scan *c, size_t n, const char *expected);
/* The longest run (maybe empty) of octets for which is_member says true. */
struct str scan_run(struct scan *c, bool (*is_member)(unsigned char octet));
/* One or more digits, value at most max. Fails with ERR_SYNTAX. */
uint64_t scan_number(struct scan *c, uint64_t max, const char *expected);
/* Fails with ERR_SYNTAX when something is left. */
void scan_require_end(struct scan *c);
/* Little-endian integers, for stored formats and links; ERR_CORRUPT when cut short. */
uint16_t scan_le16(struct scan *c);
uint32_t scan_le32(struct scan *c);
uint64_t scan_le64(struct scan *c);
/* As buf_add_varint() writes it, at most max; ERR_CORRUPT. */
uint64_t scan_varint(struct scan *c, uint64_t max);

static inline enum err scan_get_err(const struct scan *c)
{
    return c->err;
}

#endif
