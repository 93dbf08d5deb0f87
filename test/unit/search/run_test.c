/* Unit tests of search/run over a real store: every key, how keys combine, texts in every disguise, yielding, bounds. */
#include "search/run.h"

#include "base/base64.h"
#include "mime/date.h"
#include "store/store_fixture.h"
#include "unit.h"

#include <stdlib.h>

enum { ARENA_CAP = 4 * 1024 * 1024 };

static const char *const MESSAGES[] = {
    /* 1 */
    "From: Joe User <joe@example.org>\r\nTo: ann@example.org\r\nSubject: Hello "
    "=?utf-8?q?W=C3=B6rld?=\r\n"
    "Date: Mon, 01 Jan 2024 23:30:00 -0500\r\nMessage-ID: <1@example.org>\r\n\r\nA plain body.\r\n",
    /* 2 */
    "From: =?iso-8859-1?q?J=F6rg?= <joerg@example.net>\r\nCc: Team: ann@example.org, "
    "bob@example.net;\r\n"
    "Bcc: secret@example.org\r\nSubject: second\r\n folded\r\nDate: nonsense\r\nX-Empty:\r\n"
    "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: "
    "quoted-printable\r\n\r\n"
    "Gr=FC=DFe aus K=\r\n=F6ln\r\n",
    /* 3 */
    "Subject: parts\r\nDate: 5 Feb 2024 10:00 +0000\r\nContent-Type: multipart/mixed; "
    "boundary=b\r\n\r\n"
    "preamble\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
    "base64\r\n\r\n"
    "0J/RgNC40LLQtdGC\r\n--b\r\nContent-Type: application/pdf; name=\"invoice.pdf\"\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\naGlkZGVu\r\n--b\r\nContent-Type: "
    "message/rfc822\r\n\r\n"
    "Subject: inner =?utf-8?q?caf=C3=A9?=\r\nX-Inner: only\r\n\r\ninner "
    "body\r\n--b--\r\nepilogue\r\n",
    /* 4 */
    "no header here\r\n\r\nbare\r\n",
};

enum { MESSAGE_COUNT = sizeof(MESSAGES) / sizeof(MESSAGES[0]), DAY_MS = 86400000 };

/* Fills the inbox: message n has internal date 2024-01-0n 12:00 and flag bit n - 1; all but the first are recent. */
static void fill(struct fixture *f)
{
    fixture_open(f);
    for (unsigned i = 0; i < MESSAGE_COUNT; i++) {
        struct body_writer *w = NULL;
        struct uid uid;
        const struct append_args args = {.flags = UINT64_C(1) << i,
                                         .internaldate_s = 1704110400 + (int64_t)i * 86400};
        assert_int_equal(body_writer_new(f->account, &w), ERR_OK);
        assert_int_equal(body_writer_add(w, str_from_c(MESSAGES[i])), ERR_OK);
        assert_int_equal(body_writer_finish(w), ERR_OK);
        assert_int_equal(mailbox_append(f->inbox, w, &args, &uid), ERR_OK);
        body_writer_free(&w);
    }
    assert_int_equal(fixture_commit(f), ERR_OK);
}

/* Runs the program in steps of `budget`; the matches as "1,3" are appended. Returns the highest modseq of them. */
static uint64_t run(struct fixture *f, struct search_key *program, uint64_t budget, struct buf *out)
{
    struct numset recent = NUMSET_INIT;
    struct view *view = fixture_view(f->inbox);
    struct search *s = NULL;
    numset_add(&recent, 2, 1000);
    const struct search_args args = {
        .mailbox = f->inbox, .view = view, .program = program, .recent = &recent};
    assert_int_equal(search_new(&args, &s), ERR_OK);
    enum step step = STEP_MORE;
    for (unsigned i = 0; step == STEP_MORE; i++) {
        assert_true(i < 1000000);
        step = search_step(s, budget);
    }
    assert_int_equal(step, STEP_DONE);
    numset_write(out, search_get_result(s));
    uint64_t modseq = search_get_highestmodseq(s);
    search_free(&s);
    numset_release(&recent);
    return modseq;
}

