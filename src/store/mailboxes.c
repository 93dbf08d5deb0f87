/* Mailboxes come, go and change their names.
 *
 * The committed names are one map. The first change of a turn copies it; changes work on the copy, find what earlier
 * changes of the turn did, and the commit makes the copy the map that everybody reads. A mailbox object lives as long as
 * the mailbox is there or somebody holds it. */
#include "store/store_priv.h"

#include <assert.h>

/* ---- reading ---- */

enum err account_find_mailbox(struct account *a, struct str name, struct mailbox **out)
{
    if (a->must_reload) {
        struct db *db;
        TRY(account_ready(a, &db));
    }
    char *normal;
    TRY(name_normalise(name, &normal));
    struct mailbox *m = map_find(a->names, str_from_c(normal));
    free(normal);
    if (m == NULL) {
        return ERR_NO_MAILBOX;
    }
    mailbox_ref(m);
    *out = m;
    return ERR_OK;
}

void mailbox_ref(struct mailbox *m)
{
    m->refs++;
}

void mailbox_unref(struct mailbox **m)
{
    if (*m == NULL) {
        return;
    }
    assert((*m)->refs > 0);
    (*m)->refs--;
    bool is_gone = (*m)->account == NULL || ((*m)->is_deleted && !(*m)->is_changed);
    if ((*m)->refs == 0 && is_gone) {
        mailbox_free(m);
    }
    *m = NULL;
}

struct account *mailbox_get_account(const struct mailbox *m)
{
    return m->account;
}

uint64_t mailbox_get_id(const struct mailbox *m)
{
    return m->id;
}

struct str mailbox_get_name(const struct mailbox *m)
{
    return str_from_c(m->name);
}

unsigned mailbox_get_special_use(const struct mailbox *m)
{
    return m->special_use;
}

uint64_t mailbox_get_highestmodseq(const struct mailbox *m)
{
    return m->highestmodseq;
}

bool mailbox_is_deleted(const struct mailbox *m)
{
    return m->is_deleted;
}

uint32_t mailbox_get_first_recent(struct mailbox *m, bool is_claimed)
{
    uint32_t first = m->first_recent;
    if (is_claimed && first != m->uidnext && !m->is_deleted) {
        m->first_recent = m->uidnext;
        m->is_recent_changed = true;
    }
    return first;
}

struct mailbox *account_find_mailbox_id(struct account *a, uint64_t id)
{
    list_each(node, &a->mailboxes)
    {
        struct mailbox *m = list_entry(node, struct mailbox, node);
        if (m->id == id && m->is_committed && !m->is_deleted) {
            return m;
        }
    }
    return NULL;
}

/* ---- names in change ---- */

/* The names as they will be. */
static struct map *edit_names(struct account *a)
{
    if (a->new_names == NULL) {
        a->new_names = map_new();
        size_t at = 0;
        struct str name;
        void *m;
        while (map_next(a->names, &at, &name, &m)) {
            (void)map_put(a->new_names, name, m);
        }
    }
    a->must_sync = true;
    account_mark_dirty(a);
    return a->new_names;
}

static struct map *get_names(const struct account *a)
{
    return a->new_names != NULL ? a->new_names : a->names;
}

static struct mailbox *find_parent(const struct account *a, struct str name)
{
    struct mailbox *parent = NULL;
    while (parent == NULL) {
        size_t slash = str_find_last_char(name, '/');
        if (slash == name.n) {
            return NULL;
        }
        name = str_sub(name, 0, slash);
        parent = map_find(get_names(a), name);
    }
    return parent;
}

struct mailbox *account_find_pending_mailbox(struct account *a, struct str name)
{
    char *normal;
    if (name_normalise(name, &normal) != ERR_OK) {
        return NULL;
    }
    struct mailbox *m = map_find(get_names(a), str_from_c(normal));
    free(normal);
    return m;
}

struct mailbox *account_find_parent(const struct account *a, struct str name)
{
    char *normal;
    if (name_normalise(name, &normal) != ERR_OK) {
        return NULL;
    }
    struct mailbox *parent = find_parent(a, str_from_c(normal));
    free(normal);
    return parent;
}

static void add_one(struct account *a, struct str name, unsigned special_use)
{
    const struct mailbox *parent = find_parent(a, name);
    struct map *names = edit_names(a);
    struct mailbox *m = mailbox_new(a, a->next_mailbox_id++);
    m->new_name = store_copy(name);
    m->special_use = special_use;
    uint64_t now_s = store_get_now_ms(a->store) / 1000;
    a->last_uidvalidity = now_s > a->last_uidvalidity && now_s <= UINT32_MAX
                              ? (uint32_t)now_s
                              : a->last_uidvalidity + 1;
    m->uidvalidity = a->last_uidvalidity;
    m->highestmodseq = account_next_modseq(a);
    mailbox_inherit_acl(m, parent);
    (void)map_put(names, name, m);
    mailbox_mark_changed(m);
}

/* How many levels above name are no mailboxes yet. */
static size_t count_missing_parents(const struct account *a, struct str name)
{
    size_t missing = 0;
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '/' && map_find(get_names(a), str_sub(name, 0, i)) == NULL) {
            missing++;
        }
    }
    return missing;
}

