/* What we have answered 250 for is ours: it must survive kill -9 and power loss until somebody else has said 250, or the
 * sender has been told (RFC 5321, 6.1). The queue is a database of envelopes and small bodies (queue_db.c has its tables),
 * and blobs for large bodies:
 *
 *     queue_dir/queue.db
 *     queue_dir/blobs/<name>    bodies above the inline bound; the name is 32 random hex digits
 *
 * Group commit: every change of a loop turn lands in one transaction, and everyone who waits hears after it. A blob's
 * folder is synced before the commit that names it, and a blob is unlinked after the commit that forgot it; what a crash
 * leaves between the two is swept after the next start. WAL with synchronous=FULL: a committed transaction is on disk.
 *
 * Lines whose recipients came, went or got another time are remembered, and their destination's row is put right once,
 * before the commit.
 *
 * One process owns the queue, held by a lock on the database for as long as it is open. */
#include "queue/queue_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/base64.h"
#include "queue/schedule.h"

enum { KEY_MOST = 1024, ABOVE_ALL_PRIORITIES = 128 };

void queue_forget(struct queue *q, bool is_committed)
{
    for (size_t i = 0; is_committed && i < q->removed.count; i++) {
        queue_unlink_blob(q, q->removed.at[i].c);
    }
    for (size_t i = 0; !is_committed && i < q->added.count; i++) {
        queue_unlink_blob(q, q->added.at[i].c);
    }
    vec_clear(&q->removed);
    vec_clear(&q->added);
    vec_clear(&q->stale);
    q->has_new_blob = false;
    q->failure = ERR_OK;
    q->is_open = false;
    if (!is_committed && q->has_new_counts) {
        (void)queue_load_counts(q);
    }
    q->has_new_counts = false;
}

/* Keeps the first failure of a change: with it the transaction is not committed, and takes no more changes (SQLite may
 * have rolled it back already, and would commit each of them by itself). What failed before there was a transaction does
 * no harm to the next one. */
static enum err note(struct queue *q, enum err e)
{
    if (e != ERR_OK && q->is_open && q->failure == ERR_OK) {
        q->failure = e;
    }
    return e;
}

static enum err begin(struct queue *q)
{
    if (q->is_open) {
        return q->failure;
    }
    TRY(queue_run(q, queue_use(q, ST_BEGIN)));
    q->is_open = true;
    return ERR_OK;
}

/* ---- lines ---- */

/* The destination's row must be put right before the commit. */
static void mark_stale(struct queue *q, uint64_t destination)
{
    for (size_t i = q->stale.count; i > 0; i--) {
        if (q->stale.at[i - 1] == destination) {
            return;
        }
    }
    if (destination != QUEUE_HELD) {
        vec_push(&q->stale, destination);
    }
}

/* A number in the first column of the first row; is_found: there is one. */
static enum err get_number(struct queue *q, sqlite3_stmt *st, bool *is_found, int64_t *out)
{
    int rc = sqlite3_step(st);
    *is_found = rc == SQLITE_ROW;
    if (*is_found) {
        *out = sqlite3_column_int64(st, 0);
    }
    enum err e = queue_from_sqlite(q, rc);
    (void)sqlite3_reset(st);
    return e;
}

enum err queue_next_priority(struct queue *q, uint64_t destination, int64_t *priority,
                             bool *is_found)
{
    sqlite3_stmt *st = queue_use(q, ST_NEXT_PRIORITY);
    bind_u64(st, 1, destination);
    (void)sqlite3_bind_int64(st, 2, *priority);
    return get_number(q, st, is_found, priority);
}

static enum err put_right(struct queue *q, uint64_t destination)
{
    int64_t due = INT64_MAX;
    int64_t priority = ABOVE_ALL_PRIORITIES;
    bool is_found = false;
    TRY(queue_next_priority(q, destination, &priority, &is_found));
    while (is_found) {
        int64_t first = INT64_MAX;
        sqlite3_stmt *st = queue_use(q, ST_FIRST_DUE);
        bind_u64(st, 1, destination);
        (void)sqlite3_bind_int64(st, 2, priority);
        TRY(get_number(q, st, &is_found, &first));
        due = first < due ? first : due;
        TRY(queue_next_priority(q, destination, &priority, &is_found));
    }
    bool is_empty = due == INT64_MAX && destination != QUEUE_UNSORTED;
    sqlite3_stmt *st = queue_use(q, is_empty ? ST_REMOVE_DESTINATION : ST_SET_DUE);
    if (is_empty) {
        bind_u64(st, 1, destination);
    } else {
        (void)sqlite3_bind_int64(st, 1, due);
        bind_u64(st, 2, destination);
    }
    return queue_run(q, st);
}

