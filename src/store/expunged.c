/* Which UIDs were expunged at which modseq: what QRESYNC's VANISHED (EARLIER) is made of (RFC 7162, 3.2.10).
 *
 * One row a change that removed messages, kept for ever and exact: a phone that was away for a year still hears of
 * nothing but what it lost. A row lists runs of UIDs, so emptying a mailbox is one short row, and 100,000 single expunges are
 * some 2 MB on disk. Nothing of it is kept in memory.
 *
 *     uids: for each run of UIDs, rising
 *         varint   gap: first of this run minus (last of the run before + 1); for the first run minus 1
 *         varint   length of the run minus 1
 *     A varint has 7 bits an octet, the lowest first; the top bit says that more follow. */
#include "store/store_priv.h"

static void write_varint(struct buf *out, uint32_t v)
{
    while (v >= 0x80) {
        buf_add_char(out, (char)(unsigned char)(v | 0x80));
        v >>= 7;
    }
    buf_add_char(out, (char)v);
}

void expunged_write(struct buf *out, const struct numset *uids)
{
    uint32_t next = 1;
    for (size_t i = 0; i < uids->count; i++) {
        const struct numrange *r = &uids->at[i];
        write_varint(out, r->first - next);
        write_varint(out, r->last - r->first);
        next = r->last + 1;
    }
}

static bool read_varint(struct str *s, uint64_t *v)
{
    *v = 0;
    for (unsigned shift = 0; shift < 35 && s->n > 0; shift += 7) {
        unsigned char octet = (unsigned char)s->p[0];
        *s = str_skip(*s, 1);
        *v |= (uint64_t)(octet & 0x7f) << shift;
        if ((octet & 0x80) == 0) {
            return *v <= UINT32_MAX;
        }
    }
    return false;
}

enum err expunged_parse(struct str s, struct runs *out)
{
    uint64_t next = 1;
    while (s.n > 0) {
        uint64_t gap;
        uint64_t more;
        if (!read_varint(&s, &gap) || !read_varint(&s, &more) || next + gap + more > UINT32_MAX) {
            return ERR_CORRUPT;
        }
        uint64_t first = next + gap;
        vec_push(&out->list, (struct numrange){(uint32_t)first, (uint32_t)(first + more)});
        next = first + more + 1;
    }
    return ERR_OK;
}

static int compare_runs(const void *a, const void *b)
{
    const struct numrange *x = a;
    const struct numrange *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

static enum err read_rows(struct mailbox *m, struct db *db, uint64_t since, struct runs *out)
{
    struct rows rows;
    bool has_row;
    TRY(DB_QUERY(db, EXPUNGED_SINCE, &rows, value_id(m->id), value_id(since)));
    TRY(db_next(&rows, &has_row));
    while (has_row) {
        enum err result = expunged_parse(row_str(&rows, 0), out);
        if (result != ERR_OK) {
            db_end(&rows);
            return result;
        }
        TRY(db_next(&rows, &has_row));
    }
    return ERR_OK;
}

enum err mailbox_get_expunged(struct mailbox *m, uint64_t since, struct numset *out)
{
    if (m->account == NULL) {
        return ERR_UNAVAILABLE;
    }
    struct db *db;
    struct runs runs = {.list = VEC_INIT};
    TRY(account_ready(m->account, &db));
    enum err result = ERR_OK;
    if (since < INT64_MAX) {
        result = read_rows(m, db, since, &runs);
    }
    if (result == ERR_OK && runs.list.count > 0) {
        /* Sorted first: adding to a set in rising order costs O(1) each. */
        qsort(runs.list.at, runs.list.count, sizeof(*runs.list.at), compare_runs);
        for (size_t i = 0; i < runs.list.count; i++) {
            numset_add(out, runs.list.at[i].first, runs.list.at[i].last);
        }
    }
    vec_release(&runs.list);
    return result;
}
