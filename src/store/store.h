#ifndef LIMETTA_STORE_STORE_H
#define LIMETTA_STORE_STORE_H

#include "base/err.h"
#include "base/list.h"
#include "base/numset.h"
#include "base/str.h"
#include "store/quota.h"
#include "store/view.h"

#include <stdbool.h>
#include <stdint.h>

/* The store of one worker: accounts, mailboxes, messages. One thread, one owner process an account.
 *
 * Reading sees what is committed. Writing goes to a pending state; store_commit() makes it durable, swaps it in, and
 * tells waiters and watchers. So nobody sees, or is told of, a change that is not on disk.
 *
 * A change that is refused (name taken, unknown mailbox, too big ...) leaves the pending state as it was. A change that
 * meets a failing disk poisons the account's pending state: the commit then fails for everybody who waits for it, and
 * nothing of that turn happened. So callers group what must be atomic by making it within one turn. */
struct store;
struct account;
struct mailbox;

struct store_config {
    struct str dir;             /* copied; holds one folder an account */
    uint64_t (*now_ms)(void *); /* Unix time, ms */
    void *now_owner;
    bool is_flag_durability_strict; /* sync flag changes before the reply, too */
    uint32_t inline_most;           /* larger bodies become blobs; 0: 65536 */
    uint64_t message_most;          /* largest message taken, octets; 0: 64 MiB */
    uint64_t script_most;           /* largest Sieve script, octets; 0: SCRIPT_MOST_DEFAULT */
    uint64_t scripts_most;          /* Sieve scripts of an account; 0: SCRIPTS_MOST_DEFAULT */
    /* Hears of each commit, behind everybody in this process: once for each mailbox with changes, and once with 0 for the account. May be
     * NULL. user is borrowed. */
    void (*on_change)(void *owner, struct str user, uint64_t mailbox_id);
    void *on_change_owner;
    uint64_t
        quota[QUOTA_RESOURCE_COUNT]; /* limits of accounts that have none of their own; 0: none */
};

MUST_USE enum err store_new(const struct store_config *c, struct store **out);
/* Closes every account (checkpoint, clean mark). What is pending is dropped, waits and watches hear no more. Readers and writers of
 * bodies must be freed before; views and mailboxes may be let go of later. */
void store_free(struct store **s);

/* Opens or finds an open account; counts a reference. must_create: makes it, with INBOX and the special-use mailboxes,
 * when it is missing. Errors: ERR_NOT_FOUND, ERR_IN_USE (another process has it), ERR_CORRUPT, ERR_IO. */
MUST_USE enum err store_open_account(struct store *s, struct str user, bool must_create,
                                     struct account **out);
void account_ref(struct account *a);
/* The last reference gone, the account closes after a while of silence (store_tick()). */
void account_unref(struct account **a);
struct str account_get_user(const struct account *a);
/* Copies the account, which may be in use, to a new folder. Errors: those of engine_copy() (store/engine.h). */
MUST_USE enum err store_backup_account(struct store *s, struct str user, struct str folder);
/* Makes the account anew from such a folder. Its mailboxes get another UIDVALIDITY, its objects other names, and URLs signed before are
 * void: UIDs and numbers given after the backup may have meant other messages. Errors: ERR_EXISTS (the account is there), ERR_NOT_FOUND
 * (no backup in folder), ERR_CORRUPT, ERR_NO_SPACE, ERR_IO; then nothing is left behind. */
MUST_USE enum err store_restore_account(struct store *s, struct str user, struct str folder);
/* Removes the account with all its mail, for ever. Errors: ERR_NOT_FOUND, ERR_IN_USE (somebody has it open), ERR_IO. */
MUST_USE enum err store_delete_account(struct store *s, struct str user);
/* Housekeeping: closes what idles, syncs lazy flag changes (within a second), checkpoints. Call about 4 times a second;
 * returns ms until it must be called again, 0 for not before the next change. */
uint64_t store_tick(struct store *s);
/* No account is open: nothing needs housekeeping before one is. */
bool store_is_empty(const struct store *s);

