/* Reading what is stored: an account's mailboxes when it opens, a mailbox's pages when somebody looks, cold columns when
 * somebody asks for a date or a size.
 *
 * Loading also serves after a failure. Then the objects that sessions hold stay, found by their ids, and what they say is
 * read again: after a failing disk only the disk knows what was committed. Views that sessions keep stay as they are;
 * diff against the reloaded view gives the news as always. */
#include "store/store_priv.h"

#include "base/log.h"

#include <assert.h>

/* ---- mailbox objects ---- */

struct mailbox *mailbox_new(struct account *a, uint64_t id)
{
    struct mailbox *m = store_allocate(sizeof(*m));
    m->account = a;
    m->id = id;
    m->name = store_copy(STR_EMPTY);
    m->uidnext = 1;
    m->highestmodseq = 1;
    m->first_recent = 1;
    list_init(&m->changed_node);
    list_init(&m->watches);
    list_append(&a->mailboxes, &m->node);
    return m;
}

void mailbox_free(struct mailbox **m)
{
    list_remove(&(*m)->node);
    list_remove(&(*m)->changed_node);
    list_detach(&(*m)->watches);
    view_unref(&(*m)->view);
    draft_free(&(*m)->draft);
    for (size_t i = 0; i < KEYWORD_COUNT; i++) {
        free((*m)->keywords[i]);
    }
    free((*m)->name);
    free((*m)->new_name);
    acl_free(&(*m)->acl);
    acl_free(&(*m)->new_acl);
    explicit_bzero((*m)->urlauth_key, sizeof((*m)->urlauth_key));
    free(*m);
    *m = NULL;
}

uint64_t page_id(const struct mailbox *m, uint64_t number)
{
    return m->id << PAGE_NUMBER_BITS | number;
}

/* ---- the account ---- */

enum err account_get_meta(struct db *db, struct str key, uint64_t *out)
{
    return DB_GET(db, META_GET, out, value_text(key));
}

static enum err load_meta(struct account *a, struct db *db)
{
    uint64_t limit;
    uint64_t floor;
    uint64_t is_clean;
    uint64_t next_mailbox;
    uint64_t uidvalidity;
    uint64_t last_body;
    uint64_t text_mark;
    uint64_t release;
    uint64_t next_body;
    TRY(account_get_meta(db, STR("modseq_limit"), &limit));
    TRY(account_get_meta(db, STR("modseq_floor"), &floor));
    TRY(account_get_meta(db, STR("is_clean"), &is_clean));
    TRY(account_get_meta(db, STR("next_mailbox"), &next_mailbox));
    TRY(account_get_meta(db, STR("uidvalidity"), &uidvalidity));
    TRY(account_get_meta(db, STR("next_body"), &next_body));
    TRY(account_get_meta(db, STR("object_seed"), &a->object_seed));
    TRY(DB_GET(db, BODY_LAST, &last_body));
    TRY(DB_GET(db, RELEASE_LAST, &release));
    TRY(account_get_meta(db, STR("text_mark"), &text_mark));
    a->is_clean = is_clean != 0;
    a->modseq_limit = limit;
    a->modseq_floor = floor;
    /* After an unclean start the last modseqs shown may be lost: go on above all that could have been shown. */
    if (!a->is_clean && a->modseq_floor < limit) {
        a->modseq_floor = limit;
    }
    if (a->modseq < limit) {
        a->modseq = limit;
    }
    a->next_mailbox_id = next_mailbox > a->next_mailbox_id ? next_mailbox : a->next_mailbox_id;
    next_body = last_body >= next_body ? last_body + 1 : next_body;
    a->next_body_id = next_body > a->next_body_id ? next_body : a->next_body_id;
    account_load_text(a, text_mark, a->is_clean && db_was_closed(db));
    a->release_seq = release > a->release_seq ? release : a->release_seq;
    a->last_uidvalidity = (uint32_t)uidvalidity;
    a->has_releases = true;
    return ERR_OK;
}

