#ifndef LIMETTA_IMAP_APPEND_SCAN_H
#define LIMETTA_IMAP_APPEND_SCAN_H

#include "base/arena.h"
#include "base/scan.h"
#include "base/str.h"
#include "wire/imap_scan.h"

#include <stdbool.h>
#include <stdint.h>

/* The arguments of APPEND, whole or as far as they have come (RFC 3501, 6.3.11; RFC 3502; RFC 4469). */

/* A piece of a message, in order. */
struct append_part {
    struct append_part *next;
    bool is_url;    /* else: a literal, whose octets were streamed */
    struct str url; /* as written */
};

struct append_message {
    struct append_message *next;
    struct flag_list flags;
    bool has_date;
    int64_t date_s;
    bool is_catenate;
    struct str
        email_id; /* of what is copied from another account; empty: it is new. Only our own sessions may say so */
    struct append_part *parts;
    uint64_t flag_bits; /* for the command: in the target's numbering */
};

/* Where the text ends. */
enum append_place {
    APPEND_AT_WORD,    /* at a mailbox name or a URL, or amid a word */
    APPEND_AT_MESSAGE, /* at a message's literal */
    APPEND_AT_TEXT,    /* at a TEXT literal of CATENATE */
    APPEND_AT_END      /* behind a whole message */
};

struct append_scan {
    struct str mailbox;
    struct append_message *messages; /* the last one may be incomplete */
    enum append_place place;
    bool is_copy; /* set by the caller: another session of ours copies (cmd/peer.c) */
};

/* Reads from the SP after the command's name on. Errors stay in c; where the text just ends too early, that is no error
 * but a place. Everything lives in a or borrows from the text. */
void append_scan(struct scan *c, struct arena *a, struct append_scan *out);

#endif
