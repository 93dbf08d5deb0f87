/* Unit tests of the text index: X-FULLTEXT, a search that asks it finds what a full scan finds. Two stores get the same mail and the same
 * questions; one has an index in all its states (none, half made, out of date, cut, damaged), the other never has one. */
#include "search/indexer.h"

#include "base/utf8.h"
#include "search/run.h"
#include "store/store_fixture.h"
#include "store/textindex.h"
#include "unit.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ARENA_CAP = 4 * 1024 * 1024, MESSAGE_CAP = 4 * 1024 * 1024, ALL = 1 << 30 };

/* What messages and questions are made of: cases, decompositions that change the length, CJK, characters beyond 16 bits. */
static const char *const WORDS[] = {
    "\xe6\x97\xa5\xf4\x8f\xbf\xbf",
    "\xe6\x97\xa5\xef\xbf\xbe",
    "\xef\xbf\xbf",
    "\xe6\x9c\xac",
    "\xe3\x83\x91\xe3\x83\xb3",
    "\xed\x95\x9c\xea\xb8\x80",
    "invoice",
    "Invoice",
    "meeting",
    "a",
    "to",
    ("Stra\xc3\x9f"
     "e"),
    "STRASSE",
    "\xc4\xb0stanbul",
    "istanbul",
    "\xef\xac\x81le",
    "file",
    "\xce\x90\xce\xb0",
    "M\xc3\xbcller",
    "Mu\xcc\x88ller",
    "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
    "\xe6\x97\xa5\xe6\x9c\xac",
    "\xf0\x9f\x98\x80\xf0\x9f\x98\x81",
    "50%",
    "\"quoted\"",
    "x y",
    "AND",
    "NEAR(",
    "*",
    "'",
    "-",
    ":",
    "\xef\xb7\xba",
    "K\xe2\x84\xaa",
    "tr\xc3\xa9s",
    "\xcc\x81",
    "aaaa",
    "abab",
    "http://example.com/?q=1",
};
enum { WORD_COUNT = sizeof(WORDS) / sizeof(WORDS[0]) };

struct pair {
    struct fixture indexed;
    struct fixture plain;
    struct indexer *indexer;
    uint64_t random;
};

static uint32_t pick(struct pair *p, uint32_t below)
{
    p->random = p->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((p->random >> 33) % below);
}

static void open_pair(struct pair *p, uint64_t seed)
{
    *p = (struct pair){.random = seed};
    fixture_open(&p->indexed);
    fixture_open(&p->plain);
    p->indexer = indexer_new(p->indexed.store);
}

static void close_pair(struct pair *p)
{
    indexer_free(&p->indexer);
    fixture_close(&p->indexed);
    fixture_close(&p->plain);
}

static void reopen(struct pair *p)
{
    indexer_free(&p->indexer);
    fixture_reopen(&p->indexed);
    fixture_reopen(&p->plain);
    p->indexer = indexer_new(p->indexed.store);
}

/* Indexes until nothing is left, or `steps` times; later than any patience. */
static void index_mail(struct pair *p, unsigned steps, uint64_t budget)
{
    p->indexed.now_ms += UINT64_C(3600) * 1000;
    for (unsigned i = 0; i < steps && indexer_step(p->indexer, budget) != 0; i++) {
    }
}

/* ---- messages ---- */

static void add_words(struct pair *p, struct buf *out, uint32_t most)
{
    for (uint32_t n = pick(p, most + 1); n > 0; n--) {
        buf_add_c(out, WORDS[pick(p, WORD_COUNT)]);
        buf_add_c(out, pick(p, 3) == 0 ? "" : " ");
        if (pick(p, 20) == 0) {
            buf_add_c(out, "\r\n");
        }
    }
}

static void add_junk(struct pair *p, struct buf *out)
{
    for (uint32_t n = pick(p, 30); n > 0; n--) {
        buf_add_char(out, (char)pick(p, 256));
    }
}

static void add_text(struct pair *p, struct buf *out)
{
    add_words(p, out, 12);
    if (pick(p, 4) == 0) {
        add_junk(p, out);
        add_words(p, out, 4);
    }
}

