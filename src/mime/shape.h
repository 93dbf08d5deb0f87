#ifndef LIMETTA_MIME_SHAPE_H
#define LIMETTA_MIME_SHAPE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "mime/address.h"
#include "mime/param.h"

#include <stdbool.h>
#include <stdint.h>

/* What a message looks like: parsed once when it arrives, stored beside it, read for everything after.
 *
 * All offsets count from the start of the message's octets. All strings are the octets of the message, unfolded
 * (field_unfold()), otherwise raw (encoded words not decoded; may hold 8-bit octets, never NUL, CR or LF).
 *
 * What always holds, whatever the octets were:
 *   - a multipart has at least one child (one without parts gets an empty text/plain of size 0),
 *   - a message part has exactly one child, with an envelope, and every other part is a leaf,
 *   - header and body of a part lie within its parent's body, children stand in order and do not overlap,
 *   - is_multipart and is_message say what a part is, not its type: a multipart without a boundary parameter is read as
 *     text/plain, a message/global that is encoded is a leaf, and past the bounds both are leaves. */

struct header_text {
    struct str s;
    bool is_present;
};

struct envelope {
    struct header_text date; /* raw, unfolded */
    struct header_text subject;
    struct address_list from;
    struct address_list sender; /* as given; defaults to from are the reader's business */
    struct address_list reply_to;
    struct address_list to;
    struct address_list cc;
    struct address_list bcc;
    struct header_text in_reply_to;
    struct header_text message_id;
    struct header_text references;
    int64_t date_s;      /* Date: as Unix time; INT64_MIN when absent or unreadable */
    int32_t date_zone_s; /* its zone, seconds east */
};

struct part {
    struct str type;          /* as written, "text" by default */
    struct str subtype;       /* "plain" by default */
    struct param_list params; /* with the default type: charset=us-ascii */
    struct header_text id;
    struct header_text description;
    struct str encoding; /* as written; "7bit" by default */
    struct header_text md5;
    struct header_text disposition; /* the type: "attachment" */
    struct param_list disposition_params;
    struct param_list language; /* names only; values empty */
    struct header_text location;

    uint64_t header_offset; /* of the part's MIME header; for the root, of the message's header */
    uint64_t header_size;   /* with the empty line */
    uint64_t body_offset;
    uint64_t body_size;
    uint64_t body_lines; /* line ends in the body, as RFC 3501's body-fld-lines counts */
    bool has_nul;        /* the body holds NUL octets */
    bool has_8bit;

    bool is_multipart;
    bool is_message; /* message/rfc822 or message/global: child 0 is the message inside */
    const struct envelope *envelope; /* of the root, and of each message child; else NULL */
    const struct part *children;     /* parts of a multipart; the one inner message of is_message */
    uint32_t child_count;
};

struct shape {
    struct part root; /* with its envelope */
    uint64_t size;    /* of the message */
};

enum {
    SHAPE_DEPTH_MOST = 100,
    SHAPE_PARTS_MOST = 10000,
    SHAPE_FIELD_MOST = 64 * 1024,        /* octets kept of one header field */
    SHAPE_TEXT_MOST = 1024 * 1024,       /* octets of header fields kept in all */
    SHAPE_ARENA_MOST = 64 * 1024 * 1024, /* a shape never needs more arena than this */
    SHAPE_MOST = 4 * 1024 * 1024         /* a serialised shape is never larger */
};

/* Parses any octets whatever: there is no message it refuses. Deeper parts than the bounds become leaves, more parts become
 * the text of the last one; longer header fields are cut, and later fields past SHAPE_TEXT_MOST count as absent.
 * Appends the serialised shape. Linear in the message. Errors: ERR_LIMIT when out's cap is too small, only. */
MUST_USE enum err shape_build(struct str message, struct buf *out);
/* Reads a serialised shape; strings borrow from it, the tree lives in a. Errors: ERR_CORRUPT, ERR_LIMIT. */
MUST_USE enum err shape_parse(struct arena *a, struct str serialised, struct shape *out);
/* Only the root's envelope: cheaper, for lists and sorts. */
MUST_USE enum err shape_parse_envelope(struct arena *a, struct str serialised,
                                       struct envelope *out);

/* The part that an IMAP part number names: 1-based path (RFC 3501, 6.4.5: "1.2.3"; a message part's number counts
 * into the message inside it; part 1 of a non-multipart is its body). count 0: the root. NULL: no such part. */
const struct part *shape_find_part(const struct shape *s, const uint32_t *path, uint32_t count);

#endif
