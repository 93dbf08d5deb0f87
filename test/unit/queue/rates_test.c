/* What somebody submitted within the last hour: it slides, and outlives the process. */
#include "queue/rates.h"

#include "base/buf.h"
#include "temp_dir.h"
#include "unit.h"

#include <stdio.h>

enum { MINUTE_MS = 60 * 1000, SLOT = 5 * MINUTE_MS };

static char dir[] = "/tmp/limetta-rates-XXXXXX";

static struct rates *open_rates(void)
{
    struct rates *r = NULL;
    assert_int_equal(rates_open(str_from_c(dir), &r), ERR_OK);
    return r;
}

static uint64_t messages(struct rates *r, const char *key, uint64_t now_ms)
{
    struct rates_sum sum = {0};
    assert_int_equal(rates_get(r, str_from_c(key), now_ms, &sum), ERR_OK);
    assert_int_equal(sum.recipients, sum.messages * 3);
    assert_int_equal(sum.octets, sum.messages * 100);
    return sum.messages;
}

static void test_hour(void **state)
{
    static const struct rates_sum ONE = {1, 3, 100};
    uint64_t start = 1000 * (uint64_t)SLOT;
    temp_dir_make(dir, sizeof(dir));
    struct rates *r = open_rates();
    assert_int_equal(messages(r, "anna", start), 0);
    assert_int_equal(rates_add(r, STR("anna"), start, &ONE), ERR_OK);
    assert_int_equal(rates_add(r, STR("anna"), start + 1, &ONE), ERR_OK);
    assert_int_equal(rates_add(r, STR("anna"), start + SLOT, &ONE), ERR_OK);
    assert_int_equal(rates_add(r, STR("bob"), start, &ONE), ERR_OK);
    assert_int_equal(messages(r, "anna", start + SLOT), 3);
    assert_int_equal(messages(r, "bob", start + SLOT), 1);
    /* Not a clean end: what was counted is there. */
    rates_close(&r);
    r = open_rates();
    assert_int_equal(messages(r, "anna", start + 12 * SLOT), 3);
    assert_int_equal(messages(r, "anna", start + 13 * SLOT), 1);
    assert_int_equal(messages(r, "anna", start + 14 * SLOT), 0);
    /* A later slot forgets what is over. */
    assert_int_equal(rates_add(r, STR("bob"), start + 20 * SLOT, &ONE), ERR_OK);
    assert_int_equal(messages(r, "anna", start + SLOT), 0);
    rates_close(&r);
    temp_dir_remove(dir);
}

/* A file that is none: an hour's memory is not worth a server that does not start. */
static void test_broken(void **state)
{
    temp_dir_make(dir, sizeof(dir));
    CLEANUP(buf_release) struct buf path = BUF_INIT(1000);
    buf_addf(&path, "%s/rates.db", dir);
    FILE *f = fopen(path.p, "w");
    assert_non_null(f);
    for (int i = 0; i < 10000; i++) {
        (void)fputs("no database ", f);
    }
    (void)fclose(f);
    struct rates *r = open_rates();
    assert_int_equal(messages(r, "anna", 1), 0);
    rates_close(&r);
    temp_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hour),
        cmocka_unit_test(test_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
