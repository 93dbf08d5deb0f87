/* Unit tests of net/session_run, with a toy core: each line is answered, some after the commit. */
#include "net/session_run.h"

#include "ear.h"
#include "net/link.h"
#include "unit.h"

#include <malloc.h>
#include <stdlib.h>

enum { MUCH = 2 * STREAM_HIGH_WATER };

struct toy {
    struct session base;
    const struct session_host *host;
    struct role *role;
    struct buf in;
    size_t to_say; /* octets of a long answer still to come */
    bool is_waiting;
    int news;  /* that came */
    int saves; /* how often it said where it stands; 0: it does not */
    bool is_dirty;
};

struct role {
    struct loop *loop;
    struct session_group *group;
    struct toy *waiting; /* for the next commit */
    struct toy *last;    /* that began */
    struct buf log;
    int steps;
    int freed;
    bool is_keeping; /* sessions are kept */
    bool is_same;    /* their states say nothing new */
    uint32_t parked;
};

static void toy_feed(struct session *s, struct str octets)
{
    struct toy *t = (struct toy *)s;
    buf_add(&t->in, octets);
}

static size_t toy_get_input_backlog(const struct session *s)
{
    return ((const struct toy *)s)->in.len;
}

static enum session_want toy_say_long(struct toy *t, struct buf *out)
{
    size_t n = t->to_say < SESSION_OUTPUT_MOST ? t->to_say : SESSION_OUTPUT_MOST;
    char *p = buf_reserve(out, n);
    memset(p, 'x', n);
    buf_commit(out, n);
    t->to_say -= n;
    return t->to_say > 0 || t->in.len > 0 ? SESSION_OUTPUT : SESSION_INPUT;
}

static enum session_want toy_step(struct session *s, struct buf *out)
{
    struct toy *t = (struct toy *)s;
    t->role->steps++;
    t->is_dirty = t->is_dirty || t->in.len > 0 || t->is_waiting;
    if (t->is_waiting) {
        t->is_waiting = false;
        buf_add_c(out, "stored\n");
        buf_add_c(&t->role->log, "said ");
    }
    if (t->news > 0) {
        buf_addf(out, "%d news\n", t->news);
        t->news = 0;
        t->is_dirty = true;
    }
    if (t->to_say > 0) {
        return toy_say_long(t, out);
    }
    size_t end = str_find_char(buf_str(&t->in), '\n');
    if (end == t->in.len) {
        return SESSION_INPUT;
    }
    char command = t->in.p[0];
    buf_consume(&t->in, end + 1);
    switch (command) {
    case 's': /* store */
        t->is_waiting = true;
        t->role->waiting = t;
        return SESSION_EVENT;
    case 'e': /* says much, and has what it waits for at once */
        memset(buf_reserve(out, MUCH), 'x', MUCH);
        buf_commit(out, MUCH);
        t->is_waiting = true;
        t->host->wake(t->host->owner);
        return SESSION_EVENT;
    case 'l':
        t->to_say = 10 * 1024 * 1024;
        return SESSION_OUTPUT;
    case 'w': /* over, and woken by the commit all the same */
        t->role->waiting = t;
        buf_add_c(out, "over\n");
        return SESSION_CLOSE;
    case 'm':
        buf_add_c(out, "marked\n");
        return SESSION_MARK;
    case 'q':
        buf_add_c(out, "bye\n");
        return SESSION_CLOSE;
    default:
        buf_add_c(out, "ok\n");
        return t->in.len > 0 ? SESSION_OUTPUT : SESSION_INPUT;
    }
}

static enum session_mark toy_take_mark(struct session *s, struct buf *rest)
{
    struct toy *t = (struct toy *)s;
    buf_add(rest, buf_str(&t->in));
    buf_clear(&t->in);
    return SESSION_MARK_COMPRESS;
}

static bool toy_save(struct session *s, struct session_save *out)
{
    struct toy *t = (struct toy *)s;
    if (!t->is_dirty || t->to_say > 0 || t->is_waiting) {
        return false;
    }
    t->is_dirty = false;
    buf_addf(out->state, "s%d", ++t->saves);
    out->may_park = t->in.len == 0;
    out->watch = SESSION_WATCH_MAILBOX;
    out->mailbox_id = 7;
    return true;
}

