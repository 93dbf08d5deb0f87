#ifndef LIMETTA_WIRE_SMTP_FRAMING_H
#define LIMETTA_WIRE_SMTP_FRAMING_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Cuts the octets of an SMTP or LMTP peer into command (or reply) lines, DATA content and BDAT chunks.
 *
 * The owner feeds octets and calls smtp_framing_next() until it says SMTP_FRAME_MORE. After it answered DATA with 354, or
 * read the size of a BDAT, it switches the mode; when the content is complete the framer is back at lines. */

enum { SMTP_LINE_MOST = 16 * 1024 };

enum smtp_frame {
    SMTP_FRAME_MORE,   /* feed more octets */
    SMTP_FRAME_LINE,   /* a line: smtp_framing_get_octets(), without CRLF */
    SMTP_FRAME_BAD,    /* a line that cannot be used: get_err() says why: ERR_TOO_LONG (told at
                        * once; the rest of the line is passed over), or ERR_SYNTAX (bare CR, bare LF, NUL) */
    SMTP_FRAME_OCTETS, /* content of DATA (dots removed) or BDAT: get_octets(); never empty */
    SMTP_FRAME_END,    /* the content is complete */
    SMTP_FRAME_FATAL   /* more was fed than fits: close. Stays so. */
};

struct smtp_framing;

struct smtp_framing *smtp_framing_new(void);
void smtp_framing_free(struct smtp_framing **f);

/* Copies octets in. Stop feeding while the backlog is above 64 KiB: beyond 1 MiB comes SMTP_FRAME_FATAL. */
void smtp_framing_feed(struct smtp_framing *f, struct str octets);
size_t smtp_framing_get_backlog(const struct smtp_framing *f);
enum smtp_frame smtp_framing_next(struct smtp_framing *f);
/* Borrowed until the next call of feed or next. */
struct str smtp_framing_get_octets(const struct smtp_framing *f);
enum err smtp_framing_get_err(const struct smtp_framing *f);

/* From here on DATA content until CRLF "." CRLF (RFC 5321, 4.5.2). Only that ends it: a bare LF or CR is content, and
 * LF "." LF or LF "." CRLF ends nothing. */
void smtp_framing_start_data(struct smtp_framing *f);
/* From here on a chunk of n octets (RFC 3030); 0 gives SMTP_FRAME_END at once. */
void smtp_framing_start_chunk(struct smtp_framing *f, uint64_t n);
/* The DATA content so far held a CR or an LF that is not part of a CRLF. */
bool smtp_framing_has_bare_newline(const struct smtp_framing *f);

/* Where a framer stands, behind what it has used: another one can go on there, fed with what this one has not used (its
 * smtp_framing_get_rest()) and all that comes. Of DATA's bare newlines it knows those that come from there on. */
struct smtp_framing_place {
    uint8_t mode;
    uint64_t left; /* octets of the chunk still to come */
};
struct smtp_framing_place smtp_framing_get_place(const struct smtp_framing *f);
/* Into a new framer. ERR_SYNTAX: that is no place. */
MUST_USE enum err smtp_framing_set_place(struct smtp_framing *f, struct smtp_framing_place p);
/* Its owner waits for content. */
bool smtp_framing_is_in_data(const struct smtp_framing *f);
bool smtp_framing_is_in_chunk(const struct smtp_framing *f);

/* Between lines: forgets what was fed and not used (STARTTLS, RFC 3207, 4.2); or borrows it, to hand it on. */
void smtp_framing_drop_rest(struct smtp_framing *f);
struct str smtp_framing_get_rest(const struct smtp_framing *f);
void smtp_framing_shrink(struct smtp_framing *f);

/* ---- DATA content going out ---- */

/* Turns octets into DATA content, piece by piece: dots doubled, bare CR and bare LF made CRLF (RFC 5321, 2.3.8: neither may
 * be sent alone; a reader that took one for a line end could be made to see the end of the message). Zero it to begin. */
struct smtp_dots {
    bool is_inside_line; /* something stood on the line */
    bool is_after_cr;
};
void smtp_dots_write(struct smtp_dots *d, struct str octets, struct buf *out);
/* Ends the content: CRLF when the last line has none, then "." CRLF. */
void smtp_dots_finish(struct smtp_dots *d, struct buf *out);

/* ---- replies coming in ---- */

/* A reply of the server, gathered line by line (RFC 5321, 4.2). Zero it with SMTP_REPLY_INIT to begin. */
struct smtp_reply {
    int code;        /* 200..599 */
    struct buf text; /* the lines' texts, LF between them, at most 16 KiB (the rest is dropped) */
    bool is_complete;
    unsigned lines;
};
#define SMTP_REPLY_INIT ((struct smtp_reply){0, BUF_INIT(16 * 1024), false, 0})

void smtp_reply_clear(struct smtp_reply *r);
void smtp_reply_release(struct smtp_reply *r);
/* STEP_DONE: the reply is complete (the next line begins another). STEP_BAD: no reply line, codes differ, or more than 1000
 * lines. */
enum step smtp_reply_add_line(struct smtp_reply *r, struct str line);
/* "5.7.1" at the start of the text; empty when there is none. Borrowed from r. */
struct str smtp_reply_get_enhanced(const struct smtp_reply *r);
/* Does the EHLO reply list the keyword? Its parameters in *args (may be NULL). Borrowed from r. */
bool smtp_reply_find_keyword(const struct smtp_reply *r, struct str keyword, struct str *args);

#endif
