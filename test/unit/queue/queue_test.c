/* The durable queue: what was committed is there after any end of the process; what was not, is not. */
#include "queue/queue.h"

#include "queue/schedule.h"
#include "temp_dir.h"
#include "unit.h"

#include <dirent.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARENA_MOST = 1 << 20, BIG = 200000 };

static char dir[] = "/tmp/limetta-queue-XXXXXX";

static void make_dir(void)
{
    temp_dir_make(dir, sizeof(dir));
}

static void remove_dir(void)
{
    temp_dir_remove(dir);
}

static struct queue *open_queue(void)
{
    struct queue *q = NULL;
    assert_int_equal(queue_open(str_from_c(dir), &q), ERR_OK);
    return q;
}

static size_t count_blobs(void)
{
    char path[100];
    (void)snprintf(path, sizeof(path), "%s/blobs", dir);
    DIR *d = opendir(path);
    size_t count = 0;
    if (d == NULL) {
        return SIZE_MAX;
    }
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        count += e->d_name[0] != '.';
    }
    (void)closedir(d);
    return count;
}

/* A message of size octets for "a@x" (foreign) and "anna" (local), due at 1000. */
static enum err add(struct queue *q, size_t size, uint64_t *id)
{
    struct spool *s = queue_spool_new(q, 1 << 20);
    char piece[1000];
    memset(piece, 'x', sizeof(piece));
    enum err e = ERR_OK;
    for (size_t left = size; left > 0 && e == ERR_OK;) {
        size_t n = left < sizeof(piece) ? left : sizeof(piece);
        e = spool_add(s, str_make(piece, n));
        left -= n;
    }
    if (e != ERR_OK) {
        spool_free(&s);
        return e;
    }
    struct queue_recipient r[2] = {
        {.to = {.address = STR("a@x"), .orcpt = STR("rfc822;o"), .notify = 5}, .next_ms = 1000},
        {.to = {.address = STR("anna@here"), .user = STR("anna")}, .next_ms = 1000},
    };
    struct queue_message m = {
        .arrived_ms = 900,
        .expires_ms = 99999,
        .return_path = STR("from@x"),
        .envid = STR("id"),
        .ret = SMTP_RET_HDRS,
        .sender = STR("bob"),
        .recipients = r,
        .recipient_count = 2,
    };
    e = queue_add(q, &m, &s);
    assert_null(s);
    *id = m.id;
    return e;
}

static uint64_t count(struct queue *q)
{
    return queue_get_counts(q).messages;
}

static void check_content(struct queue *q, uint64_t id, size_t size)
{
    struct spool_reader *r = NULL;
    struct str s;
    assert_int_equal(queue_read(q, id, &r), ERR_OK);
    assert_int_equal(spool_reader_get_size(r), size);
    assert_int_equal(spool_reader_get(r, size - 3, 10, &s), ERR_OK);
    assert_str(s, STR("xxx"));
    assert_int_equal(spool_reader_get(r, size, 10, &s), ERR_OK);
    assert_int_equal(s.n, 0);
    assert_int_equal(spool_reader_map(r, &s), ERR_OK);
    assert_int_equal(s.n, size);
    spool_reader_free(&r);
}

