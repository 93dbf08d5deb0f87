#ifndef LIMETTA_STORE_STORE_PRIV_H
#define LIMETTA_STORE_STORE_PRIV_H

#include "base/map.h"
#include "base/scan.h"
#include "base/vec.h"
#include "store/db.h"
#include "store/page.h"
#include "store/quota.h"
#include "store/store.h"

/* What the files of this room share. Life of a change: a function of store.h edits drafts (draft.c) and the pending fields
 * below; commit.c writes them in one transaction and then makes them the state that everybody reads. */

enum {
    KEYWORD_COUNT = 64 - KEYWORD_FIRST,
    KEYWORD_MOST = 255, /* octets of a keyword */
    INLINE_MOST = 65536,
    MESSAGE_MOST = 64 * 1024 * 1024,
    COLUMNS_MOST = 256 * 1024 * 1024, /* octets of anything stored in one row */
    PAGE_NUMBER_BITS = 24,
    LOG_PAGES_MUCH = 8000,  /* of 4 KiB: worth a checkpoint between two turns, quiet or not */
    LOG_PAGES_MOST = 32000, /* the next commit makes one itself */
    WARM_MOST = 256,        /* open databases: 150 KB and three descriptors each */
    MODSEQ_WINDOW = 1000000 /* modseqs made available by one durable commit */
};

/* ---- drafts ---- */

/* UIDs that one change removed. */
struct expunged {
    uint64_t modseq;
    struct numset uids;
};

/* A view in the making: starts as the committed one, is edited, becomes the next one. */
struct draft {
    VEC(struct page *) pages;
    VEC(uint64_t) gone; /* numbers of stored pages that are no more */
    VEC(struct expunged) expunged;
    VEC(uint64_t) taken;    /* bodies that got one more reference */
    VEC(uint64_t) released; /* bodies that lost one */
    uint64_t highestmodseq;
    uint64_t next_page;
    uint32_t uidnext;
};

struct mailbox {
    struct list node;         /* in account.mailboxes, deleted ones too */
    struct list changed_node; /* in account.changed */
    struct account *account;  /* NULL once the account is closed */
    unsigned refs;            /* others' */
    uint64_t id;
    char *name;     /* committed; empty while it was never committed */
    char *new_name; /* pending; NULL: no change */
    unsigned special_use;
    unsigned new_special_use; /* pending, when is_use_new */
    bool is_use_new;
    uint64_t use_modseq;    /* of that change, among annotations */
    bool is_committed;      /* a row of it is stored */
    bool is_deleted;        /* committed */
    bool is_deleting;       /* pending */
    bool is_changed;        /* something is pending */
    bool is_found;          /* while reloading */
    bool is_recent_changed; /* first_recent is not stored yet */
    uint32_t uidvalidity;
    uint32_t uidnext; /* committed, like the next two */
    uint64_t highestmodseq;
    uint64_t next_page;
    uint32_t first_recent;
    struct view *view;   /* committed; NULL: not loaded */
    struct draft *draft; /* pending; NULL: no change */
    char *keywords[KEYWORD_COUNT];
    uint64_t new_keywords; /* pending ones, as flag bits */
    bool has_urlauth_key;
    bool is_urlauth_key_new; /* pending */
    uint8_t urlauth_key[URLAUTH_KEY_SIZE];
    struct acl *acl;     /* committed; NULL: nobody but the owner has rights */
    struct acl *new_acl; /* pending; NULL: no change */
    struct list watches;
};

/* Messages, and the octets of all of them. */
struct usage {
    int64_t messages;
    int64_t octets;
};

struct subscription_change {
    char *name;
    bool is_subscribed;
};

struct grantor_change {
    char *owner;
    bool is_added;
};

/* Who may do what with a mailbox, besides its owner; identifiers in no order, each once, each with rights. */
struct acl {
    VEC(struct acl_entry) entries; /* identifiers are its own */
};

/* The text index of an account, as textindex.c keeps it. */
struct text_state {
    struct db *db; /* NULL: not open */
    bool is_known; /* mark says how far it is */
    bool is_in_transaction;
    uint64_t mark;     /* every body up to this id is in it */
    uint64_t count;    /* bodies that ever went in */
    size_t added;      /* octets in the open transaction */
    size_t unmerged;   /* octets since the last work on merging */
    uint64_t first_ms; /* when the first body came since all was indexed; 0: none did */
    uint64_t due_ms;   /* when to look */
    uint64_t off_until_ms;
};

