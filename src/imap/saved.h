#ifndef LIMETTA_IMAP_SAVED_H
#define LIMETTA_IMAP_SAVED_H

#include "base/buf.h"
#include "base/err.h"
#include "base/numset.h"
#include "base/str.h"
#include "store/annotation.h"
#include "store/view.h"

#include <stdbool.h>
#include <stdint.h>

/* What an IMAP session saves of itself, as octets (net/session.h): only the form. What it means is in imap/resume.h. */

/* What is under way. */
enum saved_phase {
    SAVED_READ,    /* nothing: the next command */
    SAVED_IDLE,    /* IDLE with this tag */
    SAVED_ENDING,  /* a command is done: news, then its tagged reply */
    SAVED_RUNNING, /* a command that can go on: its text, and how far it is */
    SAVED_LITERAL, /* a literal streams: of the command with this tag */
    SAVED_RELAYED  /* a command runs where the selected mailbox is, in another account */
};

/* The selected mailbox. */
struct saved_selected {
    uint64_t mailbox_id; /* 0: none is selected */
    struct view_mark known;
    bool has_untold;
    bool is_untold_known; /* it is the known one */
    struct view_mark untold;
    struct numset left_out; /* UIDs that the client knows to be gone, since */
    struct numset recent;
    struct numset saved; /* "$" */
    bool is_saved_lost;  /* there was a "$", too large to be saved */
    bool is_read_only;
    bool is_count_untold;
    unsigned rights;
    unsigned keywords_told;
};

/* The mailbox of another account that is selected (imap/relay.h). */
struct saved_far {
    struct str owner; /* of the account; empty: there is none */
    struct str prefix;
    struct str state;     /* of the session there, as peer_save() gives it */
    unsigned relay_phase; /* RELAYED: relay.c's own */
    bool has_line;        /* RELAYED: the line that ends IDLE was passed on */
};

/* The command under way; strings are empty where the phase has none. */
struct saved_command {
    struct str tag;
    struct str name;    /* ENDING and RELAYED: in capitals, without UID */
    struct str code;    /* ENDING and RELAYED: as of struct cmd */
    struct str said;    /* ENDING: cmd.text; empty: "<name> completed" */
    struct str text;    /* RUNNING: the command */
    uint32_t told;      /* RUNNING: the last UID that was told */
    uint64_t left;      /* LITERAL: octets of it still to come, and */
    uint32_t go_aheads; /* how many literals of the unfinished command were asked for */
    enum err err;       /* ENDING and RUNNING */
    uint32_t limited_uid;
    bool is_uid;
    bool is_answered;
    bool tells_all;
};

struct saved {
    struct str user;
    struct str asker;
    struct str modes; /* words that ENABLE knows, with SP behind each */
    bool is_compressed;
    bool owes_capability;
    bool is_copying;
    struct saved_far far;
    struct annotation_place place;
    struct saved_selected selected;
    enum saved_phase phase;
    struct saved_command command;
    struct str partial;  /* the beginning of the next command, as far as it came */
    struct str notify;   /* of imap/notify.h; empty: NOTIFY was never given */
    struct str contexts; /* of imap/contexts.h; empty: there are none */
    struct buf plain;    /* of one that was packed: what the strings borrow from */
};

/* Of all that is written, before it is packed; and of each part. */
enum { SAVED_PLAIN_MOST = 1024 * 1024 };

/* Appends it; what is long is packed (net/pack.h). A full out shows there. */
void saved_write(const struct saved *s, struct buf *out);
/* Strings borrow from the octets, or from out->plain; release it in either case. Errors: ERR_UNSUPPORTED (another version), ERR_CORRUPT. */
MUST_USE enum err saved_parse(struct str octets, struct saved *out);
void saved_release(struct saved *s);

/* Parts that others write in their own blobs. */
struct scan;
void saved_write_set(struct buf *out, const struct numset *set);
void saved_scan_set(struct scan *c, struct numset *out);
void saved_write_str(struct buf *out, struct str s);
struct str saved_scan_str(struct scan *c);

#endif
