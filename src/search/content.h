#ifndef LIMETTA_SEARCH_CONTENT_H
#define LIMETTA_SEARCH_CONTENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "mime/charset.h"
#include "mime/html.h"
#include "mime/shape.h"
#include "mime/transfer.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

/* A text that is found in a message. */
struct content_text {
    enum content_kind {
        CONTENT_FIELD, /* a header field, "Name: value" */
        CONTENT_VALUE, /* the value of a field of the message's own header, alone */
        CONTENT_PART   /* the text of a part */
    } kind;
    struct str field; /* its name, as it stands there; borrowed */
};

/* Who hears the texts, in the order of the message. */
struct content_sink {
    /* A text begins. False: it is of no interest, and none of it comes. */
    bool (*begin)(void *owner, const struct content_text *t);
    /* More of it, whole characters of UTF-8. True: this is news (content_step()). */
    bool (*add)(void *owner, struct str utf8);
    void *owner;
};

/* A stretch of a message that is read. */
struct content_stretch {
    uint64_t offset;
    uint64_t size;
    bool is_header; /* fields; else the octets of a text part */
    bool is_main;   /* the message's own header */
    bool is_html;
    enum transfer_kind transfer;
    struct str charset;
};

/* Reads the text of one message once, piece by piece. */
struct content {
    struct content_sink sink;   /* borrowed */
    struct body_reader *reader; /* owned */
    struct content_stretch *at; /* in the arena */
    size_t count;
    size_t next;       /* the stretch being read; count: all is read */
    uint64_t done;     /* octets of it */
    bool is_in_field;  /* header: a field too long to be looked at whole may go on */
    bool is_in_line;   /* header: a line too long to be looked at whole goes on */
    bool is_main_done; /* the message's own header is read, or nobody asks for it */
    struct transfer transfer;
    struct charset *charset; /* owned; NULL outside of a text part */
    struct html html;
    bool is_wanted; /* the sink asked for the text part */
    struct buf decoded;
    struct buf text;
};

/* What of a message is read. */
struct content_wants {
    bool has_header;       /* the message's own */
    bool has_part_headers; /* those of parts and of messages inside */
    bool has_body;         /* text parts */
};

/* Everything is borrowed and must live as long as the content. */
struct content_args {
    struct arena *arena; /* for the plan */
    struct content_sink sink;
    struct account *account;
    uint64_t body_id;
    const struct shape *shape;
    struct content_wants wants;
};

/* Plans the reading of the message. Errors: ERR_NOT_FOUND, ERR_NO_MESSAGE (the message is gone), ERR_LIMIT, ERR_IO,
 * ERR_CORRUPT; content_release() is due even then. */
MUST_USE enum err content_init(struct content *c, const struct content_args *args);
void content_release(struct content *c);
bool content_is_done(const struct content *c);
/* Reads one piece. is_new: the sink had news, or the main header is done. cost: octets looked at. Errors: ERR_IO, ERR_CORRUPT. */
MUST_USE enum err content_step(struct content *c, bool *is_new, uint64_t *cost);

#endif
