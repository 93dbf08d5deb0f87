/* Unit tests of mime/shape: structure, offsets, line counts, broken mail, and the reader against hostile octets. */
#include "mime/shape.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

enum { ARENA_CAP = SHAPE_ARENA_MOST };

struct fixture {
    struct arena *arena;
    struct buf octets;
    struct shape shape;
};

static void build(struct fixture *f, struct str message)
{
    f->arena = arena_new(ARENA_CAP);
    f->octets = BUF_INIT(SHAPE_MOST);
    assert_int_equal(shape_build(message, &f->octets), ERR_OK);
    assert_int_equal(shape_parse(f->arena, buf_str(&f->octets), &f->shape), ERR_OK);
    assert_int_equal(f->shape.size, message.n);
}

static void release(struct fixture *f)
{
    arena_free(&f->arena);
    buf_release(&f->octets);
}

/* "text/plain 12+3/1 (...)": type, body offset + size / lines, children; "m" stands before a message. */
static void describe(const struct part *p, struct buf *out)
{
    buf_addf(out, "%.*s/%.*s %d+%d/%d", STR_ARG(p->type), STR_ARG(p->subtype), (int)p->body_offset,
             (int)p->body_size, (int)p->body_lines);
    for (uint32_t i = 0; i < p->child_count; i++) {
        buf_add_c(out, p->is_message ? " m(" : " (");
        describe(&p->children[i], out);
        buf_add_c(out, ")");
    }
}

#define MULTI "Content-Type: multipart/mixed; boundary=a\r\n\r\n" /* 45 octets */

static const struct {
    const char *message;
    const char *want;
} CASES[] = {
    /* nothing, no header, no body */
    {"", "text/plain 0+0/0"},
    {"\r\n", "text/plain 2+0/0"},
    {"\r\nbody", "text/plain 2+4/0"},
    {"just words", "text/plain 10+0/0"},
    {"just words\n\nbody\n", "text/plain 12+5/1"},
    {"Subject: x\r\n", "text/plain 12+0/0"},
    {"Subject: x\r\n\r\n", "text/plain 14+0/0"},
    {"From joe Mon Jan  1 10:00:00 2024\nSubject: x\n\nb\n", "text/plain 46+2/1"},
    /* line ends */
    {"A: b\r\n\nx\ny\r\nz\rw", "text/plain 7+8/2"},
    {"A: b\rC: d\r\r", "text/plain 11+0/0"},
    /* types */
    {"Content-Type: text\n\n", "text/plain 20+0/0"},
    {"Content-Type: audio\n\n", "application/octet-stream 21+0/0"},
    {"Content-Type: ;;\n\n", "text/plain 18+0/0"},
    {"Content-Type: multipart/mixed\n\nx", "text/plain 31+1/0"},
    {"Content-Type: multipart/mixed; boundary=\"\"\n\n", "text/plain 44+0/0"},
    /* multiparts */
    {MULTI "--a\r\n\r\nx\r\n--a--\r\n", "multipart/mixed 45+17/4 (text/plain 52+1/0)"},
    {MULTI "--a\r\n\r\nx\r\ny\r\n\r\n--a--\r\n", "multipart/mixed 45+22/6 (text/plain 52+6/2)"},
    {MULTI "pre\r\n--a\r\n\r\n--a--epi\r\n", "multipart/mixed 45+22/4 (text/plain 57+0/0)"},
    {MULTI "--a\r\nA: b\r\n--a--\r\n", "multipart/mixed 45+18/3 (text/plain 56+0/0)"},
    {MULTI, "multipart/mixed 45+0/0 (text/plain 45+0/0)"},
    {MULTI "none\r\n", "multipart/mixed 45+6/1 (text/plain 51+0/0)"},
    {MULTI "--a--\r\n", "multipart/mixed 45+7/1 (text/plain 52+0/0)"},
    {MULTI "--a", "multipart/mixed 45+3/0 (text/plain 48+0/0)"},
    {MULTI "--a\r\n\r\nx\r\n", "multipart/mixed 45+10/3 (text/plain 52+3/1)"},
    {MULTI "--a \t\r\n\r\nx\n--a--\r\n", "multipart/mixed 45+18/4 (text/plain 54+1/0)"},
    /* a closed multipart does not hear its boundary again */
    {MULTI "--a\n\nx\n--a--\n--a\n\ny\n", "multipart/mixed 45+20/7 (text/plain 50+1/0)"},
    /* messages */
    {"Content-Type: message/rfc822\n\nA: b\n\nx\n", "message/rfc822 30+8/3 m(text/plain 36+2/1)"},
    {"Content-Type: message/rfc822\n\n", "message/rfc822 30+0/0 m(text/plain 30+0/0)"},
    {"Content-Type: message/global\nContent-Transfer-Encoding: base64\n\nQQ==",
     "message/global 64+4/0"},
    {MULTI "--a\nContent-Type: message/rfc822\n\n--a--",
     "multipart/mixed 45+39/3 (message/rfc822 79+0/0 m(text/plain 79+0/0))"},
    {MULTI "--a\nContent-Type: message/rfc822\n\nS: x\n--a--",
     "multipart/mixed 45+44/4 (message/rfc822 79+5/1 m(text/plain 84+0/0))"},
    {"Content-Type: multipart/digest; boundary=a\n\n--a\n\nS: x\n\nb\n--a--",
     "multipart/digest 44+18/5 (message/rfc822 49+7/2 m(text/plain 55+1/0))"},
    /* the outer boundary ends inner parts that did not end */
    {MULTI "--a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--a\n\ny\n--a--",
     "multipart/mixed 45+66/9 (multipart/mixed 92+6/2 (text/plain 97+1/0)) "
     "(text/plain 104+1/0)"},
    /* a boundary that begins with another */
    {MULTI "--a\nContent-Type: multipart/mixed; boundary=ab\n\n--ab\n\nx\n--ab--\n--a--",
     "multipart/mixed 45+68/7 (multipart/mixed 93+14/3 (text/plain 99+1/0))"},
};

