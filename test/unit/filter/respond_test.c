/* MD-2, MD-5, X-SIEVE-EREJECT, X-SIEVE-FCC: messages that scripts send. */
#include "filter_fixture.h"

#include <stdio.h>

#define HEAD "From: Sam <sam@there.example>\nTo: Ann <ann@example.org>\n"
#define REST "Subject: Hello\nMessage-ID: <1@there>\nReferences: <0@there>\n\nHi.\n"

static bool is_answered(struct world *w, const char *message)
{
    assert_int_equal(world_deliver(w, message), ERR_OK);
    bool is_sent = world_take(w);
    assert_false(world_take(w));
    return is_sent;
}

static void test_vacation(void **state)
{
    struct world w;
    world_open(&w);
    world_script(&w, "require \"vacation\"; vacation :days 3 \"I am away\nreally: \xc3\xa4\";");
    assert_true(is_answered(&w, HEAD REST));
    assert_int_equal(world_count(&w, "INBOX"), 1);
    assert_true(world_head_is(&w, "from", "") && world_head_is(&w, "to", "sam@there.example"));
    assert_true(world_head_is(&w, "notify", "1"));
    const char *sent = w.octets.p;
    assert_has(sent, "Auto-Submitted: auto-replied\r\n");
    assert_has(sent, "From: ann@example.org\r\nTo: sam@there.example\r\nSubject: Auto: Hello\r\n");
    assert_has(sent, "In-Reply-To: <1@there>\r\nReferences: <0@there> <1@there>\r\n");
    assert_has(sent, "charset=utf-8\r\n");
    assert_has(sent, "\r\n\r\nI am away\r\nreally: \xc3\xa4\r\n");
    assert_false(is_answered(&w, HEAD REST));
    w.f.now_ms += UINT64_C(3) * 24 * 3600 * 1000 - 1000;
    assert_false(is_answered(&w, HEAD REST));
    w.return_path = "SAM@there.example";
    assert_false(is_answered(&w, HEAD REST));
    w.return_path = "tom@there.example";
    assert_true(is_answered(&w, HEAD REST));
    w.return_path = "sam@there.example";
    w.f.now_ms += 2000;
    assert_true(is_answered(&w, HEAD REST));
    world_close(&w);
}

static void test_vacation_guards(void **state)
{
    static const char *const AUTOMATIC[] = {
        "List-Id: <x.y>",
        "List-Post: <mailto:x@y>",
        "Precedence: Bulk",
        "Precedence: list",
        "Auto-Submitted: auto-generated",
        "Auto-Submitted: auto-replied; x=y",
        "Auto-Submitted: no\nAuto-Submitted: auto-generated",
        "Precedence: junk",
        "List-Unsubscribe: <mailto:x@y>",
        "Content-Type: multipart/report; report-type=delivery-status; boundary=x",
    };
    static const char *const ROBOTS[] = {"",
                                         "MAILER-DAEMON@there.example",
                                         "owner-list@there.example",
                                         "list-request@there.example",
                                         "listserv@there.example",
                                         "no-reply@there.example",
                                         "ann@example.org",
                                         "ann@localhost"};
    struct world w;
    struct buf message = BUF_INIT(4096);
    world_open(&w);
    world_script(&w, "require \"vacation\"; vacation \"away\";");
    for (size_t i = 0; i < sizeof(AUTOMATIC) / sizeof(AUTOMATIC[0]); i++) {
        buf_clear(&message);
        buf_addf(&message, "%s\n" HEAD REST, AUTOMATIC[i]);
        if (is_answered(&w, message.p)) {
            fail_msg("%s was answered", AUTOMATIC[i]);
        }
    }
    for (size_t i = 0; i < sizeof(ROBOTS) / sizeof(ROBOTS[0]); i++) {
        w.return_path = ROBOTS[i];
        if (is_answered(&w, HEAD REST)) {
            fail_msg("<%s> was answered", ROBOTS[i]);
        }
    }
    w.return_path = "sam@there.example";
    assert_false(is_answered(&w, "To: team@example.org\n" REST));
    assert_true(is_answered(&w, "Auto-Submitted: no\nTo: x@y,\n \"A\" <ANN@example.org>\n" REST));
    buf_release(&message);
    world_close(&w);
}