/* Something made from an account's mail that is worth keeping while the account is in use: one thing, dropped when it rests. Embed it
 * at the beginning. */
struct account_memo {
    void (*drop)(struct account_memo *memo);
};
/* What is kept; NULL: nothing. */
struct account_memo *account_find_memo(const struct account *a);
/* Takes memo (NULL: nothing) and drops what was kept. */
void account_set_memo(struct account *a, struct account_memo *memo);

/* ---- commit ---- */

/* Something that waits for the account's pending changes to be durable. Embed it. */
struct commit_wait {
    struct list node;
    /* ERR_OK: durable and visible. Else nothing of what was pending happened. The wait is out of the list then. */
    void (*on_commit)(struct commit_wait *w, enum err e);
};
/* Joins the account's next commit. */
void account_wait_commit(struct account *a, struct commit_wait *w);
void commit_wait_cancel(struct commit_wait *w);
bool account_has_pending(const struct account *a);
/* A change that must be whole was made in part: nothing of this turn may be kept, for the reason e, which is returned. */
enum err account_abandon(struct account *a, enum err e);
/* Some account has. A watch or a wait may have changed something: then commit once more before the loop sleeps. */
bool store_has_pending(const struct store *s);
/* Commits every account with pending changes: one transaction each. Then views are swapped, then watchers and waits
 * hear. Call at the end of each loop turn. */
void store_commit(struct store *s);

/* ---- mailboxes; names are UTF-8 with '/' as the delimiter, INBOX spelt so ---- */

enum special_use {
    USE_NONE = 0,
    USE_ALL = 1,
    USE_ARCHIVE = 2,
    USE_DRAFTS = 4,
    USE_FLAGGED = 8,
    USE_JUNK = 16,
    USE_SENT = 32,
    USE_TRASH = 64
};

enum { MAILBOX_NAME_MOST = 1000, MAILBOX_COUNT_MOST = 20000, MAILBOX_DEPTH_MOST = 32 };

/* Appends a name as it is spelt here: in Normalization Form C, INBOX in capitals, also as the first level of a longer one. All
 * functions that take names do so. Errors: ERR_MAILBOX_NAME for what cannot be a name. */
MUST_USE enum err mailbox_name_normalise(struct str name, struct buf *out);

/* Committed state. Errors: ERR_NO_MAILBOX, ERR_MAILBOX_NAME. Counts a reference; the object stays valid (is_deleted) when
 * the mailbox is deleted. */
MUST_USE enum err account_find_mailbox(struct account *a, struct str name, struct mailbox **out);
/* The mailbox as it will be when what is pending is committed, one that this turn made among them; borrowed until then. NULL: none. */
struct mailbox *account_find_pending_mailbox(struct account *a, struct str name);
/* The same by mailbox_get_id(), borrowed until the next commit; NULL when it is not there. */
struct mailbox *account_find_mailbox_id(struct account *a, uint64_t id);
void mailbox_ref(struct mailbox *m);
void mailbox_unref(struct mailbox **m);
struct account *mailbox_get_account(const struct mailbox *m);
uint64_t mailbox_get_id(const struct mailbox *m); /* never reused in the account, survives RENAME */
struct str mailbox_get_name(const struct mailbox *m);
unsigned mailbox_get_special_use(const struct mailbox *m);
bool mailbox_is_deleted(const struct mailbox *m);
/* As the committed view has it, without loading that. */
uint64_t mailbox_get_highestmodseq(const struct mailbox *m);
/* The committed view, borrowed; take view_ref() to keep it. Loads it from disk on first use.
 * Errors: ERR_CORRUPT, ERR_IO. */
MUST_USE enum err mailbox_get_view(struct mailbox *m, struct view **out);

/* One row of the mailbox list. name and fields are borrowed until the next commit. */
struct mailbox_info {
    struct str name;
    uint64_t id;
    unsigned special_use;
    bool is_subscribed;
    bool is_mailbox; /* false: only a subscribed name, or only a parent of others (\NonExistent) */
    bool has_children;
};
/* All mailboxes and subscribed names with their missing parents, sorted by name, INBOX first; what is below a name is right
 * behind it. *at starts at 0. */
