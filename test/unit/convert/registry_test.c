/* Unit tests of convert/registry and convert/params (M-15, RFC 5259, 5 and 7). */
#include "convert/registry.h"

#include "convert/params.h"

#include "unit.h"

static void test_table(void **state)
{
    struct convert_pair pair;
    struct convert_pair other;
    size_t count = 0;
    (void)state;
    for (size_t at = 0; convert_next_pair(&at, &pair);) {
        count++;
        assert_true(convert_is_type(pair.from, false));
        assert_true(convert_is_type(pair.to, false));
        assert_true(convert_find(~0U, pair.from, pair.to, &other));
        assert_int_equal(other.tool, pair.tool); /* no pair twice */
        bool is_here = pair.tool == TOOL_HERE;
        assert_int_equal(convert_find(0, pair.from, pair.to, &other), is_here);
        assert_true(is_here || convert_has(1U << pair.tool, &pair));
    }
    assert_true(count > 20);
    for (unsigned t = TOOL_HERE + 1; t < TOOL_COUNT; t++) {
        enum convert_tool found;
        assert_true(convert_tool_find(str_from_c(convert_tool_name((enum convert_tool)t)), &found));
        assert_int_equal(found, t);
    }
}

static void test_mandatory(void **state)
{
    struct convert_pair pair;
    (void)state;
    assert_true(convert_find(0, STR("Text/Plain"), STR("TEXT/plain"), &pair));
    assert_int_equal(pair.params, PARAM_CHARSET | PARAM_REPLACEMENT);
    assert_false(convert_find(~0U, STR("multipart/mixed"), STR("text/plain"), &pair));
    assert_false(convert_find(0, STR("image/png"), STR("image/jpeg"), &pair));
}

static void test_patterns(void **state)
{
    (void)state;
    assert_true(convert_is_type(STR("*"), true));
    assert_true(convert_is_type(STR("text/*"), true));
    assert_false(convert_is_type(STR("text/*"), false));
    assert_false(convert_is_type(STR("*/*"), true));
    assert_false(convert_is_type(STR("text/pl*"), true));
    assert_false(convert_is_type(STR("text"), true));
    assert_false(convert_is_type(STR("text/"), true));
    assert_false(convert_is_type(STR("text/a\"b"), true));
    assert_true(convert_matches(STR("*"), STR("a/b")));
    assert_true(convert_matches(STR("IMAGE/*"), STR("image/png")));
    assert_false(convert_matches(STR("image/*"), STR("imagery/png")));
    assert_false(convert_matches(STR("image/p"), STR("image/png")));
}

static void test_params(void **state)
{
    static const struct {
        const char *to;
        struct convert_params p;
        unsigned bad;
    } CASES[] = {
        {"image/jpeg", {.count = 0}, 0},
        {"image/jpeg", {{{{"PIX-X", 5}, {"320", 3}}, {{"pix-y", 5}, {"240", 3}}}, 2}, 0},
        {"image/jpeg", {{{{"pix-x", 5}, {"0", 1}}, {{"pix-y", 5}, {"4097", 4}}}, 2}, 3},
        {"image/jpeg", {{{{"pix-x", 5}, {"-1", 2}}, {{"charset", 7}, {"utf-8", 5}}}, 2}, 3},
        {"image/jpeg", {{{{"quality", 7}, {"80", 2}}, {{"quality", 7}, {"80", 2}}}, 2}, 2},
        {"image/png", {{{{"quality", 7}, {"80", 2}}, {{"depth", 5}, {"8", 1}}}, 2}, 1},
        {"image/jpeg", {{{{"depth", 5}, {"8", 1}}}, 1}, 1},
        {"image/jpeg", {{{{"depth", 5}, {"24", 2}}}, 1}, 0},
        {"image/jpeg", {{{{"resize", 6}, {"crop", 4}}}, 1}, 1},
        {"image/jpeg", {{{{"resize", 6}, {"melt", 4}}}, 1}, 1},
        {"image/jpeg",
         {{{{"resize", 6}, {"crop", 4}}, {{"pix-x", 5}, {"9", 1}}, {{"pix-y", 5}, {"9", 1}}}, 3},
         0},
        {"image/jpeg", {{{{"size", 4}, {"99999999999", 11}}}, 1}, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct convert_pair pair;
        struct convert_settings s;
        struct str to = str_from_c(CASES[i].to);
        assert_true(convert_find(1U << TOOL_IMAGE, STR("image/gif"), to, &pair));
        assert_int_equal(convert_params_read(&CASES[i].p, &pair, &s), CASES[i].bad);
    }
}

/* What goes over a link comes out the same, and nothing that a tool must not be given. */
static void test_fields(void **state)
{
    struct convert_settings s = {.pix_x = 1,
                                 .pix_y = 2,
                                 .resize = RESIZE_CROP,
                                 .size = 3,
                                 .quality = 4,
                                 .depth = 8,
                                 .page = 6};
    struct convert_settings got;
    struct buf text = BUF_INIT(4096);
    struct fields f;
    (void)state;
    convert_settings_write_fields(&text, &s);
    assert_int_equal(fields_parse(buf_str(&text), &f), ERR_OK);
    convert_settings_read_fields(&f, &got);
    struct buf again = BUF_INIT(4096);
    convert_settings_write_fields(&again, &got);
    assert_str(buf_str(&again), buf_str(&text));
    buf_release(&again);
    fields_release(&f);
    assert_int_equal(fields_parse(STR("pix_x=5000\nresize=9\nquality=x\n"), &f), ERR_OK);
    convert_settings_read_fields(&f, &got);
    assert_int_equal(got.pix_x, 0);
    assert_int_equal(got.resize, RESIZE_ASPECT);
    assert_int_equal(got.quality, 0);
    fields_release(&f);
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),    cmocka_unit_test(test_mandatory),
        cmocka_unit_test(test_patterns), cmocka_unit_test(test_params),
        cmocka_unit_test(test_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