static void add_missing_parents(struct account *a, struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '/' && map_find(get_names(a), str_sub(name, 0, i)) == NULL) {
            add_one(a, str_sub(name, 0, i), USE_NONE);
        }
    }
}

static enum err add_checked(struct account *a, struct str name, unsigned special_use)
{
    if (map_find(get_names(a), name) != NULL) {
        return ERR_MAILBOX_EXISTS;
    }
    size_t more = 1 + count_missing_parents(a, name);
    if (map_get_count(get_names(a)) + more > MAILBOX_COUNT_MOST) {
        return ERR_LIMIT;
    }
    TRY(quota_check_mailboxes(a, map_get_count(get_names(a)), more));
    add_missing_parents(a, name);
    add_one(a, name, special_use);
    return ERR_OK;
}

enum err account_add_mailbox(struct account *a, struct str name, unsigned special_use)
{
    struct db *db;
    char *normal;
    TRY(account_begin_change(a, &db));
    TRY(name_normalise(name, &normal));
    enum err result = add_checked(a, str_from_c(normal), special_use);
    free(normal);
    return result;
}

/* ---- special uses ---- */

static void set_use(struct mailbox *m, unsigned special_use)
{
    m->new_special_use = special_use;
    m->is_use_new = true;
    m->use_modseq = account_next_modseq(m->account);
    m->account->new_annotation_modseq = m->use_modseq;
    m->account->must_sync = true;
    mailbox_mark_changed(m);
}

static unsigned get_use(const struct mailbox *m)
{
    return m->is_use_new ? m->new_special_use : m->special_use;
}

/* Gives m the uses; others lose them. */
static void move_uses(struct account *a, struct mailbox *m, unsigned special_use)
{
    size_t at = 0;
    struct str name;
    void *value;
    while (map_next(get_names(a), &at, &name, &value)) {
        struct mailbox *x = value;
        unsigned left = get_use(x) & ~special_use;
        if (x != m && left != get_use(x)) {
            set_use(x, left);
        }
    }
    if (get_use(m) != special_use) {
        set_use(m, special_use);
    }
}

enum err account_create_mailbox(struct account *a, struct str name, unsigned special_use)
{
    if (str_eq_nocase(name, STR("INBOX"))) {
        return ERR_INBOX;
    }
    if ((special_use & ~(unsigned)USES_SETTABLE) != 0) {
        return ERR_USE_ATTR;
    }
    TRY(account_add_mailbox(a, name, USE_NONE));
    uint64_t modseq;
    return special_use == USE_NONE ? ERR_OK
                                   : account_set_special_use(a, name, special_use, &modseq);
}

enum err account_set_special_use(struct account *a, struct str name, unsigned special_use,
                                 uint64_t *modseq)
{
    struct db *db;
    char *normal;
    TRY(account_begin_change(a, &db));
    TRY(name_normalise(name, &normal));
    struct mailbox *m = map_find(get_names(a), str_from_c(normal));
    bool is_inbox = str_eq(str_from_c(normal), STR("INBOX"));
    free(normal);
    if (m == NULL) {
        return ERR_NO_MAILBOX;
    }
    bool is_settable = (special_use & ~(unsigned)USES_SETTABLE) == 0;
    if (!is_settable || (is_inbox && special_use != USE_NONE)) {
        return ERR_USE_ATTR;
    }
    move_uses(a, m, special_use);
    *modseq = m->is_use_new ? m->use_modseq : 0;
    return ERR_OK;
}

/* ---- delete ---- */

static enum err delete_found(struct account *a, struct mailbox *m)
{
    struct draft *d;
    TRY(draft_begin(m, &d));
    for (size_t i = 0; i < d->pages.count; i++) {
        enum err result = draft_load_cold(m, d->pages.at[i]);
        if (result != ERR_OK) {
            return account_poison(a, result);
        }
    }
    for (size_t i = 0; i < d->pages.count; i++) {
        const struct page *p = d->pages.at[i];
        for (uint32_t row = 0; row < p->count; row++) {
            vec_push(&d->released, p->cold->bodies[row]);
        }
        quota_count(a, -(int64_t)p->count, -(int64_t)p->total_size);
    }
    (void)map_remove(edit_names(a), str_from_c(m->new_name != NULL ? m->new_name : m->name));
    m->is_deleting = true;
    mailbox_mark_changed(m);
    return ERR_OK;
}

enum err account_delete_mailbox(struct account *a, struct str name)
{
    struct db *db;
    char *normal;
    TRY(account_begin_change(a, &db));
    TRY(name_normalise(name, &normal));
    struct mailbox *m = map_find(get_names(a), str_from_c(normal));
    bool is_inbox = str_eq(str_from_c(normal), STR("INBOX"));
    free(normal);
    if (is_inbox) {
        return ERR_INBOX;
    }
    return m == NULL ? ERR_NO_MAILBOX : delete_found(a, m);
}

/* ---- rename ---- */