static void add_part(struct pair *p, struct buf *out, unsigned depth)
{
    static const char *const HEADS[] = {
        "\r\n",
        "Content-Type: text/plain; charset=utf-8\r\n\r\n",
        "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: "
        "quoted-printable\r\n\r\n",
        "Content-Type: text/html\r\n\r\n<p>one<b>t</b>wo<!-- not this --><br>&eacute;&#x130;",
        "Content-Type: text/plain; charset=x-unknown\r\n\r\n",
        "Content-Type: application/octet-stream; name=invoice.pdf\r\n\r\n",
        "Content-Type: text/plain\r\nContent-Transfer-Encoding: "
        "base64\r\n\r\nSW52b2ljZSB0byBNw7xsbGVy",
        "Content-Type: message/delivery-status\r\n\r\n",
        "Content-Type: text/plain; charset=utf-16le\r\n\r\na\0b\0",
    };
    uint32_t kind = pick(p, sizeof(HEADS) / sizeof(HEADS[0]) + 2);
    if (kind >= 2 && depth < 4 && pick(p, 3) == 0) {
        buf_addf(out, "Content-Type: multipart/mixed; boundary=b%u\r\n\r\n", depth);
        for (uint32_t n = pick(p, 4); n > 0; n--) {
            buf_addf(out, "\r\n--b%u\r\n", depth);
            add_part(p, out, depth + 1);
        }
        buf_addf(out, pick(p, 3) == 0 ? "\r\n" : "\r\n--b%u--\r\n", depth);
        return;
    }
    if (kind >= sizeof(HEADS) / sizeof(HEADS[0])) {
        buf_add_c(out, "Content-Type: message/rfc822\r\n\r\nSubject: ");
        add_words(p, out, 3);
        buf_add_c(out, "\r\n");
        kind = 0;
    }
    buf_add_c(out, HEADS[kind]);
    add_text(p, out);
}

static void add_header(struct pair *p, struct buf *out)
{
    static const char *const FIELDS[] = {
        "Subject: ", "From: ", "X-Tag: ",          "Cc: \"Smith, J.\" <j@example.com>, ",
        "To: ",      "Bad ",   "=?utf-8?q?To?=: ", "Bcc: "};
    for (uint32_t n = pick(p, 5); n > 0; n--) {
        buf_add_c(out, FIELDS[pick(p, sizeof(FIELDS) / sizeof(FIELDS[0]))]);
        add_words(p, out, 3);
        buf_add_c(out, pick(p, 3) == 0 ? "=?utf-8?b?SW52b2ljZSB0byBNw7xsbGVy?=" : "");
        if (pick(p, 8) == 0) {
            add_junk(p, out);
        }
        buf_add_c(out, pick(p, 3) == 0 ? " <anna@example.org>\r\n" : "\r\n");
    }
}

static void append_both(struct pair *p, struct str octets)
{
    if (octets.n == 0) {
        octets = STR("\r\n");
    }
    (void)fixture_append(p->indexed.inbox, octets, 0);
    (void)fixture_append(p->plain.inbox, octets, 0);
    assert_int_equal(fixture_commit(&p->indexed), ERR_OK);
    assert_int_equal(fixture_commit(&p->plain), ERR_OK);
}

static void append_random(struct pair *p)
{
    struct buf message = BUF_INIT(MESSAGE_CAP);
    add_header(p, &message);
    add_part(p, &message, 0);
    append_both(p, buf_str(&message));
    buf_release(&message);
}

static void expunge_random(struct pair *p)
{
    uint32_t count = view_get_count(fixture_view(p->plain.inbox));
    struct numset uids = NUMSET_INIT;
    if (count == 0) {
        return;
    }
    uint32_t first = 1 + pick(p, 200);
    numset_add(&uids, first, first + pick(p, 3));
    assert_int_equal(mailbox_expunge(p->indexed.inbox, &uids, false, NULL), ERR_OK);
    assert_int_equal(mailbox_expunge(p->plain.inbox, &uids, false, NULL), ERR_OK);
    numset_release(&uids);
    assert_int_equal(fixture_commit(&p->indexed), ERR_OK);
    assert_int_equal(fixture_commit(&p->plain), ERR_OK);
    (void)store_tick(p->indexed.store);
    (void)store_tick(p->plain.store);
}

/* ---- questions ---- */

