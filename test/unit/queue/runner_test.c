/* The queue at work on the virtual clock: store workers are LMTP cores at the other end of pipes in memory. */
#include "queue/runner.h"

#include "queue/schedule.h"
#include "smtp/lmtp.h"
#include "temp_dir.h"
#include "unit.h"

#include "base/mem.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ARENA_MOST = 1 << 20, SECOND = 1000, HOUR = 3600 * SECOND, DAY = 24 * HOUR };

/* A store worker, and what it got. */
struct worker {
    bool is_down;
    bool is_mute;         /* takes the connection and says nothing */
    bool is_out_of_reach; /* it greets, and hears nothing */
    enum err recipient_err;
    enum err delivery_err; /* for anna; bob gets his reports */
    struct buf got;        /* "user(address) from return-path: content\n" */
    unsigned sessions;
};

/* One session of it. */
struct visit {
    struct worker *worker;
    struct lmtp_host host;
    struct session *core;
    struct stream *stream;
    struct buf users;
    struct buf content;
    struct buf from;
    size_t count;
};

static char dir[] = "/tmp/limetta-runner-XXXXXX";
static struct loop *loop;
static struct queue *queue;
static struct routes *routes;
static struct runner *runner;
static struct worker worker;
static bool is_auth_down;
static bool is_disk_full;
static bool is_auth_up; /* for all of the addresses "mixed..." */

/* ---- the worker ---- */

static enum err add_recipient(void *owner, struct str user, struct str address)
{
    struct visit *v = owner;
    if (v->worker->recipient_err == ERR_OK) {
        buf_addf(&v->users, "%.*s(%.*s) ", STR_ARG(user), STR_ARG(address));
        v->count++;
    }
    return v->worker->recipient_err;
}

static void content_start(void *owner, struct str return_path)
{
    struct visit *v = owner;
    buf_clear(&v->from);
    buf_add(&v->from, return_path);
    buf_clear(&v->content);
}

static enum err content_add(void *owner, struct str octets)
{
    buf_add(&((struct visit *)owner)->content, octets);
    return ERR_OK;
}

static void content_finish(void *owner)
{
    struct visit *v = owner;
    struct worker *w = v->worker;
    enum err e = str_starts(buf_str(&v->users), STR("anna")) ? w->delivery_err : ERR_OK;
    if (e == ERR_OK) {
        buf_addf(&w->got, "%.*sfrom %.*s: ", STR_ARG(buf_str(&v->users)),
                 STR_ARG(buf_str(&v->from)));
        buf_add(&w->got, buf_str(&v->content));
        buf_add_char(&w->got, '\n');
    }
    for (size_t i = 0; i < v->count; i++) {
        lmtp_on_delivered(v->core, i, e);
    }
}

static void reset(void *owner)
{
    struct visit *v = owner;
    v->count = 0;
    buf_clear(&v->users);
}

static void wake(void *owner)
{
}

static void visit_free(struct visit *v)
{
    v->core->ops->free(&v->core);
    stream_free(&v->stream);
    buf_release(&v->users);
    buf_release(&v->content);
    buf_release(&v->from);
    free(v);
}

static void visit_step(struct visit *v)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 20);
    enum session_want want = SESSION_EVENT;
    do {
        want = v->core->ops->step(v->core, &out);
    } while (want == SESSION_OUTPUT || want == SESSION_EVENT);
    if (!v->worker->is_mute) {
        stream_write(v->stream, buf_str(&out));
    }
    if (want == SESSION_CLOSE) {
        stream_shutdown(v->stream);
    }
}

static void on_octets(void *owner, struct str octets)
{
    struct visit *v = owner;
    v->core->ops->feed(v->core, octets);
    visit_step(v);
}

static struct visit *last_visit;

static void on_drained(void *owner)
{
}

static void on_end(void *owner, enum err why)
{
    last_visit = last_visit == owner ? NULL : last_visit;
    visit_free(owner);
}

