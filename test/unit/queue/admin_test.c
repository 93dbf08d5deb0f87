/* X-QUEUE: the operator's requests, page by page. */
#include "queue/admin.h"

#include "net/fields.h"
#include "queue/schedule.h"
#include "temp_dir.h"
#include "unit.h"

enum { MESSAGES = 450, NOW = 5000 };

static char dir[] = "/tmp/limetta-admin-XXXXXX";
static struct queue *queue;
static uint64_t busy_id;

static bool is_busy(void *owner, uint64_t recipient_id)
{
    return recipient_id == busy_id;
}

static void write_key(void *owner, const struct mail_recipient *to, struct buf *key)
{
    buf_add(key, str_skip(to->address, str_find_last_char(to->address, '@') + 1));
}

/* Message i: from s<i % 10>@x, to r<i>@a.test, and x@b.test for each tenth. */
static void add(unsigned i)
{
    CLEANUP(buf_release) struct buf from = BUF_INIT(100);
    CLEANUP(buf_release) struct buf to = BUF_INIT(100);
    buf_addf(&from, "s%u@x", i % 10);
    buf_addf(&to, "r%u@a.test", i);
    struct queue_recipient r[2] = {
        {.to = {.address = buf_str(&to)}, .next_ms = 9000},
        {.to = {.address = STR("x@b.test")}, .next_ms = 9000},
    };
    struct queue_message m = {.arrived_ms = 1000,
                              .expires_ms = 99999,
                              .return_path = buf_str(&from),
                              .sender = STR("bob"),
                              .recipients = r,
                              .recipient_count = i % 10 == 0 ? 2 : 1};
    struct spool *s = queue_spool_new(queue, 1000);
    assert_int_equal(spool_add(s, STR("A: 1\r\n\r\n")), ERR_OK);
    assert_int_equal(queue_add(queue, &m, &s), ERR_OK);
}

static int set_up(void **state)
{
    temp_dir_make(dir, sizeof(dir));
    busy_id = 0;
    assert_int_equal(queue_open(str_from_c(dir), &queue), ERR_OK);
    queue_set_rules(queue, &(struct queue_rules){.write_key = write_key, .lifetime_ms = 1000});
    for (unsigned i = 0; i < MESSAGES; i++) {
        add(i);
    }
    assert_int_equal(queue_commit(queue), ERR_OK);
    return 0;
}

static int tear_down(void **state)
{
    queue_close(&queue);
    temp_dir_remove(dir);
    return 0;
}

/* All pages of a request: their end blocks' sums, and how often `what` is in them. */
struct sum {
    uint64_t pages;
    uint64_t messages;
    uint64_t recipients;
    uint64_t busy;
    size_t found;
    bool is_ok;
};

static void take(struct str answer, const char *what, struct sum *sum, uint64_t *next)
{
    struct str rest = answer;
    for (size_t at = 0; (at = str_find_str(rest, str_from_c(what))) < rest.n;) {
        rest = str_skip(rest, at + 1);
        sum->found++;
    }
    size_t end = str_find_str(answer, STR("\n\ntype=end\n"));
    struct str block = end < answer.n ? str_skip(answer, end + 2) : answer;
    struct fields f;
    assert_int_equal(fields_parse(str_sub(block, 0, block.n - 1), &f), ERR_OK);
    *next = fields_get_u64(&f, STR("next"), 0);
    sum->pages++;
    sum->messages += fields_get_u64(&f, STR("messages"), 0);
    sum->recipients += fields_get_u64(&f, STR("recipients"), 0);
    sum->busy += fields_get_u64(&f, STR("busy"), 0);
    sum->is_ok = str_eq(fields_get(&f, STR("result")), STR("ok"));
    fields_release(&f);
}

static struct sum ask(const char *request, const char *what)
{
    struct admin a = {
        .queue = queue, .hostname = STR("here.test"), .now_ms = NOW, .is_busy = is_busy};
    struct sum sum = {.is_ok = false};
    uint64_t next = 0;
    do {
        CLEANUP(buf_release) struct buf text = BUF_INIT(ADMIN_REQUEST_MOST);
        CLEANUP(buf_release) struct buf answer = BUF_INIT(ADMIN_ANSWER_MOST);
        buf_addf(&text, "%safter=%llu\n", request, (unsigned long long)next);
        admin_answer(&a, buf_str(&text), &answer);
        if (queue_has_pending(queue)) {
            assert_int_equal(queue_commit(queue), ERR_OK);
        }
        take(buf_str(&answer), what, &sum, &next);
    } while (next > 0);
    return sum;
}

