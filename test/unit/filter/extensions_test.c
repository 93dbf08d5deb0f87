/* MD-1, X-SIEVE-ENVIRONMENT, X-SIEVE-IHAVE, X-SIEVE-INCLUDE, X-SIEVE-MAILBOXID, X-SIEVE-SPECIAL-USE: what extensions of
 * the language do at delivery. */
#include "filter_fixture.h"

#include "store/annotation.h"
#include "store/object.h"

#define MESSAGE                                                                                    \
    "From: sam@there.example\nTo: ann@example.org\nSubject: Hello\nMessage-ID: <1@there>\n\nHi.\n"

/* X-SIEVE-MAILBOX: made when the script says so, with what it names, and subscribed; else INBOX and a word to the user. */
static void test_create(void **state)
{
    struct world w;
    world_open(&w);
    world_script(&w, "require [\"fileinto\", \"mailbox\"];\n"
                     "if mailboxexists \"Listen/\xc3\xa4\" { fileinto \"Archive\"; stop; }\n"
                     "fileinto :create \"Listen/\xc3\xa4\";");
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_count(&w, "Listen/\xc3\xa4"), 1);
    assert_int_equal(world_count(&w, "Listen"), 0);
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_count(&w, "Archive"), 1);
    size_t at = 0;
    struct mailbox_info info;
    bool is_subscribed = false;
    while (account_next_mailbox(w.f.account, &at, &info)) {
        is_subscribed |= str_eq(info.name, STR("Listen/\xc3\xa4")) && info.is_subscribed;
    }
    assert_true(is_subscribed);
    world_script(&w, "require \"fileinto\"; fileinto \"nowhere\";");
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_count(&w, "nowhere"), -1);
    assert_int_equal(world_count(&w, "INBOX"), 3); /* two messages, one note */
    assert_has(world_read(&w, "INBOX", 2), "\"nowhere\" is in INBOX: it does not exist");
    world_close(&w);
}

/* X-SIEVE-SPECIAL-USE, X-SIEVE-MAILBOXID */
static void test_named_otherwise(void **state)
{
    struct world w;
    world_open(&w);
    world_script(
        &w, "require [\"fileinto\", \"special-use\", \"mailbox\"];\n"
            "if specialuse_exists \"\\\\Junk\" { fileinto :specialuse \"\\\\Junk\" \"other\"; }");
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_count(&w, "Junk"), 1);
    assert_int_equal(world_count(&w, "other"), -1);
    struct mailbox *m = fixture_find(w.f.account, "Trash");
    char id[OBJECT_ID_MOST];
    struct buf script = BUF_INIT(1000);
    buf_addf(&script,
             "require [\"fileinto\", \"mailboxid\", \"copy\"]; fileinto :mailboxid \"%.*s\" \"x\";"
             "fileinto :copy \"Trash\"; fileinto :mailboxid \"nothing\" \"Sent\";",
             STR_ARG(object_get_mailbox(m, id)));
    mailbox_unref(&m);
    world_script(&w, script.p);
    buf_release(&script);
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_count(&w, "Trash"), 1); /* once, whatever it was called */
    assert_int_equal(world_count(&w, "Sent"), 1);
    assert_int_equal(world_count(&w, "x"), -1);
    world_close(&w);
}

/* X-SIEVE-EDITHEADER: the message is stored as it was when it was filed. */
static void test_edited(void **state)
{
    struct world w;
    world_open(&w);
    world_script(
        &w,
        "require [\"editheader\", \"fileinto\", \"copy\"];\n"
        "fileinto :copy \"Archive\"; addheader \"X-Seen-By\" \"robot\";\n"
        "fileinto :copy \"Sent\"; deleteheader \"Subject\"; redirect :copy \"bob@far.example\";");
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_lacks(world_read(&w, "Archive", 1), "robot");
    assert_has(world_read(&w, "Sent", 1), "X-Seen-By: robot");
    assert_has(world_read(&w, "Sent", 1), "\r\n\r\nHi.\r\n");
    assert_has(world_read(&w, "Sent", 1), "Subject: Hello");
    assert_lacks(world_read(&w, "INBOX", 1), "Subject:");
    assert_true(world_take(&w));
    assert_has(w.octets.p, "X-Seen-By: robot");
    assert_lacks(w.octets.p, "Return-Path");
    assert_lacks(w.octets.p, "Subject");
    assert_has(w.octets.p, "\r\n\r\nHi.\r\n");
    world_close(&w);
}

