/* Verification: what is stored, checked against itself.
 *
 * Everything is read from the database again, not from memory: pages decode and their UIDs rise, every message has its
 * body, every body its octets and a shape that reads, and its count of references is what the pages, with what the
 * release log still has to apply, make it. Blobs and rows name each other.
 *
 * It runs in the owner (the lock sees to that) and between turns; it changes nothing. */
#include "store/body.h"
#include "store/script.h"
#include "store/store_priv.h"

#include "mime/shape.h"

#include <stdarg.h>

enum { LINE_MOST = 240 };

struct id_list {
    VEC(uint64_t) at;
};

struct verify {
    struct account *account;
    struct db *db;
    void (*on_problem)(void *owner, const char *line);
    void *owner;
    bool is_bad;
    struct id_list refs;  /* the body of each message of each mailbox */
    struct id_list taken; /* gains and losses that the release log has not applied */
    struct id_list released;
    struct id_list bodies;
    struct arena *arena;
    struct usage usage; /* found */
};

__attribute__((format(printf, 2, 3))) static void problem(struct verify *v, const char *format, ...)
{
    char line[LINE_MOST];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    v->is_bad = true;
    v->on_problem(v->owner, line);
}

static void on_database_problem(void *owner, const char *line)
{
    problem(owner, "database: %.200s", line);
}

/* ---- sorted ids ---- */

static int compare_ids(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;
    return (*x > *y) - (*x < *y);
}

static void sort_ids(struct id_list *l)
{
    if (l->at.count > 1) {
        qsort(l->at.at, l->at.count, sizeof(uint64_t), compare_ids);
    }
}

