/* Which UIDs were expunged at which modseq: what QRESYNC's VANISHED (EARLIER) is made of (RFC 7162, 3.2.10).
 *
 * One row a change that removed messages, kept for ever and exact: a phone that was away for a year still hears of
 * nothing but what it lost. A row lists runs of UIDs, so emptying a mailbox is one short row, and 100,000 single expunges are
 * some 2 MB on disk. Nothing of it is kept in memory.
 *
 *     uids: for each run of UIDs, rising
 *         varint   gap: first of this run minus (last of the run before + 1); for the first run minus 1
 *         varint   length of the run minus 1
 *     Varints are those of buf_add_varint(). */
#include "store/store_priv.h"

void expunged_write(struct buf *out, const struct numset *uids)
{
    uint32_t next = 1;
    for (size_t i = 0; i < uids->count; i++) {
        const struct numrange *r = &uids->at[i];
        buf_add_varint(out, r->first - next);
        buf_add_varint(out, r->last - r->first);
        next = r->last + 1;
    }
}

enum err expunged_parse(struct str s, struct runs *out)
{
    uint64_t next = 1;
    struct scan c = scan_make(s);
    while (c.at < s.n) {
        uint64_t gap = scan_varint(&c, UINT32_MAX);
        uint64_t more = scan_varint(&c, UINT32_MAX);
        if (!scan_is_ok(&c) || next + gap + more > UINT32_MAX) {
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
