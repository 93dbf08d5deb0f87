/* What a turn changed, as rows: the middle part of a commit (commit.c).
 *
 * Only what changed is written: of a mailbox its row and the pages that its draft touched, of a page its hot columns and,
 * when messages came or went, its cold ones. The order is of no account to readers, who see all of it or nothing; two things matter
 * within: taken references come before released ones, and a deleted mailbox's rows go as a whole. */
#include "store/store_priv.h"

enum { RELEASE_IDS_MOST = 512 };

static enum err write_pages(struct mailbox *m, struct db *db, struct buf *columns)
{
    const struct draft *d = m->draft;
    for (size_t i = 0; i < d->gone.count; i++) {
        uint64_t id = page_id(m, d->gone.at[i]);
        TRY(DB_RUN(db, HOT_DELETE, value_id(id), value_id(id)));
        TRY(DB_RUN(db, COLD_DELETE, value_id(id), value_id(id)));
    }
    for (size_t i = 0; i < d->pages.count; i++) {
        const struct page *p = d->pages.at[i];
        if (!p->is_draft) {
            continue;
        }
        uint64_t id = page_id(m, p->number);
        buf_clear(columns);
        page_write_hot(p, columns);
        TRY(DB_RUN(db, HOT_SET, value_id(id), value_blob(buf_str(columns))));
        if (p->is_cold_new) {
            buf_clear(columns);
            page_write_cold(p, columns);
            TRY(DB_RUN(db, COLD_SET, value_id(id), value_blob(buf_str(columns))));
        }
    }
    return ERR_OK;
}

static enum err write_expunged(struct mailbox *m, struct db *db, struct buf *uids)
{
    for (size_t i = 0; i < m->draft->expunged.count; i++) {
        const struct expunged *e = &m->draft->expunged.at[i];
        buf_clear(uids);
        expunged_write(uids, &e->uids);
        TRY(buf_err(uids));
        TRY(DB_RUN(db, EXPUNGED_ADD, value_id(m->id), value_id(e->modseq),
                   value_blob(buf_str(uids))));
    }
    return ERR_OK;
}

static enum err write_releases(struct mailbox *m, struct db *db, struct buf *ids,
                               const uint64_t *bodies, size_t count, int delta)
{
    struct account *a = m->account;
    for (size_t from = 0; from < count; from += RELEASE_IDS_MOST) {
        size_t to = count - from < RELEASE_IDS_MOST ? count : from + RELEASE_IDS_MOST;
        buf_clear(ids);
        for (size_t i = from; i < to; i++) {
            buf_add_le64(ids, bodies[i]);
        }
        TRY(DB_RUN(db, RELEASE_ADD, value_id(++a->release_seq), value_id(m->id), value_int(delta),
                   value_blob(buf_str(ids))));
        a->has_releases = true;
    }
    return ERR_OK;
}

static enum err write_draft(struct mailbox *m, struct db *db, struct buf *scratch)
{
    const struct draft *d = m->draft;
    TRY(write_pages(m, db, scratch));
    TRY(write_expunged(m, db, scratch));
    return DB_RUN(db, MAILBOX_SET, value_id(m->id), value_int(d->uidnext),
                  value_id(d->highestmodseq), value_int(m->first_recent), value_id(d->next_page));
}

static enum err write_deletion(struct mailbox *m, struct db *db)
{
    uint64_t first = page_id(m, 0);
    uint64_t last = page_id(m, (UINT64_C(1) << PAGE_NUMBER_BITS) - 1);
    TRY(DB_RUN(db, HOT_DELETE, value_id(first), value_id(last)));
    TRY(DB_RUN(db, COLD_DELETE, value_id(first), value_id(last)));
    TRY(DB_RUN(db, EXPUNGED_DELETE, value_id(m->id)));
    TRY(DB_RUN(db, KEYWORD_DELETE, value_id(m->id)));
    TRY(DB_RUN(db, URLAUTH_DELETE, value_id(m->id)));
    TRY(DB_RUN(db, ACL_DELETE, value_id(m->id)));
    TRY(DB_RUN(db, ANNOTATION_DELETE, value_id(m->id)));
    m->account->has_annotation_octets = false;
    return DB_RUN(db, MAILBOX_DELETE, value_id(m->id));
}

static enum err write_keywords(struct mailbox *m, struct db *db)
{
    for (unsigned bit = KEYWORD_FIRST; bit < 64; bit++) {
        if ((m->new_keywords >> bit & 1) != 0) {
            const char *name = m->keywords[bit - KEYWORD_FIRST];
            TRY(DB_RUN(db, KEYWORD_ADD, value_id(m->id), value_int(bit),
                       value_text(str_from_c(name))));
        }
    }
    return ERR_OK;
}