static struct stream *open_store(void *owner, unsigned index)
{
    static const struct stream_handler HANDLER = {on_octets, on_drained, on_end};
    if (worker.is_down) {
        return NULL;
    }
    worker.sessions++;
    struct visit *v = mem_new(sizeof(*v));
    struct stream *near = NULL;
    v->worker = &worker;
    v->users = BUF_INIT(10000);
    v->content = BUF_INIT(1 << 20);
    v->from = BUF_INIT(1000);
    v->host = (struct lmtp_host){{wake, v, NULL}, add_recipient, content_start, content_add,
                                 content_finish,  reset,         NULL};
    v->core = lmtp_new(STR("store"), 1 << 20, &v->host);
    stream_pair(loop, &near, &v->stream);
    stream_set_handler(v->stream, &HANDLER, v);
    visit_step(v);
    last_visit = v;
    if (worker.is_out_of_reach) {
        stream_pause(v->stream);
    }
    return near;
}

/* ---- the world ---- */

static void find_user(void *owner, struct str address,
                      void (*answer)(void *asker, enum err e, const struct mail_found *found),
                      void *asker)
{
    struct mail_found found = {.user = str_sub(address, 0, str_find_char(address, '@'))};
    enum err e = ERR_OK;
    if (is_auth_down) {
        e = ERR_UNAVAILABLE;
    } else if (str_starts(address, STR("mixed"))) {
        unsigned kind = (unsigned)found.user.p[found.user.n - 1] % 3;
        e = kind == 0 ? ERR_NO_USER : kind == 2 && !is_auth_up ? ERR_UNAVAILABLE : ERR_OK;
    } else if (str_starts(address, STR("nobody"))) {
        e = ERR_NO_USER;
    } else if (str_starts(address, STR("all"))) {
        found = (struct mail_found){.targets = STR("anna@here.test carl@here.test x@far.test"),
                                    .users = STR("anna carl .")};
    } else if (str_starts(address, STR("one@"))) {
        found = (struct mail_found){.targets = STR("carl@here.test"), .users = STR("carl")};
    } else if (str_starts(address, STR("circle@"))) {
        found = (struct mail_found){.targets = STR("circle2@here.test"), .users = STR(".")};
    } else if (str_starts(address, STR("circle2@"))) {
        found = (struct mail_found){.targets = STR("circle@here.test"), .users = STR(".")};
    }
    answer(asker, e, &found);
}

static void forget(void *owner, void *asker)
{
}

static void turn_end(void *owner)
{
    if (!queue_has_pending(queue)) {
        return;
    }
    enum err e = queue_commit(queue);
    assert_true(is_disk_full || e == ERR_OK);
    if (e == ERR_OK) {
        runner_wake(runner);
    } else {
        runner_pause(runner);
    }
}

/* No file may grow. */
static void set_disk_full(bool is_full)
{
    static struct rlimit old;
    struct rlimit tight = {0};
    is_disk_full = is_full;
    if (is_full) {
        (void)signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
        tight.rlim_max = old.rlim_max;
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, is_full ? &tight : &old), 0);
}

static int set_up(void **state)
{
    temp_dir_make(dir, sizeof(dir));
    loop = loop_new_fake(1700000000000);
    worker = (struct worker){.got = BUF_INIT(1 << 20)};
    is_auth_down = is_disk_full = is_auth_up = false;
    assert_int_equal(queue_open(str_from_c(dir), &queue), ERR_OK);
    assert_int_equal(routes_new(&(struct routes_args){.loop = loop}, &routes), ERR_OK);
    struct runner_args args = {
        .loop = loop,
        .routes = routes,
        .queue = queue,
        .hostname = STR("mail.here.test"),
        .domains = STR("here.test other.test"),
        .workers = 1,
        .schedule = SCHEDULE_DEFAULT,
        .jobs_most = RUNNER_JOBS_MOST,
        .jobs_per_destination = RUNNER_JOBS_PER_DESTINATION,
        .host = {open_store, find_user, forget, NULL},
    };
    static struct runner_args kept;
    kept = args;
    runner = runner_new(&kept);
    loop_set_turn_end(loop, turn_end, NULL);
    return 0;
}

static int tear_down(void **state)
{
    loop_set_turn_end(loop, NULL, NULL);
    runner_free(&runner);
    routes_free(&routes);
    loop_advance(loop, 1);
    queue_close(&queue);
    loop_free(&loop);
    buf_release(&worker.got);
    temp_dir_remove(dir);
    return 0;
}

