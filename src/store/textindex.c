/* The text index: a database beside the account's, made of what is in that one and so never worth a sync.
 *
 *     index.db   trigram  FTS5, trigrams, no contents, no positions: rowid = body id
 *                partial  bodies of which the text is too long or could not be read: candidates always
 *                meta     mark, count, rules
 *
 * Bodies never change and their ids rise, so "everything up to id N" says all there is to say about how far the index is. The mark
 * and the rows it speaks of are one transaction: a crash takes the end of the index, never its truth, and the end is made again.
 * Batches stay open over many loop turns; they are the index's own transaction, on a handle of its own, and hold up nobody.
 *
 * The truth depends on one thing: an id must not come back for another body. While the account is open it does not. At the start
 * the next id is above the mark, and the mark is known without opening the index when the account was closed in good order:
 * account.db has it as `text_mark`. An index whose mark is above that belongs to another history of the account (somebody put
 * an older account.db there) and is dropped.
 *
 * FTS5 cannot take rows out of a table without contents (before SQLite 3.43), so bodies that are gone stay in it. They are named
 * as candidates for nobody: no mailbox has them. When more than half of the index is gone, it is made again.
 *
 * FTS5's tokenizer ends at a NUL and has its own ideas of malformed UTF-8; so both texts and queries have such octets replaced by a
 * control character before it sees them. */
#include "store/textindex.h"

#include "base/log.h"
#include "base/utf8.h"
#include "mime/casemap.h"
#include "store/body.h"
#include "store/store_priv.h"

enum {
    QUIET_MS = 1000,         /* mail that comes in a row is indexed together, behind it */
    PATIENCE_MS = 60 * 1000, /* but from then on, whether more comes or not, to the end */
    BUSY_MS = 50,            /* the account is in the middle of something */
    OFF_MS = 10 * 60 * 1000, /* after a failure */
    BATCH_MOST = 256 * 1024, /* octets of text in one transaction */
    MERGE_STEP = 16,         /* pages that are merged at once */
    MERGE_OCTETS = 1024,     /* of text that is added, for each page that is merged */
    STALE_LEAST = 10000,     /* bodies that are gone: fewer are not worth a new index */
    TRIGRAMS_MOST = 16,      /* of one key that are asked for */
    TRIGRAM = TEXT_SHORTEST,
    TERMS_MOST = 256,     /* trigrams that a key of one or two characters may stand for */
    FIRST_DENSE = 0x2e80, /* CJK radicals; what follows are scripts of many characters */
    RULES_SIZE = CASEMAP_VERSION_SIZE + 48,
    REPLACEMENT = 0x1a
};

/* ---- octets ---- */

static bool is_plain(struct str s)
{
    return utf8_is_valid(s) && memchr(s.p, '\0', s.n) == NULL;
}

/* s as FTS5 may see it; room is where it is put when it has to be changed. */
static struct str make_plain(struct str s, struct buf *room)
{
    if (s.n == 0 || is_plain(s)) {
        return s;
    }
    for (size_t at = 0; at < s.n;) {
        size_t n = utf8_check(str_skip(s, at));
        if (n == 0 || n == SIZE_MAX || s.p[at] == '\0') {
            buf_add_char(room, REPLACEMENT);
            at++;
        } else {
            buf_add(room, str_sub(s, at, n));
            at += n;
        }
    }
    return buf_str(room);
}

/* At most most octets of s, whole characters. */
static struct str cut(struct str s, size_t most)
{
    if (s.n <= most) {
        return s;
    }
    while (most > 0 && ((unsigned char)s.p[most] & 0xc0) == 0x80) {
        most--;
    }
    return str_sub(s, 0, most);
}

static size_t count_characters(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    }
    return n;
}