static void test_vacation_addresses(void **state)
{
    struct world w;
    world_open(&w);
    world_script(&w, "require \"vacation\"; vacation :addresses [\"team@example.org\"] \"away\";");
    assert_true(is_answered(&w, "Cc: team@example.org\n" REST));
    w.return_path = "team@example.org";
    assert_false(is_answered(&w, HEAD REST));
    w.return_path = "b@there.example";
    w.address = "alias+detail@example.org";
    assert_true(is_answered(&w, "To: alias@example.org\n" REST));
    assert_has(w.octets.p, "From: alias@example.org\r\n");
    world_close(&w);
}

static void test_vacation_words(void **state)
{
    struct world w;
    world_open(&w);
    world_script(&w, "require [\"vacation\", \"vacation-seconds\", \"fcc\", \"mailbox\"];\n"
                     "vacation :seconds 0 :fcc \"Sent\" :from \"Ann \xc3\x84 <ann@example.org>\""
                     " :subject \"Bin \xc3\xbc"
                     "ber\" :handle \"h\" \"x\";");
    assert_true(is_answered(&w, HEAD "Subject: a\n\n"));
    assert_true(is_answered(&w, HEAD "Subject: a\n\n"));
    assert_has(w.octets.p, "From: =?utf-8?B?QW5uIMOE?= <ann@example.org>\r\n");
    assert_has(w.octets.p, "Subject: =?utf-8?B?QmluIMO8YmVy?=\r\n");
    assert_lacks(w.octets.p, "In-Reply-To");
    assert_int_equal(world_count(&w, "Sent"), 2);
    assert_has(world_read(&w, "Sent", 1), "\r\n\r\nx\r\n");
    world_script(&w, "require \"vacation\"; vacation :from \"boss@example.org\" :mime\n"
                     "text:\nContent-Type: text/html\n\n<p>away\n.\n;");
    assert_true(
        is_answered(&w, HEAD "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= aus\n =?utf-8?q?_B?=\n\n"));
    assert_has(w.octets.p, "From: ann@example.org\r\n");
    assert_has(w.octets.p, "MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n<p>away\r\n");
    assert_has(w.octets.p, "Subject: =?utf-8?B?");
    world_close(&w);
}

static void test_reject(void **state)
{
    struct world w;
    world_open(&w);
    world_script(&w, "require \"ereject\"; ereject \"Not\nwanted\";");
    assert_int_equal(world_deliver(&w, HEAD REST), ERR_OK);
    assert_str(buf_str(&w.outcome.refusal), STR("550 5.7.1 Not\nwanted"));
    world_script(&w, "require \"ereject\"; ereject \"\xc3\xa4\";");
    assert_int_equal(world_deliver(&w, HEAD REST), ERR_OK);
    assert_str(buf_str(&w.outcome.refusal),
               STR("550 5.7.1 The recipient's mail filter refuses this message"));
    world_script(&w, "require \"reject\"; reject \"No.\";");
    assert_int_equal(world_deliver(&w, HEAD REST), ERR_OK);
    assert_str(buf_str(&w.outcome.refusal), STR("550 5.7.1 No."));
    assert_int_equal(world_count_items(&w), 0);
    assert_int_equal(world_count(&w, "INBOX"), 0);

    /* What takes several lines is said as it was written, in a message. */
    world_script(&w, "require \"reject\"; reject \"One\n  two\";");
    assert_true(is_answered(&w, HEAD REST));
    assert_int_equal(w.outcome.refusal.len, 0);
    assert_has(w.octets.p, "\r\nOne\r\n  two\r\n");
    world_script(&w, "require \"reject\"; reject \"N\xc3\xb6.\";");
    assert_true(is_answered(&w, HEAD REST));
    assert_int_equal(w.outcome.refusal.len, 0);
    assert_true(world_head_is(&w, "from", "") && world_head_is(&w, "to", "sam@there.example"));
    assert_has(w.octets.p, "report-type=disposition-notification");
    assert_has(w.octets.p, "N\xc3\xb6.\r\n");
    assert_has(w.octets.p, "Disposition: automatic-action/MDN-sent-automatically; deleted\r\n");
    assert_has(w.octets.p, "Final-Recipient: rfc822; ann@example.org\r\n");
    assert_has(w.octets.p, "Original-Message-ID: <1@there>\r\n");
    assert_has(w.octets.p, "Content-Type: message/rfc822\r\n");
    assert_has(w.octets.p, "\r\n\r\nHi.\r\n");
    w.return_path = "";
    assert_false(is_answered(&w, HEAD REST));
    assert_int_equal(world_count(&w, "INBOX"), 0);
    world_close(&w);
}