/* Some characters of the words, maybe from the middle of one. */
static struct str make_text(struct pair *p, struct arena *a)
{
    struct buf text = BUF_INIT(1000);
    uint32_t kind = pick(p, 8);
    if (kind == 0) {
        buf_add_c(&text, "invoice to m\xc3\xbc");
    } else if (kind == 1) {
        buf_add_c(&text, "\"Smith, J.\" <j");
    } else {
        add_words(p, &text, 3);
    }
    struct str s = buf_str(&text);
    uint32_t code;
    for (uint32_t n = pick(p, 6); n > 0 && s.n > 0; n--) {
        (void)utf8_next(&s, &code);
    }
    struct str whole = s;
    for (uint32_t n = 1 + pick(p, 12); n > 0 && s.n > 0; n--) {
        (void)utf8_next(&s, &code);
    }
    struct str out = arena_str(a, str_sub(whole, 0, whole.n - s.n));
    buf_release(&text);
    return out;
}

static struct search_key *make_key(struct pair *p, struct arena *a, unsigned depth)
{
    static const enum search_kind TEXTS[] = {SEARCH_FROM,   SEARCH_TO,   SEARCH_CC,
                                             SEARCH_BCC,    SEARCH_BODY, SEARCH_SUBJECT,
                                             SEARCH_HEADER, SEARCH_TEXT};
    static const char *const NAMES[] = {"subject",      "X-TAG",          "From",
                                        "Content-Type", "=?utf-8?q?To?=", "\xc3\xa9"};
    uint32_t kind = pick(p, depth < 3 ? 14 : 8);
    struct search_key *k;
    if (kind < 8) {
        k = search_key_new(a, TEXTS[kind]);
        k->text = make_text(p, a);
        k->field = str_from_c(NAMES[pick(p, sizeof(NAMES) / sizeof(NAMES[0]))]);
        return k;
    }
    if (kind < 10) {
        return search_key_not(a, make_key(p, a, depth + 1));
    }
    k = search_key_new(a, kind < 12 ? SEARCH_AND : SEARCH_OR);
    search_key_add(k, make_key(p, a, depth + 1));
    search_key_add(k, make_key(p, a, depth + 1));
    return k;
}

static void search(struct fixture *f, struct search_key *program, uint64_t budget, struct buf *out)
{
    struct search *s = NULL;
    const struct search_args args = {
        .mailbox = f->inbox, .view = fixture_view(f->inbox), .program = program};
    assert_int_equal(search_new(&args, &s), ERR_OK);
    enum step step = STEP_MORE;
    while (step == STEP_MORE) {
        step = search_step(s, budget);
    }
    assert_int_equal(step, STEP_DONE);
    numset_write(out, search_get_result(s));
    search_free(&s);
}

static void compare(struct pair *p, struct search_key *program)
{
    struct buf with = BUF_INIT(MESSAGE_CAP);
    struct buf without = BUF_INIT(MESSAGE_CAP);
    search(&p->indexed, program, pick(p, 2) == 0 ? 1000 : UINT64_MAX, &with);
    search(&p->plain, program, UINT64_MAX, &without);
    if (!str_eq(buf_str(&with), buf_str(&without))) {
        fail_msg("kind %d text '%.*s': a scan finds %s, the index %s", (int)program->kind,
                 STR_ARG(program->text), without.len == 0 ? "" : without.p,
                 with.len == 0 ? "" : with.p);
    }
    buf_release(&with);
    buf_release(&without);
}

static void ask(struct pair *p, unsigned questions)
{
    struct arena *a = arena_new(ARENA_CAP);
    for (unsigned i = 0; i < questions; i++) {
        compare(p, make_key(p, a, 0));
        arena_clear(a);
    }
    arena_free(&a);
}

static void write_path(const struct pair *p, const char *name, char path[static 200])
{
    (void)snprintf(path, 200, "%s/ann/%s", p->indexed.dir, name);
}

/* Puts octets of no meaning into the index, or takes its end off. */
static void damage(struct pair *p)
{
    char path[200];
    struct stat st;
    sqlite3 *db = NULL;
    write_path(p, "index.db", path);
    if (pick(p, 4) > 0) { /* else all is in the log, as a rule */
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL),
                         SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
    } else {
        write_path(p, "index.db-wal", path);
    }
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    for (unsigned i = 0; i < 40 && st.st_size > 0; i++) {
        uint8_t octets[64];
        for (size_t at = 0; at < sizeof(octets); at++) {
            octets[at] = (uint8_t)pick(p, 256);
        }
        assert_true(pwrite(fd, octets, sizeof(octets), pick(p, (uint32_t)st.st_size)) > 0);
    }
    assert_int_equal(ftruncate(fd, st.st_size - st.st_size / 4), 0);
    assert_int_equal(close(fd), 0);
}