bool account_next_mailbox(struct account *a, size_t *at, struct mailbox_info *out);
/* Where to go on behind name (which need not be there any more), when the list may have changed meanwhile. */
size_t account_seek_mailbox(struct account *a, struct str name);

/* Special uses that a mailbox can be given; the others would be views of other mailboxes. */
enum { USES_SETTABLE = USE_ARCHIVE | USE_DRAFTS | USE_JUNK | USE_SENT | USE_TRASH };

/* Pending changes. Missing parents are made as mailboxes. special_use: as account_set_special_use().
 * Errors: ERR_MAILBOX_EXISTS, ERR_MAILBOX_NAME, ERR_INBOX, ERR_LIMIT, ERR_USE_ATTR. */
MUST_USE enum err account_create_mailbox(struct account *a, struct str name, unsigned special_use);
/* Gives the mailbox these uses and no others. An account has one mailbox a use: whoever had it loses it. Pending. *modseq: of
 * this mailbox's change among annotations (store/annotation.h), 0: it has these uses already.
 * Errors: ERR_NO_MAILBOX, ERR_MAILBOX_NAME, ERR_USE_ATTR (not settable, or INBOX). */
MUST_USE enum err account_set_special_use(struct account *a, struct str name, unsigned special_use,
                                          uint64_t *modseq);
/* A mailbox with children is emptied and becomes a bare parent (RFC 3501, 6.3.4). */
MUST_USE enum err account_delete_mailbox(struct account *a, struct str name);
/* Moves children, too. RENAME of INBOX moves its messages into a new mailbox and leaves INBOX empty. */
MUST_USE enum err account_rename_mailbox(struct account *a, struct str from, struct str to);
MUST_USE enum err account_set_subscribed(struct account *a, struct str name, bool is_subscribed);

/* ---- watching ---- */

/* Hears after each commit that changed what it watches. Embed it. */
struct watch {
    struct list node;
    void (*on_change)(struct watch *w);
};
/* The messages of m (a new view is there). */
void mailbox_watch(struct mailbox *m, struct watch *w);
/* Anything in the account: any mailbox's messages, the list of mailboxes. */
void account_watch(struct account *a, struct watch *w);
void watch_cancel(struct watch *w);
/* Who makes the changes that follow: an opaque mark, compared only; NULL: nobody in particular. */
void account_set_author(struct account *a, const void *author);
/* While watches hear of a commit: who made all its changes; NULL: several did, or nobody in particular. */
const void *account_get_author(const struct account *a);

/* ---- keywords: each mailbox numbers its keywords; see view.h for FLAG_ bits ---- */

/* The bit of the keyword in m; is_pending: gives it one when it has none (written with the next commit).
 * Case-insensitive, the first spelling is kept. Errors: ERR_NOT_FOUND (not pending), ERR_LIMIT (all bits are taken, or kept
 * for reserved keywords). */
MUST_USE enum err mailbox_get_keyword(struct mailbox *m, struct str keyword, bool may_add,
                                      uint64_t *bit);
/* May keyword be made in m, if it is not there? */
bool mailbox_has_room_for_keyword(const struct mailbox *m, struct str keyword);
/* The reserved keywords, for which there always is room; i counts from 0, empty behind the last. */
struct str keyword_get_reserved(unsigned i);
/* The spelling of keyword bit number i (KEYWORD_FIRST..63), empty when unused. Borrowed while m lives. */
struct str mailbox_get_keyword_name(const struct mailbox *m, unsigned bit_number);
unsigned mailbox_count_keywords(const struct mailbox *m);

/* ---- bodies ---- */

/* A message on its way in: octets are streamed, then it is appended to any mailboxes, or dropped without trace. */
struct body_writer;
MUST_USE enum err body_writer_new(struct account *a, struct body_writer **out);
/* Errors: ERR_TOO_BIG, ERR_NO_SPACE, ERR_IO; sticky. */
MUST_USE enum err body_writer_add(struct body_writer *w, struct str octets);
uint64_t body_writer_get_size(const struct body_writer *w);
/* Ends the octets, parses the shape, makes the body part of the pending transaction. */
MUST_USE enum err body_writer_finish(struct body_writer *w);
/* The finished octets, and their serialised shape (mime/shape.h); borrowed until the writer is freed, also when it was appended.
 * Errors: ERR_IO. */
