/* MD-1: what scripts do with a message that is delivered. */
#include "filter_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#define MESSAGE                                                                                    \
    "From: sam@there.example\nTo: ann@example.org\nSubject: Hello\nMessage-ID: <1@there>\n\nHi.\n"

/* GET /metrics says so. */
static void assert_counts(const struct world *w, const char *outcome, int n)
{
    char line[128];
    struct buf text = BUF_INIT(8192);
    (void)snprintf(line, sizeof(line), "{worker=\"3\",outcome=\"%s\"} %d\n", outcome, n);
    filter_write_metrics(w->filter, 3, &text);
    buf_add_char(&text, '\0');
    assert_has(text.p, line);
    buf_release(&text);
}

static void test_plain(void **state)
{
    struct world w;
    world_open(&w);
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_count(&w, "INBOX"), 1);
    assert_has(world_read(&w, "INBOX", 1), "Return-Path: <sam@there.example>\r\nDelivered-To: ann");
    world_script(&w, "");
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    world_script(&w, "keep; keep;");
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_count(&w, "INBOX"), 3);
    world_script(&w, "discard;");
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_count(&w, "INBOX"), 3);
    assert_counts(&w, "kept", 3);
    assert_counts(&w, "discarded", 1);
    assert_int_equal(world_count_items(&w), 0);
    world_close(&w);
}

/* MD-3: several mailboxes share one body; flags are each one's own. */
static void test_fileinto(void **state)
{
    struct world w;
    world_open(&w);
    world_script(&w,
                 "require [\"fileinto\", \"copy\", \"imap4flags\"];\n"
                 "fileinto :copy \"Archive\"; fileinto :flags [\"\\\\Seen\", \"work\"] \"Sent\";\n"
                 "keep :flags \"\\\\Flagged\";");
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_count(&w, "Archive"), 1);
    assert_int_equal(world_flags(&w, "Archive", 1), 0);
    assert_int_equal(world_count(&w, "INBOX"), 1);
    assert_int_equal(world_flags(&w, "INBOX", 1), FLAG_FLAGGED);
    uint64_t flags = world_flags(&w, "Sent", 1);
    assert_true((flags & FLAG_SEEN) != 0 && flags != FLAG_SEEN);
    world_script(&w, "require \"fileinto\"; fileinto \"Archive\";");
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_count(&w, "Archive"), 2);
    assert_int_equal(world_count(&w, "INBOX"), 1);
    assert_counts(&w, "filed", 3);
    assert_counts(&w, "kept", 1);
    assert_counts(&w, "discarded", 0);
    world_close(&w);
}

/* A script that is none, or fails, keeps the message, and its owner hears of it once a day. */
static void test_failing(void **state)
{
    struct world w;
    world_open(&w);
    world_script(&w, "if true {\n discrad;\n}");
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_count(&w, "INBOX"), 3);
    const char *note = world_read(&w, "INBOX", 2);
    assert_has(note, "your script \"main\", line 2");
    assert_has(note, "discrad");
    assert_has(note, "Auto-Submitted: auto-generated");
    assert_counts(&w, "troubled", 2);
    w.f.now_ms += UINT64_C(24) * 3600 * 1000;
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_count(&w, "INBOX"), 5);
    world_close(&w);
}

/* An account that is full refuses, and nothing is half done. */
static void test_quota(void **state)
{
    struct world w;
    world_open(&w);
    const uint64_t limits[] = {QUOTA_UNLIMITED, 2, QUOTA_UNLIMITED};
    assert_int_equal(account_set_quota(w.f.account, limits), ERR_OK);
    assert_int_equal(fixture_commit(&w.f), ERR_OK);
    world_script(
        &w,
        "require [\"fileinto\", \"copy\", \"mailbox\"];\n"
        "fileinto :copy \"Archive\"; fileinto :copy \"Sent\"; redirect :copy \"b@far.example\";\n"
        "fileinto :create \"new\";");
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OVER_QUOTA);
    assert_counts(&w, "failed", 1);
    assert_counts(&w, "filed", 0);
    assert_int_equal(world_count(&w, "Archive"), 0);
    assert_int_equal(world_count(&w, "new"), -1);
    assert_int_equal(world_count_items(&w), 0);
    world_script(&w, "redirect \"b@far.example\";");
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_count_items(&w), 1);
    world_close(&w);
}

