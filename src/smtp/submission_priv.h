#ifndef LIMETTA_SMTP_SUBMISSION_PRIV_H
#define LIMETTA_SMTP_SUBMISSION_PRIV_H

#include "base/arena.h"
#include "base/vec.h"
#include "mime/address.h"
#include "smtp/header_fix.h"
#include "smtp/submission.h"
#include "wire/smtp_framing.h"
#include "wire/smtp_scan.h"

/* Shared by submission.c (envelope commands), submission_save.c (going on elsewhere), submission_terms.c (what MAIL
 * asks for), submission_held.c (XHELD), submission_content.c (DATA, BDAT, BURL) and submission_ahead.c (BURLs to come). */

enum {
    TRANSACTION_MOST = 16 * 1024 * 1024, /* octets of envelope: 10,000 of the longest recipients */
    COMMAND_MOST = 64 * 1024,
    PIECE_MOST = 32 * 1024,
    AHEAD_MOST = 32, /* URLs asked for before their turn */
    TRACE_MOST = 4096,
    HOPS_MOST = 100 /* RFC 5321, 6.3: "normally at least 100" */
};

/* What the session reads or waits for. */
enum submission_state {
    SUBMISSION_COMMAND,   /* a command line */
    SUBMISSION_DATA,      /* the content of DATA */
    SUBMISSION_CHUNK,     /* the octets of BDAT */
    SUBMISSION_SENDER,    /* the host: check_sender() */
    SUBMISSION_RECIPIENT, /* the host: find_recipient() */
    SUBMISSION_FETCH,     /* the host: fetch() */
    SUBMISSION_QUEUE,     /* the host: content_finish() */
    SUBMISSION_CANCEL,    /* the host: cancel_held() */
    SUBMISSION_CLOSED
};

struct submission {
    struct session base;
    const struct submission_host *host;
    struct buf strings; /* what args pointed to */
    struct submission_args args;
    struct buf helo; /* the name that the client gave last */
    struct smtp_framing *framing;
    struct buf out;
    enum submission_state state;
    bool is_saved;         /* nothing changed since submission_save() */
    bool is_unsure;        /* the next command may have been carried out by another process */
    struct arena *command; /* cleared after each command */

    /* The transaction. */
    struct arena *transaction;
    bool has_mail;
    bool is_lost; /* the client believes in one that is gone with another process */
    struct str return_path;
    enum smtp_body body;
    enum smtp_ret ret;
    struct str envid;
    struct mail_terms terms;
    bool has_priority;        /* MAIL had MT-PRIORITY */
    bool is_priority_lowered; /* the header asked for a higher one than the user may have */
    uint64_t declared_size;   /* by MAIL; 0: not */
    uint64_t rcpt_count;      /* RCPT commands so far */
    VEC(struct mail_recipient) recipients;
    struct mail_recipient candidate; /* the host is asked about it */
    struct str sender;               /* likewise */
    int8_t priority_asked;           /* by MAIL */

    /* Its content. */
    bool has_content; /* content_start() was called */
    bool has_chunks;  /* by BDAT or BURL: DATA is over */
    bool is_last;     /* the chunk in work ends the message */
    enum err failure; /* the content cannot be taken; rest is read and dropped */
    uint64_t size;    /* octets that came, expanded (RFC 5550, 4.4) */
    uint64_t chunk_size;
    unsigned ahead_known; /* of ahead, those that were not met again in this look */
    unsigned ahead;       /* BURLs behind the command in work that the host knows of */
    size_t ahead_at;      /* octets behind it that were looked at */
    bool is_ahead_over;   /* what stands there is not looked beyond */
    struct header_fix *fix;
    struct address_list from; /* addresses that must be the user's */
    uint32_t from_at;
    struct buf piece;
};

/* submission_ahead.c: tells the host of the BURLs that the client has sent behind the one in work; more may have come since the
 * last call. */
void submission_look_ahead(struct submission *s);
/* The command in work has changed. */
void submission_restart_ahead(struct submission *s);
/* The transaction failed: they will not be wanted. */
void submission_drop_ahead(struct submission *s);

/* Appends the reply of e. */
void submission_reply_err(struct submission *s, enum err e);
void submission_reply(struct submission *s, int code, struct str enhanced, struct str text);
/* Forgets the transaction (RSET). */
void submission_reset(struct submission *s);

/* submission_sender.c: asks the host, then goes on with submission_accept_mail(), with submission_queue(), or refuses. */
void submission_check_return_path(struct submission *s);
void submission_check_from(struct submission *s);
/* The address for Sender; empty: none is to be added. In the transaction's arena. */
struct str submission_get_sender(struct submission *s);
void submission_accept_mail(struct submission *s);
void submission_queue(struct submission *s);

/* What MAIL asks for beside the sender: sets body, reports and terms of the transaction. text: what to say to it.
 * Errors: ERR_UNKNOWN_PARAM (not offered now), ERR_BAD_PARAM, ERR_TOO_BIG, those of check_load(). */
MUST_USE enum err submission_take_terms(struct submission *s, const struct smtp_mail *mail);
/* Asks the host about the transaction with that many recipients and octets. */
MUST_USE enum err submission_check_load(struct submission *s, size_t recipients, uint64_t octets);

/* submission_save.c */
bool submission_save(struct session *session, struct session_save *out);
/* A session without a transaction that says nothing yet. */
struct submission *submission_make(const struct submission_args *args,
                                   const struct submission_host *host);

void submission_run_xheld(struct submission *s, struct str args);

void submission_run_data(struct submission *s, struct str args);
void submission_run_bdat(struct submission *s, struct str args);
void submission_run_burl(struct submission *s, struct str args);
/* A part of the content came in a command that cannot be read: the transaction fails. */
void submission_fail_part(struct submission *s);
/* Content octets of DATA or BDAT. */
void submission_take_octets(struct submission *s, struct str octets);
/* The DATA content or the chunk is complete. */
void submission_end_octets(struct submission *s);

#endif