MUST_USE enum err body_writer_map(struct body_writer *w, struct str *octets, struct str *shape);
/* The size of the finished message as readers are shown it, binary parts in base64 (mime/present.h): what views and quotas tell. */
uint64_t body_writer_get_shown_size(const struct body_writer *w);
/* Drops what was not appended. */
void body_writer_free(struct body_writer **w);

struct append_args {
    uint64_t flags;         /* FLAG_ and keyword bits of the target */
    int64_t internaldate_s; /* Unix time; shown as +0000 */
    bool
        is_replacing; /* a message of replaced_octets goes in the same turn: that room is used again */
    uint64_t replaced_octets;
    struct str
        email_id; /* it is a copy from another account, where this names it (store/object.h); empty: it is new */
};
/* Appends the finished body (once for each call). Pending. Errors: ERR_NO_SPACE, ERR_IO, ERR_LIMIT, ERR_OVER_QUOTA. */
MUST_USE enum err mailbox_append(struct mailbox *m, struct body_writer *w,
                                 const struct append_args *args, struct uid *uid);

/* Reads stored octets: a cursor, not a copy. */
struct body_reader;
MUST_USE enum err body_reader_new(struct account *a, uint64_t body_id, struct body_reader **out);
uint64_t body_reader_get_size(const struct body_reader *r);
/* At most n octets from offset, fewer only at the end; borrowed until the next call. Errors: ERR_IO, ERR_CORRUPT. */
MUST_USE enum err body_reader_get(struct body_reader *r, uint64_t offset, size_t n,
                                  struct str *out);
/* All octets at once; borrowed until r is freed. Errors: ERR_IO. */
MUST_USE enum err body_reader_map(struct body_reader *r, struct str *out);
void body_reader_free(struct body_reader **r);
/* The serialised shape (mime/shape.h), borrowed until the next call on the account. */
MUST_USE enum err account_get_shape(struct account *a, uint64_t body_id, struct str *out);

/* ---- changing messages; uids are sets of UIDs, those that do not exist are passed over ---- */

enum flag_op { FLAG_OP_SET, FLAG_OP_ADD, FLAG_OP_REMOVE };

/* Changes flags; a message whose flags would stay the same gets no new modseq. With unchanged_since (not UINT64_MAX), messages
 * with a higher modseq are left alone and their UIDs added to modified. Checked against the pending state. Pending. */
MUST_USE enum err mailbox_store_flags(struct mailbox *m, const struct numset *uids, enum flag_op op,
                                      uint64_t flags, uint64_t unchanged_since,
                                      struct numset *modified);
/* Removes messages. only_deleted: just those with \Deleted. removed (may be NULL) gets the UIDs. Pending. */
MUST_USE enum err mailbox_expunge(struct mailbox *m, const struct numset *uids, bool only_deleted,
                                  struct numset *removed);
struct copy_pair {
    struct uid from;
    struct uid to;
};
/* Copies (or moves: is_move, atomically) in rising UID order; bodies are shared; flags by keyword name. on_pair hears each.
 * to may be m itself. A keyword for which to has no room is left out. Pending. Errors: ERR_LIMIT, ERR_NO_SPACE, ERR_IO. */
MUST_USE enum err mailbox_copy(struct mailbox *m, const struct numset *uids, struct mailbox *to,
                               bool is_move, void (*on_pair)(void *owner, struct copy_pair p),
                               void *owner);
/* Clears \Recent bookkeeping: the first UID that no session was told is recent; returns it and moves it to UIDNEXT when
 * is_claimed (pending, lazily durable). */
uint32_t mailbox_get_first_recent(struct mailbox *m, bool is_claimed);

/* ---- resynchronisation ---- */

