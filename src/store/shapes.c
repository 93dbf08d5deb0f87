/* Shapes: the parsed form of each message, a densely packed table of its own.
 *
 * Lists read the shapes of messages that came one after the other. So when the wanted id follows the one wanted before, the next ones
 * are read ahead in one query, into one buffer with a small index; otherwise one row is read. Shapes never change and ids are never
 * given twice, so what was read ahead stays true. */
#include "store/store_priv.h"

enum { AHEAD_MOST = 64, AHEAD_OCTETS = 128 * 1024 };

void account_drop_shapes(struct account *a)
{
    vec_release(&a->shape_slots);
    buf_release(&a->shape_octets);
    a->shape_wanted = 0;
}

static bool find_ahead(const struct account *a, uint64_t body_id, struct str *out)
{
    size_t low = 0;
    size_t high = a->shape_slots.count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct shape_slot *slot = &a->shape_slots.at[mid];
        if (slot->body_id == body_id) {
            *out = str_sub(buf_str(&a->shape_octets), slot->offset, slot->size);
            return true;
        }
        if (slot->body_id < body_id) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return false;
}

static enum err read_ahead(struct account *a, struct db *db, uint64_t body_id, int64_t most)
{
    struct rows rows;
    bool has_row;
    vec_clear(&a->shape_slots);
    buf_clear(&a->shape_octets);
    TRY(DB_QUERY(db, SHAPE_FROM, &rows, value_id(body_id), value_int(most)));
    TRY(db_next(&rows, &has_row));
    while (has_row) {
        struct str shape = row_str(&rows, 1);
        if (a->shape_slots.count > 0 && a->shape_octets.len + shape.n > AHEAD_OCTETS) {
            db_end(&rows);
            return ERR_OK;
        }
        struct shape_slot slot = {row_id(&rows, 0), a->shape_octets.len, shape.n};
        vec_push(&a->shape_slots, slot);
        buf_add(&a->shape_octets, shape);
        TRY(db_next(&rows, &has_row));
    }
    return buf_err(&a->shape_octets);
}

enum err account_get_shape(struct account *a, uint64_t body_id, struct str *out)
{
    bool is_next = body_id == a->shape_wanted + 1;
    a->shape_wanted = body_id;
    if (find_ahead(a, body_id, out)) {
        return ERR_OK;
    }
    struct db *db;
    TRY(account_ready(a, &db));
    TRY(read_ahead(a, db, body_id, is_next ? AHEAD_MOST : 1));
    return find_ahead(a, body_id, out) ? ERR_OK : ERR_NO_MESSAGE;
}