static void test_round_trip(void **state)
{
    make_dir();
    struct queue *q = open_queue();
    uint64_t small;
    uint64_t big;
    assert_int_equal(add(q, 500, &small), ERR_OK);
    assert_int_equal(add(q, BIG, &big), ERR_OK);
    assert_int_equal(queue_commit(q), ERR_OK);
    assert_int_equal(count_blobs(), 1);
    queue_close(&q);
    q = open_queue();
    struct arena *a = arena_new(ARENA_MOST);
    struct queue_message m;
    assert_int_equal(queue_load(q, a, big, &m), ERR_OK);
    assert_str(m.return_path, STR("from@x"));
    assert_str(m.envid, STR("id"));
    assert_int_equal(m.ret, SMTP_RET_HDRS);
    assert_int_equal(m.size, BIG);
    assert_int_equal(m.kind, CONTENT_BINARY);
    assert_int_equal(m.recipient_count, 2);
    assert_str(m.recipients[0].to.address, STR("a@x"));
    assert_str(m.recipients[0].to.orcpt, STR("rfc822;o"));
    assert_int_equal(m.recipients[0].to.notify, 5);
    assert_str(m.recipients[1].to.user, STR("anna"));
    check_content(q, small, 500);
    check_content(q, big, BIG);
    assert_int_equal(queue_load(q, a, 77, &m), ERR_NOT_FOUND);
    /* What does not fit is not cut to a message with other addresses. */
    for (size_t cap = 64; cap < 4096; cap += 8) {
        struct arena *small_arena = arena_new(cap);
        struct queue_message tight;
        enum err e = queue_load(q, small_arena, big, &tight);
        assert_true(e == ERR_OK || e == ERR_LIMIT);
        assert_true(e != ERR_OK || str_eq(tight.recipients[0].to.orcpt, STR("rfc822;o")));
        arena_free(&small_arena);
    }
    struct queue_recipient r = m.recipients[0];
    r.attempts = 3;
    r.next_ms = 5000;
    r.is_delay_told = true;
    r.last_reply = STR("451 later");
    r.last_host = STR("mx.test");
    assert_int_equal(queue_update(q, &r), ERR_OK);
    assert_int_equal(queue_remove(q, big, m.recipients[1].id), ERR_OK);
    assert_int_equal(queue_commit(q), ERR_OK);
    assert_int_equal(queue_load(q, a, big, &m), ERR_OK);
    assert_int_equal(m.recipient_count, 1);
    assert_int_equal(m.recipients[0].attempts, 3);
    assert_str(m.recipients[0].last_reply, STR("451 later"));
    assert_str(m.recipients[0].last_host, STR("mx.test"));
    assert_true(m.recipients[0].is_delay_told);
    assert_int_equal(queue_remove(q, big, r.id), ERR_OK);
    assert_int_equal(count_blobs(), 1); /* not before the commit */
    assert_int_equal(queue_commit(q), ERR_OK);
    assert_int_equal(count_blobs(), 0);
    assert_int_equal(count(q), 1);
    arena_free(&a);
    queue_close(&q);
    remove_dir();
}

static void note_due(void *owner, uint64_t message_id, uint64_t recipient_id)
{
    buf_addf(owner, "%u.%u ", (unsigned)message_id, (unsigned)recipient_id);
}

/* The sender's terms come back as they went in, in a queue that is made new and in one of version 1, whose messages
 * have none. */
static void test_terms(void **state)
{
    static const char old[] =
        "CREATE TABLE message(id INTEGER PRIMARY KEY AUTOINCREMENT, arrived_ms INTEGER NOT NULL,"
        " expires_ms INTEGER NOT NULL, return_path BLOB NOT NULL, envid BLOB NOT NULL,"
        " ret INTEGER NOT NULL, kind INTEGER NOT NULL, size INTEGER NOT NULL,"
        " sender BLOB NOT NULL, blob TEXT UNIQUE, body BLOB);"
        "CREATE TABLE recipient(id INTEGER PRIMARY KEY AUTOINCREMENT,"
        " message_id INTEGER NOT NULL REFERENCES message(id), address BLOB NOT NULL,"
        " user BLOB NOT NULL, orcpt BLOB NOT NULL, notify INTEGER NOT NULL,"
        " attempts INTEGER NOT NULL DEFAULT 0, next_ms INTEGER NOT NULL,"
        " is_delay_told INTEGER NOT NULL DEFAULT 0, last_reply BLOB NOT NULL DEFAULT x'');"
        "INSERT INTO message VALUES(1,900,99999,x'61','',0,0,1,'bob',NULL,x'78');"
        "INSERT INTO recipient(message_id,address,user,orcpt,notify,next_ms)"
        " VALUES(1,x'61',x'','',0,1000);"
        "PRAGMA user_version=1;";
    make_dir();
    CLEANUP(buf_release) struct buf path = BUF_INIT(1000);
    buf_addf(&path, "%s/queue.db", dir);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path.p, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, old, NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);

    struct mail_terms terms = {true, 1, STR("for;1"), SMTP_BY_NOTIFY, 2, true, -9, true, true};
    struct queue *q = open_queue();
    struct spool *s = queue_spool_new(q, 100);
    struct queue_recipient r = {.to = {.address = STR("b@x")}, .next_ms = 1000};
    struct queue_message m = {.terms = terms, .recipients = &r, .recipient_count = 1};
    assert_int_equal(queue_add(q, &m, &s), ERR_OK);
    assert_int_equal(queue_commit(q), ERR_OK);
    queue_close(&q);
    q = open_queue();
    struct arena *a = arena_new(ARENA_MOST);
    struct queue_message got;
    assert_int_equal(queue_load(q, a, m.id, &got), ERR_OK);
    assert_true(got.terms.is_utf8 && got.terms.is_by_traced && got.terms.is_tls_required
                && got.terms.is_tls_optional);
    assert_int_equal(got.terms.release_ms, 1);
    assert_str(got.terms.release_request, STR("for;1"));
    assert_int_equal(got.terms.by, SMTP_BY_NOTIFY);
    assert_int_equal(got.terms.deliver_by_ms, 2);
    assert_int_equal(got.terms.priority, -9);
    assert_int_equal(queue_load(q, a, 1, &got), ERR_OK);
    assert_str(got.sender, STR("bob"));
    assert_int_equal(got.terms.by, SMTP_BY_NONE);
    assert_int_equal(got.terms.priority, 0);
    assert_false(got.terms.is_utf8);
    arena_free(&a);
    queue_close(&q);
    remove_dir();
}