static void expect(struct fixture *f, struct search_key *program, const char *want)
{
    static const uint64_t BUDGETS[] = {1, 100, UINT64_MAX};
    for (size_t i = 0; i < sizeof(BUDGETS) / sizeof(BUDGETS[0]); i++) {
        struct buf got = BUF_INIT(1000);
        (void)run(f, program, BUDGETS[i], &got);
        if (!str_eq(buf_str(&got), str_from_c(want))) {
            fail_msg("kind %d text %.*s: want %s, got %s", (int)program->kind,
                     STR_ARG(program->text), want, got.len == 0 ? "" : got.p);
        }
        buf_release(&got);
    }
}

static struct search_key *key(struct arena *a, enum search_kind kind, int64_t number)
{
    struct search_key *k = search_key_new(a, kind);
    assert_non_null(k);
    k->number = number;
    return k;
}

static const struct {
    enum search_kind kind;
    const char *field;
    const char *text;
    const char *want;
} TEXTS[] = {
    {SEARCH_FROM, "", "nobody", ""},
    {SEARCH_FROM, "", "joe@", "1"},
    {SEARCH_FROM, "", "JOE USER <joe@EXAMPLE.org>", "1"},
    {SEARCH_FROM, "", "j\xc3\x96rg", "2"},
    {SEARCH_FROM, "", "example", "1-2"},
    {SEARCH_FROM, "", "", "1-2"},
    {SEARCH_TO, "", "ann@", "1"},
    {SEARCH_TO, "", "joe", ""},
    {SEARCH_CC, "", "bob@example.net", "2"},
    {SEARCH_CC, "", "team", "2"},
    {SEARCH_BCC, "", "secret", "2"},
    {SEARCH_SUBJECT, "", "w\xc3\xb6rld", "1"},
    {SEARCH_SUBJECT, "", "hello W\xc3\x96", "1"},
    {SEARCH_SUBJECT, "", "world", ""},
    {SEARCH_SUBJECT, "", "second folded", "2"},
    {SEARCH_SUBJECT, "", "inner", ""},
    {SEARCH_SUBJECT, "", "", "1-3"},
    {SEARCH_HEADER, "message-id", "1@EXAMPLE", "1"},
    {SEARCH_HEADER, "X-Empty", "", "2"},
    {SEARCH_HEADER, "X-Empty", "x", ""},
    {SEARCH_HEADER, "X-None", "", ""},
    {SEARCH_HEADER, "X-Inner", "", ""},
    {SEARCH_HEADER, "Subject", "w\xc3\xb6rld", "1"},
    {SEARCH_HEADER, "From", "<joe@", "1"},
    {SEARCH_HEADER, "Content-Type", "text/plain", "2"},
    {SEARCH_BODY, "", "plain body", "1"},
    {SEARCH_BODY, "", "subject", ""},
    {SEARCH_BODY, "", "hello", ""},
    {SEARCH_BODY, "",
     "gr\xc3\xbc\xc3\x9f"
     "e",
     "2"},
    {SEARCH_BODY, "", "aus K\xc3\x96LN", "2"},
    {SEARCH_BODY, "", "\xd0\xbf\xd1\x80\xd0\xb8\xd0\x92\xd0\x95\xd0\xa2", "3"},
    {SEARCH_BODY, "", "hidden", ""},
    {SEARCH_BODY, "", "invoice.pdf", ""},
    {SEARCH_TEXT, "", "CAFE\xcc\x81", "3"},
    {SEARCH_TEXT, "", "invoice.pdf", "3"},
    {SEARCH_BODY, "", "inner body", "3"},
    {SEARCH_BODY, "", "preamble", ""},
    {SEARCH_BODY, "", "", "1-4"},
    {SEARCH_TEXT, "", "hello", "1"},
    {SEARCH_TEXT, "", "subject: hello", "1"},
    {SEARCH_TEXT, "", "plain", "1-3"},
    {SEARCH_TEXT, "", "bare", "4"},
    {SEARCH_TEXT, "", "", "1-4"},
};

static void test_texts(void **state)
{
    (void)state;
    struct fixture f = {0};
    fill(&f);
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
        struct arena *a = arena_new(ARENA_CAP);
        struct search_key *k = key(a, TEXTS[i].kind, 0);
        k->field = str_from_c(TEXTS[i].field);
        k->text = str_from_c(TEXTS[i].text);
        char want[16];
        (void)snprintf(want, sizeof(want), "%s", TEXTS[i].want);
        for (char *p = want; *p != '\0'; p++) {
            *p = *p == '-' ? ':' : *p;
        }
        expect(&f, k, want);
        arena_free(&a);
    }
    fixture_close(&f);
}