/* ---- tests ---- */

/* X-FULLTEXT: always equal to a full scan. */
static void test_equals_a_scan(void **state)
{
    for (uint64_t seed = 1; seed <= unit_rounds(6); seed++) {
        struct pair p;
        open_pair(&p, seed);
        for (unsigned round = 0; round < 60; round++) {
            for (uint32_t n = pick(&p, 8); n > 0; n--) {
                append_random(&p);
            }
            switch (pick(&p, 8)) {
            case 0:
                expunge_random(&p);
                break;
            case 1:
                reopen(&p);
                break;
            case 2:
            case 3:
                index_mail(&p, 1 + pick(&p, 4), 3000); /* a part of what there is */
                break;
            default:
                index_mail(&p, ALL, 1000000);
                break;
            }
            ask(&p, 15);
        }
        close_pair(&p);
    }
}

/* X-FULLTEXT: a damaged index is no error for anybody; it is dropped and made again. */
static void test_damaged(void **state)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct pair p;
        open_pair(&p, seed);
        for (unsigned i = 0; i < 60; i++) {
            append_random(&p);
        }
        index_mail(&p, ALL, 1000000);
        ask(&p, 5);
        indexer_free(&p.indexer);
        fixture_reopen(&p.indexed);
        p.indexed.now_ms += 10000;
        damage(&p);
        p.indexer = indexer_new(p.indexed.store);
        append_random(&p);
        ask(&p, 30);
        index_mail(&p, ALL, 1000000);
        ask(&p, 30);
        close_pair(&p);
    }
}

static void on_candidate(void *owner, uint64_t body_id)
{
    uint64_t *ids = owner;
    ids[0]++;
    ids[1] = body_id;
}

/* How many candidates there are for one key; *mark: what the index said. */
static uint64_t count_candidates(struct pair *p, const char *key, uint64_t *mark)
{
    uint64_t found[2] = {0, 0};
    struct str keys[] = {str_from_c(key)};
    const struct text_query q = {.keys = keys,
                                 .count = 1,
                                 .first = 0,
                                 .last = 100000,
                                 .on_body = on_candidate,
                                 .owner = found};
    *mark = account_find_text(p->indexed.account, &q);
    return found[0];
}

/* It does narrow the search down, follows the mail, and outlives its process. */
static void test_candidates(void **state)
{
    struct pair p;
    uint64_t mark;
    open_pair(&p, 1);
    assert_int_equal(count_candidates(&p, "NEEDLE", &mark), 0);
    assert_int_equal(mark, 0);
    for (unsigned i = 0; i < 100; i++) {
        append_both(&p, i == 42 ? STR("Subject: hay\r\n\r\nhay needle hay\r\n")
                                : STR("Subject: hay\r\n\r\nnee edl dle\r\n"));
    }
    /* Mail is indexed when no more comes. */
    assert_true(indexer_step(p.indexer, UINT64_MAX) > 100);
    assert_int_equal(count_candidates(&p, "NEEDLE", &mark), 0);
    assert_int_equal(mark, 0);
    index_mail(&p, ALL, 5000);
    assert_int_equal(count_candidates(&p, "NEEDLE", &mark), 1);
    assert_int_equal(mark, 100);
    assert_int_equal(count_candidates(&p, "HAY", &mark), 100);
    assert_int_equal(count_candidates(&p, "SUBJECT: HAY", &mark), 100);
    assert_int_equal(count_candidates(&p, "NEEDLES", &mark), 0);
    reopen(&p);
    assert_int_equal(count_candidates(&p, "NEEDLE", &mark), 1);
    assert_int_equal(mark, 100);
    assert_int_equal(indexer_step(p.indexer, UINT64_MAX), 0);
    fixture_verify(p.indexed.account);
    close_pair(&p);
}

static void copy_file(const char *from, const char *to)
{
    char octets[65536];
    size_t n;
    FILE *in = fopen(from, "rbe");
    FILE *out = fopen(to, "wbe");
    assert_non_null(in);
    assert_non_null(out);
    while ((n = fread(octets, 1, sizeof(octets), in)) > 0) {
        assert_int_equal(fwrite(octets, 1, n, out), n);
    }
    assert_int_equal(fclose(in), 0);
    assert_int_equal(fclose(out), 0);
}

