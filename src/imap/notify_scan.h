#ifndef LIMETTA_IMAP_NOTIFY_SCAN_H
#define LIMETTA_IMAP_NOTIFY_SCAN_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/scan.h"
#include "base/str.h"
#include "wire/imap_scan.h"

#include <stdbool.h>
#include <stddef.h>

/* What a client wants to be notified of (RFC 5465): the arguments of NOTIFY, as a tree. */

enum notify_event {
    NOTIFY_MESSAGE_NEW = 1,
    NOTIFY_MESSAGE_EXPUNGE = 2,
    NOTIFY_FLAG_CHANGE = 4,
    NOTIFY_MAILBOX_NAME = 8,
    NOTIFY_SUBSCRIPTION_CHANGE = 16,
    NOTIFY_MAILBOX_METADATA_CHANGE = 32,
    NOTIFY_SERVER_METADATA_CHANGE = 64,
    NOTIFY_MESSAGES = 7 /* all that are about messages */
};

/* Which mailboxes a group is about (RFC 5465, 6). */
enum notify_filter {
    NOTIFY_SELECTED,
    NOTIFY_SELECTED_DELAYED,
    NOTIFY_INBOXES,
    NOTIFY_PERSONAL,
    NOTIFY_SUBSCRIBED,
    NOTIFY_SUBTREE,
    NOTIFY_SUBTREE_ONE, /* RFC 7377, for ESEARCH */
    NOTIFY_MAILBOXES
};

struct notify_name {
    struct notify_name *next;
    struct str name;
};

struct notify_group {
    struct notify_group *next;
    enum notify_filter filter;
    struct notify_name *names; /* of SUBTREE and MAILBOXES */
    unsigned events;
    bool has_atts;
    struct fetch_atts atts; /* of MessageNew; SELECTED only */
};

enum { NOTIFY_NAMES_MOST = 500, NOTIFY_GROUPS_MOST = 100 };

struct notify_plan {
    bool is_set;     /* else NONE */
    bool has_status; /* the STATUS indicator */
    bool is_unknown; /* an event was named that is not offered here */
    struct str text; /* the whole command; set by who reads it, */
    bool is_utf8;    /* and in which dialect it is */
    struct notify_group *groups;
};

/* Reads from the SP after the command's name on; lives in a or borrows from the text. Errors stay in c: ERR_SYNTAX, also for
 * events that may not stand together (RFC 5465, 5), ERR_LIMIT for more names or groups than the bounds. */
void notify_scan(struct scan *c, struct arena *a, struct notify_plan *out);

/* filter-mailboxes (RFC 5465, 6), without events: which mailboxes ESEARCH shall search (RFC 7377, 2.2), where SELECTED-DELAYED is not
 * known, and SUBTREE-ONE is. *count: names so far, for the bound. */
void notify_scan_mailboxes(struct scan *c, struct arena *a, size_t *count,
                           struct notify_group *out);

/* Appends the names of all events that are offered, with SP between. */
void notify_write_events(struct buf *out);

#endif
