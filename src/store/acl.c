/* Access control lists (RFC 4314): who besides the owner may do what with a mailbox.
 *
 * A list belongs to the mailbox, not to its name: it survives RENAME and goes with DELETE. A new mailbox begins with the
 * rights of the nearest mailbox above it (RFC 4314, 4, CREATE). Lists are short, and most mailboxes have none, so all of them
 * are in memory. A change is a copy, edited, that the commit puts in the place of the old one, so what a session reads in the
 * meantime is what is on disk.
 *
 * The other direction, which accounts gave *this* account's user something, is known only to those accounts, and they may
 * belong to other workers. So each account also keeps the names of its grantors: they are told to it before rights are given
 * (imap/cmd/acl.c), hence no grantor is missing; one that has nothing to give any more is dropped when somebody finds out. */
#include "store/store_priv.h"

/* ---- lists ---- */

static void free_identifier(struct acl_entry *e)
{
    free((char *)(uintptr_t)e->identifier.p);
}

void acl_free(struct acl **acl)
{
    if (*acl == NULL) {
        return;
    }
    for (size_t i = 0; i < (*acl)->entries.count; i++) {
        free_identifier(&(*acl)->entries.at[i]);
    }
    vec_release(&(*acl)->entries);
    free(*acl);
    *acl = NULL;
}

static void add_entry(struct acl *acl, struct str identifier, unsigned rights)
{
    struct acl_entry e = {str_make(store_copy(identifier), identifier.n), rights};
    vec_push(&acl->entries, e);
}

static struct acl *copy_acl(const struct acl *from)
{
    struct acl *acl = store_allocate(sizeof(*acl));
    for (size_t i = 0; from != NULL && i < from->entries.count; i++) {
        add_entry(acl, from->entries.at[i].identifier, from->entries.at[i].rights);
    }
    return acl;
}

/* The place of identifier in the list; its count: it is not there. */
static size_t find_entry(const struct acl *acl, struct str identifier)
{
    size_t i = 0;
    while (i < acl->entries.count && !str_eq(acl->entries.at[i].identifier, identifier)) {
        i++;
    }
    return i;
}

/* ---- reading ---- */

bool mailbox_get_acl_entry(const struct mailbox *m, size_t i, struct acl_entry *out)
{
    if (m->acl == NULL || i >= m->acl->entries.count) {
        return false;
    }
    *out = m->acl->entries.at[i];
    return true;
}

unsigned mailbox_get_rights(const struct mailbox *m, struct str user)
{
    unsigned given = 0;
    unsigned taken = 0;
    struct acl_entry e;
    for (size_t i = 0; mailbox_get_acl_entry(m, i, &e); i++) {
        bool is_negative = str_starts(e.identifier, STR("-"));
        struct str who = is_negative ? str_skip(e.identifier, 1) : e.identifier;
        if (str_eq(who, STR("anyone")) || str_eq(who, user)) {
            *(is_negative ? &taken : &given) |= e.rights;
        }
    }
    return given & ~taken;
}

/* ---- changing ---- */

static unsigned combine(unsigned was, enum acl_op op, unsigned rights)
{
    switch (op) {
    case ACL_OP_ADD:
        return was | rights;
    case ACL_OP_REMOVE:
        return was & ~rights;
    case ACL_OP_SET:
        break;
    }
    return rights;
}

enum err mailbox_set_rights(struct mailbox *m, struct str identifier, enum acl_op op,
                            unsigned rights)
{
    struct db *db;
    TRY(account_begin_change(m->account, &db));
    if (m->is_deleted || m->is_deleting) {
        return ERR_NO_MAILBOX;
    }
    struct acl *acl = m->new_acl != NULL ? m->new_acl : copy_acl(m->acl);
    m->new_acl = acl;
    m->account->must_sync = true;
    mailbox_mark_changed(m);
    size_t i = find_entry(acl, identifier);
    bool is_there = i < acl->entries.count;
    rights = combine(is_there ? acl->entries.at[i].rights : 0, op, rights) & RIGHT_ALL;
    if (!is_there && rights != 0) {
        if (i == ACL_ENTRIES_MOST || identifier.n > ACL_IDENTIFIER_MOST) {
            return ERR_LIMIT;
        }
        add_entry(acl, identifier, rights);
    } else if (is_there && rights != 0) {
        acl->entries.at[i].rights = rights;
    } else if (is_there) {
        free_identifier(&acl->entries.at[i]);
        vec_remove(&acl->entries, i);
    }
    return ERR_OK;
}