static void toy_free(struct session **s)
{
    struct toy *t = (struct toy *)*s;
    t->role->freed++;
    buf_release(&t->in);
    free(t);
    *s = NULL;
}

static const struct session_ops TOY_OPS = {
    .feed = toy_feed,
    .get_input_backlog = toy_get_input_backlog,
    .step = toy_step,
    .take_mark = toy_take_mark,
    .save = toy_save,
    .free = toy_free,
};

static void commit(void *owner)
{
    struct role *r = owner;
    if (r->waiting != NULL) {
        buf_add_c(&r->log, "commit ");
        r->waiting->host->wake(r->waiting->host->owner);
        r->waiting = NULL;
    }
}

static int setup(void **state)
{
    static struct role r;
    r = (struct role){.loop = loop_new_fake(0), .log = BUF_INIT(4096)};
    r.group = session_group_new(r.loop, commit, &r);
    *state = &r;
    return 0;
}

static int teardown(void **state)
{
    struct role *r = *state;
    session_group_free(&r->group);
    buf_release(&r->log);
    loop_free(&r->loop);
    return 0;
}

static bool seal(void *owner, const struct session_save *save, struct buf *out)
{
    const struct role *r = owner;
    if (!r->is_same) {
        buf_addf(out, "<%.*s>", STR_ARG(buf_str(save->state)));
    }
    return true;
}

static void on_park(void *owner, const struct session_save *save, uint32_t id)
{
    struct role *r = owner;
    assert_int_equal(save->watch, SESSION_WATCH_MAILBOX);
    assert_int_equal(save->mailbox_id, 7);
    r->parked = id;
}

static void on_keeper_free(void *owner)
{
    struct role *r = owner;
    buf_add_c(&r->log, "unkept ");
}

static const struct session_keeper KEEPER = {seal, on_park, on_keeper_free};

static void begin_on(struct role *r, struct stream *s)
{
    struct session_runner *runner = session_runner_new(r->group, s);
    if (r->is_keeping) {
        session_runner_keep(runner, &KEEPER, r);
    }
    struct toy *t = calloc(1, sizeof(*t));
    t->base.ops = &TOY_OPS;
    t->host = session_runner_get_host(runner);
    t->role = r;
    t->in = BUF_INIT(1 << 24);
    r->last = t;
    session_runner_start(runner, &t->base);
}

static void begin(struct role *r, struct ear *client)
{
    struct stream *near = NULL;
    struct stream *far = NULL;
    stream_pair(r->loop, &near, &far);
    ear_put(client, near);
    begin_on(r, far);
}

static void test_answers(void **state)
{
    struct role *r = *state;
    struct ear c;
    begin(r, &c);
    stream_write(c.s, STR("a\nb\nc"));
    loop_run(r->loop);
    assert_str(buf_str(&c.heard), STR("ok\nok\n"));
    stream_write(c.s, STR("\nq\nafter\n"));
    loop_run(r->loop);
    assert_str(buf_str(&c.heard), STR("ok\nok\nok\nbye\n"));
    assert_int_equal(c.ended, 1);
    assert_int_equal(r->freed, 1);
    assert_int_equal(session_group_get_count(r->group), 0);
    ear_release(&c);
    loop_run(r->loop);
}

/* Both ends of a link: marks are a link's. */
struct linked {
    struct link *near;
    struct link *far;
    struct ear client;
};

static void on_linked(void *owner, struct link *l, struct str head, struct stream *s)
{
    (void)l;
    (void)head;
    begin_on(owner, s);
}

static void on_client_mark(void *owner, uint8_t mark)
{
    struct ear *e = owner;
    buf_addf(&e->heard, "<%d>", mark);
}

static void begin_linked(struct role *r, struct linked *k)
{
    static const struct link_handler FAR = {.on_open = on_linked};
    static const struct link_handler NEAR = {.on_open = NULL};
    struct stream *near = NULL;
    struct stream *far = NULL;
    stream_pair(r->loop, &near, &far);
    k->near = link_new(r->loop, near, ROLE_STORE, 0, &NEAR, NULL);
    k->far = link_new(r->loop, far, ROLE_EDGE, 0, &FAR, r);
    ear_put(&k->client, link_open(k->near, STR("head")));
    stream_on_mark(k->client.s, on_client_mark);
}

