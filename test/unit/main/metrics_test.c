/* GET /metrics: the answer to a request, without a socket; and the text itself. */
#include "main/metrics.h"

#include "unit.h"

#include <unistd.h>

static void write_body(void *owner, struct buf *out)
{
    unsigned *calls = owner;
    (*calls)++;
    buf_add_c(out, "# EOF\n");
}

static void test_requests(void **state)
{
    static const struct {
        const char *request;
        const char *status; /* NULL: not complete */
    } CASES[] = {
        {"", NULL},
        {"GET /metrics HTTP/1.1\r\nHost: x\r\n", NULL},
        {"\r\n\r\n", "HTTP/1.1 400 "},
        {"GET /metrics\r\n\r\n", "HTTP/1.1 400 "},
        {"GET /metrics FTP/1.0\r\n\r\n", "HTTP/1.1 400 "},
        {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "},
        {"GET /metrics/../etc HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "},
        {"POST /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 405 "},
        {"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n"},
        {"GET /metrics HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n"},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        unsigned calls = 0;
        struct buf out = BUF_INIT(8192);
        bool is_whole = metrics_answer(str_from_c(CASES[i].request), write_body, &calls, &out);
        assert_int_equal(is_whole, CASES[i].status != NULL);
        if (is_whole) {
            assert_true(str_starts(buf_str(&out), str_from_c(CASES[i].status)));
            bool is_fine = str_starts(buf_str(&out), STR("HTTP/1.1 200"));
            assert_int_equal(calls, is_fine ? 1 : 0);
            assert_int_equal(str_ends(buf_str(&out), STR("\r\n\r\n# EOF\n")), is_fine);
        }
        buf_release(&out);
    }
}

static void test_text(void **state)
{
    struct metrics_role roles[] = {
        {ROLE_AUTH, 0, getpid(), true, 0, STR("limetta_queue_messages 3\n")},
        {ROLE_STORE, 3, 0, false, 7, STR_EMPTY},
    };
    struct buf out = BUF_INIT(8192);
    metrics_write_roles(&out, roles, 2, 1700000000005);
    assert_true(str_ends(buf_str(&out), STR("\nlimetta_queue_messages 3\n# EOF\n")));
    struct str s = buf_str(&out);
    assert_true(str_find_str(s, STR("\nlimetta_start_time_seconds 1700000000.005\n")) < s.n);
    assert_true(str_find_str(s, STR("\nlimetta_role_ready{role=\"auth\",index=\"0\"} 1\n")) < s.n);
    assert_true(
        str_find_str(s, STR("\nlimetta_role_restarts_total{role=\"store\",index=\"3\"} 7\n"))
        < s.n);
    assert_true(str_find_str(s, STR("_bytes{role=\"store\",index=\"3\"} 0\n")) < s.n);
    assert_true(str_find_str(s, STR("_bytes{role=\"auth\",index=\"0\"} 0\n")) == s.n);
    assert_true(str_ends(s, STR("\n# EOF\n")));
    buf_release(&out);
}

/* Workers say the same families; each is written once, with the samples of all. */
static void test_families(void **state)
{
    struct metrics_role roles[] = {
        {ROLE_STORE, 0, 0, true, 0,
         STR("# TYPE limetta_a counter\n# HELP limetta_a It.\nlimetta_a_total{worker=\"0\"} 1\n")},
        {ROLE_SUBMIT, 0, 0, true, 0, STR("# TYPE limetta_b gauge\nlimetta_b 5\n")},
        {ROLE_STORE, 1, 0, true, 0,
         STR("# TYPE limetta_c gauge\nlimetta_c 6\n"
             "# TYPE limetta_a counter\n# HELP limetta_a It.\nlimetta_a_total{worker=\"1\"} 2\n")},
    };
    struct buf out = BUF_INIT(8192);
    metrics_write_roles(&out, roles, 3, 0);
    assert_true(str_ends(buf_str(&out),
                         STR("\n# TYPE limetta_a counter\n# HELP limetta_a It.\n"
                             "limetta_a_total{worker=\"0\"} 1\nlimetta_a_total{worker=\"1\"} 2\n"
                             "# TYPE limetta_b gauge\nlimetta_b 5\n"
                             "# TYPE limetta_c gauge\nlimetta_c 6\n# EOF\n")));
    buf_release(&out);
}

/* A role writes its own families, and nothing else. */
static void test_role_text(void **state)
{
    assert_true(
        metrics_is_text(STR("# TYPE limetta_a gauge\n# HELP limetta_a It.\nlimetta_a 1\n")));
    static const char *const wrong[] = {"",
                                        "limetta_a 1",
                                        "# EOF\n",
                                        "other 1\n",
                                        "limetta_a 1\n\n",
                                        "limetta_a 1\n# EOF\n",
                                        "limetta_\x01\n",
                                        "limetta_a 1\nup 0\n",
                                        "# TYPE x gauge\n"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(metrics_is_text(str_from_c(wrong[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_role_text),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
