/* When things happen: next hops that are down, priorities, release, DELIVERBY, hold, and what senders hear meanwhile. Two next
 * hops at the other end of pipes in memory, on the virtual clock; reports come back to bob at a third. */
#include "queue/runner.h"

#include "base/mem.h"
#include "net/stream.h"
#include "temp_dir.h"
#include "unit.h"

#include <netinet/in.h>
#include <stdlib.h>

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

/* 192.0.2.<n>. */
struct host {
    bool is_down;
    uint64_t delay_ms; /* of each answer */
    unsigned connects;
};

static char dir[] = "/tmp/limetta-schedule-XXXXXX";
static struct loop *loop;
static struct queue *queue;
static struct routes *routes;
static struct runner *runner;
static struct host hosts[4];
static unsigned jobs_per_destination;
static struct buf got; /* "to ", and whole reports */

/* ---- a next hop ---- */

struct server {
    struct stream *stream;
    struct buf in;
    struct host *host;
    struct timer *timer;
    bool is_data;
};

static void answer(struct server *s, struct str line)
{
    if (s->is_data) {
        buf_add(&got, line);
        buf_add_c(&got, "\n");
        s->is_data = !str_eq(line, STR("."));
        if (!s->is_data) {
            stream_write(s->stream, STR("250 2.0.0 ok\r\n"));
        }
    } else if (str_starts(line, STR("DATA"))) {
        s->is_data = true;
        stream_write(s->stream, STR("354 go on\r\n"));
    } else {
        size_t at = str_find_char(line, ':');
        if (str_starts(line, STR("RCPT"))) {
            buf_addf(&got, "%.*s ", STR_ARG(str_skip(line, at + 1)));
        }
        bool is_ehlo = str_starts(line, STR("EHLO"));
        stream_write(s->stream,
                     is_ehlo ? STR("250-hop.test\r\n250 DELIVERBY\r\n") : STR("250 2.1.0 ok\r\n"));
    }
}

/* Answers what is there; when it is slow, one line. */
static void answer_all(void *owner)
{
    struct server *s = owner;
    for (;;) {
        struct str all = buf_str(&s->in);
        size_t end = str_find_str(all, STR("\r\n"));
        if (end == all.n) {
            return;
        }
        answer(s, str_sub(all, 0, end));
        buf_consume(&s->in, end + 2);
        if (s->host->delay_ms > 0 && !s->is_data) {
            return;
        }
    }
}

static void on_octets(void *owner, struct str octets)
{
    struct server *s = owner;
    buf_add(&s->in, octets);
    if (s->host->delay_ms > 0) {
        timer_start(s->timer, s->host->delay_ms);
    } else {
        answer_all(s);
    }
}

static void on_drained(void *owner)
{
}

static void on_end(void *owner, enum err why)
{
    struct server *s = owner;
    stream_free(&s->stream);
    timer_free(&s->timer);
    buf_release(&s->in);
    free(s);
}

static bool on_connect(void *owner, const struct sockaddr_storage *to, struct stream *stream)
{
    static const struct stream_handler HANDLER = {on_octets, on_drained, on_end};
    const struct sockaddr_in *at = (const struct sockaddr_in *)to;
    struct host *h = &hosts[ntohl(at->sin_addr.s_addr) & 3];
    h->connects++;
    if (h->is_down) {
        return false;
    }
    struct server *s = mem_new(sizeof(*s));
    s->stream = stream;
    s->in = BUF_INIT(1 << 20);
    s->host = h;
    s->timer = timer_new(loop, answer_all, s);
    stream_set_handler(stream, &HANDLER, s);
    stream_write(stream, STR("220 hop.test\r\n"));
    return true;
}

/* ---- the queue ---- */

static struct stream *open_store(void *owner, unsigned index)
{
    return NULL;
}

static void find_user(void *owner, struct str address,
                      void (*tell)(void *asker, enum err e, const struct mail_found *found),
                      void *asker)
{
    tell(asker, ERR_UNAVAILABLE, &(struct mail_found){.user = STR_EMPTY});
}

static void forget(void *owner, void *asker)
{
}

static void turn_end(void *owner)
{
    if (queue_has_pending(queue)) {
        assert_int_equal(queue_commit(queue), ERR_OK);
        runner_wake(runner);
    }
}

