/* Asking the queue. Every answer is bounded and comes from an index: who is due and where, whose sender is to be told
 * something, one message, a page of a list.
 *
 * Order in a line: a higher priority goes first, the longest due first inside one (RFC 6710, 4.4). But nobody starves:
 * each step of priority is worth a head start of AGING_MS, no more, so what waits long enough passes what is urgent and
 * new. The first of each priority's own line are merged by that. */
#include "queue/queue_priv.h"

#include <stdlib.h>

enum { AGING_MS = 10 * 60 * 1000, ABOVE_ALL_PRIORITIES = 128, PREFIX_MOST = 64 };

struct due {
    uint64_t message_id;
    uint64_t recipient_id;
    int64_t rank;
};

static int compare_dues(const void *a, const void *b)
{
    const struct due *x = a;
    const struct due *y = b;
    if (x->rank != y->rank) {
        return x->rank < y->rank ? -1 : 1;
    }
    return x->recipient_id < y->recipient_id ? -1 : x->recipient_id > y->recipient_id;
}

static struct queue_destination column_destination(sqlite3_stmt *st)
{
    return (struct queue_destination){
        .id = column_u64(st, 0),
        .key = column_str(st, 1),
        .failures = (uint32_t)column_u64(st, 2),
        .wait_ms = column_u64(st, 3),
    };
}

enum err queue_find_waiting(struct queue *q, unsigned most,
                            void (*on_destination)(void *owner, const struct queue_destination *d),
                            void *owner)
{
    sqlite3_stmt *st = queue_use(q, ST_FIND_WAITING);
    bind_u64(st, 1, most);
    int rc = sqlite3_step(st);
    for (; rc == SQLITE_ROW; rc = sqlite3_step(st)) {
        struct queue_destination d = column_destination(st);
        d.reply = column_str(st, 4);
        on_destination(owner, &d);
    }
    enum err e = queue_from_sqlite(q, rc);
    (void)sqlite3_reset(st);
    return e;
}

enum err queue_load_destination(struct queue *q, struct arena *a, uint64_t id,
                                struct queue_destination *out)
{
    sqlite3_stmt *st = queue_use(q, ST_LOAD_DESTINATION);
    bind_u64(st, 1, id);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        *out = column_destination(st);
        out->key = arena_str(a, out->key);
        out->reply = arena_str(a, column_str(st, 4));
    }
    enum err e = rc == SQLITE_DONE ? ERR_NOT_FOUND : queue_from_sqlite(q, rc);
    (void)sqlite3_reset(st);
    return e;
}

/* Runs st to its end. */
static enum err tell_destinations(struct queue *q, sqlite3_stmt *st,
                                  void (*on_destination)(void *owner,
                                                         const struct queue_destination *d),
                                  void *owner)
{
    int rc = sqlite3_step(st);
    for (; rc == SQLITE_ROW; rc = sqlite3_step(st)) {
        struct queue_destination d = column_destination(st);
        on_destination(owner, &d);
    }
    enum err e = queue_from_sqlite(q, rc);
    (void)sqlite3_reset(st);
    return e;
}

enum err queue_find_destinations(struct queue *q, uint64_t now_ms, unsigned most,
                                 void (*on_destination)(void *owner,
                                                        const struct queue_destination *d),
                                 void *owner)
{
    sqlite3_stmt *st = queue_use(q, ST_FIND_DESTINATIONS);
    bind_u64(st, 1, now_ms);
    bind_u64(st, 2, most);
    return tell_destinations(q, st, on_destination, owner);
}

enum err queue_find_named(struct queue *q, struct str prefix, uint64_t now_ms, unsigned most,
                          void (*on_destination)(void *owner, const struct queue_destination *d),
                          void *owner)
{
    CLEANUP(buf_release) struct buf end = BUF_INIT(PREFIX_MOST);
    buf_add(&end, str_sub(prefix, 0, prefix.n - 1));
    buf_add_char(&end, (char)(prefix.p[prefix.n - 1] + 1));
    TRY(buf_err(&end));
    sqlite3_stmt *st = queue_use(q, ST_FIND_NAMED);
    bind_str(st, 1, prefix);
    bind_str(st, 2, buf_str(&end));
    bind_u64(st, 3, now_ms);
    bind_u64(st, 4, most);
    return tell_destinations(q, st, on_destination, owner);
}

struct dues {
    VEC(struct due) all;
};

/* Adds those of one priority. */
static enum err gather(struct queue *q, sqlite3_stmt *st, int64_t priority, struct dues *out)
{
    int rc = sqlite3_step(st);
    for (; rc == SQLITE_ROW; rc = sqlite3_step(st)) {
        int64_t rank = sqlite3_column_int64(st, 2) - priority * AGING_MS;
        vec_push(&out->all, (struct due){column_u64(st, 0), column_u64(st, 1), rank});
    }
    enum err e = queue_from_sqlite(q, rc);
    (void)sqlite3_reset(st);
    return e;
}