/* Submits a message from bob@here.test; user empty: foreign. */
static void submit_from(struct str from, struct str address, struct str user, unsigned notify)
{
    struct spool *s = queue_spool_new(queue, 1 << 20);
    assert_int_equal(spool_add(s, STR("Subject: hello\r\n\r\nbody\r\n")), ERR_OK);
    struct queue_recipient r = {.to = {.address = address, .user = user, .notify = notify},
                                .next_ms = loop_wall_ms(loop)};
    struct queue_message m = {
        .arrived_ms = loop_wall_ms(loop),
        .expires_ms = loop_wall_ms(loop) + SCHEDULE_LIFETIME_MS,
        .return_path = from,
        .recipients = &r,
        .recipient_count = 1,
    };
    assert_int_equal(queue_add(queue, &m, &s), ERR_OK);
    loop_advance(loop, 1);
    loop_advance(loop, 1);
}

static void submit(const char *address, const char *user, unsigned notify)
{
    submit_from(STR("bob@here.test"), str_from_c(address), str_from_c(user), notify);
}

static uint64_t count(void)
{
    return queue_get_counts(queue).messages;
}

static bool has_got(const char *what)
{
    return str_find_str(buf_str(&worker.got), str_from_c(what)) < worker.got.len;
}

static void test_delivers_at_once(void **state)
{
    submit("anna@here.test", "anna", 0);
    assert_true(
        has_got("anna(anna@here.test) from bob@here.test: Subject: hello\r\n\r\nbody\r\n\n"));
    assert_int_equal(count(), 0);
    assert_int_equal(worker.sessions, 1);
    submit("\"odd one\"@here.test", "odd one", 0);
    submit("x@here.test", "x y@here.test", 0);
    assert_true(has_got("odd one(\"odd one\"@here.test) from"));
    assert_true(has_got("x y@here.test(x@here.test) from"));
}

/* Larger than every window on the way: sending goes on whenever there is room again. */
static void test_large(void **state)
{
    enum { LINES = 20000 };
    struct spool *s = queue_spool_new(queue, 1 << 24);
    for (int i = 0; i < LINES; i++) {
        assert_int_equal(spool_add(s, STR("0123456789 0123456789 0123456789 \r\n")), ERR_OK);
    }
    struct queue_recipient r = {.to = {.address = STR("anna@here.test"), .user = STR("anna")}};
    struct queue_message m = {
        .expires_ms = UINT64_MAX / 2,
        .recipients = &r,
        .recipient_count = 1,
    };
    assert_int_equal(queue_add(queue, &m, &s), ERR_OK);
    loop_advance(loop, 1);
    loop_advance(loop, 1);
    assert_int_equal(count(), 0);
    assert_true(worker.got.len > LINES * (size_t)35);
}

static void test_worker_down(void **state)
{
    worker.is_down = true;
    submit("anna@here.test", "anna", 0);
    loop_advance(loop, 10 * SECOND);
    assert_int_equal(count(), 1);
    worker.is_down = false;
    runner_on_worker(runner, 0);
    loop_advance(loop, 1);
    assert_true(has_got("anna"));
    assert_int_equal(count(), 0);
}

static void test_tries_again(void **state)
{
    worker.delivery_err = ERR_IO; /* 451: later */
    submit("anna@here.test", "anna", 0);
    loop_advance(loop, 2 * HOUR);
    assert_int_equal(count(), 1);
    assert_true(worker.sessions > 8 && worker.sessions < 30);
    worker.delivery_err = ERR_OK;
    loop_advance(loop, 2 * HOUR);
    assert_int_equal(count(), 0);
    assert_true(has_got("anna"));
    assert_false(has_got("Delayed"));
}

