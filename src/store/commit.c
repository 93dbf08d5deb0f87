/* Group commit: everything an account was asked to change in one loop turn becomes one transaction.
 *
 *     change ... change        drafts and pending fields, in memory (large bodies: blobs, synced before)
 *     store_commit()           BEGIN, rows of changed mailboxes and pages, COMMIT: one sync of the log
 *       install                the drafts become the committed views
 *       tell                   watches, then waits
 *
 * Bodies go into the open transaction as they come, so that memory does not grow with them; the rest is written here.
 *
 * When anything fails on the way, nothing of the turn may stay: the transaction is rolled back, drafts are dropped,
 * every wait hears the error. Then the database handle is closed and what is in memory is read again before
 * its next use: a commit that failed in its sync may nevertheless be found in the log, and only the disk can say.
 *
 * Two durability classes. A turn that changed only flags commits without a sync (the log holds it, which survives our death but
 * not a power cut) and is synced by store_tick() within a second; anything else is on disk when the commit
 * returns, and with it all earlier turns: it is one log.
 *
 * Modseqs that were shown must not come back for other changes after a power cut took an unsynced turn. So modseqs are shown only
 * up to modseq_limit, which a synced commit wrote; an unclean start goes on above it. The limit moves
 * MODSEQ_WINDOW ahead at a time, with commits that are synced anyway, or by making one of the lazy ones synced. */
#include "store/store_priv.h"

#include "base/log.h"

#include <assert.h>

/* ---- pending state ---- */

void account_mark_dirty(struct account *a)
{
    if (!a->is_dirty) {
        a->is_dirty = true;
        list_append(&a->store->dirty, &a->dirty_node);
    }
}

void mailbox_mark_changed(struct mailbox *m)
{
    if (!m->is_changed) {
        m->is_changed = true;
        list_append(&m->account->changed, &m->changed_node);
    }
    account_mark_dirty(m->account);
}

static void note_author(struct account *a)
{
    a->has_one_author = !a->has_author || (a->has_one_author && a->pending_author == a->author);
    a->pending_author = a->author;
    a->has_author = true;
}

enum err account_begin_change(struct account *a, struct db **db)
{
    if (a == NULL) {
        return ERR_UNAVAILABLE;
    }
    TRY(a->poison);
    note_author(a);
    return account_ready(a, db);
}

void account_set_author(struct account *a, const void *author)
{
    a->author = author;
}

const void *account_get_author(const struct account *a)
{
    return a->commit_author;
}

enum err account_poison(struct account *a, enum err e)
{
    assert(e != ERR_OK);
    if (a->poison == ERR_OK) {
        a->poison = e;
    }
    account_mark_dirty(a);
    return e;
}

enum err account_abandon(struct account *a, enum err e)
{
    return account_poison(a, e);
}

uint64_t account_next_modseq(struct account *a)
{
    return ++a->modseq;
}

bool account_has_pending(const struct account *a)
{
    return a->is_dirty;
}

enum err account_mark_unclean(struct account *a, struct db *db)
{
    if (!a->is_clean || a->is_in_transaction) {
        return ERR_OK;
    }
    TRY(db_set_durable(db, true));
    TRY(DB_RUN(db, BEGIN));
    uint64_t limit = a->modseq + MODSEQ_WINDOW;
    enum err result = DB_RUN(db, META_SET, value_text(STR("is_clean")), value_int(0));
    if (result == ERR_OK) {
        result = DB_RUN(db, META_SET, value_text(STR("modseq_limit")), value_id(limit));
    }
    result = result == ERR_OK ? DB_RUN(db, COMMIT) : result;
    db_rollback(db);
    TRY(result);
    a->is_clean = false;
    a->modseq_limit = limit;
    return ERR_OK;
}

enum err account_begin_transaction(struct account *a, struct db *db)
{
    if (a->is_in_transaction) {
        return ERR_OK;
    }
    TRY(db_set_durable(db, true));
    TRY(DB_RUN(db, BEGIN));
    a->is_in_transaction = true;
    return ERR_OK;
}

/* ---- dropping what is pending ---- */

static void drop_mailbox_changes(struct mailbox *m)
{
    draft_free(&m->draft);
    free(m->new_name);
    m->new_name = NULL;
    m->is_changed = false;
    list_remove(&m->changed_node);
    m->is_deleting = false;
    for (unsigned bit = KEYWORD_FIRST; bit < 64; bit++) {
        if ((m->new_keywords >> bit & 1) != 0) {
            free(m->keywords[bit - KEYWORD_FIRST]);
            m->keywords[bit - KEYWORD_FIRST] = NULL;
        }
    }
    m->new_keywords = 0;
    if (m->is_urlauth_key_new) {
        m->is_urlauth_key_new = false;
        m->has_urlauth_key = false;
    }
    m->is_use_new = false;
    acl_free(&m->new_acl);
    m->is_deleted = m->is_deleted || !m->is_committed;
}