static enum err gather_all(struct queue *q, uint64_t destination, uint64_t now_ms, unsigned most,
                           struct dues *out)
{
    int64_t priority = ABOVE_ALL_PRIORITIES;
    bool is_found = false;
    TRY(queue_next_priority(q, destination, &priority, &is_found));
    while (is_found) {
        sqlite3_stmt *st = queue_use(q, ST_FIND_DUE);
        bind_u64(st, 1, destination);
        (void)sqlite3_bind_int64(st, 2, priority);
        bind_u64(st, 3, now_ms);
        bind_u64(st, 4, most);
        TRY(gather(q, st, priority, out));
        TRY(queue_next_priority(q, destination, &priority, &is_found));
    }
    return ERR_OK;
}

enum err queue_find_due(struct queue *q, uint64_t destination, uint64_t now_ms, unsigned most,
                        void (*on_due)(void *owner, uint64_t message_id, uint64_t recipient_id),
                        void *owner)
{
    struct dues dues = {VEC_INIT};
    enum err e = gather_all(q, destination, now_ms, most, &dues);
    if (e == ERR_OK && dues.all.count > 1) {
        qsort(dues.all.at, dues.all.count, sizeof(struct due), compare_dues);
    }
    for (size_t i = 0; e == ERR_OK && i < dues.all.count && i < most; i++) {
        on_due(owner, dues.all.at[i].message_id, dues.all.at[i].recipient_id);
    }
    vec_release(&dues.all);
    return e;
}

enum err queue_find_tell(struct queue *q, uint64_t now_ms, unsigned most,
                         void (*on_due)(void *owner, uint64_t message_id, uint64_t recipient_id),
                         void *owner)
{
    sqlite3_stmt *st = queue_use(q, ST_FIND_TELL);
    bind_u64(st, 1, now_ms);
    bind_u64(st, 2, most);
    int rc = sqlite3_step(st);
    for (; rc == SQLITE_ROW; rc = sqlite3_step(st)) {
        on_due(owner, column_u64(st, 0), column_u64(st, 1));
    }
    enum err e = queue_from_sqlite(q, rc);
    (void)sqlite3_reset(st);
    return e;
}

static enum err get_first_ms(struct queue *q, enum queue_statement which, uint64_t now_ms,
                             uint64_t *out)
{
    sqlite3_stmt *st = queue_use(q, which);
    bind_u64(st, 1, now_ms);
    int rc = sqlite3_step(st);
    uint64_t first = rc == SQLITE_ROW ? column_u64(st, 0) : INT64_MAX;
    enum err e = queue_from_sqlite(q, rc);
    (void)sqlite3_reset(st);
    TRY(e);
    *out = first < INT64_MAX && first < *out ? first : *out;
    return ERR_OK;
}

enum err queue_get_next_ms(struct queue *q, uint64_t now_ms, uint64_t *out)
{
    uint64_t next = UINT64_MAX;
    TRY(get_first_ms(q, ST_NEXT_DUE_MS, now_ms, &next));
    TRY(get_first_ms(q, ST_NEXT_TELL_MS, now_ms, &next));
    *out = next;
    return ERR_OK;
}

/* ---- messages ---- */

static struct mail_terms column_terms(sqlite3_stmt *st, struct arena *a, int at)
{
    return (struct mail_terms){
        .is_utf8 = column_u64(st, at) != 0,
        .release_ms = column_u64(st, at + 1),
        .by = (enum smtp_by)column_u64(st, at + 2),
        .deliver_by_ms = column_u64(st, at + 3),
        .is_by_traced = column_u64(st, at + 4) != 0,
        .priority = (int8_t)sqlite3_column_int(st, at + 5),
        .is_tls_required = column_u64(st, at + 6) != 0,
        .is_tls_optional = column_u64(st, at + 7) != 0,
        .release_request = arena_str(a, column_str(st, at + 8)),
    };
}

static struct queue_recipient column_recipient(sqlite3_stmt *st, struct arena *a)
{
    struct queue_recipient r = {.id = column_u64(st, 0)};
    r.to.address = arena_str(a, column_str(st, 1));
    r.to.user = arena_str(a, column_str(st, 2));
    r.to.orcpt = arena_str(a, column_str(st, 3));
    r.to.notify = (unsigned)column_u64(st, 4);
    r.attempts = (uint32_t)column_u64(st, 5);
    r.is_deferred = r.attempts > 0;
    r.next_ms = column_u64(st, 6);
    r.is_delay_told = (column_u64(st, 7) & 1) != 0;
    r.is_by_told = (column_u64(st, 7) & 2) != 0;
    r.last_reply = arena_str(a, column_str(st, 8));
    r.destination = column_u64(st, 9);
    r.tell_ms = column_u64(st, 10);
    r.via = arena_str(a, column_str(st, 11));
    r.last_host = arena_str(a, column_str(st, 12));
    return r;
}