/* RFC 5321, 4.5.4.1: the sender hears of a delay once, then of the end. */
static void test_expires(void **state)
{
    worker.delivery_err = ERR_IO;
    submit("anna@here.test", "anna", 0);
    loop_advance(loop, 4 * DAY);
    assert_int_equal(count(), 1);
    assert_true(has_got("bob(bob@here.test) from : "));
    assert_true(has_got("Action: delayed\r\n"));
    assert_false(has_got("Action: failed\r\n"));
    buf_clear(&worker.got);
    loop_advance(loop, 2 * DAY);
    assert_int_equal(count(), 0);
    assert_false(has_got("Action: delayed\r\n"));
    assert_true(has_got("Action: failed\r\nStatus: 4.4.7\r\n"));
    assert_false(has_got("anna("));
}

/* S-7, RFC 3461, 5.2: who asked for what is told that, and no more. */
static void test_reports(void **state)
{
    static const struct {
        unsigned notify;
        enum err err;
        const char *action; /* NULL: no report */
    } rows[] = {
        {0, ERR_OK, NULL},
        {0, ERR_NO_USER, "Action: failed\r\nStatus: 5.1.1\r\n"},
        {SMTP_NOTIFY_NEVER, ERR_NO_USER, NULL},
        {SMTP_NOTIFY_SUCCESS, ERR_NO_USER, NULL},
        {SMTP_NOTIFY_SUCCESS, ERR_OK, "Action: delivered\r\nStatus: 2.1.5\r\n"},
        {SMTP_NOTIFY_FAILURE, ERR_OK, NULL},
        {SMTP_NOTIFY_FAILURE, ERR_OVER_QUOTA, "Action: failed\r\nStatus: 5.2.2\r\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_clear(&worker.got);
        worker.is_down = true; /* so that the report is seen in the queue */
        submit("anna@here.test", "anna", rows[i].notify);
        worker.is_down = false;
        worker.delivery_err = rows[i].err;
        runner_on_worker(runner, 0);
        loop_advance(loop, 0);
        worker.delivery_err = ERR_OK;
        loop_advance(loop, HOUR);
        assert_int_equal(count(), 0);
        assert_true(has_got("bob(bob@here.test) from : ") == (rows[i].action != NULL));
        assert_true(rows[i].action == NULL || has_got(rows[i].action));
        assert_true(rows[i].action == NULL
                    || has_got("Final-Recipient: rfc822; anna@here.test\r\n"));
    }
}

/* S-7: a delay is told to those who want to hear of it; what fails after that, to those who want that. */
static void test_delay_reports(void **state)
{
    static const struct {
        unsigned notify;
        bool is_delay_told;
        bool is_failure_told;
    } rows[] = {
        {0, true, true},
        {SMTP_NOTIFY_NEVER, false, false},
        {SMTP_NOTIFY_DELAY, true, false},
        {SMTP_NOTIFY_FAILURE, false, true},
        {SMTP_NOTIFY_SUCCESS, false, false},
        {SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_DELAY | SMTP_NOTIFY_FAILURE, true, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_clear(&worker.got);
        worker.delivery_err = ERR_IO;
        submit("anna@here.test", "anna", rows[i].notify);
        loop_advance(loop, 1 * DAY);
        assert_true(has_got("Action: delayed\r\n") == rows[i].is_delay_told);
        assert_true(has_got("Will-Retry-Until: ") == rows[i].is_delay_told);
        loop_advance(loop, 5 * DAY);
        assert_true(has_got("Action: failed\r\n") == rows[i].is_failure_told);
        assert_int_equal(count(), 0);
    }
}

/* A report about a report is never made (RFC 5321, 4.5.5). */
static void test_null_path(void **state)
{
    submit_from(STR_EMPTY, STR("x@far.test"), STR_EMPTY, 0);
    loop_advance(loop, 1);
    assert_int_equal(count(), 0);
    submit_from(STR("nobody@here.test"), STR("x@far.test"), STR_EMPTY, 0);
    loop_advance(loop, 1);
    assert_int_equal(count(), 0);
    assert_int_equal(worker.got.len, 0);
}

static void test_no_relay(void **state)
{
    submit("x@far.test", "", 0);
    loop_advance(loop, 1);
    assert_true(has_got("bob(bob@here.test) from : "));
    assert_true(has_got("multipart/report; report-type=delivery-status"));
    assert_true(
        has_got("Final-Recipient: rfc822; x@far.test\r\nAction: failed\r\nStatus: 5.7.1\r\n"));
    assert_true(has_got("Content-Type: message/rfc822\r\n\r\nSubject: hello\r\n\r\nbody\r\n"));
    assert_int_equal(count(), 0);
}

static void test_auth_down(void **state)
{
    is_auth_down = true;
    submit("x@far.test", "", 0); /* fails; the report's recipient must be looked up */
    loop_advance(loop, 5 * SECOND);
    assert_int_equal(count(), 1);
    is_auth_down = false;
    loop_advance(loop, HOUR);
    assert_int_equal(count(), 0);
    assert_true(has_got("bob("));
}

/* A server that says nothing is given up after the time limit, and the message is kept. */
static void test_silence(void **state)
{
    worker.is_mute = true;
    submit("anna@here.test", "anna", 0);
    loop_advance(loop, 4 * 60 * SECOND);
    assert_int_equal(worker.sessions, 1);
    worker.is_mute = false;
    loop_advance(loop, 2 * 60 * SECOND);
    assert_int_equal(count(), 0);
    assert_true(has_got("anna("));
}

/* D13, D23: one that is out of reach is given as long as TCP gives it, and then its time to answer; nothing is sent twice. */
static void test_out_of_reach(void **state)
{
    worker.is_out_of_reach = true;
    submit("anna@here.test", "anna", 0);
    loop_advance(loop, 15 * 60 * SECOND);
    assert_int_equal(worker.sessions, 1);
    assert_int_equal(count(), 1);
    stream_resume(last_visit->stream);
    loop_advance(loop, SECOND);
    assert_int_equal(worker.sessions, 1);
    assert_int_equal(count(), 0);
    submit("anna@here.test", "anna", 0);
    loop_advance(loop, 15 * 60 * SECOND);
    assert_int_equal(worker.sessions, 2);
    struct visit *unheard = last_visit;
    worker.is_out_of_reach = false;
    loop_advance(loop, 3 * 60 * SECOND);
    assert_int_equal(worker.sessions, 3); /* TCP would have given up by now */
    assert_int_equal(count(), 0);
    stream_resume(unheard->stream);
    loop_run(loop);
}

/* One that sends an octet a minute is given up just the same: only whole replies count (RFC 5321, 4.5.3.2). */
static void test_dripping(void **state)
{
    worker.is_mute = true;
    submit("anna@here.test", "anna", 0);
    for (int minute = 0; minute < 6; minute++) {
        if (last_visit != NULL) {
            stream_write(last_visit->stream, STR("2"));
        }
        loop_advance(loop, 60 * SECOND);
    }
    assert_true(worker.sessions > 1);
    worker.is_mute = false;
    loop_advance(loop, HOUR);
    assert_int_equal(count(), 0);
}

/* The disk is full when the outcome is to be noted: nobody gets the message twice for that, and nothing is forgotten. */
static void test_full_disk(void **state)
{
    static const unsigned notify[] = {0, SMTP_NOTIFY_SUCCESS};
    for (size_t i = 0; i < 2; i++) {
        worker.is_down = true;
        submit("anna@here.test", "anna", notify[i]);
        loop_advance(loop, HOUR);
        worker.is_down = false;
        unsigned before = worker.sessions;
        set_disk_full(true);
        loop_advance(loop, 5 * HOUR);
        assert_int_equal(worker.sessions, before + 1);
        assert_int_equal(count(), 1);
        set_disk_full(false);
        loop_advance(loop, HOUR);
        assert_int_equal(worker.sessions, before + 1);
        assert_int_equal(count(), 0);
        assert_true(has_got("anna(anna@here.test)"));
        buf_clear(&worker.got);
    }
}

/* The alias's one target is a recipient already, with wishes of its own: who asked about the alias hears all the same. */
static void test_alias_of_recipient(void **state)
{
    struct queue_recipient to[] = {
        {.to = {.address = STR("carl@here.test"), .user = STR("carl"), .notify = SMTP_NOTIFY_NEVER},
         .next_ms = loop_wall_ms(loop)},
        {.to = {.address = STR("one@here.test"), .notify = SMTP_NOTIFY_SUCCESS},
         .next_ms = loop_wall_ms(loop)}};
    struct queue_message m = {.arrived_ms = loop_wall_ms(loop),
                              .return_path = STR("bob@here.test"),
                              .recipients = to,
                              .recipient_count = 2};
    struct spool *s = queue_spool_new(queue, 1 << 20);
    assert_int_equal(spool_add(s, STR("Subject: hello\r\n\r\nbody\r\n")), ERR_OK);
    worker.is_down = true;
    assert_int_equal(queue_add(queue, &m, &s), ERR_OK);
    loop_advance(loop, SECOND);
    worker.is_down = false;
    runner_on_worker(runner, 0);
    loop_advance(loop, HOUR);
    assert_int_equal(count(), 0);
    assert_true(has_got("rfc822; one@here.test\r\nAction: expanded"));
    assert_false(has_got("Action: delivered"));
    struct str got = buf_str(&worker.got);
    size_t first = str_find_str(got, STR("carl(carl@here.test)"));
    assert_true(first < got.n);
    assert_false(str_find_str(str_skip(got, first + 1), STR("carl(carl@here.test)"))
                 < got.n - first - 1);
}

/* X-ALIASES: the targets take the alias's place, each once; RFC 3461, 5.2.7 says who is told what. */
static void test_alias(void **state)
{
    static const struct {
        const char *address;
        unsigned notify;
        const char *action; /* of the report at once; NULL: none */
        bool is_failure_told;
    } rows[] = {
        {"all@here.test", 0, NULL, true},
        {"all@here.test", SMTP_NOTIFY_SUCCESS, "expanded", false},
        {"all@here.test", SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE, "expanded", true},
        {"all@here.test", SMTP_NOTIFY_NEVER, NULL, false},
        {"one@here.test", SMTP_NOTIFY_SUCCESS, "delivered", false},
        {"one@here.test", 0, NULL, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_clear(&worker.got);
        submit(rows[i].address, "", rows[i].notify);
        loop_advance(loop, SECOND);
        assert_int_equal(count(), 0);
        bool is_all = str_starts(str_from_c(rows[i].address), STR("all"));
        assert_true(has_got("carl(carl@here.test)"));
        assert_true(has_got("anna(anna@here.test)") == is_all);
        CLEANUP(buf_release) struct buf action = BUF_INIT(200);
        buf_addf(&action, "Final-Recipient: rfc822; %s\r\nAction: expanded", rows[i].address);
        assert_true(has_got(action.p)
                    == (rows[i].action != NULL && strcmp(rows[i].action, "expanded") == 0));
        assert_true(has_got("Action: delivered")
                    == (rows[i].action != NULL && strcmp(rows[i].action, "delivered") == 0));
        assert_true(has_got("rfc822; x@far.test\r\nAction: failed") == rows[i].is_failure_told);
    }
}

/* An alias that leads back to itself ends; who is a recipient already gets one copy. */
static void test_alias_circle(void **state)
{
    submit("circle@here.test", "", 0);
    loop_advance(loop, SECOND);
    assert_int_equal(count(), 0);
    assert_true(has_got("Action: failed\r\nStatus: 5.4.6"));
    buf_clear(&worker.got);
    struct spool *s = queue_spool_new(queue, 1 << 20);
    struct queue_recipient to[2] = {
        {.to = {.address = STR("one@here.test")}, .next_ms = loop_wall_ms(loop)},
        {.to = {.address = STR("carl@here.test"), .user = STR("carl")},
         .next_ms = loop_wall_ms(loop) + HOUR},
    };
    struct queue_message m = {
        .arrived_ms = loop_wall_ms(loop), .recipients = to, .recipient_count = 2};
    assert_int_equal(queue_add(queue, &m, &s), ERR_OK);
    loop_advance(loop, SECOND);
    assert_int_equal(worker.got.len, 0);
    loop_advance(loop, HOUR);
    assert_true(has_got("carl(carl@here.test)"));
    assert_int_equal(worker.sessions, 2);
}

/* A message of bob's to count addresses: prefix, a number, "@here.test". */
static void submit_many(const char *prefix, size_t many, size_t size, enum smtp_ret ret)
{
    struct spool *s = queue_spool_new(queue, 1 << 24);
    struct arena *a = arena_new(1 << 24);
    struct queue_recipient *to = arena_array(a, struct queue_recipient, many);
    for (size_t i = 0; i < many; i++) {
        to[i].to.address = arena_printf(a, "%s%zu@here.test", prefix, i);
        to[i].next_ms = loop_wall_ms(loop);
    }
    assert_int_equal(spool_add(s, STR("Subject: many\r\n\r\n")), ERR_OK);
    for (size_t n = 0; n < size; n += 64) {
        assert_int_equal(
            spool_add(s, STR("0123456789 0123456789 0123456789 0123456789 0123456789 0123456\r\n")),
            ERR_OK);
    }
    struct queue_message m = {
        .arrived_ms = loop_wall_ms(loop),
        .expires_ms = loop_wall_ms(loop) + SCHEDULE_LIFETIME_MS,
        .return_path = STR("bob@here.test"),
        .ret = ret,
        .recipients = to,
        .recipient_count = many,
    };
    assert_int_equal(queue_add(queue, &m, &s), ERR_OK);
    arena_free(&a);
    for (int turn = 0; turn < 2000; turn++) {
        loop_advance(loop, 1);
    }
}

static size_t times(const char *what)
{
    struct str rest = buf_str(&worker.got);
    size_t n = 0;
    for (size_t at = 0; (at = str_find_str(rest, str_from_c(what))) < rest.n; n++) {
        rest = str_skip(rest, at + 1);
    }
    return n;
}

/* Ten thousand unknown addresses make a hundred reports, and what these return is bounded. */
static void test_storm_of_unknown(void **state)
{
    enum { MANY = 10000, SIZE = 200000 };
    worker.is_down = true;
    submit_many("nobody", MANY, SIZE, SMTP_RET_FULL);
    assert_int_equal(count(), MANY / 100);
    assert_true(queue_get_counts(queue).octets < 64 * 1024 * 1024 / 10);
    worker.is_down = false;
    runner_on_worker(runner, 0);
    loop_advance(loop, HOUR);
    assert_int_equal(count(), 0);
}

/* A thousand addresses that stand for the same three: each of these hears once. */
static void test_storm_of_aliases(void **state)
{
    submit_many("all", 1000, 0, SMTP_RET_NONE);
    loop_advance(loop, HOUR);
    assert_int_equal(count(), 0);
    assert_int_equal(times("anna(anna@here.test)"), 1);
    assert_int_equal(times("carl(carl@here.test)"), 1);
    assert_int_equal(times("rfc822; x@far.test\r\nAction: failed"), 1);
}

/* Look-ups that fail for some, and for some cannot be had: who is not answered waits, and nobody is told of him. */
static void test_auth_goes(void **state)
{
    enum { UNKNOWN = 12, UNANSWERED = 9, REPORTS = 1 };
    submit_many("mixed", 30, 0, SMTP_RET_NONE);
    assert_int_equal(count(), 1 + REPORTS);
    assert_int_equal(queue_get_counts(queue).recipients, UNANSWERED + REPORTS);
    assert_int_equal(times("(mixed1@here.test)"), 1);
    is_auth_up = true;
    loop_advance(loop, HOUR);
    assert_int_equal(count(), 0);
    assert_int_equal(times("Action: failed"), UNKNOWN);
    assert_int_equal(times("(mixed2@here.test)"), 1);
    assert_int_equal(times("(mixed1@here.test)"), 1);
}

static void test_is_local(void **state)
{
    assert_true(runner_is_local(STR("a.test b.test"), STR("x@B.test")));
    assert_false(runner_is_local(STR("a.test b.test"), STR("x@c.test")));
    assert_false(runner_is_local(STR("a.test"), STR("x")));
    assert_false(runner_is_local(STR(""), STR("x@")));
    assert_true(runner_is_local(STR("a.test"), STR("\"x@y\"@a.test")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_delivers_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_worker_down, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tries_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_expires, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reports, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_delay_reports, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_null_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_relay, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_auth_down, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_silence, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_out_of_reach, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dripping, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_alias, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_alias_of_recipient, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_alias_circle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_storm_of_unknown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_storm_of_aliases, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_auth_goes, set_up, tear_down),
        cmocka_unit_test(test_is_local),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
