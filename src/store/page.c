/* Pages: up to 256 messages as packed columns.
 *
 * A flag change touches 20 octets of a message, its hot columns; listing needs only those, too. So a page is stored in
 * two parts, and a flag change rewrites the small one. In memory a page has its hot columns always and the cold ones when
 * somebody asked for them; pages that differ only in flags share one struct cold, whoever loads it loads it for all.
 *
 * A page in a view never changes. A draft (see draft.c) starts as a copy and is changed freely until the commit makes it
 * part of a view.
 *
 *     hot part, n = 1..256 rows                     cold part, n rows
 *     +----------+------+---------------------+     +---------+------+-----------------------------+
 *     | offset   | size | what                |     | offset  | size | what                        |
 *     +----------+------+---------------------+     +---------+------+-----------------------------+
 *     | 0        | 8    | sum of all sizes    |     | 0       | 8n   | internal dates, Unix time   |
 *     | 8        | 8n   | modseqs             |     | 8n      | 8n   | sizes, octets               |
 *     | 8 + 8n   | 8n   | flags               |     | 16n     | 8n   | body ids                    |
 *     | 8 + 16n  | 4n   | UIDs, rising        |     | 24n     | 8n   | save dates, Unix time       |
 *     +----------+------+---------------------+     +---------+------+-----------------------------+
 *
 * All integers are little-endian; n follows from the length. */
#include "store/page.h"

#include <assert.h>
#include <endian.h>

enum { HOT_HEAD = 8 };

/* ---- memory ---- */

static void *allocate(size_t size)
{
    void *p = calloc(1, size);
    if (p == NULL) {
        abort();
    }
    return p;
}

static struct cold *cold_new(void)
{
    struct cold *c = allocate(sizeof(*c));
    c->refs = 1;
    return c;
}

/* One allocation for the four columns. */
static void cold_make_room(struct cold *c, uint32_t room)
{
    char *at = allocate((size_t)room * PAGE_COLD_ROW);
    size_t column = (size_t)room * sizeof(uint64_t);
    c->dates = (int64_t *)(void *)at;
    c->sizes = (uint64_t *)(void *)(at + column);
    c->bodies = (uint64_t *)(void *)(at + 2 * column);
    c->savedates = (int64_t *)(void *)(at + 3 * column);
    c->room = room;
    c->is_loaded = true;
}

static void cold_unref(struct cold **c)
{
    if (*c != NULL && --(*c)->refs == 0) {
        free((*c)->dates);
        free(*c);
    }
    *c = NULL;
}

/* A page and its hot columns are one allocation. */
static struct page *page_allocate(uint32_t room)
{
    assert(room > 0 && room <= PAGE_MESSAGES_MOST);
    struct page *p = allocate(sizeof(*p) + (size_t)room * PAGE_HOT_ROW);
    char *at = (char *)p + sizeof(*p);
    p->modseqs = (uint64_t *)(void *)at;
    p->flags = p->modseqs + room;
    p->uids = (uint32_t *)(void *)(p->flags + room);
    p->refs = 1;
    p->room = room;
    return p;
}

struct page *page_new(uint64_t number, uint32_t room)
{
    struct page *p = page_allocate(room);
    p->number = number;
    p->is_draft = true;
    p->is_hot_new = true;
    p->is_cold_new = true;
    p->cold = cold_new();
    cold_make_room(p->cold, room);
    return p;
}

struct page *page_copy(const struct page *p, uint32_t room)
{
    struct page *copy = page_allocate(room < p->count ? p->count : room);
    copy->count = p->count;
    copy->unseen_count = p->unseen_count;
    copy->total_size = p->total_size;
    copy->number = p->number;
    copy->is_draft = true;
    copy->is_hot_new = true;
    copy->cold = p->cold;
    copy->cold->refs++;
    memcpy(copy->modseqs, p->modseqs, p->count * sizeof(*p->modseqs));
    memcpy(copy->flags, p->flags, p->count * sizeof(*p->flags));
    memcpy(copy->uids, p->uids, p->count * sizeof(*p->uids));
    return copy;
}

struct page *page_ref(struct page *p)
{
    p->refs++;
    return p;
}

