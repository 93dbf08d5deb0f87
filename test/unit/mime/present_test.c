#include "unit.h"

#include "mime/present.h"

#include <stdio.h>

enum { TEXT_CAP = 1024 * 1024 };

static enum err get(void *owner, uint64_t offset, size_t n, struct str *out)
{
    *out = str_sub(*(struct str *)owner, (size_t)offset, n);
    return ERR_OK;
}

/* The message as presented, read by pieces of step octets; its shape in *shape. */
static void present(struct arena *a, struct str message, size_t step, struct buf *out,
                    struct shape *shape)
{
    CLEANUP(buf_release) struct buf serialised = BUF_INIT(SHAPE_MOST);
    struct shape stored;
    struct present p;
    struct present_source source = {get, &message};
    assert_int_equal(shape_build(message, &serialised), ERR_OK);
    assert_int_equal(shape_parse(a, arena_str(a, buf_str(&serialised)), &stored), ERR_OK);
    assert_int_equal(present_build(a, &stored, &source, &p), ERR_OK);
    for (size_t at = out->len; out->len < p.shape.size; at = out->len) {
        assert_int_equal(present_read(&p, &source, out->len, step, out), ERR_OK);
        assert_true(out->len > at);
    }
    assert_int_equal(out->len, p.shape.size);
    assert_int_equal(present_is_needed(&stored), p.shape.size > stored.size);
    *shape = p.shape;
}

/* What the presented shape says must be what parsing the presented octets says. */
static void check_same(const struct part *a, const struct part *b)
{
    assert_int_equal(a->header_offset, b->header_offset);
    assert_int_equal(a->header_size, b->header_size);
    assert_int_equal(a->body_offset, b->body_offset);
    assert_int_equal(a->body_size, b->body_size);
    assert_int_equal(a->body_lines, b->body_lines);
    assert_str(a->encoding, b->encoding);
    assert_int_equal(a->child_count, b->child_count);
    for (uint32_t i = 0; i < a->child_count; i++) {
        check_same(&a->children[i], &b->children[i]);
    }
}

static void check(struct str message, struct buf *out)
{
    struct arena *a = arena_new(SHAPE_ARENA_MOST);
    CLEANUP(buf_release) struct buf serialised = BUF_INIT(SHAPE_MOST);
    struct shape shape;
    struct shape again;
    for (size_t step = 1; step < 200; step += 13) {
        buf_clear(out);
        present(a, message, step, out, &shape);
    }
    assert_int_equal(shape_build(buf_str(out), &serialised), ERR_OK);
    assert_int_equal(shape_parse(a, buf_str(&serialised), &again), ERR_OK);
    assert_false(present_is_needed(&again));
    check_same(&shape.root, &again.root);
    arena_free(&a);
}

/* M-3: a message without binary parts is shown as it is. */
static void test_plain(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out = BUF_INIT(TEXT_CAP);
    struct str message = STR("Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n");
    check(message, &out);
    assert_str(buf_str(&out), message);
    buf_clear(&out);
    message = STR("Content-Transfer-Encoding: binary\r\n\r\n");
    check(message, &out);
    assert_str(buf_str(&out), message);
}

static void test_single(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out = BUF_INIT(TEXT_CAP);
    check(STR("Subject: x\r\nContent-Transfer-Encoding:\r\n binary\r\n\r\n\0\1\2"), &out);
    assert_str(buf_str(&out), STR("Subject: x\r\nContent-Transfer-Encoding: base64  \r\n\r\nAAEC"));
    buf_clear(&out);
    check(STR("Subject: \0\r\n\r\na\0b"), &out);
    assert_str(buf_str(&out),
               STR("Content-Transfer-Encoding: base64\r\nSubject: \x80\r\n\r\nYQBi"));
}

static void test_parts(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out = BUF_INIT(TEXT_CAP);
    CLEANUP(buf_release) struct buf in = BUF_INIT(TEXT_CAP);
    buf_add(&in,
            STR("Content-Type: multipart/mixed; boundary=b\r\n"
                "Content-Transfer-Encoding: binary\r\n\r\npre\r\n--b\r\n\r\ntext\r\n\r\n--b\r\n"
                "Content-Type: image/png\r\nContent-Transfer-Encoding: BINARY (x)\r\n\r\n"));
    for (unsigned i = 0; i < 1000; i++) {
        buf_add_char(&in, (char)(unsigned char)i);
    }
    buf_add(&in, STR("\r\n--b\r\nContent-Type: message/rfc822\r\n"
                     "Content-Transfer-Encoding: binary\r\n\r\nSubject: in\r\n\r\n\0\n\0\r\n--b\r\n"
                     "Content-Transfer-Encoding: 8bit\r\n\r\n\xc3\xbc\r\n--b--\r\nend\0\r\n"));
    check(buf_str(&in), &out);
    struct str s = buf_str(&out);
    assert_true(str_find_str(s, STR("binary")) == s.n);
    assert_true(str_find_str(s, STR("Content-Transfer-Encoding: 8bit  \r\n\r\npre")) < s.n);
    assert_true(str_find_str(s, STR("\r\n\r\nAAoA\r\n--b")) < s.n);
    assert_true(str_find_char(s, '\0') == s.n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_single),
        cmocka_unit_test(test_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