static bool is_within(struct str name, struct str tree)
{
    return str_starts(name, tree) && (name.n == tree.n || name.p[tree.n] == '/');
}

struct move {
    struct mailbox *mailbox;
    char *to;
};

struct moves {
    VEC(struct move) list;
};

static void moves_release(struct moves *moves)
{
    for (size_t i = 0; i < moves->list.count; i++) {
        free(moves->list.at[i].to);
    }
    vec_release(&moves->list);
}

/* Everything at and below `from` with its name to be. Errors: ERR_NO_MAILBOX, ERR_MAILBOX_NAME, ERR_MAILBOX_EXISTS. */
static enum err gather_moves(struct account *a, struct str from, struct str to, struct moves *out)
{
    size_t at = 0;
    struct str name;
    void *m;
    while (map_next(get_names(a), &at, &name, &m)) {
        if (!is_within(name, from)) {
            continue;
        }
        struct buf target = BUF_INIT(2 * MAILBOX_NAME_MOST);
        buf_add(&target, to);
        buf_add(&target, str_skip(name, from.n));
        char *normal = NULL;
        enum err result = name_normalise(buf_str(&target), &normal);
        buf_release(&target);
        TRY(result);
        vec_push(&out->list, (struct move){m, normal});
        if (map_find(get_names(a), str_from_c(normal)) != NULL) {
            return ERR_MAILBOX_EXISTS;
        }
    }
    return out->list.count == 0 ? ERR_NO_MAILBOX : ERR_OK;
}

static void apply_moves(struct account *a, struct moves *moves)
{
    struct map *names = edit_names(a);
    for (size_t i = 0; i < moves->list.count; i++) {
        struct mailbox *m = moves->list.at[i].mailbox;
        (void)map_remove(names, str_from_c(m->new_name != NULL ? m->new_name : m->name));
    }
    for (size_t i = 0; i < moves->list.count; i++) {
        struct move *move = &moves->list.at[i];
        free(move->mailbox->new_name);
        move->mailbox->new_name = move->to;
        (void)map_put(names, str_from_c(move->to), move->mailbox);
        mailbox_mark_changed(move->mailbox);
        move->to = NULL;
    }
}

static enum err rename_tree(struct account *a, struct str from, struct str to)
{
    if (is_within(to, from)) {
        return str_eq(to, from) ? ERR_MAILBOX_EXISTS : ERR_MAILBOX_NAME;
    }
    if (map_find(get_names(a), to) != NULL) {
        return ERR_MAILBOX_EXISTS;
    }
    size_t more = count_missing_parents(a, to);
    if (map_get_count(get_names(a)) + more > MAILBOX_COUNT_MOST) {
        return ERR_LIMIT;
    }
    TRY(quota_check_mailboxes(a, map_get_count(get_names(a)), more));
    struct moves moves = {.list = VEC_INIT};
    enum err result = gather_moves(a, from, to, &moves);
    if (result == ERR_OK) {
        apply_moves(a, &moves);
        add_missing_parents(a, to);
    }
    moves_release(&moves);
    return result;
}

/* RFC 3501, 6.3.5: the messages go, INBOX and what is below it stay. */
static enum err rename_inbox(struct account *a, struct str to)
{
    struct mailbox *inbox = map_find(get_names(a), STR("INBOX"));
    struct draft *d;
    TRY(draft_begin(inbox, &d));
    TRY(add_checked(a, to, USE_NONE));
    struct mailbox *target = map_find(get_names(a), to);
    struct numset all = NUMSET_INIT;
    numset_add(&all, 1, UINT32_MAX);
    enum err result = mailbox_copy(inbox, &all, target, true, NULL, NULL);
    numset_release(&all);
    if (result == ERR_OK) {
        result = annotations_copy(a, inbox, target);
    }
    return result == ERR_OK ? ERR_OK : account_poison(a, result);
}

enum err account_rename_mailbox(struct account *a, struct str from, struct str to)
{
    struct db *db;
    char *normal_from;
    char *normal_to;
    TRY(account_begin_change(a, &db));
    TRY(name_normalise(from, &normal_from));
    enum err result = name_normalise(to, &normal_to);
    if (result != ERR_OK) {
        free(normal_from);
        return result;
    }
    bool is_inbox = str_eq(str_from_c(normal_from), STR("INBOX"));
    result = is_inbox ? rename_inbox(a, str_from_c(normal_to))
                      : rename_tree(a, str_from_c(normal_from), str_from_c(normal_to));
    free(normal_from);
    free(normal_to);
    return result;
}

/* ---- subscriptions ---- */

enum err account_set_subscribed(struct account *a, struct str name, bool is_subscribed)
{
    struct db *db;
    char *normal;
    TRY(account_begin_change(a, &db));
    TRY(name_normalise(name, &normal));
    if (is_subscribed
        && map_get_count(a->subscriptions) + a->new_subscriptions.count >= 2 * MAILBOX_COUNT_MOST) {
        free(normal);
        return ERR_LIMIT;
    }
    vec_push(&a->new_subscriptions, (struct subscription_change){normal, is_subscribed});
    a->must_sync = true;
    account_mark_dirty(a);
    return ERR_OK;
}