static void test_redirect(void **state)
{
    struct world w;
    world_open(&w);
    world_script(&w, "redirect \"bob@far.example\";");
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_true(w.outcome.has_outgoing);
    assert_int_equal(world_count(&w, "INBOX"), 0);
    assert_true(world_take(&w));
    assert_true(world_head_is(&w, "from", "sam@there.example"));
    assert_true(world_head_is(&w, "to", "bob@far.example"));
    assert_true(world_head_is(&w, "keep", "1"));
    assert_true(str_starts(buf_str(&w.octets), STR("Delivered-To: ann@example.org\r\nFrom: sam")));
    assert_false(world_take(&w));
    w.return_path = "";
    world_script(&w, "require \"copy\"; redirect :copy \"bob@far.example\"; redirect "
                     "\"eve@far.example\"; keep;");
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_count(&w, "INBOX"), 1);
    assert_true(world_take(&w));
    assert_true(world_head_is(&w, "from", "") && world_head_is(&w, "keep", ""));
    assert_true(world_take(&w));
    assert_true(world_head_is(&w, "to", "eve@far.example"));
    assert_counts(&w, "redirected", 3);
    assert_counts(&w, "answered", 0);
    world_close(&w);
}

/* Not in circles, not to oneself, not without end. */
static void test_redirect_guards(void **state)
{
    struct world w;
    world_open(&w);
    world_script(&w, "redirect \"bob@far.example\";");
    assert_int_equal(world_deliver(&w, "Delivered-To: ann@example.org\nTo: x@y\n\n"), ERR_OK);
    assert_int_equal(world_count(&w, "INBOX"), 1);
    assert_int_equal(world_count_items(&w), 0);
    assert_int_equal(world_deliver(&w, "Delivered-To: bob@far.example\nTo: x@y\n\n"), ERR_OK);
    assert_int_equal(world_count_items(&w), 1);
    world_script(&w, "redirect \"Ann@example.org\";");
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_count(&w, "INBOX"), 2);
    assert_int_equal(world_count_items(&w), 1);
    w.config.redirects_a_day = 2;
    world_set_up(&w);
    world_script(&w, "redirect \"bob@far.example\";");
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_count_items(&w), 2);
    assert_int_equal(world_count(&w, "INBOX"), 4); /* the third, and why */
    w.f.now_ms += UINT64_C(24) * 3600 * 1000 + 1000;
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_count_items(&w), 3);
    world_close(&w);
}

/* What is kept for name+detail, where the operator wants it so. */
static void test_detail(void **state)
{
    struct world w;
    world_open(&w);
    w.config.is_detail_filed = true;
    world_set_up(&w);
    w.address = "ann+Archive@example.org";
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_count(&w, "Archive"), 1);
    w.address = "ann+nothing@example.org";
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_count(&w, "INBOX"), 1);
    world_script(&w, "require \"fileinto\"; fileinto \"INBOX\";");
    w.address = "ann+Archive@example.org";
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_count(&w, "INBOX"), 2);
    world_close(&w);
}