static void end_linked(struct role *r, struct linked *k)
{
    ear_release(&k->client);
    link_free(&k->near);
    link_free(&k->far);
    loop_run(r->loop);
    assert_int_equal(session_group_get_count(r->group), 0);
}

/* What comes behind the command that changes a layer goes back, until the mark has come. */
static void test_mark(void **state)
{
    struct role *r = *state;
    struct linked k;
    begin_linked(r, &k);
    stream_write(k.client.s, STR("a\nm\nearly\n"));
    loop_run(r->loop);
    assert_str(buf_str(&k.client.heard), STR("ok\nmarked\n<1>early\n"));
    buf_clear(&k.client.heard);
    int steps = r->steps;
    stream_write(k.client.s, STR("more\n"));
    loop_run(r->loop);
    assert_str(buf_str(&k.client.heard), STR("more\n"));
    assert_int_equal(r->steps, steps);
    stream_mark(k.client.s, 1);
    stream_write(k.client.s, STR("a\n"));
    loop_run(r->loop);
    assert_str(buf_str(&k.client.heard), STR("more\n<1>ok\n"));
    end_linked(r, &k);
}

/* Nobody answers the mark any more: the session ends, and does not wait for that. */
static void test_mark_of_who_is_done(void **state)
{
    struct role *r = *state;
    struct linked k;
    begin_linked(r, &k);
    stream_write(k.client.s, STR("m\n"));
    stream_shutdown(k.client.s);
    loop_run(r->loop);
    assert_str(buf_str(&k.client.heard), STR("marked\n<1>"));
    assert_int_equal(k.client.ended, 1);
    assert_int_equal(k.client.why, ERR_OK);
    assert_int_equal(session_group_get_count(r->group), 0);
    end_linked(r, &k);
}

static void on_save(void *owner, const struct link_save *save)
{
    struct ear *e = owner;
    buf_addf(&e->heard, "[%llu,%d:%.*s%s]", (unsigned long long)save->used, save->may_park,
             STR_ARG(save->state), save->is_same ? "same" : "");
}

static void on_peer_park(void *owner)
{
    struct ear *e = owner;
    buf_add_c(&e->heard, "P");
    (void)link_keep(&e->s, e);
}

static void begin_kept(struct role *r, struct linked *k)
{
    static const struct link_keeper PEER = {on_save, on_peer_park};
    r->is_keeping = true;
    begin_linked(r, k);
    link_set_keeper(k->client.s, &PEER);
}

/* Each turn's output goes out with the state behind it; what a command does not know how to say waits for the next. */
static void test_save(void **state)
{
    struct role *r = *state;
    struct linked k;
    begin_kept(r, &k);
    stream_write(k.client.s, STR("a\n"));
    loop_run(r->loop);
    assert_str(buf_str(&k.client.heard), STR("ok\n[2,1:<s1>]"));
    buf_clear(&k.client.heard);
    stream_write(k.client.s, STR("a\na\nsom"));
    loop_run(r->loop);
    assert_str(buf_str(&k.client.heard), STR("ok\nok\n[6,0:<s2>]"));
    buf_clear(&k.client.heard);
    stream_write(k.client.s, STR("e\ns\n"));
    loop_run(r->loop);
    assert_str(buf_str(&k.client.heard), STR("stored\nstored\n[13,1:<s3>]"));
    buf_clear(&k.client.heard);
    r->is_same = true;
    stream_write(k.client.s, STR("a\n"));
    loop_run(r->loop);
    assert_str(buf_str(&k.client.heard), STR("ok\n[15,1:same]"));
    end_linked(r, &k);
    assert_str(buf_str(&r->log), STR("commit said commit said unkept "));
}

/* The mark comes in one piece with what was said before it, and input is counted from there. */
static void test_save_and_mark(void **state)
{
    struct role *r = *state;
    struct linked k;
    begin_kept(r, &k);
    stream_write(k.client.s, STR("a\nm\nearly\n"));
    loop_run(r->loop);
    assert_str(buf_str(&k.client.heard), STR("ok\nmarked\n[4,1:<s1>]<1>early\n"));
    buf_clear(&k.client.heard);
    stream_write(k.client.s, STR("more\n"));
    stream_mark(k.client.s, 1);
    stream_write(k.client.s, STR("a\n"));
    loop_run(r->loop);
    assert_str(buf_str(&k.client.heard), STR("more\n<1>ok\n[2,1:<s2>]"));
    end_linked(r, &k);
}