struct account {
    struct list node;       /* in store.accounts */
    struct list dirty_node; /* in store.dirty */
    struct store *store;
    struct engine *engine;
    struct db *db; /* NULL while idle */
    struct view_home *home;
    char *user;
    unsigned refs;

    /* committed, in memory */
    struct list mailboxes;
    struct map *names;         /* name to mailbox */
    struct map *subscriptions; /* name to anything */
    struct map *origins;       /* body id to a text: the name of what came from another account */
    struct map *grantors;      /* user to anything */
    VEC(struct mailbox_info) infos; /* rows of the mailbox list; built when asked for */
    bool has_infos;
    uint64_t modseq;       /* the last one given out */
    uint64_t modseq_limit; /* durable: modseqs above were never shown */
    uint64_t modseq_floor; /* what HIGHESTMODSEQ is at least, since the last unclean start */
    uint64_t object_seed;  /* tells the names of its objects from other accounts' (object.c) */
    uint64_t next_mailbox_id;
    uint64_t next_body_id;
    uint64_t release_seq; /* last entry of the release log */
    uint32_t last_uidvalidity;
    bool is_clean;    /* the stored mark says so */
    bool must_reload; /* what is in memory may differ from what is stored */

    uint64_t annotation_modseq; /* of the last change of an annotation; 0: there was none */
    uint64_t annotation_floor;  /* removals up to here are of no use any more; 0: they are gone */
    uint64_t annotation_octets; /* names and values, what is pending included */
    bool has_annotation_octets; /* they were counted */
    bool is_annotation_loaded;

    struct usage usage;
    bool is_usage_stored;
    uint64_t limits[QUOTA_RESOURCE_COUNT]; /* quota.h */

    /* pending */
    struct usage new_usage; /* by how much it changes */
    uint64_t new_limits[QUOTA_RESOURCE_COUNT];
    bool has_new_limits;
    uint64_t new_annotation_modseq; /* 0: no annotation and no special use changes */
    struct map *new_names;          /* NULL: no mailbox was created, deleted or renamed */
    VEC(struct subscription_change) new_subscriptions;
    VEC(struct grantor_change) new_grantors;
    struct list changed; /* mailboxes with something pending */
    enum err poison;
    bool is_in_transaction;
    bool must_sync;             /* more than flags is pending */
    bool is_dirty;              /* in store.dirty */
    const void *author;         /* of changes from now on */
    const void *pending_author; /* of what is pending, while has_one_author */
    bool has_author;            /* something was changed since the last commit */
    bool has_one_author;
    const void *commit_author; /* of the last commit; NULL: several */

    struct list waits;
    struct list watches;
    struct list writers;    /* body writers alive */
    uint64_t failure_count; /* turns that failed */
    uint64_t used_ms;       /* last use of the database */
    uint64_t shrunk_ms;     /* used_ms when the database's cache was last given back */
    uint64_t unsynced_ms;   /* when the oldest unsynced commit was made; 0: all is synced */
    bool has_releases;      /* there may be entries to apply */
    bool has_outbox_mark;   /* see outbox.c */

    struct text_state text;

    uint64_t script_generation; /* changes of Sieve scripts */

    struct account_memo *memo; /* NULL: nothing is kept */
    struct buf shape_octets;   /* shapes read ahead; see shapes.c */
    VEC(struct shape_slot) shape_slots;
    uint64_t shape_wanted;
};

struct shape_slot {
    uint64_t body_id;
    size_t offset;
    size_t size;
};

struct store {
    char *dir;
    uint64_t (*now_ms)(void *);
    void *now_owner;
    void (*on_change)(void *owner, struct str user, uint64_t mailbox_id); /* may be NULL */
    void *on_change_owner;
    bool is_strict;
    uint32_t inline_most;
    uint64_t message_most;
    uint64_t script_most;
    uint64_t scripts_most;
    uint64_t quota[QUOTA_RESOURCE_COUNT]; /* of accounts that have no limits of their own */
    struct map *users;                    /* user to account */
    struct list accounts;
    struct list dirty;
    unsigned warm_count; /* accounts with an open database */
};

