#ifndef LIMETTA_MIME_SHAPE_H
#define LIMETTA_MIME_SHAPE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* What a message looks like: parsed once when it arrives, stored beside it, read for everything after.
 *
 * All offsets count from the start of the message's octets. All strings are the octets of the message, unfolded where
 * RFC 5322 folds, otherwise raw (encoded words not decoded; may hold 8-bit octets, never NUL, CR or LF). */

struct address {
    struct str name;    /* display name, unquoted; empty: none */
    struct str route;   /* obsolete source route; empty: none */
    struct str mailbox; /* local part; group name at a group start; empty at a group end */
    struct str host;    /* domain; empty at group start and group end */
    bool is_group_start;
    bool is_group_end;
};

struct address_list {
    const struct address *at;
    uint32_t count;
    bool is_present; /* the field stood in the header */
};

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

struct param {
    struct str name;
    struct str
        value; /* RFC 2231 continuations and charset are kept as they stand: one param a name as in the text */
};

struct param_list {
    const struct param *at;
    uint32_t count;
};

struct part {
    struct str type;    /* as written, "text" by default */
    struct str subtype; /* "plain" by default */
    struct param_list params;
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

enum { SHAPE_DEPTH_MOST = 100, SHAPE_PARTS_MOST = 10000, SHAPE_FIELD_MOST = 16 * 1024 };

/* Parses any octets whatever: there is no message it refuses. Deeper or more parts than the bounds become leaves;
 * longer header fields are cut. Appends the serialised shape. Errors: ERR_LIMIT when out's cap is too small, only. */
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