/* Days: 1 Jan 2024 is day 19723. Sizes are those of MESSAGES. */
static void test_numbers(void **state)
{
    (void)state;
    const int64_t jan1 = date_to_days((struct civil){2024, 1, 1});
    const struct {
        enum search_kind kind;
        int64_t number;
        const char *want;
    } cases[] = {
        {SEARCH_BEFORE, jan1, ""},
        {SEARCH_BEFORE, jan1 + 1, "1"},
        {SEARCH_ON, jan1 + 2, "3"},
        {SEARCH_SINCE, jan1 + 2, "3:4"},
        {SEARCH_SENTBEFORE, jan1 + 1, "1"},
        {SEARCH_SENTON, jan1, "1"},
        {SEARCH_SENTON, jan1 + 1, ""},
        {SEARCH_SENTSINCE, jan1 + 1, "3"},
        {SEARCH_LARGER, (int64_t)strlen(MESSAGES[0]), "2:3"},
        {SEARCH_SMALLER, (int64_t)strlen(MESSAGES[0]), "4"},
        {SEARCH_FLAGS, 2, "2"},
        {SEARCH_FLAGS, 3, ""},
        {SEARCH_FLAGS, 0, "1:4"},
        {SEARCH_RECENT, 0, "2:4"},
        {SEARCH_MODSEQ, 1, "1:4"},
        {SEARCH_MODSEQ, INT64_MAX, ""},
        {SEARCH_ALL, 0, "1:4"},
        {SEARCH_AND, 0, "1:4"},
        {SEARCH_OR, 0, ""},
    };
    struct fixture f = {0};
    fill(&f);
    struct arena *a = arena_new(ARENA_CAP);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect(&f, key(a, cases[i].kind, cases[i].number), cases[i].want);
    }
    arena_free(&a);
    fixture_close(&f);
}

static void test_sets(void **state)
{
    (void)state;
    static const struct {
        struct numrange range;
        const char *want;
    } CASES[] = {
        {{1, 1}, "1"},   {{2, 3}, "2:3"}, {{3, 2}, "2:3"}, {{0, 0}, "4"},
        {{3, 0}, "3:4"}, {{0, 2}, "2:4"}, {{9, 0}, "4"},   {{9, 12}, ""},
    };
    struct fixture f = {0};
    fill(&f);
    struct arena *a = arena_new(ARENA_CAP);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct search_key *k = key(a, i % 2 == 0 ? SEARCH_SEQ : SEARCH_UID, 0);
        k->set = (struct search_set){&CASES[i].range, 1};
        expect(&f, k, CASES[i].want);
    }
    arena_free(&a);
    fixture_close(&f);
}

static struct search_key *text(struct arena *a, enum search_kind kind, const char *s)
{
    struct search_key *k = key(a, kind, 0);
    k->text = str_from_c(s);
    return k;
}

static struct search_key *both(struct arena *a, enum search_kind kind, struct search_key *x,
                               struct search_key *y)
{
    struct search_key *k = key(a, kind, 0);
    search_key_add(k, x);
    search_key_add(k, y);
    return k;
}

static void test_combinations(void **state)
{
    (void)state;
    struct fixture f = {0};
    fill(&f);
    struct arena *a = arena_new(ARENA_CAP);
    expect(&f, search_key_not(a, text(a, SEARCH_TEXT, "hello")), "2:4");
    expect(&f, search_key_not(a, search_key_not(a, text(a, SEARCH_BODY, "bare"))), "4");
    expect(&f, both(a, SEARCH_OR, text(a, SEARCH_BODY, "bare"), text(a, SEARCH_FROM, "joe@")),
           "1,4");
    expect(&f, both(a, SEARCH_AND, text(a, SEARCH_BODY, "body"), text(a, SEARCH_TEXT, "caf")), "3");
    expect(&f,
           both(a, SEARCH_AND, key(a, SEARCH_FLAGS, 1),
                search_key_not(a, text(a, SEARCH_BODY, "body"))),
           "");
    expect(&f,
           both(a, SEARCH_OR, search_key_not(a, key(a, SEARCH_RECENT, 0)),
                both(a, SEARCH_AND, text(a, SEARCH_TEXT, "pdf"), text(a, SEARCH_BODY, "inner"))),
           "1,3");
    struct buf none = BUF_INIT(100);
    uint64_t modseq = run(&f, search_key_not(a, key(a, SEARCH_ALL, 0)), 10, &none);
    assert_int_equal(modseq, 0);
    struct view *v = fixture_view(f.inbox);
    assert_int_equal(run(&f, key(a, SEARCH_ALL, 0), 10, &none), view_get_highestmodseq(v));
    buf_release(&none);
    arena_free(&a);
    fixture_close(&f);
}

