#ifndef LIMETTA_MIME_SHAPE_PRIV_H
#define LIMETTA_MIME_SHAPE_PRIV_H

#include <stdint.h>

/* The numbers of the serialised shape, shared by its writer and its reader. Byte table: shape_read.c. */
enum { SHAPE_VERSION = 1 };

enum {
    KIND_MULTIPART = 1,
    KIND_MESSAGE = 2,
    KIND_NUL = 4,
    KIND_8BIT = 8,
    KIND_DEFAULT_TYPE =
        16, /* type, subtype and params are left out: text/plain; charset=us-ascii */
    KIND_DEFAULT_ENCODING = 32, /* encoding is left out: 7bit */
    KIND_ALL = 63
};

enum {
    HAS_ID = 1,
    HAS_DESCRIPTION = 2,
    HAS_MD5 = 4,
    HAS_DISPOSITION = 8,
    HAS_LANGUAGE = 16,
    HAS_LOCATION = 32,
    HAS_ALL = 63
};

/* Envelope: bits 0..4 text fields, 5..10 address lists, in the order of struct envelope, then the read date. */
enum {
    ENVELOPE_TEXTS = 5, /* date, subject, in-reply-to, message-id, references */
    ENVELOPE_LISTS = 6, /* from, sender, reply-to, to, cc, bcc */
    ENVELOPE_HAS_DATE_S = 1 << 11,
    ENVELOPE_ALL = (1 << 12) - 1
};

enum {
    ADDRESS_NAME = 1,
    ADDRESS_ROUTE = 2,
    ADDRESS_MAILBOX = 4,
    ADDRESS_HOST = 8,
    ADDRESS_GROUP_START = 16,
    ADDRESS_GROUP_END = 32,
    ADDRESS_ALL = 63
};

/* Signed as unsigned, small either way. */
static inline uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0);
}

static inline int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ ((v & 1) != 0 ? -1 : 0);
}

#endif
