/* X-OUTBOX: what is in an outbox reaches the submission server, once as far as its tokens can tell, whatever fails on the way. */
#include "main/outbox_run.h"

#include "net/fields.h"
#include "store/outbox.h"
#include "temp_dir.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

enum { BODY = 300 * 1024, HEARD_MOST = 1024 * 1024, SERVERS = 64, SECOND = 1000 };

#define START UINT64_C(1700000000000)

/* One session at the other end. */
struct server {
    struct world *world;
    struct stream *stream;
    struct buf head;
    struct buf heard;
    bool is_answered;
    bool is_over;
};

struct world {
    char dir[64];
    struct loop *loop;
    struct store *store;
    struct outbox_run *run;
    const char *answer; /* to what was heard whole; NULL: hangs up */
    bool is_away;
    struct server servers[SERVERS];
    size_t count;
    size_t requests;
    const char *reply;
};

static uint64_t now_ms(void *owner)
{
    return loop_wall_ms(((struct world *)owner)->loop);
}

static void commit(void *owner)
{
    store_commit(((struct world *)owner)->store);
}

static void on_octets(void *owner, struct str octets)
{
    struct server *s = owner;
    buf_add(&s->heard, octets);
    struct fields f;
    assert_int_equal(fields_parse(buf_str(&s->head), &f), ERR_OK);
    assert_true(str_eq(fields_get(&f, STR("service")), STR("inject")));
    bool is_whole = s->heard.len == fields_get_u64(&f, STR("size"), 0);
    fields_release(&f);
    if (is_whole && !s->is_answered) {
        s->is_answered = true;
        if (s->world->answer == NULL) {
            stream_free(&s->stream);
        } else {
            stream_write(s->stream, str_from_c(s->world->answer));
        }
    }
}

static void on_drained(void *owner)
{
}

static void on_end(void *owner, enum err why)
{
    ((struct server *)owner)->is_over = true;
}

static const struct stream_handler HANDLER = {on_octets, on_drained, on_end};

static struct stream *open_submit(void *owner, struct str head)
{
    struct world *w = owner;
    if (w->is_away) {
        return NULL;
    }
    struct server *s = &w->servers[w->count++];
    assert_true(w->count < SERVERS);
    *s = (struct server){.world = w, .head = BUF_INIT(HEARD_MOST), .heard = BUF_INIT(HEARD_MOST)};
    buf_add(&s->head, head);
    struct stream *near = NULL;
    stream_pair(w->loop, &near, &s->stream);
    stream_set_handler(s->stream, &HANDLER, s);
    return near;
}

static void request(void *owner, struct str body,
                    void (*on_reply)(void *asker, enum err e, struct str body), void *asker)
{
    struct world *w = owner;
    struct fields f;
    w->requests++;
    assert_int_equal(fields_parse(body, &f), ERR_OK);
    assert_true(str_eq(fields_get(&f, STR("op")), STR("post")));
    assert_true(str_eq(fields_get(&f, STR("url")), STR("https://x/")));
    assert_true(str_eq(fields_get(&f, STR("body")), STR("{}")));
    fields_release(&f);
    on_reply(asker, w->reply == NULL ? ERR_UNAVAILABLE : ERR_OK, str_from_c(w->reply));
}

static void cancel(void *owner, void *asker)
{
}

