/* Letting go of bodies.
 *
 * A body may be in many mailboxes (COPY shares it) and in many views. Deleting one with the last message would make an
 * expunge of 100,000 cost 100,000 rows, and would pull it from under a session that still has the message in its view. So an
 * expunge only notes the bodies in the release log, packed by the hundred; a copy notes that it took them. This file applies
 * the log later, bit by bit, in order:
 *
 *     release: seq, mailbox, delta, bodies
 *         delta    +1: each body got a reference, -1: it lost one
 *         bodies   ids, 8 octets little-endian each
 *
 * A loss waits while a view of that mailbox is alive that was made before it (view.born_seq < seq). Losses may be passed over,
 * gains never: so a count is never less than what is really there. A body whose count falls to 0 goes, its blob after
 * that is committed. Nothing here needs to be durable at once: after a crash it is simply done again. */
#include "store/body.h"
#include "store/store_priv.h"

#include "base/log.h"

#include <assert.h>

enum { SWEEP_BODIES_MOST = 1024, ID_SIZE = 8 };

struct entry {
    uint64_t seq;
    uint64_t mailbox_id;
    int64_t delta;
    struct buf bodies;
};

static bool is_blocked(const struct account *a, const struct entry *e)
{
    list_each(node, &a->home->views)
    {
        const struct view *v = list_entry(node, struct view, node);
        if (e->delta < 0 && v->mailbox_id == e->mailbox_id && v->born_seq < e->seq) {
            return true;
        }
    }
    return false;
}

static enum err next_entry(struct db *db, uint64_t after, struct entry *e, bool *has_entry)
{
    struct rows rows;
    TRY(DB_QUERY(db, RELEASE_FROM, &rows, value_id(after)));
    TRY(db_next(&rows, has_entry));
    if (*has_entry) {
        e->seq = row_id(&rows, 0);
        e->mailbox_id = row_id(&rows, 1);
        e->delta = row_int(&rows, 2);
        buf_clear(&e->bodies);
        buf_add(&e->bodies, row_str(&rows, 3));
        db_end(&rows);
    }
    return *has_entry ? buf_err(&e->bodies) : ERR_OK;
}

struct sweep {
    struct db *db;
    VEC(uint64_t) dead_blobs;
    size_t body_count;
    bool has_dead; /* bodies are deleted */
};

static enum err apply_one(struct sweep *s, uint64_t body_id, int64_t delta)
{
    struct rows rows;
    bool has_row;
    TRY(DB_QUERY(s->db, BODY_GET, &rows, value_id(body_id)));
    TRY(db_next(&rows, &has_row));
    if (!has_row) {
        return ERR_OK; /* account_verify() would have said so */
    }
    int64_t refs = row_int(&rows, 1) + delta;
    bool is_blob = row_int(&rows, 2) != 0;
    db_end(&rows);
    if (refs > 0) {
        return DB_RUN(s->db, BODY_SET_REFS, value_id(body_id), value_int(refs));
    }
    s->has_dead = true;
    TRY(DB_RUN(s->db, BODY_DELETE, value_id(body_id)));
    TRY(DB_RUN(s->db, SHAPE_DELETE, value_id(body_id)));
    TRY(DB_RUN(s->db, ORIGIN_DELETE, value_id(body_id)));
    if (is_blob) {
        vec_push(&s->dead_blobs, body_id);
        return ERR_OK;
    }
    return DB_RUN(s->db, OCTETS_DELETE, value_id(body_id));
}

static enum err apply_entry(struct sweep *s, const struct entry *e)
{
    struct scan c = scan_make(buf_str(&e->bodies));
    while (!scan_is_end(&c)) {
        uint64_t body_id = scan_le64(&c);
        TRY(c.err);
        TRY(apply_one(s, body_id, e->delta));
        s->body_count++;
    }
    return DB_RUN(s->db, RELEASE_DELETE, value_id(e->seq));
}