/* X-SIEVE-DUPLICATE */
static void test_duplicate(void **state)
{
    struct world w;
    world_open(&w);
    world_script(&w, "require [\"duplicate\", \"fileinto\"];\n"
                     "if duplicate :seconds 100 { fileinto \"Trash\"; }");
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_count(&w, "INBOX"), 1);
    assert_int_equal(world_count(&w, "Trash"), 1);
    w.f.now_ms += 101 * 1000;
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_count(&w, "INBOX"), 2);
    world_script(&w, "require [\"duplicate\", \"ihave\"];\n"
                     "if duplicate :handle \"x\" { discard; } else { error \"no\"; }");
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK); /* the first did not end well: not seen */
    assert_int_equal(world_count(&w, "INBOX"), 5);
    world_close(&w);
}

/* X-SIEVE-MBOXMETADATA, X-SIEVE-ENVIRONMENT, X-SIEVE-INCLUDE: what only the host can answer. */
static void test_questions(void **state)
{
    struct world w;
    world_open(&w);
    struct annotation note = {STR("/private/comment"), STR("holidays"), true};
    uint64_t modseq;
    assert_int_equal(account_set_annotations(w.f.account, w.f.inbox, STR("ann"), &note, 1, &modseq),
                     ERR_OK);
    note.name = STR("/private/vendor/x");
    assert_int_equal(account_set_annotations(w.f.account, NULL, STR("ann"), &note, 1, &modseq),
                     ERR_OK);
    world_include(&w, "inner", "require \"fileinto\"; fileinto \"Trash\";");
    world_script(&w, "require [\"mboxmetadata\", \"servermetadata\", \"environment\", \"include\", "
                     "\"envelope\", \"subaddress\"];\n"
                     "if allof (metadata :is \"INBOX\" \"/private/comment\" \"holidays\",\n"
                     "  servermetadata :is \"/private/vendor/x\" \"holidays\",\n"
                     "  not metadataexists \"INBOX\" \"/private/other\",\n"
                     "  environment :is \"host\" \"mail.example.org\", environment :is \"domain\" "
                     "\"example.org\",\n"
                     "  environment :is \"phase\" \"during\",\n"
                     "  envelope :detail :is \"to\" \"work\", envelope :user :is \"to\" \"ann\",\n"
                     "  envelope :is \"from\" \"sam@there.example\")\n"
                     "{ include :personal \"inner\"; }");
    w.address = "ann+work@example.org";
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_count(&w, "Trash"), 1);
    world_close(&w);
}

/* X-SIEVE-IHAVE: a script that says itself that it fails. */
static void test_error(void **state)
{
    struct world w;
    world_open(&w);
    world_script(&w,
                 "require [\"fileinto\", \"ihave\"]; fileinto \"Archive\"; error \"that's it\";");
    assert_int_equal(world_deliver(&w, MESSAGE), ERR_OK);
    assert_int_equal(world_count(&w, "Archive"), 0);
    assert_int_equal(world_count(&w, "INBOX"), 2);
    assert_has(world_read(&w, "INBOX", 2), "that's it");
    world_close(&w);
}

/* A message too large for the memory of small ones, and one with every octet there is. */
static void test_large(void **state)
{
    struct world w;
    world_open(&w);
    struct buf message = BUF_INIT(4 * 1024 * 1024);
    buf_add(&message, STR("Subject: large\n\n"));
    for (int i = 0; i < 20000; i++) {
        buf_add(&message, STR("0123456789 0123456789 0123456789 0123456789\n"));
    }
    world_script(&w,
                 "require [\"fileinto\", \"copy\", \"editheader\"]; fileinto :copy \"Archive\";\n"
                 "addheader \"X-Y\" \"z\"; fileinto \"Sent\"; redirect \"b@far.example\";");
    assert_int_equal(world_deliver(&w, message.p), ERR_OK);
    size_t size = strlen(world_read(&w, "Archive", 1));
    assert_true(size > 20000 * 45);
    assert_int_equal(strlen(world_read(&w, "Sent", 1)), size + sizeof("X-Y: z\r\n") - 1);
    assert_true(world_take(&w));
    assert_true(w.octets.len > 20000 * 45);
    buf_release(&message);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create),    cmocka_unit_test(test_named_otherwise),
        cmocka_unit_test(test_edited),    cmocka_unit_test(test_duplicate),
        cmocka_unit_test(test_questions), cmocka_unit_test(test_error),
        cmocka_unit_test(test_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
