/* Annotations: small values under names, of a mailbox or of the account (mailbox 0).
 *
 *     annotation: mailbox, owner, name, modseq, value
 *         owner: of a /shared one empty, of a /private one its user, but "/", which is no user, for the account's own: so an
 *         account that comes back under another name keeps them
 *
 * They are rare and read one at a time, so nothing of them is kept in memory: they are written into the turn's transaction at once,
 * after everything that could be refused was checked, and read from the database. A removed one leaves a row
 * without value, because sessions want to hear of it (account_next_annotation_change()); these rows go when the account is
 * opened and written to again, or when there are too many.
 *
 * Each change has a modseq of its own, from the account's counter. It is no message's and is shown to nobody; it only orders
 * changes. Special uses leave a mark here, too: a row "/private/specialuse" without value. */
#include "store/annotation.h"

#include "store/store_priv.h"

static struct str get_user(const struct account *a, struct str user)
{
    return str_eq(user, str_from_c(a->user)) ? STR("/") : user;
}

static struct str get_owner(const struct account *a, struct str name, struct str user)
{
    return str_starts_nocase(name, STR("/private")) ? get_user(a, user) : STR_EMPTY;
}

static uint64_t get_id(const struct mailbox *m)
{
    return m == NULL ? 0 : m->id;
}

/* ---- writing ---- */

/* What the change would add: annotations and octets. */
struct growth {
    uint64_t count;
    int64_t octets;
};

static enum err add_growth(const struct account *a, struct db *db, uint64_t mailbox_id,
                           struct str user, const struct annotation *x, struct growth *g)
{
    if (x->name.n > ANNOTATION_NAME_MOST || x->value.n > ANNOTATION_VALUE_MOST) {
        return ERR_ANNOTATION_SIZE;
    }
    uint64_t had = 0; /* name and value, octets */
    TRY(DB_GET(db, ANNOTATION_SIZE, &had, value_id(mailbox_id),
               value_text(get_owner(a, x->name, user)), value_text(x->name)));
    g->count += x->has_value && had == 0;
    g->octets += (x->has_value ? (int64_t)(x->name.n + x->value.n) : 0) - (int64_t)had;
    return ERR_OK;
}

/* Refuses what is too much. */
static enum err check_growth(struct account *a, struct db *db, uint64_t mailbox_id,
                             const struct growth *g)
{
    if (!a->has_annotation_octets) {
        uint64_t total = 0;
        TRY(DB_GET(db, ANNOTATION_TOTAL, &total));
        a->annotation_octets = total;
        a->has_annotation_octets = true;
    }
    uint64_t count = 0;
    TRY(DB_GET(db, ANNOTATION_COUNT, &count, value_id(mailbox_id)));
    bool is_many = g->count > 0 && count + g->count > ANNOTATION_COUNT_MOST;
    bool is_much =
        g->octets > 0 && a->annotation_octets + (uint64_t)g->octets > ANNOTATION_OCTETS_MOST;
    return is_many || is_much ? ERR_ANNOTATION_COUNT : ERR_OK;
}

/* Rows that only remember removals. */
static enum err forget_removed(struct account *a, struct db *db, uint64_t mailbox_id)
{
    if (a->annotation_floor > 0) {
        TRY(DB_RUN(db, ANNOTATION_FORGET_OLD, value_id(a->annotation_floor)));
        a->annotation_floor = 0;
    }
    uint64_t removed = 0;
    TRY(DB_GET(db, ANNOTATION_REMOVED, &removed, value_id(mailbox_id)));
    return removed < ANNOTATION_COUNT_MOST ? ERR_OK
                                           : DB_RUN(db, ANNOTATION_FORGET, value_id(mailbox_id));
}

static enum err write_all(struct account *a, struct db *db, uint64_t mailbox_id, struct str user,
                          const struct annotation *at, size_t count)
{
    TRY(account_begin_transaction(a, db));
    TRY(forget_removed(a, db, mailbox_id));
    for (size_t i = 0; i < count; i++) {
        struct value owner = value_text(get_owner(a, at[i].name, user));
        struct value modseq = value_id(a->new_annotation_modseq);
        if (at[i].has_value) {
            TRY(DB_RUN(db, ANNOTATION_SET, value_id(mailbox_id), owner, value_text(at[i].name),
                       modseq, value_blob(at[i].value)));
        } else {
            TRY(DB_RUN(db, ANNOTATION_UNSET, value_id(mailbox_id), owner, value_text(at[i].name),
                       modseq));
        }
    }
    return ERR_OK;
}

