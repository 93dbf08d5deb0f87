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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_structure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