static enum err put_lines_right(struct queue *q)
{
    for (size_t i = 0; i < q->stale.count; i++) {
        TRY(put_right(q, q->stale.at[i]));
    }
    return ERR_OK;
}

static enum err find_or_add_key(struct queue *q, struct str key, uint64_t *out)
{
    int64_t id = 0;
    bool is_found = false;
    sqlite3_stmt *st = queue_use(q, ST_FIND_KEY);
    bind_str(st, 1, key);
    TRY(get_number(q, st, &is_found, &id));
    if (!is_found) {
        st = queue_use(q, ST_ADD_KEY);
        bind_str(st, 1, key);
        TRY(queue_run(q, st));
        id = sqlite3_last_insert_rowid(q->db);
    }
    *out = (uint64_t)id;
    return ERR_OK;
}

void queue_set_rules(struct queue *q, const struct queue_rules *rules)
{
    q->rules = rules != NULL ? *rules : (struct queue_rules){.owner = NULL};
}

/* ---- changing ---- */

static struct blob_name blob_name_make(struct str name)
{
    struct blob_name b = {{0}};
    memcpy(b.c, name.p, name.n < SPOOL_NAME_SIZE ? name.n : SPOOL_NAME_SIZE);
    return b;
}

static void bind_terms(sqlite3_stmt *st, int at, const struct mail_terms *t)
{
    bind_u64(st, at, t->is_utf8);
    bind_u64(st, at + 1, t->release_ms);
    bind_u64(st, at + 2, t->by);
    bind_u64(st, at + 3, t->deliver_by_ms);
    bind_u64(st, at + 4, t->is_by_traced);
    (void)sqlite3_bind_int(st, at + 5, t->priority);
    bind_u64(st, at + 6, t->is_tls_required);
    bind_u64(st, at + 7, t->is_tls_optional);
    bind_str(st, at + 8, t->release_request);
}

static enum err add_message(struct queue *q, struct queue_message *m, struct spool *s)
{
    m->size = spool_get_size(s);
    m->kind = content_get_kind(spool_get_scan(s));
    struct str name = spool_get_name(s);
    sqlite3_stmt *st = queue_use(q, ST_ADD_MESSAGE);
    bind_u64(st, 1, m->arrived_ms);
    bind_u64(st, 2, m->expires_ms);
    bind_str(st, 3, m->return_path);
    bind_str(st, 4, m->envid);
    bind_u64(st, 5, m->ret);
    bind_u64(st, 6, m->kind);
    bind_u64(st, 7, m->size);
    bind_str(st, 8, m->sender);
    if (name.n > 0) {
        (void)sqlite3_bind_text(st, 9, name.p, (int)name.n, SQLITE_STATIC);
    }
    bind_terms(st, 10, &m->terms);
    TRY(queue_run(q, st));
    m->id = (uint64_t)sqlite3_last_insert_rowid(q->db);
    q->counts.messages++;
    q->counts.octets += m->size;
    q->has_new_counts = true;
    if (name.n > 0) {
        return ERR_OK;
    }
    st = queue_use(q, ST_ADD_BODY);
    bind_u64(st, 1, m->id);
    bind_str(st, 2, spool_get_inline(s));
    return queue_run(q, st);
}

static enum err add_recipient(struct queue *q, const struct queue_message *m,
                              struct queue_recipient *r)
{
    const struct queue_rules *rules = &q->rules;
    CLEANUP(buf_release) struct buf key = BUF_INIT(KEY_MOST);
    r->destination = QUEUE_UNSORTED;
    r->tell_ms =
        rules->get_tell_ms != NULL ? rules->get_tell_ms(rules->owner, m, r) : m->expires_ms;
    if (rules->write_key != NULL) {
        rules->write_key(rules->owner, &r->to, &key);
        TRY(find_or_add_key(q, buf_str(&key), &r->destination));
    }
    sqlite3_stmt *st = queue_use(q, ST_ADD_RECIPIENT);
    bind_u64(st, 1, m->id);
    bind_str(st, 2, r->to.address);
    bind_str(st, 3, r->to.user);
    bind_str(st, 4, r->to.orcpt);
    bind_u64(st, 5, r->to.notify);
    bind_u64(st, 6, r->next_ms);
    bind_u64(st, 7, r->destination);
    (void)sqlite3_bind_int(st, 8, m->terms.priority);
    bind_u64(st, 9, r->tell_ms);
    bind_str(st, 10, r->via);
    TRY(queue_run(q, st));
    r->id = (uint64_t)sqlite3_last_insert_rowid(q->db);
    mark_stale(q, r->destination);
    q->counts.recipients++;
    q->has_new_counts = true;
    return ERR_OK;
}