static void test_notify(void **state)
{
    struct world w;
    world_open(&w);
    world_script(
        &w, "require [\"enotify\", \"fcc\"];\n"
            "notify :from \"Ann <ann@localhost>\" :importance \"1\" :message \"Mail\nBcc: x\" :fcc "
            "\"Sent\"\n"
            "\"mailto:me%40phone.example,two@phone.example?cc=three@phone.example&body=Look%0Ahere"
            "&X-Tag=1&From=evil@x&Auto-Submitted=no\";");
    assert_int_equal(world_deliver(&w, HEAD REST), ERR_OK);
    assert_int_equal(world_count(&w, "INBOX"), 1);
    assert_int_equal(world_count(&w, "Sent"), 1);
    assert_int_equal(world_count_items(&w), 3);
    assert_true(world_take(&w));
    assert_true(world_head_is(&w, "from", "ann@localhost"));
    assert_true(world_head_is(&w, "to", "me@phone.example"));
    assert_has(w.octets.p, "Auto-Submitted: auto-notified; owner-email=\"ann@example.org\"\r\n");
    assert_has(w.octets.p, "To: me@phone.example,\r\n two@phone.example\r\n");
    assert_has(w.octets.p, "Cc: three@phone.example\r\n");
    assert_has(w.octets.p, "Importance: High\r\nX-Priority: 1 (Highest)\r\n");
    assert_lacks(w.octets.p, "\nBcc:");
    assert_lacks(w.octets.p, "evil");
    assert_has(w.octets.p, "X-Tag: 1\r\n");
    assert_has(w.octets.p, "\r\n\r\nLook\r\nhere\r\n");
    assert_true(world_take(&w) && world_take(&w));
    assert_int_equal(world_deliver(&w, "Auto-Submitted: auto-notified\n" HEAD REST), ERR_OK);
    assert_int_equal(world_count_items(&w), 0);
    w.return_path = "";
    assert_int_equal(world_deliver(&w, HEAD REST), ERR_OK);
    assert_true(world_take(&w));
    assert_true(world_head_is(&w, "from", ""));
    w.config.notifies_a_day = 2;
    world_set_up(&w);
    assert_true(world_take(&w) && world_take(&w));
    assert_int_equal(world_deliver(&w, HEAD REST), ERR_OK);
    assert_int_equal(world_count_items(&w), 0);
    world_close(&w);
}

