/* Bodies: the octets of messages, on their way in and out.
 *
 * Bodies up to store.inline_most (64 KiB) are rows of the database and share the commit's one sync; measured, that is 1.7 times
 * faster than a file each. Larger ones are blobs: written as they come, so that no message is ever whole in memory, synced when
 * they end, and only then named by a row. A blob that was not appended goes with its writer. One that a failed commit or a
 * crash left without a row is swept when the account is loaded again, which comes next in both cases: only then is it known
 * whether there is a row.
 *
 * The shape is parsed once, when the octets have ended: from memory, or from the blob mapped read-only. */
#include "store/body.h"

#include "mime/present.h"
#include "mime/shape.h"
#include "store/store_priv.h"

#include <assert.h>

struct body_writer {
    struct list node;         /* in account.writers */
    struct account *account;  /* counts a reference */
    struct buf octets;        /* an inline body, until it is stored */
    struct blob_writer *blob; /* a large one, until it is finished */
    struct buf shape;
    uint64_t body_id; /* 0 until it needs one */
    uint64_t size;
    uint64_t shown_size; /* when finished */
    enum err err;        /* sticky */
    bool is_large;
    bool is_finished;
    bool is_stored;
    bool is_mapped;             /* somebody reads octets and shape */
    struct blob_reader *mapped; /* of a large one; NULL: nobody does */
    uint64_t failure_count;     /* the account's, when it was stored */
};

enum err body_writer_new(struct account *a, struct body_writer **out)
{
    struct body_writer *w = store_allocate(sizeof(*w));
    account_ref(a);
    list_append(&a->writers, &w->node);
    w->account = a;
    buf_init(&w->octets, a->store->inline_most);
    buf_init(&w->shape, COLUMNS_MOST);
    *out = w;
    return ERR_OK;
}

static enum err become_large(struct body_writer *w)
{
    struct account *a = w->account;
    struct db *db;
    TRY(account_ready(a, &db));
    TRY(account_mark_unclean(a, db));
    w->body_id = a->next_body_id++;
    TRY(engine_blob_create(a->engine, w->body_id, &w->blob));
    w->is_large = true;
    TRY(blob_writer_add(w->blob, buf_str(&w->octets)));
    buf_release(&w->octets);
    return ERR_OK;
}

static enum err add(struct body_writer *w, struct str octets)
{
    const struct store *s = w->account->store;
    if (octets.n > s->message_most || w->size + octets.n > s->message_most) {
        return ERR_TOO_BIG;
    }
    w->size += octets.n;
    if (!w->is_large && w->size <= s->inline_most) {
        buf_add(&w->octets, octets);
        return buf_err(&w->octets);
    }
    if (!w->is_large) {
        TRY(become_large(w));
    }
    return blob_writer_add(w->blob, octets);
}

enum err body_writer_add(struct body_writer *w, struct str octets)
{
    assert(!w->is_finished);
    if (w->err == ERR_OK) {
        w->err = add(w, octets);
    }
    return w->err;
}

uint64_t body_writer_get_size(const struct body_writer *w)
{
    return w->size;
}

static enum err shape_octets(struct body_writer *w, struct str octets)
{
    TRY(shape_build(octets, &w->shape));
    return present_measure(octets, buf_str(&w->shape), &w->shown_size);
}

static enum err shape_blob(struct body_writer *w)
{
    struct blob_reader *r;
    struct str octets;
    TRY(engine_blob_open(w->account->engine, w->body_id, &r));
    enum err result = blob_reader_map(r, &octets);
    if (result == ERR_OK) {
        result = shape_octets(w, octets);
    }
    blob_reader_free(&r);
    return result;
}

static enum err finish(struct body_writer *w)
{
    if (!w->is_large) {
        return shape_octets(w, buf_str(&w->octets));
    }
    TRY(blob_writer_finish(&w->blob));
    return shape_blob(w);
}

enum err body_writer_finish(struct body_writer *w)
{
    assert(!w->is_finished);
    w->is_finished = true;
    if (w->err == ERR_OK) {
        w->err = finish(w);
    }
    return w->err;
}

enum err body_writer_map(struct body_writer *w, struct str *octets, struct str *shape)
{
    assert(w->is_finished && (w->is_mapped || !w->is_stored));
    TRY(w->err);
    struct str all = buf_str(&w->octets);
    if (w->is_large) {
        if (w->mapped == NULL) {
            TRY(engine_blob_open(w->account->engine, w->body_id, &w->mapped));
        }
        TRY(blob_reader_map(w->mapped, &all));
    }
    w->is_mapped = true;
    *octets = all;
    *shape = buf_str(&w->shape);
    return ERR_OK;
}

uint64_t body_writer_get_shown_size(const struct body_writer *w)
{
    assert(w->is_finished);
    return w->shown_size;
}

static enum err store_rows(struct body_writer *w, struct db *db)
{
    struct account *a = w->account;
    TRY(account_begin_transaction(a, db));
    if (w->body_id == 0) {
        w->body_id = a->next_body_id++;
    }
    TRY(DB_RUN(db, BODY_ADD, value_id(w->body_id), value_id(w->size), value_int(w->is_large)));
    TRY(DB_RUN(db, SHAPE_ADD, value_id(w->body_id), value_blob(buf_str(&w->shape))));
    if (!w->is_large) {
        return DB_RUN(db, OCTETS_ADD, value_id(w->body_id), value_blob(buf_str(&w->octets)));
    }
    return ERR_OK;
}

enum err body_writer_check(struct body_writer *w)
{
    assert(w->is_finished);
    if (w->err == ERR_OK && w->is_stored && w->failure_count != w->account->failure_count) {
        w->err = ERR_IO; /* the turn that stored it failed, maybe only after its body was in */
    }
    return w->err;
}