static void drop_subscription_changes(struct account *a)
{
    for (size_t i = 0; i < a->new_subscriptions.count; i++) {
        free(a->new_subscriptions.at[i].name);
    }
    vec_release(&a->new_subscriptions);
}

/* Mailboxes that are deleted and that nobody holds. */
static void free_dead_mailboxes(struct account *a)
{
    list_each_safe(node, &a->mailboxes)
    {
        struct mailbox *m = list_entry(node, struct mailbox, node);
        if (m->is_deleted && m->refs == 0) {
            mailbox_free(&m);
        }
    }
}

static void leave_dirty(struct account *a)
{
    list_remove(&a->dirty_node);
    a->is_dirty = false;
    a->must_sync = false;
    a->poison = ERR_OK;
}

void account_drop_pending(struct account *a)
{
    if (a->is_in_transaction) {
        db_rollback(a->db);
        a->is_in_transaction = false;
    }
    a->failure_count++;
    list_each(node, &a->mailboxes)
    {
        drop_mailbox_changes(list_entry(node, struct mailbox, node));
    }
    free_dead_mailboxes(a);
    drop_subscription_changes(a);
    account_drop_grantor_changes(a);
    map_free(&a->new_names);
    a->new_annotation_modseq = 0;
    a->has_annotation_octets = false;
    quota_drop(a);
    leave_dirty(a);
}

/* ---- the transaction ---- */

static enum err write_pending(struct account *a)
{
    struct db *db;
    TRY(a->poison);
    TRY(account_ready(a, &db));
    /* The first turn after a clean start takes the mark away, so even flags are synced then. */
    if (a->is_in_transaction || a->store->is_strict || a->is_clean || a->modseq > a->modseq_limit) {
        a->must_sync = true;
    }
    if (!a->is_in_transaction) {
        TRY(db_set_durable(db, a->must_sync));
        TRY(DB_RUN(db, BEGIN));
        a->is_in_transaction = true;
    }
    TRY(account_write_changes(a, db));
    TRY(DB_RUN(db, COMMIT));
    a->is_in_transaction = false;
    a->is_clean = false;
    if (account_must_raise_limit(a)) {
        a->modseq_limit = a->modseq + MODSEQ_WINDOW;
    }
    if (db_get_log_pages(db) >= LOG_PAGES_MOST) {
        err_ignore(db_checkpoint(db)); /* never a quiet moment between the turns */
    }
    return ERR_OK;
}

/* ---- installing ---- */

static void install_mailbox(struct mailbox *m)
{
    m->is_changed = false;
    list_remove(&m->changed_node);
    if (m->is_deleting) {
        m->is_deleting = false;
        m->is_deleted = true;
        draft_free(&m->draft);
        return;
    }
    m->is_committed = true;
    m->new_keywords = 0;
    m->is_urlauth_key_new = false;
    mailbox_install_acl(m);
    if (m->new_name != NULL) {
        free(m->name);
        m->name = m->new_name;
        m->new_name = NULL;
    }
    if (m->is_use_new) {
        m->is_use_new = false;
        m->special_use = m->new_special_use;
        account_forget_infos(m->account);
    }
    struct draft *d = m->draft;
    if (d == NULL) {
        return;
    }
    m->is_recent_changed = false;
    m->uidnext = d->uidnext;
    m->highestmodseq = d->highestmodseq;
    m->next_page = d->next_page;
    for (size_t i = 0; i < d->pages.count; i++) {
        struct page *p = d->pages.at[i];
        if (p->is_draft) {
            p->is_draft = false;
            p->is_hot_new = false;
            p->is_cold_new = false;
        }
    }
    view_unref(&m->view);
    m->view = mailbox_make_view(m, d->pages.at, d->pages.count);
    draft_free(&m->draft);
}

static void install(struct account *a)
{
    if (a->must_sync) {
        a->unsynced_ms = 0;
    } else if (a->unsynced_ms == 0) {
        a->unsynced_ms = store_get_now_ms(a->store);
    }
    for (size_t i = 0; i < a->new_subscriptions.count; i++) {
        const struct subscription_change *c = &a->new_subscriptions.at[i];
        if (c->is_subscribed) {
            (void)map_put(a->subscriptions, str_from_c(c->name), a);
        } else {
            (void)map_remove(a->subscriptions, str_from_c(c->name));
        }
    }
    if (a->new_names != NULL || a->new_subscriptions.count > 0) {
        account_forget_infos(a);
    }
    drop_subscription_changes(a);
    account_install_grantors(a);
    if (a->new_names != NULL) {
        map_free(&a->names);
        a->names = a->new_names;
        a->new_names = NULL;
    }
    quota_install(a);
    if (a->new_annotation_modseq != 0) {
        a->annotation_modseq = a->new_annotation_modseq;
        a->new_annotation_modseq = 0;
    }
    list_each_safe(node, &a->changed)
    {
        install_mailbox(list_entry(node, struct mailbox, changed_node));
    }
}