static void load_mailbox(struct account *a, struct map *ids, const struct rows *rows)
{
    uint64_t id = row_id(rows, 0);
    struct mailbox *m = map_find(ids, map_id(&id));
    if (m == NULL) {
        m = mailbox_new(a, id);
        (void)map_put(ids, map_id(&id), m);
    }
    free(m->name);
    m->name = store_copy(row_str(rows, 1));
    m->special_use = (unsigned)row_int(rows, 2);
    m->uidvalidity = (uint32_t)row_int(rows, 3);
    m->uidnext = (uint32_t)row_int(rows, 4);
    m->highestmodseq = row_id(rows, 5);
    m->first_recent = (uint32_t)row_int(rows, 6);
    m->next_page = row_id(rows, 7);
    m->is_committed = true;
    m->is_found = true;
    m->has_urlauth_key = false;
    draft_free(&m->draft); /* one that changed nothing */
    view_unref(&m->view);
    for (size_t i = 0; i < KEYWORD_COUNT; i++) {
        free(m->keywords[i]);
        m->keywords[i] = NULL;
    }
    if (m->highestmodseq > a->modseq) {
        a->modseq = m->highestmodseq;
    }
    if (m->highestmodseq < a->modseq_floor) {
        m->highestmodseq = a->modseq_floor;
    }
    (void)map_put(a->names, str_from_c(m->name), m);
}

static enum err load_mailboxes(struct account *a, struct db *db, struct map *ids)
{
    map_free(&a->names);
    a->names = map_new();
    list_each(node, &a->mailboxes)
    {
        struct mailbox *m = list_entry(node, struct mailbox, node);
        m->is_found = false;
        (void)map_put(ids, map_id(&m->id), m);
    }
    struct rows rows;
    bool has_row;
    TRY(DB_QUERY(db, MAILBOX_ALL, &rows));
    TRY(db_next(&rows, &has_row));
    while (has_row) {
        load_mailbox(a, ids, &rows);
        TRY(db_next(&rows, &has_row));
    }
    list_each_safe(node, &a->mailboxes)
    {
        struct mailbox *m = list_entry(node, struct mailbox, node);
        m->is_deleted = m->is_deleted || !m->is_found;
        if (m->is_deleted && m->refs == 0) {
            (void)map_remove(ids, map_id(&m->id));
            mailbox_free(&m);
        }
    }
    return ERR_OK;
}

static enum err load_keywords(struct db *db, const struct map *ids)
{
    struct rows rows;
    bool has_row;
    TRY(DB_QUERY(db, KEYWORD_ALL, &rows));
    TRY(db_next(&rows, &has_row));
    while (has_row) {
        uint64_t id = row_id(&rows, 0);
        struct mailbox *m = map_find(ids, map_id(&id));
        int64_t bit = row_int(&rows, 1);
        if (m != NULL && bit >= KEYWORD_FIRST && bit < 64
            && m->keywords[bit - KEYWORD_FIRST] == NULL) {
            m->keywords[bit - KEYWORD_FIRST] = store_copy(row_str(&rows, 2));
        }
        TRY(db_next(&rows, &has_row));
    }
    return ERR_OK;
}

static enum err load_subscriptions(struct account *a, struct db *db)
{
    map_free(&a->subscriptions);
    a->subscriptions = map_new();
    struct rows rows;
    bool has_row;
    TRY(DB_QUERY(db, SUBSCRIPTION_ALL, &rows));
    TRY(db_next(&rows, &has_row));
    while (has_row) {
        (void)map_put(a->subscriptions, row_str(&rows, 0), a);
        TRY(db_next(&rows, &has_row));
    }
    return ERR_OK;
}