void page_unref(struct page **p)
{
    if (*p != NULL && --(*p)->refs == 0) {
        cold_unref(&(*p)->cold);
        free(*p);
    }
    *p = NULL;
}

void page_drop_cold(struct page *p)
{
    if (p->cold->is_loaded && !p->is_cold_new) {
        free(p->cold->dates);
        *p->cold = (struct cold){.refs = p->cold->refs};
    }
}

/* ---- changing a draft ---- */

void page_own_cold(struct page *p)
{
    assert(p->is_draft && p->cold->is_loaded);
    if (p->is_cold_new) {
        return;
    }
    struct cold *own = cold_new();
    cold_make_room(own, p->room);
    memcpy(own->dates, p->cold->dates, p->count * sizeof(*own->dates));
    memcpy(own->sizes, p->cold->sizes, p->count * sizeof(*own->sizes));
    memcpy(own->bodies, p->cold->bodies, p->count * sizeof(*own->bodies));
    memcpy(own->savedates, p->cold->savedates, p->count * sizeof(*own->savedates));
    cold_unref(&p->cold);
    p->cold = own;
    p->is_cold_new = true;
}

void page_add(struct page *p, const struct message *m)
{
    assert(p->is_draft && p->is_cold_new && p->count < p->room);
    assert(p->count == 0 || p->uids[p->count - 1] < m->uid.v);
    uint32_t row = p->count++;
    p->uids[row] = m->uid.v;
    p->modseqs[row] = m->modseq;
    p->flags[row] = m->flags;
    p->cold->dates[row] = m->internaldate_s;
    p->cold->sizes[row] = m->size;
    p->cold->bodies[row] = m->body_id;
    p->cold->savedates[row] = m->savedate_s;
    p->total_size += m->size;
    p->unseen_count += (m->flags & FLAG_SEEN) == 0;
}

void page_set_flags(struct page *p, uint32_t row, uint64_t flags, uint64_t modseq)
{
    assert(p->is_draft && row < p->count);
    p->unseen_count -= (p->flags[row] & FLAG_SEEN) == 0;
    p->unseen_count += (flags & FLAG_SEEN) == 0;
    p->flags[row] = flags;
    p->modseqs[row] = modseq;
}

void page_keep(struct page *p, const bool *is_kept)
{
    assert(p->is_draft && p->is_cold_new);
    uint32_t to = 0;
    for (uint32_t row = 0; row < p->count; row++) {
        if (!is_kept[row]) {
            p->total_size -= p->cold->sizes[row];
            p->unseen_count -= (p->flags[row] & FLAG_SEEN) == 0;
            continue;
        }
        p->uids[to] = p->uids[row];
        p->modseqs[to] = p->modseqs[row];
        p->flags[to] = p->flags[row];
        p->cold->dates[to] = p->cold->dates[row];
        p->cold->sizes[to] = p->cold->sizes[row];
        p->cold->bodies[to] = p->cold->bodies[row];
        p->cold->savedates[to] = p->cold->savedates[row];
        to++;
    }
    p->count = to;
}

/* ---- reading ---- */

uint32_t page_find_row(const struct page *p, uint32_t uid)
{
    uint32_t low = 0;
    uint32_t high = p->count;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (p->uids[mid] < uid) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

const struct page_sums *page_get_sums(struct page *p)
{
    assert(!p->is_draft);
    if (p->sums.is_made) {
        return &p->sums;
    }
    struct page_sums sums = {.is_made = true, .all_flags = UINT64_MAX, .min_modseq = UINT64_MAX};
    for (uint32_t i = 0; i < p->count; i++) {
        sums.any_flags |= p->flags[i];
        sums.all_flags &= p->flags[i];
        sums.min_modseq = p->modseqs[i] < sums.min_modseq ? p->modseqs[i] : sums.min_modseq;
        sums.max_modseq = p->modseqs[i] > sums.max_modseq ? p->modseqs[i] : sums.max_modseq;
    }
    p->sums = sums;
    return &p->sums;
}

void page_get_hot(const struct page *p, uint32_t row, struct message *out)
{
    assert(row < p->count);
    out->uid.v = p->uids[row];
    out->modseq = p->modseqs[row];
    out->flags = p->flags[row];
}

void page_get(const struct page *p, uint32_t row, struct message *out)
{
    assert(p->cold->is_loaded);
    page_get_hot(p, row, out);
    out->internaldate_s = p->cold->dates[row];
    out->size = p->cold->sizes[row];
    out->body_id = p->cold->bodies[row];
    out->savedate_s = p->cold->savedates[row];
}

/* ---- stored form ---- */

static void write_u64s(struct buf *out, const uint64_t *at, uint32_t count)
{
    char *to = buf_reserve(out, (size_t)count * 8);
    if (to == NULL) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t v = htole64(at[i]);
        memcpy(to + (size_t)i * 8, &v, sizeof(v));
    }
    buf_commit(out, (size_t)count * 8);
}

