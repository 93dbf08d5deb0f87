#ifndef LIMETTA_IMAP_NOTIFY_PRIV_H
#define LIMETTA_IMAP_NOTIFY_PRIV_H

#include "base/vec.h"
#include "imap/notify.h"
#include "imap/session_priv.h"

#include <stdbool.h>
#include <stdint.h>

/* The inside of NOTIFY: for notify.c and notify_saved.c only. */

enum notify_tell {
    TELL_LIST = 1,
    TELL_STATUS = 2,
    TELL_UIDVALIDITY = 4, /* STATUS says it, too */
    TELL_UNSEEN = 8,
    TELL_MODSEQ = 16
};

/* What a STATUS response says. */
struct notify_marks {
    uint32_t uidvalidity;
    uint32_t uidnext;
    uint64_t highestmodseq;
    uint32_t count;
    uint32_t unseen;
};

/* One name of the account, as the client knows it. */
struct notify_row {
    char *name;
    char *old_name; /* it was renamed from that, and this is to be told */
    uint64_t id;    /* of the mailbox; 0: there is none */
    struct notify_marks marks;
    bool has_marks;
    unsigned special_use; /* enum special_use */
    bool is_subscribed;
    bool has_children;
    bool is_gone;          /* nothing of that name is left: dropped when told */
    bool has_come_or_gone; /* within this comparison */
    uint8_t events;        /* enum notify_event */
    uint8_t tell;          /* enum notify_tell */
};

struct notify {
    struct imap_session *session;
    struct arena *arena; /* the plan lives in it */
    struct notify_plan plan;
    const struct notify_group *selected; /* NULL: not named */
    struct watch watch;
    VEC(struct notify_row) rows;
    size_t at;            /* next row to be written */
    bool has_overflow;    /* there are more names now than a session may watch */
    bool is_due;          /* rows are to be compared */
    bool has_lines;       /* some row has something to tell */
    bool is_selected_due; /* the selected mailbox may have changed */
    uint64_t own_mailbox; /* own and own_uidnext are about this one */
    uint32_t own_uidnext;
    struct numset own; /* UIDs that came by this session's doing, since the last news */
};

/* One that hears of the account, without a plan. */
struct notify *notify_new(struct imap_session *s);
/* The plan becomes the session's; it lives in n->arena. */
void notify_read_plan(struct notify *n, const struct notify_plan *plan);
/* Bits of enum notify_event that the plan has for such a name. */
uint8_t notify_get_events(const struct notify *n, const struct mailbox_info *info);
/* Compares the account with the rows; is_silent: the client knows. */
void notify_compare(struct notify *n, bool is_silent);
/* On the heap. */
char *notify_copy_name(struct str name);

#endif