void *store_allocate(size_t size); /* zeroed; aborts when out of memory */
char *store_copy(struct str s);
/* Appends the name of the user's folder in dir; no name begins with a dot. */
void store_write_folder_name(struct str user, struct buf *out);
/* Appends the path of the account's folder. */
void store_write_folder(const struct store *s, struct str user, struct buf *out);
uint64_t store_get_now_ms(const struct store *s);

/* ---- account.c ---- */

/* The open database, state reloaded if it must be. Errors: ERR_IO ... */
MUST_USE enum err account_ready(struct account *a, struct db **db);
/* Closes the database as it is, without any mark. */
void account_close_db(struct account *a);
/* Takes the clean mark away, durably, unless it is gone: before anything is done to the disk that is not itself a synced
 * transaction. A transaction under way takes it away by itself. */
MUST_USE enum err account_mark_unclean(struct account *a, struct db *db);
/* Syncs, marks clean, closes the handle. */
void account_rest(struct account *a);
/* Closes and frees it; objects others still hold are left without an account. */
void account_close(struct account **a);

/* ---- load.c ---- */

/* Fills the committed state from the database; keeps the objects there are. */
MUST_USE enum err account_load(struct account *a, struct db *db);
/* A number of the table meta; 0: it is not there. */
MUST_USE enum err account_get_meta(struct db *db, struct str key, uint64_t *out);
struct mailbox *mailbox_new(struct account *a, uint64_t id);
void mailbox_free(struct mailbox **m);
/* A view of the committed state with these pages. */
struct view *mailbox_make_view(struct mailbox *m, struct page *const *pages, size_t count);
/* The stored id of a page of m. */
uint64_t page_id(const struct mailbox *m, uint64_t number);

/* ---- commit.c ---- */

/* Every changing function starts so: the account can be written to. Errors: what poisoned it, ERR_IO. */
MUST_USE enum err account_begin_change(struct account *a, struct db **db);
/* Something is pending. */
void account_mark_dirty(struct account *a);
void mailbox_mark_changed(struct mailbox *m);
/* A change failed half way: nothing of this turn can be kept. Returns e. */
enum err account_poison(struct account *a, enum err e);
/* Begins the transaction if none is open; for what is written before the commit (bodies). */
MUST_USE enum err account_begin_transaction(struct account *a, struct db *db);
uint64_t account_next_modseq(struct account *a);
/* Commits and tells. */
void account_commit(struct account *a);
/* Removes what is pending. */
void account_drop_pending(struct account *a);

/* ---- write.c ---- */

/* Writes everything pending into the open transaction. Errors: ERR_NO_SPACE, ERR_IO, ERR_CORRUPT. */
MUST_USE enum err account_write_changes(struct account *a, struct db *db);
/* This commit moves modseq_limit ahead. */
bool account_must_raise_limit(const struct account *a);

/* ---- draft.c ---- */

/* The mailbox's draft, begun if need be. Errors: ERR_NO_MAILBOX (gone or going), ERR_IO, ERR_CORRUPT. */
MUST_USE enum err draft_begin(struct mailbox *m, struct draft **out);
void draft_free(struct draft **d);
/* Page i as a draft; with its own loaded cold columns. */
struct page *draft_edit_hot(struct draft *d, size_t i);
MUST_USE enum err draft_edit_cold(struct mailbox *m, struct draft *d, size_t i, struct page **out);
MUST_USE enum err draft_load_cold(struct mailbox *m, struct page *p);
/* Appends a message; sets its UID. Errors: ERR_LIMIT (no UIDs left), ERR_IO. */
MUST_USE enum err draft_append(struct mailbox *m, struct draft *d, struct message *msg);
/* Removes the messages of the set that are there (is_only_deleted: and have FLAG_DELETED), releases their bodies, adds
 * their UIDs to removed (may be NULL). Errors: ERR_IO, ERR_CORRUPT. */
MUST_USE enum err draft_expunge(struct mailbox *m, struct draft *d, const struct numset *uids,
                                bool is_only_deleted, struct numset *removed);

/* A walk through a set of UIDs beside rising UIDs. */
struct pick {
    const struct numset *set;
    size_t at;
};
bool pick_has(struct pick *p, uint32_t uid);
/* Some number of the set is within first..last. */
bool pick_may_have(struct pick *p, uint32_t first, uint32_t last);

/* ---- expunged.c ---- */

