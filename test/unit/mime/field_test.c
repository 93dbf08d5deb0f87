/* Unit tests of mime/field: what is no field, folding, the end of the header. */
#include "mime/field.h"

#include "unit.h"

static const struct {
    const char *header;
    const char *want; /* name=value; of each field */
} CASES[] = {
    {"", ""},
    {"\r\n", ""},
    {"no colon", ""},
    {": no name\r\n", ""},
    {"two words: x\r\n", ""},
    {" leading: x\r\nA: b\r\n", "A=b;"},
    {"From joe Mon Jan 1 10:00:00 2024\nA: b\n", "A=b;"},
    {"junk\r\n A: x\r\nB: y\r\n", "B=y;"},
    {"A: b\r\n\r\nC: d\r\n", "A=b;"},
    {"A: b\n\nC: d\n", "A=b;"},
    {"A:", "A=;"},
    {"A:\r\n", "A=;"},
    {"A:b", "A=b;"},
    {"A \t: b\r\n", "A=b;"},
    {"A: b\r\n c\r\n\td\r\nE: f", "A=b c d;E=f;"},
    {"A: b \r\n \r\n c\r\n", "A=b c;"},
    {"A: b\rC: d\r\n", "A=b C: d;"},
    {"A: b\r\r\n", "A=b;"},
    {"A: b  c\r\n", "A=b  c;"},
};

static void test_fields(void **state)
{
    (void)state;
    unsigned wrong = 0;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct str header = str_from_c(CASES[i].header);
        struct buf got = BUF_INIT(1000);
        struct field f;
        size_t end = 0;
        for (size_t at = 0; field_next(header, &at, &f);) {
            buf_add(&got, f.name);
            buf_add_char(&got, '=');
            field_unfold(f.value, &got);
            buf_add_char(&got, ';');
            assert_true(f.offset >= end);
            end = f.offset + f.size;
            assert_int_equal(at, end);
        }
        assert_true(end <= header.n);
        if (!str_eq(buf_str(&got), str_from_c(CASES[i].want))) {
            print_message("%s\nwant %s\n got %s\n", CASES[i].header, CASES[i].want, got.p);
            wrong++;
        }
        buf_release(&got);
    }
    assert_int_equal(wrong, 0);
}

static void test_nul(void **state)
{
    (void)state;
    struct buf got = BUF_INIT(100);
    field_unfold(STR("a\0b\0\0c"), &got);
    assert_str(buf_str(&got), STR("a b  c"));
    buf_release(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