static void test_list(void **state)
{
    static const struct {
        const char *request;
        uint64_t messages;
    } rows[] = {
        {"op=list\n", MESSAGES},
        {"op=list\nsender=s3@x\n", 45},
        {"op=list\nsender=bob\n", MESSAGES},
        {"op=list\nsender=nobody\n", 0},
        {"op=list\nsender=%3C%3E\n", 0},
        {"op=list\nrecipient=R7@a.test\n", 1},
        {"op=list\ndomain=B.test\n", 45},
        {"op=list\ndomain=B.test\nsender=s0@x\n", 45},
        {"op=list\ndomain=b.test\nsender=s1@x\n", 0},
        {"op=list\nheld=1\n", 0},
        {"op=list\nids=1%202%2099999\n", 2},
        {"op=show\nids=1\n", 1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sum s = ask(rows[i].request, "type=message\n");
        assert_true(s.is_ok);
        assert_int_equal(s.messages, rows[i].messages);
        assert_int_equal(s.found, rows[i].messages);
    }
    assert_int_equal(ask("op=list\n", "type=recipient\n").found, MESSAGES + 45);
    assert_int_equal(ask("op=list\n", "x").pages, 3); /* bounded */
    assert_false(ask("op=dance\n", "x").is_ok);
    assert_false(ask("op=list\nids=1%20x\n", "x").is_ok);
    assert_false(ask("nonsense\n", "x").is_ok);
}

static void test_hold(void **state)
{
    struct sum s = ask("op=hold\nsender=s0@x\n", "x");
    assert_int_equal(s.messages, 45);
    assert_int_equal(s.recipients, 90);
    assert_int_equal(queue_get_counts(queue).held, 90);
    assert_int_equal(ask("op=list\nheld=1\n", "state=held\n").found, 90);
    assert_int_equal(ask("op=release\ndomain=b.test\n", "x").recipients, 90);
    assert_int_equal(queue_get_counts(queue).held, 0);
    assert_int_equal(ask("op=release\n", "x").recipients, 0);
}

/* Removing is silent, or tells the sender; what is under way is left alone. */
static void test_remove(void **state)
{
    busy_id = 1;
    struct sum s = ask("op=remove\nids=1%202\n", "x");
    assert_int_equal(s.recipients, 2);
    assert_int_equal(s.busy, 1);
    assert_int_equal(queue_get_counts(queue).messages, MESSAGES - 1);
    assert_int_equal(ask("op=remove\ndomain=b.test\nbounce=1\n", "x").recipients, 44);
    assert_int_equal(queue_get_counts(queue).messages, MESSAGES - 1 + 44);
    assert_int_equal(ask("op=list\nrecipient=s0@x\nsender=%3C%3E\n", "type=message").found, 44);
    busy_id = 0;
    (void)ask("op=remove\n", "x");
    assert_int_equal(queue_get_counts(queue).messages, 0);
    assert_int_equal(queue_get_counts(queue).recipients, 0);
    assert_int_equal(queue_get_counts(queue).octets, 0);
    uint64_t next = 0;
    assert_int_equal(queue_get_next_ms(queue, 0, &next), ERR_OK);
    assert_true(next == UINT64_MAX); /* no line is left behind */
}

static void test_flush(void **state)
{
    uint64_t next = 0;
    assert_int_equal(queue_set_wait(queue, 3, 4, 80000, STR("451 no")), ERR_OK);
    assert_int_equal(queue_commit(queue), ERR_OK);
    assert_int_equal(ask("op=status\n", "key=a.test\nfailures=4\nwait=80000\nwhy=451%20no\n").found,
                     1);
    assert_int_equal(ask("op=list\nids=2\n", "wait=80000\nwhy=451%20no\n").found, 1);
    assert_int_equal(ask("op=flush\n", "x").recipients, MESSAGES + 45);
    assert_int_equal(queue_get_next_ms(queue, NOW - 1, &next), ERR_OK);
    assert_int_equal(next, NOW);
    assert_int_equal(ask("op=status\n", "type=destination").found, 0);
    assert_int_equal(ask("op=status\n", "messages=450\n").found, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_remove, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_flush, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