static void open_world(struct world *w)
{
    (void)snprintf(w->dir, sizeof(w->dir), "/tmp/limetta-outbox-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    w->loop = loop_new_fake(START);
    loop_set_turn_end(w->loop, commit, w);
}

static void on_outgoing(void *owner, struct str user)
{
    outbox_run_add(((struct world *)owner)->run, user);
}

/* A worker's life: it begins with what is there. */
static void start(struct world *w)
{
    struct store_config config = {.dir = str_from_c(w->dir), .now_ms = now_ms, .now_owner = w};
    struct outbox_host host = {open_submit, request, cancel, w};
    assert_int_equal(store_new(&config, &w->store), ERR_OK);
    w->run = outbox_run_new(w->loop, w->store, &host);
    assert_int_equal(store_list_outgoing(w->store, on_outgoing, w), ERR_OK);
}

static void stop(struct world *w)
{
    outbox_run_free(&w->run);
    store_free(&w->store);
}

static void close_world(struct world *w)
{
    stop(w);
    for (size_t i = 0; i < w->count; i++) {
        if (w->servers[i].stream != NULL) {
            stream_free(&w->servers[i].stream);
        }
        buf_release(&w->servers[i].head);
        buf_release(&w->servers[i].heard);
    }
    loop_free(&w->loop);
    temp_dir_remove(w->dir);
}

static void add(struct world *w, const char *user, enum outbox_kind kind, struct str head,
                size_t body)
{
    struct account *a;
    struct body_writer *writer = NULL;
    assert_int_equal(store_open_account(w->store, str_from_c(user), true, &a), ERR_OK);
    struct outbox_item item = {.kind = kind,
                               .due_ms = loop_wall_ms(w->loop),
                               .expires_ms = loop_wall_ms(w->loop) + UINT64_C(3600) * SECOND,
                               .head = head,
                               .text = kind == OUTBOX_POST ? STR("{}") : STR("Resent: x\r\n"),
                               .skip = body > 0 ? 4 : 0};
    if (body > 0) {
        assert_int_equal(body_writer_new(a, &writer), ERR_OK);
        assert_int_equal(body_writer_add(writer, STR("skip")), ERR_OK);
        for (size_t n = 0; n < body; n += 10) {
            assert_int_equal(body_writer_add(writer, STR("0123456\r\n.")), ERR_OK);
        }
        assert_int_equal(body_writer_finish(writer), ERR_OK);
    }
    assert_int_equal(account_add_outgoing(a, &item, writer), ERR_OK);
    store_commit(w->store);
    body_writer_free(&writer);
    account_unref(&a);
}

static uint64_t count_items(struct world *w, const char *user)
{
    struct account *a;
    uint64_t n = 99;
    assert_int_equal(store_open_account(w->store, str_from_c(user), false, &a), ERR_OK);
    assert_int_equal(account_count_outgoing(a, &n), ERR_OK);
    account_unref(&a);
    return n;
}

static uint32_t count_inbox(struct world *w, const char *user)
{
    struct account *a;
    struct mailbox *m;
    struct view *v;
    assert_int_equal(store_open_account(w->store, str_from_c(user), false, &a), ERR_OK);
    assert_int_equal(account_find_mailbox(a, STR("INBOX"), &m), ERR_OK);
    assert_int_equal(mailbox_get_view(m, &v), ERR_OK);
    uint32_t n = view_get_count(v);
    mailbox_unref(&m);
    account_unref(&a);
    return n;
}

static void run_for(struct world *w, uint64_t ms)
{
    loop_advance(w->loop, ms);
    loop_run(w->loop);
}

static bool has_same_token(const struct server *a, const struct server *b)
{
    struct fields f;
    struct fields g;
    assert_int_equal(fields_parse(buf_str(&a->head), &f), ERR_OK);
    assert_int_equal(fields_parse(buf_str(&b->head), &g), ERR_OK);
    bool is_same = str_eq(fields_get(&f, STR("token")), fields_get(&g, STR("token")));
    fields_release(&f);
    fields_release(&g);
    return is_same;
}

static void test_goes(void **state)
{
    struct world w = {.answer = "ok\n"};
    open_world(&w);
    start(&w);
    add(&w, "ann", OUTBOX_MAIL, STR("to=x\n"), BODY);
    add(&w, "ann", OUTBOX_MAIL, STR("to=y\n"), 0);
    add(&w, "ben", OUTBOX_MAIL, STR("to=z\n"), 10);
    outbox_run_add(w.run, STR("ann"));
    outbox_run_add(w.run, STR("ben"));
    outbox_run_add(w.run, STR("nobody"));
    run_for(&w, 1);
    assert_int_equal(w.count, 3);
    assert_int_equal(count_items(&w, "ann"), 0);
    assert_int_equal(count_items(&w, "ben"), 0);
    struct str large = buf_str(&w.servers[0].heard);
    assert_int_equal(large.n, BODY + sizeof("Resent: x\r\n") - 1);
    assert_true(str_starts(large, STR("Resent: x\r\n0123456\r\n.01")));
    assert_true(str_ends(large, STR("6\r\n.")));
    assert_false(has_same_token(&w.servers[0], &w.servers[1]));
    assert_int_equal(count_inbox(&w, "ann"), 0);
    /* again, for what came while it was busy */
    add(&w, "ann", OUTBOX_MAIL, STR("to=x\n"), 10);
    outbox_run_add(w.run, STR("ann"));
    run_for(&w, 1);
    assert_int_equal(w.count, 4);
    close_world(&w);
}

/* Away, hanging up, later: it comes again, with the same token, also in another life. */
static void test_comes_again(void **state)
{
    struct world w = {.is_away = true};
    open_world(&w);
    start(&w);
    add(&w, "ann", OUTBOX_MAIL, STR("to=x\n"), BODY);
    outbox_run_add(w.run, STR("ann"));
    run_for(&w, 1);
    assert_int_equal(w.count, 0);
    w.is_away = false;
    outbox_run_hurry(w.run);
    run_for(&w, 1);
    assert_int_equal(w.count, 1); /* and hung up */
    w.answer = "later IO\n";
    run_for(&w, 5 * SECOND);
    assert_int_equal(w.count, 2);
    run_for(&w, 4 * SECOND);
    assert_int_equal(w.count, 2);
    run_for(&w, 1 * SECOND);
    assert_int_equal(w.count, 3);
    run_for(&w, 9 * SECOND);
    assert_int_equal(w.count, 3); /* ever longer */
    stop(&w);
    w.answer = "ok\n";
    start(&w);
    run_for(&w, 1 * SECOND);
    assert_int_equal(w.count, 4);
    assert_int_equal(count_items(&w, "ann"), 0);
    for (size_t i = 1; i < w.count; i++) {
        assert_true(has_same_token(&w.servers[0], &w.servers[i]));
        assert_int_equal(w.servers[i].heard.len, w.servers[0].heard.len);
    }
    close_world(&w);
}

/* Refused, or not taken for too long: what a redirect kept away from INBOX comes there. */
static void test_given_up(void **state)
{
    struct world w = {.answer = "no TOO_BIG\n"};
    open_world(&w);
    start(&w);
    add(&w, "ann", OUTBOX_MAIL, STR("to=x\nkeep=1\n"), BODY);
    add(&w, "ann", OUTBOX_MAIL, STR("to=y\n"), 10);
    outbox_run_add(w.run, STR("ann"));
    run_for(&w, 1);
    assert_int_equal(count_items(&w, "ann"), 0);
    assert_int_equal(count_inbox(&w, "ann"), 1);
    w.is_away = true;
    add(&w, "ben", OUTBOX_MAIL, STR("to=x\nkeep=1\n"), 10);
    outbox_run_add(w.run, STR("ben"));
    run_for(&w, UINT64_C(3599) * SECOND);
    assert_int_equal(count_inbox(&w, "ben"), 0);
    run_for(&w, 10 * SECOND);
    assert_int_equal(count_inbox(&w, "ben"), 1);
    assert_int_equal(count_items(&w, "ben"), 0);
    close_world(&w);
}

static void test_requests(void **state)
{
    struct world w = {.answer = "ok\n", .reply = NULL};
    open_world(&w);
    start(&w);
    add(&w, "ann", OUTBOX_POST, STR("url=https://x/\n"), 0);
    outbox_run_add(w.run, STR("ann"));
    run_for(&w, 1);
    assert_int_equal(w.requests, 1);
    w.reply = "result=later\n";
    run_for(&w, 5 * SECOND);
    assert_int_equal(w.requests, 2);
    w.reply = "result=ok\n";
    run_for(&w, 5 * SECOND);
    assert_int_equal(w.requests, 3);
    assert_int_equal(count_items(&w, "ann"), 0);
    add(&w, "ann", OUTBOX_POST, STR("url=https://x/\n"), 0);
    outbox_run_add(w.run, STR("ann"));
    w.reply = "result=failed\n";
    run_for(&w, 1);
    assert_int_equal(w.requests, 4);
    assert_int_equal(count_items(&w, "ann"), 0);
    close_world(&w);
}

/* Many accounts: a few at a time. */
static void test_bounded(void **state)
{
    struct world w = {.answer = ""};
    open_world(&w);
    start(&w);
    char user[8];
    for (int i = 0; i < 20; i++) {
        (void)snprintf(user, sizeof(user), "u%d", i);
        add(&w, user, OUTBOX_MAIL, STR("to=x\n"), 0);
        outbox_run_add(w.run, str_from_c(user));
    }
    run_for(&w, 1);
    assert_int_equal(w.count, 8);
    w.answer = "ok\n";
    for (int i = 0; i < 8; i++) {
        stream_write(w.servers[i].stream, STR("ok\n"));
    }
    run_for(&w, 1);
    assert_int_equal(w.count, 20);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goes),     cmocka_unit_test(test_comes_again),
        cmocka_unit_test(test_given_up), cmocka_unit_test(test_requests),
        cmocka_unit_test(test_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
