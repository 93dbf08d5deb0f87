/* Unit tests of wire/imap_scan: sections, FETCH attributes, modifiers. */
#include "wire/imap_scan.h"

#include "random.h"
#include "unit.h"

enum { ARENA_CAP = 1 << 20 };

static void test_bad_sections(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "0",
        "1.",
        "1..2",
        ".1",
        "1.0",
        "MIME",
        "HEADERS",
        "TEXT.1",
        "1.HEADER.",
        "HEADER.FIELDS",
        "HEADER.FIELDS ()",
        "HEADER.FIELDS (To",
        "HEADER.FIELDS.NOT(To)",
        "HEADER.FIELDS ( To)",
        "1.MIME.2",
        "01",
        "4294967296",
        " 1",
        "1 ",
        "]",
        "1.FOO",
    };
    struct arena *a = arena_new(ARENA_CAP);
    struct section section;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(section_parse(a, str_from_c(bad[i]), &section), ERR_SYNTAX);
    }
    arena_free(&a);
}

static void test_section_bounds(void **state)
{
    (void)state;
    struct arena *a = arena_new(ARENA_CAP);
    struct buf text = BUF_INIT(100000);
    struct section section;
    for (int i = 0; i < SECTION_DEPTH_MOST; i++) {
        buf_add_c(&text, i == 0 ? "1" : ".1");
    }
    assert_int_equal(section_parse(a, buf_str(&text), &section), ERR_OK);
    assert_int_equal(section.depth, SECTION_DEPTH_MOST);
    buf_add_c(&text, ".1");
    assert_int_equal(section_parse(a, buf_str(&text), &section), ERR_TOO_DEEP);
    buf_clear(&text);
    buf_add_c(&text, "HEADER.FIELDS (");
    for (int i = 0; i < SECTION_FIELDS_MOST; i++) {
        buf_add_c(&text, "a ");
    }
    buf_add_c(&text, "b)");
    assert_int_equal(section_parse(a, buf_str(&text), &section), ERR_LIMIT);
    arena_free(&a);
    a = arena_new(10);
    assert_int_equal(section_parse(a, STR("1.2.3.4"), &section), ERR_LIMIT);
    arena_free(&a);
    buf_release(&text);
}

static void test_sections(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"", ""},
        {"1", "1"},
        {"1.2.3", "1.2.3"},
        {"header", "HEADER"},
        {"1.text", "1.TEXT"},
        {"2.MIME", "2.MIME"},
        {"HEADER.FIELDS (To Cc)", "HEADER.FIELDS (To Cc)"},
        {"3.header.fields.not (\"To\" {3}\r\na b)", "3.HEADER.FIELDS.NOT (To \"a b\")"},
        {"HEADER.FIELDS (\"a\\\"]\")", "HEADER.FIELDS (\"a\\\"]\")"},
        {"4294967295", "4294967295"},
    };
    struct arena *a = arena_new(ARENA_CAP);
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct section section;
        struct buf text = BUF_INIT(1000);
        assert_int_equal(section_parse(a, str_from_c(pairs[i][0]), &section), ERR_OK);
        section_write(&text, &section);
        assert_str(buf_str(&text), str_from_c(pairs[i][1]));
        buf_release(&text);
    }
    arena_free(&a);
}

static struct str random_field(struct random *r, struct arena *a)
{
    static const char set[] = "aZ-:\"\\ ]()\xC3{}%*\r\n";
    size_t n = random_below(r, 6);
    char *to = arena_alloc(a, n);
    random_fill(r, to, n, set, sizeof(set) - 1);
    return str_make(to, n);
}

static void test_section_round_trip(void **state)
{
    (void)state;
    struct random r = {99};
    struct arena *a = arena_new(ARENA_CAP);
    struct buf text = BUF_INIT(10000);
    struct buf again = BUF_INIT(10000);
    for (int i = 0; i < 5000; i++) {
        uint32_t path[5];
        struct str fields[4];
        struct section section = {path, random_below(&r, 6), SECTION_ALL, fields, 0};
        struct section back;
        arena_clear(a);
        for (uint32_t k = 0; k < section.depth; k++) {
            path[k] = 1 + random_below(&r, 1000);
        }
        section.text = (enum section_text)random_below(&r, section.depth > 0 ? 6 : 5);
        if (section.text == SECTION_HEADER_FIELDS || section.text == SECTION_HEADER_FIELDS_NOT) {
            section.field_count = 1 + random_below(&r, 4);
        }
        for (uint32_t k = 0; k < section.field_count; k++) {
            fields[k] = random_field(&r, a);
        }
        buf_clear(&text);
        buf_clear(&again);
        section_write(&text, &section);
        assert_int_equal(section_parse(a, buf_str(&text), &back), ERR_OK);
        assert_int_equal(back.depth, section.depth);
        assert_int_equal(back.field_count, section.field_count);
        section_write(&again, &back);
        assert_str(buf_str(&again), buf_str(&text));
    }
    buf_release(&text);
    buf_release(&again);
    arena_free(&a);
}

