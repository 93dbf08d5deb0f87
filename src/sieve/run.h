#ifndef LIMETTA_SIEVE_RUN_H
#define LIMETTA_SIEVE_RUN_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "sieve/script.h"

#include <stdbool.h>
#include <stdint.h>

/* Runs a script over a message: octets in, actions out. Nothing is done here: what the actions ask for is the caller's to do, all
 * of it or nothing of it. */

struct shape;

struct sieve_strings {
    const struct str *at;
    uint32_t count;
};

/* A mailbox that fits a name and attributes exists, or not. Any callback may be NULL: then nothing exists, is known or was seen.
 * Each but `trace` may fail (the disk, a peer): the run ends with that error at once, and no result. */
struct sieve_host {
    /* May messages be filed into the mailbox (RFC 5490, 3.1)? name: UTF-8. */
    enum err (*mailbox_exists)(void *owner, struct str name, bool *out);
    /* The one with this id (RFC 9042, 4). */
    enum err (*mailbox_id_exists)(void *owner, struct str id, bool *out);
    /* One with this special use, "\Sent" (RFC 8579, 3.2). mailbox: that one has it; empty: any of the user's. */
    enum err (*special_use_exists)(void *owner, struct str mailbox, struct str use, bool *out);
    /* Metadata of a mailbox (RFC 5490, 3.3) or, with an empty name, of the server (4). out lives as long as the run. */
    enum err (*metadata_get)(void *owner, struct str mailbox, struct str name, bool *exists,
                             struct str *out);
    /* RFC 7352: was this id seen, and not longer ago than it was told to be kept? handle: empty for none. seconds: how long to
     * keep it from now on (is_last: from the last time that it was seen, else from the first). The host marks the id as seen
     * only when the actions are carried out, not when the test is made (3: "after the script finished without error"). */
    enum err (*duplicate_is_seen)(void *owner, struct str handle, struct str id, uint64_t seconds,
                                  bool is_last, bool *out);
    /* RFC 6609: the text of a script of the user, or of the site (is_global). out lives as long as the run; exists: false. */
    enum err (*script_load)(void *owner, bool is_global, struct str name, bool *exists,
                            struct str *out);
    /* RFC 5435, for methods other than mailto: is the URI valid for a method that is offered here? */
    enum err (*notify_is_valid)(void *owner, struct str uri, bool *out);
    /* RFC 5435, 5: the value of a capability ("online": "yes", "no", "maybe"); exists: false for an unknown one. */
    enum err (*notify_get_capability)(void *owner, struct str uri, struct str name, bool *exists,
                                      struct str *out);
    /* What the run does, step by step, for people: line 0 goes with the line before. Borrowed for the call. */
    void (*trace)(void *owner, uint32_t line, struct str text);
};

/* Why an imapsieve script is run (RFC 6785, 3). */
enum sieve_cause { SIEVE_DELIVERY, SIEVE_APPEND, SIEVE_COPY, SIEVE_FLAG };

/* An item of the environment test (RFC 5183, 4.1) that the host knows: "domain", "host", "remote-ip", "vnd.limetta.x" ... Those that
 * follow from struct sieve_env are answered without: location, phase, name, version, and imap.* (RFC 6785). */
struct sieve_item {
    struct str name;
    struct str value;
};

/* Everything is borrowed for the run. */
struct sieve_env {
    struct str message;        /* all its octets, as mime/shape.h reads them */
    const struct shape *shape; /* of it; NULL: is made when a test needs it */

    bool has_envelope;     /* false: tests of the envelope are false */
    struct str from;       /* MAIL FROM without angle brackets; empty: "<>" */
    struct str to;         /* RCPT TO as the sender gave it, with its detail */
    struct str auth;       /* AUTH= of MAIL; empty: none */
    struct str delimiters; /* of subaddresses (RFC 5233); empty: "+" */

    int64_t now_s;  /* Unix time */
    int32_t zone_s; /* local time zone, seconds east */

    struct str user;                /* the account */
    struct sieve_strings addresses; /* the user's own, the best for From first */
    struct str inbox;               /* where keep puts messages; empty: "INBOX" */
    const struct sieve_item *items;
    uint32_t item_count;