static void test_hook(void **state)
{
    struct world w;
    world_open(&w);
    world_script(
        &w, "require [\"enotify\", \"variables\"];\n"
            "if valid_notify_method \"https://hook.example/inside\" { discard; }\n"
            "if valid_notify_method \"http://hook.example/in\" { discard; }\n"
            "notify :message \"a\\\"b\" :options [\"k=v\"] \"https://hook.example/in/x?y=1\";");
    assert_int_equal(world_deliver(&w, HEAD REST), ERR_OK);
    assert_int_equal(world_count(&w, "INBOX"), 1);
    assert_true(world_take(&w));
    assert_int_equal(w.item.kind, OUTBOX_POST);
    assert_true(world_head_is(&w, "url", "https://hook.example/in/x?y=1"));
    assert_has(w.octets.p,
               "{\"event\":\"message\",\"user\":\"ann\",\"recipient\":\"ann@example.org\"");
    assert_has(w.octets.p, "\"from\":\"Sam <sam@there.example>\",\"subject\":\"Hello\"");
    assert_has(w.octets.p, "\"text\":\"a\\\"b\",\"importance\":2,");
    assert_has(w.octets.p, "\"options\":[\"k=v\"]}");
    world_script(&w, "require \"enotify\"; notify \"https://elsewhere.example/\";");
    assert_int_equal(world_deliver(&w, HEAD REST), ERR_OK);
    assert_int_equal(world_count_items(&w), 0);
    assert_int_equal(world_count(&w, "INBOX"), 3); /* and a note */
    world_close(&w);
}

/* Of an entity goes on what describes its content: who wrote the answer, and to whom it goes, is not the script's to say. */
static void test_vacation_entity(void **state)
{
    struct world w;
    world_open(&w);
    world_script(&w, "require \"vacation\"; vacation :mime\n"
                     "text:\nMIME-Version: 1.0\nBcc: x@y.example,\n z@y.example\n"
                     "Content-Type: text/plain;\n charset=utf-8\nContent-Odd: \xc3\xa4\nFrom: "
                     "x@y.example\n\nFrom: me\n.\n;");
    assert_true(is_answered(&w, HEAD REST));
    assert_has(w.octets.p, "<1@there>\r\nMIME-Version: 1.0\r\n"
                           "Content-Type: text/plain;\r\n charset=utf-8\r\n\r\nFrom: me\r\n");
    assert_lacks(w.octets.p, "y.example");
    world_close(&w);
}

/* X-SIEVE-EDITHEADER: what answers looks at the header as it is then; a refusal returns the message as it came (RFC 5293, 7). */
static void test_edited(void **state)
{
    struct world w;
    world_open(&w);
    world_script(&w,
                 "require [\"editheader\", \"vacation\", \"enotify\"];"
                 "notify \"mailto:x@y.example\";"
                 "deleteheader \"Subject\"; addheader \"Subject\" \"Other\"; vacation \"away\";");
    assert_int_equal(world_deliver(&w, HEAD REST), ERR_OK);
    assert_true(world_take(&w));
    assert_has(w.octets.p, "\r\nSubject: Hello\r\n");
    assert_true(world_take(&w));
    assert_has(w.octets.p, "\r\nSubject: Auto: Other\r\n");
    world_script(&w, "require [\"editheader\", \"vacation\"];"
                     "addheader \"List-Id\" \"<a.b>\"; vacation \"away, too\";");
    assert_false(is_answered(&w, HEAD REST));
    world_script(&w, "require [\"editheader\", \"reject\"];"
                     "addheader \"X-Mine\" \"secret\"; reject \"\xc3\xa4\";");
    assert_int_equal(world_deliver(&w, HEAD REST), ERR_OK);
    assert_true(world_take(&w));
    assert_lacks(w.octets.p, "X-Mine");
    world_close(&w);
}

/* RFC 6131: an answer to every message, up to a day's worth. */
static void test_vacation_storm(void **state)
{
    struct world w;
    world_open(&w);
    w.config.notifies_a_day = 2;
    world_set_up(&w);
    world_script(&w, "require \"vacation-seconds\"; vacation :seconds 0 \"away\";");
    assert_true(is_answered(&w, HEAD REST) && is_answered(&w, HEAD REST));
    assert_false(is_answered(&w, HEAD REST));
    assert_int_equal(world_count(&w, "INBOX"), 3);
    w.f.now_ms += UINT64_C(24) * 3600 * 1000 + 1000;
    assert_true(is_answered(&w, HEAD REST));
    world_close(&w);
}