/* Who rests for long enough leaves; whoever stirs does not. */
static void test_park(void **state)
{
    struct role *r = *state;
    struct linked k;
    struct linked other;
    session_group_set_park(r->group, 5000);
    begin_kept(r, &k);
    begin_kept(r, &other);
    stream_write(k.client.s, STR("a\n"));
    stream_write(other.client.s, STR("a\n"));
    loop_run(r->loop);
    loop_advance(r->loop, 4000);
    stream_write(other.client.s, STR("a\n"));
    loop_run(r->loop);
    loop_advance(r->loop, 1500);
    assert_str(buf_str(&k.client.heard), STR("ok\n[2,1:<s1>]P"));
    assert_str(buf_str(&other.client.heard), STR("ok\n[2,1:<s1>]ok\n[4,1:<s2>]"));
    assert_int_equal(session_group_get_count(r->group), 1);
    assert_int_equal(r->freed, 1);
    stream_write(other.client.s, STR("some"));
    loop_run(r->loop);
    loop_advance(r->loop, 60 * 1000); /* half a command: it is not at rest */
    assert_int_equal(session_group_get_count(r->group), 1);
    stream_write(other.client.s, STR("\n"));
    loop_run(r->loop);
    loop_advance(r->loop, 6000);
    assert_int_equal(session_group_get_count(r->group), 0);
    end_linked(r, &k);
    end_linked(r, &other);
}

static void bring_news(struct role *r)
{
    r->last->news++;
    r->last->host->wake_soon(r->last->host->owner);
    loop_run(r->loop);
}

/* D28: news of a moment are said at once, in one frame with the state behind them; the window begins with the first. Meanwhile nobody is
 * parked over them, and who asks does not wait. */
static void test_news_gather(void **state)
{
    struct role *r = *state;
    struct linked k;
    session_group_set_park(r->group, 5000);
    session_group_set_news_window(r->group, 100);
    begin_kept(r, &k);
    stream_write(k.client.s, STR("a\n"));
    loop_run(r->loop);
    loop_advance(r->loop, 4950);
    buf_clear(&k.client.heard);
    for (int i = 0; i < 3; i++) {
        bring_news(r);
        loop_advance(r->loop, 30);
    }
    assert_str(buf_str(&k.client.heard), STR_EMPTY);
    loop_advance(r->loop, 10);
    assert_str(buf_str(&k.client.heard), STR("3 news\n[2,1:<s2>]"));
    buf_clear(&k.client.heard);
    bring_news(r);
    stream_write(k.client.s, STR("a\n"));
    loop_run(r->loop);
    assert_str(buf_str(&k.client.heard), STR("1 news\nok\n[4,1:<s3>]"));
    loop_advance(r->loop, 1000);
    assert_str(buf_str(&k.client.heard), STR("1 news\nok\n[4,1:<s3>]"));
    buf_clear(&k.client.heard);
    session_group_set_news_window(r->group, 0);
    bring_news(r);
    assert_str(buf_str(&k.client.heard), STR("1 news\n[4,1:<s4>]"));
    session_group_set_news_window(r->group, 100);
    bring_news(r); /* and it ends with news waiting */
    end_linked(r, &k);
    loop_advance(r->loop, 1000);
}

/* The peer hangs up instead. */
static void test_mark_is_not_answered(void **state)
{
    struct role *r = *state;
    struct linked k;
    begin_linked(r, &k);
    stream_write(k.client.s, STR("m\nearly\n"));
    stream_shutdown(k.client.s);
    loop_run(r->loop);
    assert_int_equal(k.client.ended, 1);
    assert_int_equal(r->freed, 1);
    end_linked(r, &k);
}