static void start(void)
{
    static struct runner_args args;
    assert_int_equal(queue_open(str_from_c(dir), &queue), ERR_OK);
    args = (struct runner_args){
        .loop = loop,
        .routes = routes,
        .queue = queue,
        .hostname = STR("mail.here.test"),
        .domains = STR("here.test"),
        .workers = 1,
        .schedule = SCHEDULE_DEFAULT,
        .jobs_most = 3 * jobs_per_destination,
        .jobs_per_destination = jobs_per_destination,
        .host = {open_store, find_user, forget, NULL},
    };
    runner = runner_new(&args);
    loop_set_turn_end(loop, turn_end, NULL);
}

static void stop(void)
{
    loop_set_turn_end(loop, NULL, NULL);
    runner_free(&runner);
    loop_advance(loop, 1);
    queue_close(&queue);
}

static int set_up(void **state)
{
    temp_dir_make(dir, sizeof(dir));
    loop = loop_new_fake(1700000000000);
    got = BUF_INIT(1 << 20);
    memset(hosts, 0, sizeof(hosts));
    jobs_per_destination = 1;
    stream_set_fake_connect(loop, on_connect, NULL);
    struct routes_args args = {
        .loop = loop,
        .routes = STR("one.test=smtp://192.0.2.1:25?tls=off two.test=smtp://192.0.2.2:25?tls=off "
                      "bob.test=smtp://192.0.2.3:25?tls=off"),
    };
    assert_int_equal(routes_new(&args, &routes), ERR_OK);
    start();
    return 0;
}

static int tear_down(void **state)
{
    stop();
    routes_free(&routes);
    loop_free(&loop);
    buf_release(&got);
    temp_dir_remove(dir);
    return 0;
}

static uint64_t submit(const char *to, struct mail_terms terms)
{
    struct spool *s = queue_spool_new(queue, 1 << 20);
    assert_int_equal(spool_add(s, STR("Subject: hello\r\n\r\nbody\r\n")), ERR_OK);
    uint64_t now = loop_wall_ms(loop);
    struct queue_recipient r = {.to = {.address = str_from_c(to)}};
    r.next_ms = terms.release_ms > now ? terms.release_ms : now;
    struct queue_message m = {.arrived_ms = now,
                              .return_path = STR("bob@bob.test"),
                              .terms = terms,
                              .recipients = &r,
                              .recipient_count = 1};
    assert_int_equal(queue_add(queue, &m, &s), ERR_OK);
    loop_advance(loop, 10);
    return m.id;
}

static uint64_t count(void)
{
    return queue_get_counts(queue).messages;
}

static size_t times(const char *what)
{
    struct str rest = buf_str(&got);
    size_t n = 0;
    for (size_t at = 0; (at = str_find_str(rest, str_from_c(what))) < rest.n; n++) {
        rest = str_skip(rest, at + 1);
    }
    return n;
}

static void count_waiting(void *owner, const struct queue_destination *d)
{
    ++*(size_t *)owner;
}

/* Destinations that are left alone after a failure. */
static size_t count_waits(void)
{
    size_t n = 0;
    assert_int_equal(queue_find_waiting(queue, 10, count_waiting, &n), ERR_OK);
    return n;
}

static const struct mail_terms NONE;

/* X-QUEUE: a hop that is down is asked again and again, but not for each message; others are not held up. It survives a restart. */
static void test_dead_hop(void **state)
{
    hosts[1].is_down = true;
    for (unsigned i = 0; i < 60; i++) {
        (void)submit("x@one.test", NONE);
    }
    (void)submit("y@two.test", NONE);
    assert_int_equal(times("<y@two.test>"), 1);
    loop_advance(loop, HOUR);
    assert_true(hosts[1].connects >= 6 && hosts[1].connects <= 12);
    unsigned before = hosts[1].connects;
    stop();
    start();
    loop_advance(loop, MINUTE);
    assert_true(hosts[1].connects <= before + 1); /* it still waits */
    hosts[1].is_down = false;
    loop_advance(loop, 90 * MINUTE);
    assert_int_equal(times("<x@one.test>"), 60);
    assert_int_equal(count(), 0);
    assert_int_equal(times("Action:"), 0);
}

