/* Histograms of command times: buckets, groups, and the text that is scraped. */
#include "main/latencies.h"

#include "unit.h"

static bool has(const struct buf *b, const char *line)
{
    return str_find_str(buf_str(b), str_from_c(line)) < b->len;
}

static void test_buckets(void **state)
{
    struct latencies l = {0};
    struct buf out = BUF_INIT(64 * 1024);
    latencies_write(&l, 0, &out);
    assert_false(has(&out, "limetta_command_seconds_count"));
    latencies_add(&l, STR("FETCH"), 100);
    latencies_add(&l, STR("FETCH"), 101);
    latencies_add(&l, STR("FETCH"), 20000000);
    latencies_add(&l, STR("IDLE"), 7200000000);
    latencies_add(&l, STR("XYZZY"), 5);
    buf_clear(&out);
    latencies_write(&l, 3, &out);
    assert_true(has(&out, "_bucket{worker=\"3\",command=\"fetch\",le=\"0.0001\"} 1\n"));
    assert_true(has(&out, "_bucket{worker=\"3\",command=\"fetch\",le=\"0.0003\"} 2\n"));
    assert_true(has(&out, "_bucket{worker=\"3\",command=\"fetch\",le=\"10.0\"} 2\n"));
    assert_true(has(&out, "_bucket{worker=\"3\",command=\"fetch\",le=\"+Inf\"} 3\n"));
    assert_true(has(&out, "_sum{worker=\"3\",command=\"fetch\"} 20.000201\n"));
    assert_true(has(&out, "_count{worker=\"3\",command=\"fetch\"} 3\n"));
    assert_true(has(&out, "_count{worker=\"3\",command=\"other\"} 1\n"));
    assert_false(has(&out, "command=\"select\""));
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buckets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