/* Index of the first id >= id. */
static size_t find_id(const struct id_list *l, uint64_t id)
{
    size_t low = 0;
    size_t high = l->at.count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (l->at.at[mid] < id) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static int64_t count_id(const struct id_list *l, uint64_t id)
{
    return (int64_t)(find_id(l, id + 1) - find_id(l, id));
}

/* ---- pages ---- */

struct cursor {
    struct mailbox *mailbox;
    uint32_t last_uid;
};

static void check_rows(struct verify *v, struct cursor *at, const struct page *p)
{
    const struct mailbox *m = at->mailbox;
    uint64_t total = 0;
    for (uint32_t row = 0; row < p->count; row++) {
        if (p->uids[row] <= at->last_uid || p->uids[row] >= m->uidnext) {
            problem(v, "%s: UID %u is out of order", m->name, p->uids[row]);
        }
        if (p->modseqs[row] == 0 || p->modseqs[row] > m->highestmodseq) {
            problem(v, "%s: UID %u has a modseq above HIGHESTMODSEQ", m->name, p->uids[row]);
        }
        at->last_uid = p->uids[row];
        total += p->cold->sizes[row];
        v->usage.octets += (int64_t)p->cold->sizes[row];
        vec_push(&v->refs.at, p->cold->bodies[row]);
    }
    v->usage.messages += p->count;
    if (total != p->total_size) {
        problem(v, "%s: sizes of page %llu do not add up", m->name, (unsigned long long)p->number);
    }
}

static void check_page(struct verify *v, struct cursor *at, const struct rows *rows)
{
    uint64_t id = row_id(rows, 0);
    if (at->mailbox == NULL || at->mailbox->id != id >> PAGE_NUMBER_BITS) {
        *at = (struct cursor){account_find_mailbox_id(v->account, id >> PAGE_NUMBER_BITS), 0};
    }
    if (at->mailbox == NULL) {
        problem(v, "page %llx belongs to no mailbox", (unsigned long long)id);
        return;
    }
    struct page *p = NULL;
    uint64_t number = id & ((UINT64_C(1) << PAGE_NUMBER_BITS) - 1);
    if (page_parse_hot(row_str(rows, 1), number, &p) != ERR_OK
        || page_parse_cold(row_str(rows, 2), p) != ERR_OK) {
        problem(v, "%s: page %llu is damaged", at->mailbox->name, (unsigned long long)number);
    } else {
        check_rows(v, at, p);
    }
    page_unref(&p);
}

static enum err check_pages(struct verify *v)
{
    struct cursor at = {NULL, 0};
    struct rows rows;
    bool has_row;
    TRY(DB_QUERY(v->db, PAGE_ALL, &rows));
    TRY(db_next(&rows, &has_row));
    while (has_row) {
        check_page(v, &at, &rows);
        TRY(db_next(&rows, &has_row));
    }
    return ERR_OK;
}

/* ---- the release log ---- */

static enum err read_releases(struct verify *v)
{
    struct rows rows;
    bool has_row;
    TRY(DB_QUERY(v->db, RELEASE_ALL, &rows));
    TRY(db_next(&rows, &has_row));
    while (has_row) {
        struct id_list *to = row_int(&rows, 0) > 0 ? &v->taken : &v->released;
        struct scan c = scan_make(row_str(&rows, 1));
        while (!scan_is_end(&c)) {
            vec_push(&to->at, scan_le64(&c));
        }
        if (!scan_is_ok(&c)) {
            problem(v, "the release log is damaged");
        }
        TRY(db_next(&rows, &has_row));
    }
    return ERR_OK;
}

/* ---- bodies ---- */

static void check_shape(struct verify *v, uint64_t id, uint64_t size, struct str octets)
{
    struct shape shape;
    arena_clear(v->arena);
    if (shape_parse(v->arena, octets, &shape) != ERR_OK || shape.size != size) {
        problem(v, "body %llu: its shape is damaged", (unsigned long long)id);
    }
}

static void check_blob(struct verify *v, uint64_t id, uint64_t size)
{
    struct blob_reader *r;
    if (engine_blob_open(v->account->engine, id, &r) != ERR_OK) {
        problem(v, "body %llu: its blob is missing", (unsigned long long)id);
        return;
    }
    if (blob_reader_get_size(r) != size) {
        problem(v, "body %llu: its blob has another size", (unsigned long long)id);
    }
    blob_reader_free(&r);
}

static void check_body(struct verify *v, const struct rows *rows)
{
    uint64_t id = row_id(rows, 0);
    uint64_t size = row_id(rows, 1);
    int64_t refs = row_int(rows, 2);
    int64_t wanted = count_id(&v->refs, id) + count_id(&v->released, id) - count_id(&v->taken, id);
    if (refs != wanted) {
        problem(v, "body %llu: %lld references are counted, %lld found", (unsigned long long)id,
                (long long)refs, (long long)wanted);
    }
    bool is_used = count_id(&v->refs, id) > 0;
    if (row_int(rows, 3) == 0 && row_id(rows, 4) != size) {
        problem(v, "body %llu: its octets are missing or cut", (unsigned long long)id);
    }
    if (row_int(rows, 3) != 0 && is_used) {
        check_blob(v, id, size);
    }
    check_shape(v, id, size, row_str(rows, 5));
    vec_push(&v->bodies.at, id);
}

static enum err check_bodies(struct verify *v)
{
    struct rows rows;
    bool has_row;
    TRY(DB_QUERY(v->db, BODY_ALL, &rows));
    TRY(db_next(&rows, &has_row));
    while (has_row) {
        check_body(v, &rows);
        TRY(db_next(&rows, &has_row));
    }
    for (size_t i = 0; i < v->refs.at.count; i++) {
        if (count_id(&v->bodies, v->refs.at.at[i]) == 0) {
            problem(v, "body %llu is missing", (unsigned long long)v->refs.at.at[i]);
        }
    }
    return ERR_OK;
}

static void on_blob(void *owner, uint64_t id)
{
    struct verify *v = owner;
    if (count_id(&v->bodies, id) == 0 && !account_is_writing(v->account, id)) {
        problem(v, "blob %llu belongs to no body", (unsigned long long)id);
    }
}

/* The counters of quotas against what is there. */
static void check_usage(struct verify *v)
{
    const struct usage *counted = &v->account->usage;
    if (counted->messages != v->usage.messages || counted->octets != v->usage.octets) {
        problem(v, "%lld messages of %lld octets are counted, %lld of %lld found",
                (long long)counted->messages, (long long)counted->octets,
                (long long)v->usage.messages, (long long)v->usage.octets);
    }
}

static enum err check_annotations(struct verify *v)
{
    struct rows rows;
    bool has_row;
    TRY(DB_QUERY(v->db, ANNOTATION_MAILBOXES, &rows));
    TRY(db_next(&rows, &has_row));
    while (has_row) {
        uint64_t id = row_id(&rows, 0);
        if (id != 0 && account_find_mailbox_id(v->account, id) == NULL) {
            problem(v, "annotations of mailbox %llu, which is not there", (unsigned long long)id);
        }
        TRY(db_next(&rows, &has_row));
    }
    return ERR_OK;
}

/* Names are sound, and at most one script is active. */
static enum err check_scripts(struct verify *v)
{
    CLEANUP(buf_release) struct buf after = BUF_INIT(SCRIPT_NAME_OCTETS);
    CLEANUP(buf_release) struct buf normal = BUF_INIT(SCRIPT_NAME_OCTETS);
    struct script_info info = {.name = BUF_INIT(SCRIPT_NAME_OCTETS)};
    unsigned active = 0;
    bool has_next = false;
    enum err e = account_script_next(v->account, STR_EMPTY, &info, &has_next);
    while (e == ERR_OK && has_next) {
        active += info.is_active;
        buf_clear(&normal);
        if (script_name_normalise(buf_str(&info.name), &normal) != ERR_OK
            || !str_eq(buf_str(&normal), buf_str(&info.name))) {
            problem(v, "a script has a bad name");
        }
        buf_clear(&after);
        buf_add(&after, buf_str(&info.name));
        e = account_script_next(v->account, buf_str(&after), &info, &has_next);
    }
    buf_release(&info.name);
    if (active > 1) {
        problem(v, "%u scripts are active", active);
    }
    return e;
}

/* Bodies that wait to be sent. */
static enum err read_outbox(struct verify *v)
{
    struct rows rows;
    bool has_row;
    TRY(DB_QUERY(v->db, OUTBOX_BODIES, &rows));
    TRY(db_next(&rows, &has_row));
    while (has_row) {
        vec_push(&v->refs.at, row_id(&rows, 0));
        TRY(db_next(&rows, &has_row));
    }
    return ERR_OK;
}

static enum err check_all(struct verify *v)
{
    enum err result = db_verify(v->db, on_database_problem, v);
    if (result != ERR_CORRUPT) {
        TRY(result);
    }
    TRY(check_pages(v));
    check_usage(v);
    TRY(read_releases(v));
    TRY(read_outbox(v));
    sort_ids(&v->refs);
    sort_ids(&v->taken);
    sort_ids(&v->released);
    TRY(check_bodies(v));
    TRY(check_annotations(v));
    TRY(check_scripts(v));
    TRY(engine_blob_list(v->account->engine, on_blob, v));
    return account_verify_text(v->account, on_database_problem, v);
}

enum err account_verify(struct account *a, void (*on_problem)(void *owner, const char *line),
                        void *owner)
{
    struct verify v = {.account = a, .on_problem = on_problem, .owner = owner};
    TRY(account_ready(a, &v.db));
    v.arena = arena_new(SHAPE_ARENA_MOST);
    enum err result = check_all(&v);
    arena_free(&v.arena);
    vec_release(&v.refs.at);
    vec_release(&v.taken.at);
    vec_release(&v.released.at);
    vec_release(&v.bodies.at);
    return result == ERR_OK && v.is_bad ? ERR_CORRUPT : result;
}
