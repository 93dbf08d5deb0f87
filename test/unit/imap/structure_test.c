/* ENVELOPE and BODYSTRUCTURE, from octets (RFC 3501, 7.4.2). */
#include "unit.h"

#include "imap/structure.h"

static void parse(struct arena *a, struct str message, struct buf *serialised, struct shape *out)
{
    *serialised = BUF_INIT(SHAPE_MOST);
    assert_int_equal(shape_build(message, serialised), ERR_OK);
    assert_int_equal(shape_parse(a, buf_str(serialised), out), ERR_OK);
}

static void check(struct str message, const char *envelope, const char *body)
{
    struct arena *a = arena_new(SHAPE_ARENA_MOST);
    struct buf serialised;
    struct shape shape;
    struct buf out = BUF_INIT(65536);
    parse(a, message, &serialised, &shape);
    structure_write_envelope(&out, shape.root.envelope, 0);
    assert_str(buf_str(&out), str_from_c(envelope));
    buf_clear(&out);
    structure_write_body(&out, &shape.root, STRUCTURE_EXTENDED);
    assert_str(buf_str(&out), str_from_c(body));
    buf_release(&out);
    buf_release(&serialised);
    arena_free(&a);
}

/* The least a message can be. */
static void test_empty(void **state)
{
    (void)state;
    check(STR(""), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)",
          "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL)");
}

/* What a header holds cannot break out of its string. */
static void test_injection(void **state)
{
    (void)state;
    check(STR("Subject: a\" (b\\c) {5}\r\nMessage-ID: \xff\r\n\r\n"),
          "(NIL \"a\\\" (b\\\\c) {5}\" NIL NIL NIL NIL NIL NIL NIL {1}\r\n\xff)",
          "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL)");
}

/* Sender and Reply-To default to From; an address without a domain is no group. */
static void test_addresses(void **state)
{
    (void)state;
    check(STR("From: a@b\r\nReply-To: c\r\nTo: g:;\r\n\r\n"),
          "(NIL NIL ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) ((NIL NIL \"c\" \"\")) "
          "((NIL NIL \"g\" NIL)(NIL NIL NIL NIL)) NIL NIL NIL NIL)",
          "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL)");
}

/* X-IMAP4REV2: RFC 2231, 6; RFC 9051, 7.5.2. Segments may be missing, come twice or in any order. */
static void test_segments(void **state)
{
    (void)state;
    check(STR("Content-Type: a/b; t*1=y; T*0=x; u*1=z; v*=''%41; w*0=1; w*2=3; x*x=1; y*0=%; "
              "y*1*=%20\r\n"
              "\r\n"),
          "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)",
          "(\"a\" \"b\" (\"T\" \"xy\" \"u*1\" \"z\" \"v*\" \"''%41\" \"w\" \"1\" \"x*x\" \"1\" "
          "\"y*\" \"''%25%20\") NIL NIL \"7bit\" 0 NIL NIL NIL NIL)");
}

static void test_extension(void **state)
{
    (void)state;
    check(STR("Content-Type: image/png; name=x\r\nContent-Disposition: attachment; "
              "filename=y\r\nContent-Language: en, de\r\nContent-Location: z\r\n"
              "Content-MD5: q\r\nContent-ID: <i>\r\nContent-Transfer-Encoding: base64\r\n\r\nAA=="),
          "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)",
          "(\"image\" \"png\" (\"name\" \"x\") \"<i>\" NIL \"base64\" 4 \"q\" (\"attachment\" "
          "(\"filename\" \"y\")) (\"en\" \"de\") \"z\")");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),     cmocka_unit_test(test_injection),
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_segments),
        cmocka_unit_test(test_extension),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