static void test_structure(void **state)
{
    (void)state;
    unsigned wrong = 0;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct fixture f;
        struct buf got = BUF_INIT(10000);
        build(&f, str_from_c(CASES[i].message));
        describe(&f.shape.root, &got);
        if (!str_eq(buf_str(&got), str_from_c(CASES[i].want))) {
            print_message("%s\nwant %s\n got %s\n", CASES[i].message, CASES[i].want, got.p);
            wrong++;
        }
        buf_release(&got);
        release(&f);
    }
    assert_int_equal(wrong, 0);
}

static void test_fields(void **state)
{
    (void)state;
    struct fixture f;
    build(&f, STR("Date: Mon, 01 Jan 2024 10:00:00 +0100\r\n"
                  "Subject:  one\r\n\t two\0three \r\n"
                  "subject: second\r\n"
                  "From: Joe <joe@b>\r\nFROM : ann@b\r\n"
                  "To:\r\n"
                  "In-Reply-To: <1@b>\r\nMessage-ID: <2@b>\r\nReferences: <1@b>\r\n <0@b>\r\n"
                  "Content-Type: text/HTML; charset=utf-8\r\n"
                  "Content-Transfer-Encoding: Quoted-Printable (x)\r\n"
                  "Content-ID: <c@b>\r\nContent-Description: d\r\nContent-MD5: m==\r\n"
                  "Content-Disposition: attachment; filename=\"a b\"\r\n"
                  "Content-Language: en, de\r\nContent-Location: http://x/\r\n\r\n\xc3\xa9"));
    const struct part *p = &f.shape.root;
    const struct envelope *e = p->envelope;
    assert_str(e->date.s, STR("Mon, 01 Jan 2024 10:00:00 +0100"));
    assert_int_equal(e->date_s, 1704099600);
    assert_int_equal(e->date_zone_s, 3600);
    assert_str(e->subject.s, STR("one two three"));
    assert_int_equal(e->from.count, 2);
    assert_str(e->from.at[0].name, STR("Joe"));
    assert_str(e->from.at[1].mailbox, STR("ann"));
    assert_true(e->to.is_present);
    assert_int_equal(e->to.count, 0);
    assert_false(e->cc.is_present);
    assert_str(e->in_reply_to.s, STR("<1@b>"));
    assert_str(e->message_id.s, STR("<2@b>"));
    assert_str(e->references.s, STR("<1@b> <0@b>"));
    assert_str(p->subtype, STR("HTML"));
    assert_str(param_find(&p->params, STR("CHARSET")), STR("utf-8"));
    assert_str(p->encoding, STR("Quoted-Printable"));
    assert_str(p->id.s, STR("<c@b>"));
    assert_str(p->description.s, STR("d"));
    assert_str(p->md5.s, STR("m=="));
    assert_str(p->disposition.s, STR("attachment"));
    assert_str(param_find(&p->disposition_params, STR("filename")), STR("a b"));
    assert_int_equal(p->language.count, 2);
    assert_str(p->location.s, STR("http://x/"));
    assert_true(p->has_8bit);
    assert_false(p->has_nul);
    release(&f);
}