/* Only ideographs, kana and the like. Where letters are few, one or two of them are in every text, and looking them up is in vain. */
static bool is_dense(struct str key)
{
    uint32_t c;
    while (utf8_next(&key, &c)) {
        bool is_replaced = c == 0xfffe || c == 0xffff; /* the tokenizer makes them U+FFFD */
        if (c < FIRST_DENSE || is_replaced) {
            return false;
        }
    }
    return key.n == 0;
}

bool text_is_findable(struct str key)
{
    size_t count = count_characters(key);
    return utf8_is_valid(key) && (count >= TEXT_SHORTEST || (count > 0 && is_dense(key)));
}

/* Whose index it is, and how it was made. */
static void get_rules(const struct account *a, char out[static RULES_SIZE])
{
    char version[CASEMAP_VERSION_SIZE];
    casemap_get_version(version);
    (void)snprintf(out, RULES_SIZE, "%d/%s/%llx", TEXT_RULES, version,
                   (unsigned long long)a->object_seed);
}

/* ---- opening and closing ---- */

static void drop(struct account *a)
{
    struct text_state *t = &a->text;
    db_close(&t->db);
    err_ignore(engine_remove_index(a->engine)); /* logged; a mark above ours is refused later */
    t->is_in_transaction = false;
    t->is_known = true;
    t->mark = 0;
    t->count = 0;
    t->added = 0;
}

/* The failure was logged. */
static void give_up(struct account *a, enum err e)
{
    log_warn("store: %s: the text index is dropped and made again later: %s", a->user,
             err_get_info(e)->meaning);
    drop(a);
    a->text.off_until_ms = store_get_now_ms(a->store) + OFF_MS;
}

static enum err set_number(struct db *db, const char *key, uint64_t v)
{
    return DB_RUN(db, META_SET, value_text(str_from_c(key)), value_id(v));
}

/* Is the index made by our rules? One that was just made takes them on. */
static enum err check_rules(const struct account *a, bool *is_ours)
{
    struct db *db = a->text.db;
    char rules[RULES_SIZE];
    struct rows rows;
    bool has_row;
    get_rules(a, rules);
    TRY(DB_QUERY(db, META_GET, &rows, value_text(STR("rules"))));
    TRY(db_next(&rows, &has_row));
    if (!has_row) {
        *is_ours = true;
        return DB_RUN(db, META_SET, value_text(STR("rules")), value_text(str_from_c(rules)));
    }
    *is_ours = str_eq(row_str(&rows, 0), str_from_c(rules));
    db_end(&rows);
    return ERR_OK;
}

static enum err count_bodies(struct account *a, uint64_t mark, uint64_t *out)
{
    struct rows rows;
    bool has_row;
    *out = 0;
    TRY(DB_QUERY(a->db, BODY_COUNT, &rows, value_id(mark)));
    TRY(db_next(&rows, &has_row));
    if (has_row) {
        *out = row_id(&rows, 0);
        db_end(&rows);
    }
    return ERR_OK;
}

/* Reads how far the index is. is_good: it is ours, of this account's history, and worth keeping. */
static enum err read_state(struct account *a, bool *is_good)
{
    struct text_state *t = &a->text;
    uint64_t mark;
    uint64_t count;
    uint64_t live;
    TRY(check_rules(a, is_good));
    TRY(DB_GET(t->db, META_GET, &mark, value_text(STR("mark"))));
    TRY(DB_GET(t->db, META_GET, &count, value_text(STR("count"))));
    TRY(count_bodies(a, mark, &live));
    *is_good = *is_good && mark <= t->mark && (count < live + STALE_LEAST || count < 2 * live);
    if (*is_good) {
        t->mark = mark;
        t->count = count;
    }
    return ERR_OK;
}

static enum err open_and_read(struct account *a, bool *is_good)
{
    TRY(db_open_index(a->engine, str_from_c(a->user), &a->text.db));
    return read_state(a, is_good);
}