/* Rules for the tests: foreign addresses go to the hop of their domain. */
static void write_key(void *owner, const struct mail_recipient *to, struct buf *key)
{
    struct str domain = str_skip(to->address, str_find_last_char(to->address, '@') + 1);
    buf_addf(key, "%s/%.*s", to->user.n > 0 ? "store" : "hop", STR_ARG(domain));
}

static void use_rules(struct queue *q)
{
    queue_set_rules(q, &(struct queue_rules){.write_key = write_key});
}

static void note_destination(void *owner, const struct queue_destination *d)
{
    buf_addf(owner, "%u=%.*s/%u ", (unsigned)d->id, STR_ARG(d->key), d->failures);
}

/* "id=key/failures " of all destinations that are due. */
static struct str find_destinations(struct queue *q, uint64_t now, struct buf *out)
{
    buf_clear(out);
    assert_int_equal(queue_find_destinations(q, now, 100, note_destination, out), ERR_OK);
    return buf_str(out);
}

static struct str find_due(struct queue *q, uint64_t destination, uint64_t now, unsigned most,
                           struct buf *out)
{
    buf_clear(out);
    assert_int_equal(queue_find_due(q, destination, now, most, note_due, out), ERR_OK);
    return buf_str(out);
}

static uint64_t next_ms(struct queue *q, uint64_t now)
{
    uint64_t next = 0;
    assert_int_equal(queue_get_next_ms(q, now, &next), ERR_OK);
    return next;
}

/* X-QUEUE: who is due where; a line that is empty is gone. */
static void test_due(void **state)
{
    make_dir();
    struct queue *q = open_queue();
    use_rules(q);
    uint64_t id;
    CLEANUP(buf_release) struct buf out = BUF_INIT(1000);
    assert_int_equal(add(q, 10, &id), ERR_OK);
    assert_int_equal(add(q, 10, &id), ERR_OK);
    assert_int_equal(queue_commit(q), ERR_OK);
    assert_str(find_destinations(q, 999, &out), STR(""));
    assert_str(find_destinations(q, 1000, &out), STR("3=hop/x/0 4=store/here/0 "));
    assert_str(find_due(q, 3, 999, 9, &out), STR(""));
    assert_str(find_due(q, 3, 1000, 9, &out), STR("1.1 2.3 "));
    assert_str(find_due(q, 4, 1000, 1, &out), STR("1.2 "));
    assert_int_equal(next_ms(q, 999), 1000);
    assert_int_equal(next_ms(q, 1000), 99999);
    struct queue_recipient r = {.id = 2, .next_ms = 5000, .tell_ms = 99999};
    assert_int_equal(queue_update(q, &r), ERR_OK);
    assert_int_equal(queue_remove(q, 2, 4), ERR_OK);
    assert_int_equal(queue_commit(q), ERR_OK);
    assert_str(find_destinations(q, 1000, &out), STR("3=hop/x/0 "));
    assert_int_equal(next_ms(q, 1000), 5000);
    assert_int_equal(queue_flush(q, 1, 3000, &id), ERR_OK);
    assert_int_equal(id, 1);
    assert_int_equal(queue_commit(q), ERR_OK);
    assert_int_equal(next_ms(q, 1000), 3000);
    assert_int_equal(queue_remove(q, 1, 1), ERR_OK);
    assert_int_equal(queue_remove(q, 2, 3), ERR_OK);
    assert_int_equal(queue_commit(q), ERR_OK);
    assert_str(find_destinations(q, 9000, &out), STR("4=store/here/0 "));
    queue_close(&q);
    remove_dir();
}

