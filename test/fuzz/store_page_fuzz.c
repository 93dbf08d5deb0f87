/* Fuzzes what the store reads from its own rows: the hot and cold parts of pages and lists of expunged UIDs. The first octet
 * says which. What reads well must obey the invariants and be written back to the same octets. */
#include "fuzz.h"

#include "store/store_priv.h"

#include <assert.h>

static void check_hot(struct str s)
{
    struct page *p;
    if (page_parse_hot(s, 1, &p) != ERR_OK) {
        return;
    }
    uint32_t unseen = 0;
    for (uint32_t row = 0; row < p->count; row++) {
        assert(row == 0 || p->uids[row - 1] < p->uids[row]);
        assert(page_find_row(p, p->uids[row]) == row);
        unseen += (p->flags[row] & FLAG_SEEN) == 0;
    }
    assert(unseen == p->unseen_count);
    struct buf again = BUF_INIT(1 << 16);
    page_write_hot(p, &again);
    assert(str_eq(buf_str(&again), s));
    buf_release(&again);
    page_unref(&p);
}

static void check_cold(struct str s)
{
    uint32_t count = (uint32_t)(s.n / PAGE_COLD_ROW);
    if (count == 0 || count > PAGE_MESSAGES_MOST) {
        return;
    }
    struct buf hot = BUF_INIT(1 << 16);
    buf_add_le64(&hot, 0);
    for (uint32_t i = 0; i < 2 * count; i++) {
        buf_add_le64(&hot, i);
    }
    for (uint32_t i = 1; i <= count; i++) {
        buf_add_le32(&hot, i);
    }
    struct page *p = NULL;
    enum err result = page_parse_hot(buf_str(&hot), 1, &p);
    assert(result == ERR_OK);
    if (page_parse_cold(s, p) == ERR_OK) {
        buf_clear(&hot);
        page_write_cold(p, &hot);
        assert(str_eq(buf_str(&hot), s));
    }
    buf_release(&hot);
    page_unref(&p);
}

static void check_expunged(struct str s)
{
    struct runs runs = {.list = VEC_INIT};
    if (expunged_parse(s, &runs) == ERR_OK) {
        struct numset set = NUMSET_INIT;
        struct buf again = BUF_INIT(1 << 20);
        for (size_t i = 0; i < runs.list.count; i++) {
            assert(runs.list.at[i].first >= 1 && runs.list.at[i].first <= runs.list.at[i].last);
            numset_add(&set, runs.list.at[i].first, runs.list.at[i].last);
        }
        expunged_write(&again, &set);
        vec_clear(&runs.list);
        enum err result = expunged_parse(buf_str(&again), &runs);
        assert(result == ERR_OK && runs.list.count == set.count);
        numset_release(&set);
        buf_release(&again);
    }
    vec_release(&runs.list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct str s = str_make((const char *)data + 1, size - 1);
    switch (data[0] % 3) {
    case 0:
        check_hot(s);
        break;
    case 1:
        check_cold(s);
        break;
    default:
        check_expunged(s);
        break;
    }
    return 0;
}