/* Has the column's text all found room in the arena? */
static bool is_whole(sqlite3_stmt *st, int column, struct str copy)
{
    return column_str(st, column).n == copy.n;
}

static bool is_recipient_whole(sqlite3_stmt *st, const struct queue_recipient *r)
{
    return is_whole(st, 1, r->to.address) && is_whole(st, 2, r->to.user)
           && is_whole(st, 3, r->to.orcpt) && is_whole(st, 8, r->last_reply)
           && is_whole(st, 11, r->via) && is_whole(st, 12, r->last_host);
}

/* Takes the rows of st into m, at most `most`. */
static enum err load_recipients(struct queue *q, sqlite3_stmt *st, struct arena *a, size_t most,
                                struct queue_message *m)
{
    m->recipients = arena_array(a, struct queue_recipient, most);
    if (m->recipients == NULL) {
        return ERR_LIMIT;
    }
    bool is_cut = false;
    int rc = sqlite3_step(st);
    for (; rc == SQLITE_ROW && m->recipient_count < most && !is_cut; rc = sqlite3_step(st)) {
        struct queue_recipient *r = &m->recipients[m->recipient_count++];
        *r = column_recipient(st, a);
        is_cut = !is_recipient_whole(st, r);
    }
    enum err e = is_cut ? ERR_LIMIT : queue_from_sqlite(q, rc);
    (void)sqlite3_reset(st);
    return e;
}

static enum err load_message(struct queue *q, struct arena *a, uint64_t id,
                             struct queue_message *out)
{
    sqlite3_stmt *st = queue_use(q, ST_LOAD_MESSAGE);
    bind_u64(st, 1, id);
    int rc = sqlite3_step(st);
    if (rc != SQLITE_ROW) {
        enum err e = rc == SQLITE_DONE ? ERR_NOT_FOUND : queue_from_sqlite(q, rc);
        (void)sqlite3_reset(st);
        return e;
    }
    struct queue_message m = {.id = id};
    m.arrived_ms = column_u64(st, 0);
    m.expires_ms = column_u64(st, 1);
    m.return_path = arena_str(a, column_str(st, 2));
    m.envid = arena_str(a, column_str(st, 3));
    m.ret = (enum smtp_ret)column_u64(st, 4);
    m.kind = (enum content_kind)column_u64(st, 5);
    m.size = column_u64(st, 6);
    m.sender = arena_str(a, column_str(st, 7));
    m.terms = column_terms(st, a, 8);
    bool is_message_whole = is_whole(st, 2, m.return_path) && is_whole(st, 3, m.envid)
                            && is_whole(st, 7, m.sender)
                            && is_whole(st, 16, m.terms.release_request);
    (void)sqlite3_reset(st);
    *out = m;
    return is_message_whole ? ERR_OK : ERR_LIMIT;
}

enum err queue_load_some(struct queue *q, struct arena *a, uint64_t id, size_t most,
                         struct queue_message *out)
{
    struct queue_message m = {0};
    TRY(load_message(q, a, id, &m));
    sqlite3_stmt *st = queue_use(q, ST_LOAD_RECIPIENTS);
    bind_u64(st, 1, id);
    bind_u64(st, 2, most);
    TRY(load_recipients(q, st, a, most, &m));
    *out = m;
    return ERR_OK;
}

enum err queue_count_recipients(struct queue *q, uint64_t id, size_t *out)
{
    sqlite3_stmt *st = queue_use(q, ST_COUNT_RECIPIENTS);
    bind_u64(st, 1, id);
    int rc = sqlite3_step(st);
    *out = rc == SQLITE_ROW ? (size_t)column_u64(st, 0) : 0;
    enum err e = queue_from_sqlite(q, rc);
    (void)sqlite3_reset(st);
    return e;
}

enum err queue_load(struct queue *q, struct arena *a, uint64_t id, struct queue_message *out)
{
    size_t count = 0;
    TRY(queue_count_recipients(q, id, &count));
    return queue_load_some(q, a, id, count, out);
}

enum err queue_load_due(struct queue *q, struct arena *a, const struct queue_line *line,
                        size_t most, struct queue_message *out)
{
    struct queue_message m = {0};
    TRY(load_message(q, a, line->message_id, &m));
    sqlite3_stmt *st = queue_use(q, ST_LOAD_DUE);
    bind_u64(st, 1, line->message_id);
    bind_u64(st, 2, line->destination);
    bind_u64(st, 3, line->now_ms);
    bind_u64(st, 4, most);
    TRY(load_recipients(q, st, a, most, &m));
    *out = m;
    return ERR_OK;
}

