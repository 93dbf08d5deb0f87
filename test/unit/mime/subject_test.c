/* Unit tests of mime/subject: the base subject of RFC 5256, 2.1 (M-14); the cases follow its steps. */
#include "mime/subject.h"

#include "mime/collate.h"
#include "unit.h"

static const struct {
    const char *text;
    const char *want;
    bool is_reply;
} SUBJECTS[] = {
    {"", "", false},
    {"   ", "", false},
    {"plain", "plain", false},
    {"  two\t \twords  ", "two words", false},
    {"Re: x", "x", true},
    {"re:x", "x", true},
    {"RE : x", "x", true},
    {"Fw: x", "x", true},
    {"FWD: x", "x", true},
    {"Fwdd: x", "Fwdd: x", false},
    {"Reply: x", "Reply: x", false},
    {"Re", "Re", false},
    {"Re:", "", true},
    {"Re: Re: Fwd: x", "x", true},
    {"Re[2]: x", "x", true},
    {"Re [2] : x", "x", true},
    {"Re [2]  [3]: x", "Re [2] [3]: x", false},
    {"Re[2: x", "Re[2: x", false},
    {"[list] x", "x", false},
    {"[list][other]  x", "x", false},
    {"[list]", "[list]", false},
    {"[list] [other]", "[other]", false},
    {"[list] Re: x", "x", true},
    {"Re: [list] Re: [other] x", "x", true},
    {"[a] [b] Re: [c]", "[c]", true},
    {"[a[b] x", "[a[b] x", false},
    {"[a]b] x", "b] x", false},
    {"x (fwd)", "x", true},
    {"x (FWD) (fwd)  ", "x", true},
    {"x(fwd)", "x", true},
    {"(fwd)", "", true},
    {"x (fwd) y", "x (fwd) y", false},
    {"[fwd: x]", "x", true},
    {"[Fwd: Re: x]", "x", true},
    {"[fwd:[fwd: [list] x (fwd)]]", "x", true},
    {"[fwd: x] y", "y", false},
    {"[fwd: x", "[fwd: x", false},
    {"Re: [fwd: x]", "x", true},
    {"[fwd:]", "", true},
    {"[", "[", false},
    {"]", "]", false},
    {"re: \xc3\xa9t\xc3\xa9", "\xc3\xa9t\xc3\xa9", true},
};

static void test_m_14_base(void **state)
{
    (void)state;
    unsigned wrong = 0;
    struct buf scratch = BUF_INIT(1000);
    for (size_t i = 0; i < sizeof(SUBJECTS) / sizeof(SUBJECTS[0]); i++) {
        bool is_reply = !SUBJECTS[i].is_reply;
        struct str got = subject_find_base(str_from_c(SUBJECTS[i].text), &scratch, &is_reply);
        if (!str_eq(got, str_from_c(SUBJECTS[i].want)) || is_reply != SUBJECTS[i].is_reply) {
            print_message("%s\nwant %s %d\n got %.*s %d\n", SUBJECTS[i].text, SUBJECTS[i].want,
                          SUBJECTS[i].is_reply, STR_ARG(got), is_reply);
            wrong++;
        }
    }
    buf_release(&scratch);
    assert_int_equal(wrong, 0);
}

/* Ten thousands of brackets cost no more than they should. */
static void test_long(void **state)
{
    (void)state;
    enum { PAIRS = 30000 };
    struct buf text = BUF_INIT(1 << 20);
    struct buf scratch = BUF_INIT(1 << 20);
    for (unsigned i = 0; i < PAIRS; i++) {
        buf_add(&text, STR("[]"));
    }
    assert_str(subject_find_base(buf_str(&text), &scratch, NULL), STR("[]"));
    buf_add(&text, STR("x"));
    assert_str(subject_find_base(buf_str(&text), &scratch, NULL), STR("x"));
    buf_clear(&text);
    for (unsigned i = 0; i < PAIRS; i++) {
        buf_add(&text, STR("[fwd:"));
    }
    struct str open = buf_str(&text);
    assert_str(subject_find_base(open, &scratch, NULL), open);
    for (unsigned i = 0; i < PAIRS; i++) {
        buf_add(&text, STR("]"));
    }
    assert_int_equal(subject_find_base(buf_str(&text), &scratch, NULL).n, 0);
    buf_release(&text);
    buf_release(&scratch);
}

/* RFC 5255, 4.6 (c) (M-16), its own example and more: rising keys. What cannot be converted comes last, by octets. */
static void test_m_16_order(void **state)
{
    static const char *const RISING[] = {
        "",
        " ",
        "azz",
        "\xc3\xa4", /* titlecased and decomposed: "A" and its dots */
        "=?us-ascii?q?B?=",
        "bA",
        "z",
        "=?koi8-r?b?4czFy9PFyg==?=",        /* (4) of the RFC */
        "=?utf-8?b?0YHQldCg0JPQldCZ?=",     /* (2) */
        "=?utf-8?b?0JLQsNGB0LjQu9C4/7k=?=", /* (3) */
        "=?utf-8?b?0MDQvdC00YDQtdC5?=",     /* (1) */
        "=?x-none?q?=FE?=",
    };
    (void)state;
    struct collate c;
    struct buf keys[2] = {BUF_INIT(1000), BUF_INIT(1000)};
    collate_init(&c);
    for (size_t i = 0; i < sizeof(RISING) / sizeof(RISING[0]); i++) {
        struct buf *key = &keys[i % 2];
        buf_clear(key);
        collate_write(&c, str_from_c(RISING[i]), key);
        if (i > 0 && str_cmp(buf_str(&keys[(i + 1) % 2]), buf_str(key)) >= 0) {
            fail_msg("%s is not behind %s", RISING[i], RISING[i - 1]);
        }
    }
    buf_clear(&keys[0]);
    buf_clear(&keys[1]);
    assert_true(collate_write_subject(&c, STR("=?utf-8?q?Re:_=C3=84?="), &keys[0]));
    assert_false(collate_write_subject(&c, STR("\xc3\xa4 "), &keys[1]));
    assert_str(buf_str(&keys[0]), buf_str(&keys[1]));
    buf_release(&keys[0]);
    buf_release(&keys[1]);
    collate_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_m_14_base),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_m_16_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