/* A hop that answers each command just in time keeps no slot for ever, and few as long as it is not known to be of use. */
static void test_slow_hop(void **state)
{
    enum { RECIPIENTS = 20 };
    struct queue_recipient to[RECIPIENTS];
    stop();
    jobs_per_destination = 20;
    start();
    hosts[1].delay_ms = 4 * MINUTE;
    for (size_t i = 0; i < RECIPIENTS; i++) {
        to[i] = (struct queue_recipient){.to = {.address = STR("x@one.test")}};
    }
    struct queue_message m = {.arrived_ms = loop_wall_ms(loop),
                              .expires_ms = loop_wall_ms(loop) + 5 * DAY,
                              .return_path = STR("bob@bob.test"),
                              .recipients = to,
                              .recipient_count = RECIPIENTS};
    struct spool *s = queue_spool_new(queue, 1 << 20);
    assert_int_equal(spool_add(s, STR("Subject: slow\r\n\r\n")), ERR_OK);
    assert_int_equal(queue_add(queue, &m, &s), ERR_OK);
    for (int i = 0; i < 10; i++) {
        (void)submit("x@one.test", NONE);
    }
    for (int turn = 0; turn < 20; turn++) {
        loop_advance(loop, 1);
    }
    assert_int_equal(hosts[1].connects, 4);
    loop_advance(loop, 29 * MINUTE); /* one message got through meanwhile: the hop is known */
    assert_true(hosts[1].connects > 4 && hosts[1].connects <= 12);
    assert_int_equal(count_waits(), 0);
    loop_advance(loop, 2 * MINUTE);
    assert_int_equal(count_waits(), 1);
    hosts[1].delay_ms = 0;
    loop_advance(loop, 3 * HOUR);
    assert_int_equal(count(), 0);
}

/* The senders of mail behind a dead hop hear of the delay, once, and of the end, with the reason; nobody had to try. */
static void test_time_behind_a_dead_hop(void **state)
{
    hosts[1].is_down = true;
    for (unsigned i = 0; i < 5; i++) {
        (void)submit("x@one.test", NONE);
    }
    loop_advance(loop, 4 * HOUR + MINUTE);
    assert_int_equal(times("Action: delayed"), 5);
    assert_int_equal(times("Will-Retry-Until:"), 5);
    loop_advance(loop, 4 * DAY);
    assert_int_equal(times("Action: delayed"), 5);
    assert_int_equal(count(), 5);
    loop_advance(loop, DAY);
    assert_int_equal(times("Action: failed\r\n") + times("Action: failed\n"), 5);
    assert_int_equal(times("Status: 4.4.7"), 5);
    assert_true(times("cannot be reached") >= 5);
    assert_int_equal(count(), 0);
}

/* X-MT-PRIORITY: what waited for the hop leaves in the order of priority, and of age inside one. */
static void test_priority(void **state)
{
    static const struct {
        const char *to;
        int8_t priority;
    } rows[] = {{"a@one.test", 0}, {"b@one.test", 0}, {"c@one.test", 5}, {"d@one.test", -4}};
    hosts[1].is_down = true;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void)submit(rows[i].to, (struct mail_terms){.priority = rows[i].priority});
    }
    hosts[1].is_down = false;
    loop_advance(loop, HOUR);
    size_t at[4];
    for (size_t i = 0; i < 4; i++) {
        CLEANUP(buf_release) struct buf to = BUF_INIT(100);
        buf_addf(&to, "<%s>", rows[i].to);
        at[i] = str_find_str(buf_str(&got), buf_str(&to));
        assert_true(at[i] < got.len);
    }
    assert_true(at[2] < at[0] && at[0] < at[1] && at[1] < at[3]);
}

/* X-FUTURERELEASE: not before its time; the sender's clocks start there. */
static void test_release(void **state)
{
    uint64_t now = loop_wall_ms(loop);
    (void)submit("x@two.test", (struct mail_terms){.release_ms = now + DAY});
    hosts[1].is_down = true;
    (void)submit("y@one.test", (struct mail_terms){.release_ms = now + 10 * DAY});
    loop_advance(loop, DAY - MINUTE);
    assert_int_equal(got.len, 0);
    loop_advance(loop, 2 * MINUTE);
    assert_int_equal(times("<x@two.test>"), 1);
    loop_advance(loop, 9 * DAY);
    assert_int_equal(times("Action: "), 0);
    loop_advance(loop, 5 * HOUR);
    assert_int_equal(times("Action: delayed"), 1);
    loop_advance(loop, 4 * DAY);
    assert_int_equal(count(), 1);
    loop_advance(loop, DAY);
    assert_int_equal(times("Action: failed"), 1);
    assert_int_equal(count(), 0);
}