/* The account's database is open. False: there is no help from the index now. */
static bool open_index(struct account *a)
{
    struct text_state *t = &a->text;
    if (t->db != NULL) {
        return true;
    }
    if (t->off_until_ms > store_get_now_ms(a->store)) {
        return false;
    }
    bool is_good = false;
    enum err e = open_and_read(a, &is_good);
    if (e == ERR_OK && !is_good) {
        log_info("store: %s: the text index is out of date and made again", a->user);
        drop(a);
        e = open_and_read(a, &is_good);
    }
    if (e != ERR_OK) {
        give_up(a, e);
        return false;
    }
    return true;
}

void account_load_text(struct account *a, uint64_t hint, bool is_clean)
{
    struct text_state *t = &a->text;
    if (!t->is_known) {
        t->is_known = true;
        t->mark = is_clean ? hint : INT64_MAX;
        if (!engine_has_index(a->engine) || (!is_clean && !open_index(a))) {
            t->mark = 0;
        }
    }
    uint64_t used = hint > t->mark ? hint : t->mark;
    a->next_body_id = used >= a->next_body_id ? used + 1 : a->next_body_id;
}

static enum err flush(struct text_state *t)
{
    TRY(set_number(t->db, "mark", t->mark));
    TRY(set_number(t->db, "count", t->count));
    return DB_RUN(t->db, COMMIT);
}

void account_flush_text(struct account *a)
{
    struct text_state *t = &a->text;
    if (!t->is_in_transaction) {
        return;
    }
    enum err e = flush(t);
    if (e != ERR_OK) {
        give_up(a, e);
        return;
    }
    t->is_in_transaction = false;
    t->added = 0;
}

void account_close_text(struct account *a)
{
    account_flush_text(a);
    db_close(&a->text.db);
}

/* ---- what is to be done ---- */

void account_expect_text(struct account *a)
{
    struct text_state *t = &a->text;
    uint64_t now = store_get_now_ms(a->store);
    t->first_ms = t->first_ms == 0 ? now : t->first_ms;
    uint64_t latest = t->first_ms + PATIENCE_MS;
    t->due_ms = now + QUIET_MS < latest ? now + QUIET_MS : latest;
}

/* The last body that may be indexed: one that is still being written has its id, and may come behind later ones. */
static uint64_t get_last_body(const struct account *a)
{
    uint64_t first = account_get_first_uncommitted(a);
    return (first < a->next_body_id ? first : a->next_body_id) - 1;
}

/* Milliseconds; UINT64_MAX: nothing to do. */
static uint64_t get_wait(const struct account *a, uint64_t now)
{
    const struct text_state *t = &a->text;
    if (t->mark >= get_last_body(a)) {
        return UINT64_MAX;
    }
    if (t->off_until_ms > now) {
        return t->off_until_ms - now;
    }
    if (a->is_dirty || a->is_in_transaction || a->must_reload) {
        return BUSY_MS;
    }
    return t->due_ms > now ? t->due_ms - now : 0;
}

struct account *store_find_text_work(struct store *s, uint64_t *wait_ms)
{
    uint64_t now = store_get_now_ms(s);
    uint64_t soonest = UINT64_MAX;
    struct account *found = NULL;
    list_each(node, &s->accounts)
    {
        struct account *a = list_entry(node, struct account, node);
        uint64_t wait = get_wait(a, now);
        soonest = wait < soonest ? wait : soonest;
        bool is_less = found == NULL
                       || a->next_body_id - a->text.mark < found->next_body_id - found->text.mark;
        found = wait == 0 && is_less ? a : found;
    }
    *wait_ms = soonest == UINT64_MAX ? 0 : soonest;
    return found;
}

static enum err find_next(struct account *a, struct db *db, uint64_t *out)
{
    struct rows rows;
    bool has_row;
    *out = 0;
    TRY(DB_QUERY(db, BODY_NEXT, &rows, value_id(a->text.mark)));
    TRY(db_next(&rows, &has_row));
    if (has_row) {
        *out = row_id(&rows, 0);
        db_end(&rows);
    }
    return ERR_OK;
}