/* Our own destinations are found by name, however many others are due before them. */
static void test_named(void **state)
{
    make_dir();
    struct queue *q = open_queue();
    use_rules(q);
    uint64_t id;
    CLEANUP(buf_release) struct buf out = BUF_INIT(1000);
    assert_int_equal(add(q, 10, &id), ERR_OK);
    assert_int_equal(queue_commit(q), ERR_OK);
    assert_int_equal(queue_find_named(q, STR("store/"), 1000, 9, note_destination, &out), ERR_OK);
    assert_str(buf_str(&out), STR("4=store/here/0 "));
    buf_clear(&out);
    assert_int_equal(queue_find_named(q, STR("store/"), 999, 9, note_destination, &out), ERR_OK);
    assert_int_equal(queue_find_named(q, STR("stor/"), 1000, 9, note_destination, &out), ERR_OK);
    assert_int_equal(out.len, 0);
    queue_close(&q);
    remove_dir();
}

/* A destination that waits is not due, whoever joins its line; others are. */
static void test_wait(void **state)
{
    make_dir();
    struct queue *q = open_queue();
    use_rules(q);
    uint64_t id;
    CLEANUP(buf_release) struct buf out = BUF_INIT(1000);
    assert_int_equal(add(q, 10, &id), ERR_OK);
    assert_int_equal(queue_commit(q), ERR_OK);
    assert_int_equal(queue_set_wait(q, 3, 2, 7000, STR("451 no")), ERR_OK);
    assert_int_equal(queue_commit(q), ERR_OK);
    assert_int_equal(add(q, 10, &id), ERR_OK);
    assert_int_equal(queue_commit(q), ERR_OK);
    queue_close(&q);
    q = open_queue();
    use_rules(q);
    assert_str(find_destinations(q, 6999, &out), STR("4=store/here/0 "));
    assert_int_equal(next_ms(q, 6000), 7000);
    assert_str(find_destinations(q, 7000, &out), STR("4=store/here/0 3=hop/x/2 "));
    assert_int_equal(queue_end_wait(q, STR("hop/x")), ERR_OK);
    assert_int_equal(queue_end_wait(q, STR("hop/unknown")), ERR_OK);
    assert_int_equal(queue_commit(q), ERR_OK);
    assert_str(find_destinations(q, 1000, &out), STR("3=hop/x/0 4=store/here/0 "));
    queue_close(&q);
    remove_dir();
}

/* Without rules a recipient has no destination; it gets one later. Held mail is in nobody's line. */
static void test_sort_and_hold(void **state)
{
    make_dir();
    struct queue *q = open_queue();
    uint64_t id;
    uint64_t changed = 0;
    CLEANUP(buf_release) struct buf out = BUF_INIT(1000);
    assert_int_equal(add(q, 10, &id), ERR_OK);
    assert_int_equal(queue_commit(q), ERR_OK);
    assert_str(find_destinations(q, 1000, &out), STR("1=unsorted/0 "));
    struct queue_recipient r = {.id = 1, .destination = QUEUE_UNSORTED};
    assert_int_equal(queue_sort(q, &r, STR("hop/x")), ERR_OK);
    assert_int_equal(queue_commit(q), ERR_OK);
    assert_str(find_destinations(q, 1000, &out), STR("1=unsorted/0 3=hop/x/0 "));
    assert_int_equal(queue_hold(q, id, &changed), ERR_OK);
    assert_int_equal(changed, 2);
    assert_int_equal(queue_commit(q), ERR_OK);
    assert_int_equal(queue_get_counts(q).held, 2);
    assert_str(find_destinations(q, 1000000, &out), STR(""));
    assert_true(next_ms(q, 1) == UINT64_MAX);
    assert_int_equal(queue_sort(q, &r, STR("hop/x")), ERR_OK); /* not while it is held */
    assert_int_equal(queue_hold(q, id, &changed), ERR_OK);
    assert_int_equal(changed, 0);
    assert_int_equal(queue_commit(q), ERR_OK);
    queue_close(&q);
    q = open_queue();
    assert_int_equal(queue_get_counts(q).held, 2);
    assert_str(find_destinations(q, 1000000, &out), STR(""));
    assert_int_equal(queue_release(q, id, 1000, &changed), ERR_OK);
    assert_int_equal(changed, 2);
    assert_int_equal(queue_commit(q), ERR_OK);
    assert_int_equal(queue_get_counts(q).held, 0);
    assert_str(find_destinations(q, 1000, &out), STR("1=unsorted/0 "));
    queue_close(&q);
    remove_dir();
}

