#ifndef LIMETTA_TOOLS_CHECK_DIALOGUE_H
#define LIMETTA_TOOLS_CHECK_DIALOGUE_H

#include "tools/check_report.h"
#include "tools/check_talk.h"

#include <stdbool.h>
#include <stdint.h>

/* The dialogues of the path checker, over any talk_io: they treat who answers as hostile, and leave what they saw in the leg. */

struct check_dialogue {
    struct talk *talk;
    struct check_leg *leg;
    struct str helo;   /* how the checker calls itself in EHLO */
    struct str expect; /* words that must be offered under TLS, separated by spaces */
    struct str user;   /* empty: no login */
    struct str password;
    struct str address; /* the test account's own */
    struct str unique;  /* of this run: letters and digits */
    uint64_t wall_ms;   /* Unix time */
    struct buf offers;  /* of IMAP after the login; the owner releases it */
    /* TLS stands: judges the certificate. NULL: it is taken as good. */
    void (*on_tls)(void *owner);
    /* Octets that were sent and not confirmed by the other end's TCP; NULL: unknown. */
    unsigned (*count_unsent)(void *owner);
    void *owner;
};

/* Finds what a conversation ended with, if it was not in order. during: "EHLO". False: it is over. */
bool check_went_well(const struct check_dialogue *d, enum talk_result r, const char *during);

/* Appends what AUTHENTICATE PLAIN is answered (RFC 4616), in base64. out is wiped by its owner, and reserved before, so
 * that no copy of it stays behind when it grows. */
void check_plain_write(const struct check_dialogue *d, struct buf *out);
/* Appends the message of this run: a header, then the octets of tools/check_octets.h. */
void check_message_write(const struct check_dialogue *d, bool is_binary, struct buf *out);

/* Greeting to TLS and the offers under it; each returns true when a login may follow. */
bool check_imap_start(struct check_dialogue *d);
bool check_smtp_start(struct check_dialogue *d);
/* Port 25: never mail, never a login. genuine: how the server calls itself elsewhere; empty: unknown. */
void check_smtp_intercepted(struct check_dialogue *d, struct str genuine);
/* ACAP (RFC 2244) and ManageSieve (RFC 5804): the greeting only. */
void check_acap_start(struct check_dialogue *d);
void check_sieve_start(struct check_dialogue *d);

/* Log in, with the password only when the certificate is good. False: not logged in. */
bool check_imap_login(struct check_dialogue *d);
bool check_smtp_login(struct check_dialogue *d);
/* Stores octets in a mailbox of its own, fetches and compares them, and removes the mailbox. */
void check_imap_octets(struct check_dialogue *d);
/* Behind the login: is a command refused though it is offered? COMPRESS is the last; the connection is of no more use then. */
void check_imap_commands(struct check_dialogue *d);
/* The same for one command, if words offer word. False: the conversation is over. */
bool check_imap_try(struct check_dialogue *d, const struct buf *words, const char *word,
                    const char *command);
/* Mails octets to the test account by BDAT. True: accepted; *is_binary says with what content. */
bool check_smtp_octets(struct check_dialogue *d, bool *is_binary);
/* Has the mail arrived? Looks once in INBOX; compares and removes it. False: not yet. */
bool check_imap_arrived(struct check_dialogue *d, bool is_binary);
/* A NOOP and its answer. *is_leave: the server itself says goodbye (BYE), or no. */
enum talk_result check_imap_noop(struct check_dialogue *d, bool *is_leave);
enum talk_result check_smtp_noop(struct check_dialogue *d, bool *is_leave);
void check_imap_end(struct check_dialogue *d);
void check_smtp_end(struct check_dialogue *d);

#endif