static void test_keywords(void **state)
{
    (void)state;
    struct fixture f = {0};
    fill(&f);
    struct numset uids = NUMSET_INIT;
    struct numset modified = NUMSET_INIT;
    uint64_t bit = 0;
    numset_add(&uids, 2, 2);
    assert_int_equal(mailbox_get_keyword(f.inbox, STR("$Work"), true, &bit), ERR_OK);
    assert_int_equal(mailbox_store_flags(f.inbox, &uids, FLAG_OP_ADD, bit, UINT64_MAX, &modified),
                     ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    struct arena *a = arena_new(ARENA_CAP);
    expect(&f, text(a, SEARCH_KEYWORD, "$WORK"), "2");
    expect(&f, text(a, SEARCH_KEYWORD, "$Other"), "");
    expect(&f, search_key_not(a, text(a, SEARCH_KEYWORD, "$Other")), "1:4");
    arena_free(&a);
    numset_release(&uids);
    numset_release(&modified);
    fixture_close(&f);
}

/* A body of several pieces, with the needle laid across every border in turn, plain and in base64. */
static void test_large_bodies(void **state)
{
    (void)state;
    enum { FILL = 200000 };
    struct fixture f = {0};
    fixture_open(&f);
    char *filler = malloc(FILL);
    assert_non_null(filler);
    memset(filler, 'x', FILL);
    for (size_t at = 32 * 1024 - 12; at < 32 * 1024 + 4; at++) {
        struct buf m = BUF_INIT(1024 * 1024);
        struct buf body = BUF_INIT(1024 * 1024);
        buf_add(&body, str_make(filler, at));
        buf_add_c(&body, "caf\xc3\xa9 noir");
        buf_add(&body, str_make(filler, FILL - at));
        buf_add_c(&m, at % 2 == 0 ? "A: b\n\n" : "Content-Transfer-Encoding: base64\n\n");
        if (at % 2 == 0) {
            buf_add(&m, buf_str(&body));
        } else {
            base64_write(&m, buf_str(&body));
        }
        (void)fixture_append(f.inbox, buf_str(&m), 0);
        buf_release(&m);
        buf_release(&body);
    }
    free(filler);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    struct arena *a = arena_new(ARENA_CAP);
    expect(&f, text(a, SEARCH_BODY, "CAF\xc3\x89 Noir"), "1:16");
    expect(&f, text(a, SEARCH_BODY, "noir cafe"), "");
    arena_free(&a);
    fixture_close(&f);
}

/* A header of several pieces: fields across borders, and one longer than a piece. */
static void test_large_headers(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    struct buf m = BUF_INIT(1024 * 1024);
    for (unsigned i = 0; i < 3000; i++) {
        buf_addf(&m, "X-Field-%u: value %u\r\n folded %u\r\n", i, i, i);
    }
    buf_add_c(&m, "X-Long: ");
    for (unsigned i = 0; i < 3000; i++) {
        buf_add_c(&m, "long long long long\r\n ");
    }
    buf_add_c(&m, "end\r\nX-Last: here\r\n\r\nX-Body: no\r\n");
    (void)fixture_append(f.inbox, buf_str(&m), 0);
    buf_release(&m);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    struct arena *a = arena_new(ARENA_CAP);
    for (unsigned i = 0; i < 3000; i += 7) {
        struct search_key *k = key(a, SEARCH_HEADER, 0);
        k->field = arena_printf(a, "x-field-%u", i);
        k->text = arena_printf(a, "value %u folded %u", i, i);
        expect(&f, k, "1");
    }
    struct search_key *k = text(a, SEARCH_HEADER, "here");
    k->field = STR("X-Last");
    expect(&f, k, "1");
    k = text(a, SEARCH_HEADER, "");
    k->field = STR("X-Body");
    expect(&f, k, "");
    arena_free(&a);
    fixture_close(&f);
}

enum { PIECE = 32 * 1024 }; /* of content.c */

/* Fields that end where a piece ends, or an octet beside that. */
static void test_header_borders(void **state)
{
    (void)state;
    static const struct {
        const char *rest;
        const char *want;
    } CASES[] = {
        {"\r\nX-Next: yes\r\n\r\n", "1:9"},
        {"\r\n X-Next: no\r\n\r\n", ""},
        {"\r\njunk\r\nX-Next: yes\r\n\r\n", "1:9"},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct fixture f = {0};
        fixture_open(&f);
        for (size_t big = PIECE - 6; big <= PIECE + 2; big++) {
            struct buf m = BUF_INIT(1024 * 1024);
            buf_add_c(&m, "X-Big: ");
            while (m.len < big) {
                buf_add_char(&m, 'y');
            }
            buf_add_c(&m, CASES[i].rest);
            (void)fixture_append(f.inbox, buf_str(&m), 0);
            buf_release(&m);
        }
        assert_int_equal(fixture_commit(&f), ERR_OK);
        struct arena *a = arena_new(ARENA_CAP);
        struct search_key *k = text(a, SEARCH_HEADER, "");
        k->field = STR("X-Next");
        expect(&f, k, CASES[i].want);
        arena_free(&a);
        fixture_close(&f);
    }
}

/* A message that another session removes while the search runs is no match, and no error. */
static void test_vanished(void **state)
{
    (void)state;
    struct fixture f = {0};
    fill(&f);
    struct arena *a = arena_new(ARENA_CAP);
    struct view *view = view_ref(fixture_view(f.inbox));
    struct search *s = NULL;
    const struct search_args args = {
        .mailbox = f.inbox, .view = view, .program = text(a, SEARCH_TEXT, "e")};
    assert_int_equal(search_new(&args, &s), ERR_OK);
    struct numset uids = NUMSET_INIT;
    numset_add(&uids, 1, 3);
    assert_int_equal(mailbox_expunge(f.inbox, &uids, false, NULL), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    while (search_step(s, 10) == STEP_MORE) {
    }
    assert_int_equal(search_get_err(s), ERR_OK);
    assert_true(numset_has(search_get_result(s), 4));
    search_free(&s);
    view_unref(&view);
    numset_release(&uids);
    arena_free(&a);
    fixture_close(&f);
}

/* Mail enough for several pages, flags in stretches, so that some pages are alike in a flag and some are not. */
static void fill_pages(struct fixture *f)
{
    struct body_writer *w = NULL;
    struct uid uid;
    fixture_open(f);
    assert_int_equal(body_writer_new(f->account, &w), ERR_OK);
    assert_int_equal(body_writer_add(w, STR("Subject: x\r\n\r\n")), ERR_OK);
    assert_int_equal(body_writer_finish(w), ERR_OK);
    for (unsigned i = 0; i < 1500; i++) {
        const struct append_args args = {.flags = (i / 200) & 0x1f};
        assert_int_equal(mailbox_append(f->inbox, w, &args, &uid), ERR_OK);
    }
    body_writer_free(&w);
    assert_int_equal(fixture_commit(f), ERR_OK);
}

static struct search_key *random_program(struct arena *a, unsigned *dice, unsigned depth)
{
    static const enum search_kind KINDS[] = {SEARCH_FLAGS, SEARCH_SEQ, SEARCH_UID, SEARCH_MODSEQ,
                                             SEARCH_AND,   SEARCH_OR,  SEARCH_NOT, SEARCH_RECENT};
    enum search_kind kind = KINDS[(unsigned)rand_r(dice) % (depth > 3 ? 4 : 8)];
    struct search_key *k = key(a, kind, 1 + rand_r(dice) % 0x1f);
    if (kind == SEARCH_SEQ || kind == SEARCH_UID) {
        struct numrange *range = arena_one(a, struct numrange);
        uint32_t first = 1 + (uint32_t)rand_r(dice) % 1500;
        *range = (struct numrange){first, first + (uint32_t)rand_r(dice) % 900};
        k->set = (struct search_set){range, 1};
    }
    if (kind == SEARCH_MODSEQ) {
        k->number = rand_r(dice) % 1600;
    }
    unsigned children = kind == SEARCH_NOT ? 1 : (unsigned)rand_r(dice) % 3;
    bool has_children = kind == SEARCH_AND || kind == SEARCH_OR || kind == SEARCH_NOT;
    for (unsigned i = 0; has_children && i < children; i++) {
        search_key_add(k, random_program(a, dice, depth + 1));
    }
    return k;
}

/* within: looks at each message by itself, when it names all. */
static uint64_t run_within(struct fixture *f, struct search_key *program,
                           const struct numset *within, struct numset *out)
{
    struct numset recent = NUMSET_INIT;
    struct search *s = NULL;
    numset_add(&recent, 300, 1100);
    const struct search_args args = {.mailbox = f->inbox,
                                     .view = fixture_view(f->inbox),
                                     .program = program,
                                     .recent = &recent,
                                     .within = within};
    assert_int_equal(search_new(&args, &s), ERR_OK);
    while (search_step(s, 50) == STEP_MORE) {
    }
    numset_copy(out, search_get_result(s));
    uint64_t modseq = search_get_highestmodseq(s);
    search_free(&s);
    numset_release(&recent);
    return modseq;
}

/* Whole pages are judged as their messages are. */
static void test_pages(void **state)
{
    struct fixture f = {0};
    struct numset all = NUMSET_INIT;
    fill_pages(&f);
    numset_add(&all, 1, 1500);
    for (unsigned i = 0; i < 300; i++) {
        unsigned dice = i;
        struct arena *a = arena_new(ARENA_CAP);
        struct search_key *program = random_program(a, &dice, 0);
        struct numset by_page = NUMSET_INIT;
        struct numset by_message = NUMSET_INIT;
        assert_int_equal(run_within(&f, program, NULL, &by_page),
                         run_within(&f, program, &all, &by_message));
        struct buf x = BUF_INIT(1 << 20);
        struct buf y = BUF_INIT(1 << 20);
        numset_write(&x, &by_page);
        numset_write(&y, &by_message);
        assert_true(str_eq(buf_str(&x), buf_str(&y)));
        buf_release(&x);
        buf_release(&y);
        numset_release(&by_page);
        numset_release(&by_message);
        arena_free(&a);
    }
    numset_release(&all);
    fixture_close(&f);
}

static void test_bounds(void **state)
{
    (void)state;
    struct fixture f = {0};
    fill(&f);
    struct arena *a = arena_new(ARENA_CAP);
    struct search *s = NULL;
    struct search_args args = {.mailbox = f.inbox, .view = fixture_view(f.inbox)};
    struct search_key *deep = key(a, SEARCH_ALL, 0);
    for (unsigned i = 0; i <= SEARCH_DEPTH_MOST; i++) {
        deep = search_key_not(a, deep);
    }
    args.program = deep;
    assert_int_equal(search_new(&args, &s), ERR_TOO_DEEP);
    struct search_key *wide = key(a, SEARCH_OR, 0);
    for (unsigned i = 0; i < SEARCH_KEYS_MOST; i++) {
        search_key_add(wide, key(a, SEARCH_ALL, 0));
    }
    args.program = wide;
    assert_int_equal(search_new(&args, &s), ERR_LIMIT);
    char *big = calloc(1, SEARCH_TEXT_MOST + 1);
    struct search_key *k = key(a, SEARCH_BODY, 0);
    k->text = str_make(big, SEARCH_TEXT_MOST + 1);
    args.program = k;
    assert_int_equal(search_new(&args, &s), ERR_LIMIT);
    free(big);
    arena_free(&a);
    a = arena_new(10);
    assert_null(search_key_new(a, SEARCH_ALL));
    search_key_add(NULL, NULL);
    arena_free(&a);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),         cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_sets),          cmocka_unit_test(test_combinations),
        cmocka_unit_test(test_keywords),      cmocka_unit_test(test_large_bodies),
        cmocka_unit_test(test_large_headers), cmocka_unit_test(test_header_borders),
        cmocka_unit_test(test_vanished),      cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