/* An index that was taken away is made again; one from the future of the account is not believed. */
static void test_other_history(void **state)
{
    struct pair p;
    uint64_t mark;
    char path[200];
    char kept[200];
    open_pair(&p, 1);
    append_both(&p, STR("\r\nold words\r\n"));
    index_mail(&p, ALL, 5000);
    indexer_free(&p.indexer);
    fixture_reopen(&p.indexed);
    p.indexed.now_ms += 10000;
    write_path(&p, "index.db", path);
    assert_int_equal(unlink(path), 0);
    p.indexer = indexer_new(p.indexed.store);
    append_both(&p, STR("\r\nnew words\r\n"));
    assert_int_equal(count_candidates(&p, "WORDS", &mark), 0);
    index_mail(&p, ALL, 5000);
    assert_int_equal(count_candidates(&p, "WORDS", &mark), 2);
    assert_int_equal(mark, 2);

    /* A backup of the account is put back beside the index of today. */
    indexer_free(&p.indexer);
    mailbox_unref(&p.indexed.inbox);
    account_unref(&p.indexed.account);
    store_free(&p.indexed.store);
    write_path(&p, "account.db", path);
    (void)snprintf(kept, sizeof(kept), "%s/kept", p.indexed.dir);
    copy_file(path, kept);
    assert_int_equal(store_new(&p.indexed.config, &p.indexed.store), ERR_OK);
    assert_int_equal(store_open_account(p.indexed.store, STR("ann"), true, &p.indexed.account),
                     ERR_OK);
    assert_int_equal(account_find_mailbox(p.indexed.account, STR("INBOX"), &p.indexed.inbox),
                     ERR_OK);
    p.indexer = indexer_new(p.indexed.store);
    (void)fixture_append(p.indexed.inbox, STR("\r\nsomething else\r\n"), 0);
    assert_int_equal(fixture_commit(&p.indexed), ERR_OK);
    index_mail(&p, ALL, 5000);
    assert_int_equal(count_candidates(&p, "SOMETHING", &mark), 1);
    assert_int_equal(mark, 3);
    indexer_free(&p.indexer);
    mailbox_unref(&p.indexed.inbox);
    account_unref(&p.indexed.account);
    store_free(&p.indexed.store);
    assert_int_equal(rename(kept, path), 0);
    assert_int_equal(store_new(&p.indexed.config, &p.indexed.store), ERR_OK);
    assert_int_equal(store_open_account(p.indexed.store, STR("ann"), true, &p.indexed.account),
                     ERR_OK);
    assert_int_equal(account_find_mailbox(p.indexed.account, STR("INBOX"), &p.indexed.inbox),
                     ERR_OK);
    p.indexer = indexer_new(p.indexed.store);
    append_both(&p, STR("\r\nthird words\r\n"));
    ask(&p, 50);
    index_mail(&p, ALL, 5000);
    assert_int_equal(count_candidates(&p, "THIRD WORDS", &mark), 1);
    assert_int_equal(count_candidates(&p, "SOMETHING", &mark), 0);
    close_pair(&p);
}

/* More text than is indexed: the message is a candidate for everything, and what stands at its end is found. */
static void test_long_text(void **state)
{
    struct pair p;
    uint64_t mark;
    struct buf message = BUF_INIT(MESSAGE_CAP);
    struct arena *a = arena_new(ARENA_CAP);
    open_pair(&p, 1);
    buf_add_c(&message, "Subject: long\r\n\r\n");
    while (message.len < TEXT_MOST + 100000) {
        buf_add_c(&message, "all work and no play\r\n");
    }
    buf_add_c(&message, "the end of it\r\n");
    append_both(&p, buf_str(&message));
    append_both(&p, STR("\r\nshort\r\n"));
    index_mail(&p, ALL, 5000);
    assert_int_equal(count_candidates(&p, "END OF IT", &mark), 1);
    assert_int_equal(mark, 2);
    assert_int_equal(count_candidates(&p, "SHORT", &mark), 2);
    struct search_key *k = search_key_new(a, SEARCH_BODY);
    k->text = STR("end of it");
    compare(&p, k);
    arena_free(&a);
    buf_release(&message);
    close_pair(&p);
}