enum err queue_load_tell(struct queue *q, struct arena *a, uint64_t id, uint64_t now_ms,
                         size_t most, struct queue_message *out)
{
    struct queue_message m = {0};
    TRY(load_message(q, a, id, &m));
    sqlite3_stmt *st = queue_use(q, ST_LOAD_TELL);
    bind_u64(st, 1, id);
    bind_u64(st, 2, now_ms);
    bind_u64(st, 3, most);
    TRY(load_recipients(q, st, a, most, &m));
    *out = m;
    return ERR_OK;
}

enum err queue_find_messages(struct queue *q, uint64_t after, unsigned most, uint64_t *ids,
                             unsigned *count)
{
    sqlite3_stmt *st = queue_use(q, ST_FIND_MESSAGES);
    bind_u64(st, 1, after);
    bind_u64(st, 2, most);
    unsigned n = 0;
    int rc = sqlite3_step(st);
    for (; rc == SQLITE_ROW && n < most; rc = sqlite3_step(st)) {
        ids[n++] = column_u64(st, 0);
    }
    enum err e = queue_from_sqlite(q, rc);
    (void)sqlite3_reset(st);
    *count = n;
    return e;
}

/* ---- octets ---- */

static enum err read_inline(struct queue *q, uint64_t id, struct spool_reader **out)
{
    sqlite3_stmt *st = queue_use(q, ST_READ_BODY);
    bind_u64(st, 1, id);
    int rc = sqlite3_step(st);
    enum err e = rc == SQLITE_DONE ? ERR_NOT_FOUND : queue_from_sqlite(q, rc);
    if (e == ERR_OK) {
        e = spool_reader_new(buf_str(&q->blobs_dir), STR_EMPTY, column_str(st, 0), out);
    }
    (void)sqlite3_reset(st);
    return e;
}

enum err queue_read(struct queue *q, uint64_t id, struct spool_reader **out)
{
    sqlite3_stmt *st = queue_use(q, ST_READ);
    bind_u64(st, 1, id);
    int rc = sqlite3_step(st);
    enum err e = rc == SQLITE_DONE ? ERR_NOT_FOUND : queue_from_sqlite(q, rc);
    bool is_blob = e == ERR_OK && column_str(st, 0).n > 0;
    if (is_blob) {
        e = spool_reader_new(buf_str(&q->blobs_dir), column_str(st, 0), STR_EMPTY, out);
    }
    (void)sqlite3_reset(st);
    return e != ERR_OK || is_blob ? e : read_inline(q, id, out);
}

enum err queue_read_spool(struct queue *q, struct spool *s, struct spool_reader **out)
{
    TRY(spool_flush(s));
    return spool_reader_new(buf_str(&q->blobs_dir), spool_get_name(s), spool_get_inline(s), out);
}

/* ---- held by their senders ---- */

enum err queue_find_held(struct queue *q, const struct queue_held_range *range, unsigned most,
                         uint64_t *ids, unsigned *count)
{
    sqlite3_stmt *st = queue_use(q, ST_FIND_HELD);
    bind_str(st, 1, range->sender);
    bind_u64(st, 2, range->now_ms);
    bind_u64(st, 3, range->after);
    bind_u64(st, 4, most);
    int rc = SQLITE_DONE;
    *count = 0;
    while (*count < most && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        ids[(*count)++] = column_u64(st, 0);
    }
    enum err e = queue_from_sqlite(q, rc);
    (void)sqlite3_reset(st);
    return e;
}

enum err queue_sum_held(struct queue *q, const struct queue_held_range *range, uint64_t *messages,
                        uint64_t *octets)
{
    sqlite3_stmt *st = queue_use(q, ST_SUM_HELD);
    bind_str(st, 1, range->sender);
    bind_u64(st, 2, range->now_ms);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        *messages = column_u64(st, 0);
        *octets = column_u64(st, 1);
    }
    enum err e = queue_from_sqlite(q, rc);
    (void)sqlite3_reset(st);
    return e;
}

/* ---- numbers ---- */

struct queue_counts queue_get_counts(const struct queue *q)
{
    return q->counts;
}

enum err queue_get_oldest_ms(struct queue *q, uint64_t *out)
{
    sqlite3_stmt *st = queue_use(q, ST_OLDEST);
    int rc = sqlite3_step(st);
    *out = rc == SQLITE_ROW ? column_u64(st, 0) : UINT64_MAX;
    enum err e = queue_from_sqlite(q, rc);
    (void)sqlite3_reset(st);
    return e;
}