static void test_marks_out_of_turn(void **state)
{
    static const uint8_t WRONG[] = {1, 2};
    struct role *r = *state;
    for (size_t i = 0; i < 2; i++) {
        struct linked k;
        begin_linked(r, &k);
        if (i == 1) { /* asked for, but not this one */
            stream_write(k.client.s, STR("m\n"));
            loop_run(r->loop);
        }
        stream_mark(k.client.s, WRONG[i]);
        loop_run(r->loop);
        assert_int_equal(k.client.why, ERR_PEER_GONE);
        end_linked(r, &k);
    }
}

/* The reply comes after the commit, and in the same turn. */
static void test_reply_after_commit(void **state)
{
    struct role *r = *state;
    struct ear c;
    begin(r, &c);
    stream_write(c.s, STR("s\ns\na\n"));
    loop_run(r->loop);
    assert_str(buf_str(&r->log), STR("commit said commit said "));
    assert_str(buf_str(&c.heard), STR("stored\nstored\nok\n"));
    ear_release(&c);
    loop_run(r->loop);
    assert_int_equal(r->freed, 1);
}

static void test_woken_after_close(void **state)
{
    struct role *r = *state;
    struct ear c;
    begin(r, &c);
    stream_write(c.s, STR("w\na\n"));
    loop_run(r->loop);
    assert_str(buf_str(&c.heard), STR("over\n"));
    assert_int_equal(c.ended, 1);
    assert_int_equal(r->freed, 1);
    ear_release(&c);
    loop_run(r->loop);
}

/* What had come before the reader stopped is not forgotten. */
static void test_slow_reader_of_one_who_waits(void **state)
{
    struct role *r = *state;
    struct ear slow;
    begin(r, &slow);
    stream_pause(slow.s);
    stream_write(slow.s, STR("e\n"));
    loop_run(r->loop);
    assert_int_equal(slow.heard.len, 0);
    stream_resume(slow.s);
    loop_run(r->loop);
    assert_str(str_skip(buf_str(&slow.heard), MUCH), STR("stored\n"));
    ear_release(&slow);
    loop_run(r->loop);
}

/* A reader that stops is not talked to; another one is, meanwhile. */
static void test_slow_reader(void **state)
{
    struct role *r = *state;
    struct ear slow;
    struct ear quick;
    begin(r, &slow);
    begin(r, &quick);
    stream_pause(slow.s);
    stream_write(slow.s, STR("l\n"));
    loop_run(r->loop);
    assert_in_range(r->steps, 3, 8);
    stream_write(quick.s, STR("a\n"));
    loop_run(r->loop);
    assert_str(buf_str(&quick.heard), STR("ok\n"));
    stream_resume(slow.s);
    for (int i = 0; i < 1000 && slow.heard.len < 10 * 1024 * 1024; i++) {
        loop_run(r->loop);
    }
    assert_int_equal(slow.heard.len, 10 * 1024 * 1024);
    ear_release(&slow);
    ear_release(&quick);
    loop_run(r->loop);
    assert_int_equal(r->freed, 2);
}

