/* Buffers that know their bound.
 *
 * Growth doubles, so appending is linear; the cap bounds what a peer can make us hold. Refusing an append whole,
 * and remembering it, keeps half tokens off the wire and error checks out of every builder. */
#include "base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUF_FIRST_SIZE = 64, BUF_KEEP_SIZE = 512 };

void buf_init(struct buf *b, size_t cap)
{
    *b = BUF_INIT(cap);
}

void buf_release(struct buf *b)
{
    free(b->p);
    *b = BUF_INIT(b->cap);
}

void buf_wipe(struct buf *b)
{
    if (b->p != NULL) {
        explicit_bzero(b->p, b->size);
    }
    buf_release(b);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->is_full = false;
    if (b->p != NULL) {
        b->p[0] = '\0';
    }
}

void buf_shrink(struct buf *b)
{
    if (b->len == 0) {
        buf_release(b);
        return;
    }
    if (b->size > BUF_KEEP_SIZE && b->size > 2 * (b->len + 1)) {
        char *p = realloc(b->p, b->len + 1);
        if (p != NULL) {
            b->p = p;
            b->size = b->len + 1;
        }
    }
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (b->is_full || n > b->cap || b->len > b->cap - n) {
        b->is_full = true;
        return NULL;
    }
    size_t need = b->len + n + 1;
    if (need > b->size) {
        size_t size = b->size == 0 ? BUF_FIRST_SIZE : b->size * 2;
        size = size < need ? need : size;
        char *p = realloc(b->p, size);
        if (p == NULL) {
            abort();
        }
        b->p = p;
        b->size = size;
    }
    return b->p + b->len;
}

void buf_commit(struct buf *b, size_t n)
{
    assert(b->len + n < b->size);
    b->len += n;
    b->p[b->len] = '\0';
}

void buf_add(struct buf *b, struct str s)
{
    char *to = buf_reserve(b, s.n);
    if (to == NULL) {
        return;
    }
    if (s.n > 0) {
        memcpy(to, s.p, s.n);
    }
    buf_commit(b, s.n);
}

void buf_add_char(struct buf *b, char c)
{
    if (b->len + 1 < b->size && b->len < b->cap && !b->is_full) {
        b->p[b->len++] = c;
        b->p[b->len] = '\0';
        return;
    }
    buf_add(b, str_make(&c, 1));
}

void buf_add_c(struct buf *b, const char *c_string)
{
    buf_add(b, str_from_c(c_string));
}

void buf_add_quoted(struct buf *b, struct str s)
{
    buf_add_char(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\') {
            buf_add_char(b, '\\');
        }
        buf_add_char(b, s.p[i]);
    }
    buf_add_char(b, '"');
}

void buf_add_u64(struct buf *b, uint64_t v)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    buf_add(b, str_make(digits + at, sizeof(digits) - at));
}

void buf_addf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_vaddf(b, format, args);
    va_end(args);
}

void buf_vaddf(struct buf *b, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    assert(n >= 0);
    char *to = buf_reserve(b, (size_t)n);
    if (to != NULL) {
        (void)vsnprintf(to, (size_t)n + 1, format, again);
        buf_commit(b, (size_t)n);
    }
    va_end(again);
}

static void add_le(struct buf *b, uint64_t v, size_t octets)
{
    char *to = buf_reserve(b, octets);
    if (to == NULL) {
        return;
    }
    for (size_t i = 0; i < octets; i++) {
        to[i] = (char)(unsigned char)(v >> (8 * i));
    }
    buf_commit(b, octets);
}

void buf_add_le16(struct buf *b, uint16_t v)
{
    add_le(b, v, 2);
}

void buf_add_le32(struct buf *b, uint32_t v)
{
    add_le(b, v, 4);
}

void buf_add_le64(struct buf *b, uint64_t v)
{
    add_le(b, v, 8);
}

void buf_add_varint(struct buf *b, uint64_t v)
{
    char raw[10];
    size_t n = 0;
    if (v < 0x80) {
        buf_add_char(b, (char)v);
        return;
    }
    for (; v >= 0x80; v >>= 7) {
        raw[n++] = (char)(unsigned char)(v | 0x80);
    }
    raw[n++] = (char)v;
    buf_add(b, str_make(raw, n));
}

void buf_consume(struct buf *b, size_t n)
{
    assert(n <= b->len);
    if (n == 0) {
        return;
    }
    memmove(b->p, b->p + n, b->len - n);
    b->len -= n;
    b->p[b->len] = '\0';
}

void buf_truncate(struct buf *b, size_t n)
{
    assert(n <= b->len);
    if (n < b->len) {
        b->len = n;
        b->p[n] = '\0';
    }
}
