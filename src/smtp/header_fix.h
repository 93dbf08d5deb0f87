#ifndef LIMETTA_SMTP_HEADER_FIX_H
#define LIMETTA_SMTP_HEADER_FIX_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* The changes that a submission server makes to a header (RFC 6409, 8), applied while the message streams through:
 *   - Bcc, Resent-Bcc, Return-Path and Delivered-To, by which a message sent on would look like one in a circle, are taken out
 *   - Date, Message-ID and From are added when they are missing
 *   - Sender is added when From names somebody else than who sends (RFC 6409, 8.1), and one that names somebody else taken out
 *   - addresses without a domain in From, Sender, Reply-To, To, Cc, and in what was resent, get one (RFC 6409, 4.2)
 *   - MT-Priority fields are taken out, and one is written where MAIL or a valid field asked for a priority (RFC 6758, 3)
 * Everything else, and the whole body, passes octet for octet. */
struct header_fix;

enum { HEADER_FIX_FIELD_MOST = 64 * 1024, HEADER_FIX_MOST = 2 * 1024 * 1024 };

/* What was learnt from the header. */
struct header_notes {
    unsigned hops;    /* Received fields: how many servers the message has passed (RFC 5321, 6.3) */
    bool has_8bit;    /* it is not ASCII (RFC 6532) */
    bool is_bad_utf8; /* nor is it UTF-8 */
    bool is_big;      /* it is larger than HEADER_FIX_MOST */
    bool is_tls_optional; /* one field "TLS-Required: No" (RFC 8689, 3) */
    int8_t
        priority; /* MAIL's, else that of a single valid MT-Priority field, at most priority_most */
    bool is_priority_lowered; /* the field asked for more */
};

struct header_fix_args {
    struct str from;      /* for From; copied; empty: none is added */
    bool has_priority;    /* MAIL had MT-PRIORITY (RFC 6710) */
    int8_t priority;      /* then this one; else what holds without a field */
    int8_t priority_most; /* what a field may ask for */
    struct str domain;    /* for addresses without one, and for Message-ID; copied */
    struct str unique;    /* left part of a Message-ID that is made; copied */
    int64_t now_s;        /* Unix time for Date */
    struct str sender;    /* the address of who sends; empty: Sender is left alone; copied */
};

struct header_fix *header_fix_new(const struct header_fix_args *args);
void header_fix_free(struct header_fix **f);

/* Appends to out what can go on now; at most HEADER_FIX_FIELD_MOST octets are held back. out's cap must leave room for
 * octets.n + HEADER_FIX_FIELD_MOST + 4096. */
void header_fix_add(struct header_fix *f, struct str octets, struct buf *out);
/* So far; complete when the header is over. */
struct header_notes header_fix_get_notes(const struct header_fix *f);
/* The value of From, unfolded, with full addresses; several fields have a comma between. Empty: there is none. Borrowed. */
struct str header_fix_get_from(const struct header_fix *f);
/* From is larger than we hold: nobody knows what is in it. */
bool header_fix_is_from_lost(const struct header_fix *f);
/* The header is over: from now on header_fix_add() is a plain copy, and the caller may pass octets by. */
bool header_fix_is_done(const struct header_fix *f);
/* The message is over; when that happened inside the header, closes it. */
void header_fix_finish(struct header_fix *f, struct buf *out);

/* Appends "Sat, 21 Nov 2026 19:42:26 +0000" (RFC 5322, 3.3), in UTC. */
void header_write_date(struct buf *out, int64_t unix_s);
/* Appends the value of an address field with "@domain" behind each local part that has none. */
void header_qualify(struct buf *out, struct str value, struct str domain);

#endif