/* The UIDs expunged with modseq > since, as ranges (exact, merged). Errors: ERR_IO. */
MUST_USE enum err mailbox_get_expunged(struct mailbox *m, uint64_t since, struct numset *out);
/* Makes the view again of which only the mark is left, so that a diff with the committed one tells what changed since. left_out: UIDs
 * that it did not have although they were removed later. Messages that were changed since have their flags of now and the mark's
 * HIGHESTMODSEQ; view_get() of one that was removed since says ERR_NOT_FOUND. Counts a reference.
 * Errors: ERR_NO_MAILBOX (another UIDVALIDITY), ERR_CORRUPT (the mark was never true), ERR_IO. */
MUST_USE enum err mailbox_rebuild_view(struct mailbox *m, const struct view_mark *mark,
                                       const struct numset *left_out, struct view **out);

/* ---- URLAUTH access keys (RFC 4467) ---- */

enum { URLAUTH_KEY_SIZE = 32 };
/* The mailbox's access key; made from random on first use (pending, durable with the next commit). */
MUST_USE enum err mailbox_get_urlauth_key(struct mailbox *m, uint8_t key[URLAUTH_KEY_SIZE]);
/* A new key: every URL signed before is void. m NULL: all mailboxes of a. */
MUST_USE enum err account_reset_urlauth_key(struct account *a, struct mailbox *m);

/* ---- access control lists (RFC 4314) ---- */

/* The rights of RFC 4314, 2.1. */
enum right {
    RIGHT_LOOKUP = 1,            /* l */
    RIGHT_READ = 2,              /* r */
    RIGHT_SEEN = 4,              /* s */
    RIGHT_WRITE = 8,             /* w */
    RIGHT_INSERT = 16,           /* i */
    RIGHT_POST = 32,             /* p */
    RIGHT_CREATE = 64,           /* k */
    RIGHT_DELETE_MAILBOX = 128,  /* x */
    RIGHT_DELETE_MESSAGES = 256, /* t */
    RIGHT_EXPUNGE = 512,         /* e */
    RIGHT_ADMINISTER = 1024,     /* a */
    RIGHT_ALL = 2047
};

enum { ACL_IDENTIFIER_MOST = 256, ACL_ENTRIES_MOST = 256, GRANTORS_MOST = 1000 };

/* identifier: a user's name, or "anyone"; with "-" in front, rights that are taken away. */
struct acl_entry {
    struct str identifier;
    unsigned rights; /* bits of enum right, at least one */
};
/* Entry i of the committed list, from 0; false behind the last. Borrowed until the next commit. The owner, who has all
 * rights, is not in it. */
bool mailbox_get_acl_entry(const struct mailbox *m, size_t i, struct acl_entry *out);
/* The rights of user, who is not the owner: those of "anyone" and of the user together, less those of "-anyone" and "-user". */
unsigned mailbox_get_rights(const struct mailbox *m, struct str user);
/* The pending rights of identifier become these; 0: its entry goes. Errors: ERR_LIMIT, ERR_NO_MAILBOX (gone or going). */
enum acl_op { ACL_OP_SET, ACL_OP_ADD, ACL_OP_REMOVE };
MUST_USE enum err mailbox_set_rights(struct mailbox *m, struct str identifier, enum acl_op op,
                                     unsigned rights);
/* The nearest mailbox above name that exists, as will be committed; NULL: there is none. Borrowed until the next commit. */
struct mailbox *account_find_parent(const struct account *a, struct str name);

/* The users who gave this account's user rights to mailboxes of theirs, as far as this account was told. Adding is pending.
 * Errors: ERR_LIMIT. */
MUST_USE enum err account_set_grantor(struct account *a, struct str owner, bool is_grantor);
bool account_has_grantor(const struct account *a, struct str owner);
/* Walks them in no order: start with *at = 0; false at the end. Borrowed until the next commit. */
bool account_next_grantor(const struct account *a, size_t *at, struct str *owner);

/* ---- verification ---- */

/* Checks everything that can be checked without the owner: database integrity, pages, bodies, shapes, references.
 * on_problem hears one line each. Errors: ERR_CORRUPT when there were problems. */
MUST_USE enum err account_verify(struct account *a,
                                 void (*on_problem)(void *owner, const char *line), void *owner);

#endif