uint64_t account_get_next_text(struct account *a)
{
    struct text_state *t = &a->text;
    struct db *db;
    uint64_t body_id;
    enum err e = account_ready(a, &db);
    if (e != ERR_OK || !open_index(a) || find_next(a, db, &body_id) != ERR_OK) {
        t->off_until_ms = store_get_now_ms(a->store) + OFF_MS;
        return 0;
    }
    uint64_t last = get_last_body(a);
    if (body_id != 0 && body_id <= last) {
        return body_id;
    }
    t->mark = last > t->mark ? last : t->mark; /* there is nothing between */
    t->first_ms = 0;
    return 0;
}

/* ---- writing ---- */

static enum err add(struct account *a, uint64_t body_id, struct str text, bool is_whole)
{
    struct text_state *t = &a->text;
    if (!t->is_in_transaction) {
        struct db *db;
        TRY(account_ready(a, &db));
        TRY(account_mark_unclean(a, db)); /* text_mark is no longer true */
        TRY(DB_RUN(t->db, BEGIN));
        t->is_in_transaction = true;
    }
    if (!is_whole) {
        TRY(DB_RUN(t->db, TEXT_ADD_PARTIAL, value_id(body_id)));
    }
    TRY(DB_RUN(t->db, TEXT_ADD, value_id(body_id), value_text(text)));
    t->unmerged += text.n;
    if (t->unmerged < MERGE_STEP * MERGE_OCTETS) {
        return ERR_OK;
    }
    t->unmerged = 0;
    return DB_RUN(t->db, TEXT_MERGE, value_int(MERGE_STEP));
}

void account_add_text(struct account *a, uint64_t body_id, struct str text, bool is_whole)
{
    struct text_state *t = &a->text;
    struct buf room = BUF_INIT(TEXT_MOST);
    struct str taken = cut(text, TEXT_MOST);
    is_whole = is_whole && taken.n == text.n;
    if (t->db == NULL) {
        return; /* it was dropped meanwhile */
    }
    taken = make_plain(taken, &room);
    enum err e = add(a, body_id, taken, is_whole);
    if (e == ERR_OK) {
        t->mark = body_id;
        t->count++;
        t->added += taken.n;
    } else {
        give_up(a, e);
    }
    buf_release(&room);
    if (t->added >= BATCH_MOST) {
        account_flush_text(a);
    }
}

/* ---- reading ---- */

/* The octets of the next n characters at s. */
static size_t measure(struct str s, size_t n)
{
    size_t at = 0;
    for (; n > 0 && at < s.n; n--) {
        at++;
        while (at < s.n && ((unsigned char)s.p[at] & 0xc0) == 0x80) {
            at++;
        }
    }
    return at;
}

static void add_token(struct buf *out, struct str trigram)
{
    buf_add_char(out, '"');
    for (size_t i = 0; i < trigram.n; i++) {
        buf_add_c(out, trigram.p[i] == '"' ? "\"" : "");
        buf_add_char(out, trigram.p[i]);
    }
    buf_add_char(out, '"');
}

/* Of a long key not every trigram is asked for, but ones from everywhere in it. */
static void add_long_key(struct buf *out, struct str key)
{
    size_t count = count_characters(key) - TRIGRAM + 1;
    size_t step = (count + TRIGRAMS_MOST - 1) / TRIGRAMS_MOST;
    for (size_t i = 0; i < count; i += step) {
        buf_add_c(out, i > 0 ? " AND " : "");
        add_token(out, str_sub(key, 0, measure(key, TRIGRAM)));
        key = str_skip(key, measure(key, step));
    }
}

