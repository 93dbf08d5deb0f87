/* X-OBJECTID: names that stay (RFC 8474), also those that came from another account. */
#include "store_fixture.h"

#include "store/object.h"

static struct uid append_named(struct mailbox *m, struct str octets, struct str email_id)
{
    struct body_writer *w;
    struct uid uid = {0};
    struct append_args args = {.email_id = email_id};
    assert_int_equal(body_writer_new(mailbox_get_account(m), &w), ERR_OK);
    assert_int_equal(body_writer_add(w, octets), ERR_OK);
    assert_int_equal(body_writer_finish(w), ERR_OK);
    assert_int_equal(mailbox_append(m, w, &args, &uid),
                     email_id.n < OBJECT_ID_MOST ? ERR_OK : ERR_LIMIT);
    body_writer_free(&w);
    return uid;
}

static void assert_email(struct mailbox *m, uint32_t seq, struct str want, bool is_it)
{
    struct message msg;
    char text[OBJECT_ID_MOST];
    assert_int_equal(view_get(fixture_view(m), (struct seq){seq}, &msg), ERR_OK);
    assert_int_equal(str_eq(object_get_email(m, &msg, text), want), is_it);
}

/* The name of a message from elsewhere is kept by its copies and over a restart, and goes with it. */
static void test_from_elsewhere(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    struct str name = STR("Mabc-12");
    struct numset all = NUMSET_INIT;
    char text[OBJECT_ID_MOST];
    char long_name[OBJECT_ID_MOST];
    memset(long_name, 'M', sizeof(long_name));
    numset_add(&all, 1, UINT32_MAX);
    (void)append_named(f.inbox, STR("A: b\r\n\r\n"), name);
    (void)append_named(f.inbox, STR("A: b\r\n\r\n"), STR_EMPTY);
    (void)append_named(f.inbox, STR("A: b\r\n\r\n"), str_make(long_name, sizeof(long_name)));
    assert_int_equal(fixture_commit(&f), ERR_OK);
    assert_int_equal(view_get_count(fixture_view(f.inbox)), 2);
    assert_email(f.inbox, 1, name, true);
    assert_email(f.inbox, 2, name, false);

    struct mailbox *archive = fixture_find(f.account, "Archive");
    assert_int_equal(mailbox_copy(f.inbox, &all, archive, true, NULL, NULL), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    mailbox_unref(&archive);
    fixture_reopen(&f);
    archive = fixture_find(f.account, "Archive");
    assert_email(archive, 1, name, true);
    assert_email(archive, 2, name, false);

    struct message msg;
    struct envelope none = {0};
    assert_int_equal(view_get(fixture_view(archive), (struct seq){1}, &msg), ERR_OK);
    assert_str(object_get_thread(archive, &msg, &none, text), STR("Tabc-12"));
    fixture_verify(f.account);

    assert_int_equal(mailbox_expunge(archive, &all, false, NULL), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    for (unsigned i = 0; i < 4; i++) {
        f.now_ms += 1000;
        (void)store_tick(f.store);
    }
    mailbox_unref(&archive);
    fixture_reopen(&f);
    (void)append_named(f.inbox, STR("A: c\r\n\r\n"), STR_EMPTY);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    assert_email(f.inbox, 1, name, false);
    fixture_verify(f.account);
    numset_release(&all);
    fixture_close(&f);
}

static void assert_thread(struct mailbox *m, const struct envelope *e, const char *want)
{
    char text[OBJECT_ID_MOST];
    const struct message msg = {.body_id = 7};
    struct str got = object_get_thread(m, &msg, e, text);
    assert_int_equal(got.p[0], 'T');
    if (want != NULL) {
        assert_str(got, str_from_c(want));
    }
}

/* Which message of those named counts; the name itself must never change. */
static void test_thread(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    struct envelope e = {.message_id = {STR("<a@x>"), true}};
    assert_thread(f.inbox, &e, "Te6acaf1904e02fd4");
    struct envelope reply = {.message_id = {STR("<b@x>"), true},
                             .in_reply_to = {STR("Your mail of Monday < a@x > and <z@x>"), true}};
    assert_thread(f.inbox, &reply, "Te6acaf1904e02fd4");
    struct envelope answer = {.message_id = {STR("<c@x>"), true},
                              .in_reply_to = {STR("<b@x>"), true},
                              .references = {STR("<a@x> <b@x>"), true}};
    assert_thread(f.inbox, &answer, "Te6acaf1904e02fd4");
    struct envelope broken = {.message_id = {STR("<>"), true}, .references = {STR("<a@x"), true}};
    assert_thread(f.inbox, &broken, NULL);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_elsewhere),
        cmocka_unit_test(test_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