enum err account_load(struct account *a, struct db *db)
{
    account_forget_infos(a);
    TRY(load_meta(a, db));
    struct map *ids = map_new();
    enum err result = load_mailboxes(a, db, ids);
    if (result == ERR_OK) {
        result = load_keywords(db, ids);
    }
    if (result == ERR_OK) {
        result = account_load_acls(a, db, ids);
    }
    map_free(&ids);
    TRY(result);
    TRY(load_subscriptions(a, db));
    TRY(account_load_origins(a, db));
    TRY(account_load_grantors(a, db));
    TRY(annotations_load(a, db));
    TRY(quota_load(a, db));
    outbox_load(a);
    /* The clean mark goes with the first transaction; a blob may have come before it. */
    if (!a->is_clean || a->must_reload || !db_was_closed(db)) {
        TRY(account_sweep_blobs(a, db));
    }
    return ERR_OK;
}

/* ---- pages ---- */

static enum err load_pages(struct mailbox *m, struct db *db, struct draft *d)
{
    struct rows rows;
    bool has_row;
    uint64_t most = (UINT64_C(1) << PAGE_NUMBER_BITS) - 1;
    uint32_t last_uid = 0;
    TRY(DB_QUERY(db, HOT_OF_MAILBOX, &rows, value_id(page_id(m, 0)), value_id(page_id(m, most))));
    TRY(db_next(&rows, &has_row));
    while (has_row) {
        struct page *p = NULL;
        enum err result = page_parse_hot(row_str(&rows, 1), row_id(&rows, 0) & most, &p);
        if (result == ERR_OK) {
            vec_push(&d->pages, p);
            result = p->uids[0] > last_uid ? ERR_OK : ERR_CORRUPT;
            last_uid = p->uids[p->count - 1];
        }
        if (result != ERR_OK) {
            db_end(&rows);
            log_error("store: %s: page %llx is damaged", m->account->user,
                      (unsigned long long)row_id(&rows, 0));
            return result;
        }
        TRY(db_next(&rows, &has_row));
    }
    return last_uid < m->uidnext ? ERR_OK : ERR_CORRUPT;
}

struct view *mailbox_make_view(struct mailbox *m, struct page *const *pages, size_t count)
{
    struct view *v = view_new(m->account->home, pages, (uint32_t)count);
    v->mailbox_id = m->id;
    v->born_seq = m->account->release_seq;
    v->uidvalidity = m->uidvalidity;
    v->uidnext = m->uidnext;
    v->highestmodseq = m->highestmodseq;
    return v;
}

static enum err load_view(struct mailbox *m, struct db *db)
{
    struct draft *d = store_allocate(sizeof(*d));
    enum err result = m->is_deleted ? ERR_OK : load_pages(m, db, d);
    if (result == ERR_OK) {
        m->view = mailbox_make_view(m, d->pages.at, d->pages.count);
    }
    draft_free(&d);
    return result;
}

enum err mailbox_get_view(struct mailbox *m, struct view **out)
{
    if (m->account == NULL) {
        return ERR_UNAVAILABLE;
    }
    /* Reloading later would put another view here while this one is read. */
    if (m->view == NULL || m->account->must_reload) {
        struct db *db;
        TRY(account_ready(m->account, &db));
        if (m->view == NULL) {
            TRY(load_view(m, db));
        }
    }
    *out = m->view;
    return ERR_OK;
}

enum err account_load_cold(struct account *a, uint64_t mailbox_id, struct page *p)
{
    struct db *db;
    struct rows rows;
    bool has_row;
    uint64_t id = mailbox_id << PAGE_NUMBER_BITS | p->number;
    TRY(account_ready(a, &db));
    TRY(DB_QUERY(db, COLD_GET, &rows, value_id(id)));
    TRY(db_next(&rows, &has_row));
    enum err result = ERR_CORRUPT;
    if (has_row) {
        result = page_parse_cold(row_str(&rows, 0), p);
        db_end(&rows);
    }
    if (result != ERR_OK) {
        log_error("store: %s: cold page %llx is damaged", a->user, (unsigned long long)id);
    }
    return result;
}