/* Applies entries until there are none that can be, or enough is done. */
static enum err apply_some(struct account *a, struct sweep *s)
{
    struct entry e = {.bodies = BUF_INIT(COLUMNS_MOST)};
    uint64_t after = 0;
    bool is_all_done = true;
    bool has_entry = true;
    enum err result = ERR_OK;
    while (result == ERR_OK && s->body_count < SWEEP_BODIES_MOST) {
        result = next_entry(s->db, after, &e, &has_entry);
        if (result != ERR_OK || !has_entry) {
            break;
        }
        after = e.seq;
        if (is_blocked(a, &e)) {
            is_all_done = false;
            continue;
        }
        result = apply_entry(s, &e);
    }
    buf_release(&e.bodies);
    a->has_releases = has_entry || !is_all_done;
    return result;
}

static enum err sweep_once(struct account *a, struct sweep *s)
{
    TRY(account_mark_unclean(a, s->db));
    TRY(db_set_durable(s->db, false));
    TRY(DB_RUN(s->db, BEGIN));
    enum err result = apply_some(a, s);
    if (result == ERR_OK && s->has_dead) {
        /* the last body may be gone: its id must not come back */
        result = DB_RUN(s->db, META_SET, value_text(STR("next_body")), value_id(a->next_body_id));
    }
    if (result == ERR_OK && s->body_count > 0) {
        result = DB_RUN(s->db, COMMIT);
    }
    db_rollback(s->db);
    return result;
}

/* Something in the log can be applied now. */
static bool has_work(struct account *a)
{
    struct entry e = {.bodies = BUF_INIT(COLUMNS_MOST)};
    bool has_entry = true;
    bool is_free = false;
    uint64_t after = 0;
    while (has_entry && !is_free) {
        if (next_entry(a->db, after, &e, &has_entry) != ERR_OK) {
            break;
        }
        after = e.seq;
        is_free = has_entry && !is_blocked(a, &e);
    }
    buf_release(&e.bodies);
    a->has_releases = after != 0;
    return is_free;
}

bool account_sweep(struct account *a)
{
    assert(!a->is_in_transaction);
    if (a->db == NULL || !a->has_releases || !list_is_empty(&a->writers) || !has_work(a)) {
        return false;
    }
    struct sweep s = {.db = a->db, .dead_blobs = VEC_INIT};
    enum err result = sweep_once(a, &s);
    if (result != ERR_OK) {
        log_warn("store: %s: sweeping bodies failed: %s", a->user, err_get_info(result)->meaning);
        a->has_releases = false; /* again after the next expunge or start */
    }
    for (size_t i = 0; result == ERR_OK && i < s.dead_blobs.count; i++) {
        err_ignore(engine_blob_delete(a->engine, s.dead_blobs.at[i]));
    }
    vec_release(&s.dead_blobs);
    return result == ERR_OK && s.body_count > 0;
}

/* ---- blobs that a crash left ---- */

struct orphans {
    VEC(uint64_t) ids;
};

static void on_blob(void *owner, uint64_t id)
{
    struct orphans *o = owner;
    vec_push(&o->ids, id);
}

static enum err has_body(struct db *db, uint64_t id, bool *out)
{
    struct rows rows;
    TRY(DB_QUERY(db, BODY_GET, &rows, value_id(id)));
    TRY(db_next(&rows, out));
    if (*out) {
        db_end(&rows);
    }
    return ERR_OK;
}

enum err account_sweep_blobs(struct account *a, struct db *db)
{
    struct orphans o = {.ids = VEC_INIT};
    enum err result = engine_blob_list(a->engine, on_blob, &o);
    for (size_t i = 0; result == ERR_OK && i < o.ids.count; i++) {
        bool is_known;
        result = has_body(db, o.ids.at[i], &is_known);
        if (result == ERR_OK && !is_known && !account_is_writing(a, o.ids.at[i])) {
            result = engine_blob_delete(a->engine, o.ids.at[i]);
        }
    }
    vec_release(&o.ids);
    return result;
}