static void test_defaults(void **state)
{
    (void)state;
    struct fixture f;
    build(&f, STR("Content-Type: multipart\r\nDate: never\r\n\r\na\0b"));
    assert_str(f.shape.root.type, STR("text"));
    assert_str(param_find(&f.shape.root.params, STR("charset")), STR("us-ascii"));
    assert_str(f.shape.root.encoding, STR("7bit"));
    assert_true(f.shape.root.has_nul);
    assert_false(f.shape.root.has_8bit);
    assert_true(f.shape.root.envelope->date_s == INT64_MIN);
    assert_true(f.shape.root.envelope->date.is_present);
    assert_false(f.shape.root.envelope->subject.is_present);
    release(&f);
}

/* RFC 3501, 6.4.5: the example tree, shortened. */
static void test_find_part(void **state)
{
    (void)state;
    static const struct {
        uint32_t path[4];
        uint32_t count;
        const char *subtype; /* NULL: no such part */
    } PARTS[] = {
        {{0}, 1, NULL},       {{3}, 1, NULL},          {{1, 1}, 2, NULL},     {{2, 3}, 2, NULL},
        {{2, 1, 1}, 3, NULL}, {{UINT32_MAX}, 1, NULL}, {{1}, 1, "plain"},     {{2}, 1, "rfc822"},
        {{2, 1}, 2, "html"},  {{2, 2}, 2, "rfc822"},   {{2, 2, 1}, 3, "css"}, {{0}, 0, "mixed"},
        {{2, 2, 2}, 3, NULL}, {{2, 2, 1, 1}, 4, NULL},
    };
    struct fixture f;
    build(&f, STR(MULTI "--a\n\nx\n--a\nContent-Type: message/rfc822\n\n"
                        "Content-Type: multipart/mixed; boundary=b\n\n"
                        "--b\nContent-Type: text/html\n\n\n"
                        "--b\nContent-Type: message/rfc822\n\n"
                        "Content-Type: text/css\n\nx\n--b--\n--a--\n"));
    for (size_t i = 0; i < sizeof(PARTS) / sizeof(PARTS[0]); i++) {
        const struct part *p = shape_find_part(&f.shape, PARTS[i].path, PARTS[i].count);
        assert_int_equal(p == NULL, PARTS[i].subtype == NULL);
        if (p != NULL) {
            assert_str(p->subtype, str_from_c(PARTS[i].subtype));
        }
    }
    release(&f);
    build(&f, STR("\r\nx"));
    assert_ptr_equal(shape_find_part(&f.shape, (const uint32_t[]){1}, 1), &f.shape.root);
    assert_null(shape_find_part(&f.shape, (const uint32_t[]){1, 1}, 2));
    release(&f);
}

static void add_times(struct buf *b, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++) {
        buf_add_c(b, text);
    }
}

/* The bounds of shape.h: deeper and more parts, longer fields, more text. */
static void test_bounds(void **state)
{
    (void)state;
    struct buf m = BUF_INIT(64 * 1024 * 1024);
    struct fixture f;
    add_times(&m, "Content-Type: message/rfc822\n\n", 1000);
    build(&f, buf_str(&m));
    const struct part *p = &f.shape.root;
    size_t depth = 0;
    for (; p->child_count > 0; p = p->children) {
        depth++;
    }
    assert_int_equal(depth, SHAPE_DEPTH_MOST);
    assert_str(p->subtype, STR("rfc822"));
    assert_false(p->is_message);
    release(&f);
    buf_clear(&m);
    buf_add_c(&m, MULTI);
    add_times(&m, "--a\n\n", 20000);
    build(&f, buf_str(&m));
    assert_int_equal(f.shape.root.child_count, SHAPE_PARTS_MOST - 1);
    release(&f);
    buf_clear(&m);
    buf_add_c(&m, "To: ");
    add_times(&m, "joe@example.org, ", 100000);
    build(&f, buf_str(&m));
    const struct address_list *to = &f.shape.root.envelope->to;
    assert_in_range(to->count, SHAPE_FIELD_MOST / 17 - 1, SHAPE_FIELD_MOST / 17);
    assert_str(to->at[to->count - 1].host, STR("example.org"));
    release(&f);
    buf_release(&m);
}