/* X-MT-PRIORITY: who goes first in a line. Rows: priority and next_ms of messages 1, 2, ...; a step of priority is worth ten minutes. */
static void test_priority(void **state)
{
    enum { MINUTE = 60000, NOW = 1000 * MINUTE };
    static const struct {
        int8_t priority;
        uint64_t next_ms;
    } rows[] = {
        {0, NOW - 5 * MINUTE},
        {0, NOW - 6 * MINUTE},
        {4, NOW - 1 * MINUTE},
        {9, NOW + 1},
        {9, NOW},
        {-9, NOW - 8 * MINUTE},
        {0, NOW - 6 * MINUTE},
        {-3, NOW - 150 * MINUTE},
    };
    make_dir();
    struct queue *q = open_queue();
    use_rules(q);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct spool *s = queue_spool_new(q, 100);
        struct queue_recipient r = {.to = {.address = STR("b@x")}, .next_ms = rows[i].next_ms};
        struct queue_message m = {
            .terms = {.priority = rows[i].priority}, .recipients = &r, .recipient_count = 1};
        assert_int_equal(queue_add(q, &m, &s), ERR_OK);
    }
    CLEANUP(buf_release) struct buf out = BUF_INIT(1000);
    assert_str(find_due(q, 3, NOW, 99, &out), STR("8.8 5.5 3.3 2.2 7.7 1.1 6.6 "));
    assert_str(find_due(q, 3, NOW, 2, &out), STR("8.8 5.5 "));
    queue_close(&q);
    remove_dir();
}

static uint64_t add_token(struct queue *q, const char *token, uint64_t now_ms, size_t size)
{
    struct spool *s = queue_spool_new(q, 1 << 20);
    char piece[1000] = {0};
    for (size_t n = 0; n < size; n += sizeof(piece)) {
        assert_int_equal(spool_add(s, str_make(piece, sizeof(piece))), ERR_OK);
    }
    struct queue_recipient to = {.to = {.address = STR("a@x")}, .next_ms = now_ms};
    struct queue_message m = {.arrived_ms = now_ms,
                              .expires_ms = now_ms + 1,
                              .token = str_from_c(token),
                              .recipients = &to,
                              .recipient_count = 1};
    assert_int_equal(queue_add(q, &m, &s), ERR_OK);
    return m.id;
}

/* X-OUTBOX: the same token twice is one message, also after a restart; not when the first was never committed. */
static void test_tokens(void **state)
{
    make_dir();
    struct queue *q = open_queue();
    assert_true(add_token(q, "one", 1000, BIG) != 0);
    queue_close(&q);
    q = open_queue();
    assert_true(add_token(q, "one", 1000, BIG) != 0);
    assert_int_equal(add_token(q, "one", 1000, BIG), 0);
    assert_int_equal(queue_commit(q), ERR_OK);
    assert_int_equal(count(q), 1);
    assert_int_equal(count_blobs(), 1);
    queue_close(&q);
    q = open_queue();
    assert_int_equal(add_token(q, "one", 1000 + QUEUE_TOKEN_LIFETIME_MS - 1, 10), 0);
    assert_true(add_token(q, "two", 1000, 10) != 0);
    assert_true(add_token(q, "one", 1000 + QUEUE_TOKEN_LIFETIME_MS, 10) != 0);
    assert_int_equal(queue_commit(q), ERR_OK);
    assert_int_equal(count(q), 3);
    queue_close(&q);
    remove_dir();
}