static void write_i64s(struct buf *out, const int64_t *at, uint32_t count)
{
    write_u64s(out, (const uint64_t *)(const void *)at, count);
}

static void write_u32s(struct buf *out, const uint32_t *at, uint32_t count)
{
    char *to = buf_reserve(out, (size_t)count * 4);
    if (to == NULL) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t v = htole32(at[i]);
        memcpy(to + (size_t)i * 4, &v, sizeof(v));
    }
    buf_commit(out, (size_t)count * 4);
}

void page_write_hot(const struct page *p, struct buf *out)
{
    buf_add_le64(out, p->total_size);
    write_u64s(out, p->modseqs, p->count);
    write_u64s(out, p->flags, p->count);
    write_u32s(out, p->uids, p->count);
}

void page_write_cold(const struct page *p, struct buf *out)
{
    assert(p->cold->is_loaded);
    write_i64s(out, p->cold->dates, p->count);
    write_u64s(out, p->cold->sizes, p->count);
    write_u64s(out, p->cold->bodies, p->count);
    write_i64s(out, p->cold->savedates, p->count);
}

static uint32_t read_le32(const char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return le32toh(v);
}

static uint64_t read_le64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return le64toh(v);
}

static const char *read_u64s(const char *from, uint64_t *at, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        at[i] = read_le64(from + (size_t)i * 8);
    }
    return from + (size_t)count * 8;
}

static const char *read_i64s(const char *from, int64_t *at, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        at[i] = (int64_t)read_le64(from + (size_t)i * 8);
    }
    return from + (size_t)count * 8;
}

enum err page_parse_hot(struct str s, uint64_t number, struct page **out)
{
    size_t count = s.n < HOT_HEAD ? 0 : (s.n - HOT_HEAD) / PAGE_HOT_ROW;
    if (count == 0 || count > PAGE_MESSAGES_MOST || s.n != HOT_HEAD + count * PAGE_HOT_ROW) {
        return ERR_CORRUPT;
    }
    struct page *p = page_allocate((uint32_t)count);
    p->cold = cold_new();
    p->number = number;
    p->count = (uint32_t)count;
    p->total_size = read_le64(s.p);
    const char *at = read_u64s(s.p + HOT_HEAD, p->modseqs, p->count);
    at = read_u64s(at, p->flags, p->count);
    uint32_t last = 0;
    bool is_rising = true;
    for (uint32_t i = 0; i < p->count; i++) {
        p->uids[i] = read_le32(at + (size_t)i * 4);
        p->unseen_count += (p->flags[i] & FLAG_SEEN) == 0;
        is_rising = is_rising && p->uids[i] > last;
        last = p->uids[i];
    }
    if (!is_rising) {
        page_unref(&p);
        return ERR_CORRUPT;
    }
    *out = p;
    return ERR_OK;
}

enum err page_parse_cold(struct str s, struct page *p)
{
    if (s.n != (size_t)p->count * PAGE_COLD_ROW) {
        return ERR_CORRUPT;
    }
    if (p->cold->is_loaded) {
        return ERR_OK;
    }
    cold_make_room(p->cold, p->count);
    const char *at = read_i64s(s.p, p->cold->dates, p->count);
    at = read_u64s(at, p->cold->sizes, p->count);
    at = read_u64s(at, p->cold->bodies, p->count);
    (void)read_i64s(at, p->cold->savedates, p->count);
    return ERR_OK;
}
