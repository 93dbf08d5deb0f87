#ifndef LIMETTA_BASE_BUF_H
#define LIMETTA_BASE_BUF_H

#include "base/err.h"
#include "base/str.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Growable octets with a cap. p[len] is always NUL once anything was appended.
 *
 * The cap is what keeps peers from growing us. At the cap an append is dropped whole and the sticky is_full is
 * set: builders append freely and look at is_full once, at the end. Heap memory; out of memory aborts. */
struct buf {
    char *p;      /* owned; NULL while empty */
    size_t len;   /* used octets */
    size_t size;  /* allocated octets */
    size_t cap;   /* never holds more than this */
    bool is_full; /* an append was refused */
};

/* An empty buffer that will never hold more than cap octets. Allocates nothing. */
#define BUF_INIT(cap_octets) ((struct buf){NULL, 0, 0, (cap_octets), false})

void buf_init(struct buf *b, size_t cap);
/* Frees the octets; b is empty and usable again, with its cap. */
void buf_release(struct buf *b);
/* buf_release() for secrets: overwrites the octets first. Reserve enough beforehand, for growing leaves copies behind. */
void buf_wipe(struct buf *b);
/* Forgets the contents, keeps the memory, clears is_full. */
void buf_clear(struct buf *b);
/* Gives memory back when it is much larger than what is used (for sessions that fall idle). */
void buf_shrink(struct buf *b);

/* Appends copy. */
void buf_add(struct buf *b, struct str s);
void buf_add_char(struct buf *b, char c);
void buf_add_c(struct buf *b, const char *c_string);
/* A quoted string as IMAP (RFC 9051) and mail headers (RFC 5322, 3.2.4) have it: backslashes before quotes and backslashes.
 * The owner sees to it that s holds nothing that may not stand in one. */
void buf_add_quoted(struct buf *b, struct str s);
void buf_add_u64(struct buf *b, uint64_t v);
void buf_addf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vaddf(struct buf *b, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
/* Fixed-width little-endian integers, for stored formats and links. */
void buf_add_le16(struct buf *b, uint16_t v);
void buf_add_le32(struct buf *b, uint32_t v);
void buf_add_le64(struct buf *b, uint64_t v);
/* Seven bits an octet, the lowest first; the top bit says that more follow. */
void buf_add_varint(struct buf *b, uint64_t v);

/* Makes room for n more octets and returns where to write them; buf_commit() then says how many were written.
 * NULL (and is_full) when the cap forbids it. */
char *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);

/* Removes the first n octets (n <= len). */
void buf_consume(struct buf *b, size_t n);
/* Cuts the end off: len becomes n (n <= len). */
void buf_truncate(struct buf *b, size_t n);

/* Borrows the contents, until the next change of b. */
static inline struct str buf_str(const struct buf *b)
{
    return str_make(b->p, b->len);
}

/* ERR_LIMIT when an append was refused, else ERR_OK. */
static inline enum err buf_err(const struct buf *b)
{
    return b->is_full ? ERR_LIMIT : ERR_OK;
}

#endif