/* What is not committed leaves nothing behind: no row, no blob. */
static void test_not_committed(void **state)
{
    make_dir();
    struct queue *q = open_queue();
    uint64_t id;
    assert_int_equal(add(q, BIG, &id), ERR_OK);
    struct spool *s = queue_spool_new(q, BIG);
    char big[BIG];
    memset(big, 'y', BIG);
    assert_int_equal(spool_add(s, str_make(big, BIG)), ERR_OK);
    assert_int_equal(spool_add(s, STR("z")), ERR_TOO_BIG);
    assert_int_equal(spool_add(s, STR_EMPTY), ERR_TOO_BIG);
    assert_int_equal(count_blobs(), 2);
    spool_free(&s);
    queue_close(&q);
    assert_int_equal(count_blobs(), 0);
    q = open_queue();
    assert_int_equal(count(q), 0);
    queue_close(&q);
    remove_dir();
}

/* Blobs that a crash left are swept in steps; what is just arriving is not touched. */
static void test_sweep(void **state)
{
    make_dir();
    struct queue *q = open_queue();
    uint64_t id;
    assert_int_equal(add(q, BIG, &id), ERR_OK);
    assert_int_equal(queue_commit(q), ERR_OK);
    queue_close(&q);
    for (int i = 0; i < 5; i++) {
        char path[100];
        (void)snprintf(path, sizeof(path), "%s/blobs/%032d", dir, i);
        FILE *f = fopen(path, "we");
        assert_non_null(f);
        assert_int_equal(fclose(f), 0);
    }
    q = open_queue();
    struct spool *s = queue_spool_new(q, BIG);
    char big[BIG] = {0};
    assert_int_equal(spool_add(s, str_make(big, BIG)), ERR_OK);
    assert_int_equal(count_blobs(), 7);
    assert_true(queue_sweep(q, 3));
    assert_true(count_blobs() >= 4);
    while (queue_sweep(q, 3)) {
    }
    assert_int_equal(count_blobs(), 2);
    check_content(q, id, BIG);
    spool_free(&s);
    queue_close(&q);
    remove_dir();
}

struct waiting {
    struct queue_wait wait;
    enum err heard;
};

static void on_commit(struct queue_wait *w, enum err e)
{
    ((struct waiting *)w)->heard = e;
}

static void test_waits(void **state)
{
    make_dir();
    struct queue *q = open_queue();
    struct waiting one = {{.on_commit = on_commit}, ERR_COUNT};
    struct waiting two = {{.on_commit = on_commit}, ERR_COUNT};
    uint64_t id;
    assert_int_equal(add(q, 10, &id), ERR_OK);
    queue_wait_commit(q, &one.wait);
    queue_wait_commit(q, &two.wait);
    queue_wait_cancel(&two.wait);
    assert_true(queue_has_pending(q));
    assert_int_equal(queue_commit(q), ERR_OK);
    assert_int_equal(one.heard, ERR_OK);
    assert_int_equal(two.heard, ERR_COUNT);
    assert_false(queue_has_pending(q));
    queue_close(&q);
    remove_dir();
}