enum err body_writer_store(struct body_writer *w, uint64_t *body_id, bool *is_first)
{
    TRY(body_writer_check(w));
    *is_first = !w->is_stored;
    if (!w->is_stored) {
        struct db *db;
        TRY(account_begin_change(w->account, &db));
        w->err = store_rows(w, db);
        TRY(w->err);
        w->is_stored = true;
        account_expect_text(w->account);
        w->failure_count = w->account->failure_count;
        if (!w->is_mapped) {
            buf_release(&w->octets);
            buf_release(&w->shape);
        }
    }
    *body_id = w->body_id;
    return ERR_OK;
}

void body_writer_free(struct body_writer **w)
{
    if (*w == NULL) {
        return;
    }
    struct body_writer *x = *w;
    blob_writer_free(&x->blob);
    blob_reader_free(&x->mapped);
    if (x->is_large && !x->is_stored) {
        err_ignore(engine_blob_delete(x->account->engine, x->body_id));
    }
    buf_release(&x->octets);
    buf_release(&x->shape);
    list_remove(&x->node);
    account_unref(&x->account);
    free(x);
    *w = NULL;
}

uint64_t account_get_first_uncommitted(const struct account *a)
{
    uint64_t first = UINT64_MAX;
    list_each(node, &a->writers)
    {
        const struct body_writer *w = list_entry(node, struct body_writer, node);
        bool is_committed = w->is_stored && !a->is_in_transaction;
        if (w->body_id != 0 && !is_committed && w->body_id < first) {
            first = w->body_id;
        }
    }
    return first;
}

bool account_is_writing(const struct account *a, uint64_t body_id)
{
    list_each(node, &a->writers)
    {
        const struct body_writer *w = list_entry(node, struct body_writer, node);
        bool has_failed = w->is_stored && w->failure_count != a->failure_count;
        if (w->body_id == body_id && !has_failed) {
            return true;
        }
    }
    return false;
}

/* ---- reading ---- */

struct body_reader {
    struct account *account;  /* counts a reference */
    struct blob_reader *blob; /* NULL: octets holds the whole body */
    struct buf octets;
    uint64_t size;
};

/* An inline body is copied once: 64 KiB at most, and no open query then holds the log. */
static enum err read_inline(struct db *db, uint64_t body_id, struct buf *out)
{
    struct rows rows;
    bool has_row;
    TRY(DB_QUERY(db, OCTETS_GET, &rows, value_id(body_id)));
    TRY(db_next(&rows, &has_row));
    if (!has_row) {
        return ERR_CORRUPT;
    }
    buf_add(out, row_str(&rows, 0));
    db_end(&rows);
    return buf_err(out);
}

static enum err find_body(struct db *db, uint64_t body_id, uint64_t *size, bool *is_large)
{
    struct rows rows;
    bool has_row;
    TRY(DB_QUERY(db, BODY_GET, &rows, value_id(body_id)));
    TRY(db_next(&rows, &has_row));
    if (!has_row) {
        return ERR_NO_MESSAGE;
    }
    *size = row_id(&rows, 0);
    *is_large = row_int(&rows, 2) != 0;
    db_end(&rows);
    return ERR_OK;
}

static enum err open_body(struct body_reader *r, uint64_t body_id)
{
    struct db *db;
    bool is_large;
    TRY(account_ready(r->account, &db));
    TRY(find_body(db, body_id, &r->size, &is_large));
    buf_init(&r->octets, MESSAGE_MOST > r->size ? MESSAGE_MOST : (size_t)r->size);
    if (!is_large) {
        TRY(read_inline(db, body_id, &r->octets));
        return r->octets.len == r->size ? ERR_OK : ERR_CORRUPT;
    }
    enum err result = engine_blob_open(r->account->engine, body_id, &r->blob);
    if (result == ERR_NOT_FOUND) {
        return ERR_CORRUPT;
    }
    TRY(result);
    return blob_reader_get_size(r->blob) == r->size ? ERR_OK : ERR_CORRUPT;
}

enum err body_reader_new(struct account *a, uint64_t body_id, struct body_reader **out)
{
    struct body_reader *r = store_allocate(sizeof(*r));
    account_ref(a);
    r->account = a;
    enum err result = open_body(r, body_id);
    if (result != ERR_OK) {
        body_reader_free(&r);
        return result;
    }
    *out = r;
    return ERR_OK;
}

uint64_t body_reader_get_size(const struct body_reader *r)
{
    return r->size;
}

enum err body_reader_get(struct body_reader *r, uint64_t offset, size_t n, struct str *out)
{
    if (offset >= r->size) {
        *out = STR_EMPTY;
        return ERR_OK;
    }
    n = n < r->size - offset ? n : (size_t)(r->size - offset);
    if (r->blob == NULL) {
        *out = str_sub(buf_str(&r->octets), (size_t)offset, n);
        return ERR_OK;
    }
    buf_clear(&r->octets);
    TRY(blob_reader_get(r->blob, offset, n, &r->octets));
    *out = buf_str(&r->octets);
    return ERR_OK;
}

enum err body_reader_map(struct body_reader *r, struct str *out)
{
    if (r->blob != NULL) {
        return blob_reader_map(r->blob, out);
    }
    *out = buf_str(&r->octets);
    return ERR_OK;
}

void body_reader_free(struct body_reader **r)
{
    if (*r == NULL) {
        return;
    }
    blob_reader_free(&(*r)->blob);
    buf_release(&(*r)->octets);
    account_unref(&(*r)->account);
    free(*r);
    *r = NULL;
}