/* Notes the token; *is_new: it was not there. */
static enum err add_token(struct queue *q, const struct queue_message *m, bool *is_new)
{
    sqlite3_stmt *st = queue_use(q, ST_FORGET_TOKENS);
    bind_u64(st, 1, m->arrived_ms);
    TRY(queue_run(q, st));
    st = queue_use(q, ST_ADD_TOKEN);
    bind_str(st, 1, m->token);
    bind_u64(st, 2, m->arrived_ms + QUEUE_TOKEN_LIFETIME_MS);
    TRY(queue_run(q, st));
    *is_new = sqlite3_changes(q->db) > 0;
    return ERR_OK;
}

static enum err add(struct queue *q, struct queue_message *m, struct spool *s)
{
    bool is_new = true;
    m->id = 0;
    TRY(begin(q));
    if (m->expires_ms == 0) {
        m->expires_ms = schedule_get_start_ms(m) + q->rules.lifetime_ms;
    }
    if (m->token.n > 0) {
        TRY(add_token(q, m, &is_new));
    }
    if (!is_new) {
        return ERR_OK;
    }
    TRY(add_message(q, m, s));
    for (size_t i = 0; i < m->recipient_count; i++) {
        TRY(add_recipient(q, m, &m->recipients[i]));
    }
    return ERR_OK;
}

enum err queue_add(struct queue *q, struct queue_message *m, struct spool **s)
{
    /* A content that cannot be kept is no reason to lose the changes of others. */
    enum err e = spool_sync(*s);
    e = e == ERR_OK ? note(q, add(q, m, *s)) : e;
    if (e == ERR_OK && m->id != 0 && spool_get_name(*s).n > 0) {
        spool_keep(*s);
        vec_push(&q->added, blob_name_make(spool_get_name(*s)));
        q->has_new_blob = true;
    }
    spool_free(s);
    return e;
}

static enum err add_recipient_late(struct queue *q, const struct queue_message *m,
                                   struct queue_recipient *r)
{
    TRY(begin(q));
    return add_recipient(q, m, r);
}

enum err queue_add_recipient(struct queue *q, const struct queue_message *m,
                             struct queue_recipient *r)
{
    return note(q, add_recipient_late(q, m, r));
}

static enum err update(struct queue *q, const struct queue_recipient *r)
{
    TRY(begin(q));
    int64_t destination = QUEUE_HELD;
    bool is_found = false;
    sqlite3_stmt *st = queue_use(q, ST_UPDATE);
    bind_u64(st, 1, r->attempts);
    bind_u64(st, 2, r->next_ms);
    bind_u64(st, 3, (r->is_delay_told ? 1U : 0U) | (r->is_by_told ? 2U : 0U));
    bind_str(st, 4, r->last_reply);
    bind_u64(st, 5, r->tell_ms);
    bind_str(st, 6, r->last_host);
    bind_u64(st, 7, r->id);
    TRY(get_number(q, st, &is_found, &destination));
    mark_stale(q, (uint64_t)destination);
    q->counts.deferred += is_found && r->attempts > 0 && !r->is_deferred;
    q->has_new_counts = true;
    return ERR_OK;
}

enum err queue_update(struct queue *q, const struct queue_recipient *r)
{
    return note(q, update(q, r));
}

static enum err set_user(struct queue *q, uint64_t recipient_id, struct str user)
{
    TRY(begin(q));
    sqlite3_stmt *st = queue_use(q, ST_SET_USER);
    bind_str(st, 1, user);
    bind_u64(st, 2, recipient_id);
    return queue_run(q, st);
}

enum err queue_set_user(struct queue *q, uint64_t recipient_id, struct str user)
{
    return note(q, set_user(q, recipient_id, user));
}

static enum err sort(struct queue *q, const struct queue_recipient *r, struct str key)
{
    TRY(begin(q));
    uint64_t to = 0;
    TRY(find_or_add_key(q, key, &to));
    sqlite3_stmt *st = queue_use(q, ST_SORT);
    bind_u64(st, 1, to);
    bind_u64(st, 2, r->id);
    TRY(queue_run(q, st));
    mark_stale(q, r->destination);
    mark_stale(q, to);
    return ERR_OK;
}