enum err account_set_annotations(struct account *a, struct mailbox *m, struct str user,
                                 const struct annotation *at, size_t count, uint64_t *modseq)
{
    struct db *db;
    struct growth growth = {0, 0};
    TRY(account_begin_change(a, &db));
    if (m != NULL && (m->is_deleted || m->is_deleting)) {
        return ERR_NO_MAILBOX;
    }
    for (size_t i = 0; i < count; i++) {
        TRY(add_growth(a, db, get_id(m), user, &at[i], &growth));
    }
    TRY(check_growth(a, db, get_id(m), &growth));
    a->new_annotation_modseq = account_next_modseq(a);
    *modseq = a->new_annotation_modseq;
    a->annotation_octets = (uint64_t)((int64_t)a->annotation_octets + growth.octets);
    account_mark_dirty(a);
    enum err e = write_all(a, db, get_id(m), user, at, count);
    return e == ERR_OK ? ERR_OK : account_poison(a, e);
}

enum err annotations_mark_use(struct account *a, struct db *db, const struct mailbox *m)
{
    return DB_RUN(db, ANNOTATION_UNSET, value_id(m->id),
                  value_text(get_user(a, str_from_c(a->user))),
                  value_text(STR("/private/specialuse")), value_id(m->use_modseq));
}

enum err annotations_copy(struct account *a, const struct mailbox *from, const struct mailbox *to)
{
    struct db *db;
    TRY(account_begin_change(a, &db));
    TRY(account_begin_transaction(a, db));
    a->new_annotation_modseq = account_next_modseq(a);
    a->has_annotation_octets = false;
    return DB_RUN(db, ANNOTATION_COPY, value_id(from->id), value_id(to->id),
                  value_id(a->new_annotation_modseq));
}

enum err annotations_load(struct account *a, struct db *db)
{
    uint64_t last = 0;
    a->has_annotation_octets = false;
    TRY(DB_GET(db, ANNOTATION_LAST, &last));
    a->annotation_modseq = last;
    if (!a->is_annotation_loaded) {
        a->annotation_floor = a->annotation_modseq;
        a->is_annotation_loaded = true;
    }
    return ERR_OK;
}

/* ---- reading ---- */

enum err account_get_annotation(struct account *a, struct mailbox *m, struct str user,
                                struct str name, struct buf *out, bool *has_value)
{
    struct db *db;
    struct rows rows;
    TRY(account_ready(a, &db));
    TRY(DB_QUERY(db, ANNOTATION_GET, &rows, value_id(get_id(m)),
                 value_text(get_owner(a, name, user)), value_text(name)));
    TRY(db_next(&rows, has_value));
    if (*has_value) {
        buf_add(out, row_str(&rows, 0));
        db_end(&rows);
    }
    return buf_err(out);
}

enum err account_next_annotation(struct account *a, struct mailbox *m, struct str user,
                                 struct str after, struct annotation_text *out, bool *has_next)
{
    struct db *db;
    struct rows rows;
    TRY(account_ready(a, &db));
    TRY(DB_QUERY(db, ANNOTATION_NEXT, &rows, value_id(get_id(m)),
                 value_text(get_owner(a, after, user)), value_text(after)));
    TRY(db_next(&rows, has_next));
    if (!*has_next) {
        return ERR_OK;
    }
    buf_clear(&out->name);
    buf_clear(&out->value);
    buf_add(&out->name, row_str(&rows, 0));
    buf_add(&out->value, row_str(&rows, 1));
    db_end(&rows);
    TRY(buf_err(&out->name));
    return buf_err(&out->value);
}

/* ---- what changed ---- */

struct annotation_place account_get_annotation_place(const struct account *a)
{
    return (struct annotation_place){a->annotation_modseq, INT64_MAX};
}

enum err account_next_annotation_change(struct account *a, struct str user,
                                        const struct annotation_place *after,
                                        struct annotation_change *out, struct buf *name,
                                        bool *has_next)
{
    struct db *db;
    struct rows rows;
    *has_next = false;
    if (after->modseq > a->annotation_modseq) {
        return ERR_OK;
    }
    TRY(account_ready(a, &db));
    TRY(DB_QUERY(db, ANNOTATION_CHANGED, &rows, value_id(after->modseq), value_id(after->row),
                 value_id(a->annotation_modseq), value_text(get_user(a, user))));
    TRY(db_next(&rows, has_next));
    if (!*has_next) {
        return ERR_OK;
    }
    out->place = (struct annotation_place){row_id(&rows, 0), row_id(&rows, 1)};
    out->mailbox_id = row_id(&rows, 2);
    buf_clear(name);
    buf_add(name, row_str(&rows, 3));
    db_end(&rows);
    return buf_err(name);
}