void mailbox_inherit_acl(struct mailbox *m, const struct mailbox *parent)
{
    const struct acl *from = NULL;
    if (parent != NULL) {
        from = parent->new_acl != NULL ? parent->new_acl : parent->acl;
    }
    if (from != NULL) {
        m->new_acl = copy_acl(from);
    }
}

/* ---- grantors ---- */

enum err account_set_grantor(struct account *a, struct str owner, bool is_grantor)
{
    struct db *db;
    TRY(account_begin_change(a, &db));
    if (is_grantor && map_get_count(a->grantors) + a->new_grantors.count >= GRANTORS_MOST) {
        return ERR_LIMIT;
    }
    vec_push(&a->new_grantors, (struct grantor_change){store_copy(owner), is_grantor});
    a->must_sync = true;
    account_mark_dirty(a);
    return ERR_OK;
}

bool account_has_grantor(const struct account *a, struct str owner)
{
    return map_find(a->grantors, owner) != NULL;
}

bool account_next_grantor(const struct account *a, size_t *at, struct str *owner)
{
    void *value;
    return map_next(a->grantors, at, owner, &value);
}

/* ---- committing ---- */

enum err mailbox_write_acl(struct mailbox *m, struct db *db)
{
    TRY(DB_RUN(db, ACL_DELETE, value_id(m->id)));
    for (size_t i = 0; i < m->new_acl->entries.count; i++) {
        const struct acl_entry *e = &m->new_acl->entries.at[i];
        TRY(DB_RUN(db, ACL_ADD, value_id(m->id), value_text(e->identifier), value_int(e->rights)));
    }
    return ERR_OK;
}

enum err account_write_grantors(struct account *a, struct db *db)
{
    for (size_t i = 0; i < a->new_grantors.count; i++) {
        const struct grantor_change *c = &a->new_grantors.at[i];
        struct value owner = value_text(str_from_c(c->owner));
        TRY(c->is_added ? DB_RUN(db, GRANTOR_ADD, owner) : DB_RUN(db, GRANTOR_DELETE, owner));
    }
    return ERR_OK;
}

void mailbox_install_acl(struct mailbox *m)
{
    if (m->new_acl != NULL) {
        acl_free(&m->acl);
        m->acl = m->new_acl;
        m->new_acl = NULL;
    }
}

void account_install_grantors(struct account *a)
{
    for (size_t i = 0; i < a->new_grantors.count; i++) {
        const struct grantor_change *c = &a->new_grantors.at[i];
        if (c->is_added) {
            (void)map_put(a->grantors, str_from_c(c->owner), a);
        } else {
            (void)map_remove(a->grantors, str_from_c(c->owner));
        }
    }
    account_drop_grantor_changes(a);
}

void account_drop_grantor_changes(struct account *a)
{
    for (size_t i = 0; i < a->new_grantors.count; i++) {
        free(a->new_grantors.at[i].owner);
    }
    vec_release(&a->new_grantors);
}

/* ---- loading ---- */

enum err account_load_acls(struct account *a, struct db *db, const struct map *ids)
{
    struct rows rows;
    bool has_row;
    list_each(node, &a->mailboxes)
    {
        acl_free(&list_entry(node, struct mailbox, node)->acl);
    }
    TRY(DB_QUERY(db, ACL_ALL, &rows));
    TRY(db_next(&rows, &has_row));
    while (has_row) {
        uint64_t id = row_id(&rows, 0);
        struct mailbox *m = map_find(ids, map_id(&id));
        if (m != NULL) {
            m->acl = m->acl != NULL ? m->acl : store_allocate(sizeof(*m->acl));
            add_entry(m->acl, row_str(&rows, 1), (unsigned)row_int(&rows, 2) & RIGHT_ALL);
        }
        TRY(db_next(&rows, &has_row));
    }
    return ERR_OK;
}

enum err account_load_grantors(struct account *a, struct db *db)
{
    struct rows rows;
    bool has_row;
    map_free(&a->grantors);
    a->grantors = map_new();
    TRY(DB_QUERY(db, GRANTOR_ALL, &rows));
    TRY(db_next(&rows, &has_row));
    while (has_row) {
        (void)map_put(a->grantors, row_str(&rows, 0), a);
        TRY(db_next(&rows, &has_row));
    }
    return ERR_OK;
}