struct runs {
    VEC(struct numrange) list;
};
void expunged_write(struct buf *out, const struct numset *uids);
/* Appends the runs. Errors: ERR_CORRUPT, and some may be appended. */
MUST_USE enum err expunged_parse(struct str s, struct runs *out);

/* ---- names.c ---- */

/* As mailbox_name_normalise(). out: allocated. */
MUST_USE enum err name_normalise(struct str name, char **out);
void account_forget_infos(struct account *a);

/* ---- mailboxes.c ---- */

/* account_create_mailbox() without its rule about INBOX. */
MUST_USE enum err account_add_mailbox(struct account *a, struct str name, unsigned special_use);

/* ---- acl.c ---- */

void acl_free(struct acl **acl);
/* Reads the rights of all mailboxes (ids: id to mailbox) and the grantors. */
MUST_USE enum err account_load_acls(struct account *a, struct db *db, const struct map *ids);
MUST_USE enum err account_load_grantors(struct account *a, struct db *db);
/* m is new and gets the rights that its parent has (RFC 4314, 4). */
void mailbox_inherit_acl(struct mailbox *m, const struct mailbox *parent);
MUST_USE enum err mailbox_write_acl(struct mailbox *m, struct db *db);
MUST_USE enum err account_write_grantors(struct account *a, struct db *db);
/* What is pending is the state now, or is forgotten. */
void mailbox_install_acl(struct mailbox *m);
void account_install_grantors(struct account *a);
void account_drop_grantor_changes(struct account *a);
/* ---- annotations.c ---- */

/* Notes that the special use of m changes, in the open transaction. */
MUST_USE enum err annotations_mark_use(struct account *a, struct db *db, const struct mailbox *m);
/* RENAME of INBOX: the new mailbox begins with what INBOX has, which keeps it (RFC 5464, 4.1). */
MUST_USE enum err annotations_copy(struct account *a, const struct mailbox *from,
                                   const struct mailbox *to);
MUST_USE enum err annotations_load(struct account *a, struct db *db);

/* ---- quota.c ---- */

/* The draft of a mailbox gains (or loses) messages. */
void quota_count(struct account *a, int64_t messages, int64_t octets);
MUST_USE enum err quota_load(struct account *a, struct db *db);
MUST_USE enum err quota_write(const struct account *a, struct db *db);
/* What is pending is forgotten, or the state now. */
void quota_drop(struct account *a);
void quota_install(struct account *a);
/* May there be `more` mailboxes, when there are `now`? Errors: ERR_OVER_QUOTA. */
MUST_USE enum err quota_check_mailboxes(const struct account *a, size_t now, size_t more);
bool quota_has_storage_limit(const struct account *a);

/* ---- release.c ---- */

/* Applies some of the release log; true when there is more to do now. */
bool account_sweep(struct account *a);
/* Deletes blobs without a body and without a writer, after an unclean start. */
MUST_USE enum err account_sweep_blobs(struct account *a, struct db *db);

/* ---- textindex.c ---- */

/* The account is loaded. hint: up to where its text was indexed when it was closed in good order (is_clean). Sees to it that no
 * body gets an id that the index knows. */
void account_load_text(struct account *a, uint64_t hint, bool is_clean);
/* A new body was committed, or will be. */
void account_expect_text(struct account *a);
/* Commits and closes the index. */
void account_close_text(struct account *a);
/* on_problem hears one line each; a damaged index is removed. */
MUST_USE enum err account_verify_text(struct account *a,
                                      void (*on_problem)(void *owner, const char *line),
                                      void *owner);

/* ---- object.c ---- */

MUST_USE enum err account_load_origins(struct account *a, struct db *db);
void account_free_origins(struct account *a);
/* Within the turn in which the body is stored. Errors: ERR_NO_SPACE, ERR_IO. */
MUST_USE enum err account_add_origin(struct account *a, uint64_t body_id, struct str email);

/* ---- outbox.c ---- */

/* Is there a mark of the account? */
void outbox_load(struct account *a);
/* The mark goes, when there is nothing that it stands for. The database is open. */
void outbox_rest(struct account *a);
/* Everything goes, in the open transaction of a database that is nobody's yet. */
MUST_USE enum err outbox_empty(struct db *db);

/* ---- shapes.c ---- */
void account_drop_shapes(struct account *a);

#endif