/* A full disk, by the limit on file sizes: the error is told, and what was there stays. */
static void test_no_space(void **state)
{
    make_dir();
    struct queue *q = open_queue();
    uint64_t id;
    assert_int_equal(add(q, 100, &id), ERR_OK);
    assert_int_equal(queue_commit(q), ERR_OK);
    (void)signal(SIGXFSZ, SIG_IGN);
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    struct rlimit tight = {100 * 1024, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    assert_int_not_equal(add(q, BIG, &id), ERR_OK);
    enum err e = ERR_OK;
    for (int i = 0; i < 20 && e == ERR_OK; i++) {
        struct waiting w = {{.on_commit = on_commit}, ERR_COUNT};
        e = add(q, 20000, &id);
        queue_wait_commit(q, &w.wait);
        enum err committed = queue_commit(q);
        assert_int_equal(w.heard, committed);
        e = e == ERR_OK ? committed : e;
    }
    assert_int_not_equal(e, ERR_OK);
    uint64_t before = count(q);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(add(q, BIG, &id), ERR_OK);
    assert_int_equal(queue_commit(q), ERR_OK);
    assert_int_equal(count(q), before + 1);
    assert_int_equal(count_blobs(), 1);
    queue_close(&q);
    remove_dir();
}

/* What fails before it is part of the transaction leaves the others' changes alone. */
static void test_failure_is_private(void **state)
{
    make_dir();
    struct queue *q = open_queue();
    uint64_t id;
    assert_int_equal(add(q, 100, &id), ERR_OK);
    (void)signal(SIGXFSZ, SIG_IGN);
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    struct spool *s = queue_spool_new(q, BIG);
    char big[BIG];
    memset(big, 'y', BIG);
    assert_int_equal(spool_add(s, str_make(big, BIG)), ERR_OK);
    assert_int_equal(spool_add(s, str_make(big, 0)), ERR_OK);
    struct spool *cut = queue_spool_new(q, 2 * BIG);
    assert_int_equal(spool_add(cut, str_make(big, BIG)), ERR_OK);
    assert_int_equal(spool_add(cut, STR("the last octets, which are still in memory")), ERR_OK);
    struct rlimit tight = {BIG, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    struct queue_message m = {.arrived_ms = 1};
    assert_int_not_equal(queue_add(q, &m, &cut), ERR_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(queue_commit(q), ERR_OK);
    assert_int_equal(count(q), 1);
    spool_free(&s);
    assert_int_equal(count_blobs(), 0);
    queue_close(&q);
    remove_dir();
}

/* The child adds and removes without end and says each commit's number; it is killed in the middle. */
static void run_child(int fd)
{
    struct queue *q = open_queue();
    struct arena *a = arena_new(ARENA_MOST);
    for (uint64_t round = 1;; round++) {
        uint64_t id;
        struct queue_message m;
        enum err e = add(q, round % 3 == 0 ? BIG : 300, &id);
        if (e == ERR_OK && round % 2 == 0) {
            /* Every second message goes again, with the next one's arrival. */
            arena_clear(a);
            e = queue_load(q, a, id - 1, &m);
            for (size_t i = 0; e == ERR_OK && i < m.recipient_count; i++) {
                e = queue_remove(q, m.id, m.recipients[i].id);
            }
        }
        if (e != ERR_OK || queue_commit(q) != ERR_OK
            || write(fd, &id, sizeof(id)) != (ssize_t)sizeof(id)) {
            _exit(1);
        }
    }
}

/* kill -9 at any moment: what was told committed is there and whole, and no blob is left over. */
static void test_kill(void **state)
{
    for (unsigned round = 0; round < 8; round++) {
        make_dir();
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        pid_t child = fork();
        if (child == 0) {
            (void)close(fds[0]);
            run_child(fds[1]);
        }
        (void)close(fds[1]);
        uint64_t last = 0;
        for (unsigned i = 0; i < 5 + round * 3; i++) {
            assert_int_equal(read(fds[0], &last, sizeof(last)), sizeof(last));
        }
        assert_int_equal(usleep(round * 300), 0);
        assert_int_equal(kill(child, SIGKILL), 0);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        uint64_t id;
        while (read(fds[0], &id, sizeof(id)) == (ssize_t)sizeof(id)) {
            last = id;
        }
        (void)close(fds[0]);
        struct queue *q = open_queue();
        while (queue_sweep(q, 10)) {
        }
        struct arena *a = arena_new(ARENA_MOST);
        uint64_t messages = 0;
        size_t blobs = 0;
        for (id = 1; id <= last + 1; id++) {
            struct queue_message m;
            bool is_there = queue_load(q, a, id, &m) == ERR_OK;
            bool must_be = id % 2 == 0 ? id <= last : id == last;
            bool may_be = must_be || id > last || (id == last - 1 && id % 2 == 1);
            assert_true(is_there ? may_be || id == last : !must_be || id == last);
            if (is_there) {
                messages++;
                blobs += m.size == BIG;
                check_content(q, id, (size_t)m.size);
                assert_int_equal(m.recipient_count, 2);
            }
            arena_clear(a);
        }
        assert_int_equal(count(q), messages);
        assert_int_equal(count_blobs(), blobs);
        arena_free(&a);
        queue_close(&q);
        remove_dir();
    }
}

static void test_one_owner(void **state)
{
    make_dir();
    struct queue *q = open_queue();
    uint64_t id;
    assert_int_equal(add(q, 10, &id), ERR_OK);
    assert_int_equal(queue_commit(q), ERR_OK);
    struct queue *second = NULL;
    assert_int_equal(queue_open(str_from_c(dir), &second), ERR_IN_USE);
    assert_null(second);
    queue_close(&q);
    remove_dir();
}

static void test_schedule(void **state)
{
    const struct schedule s = SCHEDULE_DEFAULT;
    assert_int_equal(schedule_get_wait_ms(&s, 1, false, 0), 12000);
    assert_int_equal(schedule_get_wait_ms(&s, 1, false, UINT32_MAX), 18000);
    assert_int_equal(schedule_get_wait_ms(&s, 1, true, UINT32_MAX / 2), 1999);
    uint64_t before = 0;
    for (uint32_t i = 1; i < 50; i++) {
        uint64_t wait = schedule_get_wait_ms(&s, i, false, 1U << 31);
        assert_true(wait >= before && wait <= SCHEDULE_MOST_MS);
        before = wait;
    }
    assert_true(schedule_get_wait_ms(&s, UINT32_MAX, true, UINT32_MAX) <= SCHEDULE_MOST_MS * 6 / 5);
}

/* When the time next says something, and what (X-DELIVERBY, X-FUTURERELEASE: the clock starts at the release). */
static void test_tell(void **state)
{
    static const struct {
        struct mail_terms terms;
        bool is_delay_told;
        bool is_by_told;
        uint64_t delay_ms;
        uint64_t tell_ms;
        enum schedule_word word;
    } rows[] = {
        {{0}, false, false, 100, 1100, SCHEDULE_DELAYED},
        {{0}, true, false, 100, 9000, SCHEDULE_EXPIRED},
        {{0}, false, false, 0, 9000, SCHEDULE_EXPIRED},
        {{.release_ms = 5000}, false, false, 100, 5100, SCHEDULE_DELAYED},
        {{.release_ms = 500}, false, false, 100, 1100, SCHEDULE_DELAYED},
        {{.by = SMTP_BY_NOTIFY, .deliver_by_ms = 1050},
         false,
         false,
         100,
         1050,
         SCHEDULE_BY_DELAYED},
        {{.by = SMTP_BY_NOTIFY, .deliver_by_ms = 1050}, false, true, 100, 1100, SCHEDULE_DELAYED},
        {{.by = SMTP_BY_RETURN, .deliver_by_ms = 1050},
         false,
         false,
         100,
         1050,
         SCHEDULE_BY_RETURNED},
        {{.by = SMTP_BY_RETURN, .deliver_by_ms = 1200}, false, false, 100, 1100, SCHEDULE_DELAYED},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct schedule s = {.delay_ms = rows[i].delay_ms};
        const struct queue_message m = {
            .arrived_ms = 1000, .expires_ms = 9000, .terms = rows[i].terms};
        const struct queue_recipient r = {.is_delay_told = rows[i].is_delay_told,
                                          .is_by_told = rows[i].is_by_told};
        uint64_t tell = schedule_get_tell_ms(&s, &m, &r);
        assert_int_equal(tell, rows[i].tell_ms);
        assert_int_equal(schedule_judge(&s, &m, &r, tell - 1), SCHEDULE_NOTHING);
        assert_int_equal(schedule_judge(&s, &m, &r, tell), rows[i].word);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_due),
        cmocka_unit_test(test_wait),          cmocka_unit_test(test_named),
        cmocka_unit_test(test_sort_and_hold), cmocka_unit_test(test_priority),
        cmocka_unit_test(test_sweep),         cmocka_unit_test(test_tell),
        cmocka_unit_test(test_terms),         cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_not_committed), cmocka_unit_test(test_waits),
        cmocka_unit_test(test_no_space),      cmocka_unit_test(test_failure_is_private),
        cmocka_unit_test(test_kill),          cmocka_unit_test(test_one_owner),
        cmocka_unit_test(test_schedule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