/* Where one or two characters are a word they are looked up, too; where they are in too many, or in everything, they are not. */
static void test_short_words(void **state)
{
    struct pair p;
    uint64_t mark;
    open_pair(&p, 1);
    append_both(
        &p,
        STR("Content-Type: text/plain; charset=utf-8\r\n\r\n\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"));
    append_both(&p, STR("Content-Type: text/plain; charset=utf-8\r\n\r\n\xe6\x97\xa5\xe6\x9c\xac"));
    append_both(&p, STR("Content-Type: text/plain; charset=utf-8\r\n\r\nx \xe6\x97\xa5"));
    append_both(&p, STR("\r\nno\r\n"));
    index_mail(&p, ALL, 5000);
    assert_int_equal(count_candidates(&p, "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", &mark), 1);
    assert_int_equal(count_candidates(&p, "\xe6\x97\xa5\xe6\x9c\xac", &mark), 2);
    assert_int_equal(count_candidates(&p, "\xe6\x97\xa5", &mark), 3);
    assert_int_equal(count_candidates(&p, "\xe6\x9c\xac\xe6\x97\xa5", &mark), 0);
    assert_int_equal(mark, 4);
    assert_false(text_is_findable(STR("NO")));
    assert_false(text_is_findable(STR("a\xe6\x97\xa5")));
    assert_false(text_is_findable(STR("")));
    assert_true(text_is_findable(STR("a\xe6\x97\xa5 ")));
    struct buf many = BUF_INIT(MESSAGE_CAP);
    buf_add_c(&many, "Content-Type: text/plain; charset=utf-8\r\n\r\n");
    for (uint32_t i = 0; i < 300; i++) {
        buf_add_c(&many, "\xe6\x97\xa5\xe6\x9c\xac");
        utf8_write(&many, 0x4e00 + i);
    }
    append_both(&p, buf_str(&many));
    buf_release(&many);
    index_mail(&p, ALL, 5000);
    (void)count_candidates(&p, "\xe6\x97\xa5\xe6\x9c\xac", &mark);
    assert_int_equal(mark, 0);
    ask(&p, 200);
    close_pair(&p);
}

/* Mail that never stops coming is indexed all the same. */
static void test_patience(void **state)
{
    struct pair p;
    uint64_t mark;
    open_pair(&p, 1);
    for (unsigned i = 0; i < 200; i++) {
        append_both(&p, STR("\r\nneedle\r\n"));
        p.indexed.now_ms += 500;
        (void)indexer_step(p.indexer, UINT64_MAX);
        bool is_indexed = count_candidates(&p, "NEEDLE", &mark) > 0;
        assert_true(is_indexed == (i >= 119)); /* 60 seconds */
    }
    assert_true(mark > 190);
    close_pair(&p);
}

/* When most of what it knows is gone, it is made again. */
static void test_stale(void **state)
{
    enum { MANY = 10200, GONE = 10100 };
    unit_skip_if_slow();
    struct pair p;
    uint64_t mark;
    struct numset uids = NUMSET_INIT;
    open_pair(&p, 1);
    for (unsigned i = 0; i < MANY; i++) {
        (void)fixture_append(p.indexed.inbox, STR("\r\nneedle\r\n"), 0);
    }
    assert_int_equal(fixture_commit(&p.indexed), ERR_OK);
    index_mail(&p, ALL, 1000000);
    assert_int_equal(count_candidates(&p, "NEEDLE", &mark), MANY);
    numset_add(&uids, 1, GONE);
    assert_int_equal(mailbox_expunge(p.indexed.inbox, &uids, false, NULL), ERR_OK);
    numset_release(&uids);
    assert_int_equal(fixture_commit(&p.indexed), ERR_OK);
    for (unsigned i = 0; i < 100; i++) {
        (void)store_tick(p.indexed.store);
    }
    assert_int_equal(count_candidates(&p, "NEEDLE", &mark), MANY);
    reopen(&p);
    assert_int_equal(count_candidates(&p, "NEEDLE", &mark), 0); /* it was dropped */
    assert_int_equal(mark, 0);
    index_mail(&p, ALL, 1000000);
    assert_int_equal(count_candidates(&p, "NEEDLE", &mark), MANY - GONE);
    assert_int_equal(mark, MANY);
    close_pair(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_candidates),  cmocka_unit_test(test_long_text),
        cmocka_unit_test(test_stale),       cmocka_unit_test(test_patience),
        cmocka_unit_test(test_short_words), cmocka_unit_test(test_other_history),
        cmocka_unit_test(test_damaged),     cmocka_unit_test(test_equals_a_scan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