static void test_bad_atts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t at;
    } bad[] = {
        {"", 0},
        {"()", 1},
        {"(FLAGS", 6},
        {"(FLAGS )", 7},
        {"(FLAGS  UID)", 7},
        {"FLAG", 0},
        {"(ALL)", 1},
        {"(FLAGS ALL)", 7},
        {"FLAGS[]", 5},
        {"BODY.PEEK", 9},
        {"BODY[", 5},
        {"BODY[1", 6},
        {"BODY[]<1>", 8},
        {"BODY[]<1.0>", 9},
        {"BODY[]<1.2", 10},
        {"BODY[]<.2>", 7},
        {"BODY[]<9223372036854775808.1>", 7},
        {"BINARY", 6},
        {"BINARY[TEXT]", 7},
        {"BINARY.SIZE[1]<0.1>", 14},
        {"RFC822.BODY", 0},
        {"BODY[1.2.HEADER.FIELDS (a b]", 28},
    };
    struct arena *a = arena_new(ARENA_CAP);
    struct fetch_atts atts;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct scan c = scan_make(str_from_c(bad[i].text));
        scan_fetch_atts(&c, a, &atts);
        scan_require_end(&c);
        if (c.err_at != bad[i].at) {
            print_error("%s: at %zu\n", bad[i].text, c.err_at);
        }
        assert_int_equal(scan_get_err(&c), ERR_SYNTAX);
        assert_int_equal(c.err_at, bad[i].at);
    }
    arena_free(&a);
}

static struct fetch_atts parse_atts(struct arena *a, const char *text)
{
    struct scan c = scan_make(str_from_c(text));
    struct fetch_atts atts;
    scan_fetch_atts(&c, a, &atts);
    scan_require_end(&c);
    assert_int_equal(scan_get_err(&c), ERR_OK);
    return atts;
}

static void test_macros(void **state)
{
    (void)state;
    struct arena *a = arena_new(ARENA_CAP);
    assert_int_equal(parse_atts(a, "fast").count, 3);
    assert_int_equal(parse_atts(a, "ALL").count, 4);
    struct fetch_atts full = parse_atts(a, "FULL");
    static const enum fetch_att_kind want[] = {FETCH_FLAGS, FETCH_INTERNALDATE, FETCH_RFC822_SIZE,
                                               FETCH_ENVELOPE, FETCH_BODY};
    assert_int_equal(full.count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(full.at[i].kind, want[i]);
    }
    arena_free(&a);
}

static void test_atts(void **state)
{
    (void)state;
    struct arena *a = arena_new(ARENA_CAP);
    struct fetch_atts atts =
        parse_atts(a, "(FLAGS uid MODSEQ BODY BODYSTRUCTURE ENVELOPE INTERNALDATE RFC822 "
                      "RFC822.HEADER RFC822.SIZE RFC822.TEXT BODY[] BODY.PEEK[1.2.TEXT]<5.10> "
                      "BINARY[1] BINARY.PEEK[2]<0.7> BINARY.SIZE[3.1] RFC822.PEEK)");
    static const enum fetch_att_kind want[] = {
        FETCH_FLAGS,         FETCH_UID,         FETCH_MODSEQ,       FETCH_BODY,
        FETCH_BODYSTRUCTURE, FETCH_ENVELOPE,    FETCH_INTERNALDATE, FETCH_RFC822,
        FETCH_RFC822_HEADER, FETCH_RFC822_SIZE, FETCH_RFC822_TEXT,  FETCH_BODY_SECTION,
        FETCH_BODY_SECTION,  FETCH_BINARY,      FETCH_BINARY,       FETCH_BINARY_SIZE,
        FETCH_RFC822,
    };
    assert_int_equal(atts.count, sizeof(want) / sizeof(want[0]));
    for (uint32_t i = 0; i < atts.count; i++) {
        assert_int_equal(atts.at[i].kind, want[i]);
    }
    assert_false(atts.at[11].is_peek || atts.at[11].has_partial);
    assert_true(atts.at[12].is_peek && atts.at[12].has_partial);
    assert_int_equal(atts.at[12].section.depth, 2);
    assert_int_equal(atts.at[12].section.text, SECTION_TEXT);
    assert_int_equal(atts.at[12].partial.offset, 5);
    assert_int_equal(atts.at[12].partial.length, 10);
    assert_true(atts.at[14].is_peek && atts.at[14].has_partial);
    assert_int_equal(atts.at[15].section.path[1], 1);
    assert_true(atts.at[16].is_peek && !atts.at[7].is_peek);
    arena_free(&a);
}

static void test_modifiers(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "()",
        "(CHANGEDSINCE)",
        "(CHANGEDSINCE 0)",
        "(VANISHED)",
        "(CHANGEDSINCE 5 CHANGEDSINCE 6)",
        "(CHANGEDSINCE 5 VANISHED VANISHED)",
        "(CHANGEDSINCE 5",
        "(UNCHANGEDSINCE 5)",
    };
    struct fetch_modifiers m;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct scan c = scan_make(str_from_c(bad[i]));
        scan_fetch_modifiers(&c, &m);
        assert_int_equal(scan_get_err(&c), ERR_SYNTAX);
    }
    struct scan c = scan_make(STR("(VANISHED CHANGEDSINCE 12345)"));
    scan_fetch_modifiers(&c, &m);
    assert_int_equal(scan_get_err(&c), ERR_OK);
    assert_true(m.is_vanished && m.has_changedsince && m.changedsince == 12345);
    c = scan_make(STR("(UNCHANGEDSINCE 0)"));
    assert_true(scan_store_modifiers(&c) == 0);
    assert_int_equal(scan_get_err(&c), ERR_OK);
    c = scan_make(STR("(UNCHANGEDSINCE 9223372036854775808)"));
    (void)scan_store_modifiers(&c);
    assert_int_equal(scan_get_err(&c), ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_sections), cmocka_unit_test(test_section_bounds),
        cmocka_unit_test(test_sections),     cmocka_unit_test(test_section_round_trip),
        cmocka_unit_test(test_bad_atts),     cmocka_unit_test(test_macros),
        cmocka_unit_test(test_atts),         cmocka_unit_test(test_modifiers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