enum err queue_sort(struct queue *q, const struct queue_recipient *r, struct str key)
{
    return note(q, sort(q, r, key));
}

static enum err set_wait(struct queue *q, uint64_t destination, uint32_t failures, uint64_t until,
                         struct str reply)
{
    TRY(begin(q));
    sqlite3_stmt *st = queue_use(q, ST_SET_WAIT);
    bind_u64(st, 1, failures);
    bind_u64(st, 2, until);
    bind_str(st, 3, reply);
    bind_u64(st, 4, destination);
    TRY(queue_run(q, st));
    mark_stale(q, destination);
    return ERR_OK;
}

enum err queue_set_wait(struct queue *q, uint64_t destination, uint32_t failures, uint64_t until_ms,
                        struct str reply)
{
    return note(q, set_wait(q, destination, failures, until_ms, reply));
}

static enum err end_wait(struct queue *q, struct str key)
{
    TRY(begin(q));
    int64_t id = 0;
    bool is_found = false;
    sqlite3_stmt *st = queue_use(q, ST_END_WAIT);
    bind_str(st, 1, key);
    TRY(get_number(q, st, &is_found, &id));
    if (is_found) {
        mark_stale(q, (uint64_t)id);
    }
    return ERR_OK;
}

enum err queue_end_wait(struct queue *q, struct str key)
{
    return note(q, end_wait(q, key));
}

static enum err remove_message(struct queue *q, uint64_t id)
{
    sqlite3_stmt *st = queue_use(q, ST_REMOVE_MESSAGE);
    bind_u64(st, 1, id);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        q->counts.messages--;
        q->counts.octets -= column_u64(st, 0);
        q->has_new_counts = true;
        if (column_str(st, 1).n > 0) {
            vec_push(&q->removed, blob_name_make(column_str(st, 1)));
        }
    }
    enum err e = queue_from_sqlite(q, rc);
    (void)sqlite3_reset(st);
    TRY(e);
    st = queue_use(q, ST_REMOVE_BODY);
    bind_u64(st, 1, id);
    return queue_run(q, st);
}

static enum err remove_recipient(struct queue *q, uint64_t message_id, uint64_t recipient_id)
{
    TRY(begin(q));
    sqlite3_stmt *st = queue_use(q, ST_REMOVE_RECIPIENT);
    bind_u64(st, 1, recipient_id);
    bind_u64(st, 2, message_id);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        mark_stale(q, column_u64(st, 0));
        q->counts.recipients--;
        q->counts.held -= column_u64(st, 0) == QUEUE_HELD;
        q->counts.deferred -= column_u64(st, 1) > 0;
        q->has_new_counts = true;
    }
    enum err e = queue_from_sqlite(q, rc);
    (void)sqlite3_reset(st);
    TRY(e);
    bool has_more = false;
    int64_t one = 0;
    st = queue_use(q, ST_HAS_RECIPIENT);
    bind_u64(st, 1, message_id);
    TRY(get_number(q, st, &has_more, &one));
    return has_more ? ERR_OK : remove_message(q, message_id);
}

enum err queue_remove(struct queue *q, uint64_t message_id, uint64_t recipient_id)
{
    return note(q, remove_recipient(q, message_id, recipient_id));
}

/* ---- the operator's hand ---- */

static enum err mark_lines_of(struct queue *q, uint64_t message_id)
{
    sqlite3_stmt *st = queue_use(q, ST_DESTINATIONS_OF);
    bind_u64(st, 1, message_id);
    int rc = sqlite3_step(st);
    for (; rc == SQLITE_ROW; rc = sqlite3_step(st)) {
        mark_stale(q, column_u64(st, 0));
    }
    enum err e = queue_from_sqlite(q, rc);
    (void)sqlite3_reset(st);
    return e;
}

/* Runs a change of all recipients of a message; count: how many it changed. */
static enum err change_all(struct queue *q, sqlite3_stmt *st, uint64_t message_id, uint64_t *count)
{
    TRY(mark_lines_of(q, message_id));
    TRY(queue_run(q, st));
    *count = (uint64_t)sqlite3_changes(q->db);
    return mark_lines_of(q, message_id);
}

