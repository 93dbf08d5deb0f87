/* The HTTPS client against a server of ours on loopback: what it asks, what it refuses, how it ends. */
#include "net/http.h"

#include "https_server.h"

#include <stdio.h>
#include <unistd.h>

enum { BIG = 100000 };

static struct loop *loop;
static struct http *http;
static struct buf asked; /* the last request */
static enum err got_err;
static unsigned got_status;
static struct buf got_body;
static unsigned ends;

/* ---- the server ---- */

static void answer(struct https_visit *v)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 20);
    struct str heard = buf_str(&v->heard);
    buf_clear(&asked);
    buf_add(&asked, heard);
    if (str_starts(heard, STR("GET /silent"))) {
        return;
    }
    if (str_starts(heard, STR("GET /cut"))) {
        stream_write(v->s, STR("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf"));
    } else if (str_starts(heard, STR("GET /garbage"))) {
        stream_write(v->s, STR("220 mail.example ESMTP\r\n"));
    } else if (str_starts(heard, STR("GET /moved"))) {
        stream_write(v->s, STR("HTTP/1.1 302 Found\r\nLocation: /policy\r\n"
                               "Content-Length: 0\r\n\r\n"));
    } else if (str_starts(heard, STR("GET /big"))) {
        buf_addf(&out, "HTTP/1.1 200 OK\r\n\r\n%*d", BIG, 1);
        stream_write(v->s, buf_str(&out));
    } else {
        stream_write(v->s, STR("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                               "Content-Length: 5\r\n\r\nhello"));
    }
    stream_shutdown(v->s);
}

static bool is_whole(struct str heard)
{
    return !str_starts(heard, STR("POST")) || str_ends(heard, STR("body"));
}

static int set_up(void **state)
{
    loop = loop_new();
    https_start(loop, "mta-sts.x.test", is_whole, answer);
    asked = BUF_INIT(65536);
    got_body = BUF_INIT(1 << 20);
    ends = 0;
    struct http_args args = {.loop = loop, .anchors_pem = buf_str(&https.cert)};
    assert_int_equal(http_new(&args, &http), ERR_OK);
    return 0;
}

static int tear_down(void **state)
{
    http_free(&http);
    https_stop();
    loop_free(&loop);
    buf_release(&asked);
    buf_release(&got_body);
    return 0;
}

static void on_done(void *owner, enum err e, const struct http_answer *a)
{
    ends++;
    got_err = e;
    got_status = a->status;
    buf_clear(&got_body);
    buf_add(&got_body, a->body);
    loop_stop(loop);
}

static void on_late(void *owner)
{
    loop_stop(loop);
}

/* path: of https://host:port; the host is said to be on loopback. */
static struct http_call *start(const char *scheme, const char *host, const char *path,
                               struct str body)
{
    CLEANUP(buf_release) struct buf url = BUF_INIT(1000);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_storage where = {0};
    memcpy(&where, &at, sizeof(at));
    buf_addf(&url, "%s://%s:%u%s", scheme, host, https.port, path);
    struct http_request r = {
        .url = buf_str(&url),
        .at = &where,
        .at_count = 1,
        .is_post = body.n > 0,
        .body = body,
        .content_type = STR("text/plain"),
        .answer_most = 1000,
        .timeout_ms = strcmp(path, "/silent") == 0 ? 500 : 60 * 1000,
    };
    return http_start(http, &r, on_done, NULL);
}

static enum err get(const char *path)
{
    (void)start("https", "mta-sts.x.test", path, STR_EMPTY);
    loop_run(loop);
    assert_int_equal(ends, 1);
    ends = 0;
    return got_err;
}

static void test_get(void **state)
{
    assert_int_equal(get("/policy"), ERR_OK);
    assert_int_equal(got_status, 200);
    assert_str(buf_str(&got_body), STR("hello"));
    assert_true(str_starts(buf_str(&asked), STR("GET /policy HTTP/1.1\r\nHost: mta-sts.x.test:")));
    assert_int_equal(get("/policy"), ERR_OK); /* and once more */
}

static void test_post(void **state)
{
    (void)start("https", "mta-sts.x.test", "/hook", STR("the body"));
    loop_run(loop);
    assert_int_equal(got_err, ERR_OK);
    assert_true(str_ends(buf_str(&asked), STR("\r\n\r\nthe body")));
    assert_true(str_find_str(buf_str(&asked), STR("Content-Type: text/plain\r\n")) < asked.len);
    assert_true(str_find_str(buf_str(&asked), STR("Content-Length: 8\r\n")) < asked.len);
    assert_true(str_find_str(buf_str(&asked), STR("Expect")) == asked.len);
}

/* RFC 8461, 3.3: redirects are not followed. */
static void test_redirect(void **state)
{
    assert_int_equal(get("/moved"), ERR_OK);
    assert_int_equal(got_status, 302);
    assert_int_equal(got_body.len, 0);
}

static void test_bad_answers(void **state)
{
    assert_int_equal(get("/big"), ERR_TOO_BIG);
    assert_int_equal(get("/cut"), ERR_PEER_GONE);
    assert_int_equal(get("/garbage"), ERR_PEER_GONE);
    assert_int_equal(get("/silent"), ERR_TIMEOUT);
}

static void test_certificate(void **state)
{
    (void)start("https", "other.x.test", "/policy", STR_EMPTY);
    loop_run(loop);
    assert_int_equal(got_err, ERR_TLS_FAILED);
    assert_int_equal(asked.len, 0);
    http_free(&http);
    struct http_args args = {.loop = loop}; /* the system's anchors do not know it */
    assert_int_equal(http_new(&args, &http), ERR_OK);
    (void)start("https", "mta-sts.x.test", "/policy", STR_EMPTY);
    loop_run(loop);
    assert_int_equal(got_err, ERR_TLS_FAILED);
    assert_int_equal(asked.len, 0);
}

static void test_plain(void **state)
{
    https.is_plain = true;
    (void)start("http", "x.test", "/policy", STR_EMPTY);
    loop_run(loop);
    assert_int_equal(got_err, ERR_SYNTAX);
    http_free(&http);
    struct http_args args = {.loop = loop, .is_plain_allowed = true};
    assert_int_equal(http_new(&args, &http), ERR_OK);
    (void)start("http", "x.test", "/policy", STR_EMPTY);
    loop_run(loop);
    assert_int_equal(got_err, ERR_OK);
}

/* A name without addresses goes to the system's resolver; proxies of the environment are none of ours. */
static void test_own_way(void **state)
{
    CLEANUP(buf_release) struct buf url = BUF_INIT(1000);
    assert_int_equal(setenv("https_proxy", "http://127.0.0.1:1", 1), 0);
    buf_addf(&url, "https://127.0.0.1:%u/policy", https.port);
    struct http_request r = {.url = buf_str(&url), .answer_most = 1000};
    (void)http_start(http, &r, on_done, NULL);
    loop_run(loop);
    assert_int_equal(got_err, ERR_OK);
    assert_int_equal(unsetenv("https_proxy"), 0);
}

static void test_bad_urls(void **state)
{
    static const char *const URLS[] = {"",           "nonsense",  "file:///etc/passwd",
                                       "gopher://x", "https:///", "ftp://x.test/"};
    for (size_t i = 0; i < sizeof(URLS) / sizeof(URLS[0]); i++) {
        struct http_request r = {.url = str_from_c(URLS[i]), .answer_most = 1000};
        (void)http_start(http, &r, on_done, NULL);
        loop_run(loop);
        assert_int_equal(got_err, ERR_SYNTAX);
    }
    struct http_request r = {.url = STR("https://x.test/"),
                             .is_post = true,
                             .content_type = STR("text/plain\r\nX-Smuggled: 1")};
    (void)http_start(http, &r, on_done, NULL);
    loop_run(loop);
    assert_int_equal(got_err, ERR_SYNTAX);
}

static void test_unreachable(void **state)
{
    listener_free(&https.listener);
    assert_int_equal(get("/policy"), ERR_UNREACHABLE);
}

static void test_cancel(void **state)
{
    struct timer *t = timer_new(loop, on_late, NULL);
    struct http_call *c = start("https", "mta-sts.x.test", "/silent", STR_EMPTY);
    struct http_call *d = start("https", "mta-sts.x.test", "/policy", STR_EMPTY);
    http_cancel(&d);
    timer_start(t, 100);
    loop_run(loop);
    http_cancel(&c);
    assert_null(c);
    (void)start("https", "mta-sts.x.test", "/silent", STR_EMPTY);
    timer_start(t, 50);
    loop_run(loop);
    assert_int_equal(ends, 0); /* tear_down() drops the last */
    timer_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_get, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_post, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_redirect, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_certificate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_plain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_own_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_urls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unreachable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
