#ifndef LIMETTA_STORE_ANNOTATION_H
#define LIMETTA_STORE_ANNOTATION_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Annotations of mailboxes and of the account as a whole (RFC 5464): named values. Names are ASCII, compared without case, and
 * begin with "/private" (each user has his own) or "/shared" (one for all who may use the mailbox). What names are sound is for
 * the caller to say. m NULL: the account's own ("server annotations"). user: who asks. */

struct account;
struct mailbox;

enum {
    ANNOTATION_NAME_MOST = 1000,              /* octets */
    ANNOTATION_VALUE_MOST = 65536,            /* octets; ERR_ANNOTATION_SIZE says the same number */
    ANNOTATION_COUNT_MOST = 1000,             /* of one mailbox, and of the account itself */
    ANNOTATION_OCTETS_MOST = 16 * 1024 * 1024 /* names and values, a whole account */
};

struct annotation {
    struct str name;
    struct str value;
    bool has_value; /* false: it is removed */
};

/* Sets or removes them, all or none. *modseq: of this change, told apart from all others. Pending; reading sees it at once.
 * Errors: ERR_NO_MAILBOX, ERR_ANNOTATION_SIZE, ERR_ANNOTATION_COUNT, ERR_NO_SPACE, ERR_IO. */
MUST_USE enum err account_set_annotations(struct account *a, struct mailbox *m, struct str user,
                                          const struct annotation *at, size_t count,
                                          uint64_t *modseq);
/* Appends the value to out. Errors: ERR_IO. */
MUST_USE enum err account_get_annotation(struct account *a, struct mailbox *m, struct str user,
                                         struct str name, struct buf *out, bool *has_value);
/* An annotation that was read; the caller initialises and releases both. */
struct annotation_text {
    struct buf name;
    struct buf value;
};
/* The first annotation behind `after`, in order of names, of its scope ("/private" or "/shared"), into *out.
 * Errors: ERR_IO. */
MUST_USE enum err account_next_annotation(struct account *a, struct mailbox *m, struct str user,
                                          struct str after, struct annotation_text *out,
                                          bool *has_next);

/* ---- what changed ---- */

/* A place among the changes; all zero: the beginning. */
struct annotation_place {
    uint64_t modseq;
    uint64_t row;
};

struct annotation_change {
    struct annotation_place place;
    uint64_t mailbox_id; /* 0: of the account itself */
};

/* Behind the last change that is committed. */
struct annotation_place account_get_annotation_place(const struct account *a);
/* The first committed change behind *after of something that user sees, removed annotations and special uses
 * ("/private/specialuse") among them; an annotation that changed twice is there once. Removals are remembered while the account
 * is open, the last ANNOTATION_COUNT_MOST of each mailbox. Errors: ERR_IO. */
MUST_USE enum err account_next_annotation_change(struct account *a, struct str user,
                                                 const struct annotation_place *after,
                                                 struct annotation_change *out, struct buf *name,
                                                 bool *has_next);

#endif