static enum err hold(struct queue *q, uint64_t message_id, uint64_t *count)
{
    TRY(begin(q));
    sqlite3_stmt *st = queue_use(q, ST_HOLD);
    bind_u64(st, 1, message_id);
    TRY(change_all(q, st, message_id, count));
    q->counts.held += *count;
    q->has_new_counts = true;
    return ERR_OK;
}

enum err queue_hold(struct queue *q, uint64_t message_id, uint64_t *count)
{
    return note(q, hold(q, message_id, count));
}

static enum err let_go(struct queue *q, uint64_t message_id, uint64_t now_ms, uint64_t *count)
{
    TRY(begin(q));
    sqlite3_stmt *st = queue_use(q, ST_RELEASE);
    bind_u64(st, 1, message_id);
    bind_u64(st, 2, now_ms + QUEUE_GRACE_MS);
    TRY(change_all(q, st, message_id, count));
    q->counts.held -= *count;
    q->has_new_counts = true;
    return ERR_OK;
}

enum err queue_release(struct queue *q, uint64_t message_id, uint64_t now_ms, uint64_t *count)
{
    return note(q, let_go(q, message_id, now_ms, count));
}

static enum err set_next_ms(struct queue *q, enum queue_statement which, uint64_t message_id,
                            uint64_t next_ms, uint64_t *count)
{
    TRY(begin(q));
    sqlite3_stmt *st = queue_use(q, which);
    bind_u64(st, 1, next_ms);
    bind_u64(st, 2, message_id);
    return change_all(q, st, message_id, count);
}

static enum err flush(struct queue *q, uint64_t message_id, uint64_t now_ms, uint64_t *count)
{
    size_t before = q->stale.count;
    TRY(set_next_ms(q, ST_FLUSH, message_id, now_ms, count));
    for (size_t i = before; i < q->stale.count; i++) {
        sqlite3_stmt *st = queue_use(q, ST_END_WAIT_ID);
        bind_u64(st, 1, q->stale.at[i]);
        TRY(queue_run(q, st));
    }
    return ERR_OK;
}

enum err queue_flush(struct queue *q, uint64_t message_id, uint64_t now_ms, uint64_t *count)
{
    return note(q, flush(q, message_id, now_ms, count));
}

enum err queue_postpone(struct queue *q, uint64_t message_id, uint64_t next_ms, uint64_t *count)
{
    return note(q, set_next_ms(q, ST_POSTPONE, message_id, next_ms, count));
}

/* ---- commit ---- */

void queue_wait_commit(struct queue *q, struct queue_wait *w)
{
    list_append(&q->waits, &w->node);
}

void queue_wait_cancel(struct queue_wait *w)
{
    list_remove(&w->node);
}

bool queue_has_pending(const struct queue *q)
{
    return q->is_open;
}

static enum err sync_folder(struct queue *q)
{
    int fd = open(q->blobs_dir.p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    enum err e = fsync(fd) == 0 ? ERR_OK : err_from_errno(errno);
    (void)close(fd);
    return e;
}

static enum err save_counts(struct queue *q)
{
    if (!q->has_new_counts) {
        return ERR_OK;
    }
    sqlite3_stmt *st = queue_use(q, ST_SAVE_COUNTS);
    bind_u64(st, 1, q->counts.messages);
    bind_u64(st, 2, q->counts.octets);
    bind_u64(st, 3, q->counts.recipients);
    bind_u64(st, 4, q->counts.held);
    bind_u64(st, 5, q->counts.deferred);
    return queue_run(q, st);
}

enum err queue_commit(struct queue *q)
{
    enum err e = q->failure;
    if (q->is_open) {
        e = e == ERR_OK ? put_lines_right(q) : e;
        e = e == ERR_OK ? save_counts(q) : e;
        e = e == ERR_OK && q->has_new_blob ? sync_folder(q) : e;
        e = e == ERR_OK ? queue_run(q, queue_use(q, ST_COMMIT)) : e;
        if (e != ERR_OK && sqlite3_get_autocommit(q->db) == 0) {
            (void)queue_run(q, queue_use(q, ST_ROLLBACK));
        }
        queue_forget(q, e == ERR_OK);
    }
    while (!list_is_empty(&q->waits)) {
        struct queue_wait *w = (struct queue_wait *)q->waits.next;
        list_remove(&w->node);
        w->on_commit(w, e);
    }
    return e;
}

void queue_write_unique(struct buf *out)
{
    unsigned char random[12] = {0};
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        abort();
    }
    hex_write(out, str_make((const char *)random, sizeof(random)));
}