    enum sieve_cause cause;
    struct str mailbox;                 /* not SIEVE_DELIVERY: where the message is */
    struct sieve_strings changed_flags; /* SIEVE_FLAG */
    struct sieve_strings flags;         /* the message has: not SIEVE_DELIVERY */
    struct str imap_user;
    struct str imap_email;

    const struct sieve_host *host;     /* NULL: as one that can nothing */
    void *owner;                       /* for the callbacks */
    const struct sieve_limits *limits; /* NULL: the default ones */
    const struct sieve_config *config; /* for included scripts; NULL: the default one */
};

enum sieve_action_kind {
    SIEVE_KEEP, /* into env.inbox (not SIEVE_DELIVERY: the message stays where it is, with these flags) */
    SIEVE_FILEINTO,
    SIEVE_REDIRECT,
    SIEVE_DISCARD, /* cancels the implicit keep, no more */
    SIEVE_REJECT, /* by a message (RFC 5429, 2.2) or, where that is possible, at SMTP or LMTP level */
    SIEVE_EREJECT, /* at protocol level (RFC 5429, 2.1) */
    SIEVE_VACATION,
    SIEVE_NOTIFY
};

/* Where a copy goes: keep, fileinto, fcc. */
struct sieve_target {
    struct str mailbox; /* UTF-8 */
    struct sieve_strings
        flags;              /* to be set, "\Seen" and keywords, none twice; valid as IMAP flags */
    bool has_flags;         /* they were said by the script: imap4flags is in use */
    bool is_create;         /* :create (RFC 5490, 3.2) */
    struct str special_use; /* :specialuse (RFC 8579, 4); empty: none */
    struct str
        mailbox_id; /* :mailboxid (RFC 9042, 5); empty: none; goes before the name when there is one */
};

struct sieve_vacation {
    struct str reason;
    bool is_mime;       /* the reason is a MIME entity, header and all */
    struct str subject; /* has_subject: UTF-8 without line ends */
    bool has_subject;
    struct str from; /* a mailbox (RFC 5322), checked; empty: the best of the user's */
    struct sieve_strings addresses; /* more addresses that are the user's */
    uint64_t seconds;               /* no second reply within; 0: every time (RFC 6131) */
    /* What tells replies apart (RFC 5230, 4.2): the handle, or what stands for reason, subject, from and mime. */
    struct str key;
    bool has_fcc;
    struct sieve_target fcc;
};

struct sieve_notify {
    struct str method; /* URI; valid for mailto, or the host said so */
    struct str from;   /* empty: the user */
    char importance;   /* '1' high, '2' normal, '3' low */
    struct sieve_strings options;
    struct str message; /* has_message */
    bool has_message;
    bool has_fcc;
    struct sieve_target fcc;
};

struct sieve_action {
    enum sieve_action_kind kind;
    uint32_t line;    /* of the command; 0: implicit */
    bool is_implicit; /* the implicit keep */
    /* The header as editheader left it when the action was taken (RFC 5293, 7): whole, with its empty line, in place of the
     * message's. The body is the message's. */
    bool is_edited;
    struct str header;
    struct sieve_target target; /* keep, fileinto */
    struct str address;         /* redirect: a valid address, without display name */
    struct str reason;          /* reject, ereject: UTF-8 */
    const struct sieve_vacation *vacation;
    const struct sieve_notify *notify;
};

struct sieve_result {
    /* To be carried out in this order. The implicit keep, when it is due, is the last of them. None copies into the same mailbox, or
     * goes to the same address, twice. Empty: the message is done with. */
    const struct sieve_action *actions;
    uint32_t count;
    bool is_implicit_keep;
    /* The script failed: the actions are the implicit keep alone, and the user is to be told (RFC 5228, 2.10.6). */
    bool is_failed;
    struct sieve_error error; /* is_failed */
    uint64_t steps;           /* that were taken */
};

/* Runs script. Everything in out lives in a, or is borrowed from env and script. a also holds what the run needs; limits bound
 * it, its own cap should be higher.
 * Errors: those of the host's callbacks: try again later. A script that fails is no error here (out->is_failed). */
MUST_USE enum err sieve_run(const struct sieve_script *script, const struct sieve_env *env,
                            struct arena *a, struct sieve_result *out);

#endif