/* A short key is in a text that has any trigram that begins with it. ERR_NOT_FOUND: none has; ERR_LIMIT: too many do. */
static enum err add_short_key(struct db *db, struct buf *out, struct str key)
{
    struct buf end = BUF_INIT(64);
    struct rows rows;
    bool has_row = false;
    int64_t count = 0;
    buf_add(&end, key);
    buf_add_char(&end, '\xff'); /* behind every character */
    enum err e = DB_QUERY(db, TEXT_TERMS, &rows, value_text(key), value_text(buf_str(&end)),
                          value_int(TERMS_MOST + 1));
    e = e == ERR_OK ? db_next(&rows, &has_row) : e;
    while (e == ERR_OK && has_row) {
        buf_add_c(out, count > 0 ? " OR " : "");
        add_token(out, row_str(&rows, 0));
        count++;
        e = db_next(&rows, &has_row);
    }
    buf_release(&end);
    TRY(e);
    return count == 0 ? ERR_NOT_FOUND : count > TERMS_MOST ? ERR_LIMIT : ERR_OK;
}

static enum err add_key(struct db *db, struct buf *out, struct str key)
{
    enum err e = ERR_OK;
    buf_add_c(out, out->len > 0 ? " AND (" : "(");
    if (count_characters(key) >= TRIGRAM) {
        add_long_key(out, key);
    } else {
        e = add_short_key(db, out, key);
    }
    buf_add_char(out, ')');
    return e;
}

static enum err write_expression(struct db *db, const struct text_query *q, struct buf *out)
{
    struct buf room = BUF_INIT(COLUMNS_MOST);
    enum err e = ERR_OK;
    for (size_t i = 0; e == ERR_OK && i < q->count; i++) {
        buf_clear(&room);
        e = add_key(db, out, make_plain(q->keys[i], &room));
    }
    buf_release(&room);
    return e;
}

static enum err tell_rows(struct rows *rows, const struct text_query *q)
{
    bool has_row;
    TRY(db_next(rows, &has_row));
    while (has_row) {
        q->on_body(q->owner, row_id(rows, 0));
        TRY(db_next(rows, &has_row));
    }
    return ERR_OK;
}

/* ERR_LIMIT: the index is of no help for these keys. */
static enum err find(struct text_state *t, const struct text_query *q)
{
    struct buf expression = BUF_INIT(COLUMNS_MOST);
    struct rows rows;
    enum err e = write_expression(t->db, q, &expression);
    bool has_some = e != ERR_NOT_FOUND;
    e = has_some ? e : ERR_OK;
    if (e == ERR_OK && has_some) {
        e = DB_QUERY(t->db, TEXT_FIND, &rows, value_text(buf_str(&expression)), value_id(q->first),
                     value_id(q->last));
        e = e == ERR_OK ? tell_rows(&rows, q) : e;
    }
    buf_release(&expression);
    TRY(e);
    TRY(DB_QUERY(t->db, TEXT_FIND_PARTIAL, &rows, value_id(q->first), value_id(q->last)));
    return tell_rows(&rows, q);
}

uint64_t account_find_text(struct account *a, const struct text_query *q)
{
    struct text_state *t = &a->text;
    struct db *db;
    if (t->mark == 0 || account_ready(a, &db) != ERR_OK || !open_index(a)) {
        return 0;
    }
    enum err e = find(t, q);
    if (e == ERR_LIMIT) {
        return 0;
    }
    if (e != ERR_OK) {
        give_up(a, e);
    }
    return t->mark;
}

/* ---- checking ---- */

enum err account_verify_text(struct account *a, void (*on_problem)(void *owner, const char *line),
                             void *owner)
{
    if (!engine_has_index(a->engine) || !open_index(a)) {
        return ERR_OK;
    }
    account_flush_text(a);
    if (a->text.db == NULL) {
        return ERR_OK;
    }
    enum err e = db_verify(a->text.db, on_problem, owner);
    if (e == ERR_OK && DB_RUN(a->text.db, TEXT_CHECK) != ERR_OK) {
        on_problem(owner, "the text index does not fit together");
        e = ERR_CORRUPT;
    }
    if (e != ERR_OK) {
        give_up(a, e);
        a->text.off_until_ms = 0;
    }
    return e;
}
