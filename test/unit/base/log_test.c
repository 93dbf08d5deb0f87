/* What stands in a line of the log, whatever peers say. */
#include "base/err.h"
#include "base/log.h"

#include "unit.h"

#include <fcntl.h>
#include <unistd.h>

enum { LINE_MOST = 4096 };

/* What is logged of said, behind time and role. */
static struct str log_of(const char *said, char line[LINE_MOST])
{
    int ends[2];
    int kept = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    assert_true(kept >= 0 && dup2(ends[1], STDERR_FILENO) >= 0);
    log_info("<%s>", said);
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    ssize_t n = read(ends[0], line, LINE_MOST - 1);
    line[n > 0 ? n : 0] = '\0';
    (void)close(kept);
    (void)close(ends[0]);
    (void)close(ends[1]);
    assert_true(n > 0);
    struct str s = str_make(line, (size_t)n);
    return str_skip(s, str_find_char(s, '<'));
}

static void test_controls(void **state)
{
    static const char *const ROWS[][2] = {
        {"plain", "<plain>\n"},
        {"a\r\nerror auth: forged", "<a??error auth: forged>\n"},
        {"\x1b[2J \x7f\t", "<?[2J ?\?>\n"},
        {"j\xc3\xb6rg \xe2\x82\xac", "<j\xc3\xb6rg \xe2\x82\xac>\n"},
        {"\xc2\x9b"
         "2J",
         "<?\?2J>\n"}, /* CSI of C1 */
        {"\x9b"
         "2J \xff \xc3",
         "<?2J ? ?>\n"},
    };
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        char line[LINE_MOST];
        assert_str(log_of(ROWS[i][0], line), str_from_c(ROWS[i][1]));
    }
}

/* Whose connection a line is about. */
static void test_about(void **state)
{
    static const struct {
        uint32_t id;
        const char *head;
    } ROWS[] = {{0, ": <x>\n"}, {1, "[0000001] <x>\n"}, {UINT32_MAX, "[3zzzzzz] <x>\n"}};
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        char line[LINE_MOST];
        CLEANUP(log_restore) uint32_t before = log_about(ROWS[i].id);
        assert_int_equal(log_get_about(), ROWS[i].id);
        (void)log_of("x", line);
        assert_true(strstr(line, ROWS[i].head) != NULL);
    }
    assert_int_equal(log_get_about(), 0);
}

/* A line is cut, and is still one line and UTF-8. */
static void test_cut(void **state)
{
    char line[LINE_MOST];
    char said[3000];
    for (size_t shift = 0; shift < 2; shift++) {
        memset(said, 'x', shift);
        for (size_t i = shift; i + 2 < sizeof(said); i += 2) {
            memcpy(said + i, "\xc3\xa9", 3);
        }
        struct str got = log_of(said, line);
        assert_true(got.n < 1024);
        assert_int_equal(str_find_char(got, '\n'), got.n - 1);
        char last = got.p[got.n - 2];
        assert_true(last == '?' || last == '\xa9');
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_controls),
        cmocka_unit_test(test_about),
        cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