/* Names around the addresses of a script do not hide whose they are. */
static void test_vacation_own(void **state)
{
    struct world w;
    world_open(&w);
    world_script(&w, "require \"vacation\";"
                     "vacation :addresses \"Ann <old@else.example>\" \"away\";");
    w.return_path = "old@else.example";
    assert_false(is_answered(&w, HEAD REST));
    w.return_path = "sam@there.example";
    assert_true(is_answered(&w, "To: old@else.example\n" REST));
    world_close(&w);
}

/* A script that makes too much to send loses no message. */
static void test_too_large(void **state)
{
    static const char *const ACTIONS[] = {"vacation \"", "reject \"\xc3\xa4 "};
    struct world w;
    struct buf script = BUF_INIT(64 * 1024);
    struct buf text = BUF_INIT(1024);
    for (int i = 0; i < 20; i++) {
        buf_add_c(&text, "${c}");
    }
    for (size_t i = 0; i < 2; i++) {
        world_open(&w);
        buf_clear(&script);
        buf_add_c(&script, "require [\"vacation\", \"reject\", \"variables\"];\nset \"a\" \"");
        for (int k = 0; k < 100; k++) {
            buf_add_c(&script, "0123456789");
        }
        buf_add_c(&script, "\";\nset \"c\" \"");
        for (int k = 0; k < 60; k++) {
            buf_add_c(&script, "${a}");
        }
        buf_add_c(&script, "\";\n");
        buf_add_c(&script, ACTIONS[i]);
        buf_add(&script, buf_str(&text));
        buf_add_c(&script, "\";\n");
        world_script(&w, script.p);
        assert_int_equal(world_deliver(&w, HEAD REST), ERR_OK);
        assert_int_equal(world_count_items(&w), 0);
        /* The message and a note, or a refusal in words of ours. */
        assert_int_equal(world_count(&w, "INBOX"), i == 0 ? 2 : 0);
        assert_int_equal(w.outcome.refusal.len > 0, i == 1);
        world_close(&w);
    }
    buf_release(&script);
    buf_release(&text);
}

/* What nobody's mail depends on is left out when too much waits; a redirect waits for better times. */
static void test_full_outbox(void **state)
{
    struct world w;
    struct outbox_item item = {.kind = OUTBOX_MAIL, .head = STR("x=y\n"), .text = STR("x")};
    world_open(&w);
    for (int i = 0; i < OUTBOX_MOST; i++) {
        assert_int_equal(account_add_outgoing(w.f.account, &item, NULL), ERR_OK);
    }
    assert_int_equal(fixture_commit(&w.f), ERR_OK);
    world_script(&w, "require [\"vacation\", \"fcc\", \"enotify\"]; notify \"mailto:x@y.example\";"
                     "vacation :fcc \"INBOX\" \"away\";");
    assert_int_equal(world_deliver(&w, HEAD REST), ERR_OK);
    assert_int_equal(world_count_items(&w), OUTBOX_MOST);
    assert_int_equal(world_count(&w, "INBOX"), 2);
    assert_has(world_read(&w, "INBOX", 2), "answers and notifications are left out");
    assert_true(world_take(&w) && world_take(&w));
    assert_int_equal(world_deliver(&w, HEAD REST), ERR_OK);
    assert_int_equal(world_count_items(&w), OUTBOX_MOST);
    world_script(&w, "redirect \"x@y.example\";");
    assert_int_equal(world_deliver(&w, HEAD REST), ERR_LIMIT);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vacation),
        cmocka_unit_test(test_vacation_guards),
        cmocka_unit_test(test_vacation_addresses),
        cmocka_unit_test(test_vacation_words),
        cmocka_unit_test(test_vacation_own),
        cmocka_unit_test(test_vacation_storm),
        cmocka_unit_test(test_vacation_entity),
        cmocka_unit_test(test_edited),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_full_outbox),
        cmocka_unit_test(test_reject),
        cmocka_unit_test(test_notify),
        cmocka_unit_test(test_hook),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