/* The operator's scripts, around the user's. */
static void test_operator(void **state)
{
    struct world w;
    world_open(&w);
    w.config.before = STR("require [\"fileinto\", \"copy\"]; fileinto :copy \"Archive\";\n"
                          "if header :is \"X-Spam\" \"yes\" { fileinto \"Junk\"; stop; }");
    w.config.after = STR("require \"fileinto\"; fileinto \"Trash\";");
    world_set_up(&w);
    world_script(&w, "if header :is \"X-Mine\" \"yes\" { keep; }");
    assert_int_equal(world_deliver(&w, "X-Spam: yes\n\n"), ERR_OK);
    assert_int_equal(world_count(&w, "Junk"), 1);
    assert_int_equal(world_count(&w, "Archive"), 1);
    assert_int_equal(world_deliver(&w, "X-Mine: yes\n\n"), ERR_OK);
    assert_int_equal(world_count(&w, "INBOX"), 1);
    assert_int_equal(world_count(&w, "Trash"), 0);
    assert_int_equal(world_deliver(&w, "X-Other: yes\n\n"), ERR_OK);
    assert_int_equal(world_count(&w, "Trash"), 1);
    assert_int_equal(world_count(&w, "INBOX"), 1);
    assert_int_equal(world_count(&w, "Archive"), 3);
    world_close(&w);
}

static int32_t find_zone(int64_t unix_s)
{
    return unix_s > 0 ? -9000 : 0;
}

/* What a script sees of the time is in the server's zone (RFC 5260, 4.1). */
static void test_zone(void **state)
{
    struct world w;
    world_open(&w);
    w.config.find_zone_s = find_zone;
    world_set_up(&w);
    world_script(&w, "require [\"date\", \"fileinto\"];"
                     "if currentdate \"zone\" \"-0230\" { fileinto \"Archive\"; }");
    assert_int_equal(world_deliver(&w, "\n"), ERR_OK);
    assert_int_equal(world_count(&w, "Archive"), 1);
    world_close(&w);
}

/* X-SIEVE-EDITHEADER: a header that changes for every mailbox is a copy of the message each: there is an end to it. */
static void test_changes(void **state)
{
    struct world w;
    struct buf script = BUF_INIT(4096);
    world_open(&w);
    buf_add_c(&script, "require [\"editheader\", \"fileinto\", \"mailbox\"];");
    for (int i = 0; i < 10; i++) {
        buf_addf(&script, "addheader \"X-E\" \"%d\"; fileinto :create \"E%d\";\n", i, i);
    }
    world_script(&w, script.p);
    assert_int_equal(world_deliver(&w, "Subject: s\n\nbody\n"), ERR_OK);
    assert_has(world_read(&w, "E7", 1), "X-E: 7\r\n");
    assert_lacks(world_read(&w, "E8", 1), "X-E");
    assert_lacks(world_read(&w, "E9", 1), "X-E");
    assert_has(world_read(&w, "INBOX", 1), "changes the header too often");
    world_close(&w);
    buf_release(&script);
}

/* A changed header that the outbox cannot hold: the message is kept. */
static void test_large_change(void **state)
{
    struct world w;
    struct buf message = BUF_INIT(4 * 1024 * 1024);
    world_open(&w);
    for (int i = 0; i < 40000; i++) {
        buf_addf(&message, "X-%d: 0123456789012345678901234567\n", i);
    }
    buf_add_c(&message, "\nbody\n");
    world_script(&w, "require \"editheader\"; addheader \"X-E\" \"1\"; redirect \"x@y.example\";");
    assert_int_equal(world_deliver(&w, message.p), ERR_OK);
    assert_int_equal(world_count_items(&w), 0);
    assert_has(world_read(&w, "INBOX", 1), "X-E: 1\r\n");
    assert_has(world_read(&w, "INBOX", 2), "cannot be redirected");
    world_close(&w);
    buf_release(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),        cmocka_unit_test(test_fileinto),
        cmocka_unit_test(test_failing),      cmocka_unit_test(test_quota),
        cmocka_unit_test(test_redirect),     cmocka_unit_test(test_redirect_guards),
        cmocka_unit_test(test_detail),       cmocka_unit_test(test_operator),
        cmocka_unit_test(test_zone),         cmocka_unit_test(test_changes),
        cmocka_unit_test(test_large_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