/* ---- telling ---- */

/* Moves a list's nodes to another head, so that callbacks may join and leave the list meanwhile. */
static void move_list(struct list *from, struct list *to)
{
    list_init(to);
    while (!list_is_empty(from)) {
        struct list *node = from->next;
        list_remove(node);
        list_append(to, node);
    }
}

static void tell_watches(struct list *watches)
{
    struct list now;
    move_list(watches, &now);
    while (!list_is_empty(&now)) {
        struct watch *w = list_entry(now.next, struct watch, node);
        list_remove(&w->node);
        list_append(watches, &w->node);
        w->on_change(w);
    }
}

static void tell_waits(struct account *a, enum err e)
{
    struct list now;
    move_list(&a->waits, &now);
    while (!list_is_empty(&now)) {
        struct commit_wait *w = list_entry(now.next, struct commit_wait, node);
        list_remove(&w->node);
        w->on_commit(w, e);
    }
}

/* Holds the mailboxes that changed, so that their watches can be told in peace. */
static void gather_changed(struct account *a, struct mailbox ***out, size_t *count)
{
    VEC(struct mailbox *) changed = VEC_INIT;
    list_each(node, &a->changed)
    {
        struct mailbox *m = list_entry(node, struct mailbox, changed_node);
        mailbox_ref(m);
        vec_push(&changed, m);
    }
    *out = changed.at;
    *count = changed.count;
}

static void tell_owner(const struct account *a, uint64_t mailbox_id)
{
    const struct store *s = a->store;
    if (s->on_change != NULL) {
        s->on_change(s->on_change_owner, str_from_c(a->user), mailbox_id);
    }
}

static void tell_changed(struct account *a, struct mailbox **changed, size_t count, bool is_changed)
{
    for (size_t i = 0; i < count; i++) {
        if (is_changed) {
            tell_watches(&changed[i]->watches);
            tell_owner(a, changed[i]->id);
        }
        mailbox_unref(&changed[i]);
    }
    if (is_changed) {
        tell_watches(&a->watches);
        tell_owner(a, 0);
    }
}

static void fail_commit(struct account *a)
{
    account_drop_pending(a);
    account_close_db(a);
    a->must_reload = true;
    a->unsynced_ms = 0;
}

void account_commit(struct account *a)
{
    struct mailbox **changed;
    size_t count;
    bool has_changes = a->new_names != NULL || a->new_subscriptions.count > 0
                       || a->new_grantors.count > 0 || a->new_annotation_modseq != 0
                       || a->has_new_limits;
    gather_changed(a, &changed, &count);
    has_changes = has_changes || count > 0;
    enum err result = ERR_OK;
    if (has_changes || a->is_in_transaction || a->poison != ERR_OK) {
        result = write_pending(a);
    }
    if (result == ERR_OK && has_changes) {
        install(a);
    }
    a->commit_author = a->has_one_author ? a->pending_author : NULL;
    a->has_author = false;
    a->has_one_author = false;
    if (result == ERR_OK) {
        leave_dirty(a);
    } else {
        log_warn("store: %s: commit failed: %s", a->user, err_get_info(result)->meaning);
        fail_commit(a);
    }
    a->refs++; /* whoever is told may let go of the account */
    tell_changed(a, changed, count, result == ERR_OK && has_changes);
    free(changed);
    tell_waits(a, result);
    a->refs--;
}

void store_commit(struct store *s)
{
    struct list now;
    move_list(&s->dirty, &now);
    while (!list_is_empty(&now)) {
        struct account *a = list_entry(now.next, struct account, dirty_node);
        account_commit(a);
    }
}

bool store_has_pending(const struct store *s)
{
    return !list_is_empty(&s->dirty);
}

void account_wait_commit(struct account *a, struct commit_wait *w)
{
    list_append(&a->waits, &w->node);
    account_mark_dirty(a);
}

void commit_wait_cancel(struct commit_wait *w)
{
    list_remove(&w->node);
}

void mailbox_watch(struct mailbox *m, struct watch *w)
{
    list_append(&m->watches, &w->node);
}

void account_watch(struct account *a, struct watch *w)
{
    list_append(&a->watches, &w->node);
}

void watch_cancel(struct watch *w)
{
    list_remove(&w->node);
}