/* X-DELIVERBY (RFC 2852): "R" returns the message at its time, "N" tells and goes on. */
static void test_deliver_by(void **state)
{
    uint64_t by = loop_wall_ms(loop) + 10 * MINUTE;
    hosts[1].is_down = true;
    (void)submit("r@one.test", (struct mail_terms){.by = SMTP_BY_RETURN, .deliver_by_ms = by});
    (void)submit("n@one.test", (struct mail_terms){.by = SMTP_BY_NOTIFY, .deliver_by_ms = by});
    (void)submit("t@two.test", (struct mail_terms){.by = SMTP_BY_RETURN, .deliver_by_ms = by});
    loop_advance(loop, 10 * MINUTE - 30 * SECOND);
    assert_int_equal(times("Action: "), 0);
    loop_advance(loop, MINUTE);
    assert_int_equal(
        times("Final-Recipient: rfc822; r@one.test\r\nAction: failed\r\nStatus: 5.4.7")
            + times("Final-Recipient: rfc822; r@one.test\nAction: failed\nStatus: 5.4.7"),
        1);
    assert_int_equal(times("Final-Recipient: rfc822; n@one.test\nAction: delayed\nStatus: 4.4.7"),
                     1);
    assert_int_equal(count(), 1);
    hosts[1].is_down = false;
    loop_advance(loop, 2 * HOUR);
    assert_int_equal(times("<n@one.test>"), 1);
    assert_int_equal(times("<r@one.test>"), 0);
    assert_int_equal(times("Action: "), 2);
    assert_int_equal(count(), 0);
}

/* Held mail rests: no attempt, no report, no end; released, it is tried, and what is over by then is over. */
static void test_hold(void **state)
{
    uint64_t changed = 0;
    uint64_t id =
        submit("x@two.test", (struct mail_terms){.release_ms = loop_wall_ms(loop) + 1000});
    assert_int_equal(queue_hold(queue, id, &changed), ERR_OK);
    loop_advance(loop, 4 * DAY);
    assert_int_equal(got.len, 0);
    stop();
    start();
    loop_advance(loop, HOUR);
    assert_int_equal(got.len, 0);
    assert_int_equal(queue_release(queue, id, loop_wall_ms(loop), &changed), ERR_OK);
    loop_advance(loop, HOUR);
    assert_int_equal(times("<x@two.test>"), 1);
    hosts[1].is_down = true;
    id = submit("y@one.test", NONE);
    assert_int_equal(queue_hold(queue, id, &changed), ERR_OK);
    loop_advance(loop, 9 * DAY);
    assert_int_equal(times("Action: "), 0);
    unsigned before = hosts[1].connects;
    assert_int_equal(queue_release(queue, id, loop_wall_ms(loop), &changed), ERR_OK);
    loop_advance(loop, 30 * SECOND);
    assert_true(hosts[1].connects > before);
    assert_int_equal(times("Action: "), 0);
    loop_advance(loop, MINUTE);
    assert_int_equal(times("Action: failed"), 1);
    assert_int_equal(count(), 0);
}

/* After the server was away for longer than mail lives, mail is tried before it is given up. */
static void test_long_away(void **state)
{
    hosts[1].is_down = hosts[2].is_down = true;
    (void)submit("x@one.test", NONE);
    (void)submit("y@two.test", NONE);
    stop();
    loop_advance(loop, 20 * DAY);
    hosts[2].is_down = false;
    start();
    loop_advance(loop, 2 * MINUTE);
    assert_int_equal(times("<y@two.test>"), 1);
    assert_int_equal(times("Action: failed"), 1);
    assert_int_equal(times("Final-Recipient: rfc822; x@one.test"), 1);
    assert_int_equal(count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_dead_hop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_slow_hop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_time_behind_a_dead_hop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_priority, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_release, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deliver_by, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_away, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