static enum err write_facts(struct mailbox *m, struct db *db)
{
    if (!m->is_committed) {
        TRY(DB_RUN(db, MAILBOX_ADD, value_id(m->id), value_text(str_from_c(m->new_name)),
                   value_int(m->special_use), value_int(m->uidvalidity), value_int(m->uidnext),
                   value_id(m->highestmodseq), value_int(m->first_recent), value_id(m->next_page)));
    } else if (m->new_name != NULL) {
        TRY(DB_RUN(db, MAILBOX_SET_NAME, value_id(m->id), value_text(str_from_c(m->new_name))));
    }
    if (m->is_use_new) {
        TRY(DB_RUN(db, MAILBOX_SET_USE, value_id(m->id), value_int(m->new_special_use)));
        TRY(annotations_mark_use(m->account, db, m));
    }
    if (m->new_keywords != 0) {
        TRY(write_keywords(m, db));
    }
    if (m->is_urlauth_key_new) {
        struct str key = str_make((const char *)m->urlauth_key, sizeof(m->urlauth_key));
        TRY(DB_RUN(db, URLAUTH_SET, value_id(m->id), value_blob(key)));
    }
    return m->new_acl != NULL ? mailbox_write_acl(m, db) : ERR_OK;
}

static enum err write_mailboxes(struct account *a, struct db *db, struct buf *scratch)
{
    list_each(node, &a->changed)
    {
        struct mailbox *m = list_entry(node, struct mailbox, changed_node);
        if (m->is_deleting) {
            TRY(write_deletion(m, db));
            continue;
        }
        TRY(write_facts(m, db));
        if (m->draft != NULL) {
            TRY(write_draft(m, db, scratch));
        }
    }
    return ERR_OK;
}

/* First what was taken, then what was released: a body that moved is never without a reference between. */
static enum err write_references(struct account *a, struct db *db, struct buf *scratch)
{
    list_each(node, &a->changed)
    {
        struct mailbox *m = list_entry(node, struct mailbox, changed_node);
        if (m->draft != NULL) {
            TRY(write_releases(m, db, scratch, m->draft->taken.at, m->draft->taken.count, 1));
        }
    }
    list_each(node, &a->changed)
    {
        struct mailbox *m = list_entry(node, struct mailbox, changed_node);
        if (m->draft != NULL) {
            TRY(write_releases(m, db, scratch, m->draft->released.at, m->draft->released.count,
                               -1));
        }
    }
    return ERR_OK;
}

bool account_must_raise_limit(const struct account *a)
{
    return a->must_sync && a->modseq + MODSEQ_WINDOW / 2 > a->modseq_limit;
}

static enum err write_meta(struct account *a, struct db *db)
{
    TRY(quota_write(a, db));
    if (a->new_names != NULL) {
        TRY(DB_RUN(db, META_SET, value_text(STR("next_mailbox")), value_id(a->next_mailbox_id)));
        TRY(DB_RUN(db, META_SET, value_text(STR("uidvalidity")), value_int(a->last_uidvalidity)));
    }
    if (a->is_clean) {
        TRY(DB_RUN(db, META_SET, value_text(STR("is_clean")), value_int(0)));
    }
    if (account_must_raise_limit(a)) {
        TRY(DB_RUN(db, META_SET, value_text(STR("modseq_limit")),
                   value_id(a->modseq + MODSEQ_WINDOW)));
        TRY(DB_RUN(db, META_SET, value_text(STR("modseq_floor")), value_id(a->modseq_floor)));
    }
    for (size_t i = 0; i < a->new_subscriptions.count; i++) {
        const struct subscription_change *c = &a->new_subscriptions.at[i];
        struct value name = value_text(str_from_c(c->name));
        TRY(c->is_subscribed ? DB_RUN(db, SUBSCRIPTION_ADD, name)
                             : DB_RUN(db, SUBSCRIPTION_DELETE, name));
    }
    return account_write_grantors(a, db);
}

enum err account_write_changes(struct account *a, struct db *db)
{
    struct buf scratch = BUF_INIT(COLUMNS_MOST);
    enum err result = write_mailboxes(a, db, &scratch);
    if (result == ERR_OK) {
        result = write_references(a, db, &scratch);
    }
    buf_release(&scratch);
    TRY(result);
    return write_meta(a, db);
}