static void test_small_cap(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(10);
    assert_int_equal(shape_build(STR("Subject: longer than that\n\n"), &out), ERR_LIMIT);
    buf_release(&out);
}

static void test_envelope_alone(void **state)
{
    (void)state;
    struct fixture f;
    struct envelope e;
    build(&f, STR("Subject: x\r\nTo: a@b\r\n\r\n"));
    assert_int_equal(shape_parse_envelope(f.arena, buf_str(&f.octets), &e), ERR_OK);
    assert_str(e.subject.s, STR("x"));
    assert_int_equal(e.to.count, 1);
    assert_int_equal(shape_parse_envelope(f.arena, STR("\1\1\1"), &e), ERR_CORRUPT);
    release(&f);
}

#define RICH_TEXT                                                                                  \
    MULTI "--a\nTo: x\n\nx\n--a\nContent-Type: message/rfc822\n\n"                                 \
          "Subject: s\nFrom: G: a@b;\nDate: 1 Jan 2024 10:00\n\nx\n--a--\n"

static const struct str RICH = {RICH_TEXT, sizeof(RICH_TEXT) - 1};

/* Serialised shapes that end early, go on, or have an octet changed: refused, or read within bounds. */
static void test_hostile_octets(void **state)
{
    (void)state;
    struct fixture f;
    struct shape s;
    build(&f, RICH);
    struct str whole = buf_str(&f.octets);
    for (size_t n = 0; n < whole.n; n++) {
        arena_clear(f.arena);
        assert_int_equal(shape_parse(f.arena, str_sub(whole, 0, n), &s), ERR_CORRUPT);
    }
    for (size_t i = 0; i < whole.n; i++) {
        for (unsigned v = 0; v < 256; v++) {
            char kept = f.octets.p[i];
            f.octets.p[i] = (char)v;
            arena_clear(f.arena);
            if (shape_parse(f.arena, whole, &s) == ERR_OK) {
                assert_true(s.root.body_offset + s.root.body_size == s.size);
                assert_in_range(s.root.child_count, 0, 3);
            }
            f.octets.p[i] = kept;
        }
    }
    buf_add_char(&f.octets, '\0');
    assert_int_equal(shape_parse(f.arena, buf_str(&f.octets), &s), ERR_CORRUPT);
    release(&f);
}

/* Children lie in order within their parent's body. */
static void check_places(const struct part *p)
{
    uint64_t from = p->body_offset;
    for (uint32_t i = 0; i < p->child_count; i++) {
        const struct part *child = &p->children[i];
        assert_true(child->header_offset >= from);
        from = child->body_offset + child->body_size;
        assert_true(from <= p->body_offset + p->body_size);
        check_places(child);
    }
}

/* Random octets put into a message, and pieces of it moved: always a shape, always within the message. */
static void test_mutations(void **state)
{
    (void)state;
    static const char *const PIECES[] = {"\r\n",
                                         "\n",
                                         "--a",
                                         "--",
                                         "Content-Type: ",
                                         "\r",
                                         "\"",
                                         "(",
                                         ";",
                                         "message/rfc822\n\n",
                                         "multipart/x; boundary=a\n\n--a\n",
                                         ": "};
    unsigned seed = 7;
    for (int round = 0; round < 3000; round++) {
        struct buf m = BUF_INIT(10000);
        struct fixture f;
        for (int k = 0; k < 8; k++) {
            size_t from = (size_t)rand_r(&seed) % RICH.n;
            buf_add(&m, str_sub(RICH, from, (size_t)rand_r(&seed) % 60));
            buf_add_c(&m, PIECES[(size_t)rand_r(&seed) % (sizeof(PIECES) / sizeof(PIECES[0]))]);
            if (rand_r(&seed) % 4 == 0) {
                buf_add_char(&m, (char)(unsigned char)rand_r(&seed));
            }
        }
        build(&f, buf_str(&m));
        check_places(&f.shape.root);
        release(&f);
        buf_release(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_structure),      cmocka_unit_test(test_fields),
        cmocka_unit_test(test_defaults),       cmocka_unit_test(test_find_part),
        cmocka_unit_test(test_bounds),         cmocka_unit_test(test_small_cap),
        cmocka_unit_test(test_envelope_alone), cmocka_unit_test(test_hostile_octets),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
