/* MD-9: web hooks against an HTTPS server of ours on loopback: what is posted, what is refused before anybody is called, and what
 * each answer means. */
#include "main/webhook.h"

#include "../net/https_server.h"

#include <stdio.h>

static struct loop *loop;
static struct webhooks *hooks;
static struct buf list;
static struct buf asked; /* the last request */
static unsigned status;  /* what the server answers; 0: nothing */
static unsigned replies;
static bool is_running; /* the loop */
static uint32_t got_id;
static struct buf got; /* the reply's result */

/* ---- the server ---- */

static bool is_whole(struct str heard)
{
    return str_ends(heard, STR("}"));
}

static void answer(struct https_visit *v)
{
    buf_clear(&asked);
    buf_add(&asked, buf_str(&v->heard));
    if (status == 0) {
        return;
    }
    CLEANUP(buf_release) struct buf out = BUF_INIT(4096);
    buf_addf(&out, "HTTP/1.1 %u X\r\nLocation: /elsewhere\r\nContent-Length: 2\r\n\r\nhi", status);
    stream_write(v->s, buf_str(&out));
    stream_shutdown(v->s);
}

static void open_hooks(const char *more)
{
    webhooks_free(&hooks);
    buf_clear(&list);
    buf_addf(&list, "https://localhost:%u/hook https://127.0.0.1:%u/ %s", https.port, https.port,
             more);
    struct webhooks_args args = {
        .loop = loop, .list = buf_str(&list), .anchors = buf_str(&https.cert)};
    assert_int_equal(webhooks_new(&args, &hooks), ERR_OK);
}

static int set_up(void **state)
{
    loop = loop_new();
    https_start(loop, "localhost", is_whole, answer);
    list = BUF_INIT(4096);
    asked = BUF_INIT(65536);
    got = BUF_INIT(4096);
    status = 200;
    replies = 0;
    open_hooks("127.0.0.1 ::1");
    return 0;
}

static int tear_down(void **state)
{
    webhooks_free(&hooks);
    https_stop();
    loop_free(&loop);
    buf_release(&list);
    buf_release(&asked);
    buf_release(&got);
    return 0;
}

/* ---- asking ---- */

static void reply(void *peer, uint32_t id, struct str body)
{
    struct fields f;
    assert_ptr_equal(peer, &got);
    assert_int_equal(fields_parse(body, &f), ERR_OK);
    replies++;
    got_id = id;
    buf_clear(&got);
    buf_add(&got, fields_get(&f, STR("result")));
    fields_release(&f);
    if (is_running) {
        loop_stop(loop);
    }
}

static const struct webhook_asker ASKER = {.peer = &got, .reply = reply};

static void start(const char *url, uint32_t id)
{
    struct fields f;
    CLEANUP(buf_release) struct buf b = BUF_INIT(8192);
    fields_add(&b, STR("op"), STR("post"));
    fields_add(&b, STR("url"), str_from_c(url));
    fields_add(&b, STR("body"), STR("{\"message\":\"h\xc3\xb6\"}"));
    assert_int_equal(fields_parse(buf_str(&b), &f), ERR_OK);
    webhooks_post(hooks, &ASKER, id, &f);
    fields_release(&f);
}

static void expect_post(const char *format, const char *want)
{
    char url[256];
    unsigned before = replies;
    (void)snprintf(url, sizeof(url), "https://%s", format);
    char *at = strstr(url, "PORT");
    if (at != NULL) {
        char tail[128];
        (void)snprintf(tail, sizeof(tail), "%s", at + 4);
        (void)snprintf(at, sizeof(url) - (size_t)(at - url), "%u%s", https.port, tail);
    }
    start(url, 7);
    if (replies == before) {
        is_running = true;
        loop_run(loop);
        is_running = false;
    }
    assert_int_equal(replies, before + 1);
    assert_int_equal(got_id, 7);
    assert_str(buf_str(&got), str_from_c(want));
}

static void test_post(void **state)
{
    expect_post("localhost:PORT/hook/ann?x=1", "ok");
    struct str request = buf_str(&asked);
    assert_true(str_starts(request, STR("POST /hook/ann?x=1 HTTP/1.1\r\n")));
    assert_true(str_find_str(request, STR("\r\nContent-Type: application/json\r\n")) < request.n);
    assert_true(str_ends(request, STR("\r\n\r\n{\"message\":\"h\xc3\xb6\"}")));
    assert_int_equal(https.count, 1);
}

static void test_answers(void **state)
{
    static const struct {
        unsigned status;
        const char *result;
    } CASES[] = {{200, "ok"},     {204, "ok"},     {301, "failed"}, {302, "failed"},
                 {307, "failed"}, {400, "failed"}, {404, "failed"}, {410, "failed"},
                 {408, "later"},  {429, "later"},  {500, "later"},  {503, "later"}};
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        status = CASES[i].status;
        expect_post("localhost:PORT/hook", CASES[i].result);
        assert_int_equal(https.count, i + 1); /* no redirect is followed */
    }
}

/* Nobody is called for what is not allowed. */
static void test_refused(void **state)
{
    expect_post("localhost:PORT/other", "failed");
    expect_post("localhost:PORT/hook/../other", "failed");
    expect_post("localhost/hook", "failed");
    expect_post("user@localhost:PORT/hook", "failed");
    expect_post("[::1]:PORT/hook", "failed");
    /* an allowed name at an address that is not public and not listed */
    open_hooks("10.9.8.7");
    expect_post("localhost:PORT/hook", "ok"); /* a listed URL's address is listed */
    CLEANUP(buf_release) struct buf only = BUF_INIT(256);
    buf_addf(&only, "https://localhost:%u/hook 10.9.8.7", https.port);
    webhooks_free(&hooks);
    struct webhooks_args args = {
        .loop = loop, .list = buf_str(&only), .anchors = buf_str(&https.cert)};
    assert_int_equal(webhooks_new(&args, &hooks), ERR_OK);
    unsigned before = https.count;
    expect_post("localhost:PORT/hook", "failed");
    assert_int_equal(https.count, before);
}

/* A server that cannot prove who it is hears nothing. */
static void test_certificate(void **state)
{
    CLEANUP(buf_release) struct buf other = BUF_INIT(65536);
    CLEANUP(buf_release) struct buf key = BUF_INIT(65536);
    cert_make("localhost", &other, &key);
    webhooks_free(&hooks);
    struct webhooks_args args = {.loop = loop, .list = buf_str(&list), .anchors = buf_str(&other)};
    assert_int_equal(webhooks_new(&args, &hooks), ERR_OK);
    expect_post("localhost:PORT/hook", "later");
    assert_int_equal(asked.len, 0);
}

/* Who is gone is not answered; what is too much comes later. */
static void test_forget(void **state)
{
    char url[64];
    (void)snprintf(url, sizeof(url), "https://localhost:%u/hook", https.port);
    status = 0;
    for (uint32_t i = 0; i < 32; i++) {
        start(url, i);
    }
    assert_int_equal(replies, 0);
    start(url, 99);
    assert_int_equal(replies, 1);
    assert_str(buf_str(&got), STR("later"));
    webhooks_forget(hooks, &got);
    assert_int_equal(replies, 1);
    status = 200;
    expect_post("localhost:PORT/hook", "ok");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_post, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_certificate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_forget, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