/* A session that does not use its input is not fed without end. */
static void test_input_backpressure(void **state)
{
    struct role *r = *state;
    struct ear c;
    static char line[32 * 1024];
    memset(line, 'a', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    begin(r, &c);
    stream_pause(c.s);
    stream_write(c.s, STR("l\n"));
    loop_run(r->loop);
    for (int i = 0; i < 20; i++) {
        stream_write(c.s, str_make(line, sizeof(line)));
        loop_run(r->loop);
    }
    assert_true(stream_get_queued(c.s) > 15 * sizeof(line));
    stream_resume(c.s);
    for (int i = 0; i < 1000 && stream_get_queued(c.s) > 0; i++) {
        loop_run(r->loop);
    }
    loop_run(r->loop);
    assert_int_equal(c.heard.len, 10 * 1024 * 1024 + 20 * 3);
    ear_release(&c);
    loop_run(r->loop);
}

/* "printf ... | nc": everything piped in, then the end. All of it is answered. */
static void test_half_close(void **state)
{
    struct role *r = *state;
    struct ear c;
    begin(r, &c);
    stream_write(c.s, STR("a\ns\nb\n"));
    stream_shutdown(c.s);
    loop_run(r->loop);
    assert_str(buf_str(&c.heard), STR("ok\nstored\nok\n"));
    assert_int_equal(c.ended, 1);
    assert_int_equal(r->freed, 1);
    ear_release(&c);
    loop_run(r->loop);
}

static void test_refuse_and_end_all(void **state)
{
    struct role *r = *state;
    struct stream *near = NULL;
    struct stream *far = NULL;
    struct ear refused;
    struct ear live;
    stream_pair(r->loop, &near, &far);
    ear_put(&refused, near);
    session_runner_refuse(session_runner_new(r->group, far), STR("* BYE no\r\n"));
    begin(r, &live);
    loop_run(r->loop);
    assert_str(buf_str(&refused.heard), STR("* BYE no\r\n"));
    assert_int_equal(refused.ended, 1);
    assert_int_equal(session_group_get_count(r->group), 1);
    session_group_free(&r->group);
    loop_run(r->loop);
    assert_int_equal(live.ended, 1);
    assert_int_equal(r->freed, 1);
    ear_release(&refused);
    ear_release(&live);
    loop_run(r->loop);
}

/* The peer never says its end: the finisher lets go after a while. */
static void test_finish_gives_up(void **state)
{
    struct role *r = *state;
    struct stream *near = NULL;
    struct stream *far = NULL;
    struct ear c;
    stream_pair(r->loop, &near, &far);
    ear_put(&c, near);
    stream_write(far, STR("bye"));
    stream_finish(r->loop, &far);
    assert_null(far);
    loop_advance(r->loop, 59000);
    assert_str(buf_str(&c.heard), STR("bye"));
    assert_int_equal(c.ended, 1);
    loop_advance(r->loop, 3000);
    stream_write(c.s, STR("anybody?"));
    assert_int_equal(stream_get_queued(c.s), 0); /* nobody is there */
    ear_release(&c);
}

/* D40: a crowd that never leaves does not gather: who has had the most time goes. */
static void test_finishers_are_bounded(void **state)
{
    enum { CROWD = STREAM_FINISHERS_MOST + 1 };
    struct role *r = *state;
    static struct ear crowd[CROWD];
    for (int i = 0; i < CROWD; i++) {
        struct stream *near = NULL;
        struct stream *far = NULL;
        stream_pair(r->loop, &near, &far);
        ear_put(&crowd[i], near);
        stream_write(far, STR("bye"));
        loop_run(r->loop);
        stream_finish(r->loop, &far);
    }
    loop_run(r->loop);
    assert_str(buf_str(&crowd[0].heard), STR("bye"));
    stream_write(crowd[0].s, STR("anybody?"));
    assert_int_equal(stream_get_queued(crowd[0].s), 0); /* nobody is there */
    stream_write(crowd[1].s, STR("anybody?"));
    assert_int_not_equal(stream_get_queued(crowd[1].s), 0);
    loop_advance(r->loop, 62000);
    stream_write(crowd[1].s, STR("anybody?"));
    assert_int_equal(stream_get_queued(crowd[1].s), 0);
    for (int i = 0; i < CROWD; i++) {
        ear_release(&crowd[i]);
    }
}

static void test_memory(void **state)
{
    enum { COUNT = 100 };
    struct role *r = *state;
    struct ear clients[COUNT];
    struct stream *fars[COUNT];
    for (int i = 0; i < COUNT; i++) {
        struct stream *near = NULL;
        stream_pair(r->loop, &near, &fars[i]);
        ear_put(&clients[i], near);
    }
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < COUNT; i++) {
        (void)session_runner_new(r->group, fars[i]);
    }
    size_t each = (mallinfo2().uordblks - before) / COUNT;
    print_message("a runner: %zu octets\n", each);
#if !defined(__SANITIZE_ADDRESS__)
    assert_true(each < 1024);
#endif
    session_group_free(&r->group);
    for (int i = 0; i < COUNT; i++) {
        ear_release(&clients[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mark, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mark_of_who_is_done, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mark_is_not_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_marks_out_of_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reply_after_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_woken_after_close, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slow_reader, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slow_reader_of_one_who_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_input_backpressure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_half_close, setup, teardown),
        cmocka_unit_test_setup_teardown(test_save, setup, teardown),
        cmocka_unit_test_setup_teardown(test_save_and_mark, setup, teardown),
        cmocka_unit_test_setup_teardown(test_park, setup, teardown),
        cmocka_unit_test_setup_teardown(test_news_gather, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refuse_and_end_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_finishers_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_finish_gives_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
