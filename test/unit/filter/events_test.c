/* X-IMAPSIEVE, X-SIEVE-IMAPSIEVE: scripts that are run for what IMAP commands do (RFC 6785). */
#include "filter_fixture.h"

#include "filter/events.h"
#include "store/annotation.h"

#include <stdio.h>

enum { MANY = 50 };

struct scene {
    struct world w;
    struct filter_events *events;
    bool is_awake;
    int outgoing;
};

static void on_wake(void *owner)
{
    ((struct scene *)owner)->is_awake = true;
}

static void on_outgoing(void *owner, struct str user)
{
    assert_true(str_eq(user, STR("ann")));
    ((struct scene *)owner)->outgoing++;
}

static void open_scene(struct scene *s, const char *script)
{
    world_open(&s->w);
    struct filter_events_host host = {on_wake, on_outgoing, s};
    s->events = filter_events_new(s->w.filter, &host);
    s->outgoing = 0;
    world_include(&s->w, "events", script);
}

static void close_scene(struct scene *s)
{
    filter_events_free(&s->events);
    world_close(&s->w);
}

static void annotate(struct scene *s, struct mailbox *m, const char *value)
{
    struct annotation a = {STR("/shared/imapsieve/script"), str_from_c(value), true};
    uint64_t modseq;
    assert_int_equal(account_set_annotations(s->w.f.account, m, STR("ann"), &a, 1, &modseq),
                     ERR_OK);
    assert_int_equal(fixture_commit(&s->w.f), ERR_OK);
}

/* The end of the command's turn, and what comes of it. */
static int settle(struct scene *s)
{
    int steps = 0;
    assert_int_equal(fixture_commit(&s->w.f), ERR_OK);
    while (s->is_awake) {
        s->is_awake = false;
        bool has_more = filter_events_step(s->events);
        assert_int_equal(fixture_commit(&s->w.f), ERR_OK);
        s->is_awake = s->is_awake || has_more;
        assert_true(++steps < 1000);
    }
    return steps;
}

static void tell(struct scene *s, struct mailbox *m, enum imap_cause cause, uint32_t first,
                 uint32_t last)
{
    struct numset uids = NUMSET_INIT;
    numset_add(&uids, first, last);
    struct imap_event e = {m, cause, &uids, STR("bob")};
    filter_events_add(s->events, &e);
    numset_release(&uids);
}

static struct uid append(struct scene *s, uint64_t flags)
{
    struct uid uid = fixture_append(
        s->w.f.inbox, STR("From: sam@there.example\r\nSubject: Hello\r\n\r\nHi.\r\n"), flags);
    tell(s, s->w.f.inbox, IMAP_CAUSE_APPEND, uid.v, uid.v);
    return uid;
}

static void test_which_script(void **state)
{
    struct scene s = {0};
    open_scene(&s, "require [\"imapsieve\", \"fileinto\", \"copy\"]; fileinto :copy \"Archive\";");
    (void)append(&s, 0);
    assert_int_equal(settle(&s), 0); /* none is named */
    annotate(&s, NULL, "events");
    (void)append(&s, 0);
    (void)settle(&s);
    assert_int_equal(world_count(&s.w, "Archive"), 1);
    annotate(&s, s.w.f.inbox, "");
    (void)append(&s, 0);
    (void)settle(&s);
    assert_int_equal(world_count(&s.w, "Archive"), 1);
    annotate(&s, s.w.f.inbox, "no such");
    (void)append(&s, 0);
    (void)settle(&s);
    assert_int_equal(world_count(&s.w, "Archive"), 1);
    assert_int_equal(world_count(&s.w, "INBOX"), 4);
    annotate(&s, s.w.f.inbox, "events");
    (void)append(&s, 0);
    (void)settle(&s);
    assert_int_equal(world_count(&s.w, "Archive"), 2);
    assert_int_equal(world_flags(&s.w, "INBOX", 5), 0);
    close_scene(&s);
}

/* A kept message stays as it is, but for flags; one that is not kept is marked. */
static void test_actions(void **state)
{
    struct scene s = {0};
    open_scene(
        &s,
        "require [\"imapsieve\", \"imap4flags\", \"fileinto\", \"mailbox\", \"editheader\"];\n"
        "if header :is \"Subject\" \"Hello\" { addflag \"$Hello\"; }\n"
        "if hasflag \"\\\\Seen\" { fileinto :create \"New\"; }\n"
        "elsif hasflag \"\\\\Draft\" { discard; }\n"
        "elsif hasflag \"\\\\Flagged\" { addheader \"X-Y\" \"z\"; fileinto \"Archive\"; keep; }");
    annotate(&s, s.w.f.inbox, "events");
    (void)append(&s, 0);
    (void)append(&s, FLAG_SEEN);
    (void)append(&s, FLAG_DRAFT);
    (void)append(&s, FLAG_FLAGGED);
    (void)settle(&s);
    assert_int_equal(world_count(&s.w, "INBOX"), 4);
    uint64_t plain = world_flags(&s.w, "INBOX", 1);
    assert_true(plain != 0 && (plain & FLAG_DELETED) == 0);
    assert_int_equal(world_flags(&s.w, "INBOX", 2), FLAG_SEEN | FLAG_DELETED);
    assert_int_equal(world_flags(&s.w, "INBOX", 3), FLAG_DRAFT | FLAG_DELETED);
    assert_int_equal(world_flags(&s.w, "INBOX", 4) & (FLAG_FLAGGED | FLAG_DELETED), FLAG_FLAGGED);
    assert_int_equal(world_count(&s.w, "New"), 1);
    assert_true((world_flags(&s.w, "New", 1) & FLAG_SEEN) != 0);
    assert_has(world_read(&s.w, "Archive", 1), "X-Y: z\r\n");
    assert_lacks(world_read(&s.w, "INBOX", 4), "X-Y");
    assert_false(s.is_awake); /* what scripts do is no event */
    close_scene(&s);
}

static void test_environment(void **state)
{
    struct scene s = {0};
    open_scene(&s, "require [\"imapsieve\", \"environment\", \"imap4flags\", \"variables\"];\n"
                   "if allof (environment :is \"imap.cause\" \"FLAG\", environment :is "
                   "\"imap.user\" \"bob\",\n"
                   " environment :is \"imap.email\" \"bob@example.org\", environment :is "
                   "\"imap.mailbox\" \"INBOX\",\n"
                   " environment :contains \"imap.changedflags\" \"\\\\Flagged\", environment :is "
                   "\"location\" \"MS\",\n"
                   " not environment :contains \"imap.changedflags\" \"\\\\Seen\", environment :is "
                   "\"phase\" \"post\")\n"
                   "{ addflag \"\\\\Answered\"; }");
    struct uid first = append(&s, FLAG_SEEN);
    (void)append(&s, FLAG_FLAGGED);
    (void)settle(&s);
    annotate(&s, s.w.f.inbox, "events");
    struct numset uids = NUMSET_INIT;
    numset_add(&uids, first.v, first.v + 1);
    assert_int_equal(
        mailbox_store_flags(s.w.f.inbox, &uids, FLAG_OP_ADD, FLAG_FLAGGED, UINT64_MAX, NULL),
        ERR_OK);
    tell(&s, s.w.f.inbox, IMAP_CAUSE_FLAG, 1, UINT32_MAX); /* "1:*" */
    numset_release(&uids);
    assert_true(settle(&s) < 3);
    assert_int_equal(world_flags(&s.w, "INBOX", 1), FLAG_SEEN | FLAG_FLAGGED | FLAG_ANSWERED);
    assert_int_equal(world_flags(&s.w, "INBOX", 2), FLAG_FLAGGED); /* nothing changed */
    close_scene(&s);
}

static void test_sent(void **state)
{
    struct scene s = {0};
    open_scene(&s,
               "require [\"imapsieve\", \"copy\", \"enotify\"]; redirect :copy \"b@far.example\";\n"
               "notify \"mailto:c@far.example\";");
    annotate(&s, s.w.f.inbox, "events");
    assert_int_equal(world_deliver(&s.w, "From: x@y\nTo: ann@example.org\n\nx\n"), ERR_OK);
    tell(&s, s.w.f.inbox, IMAP_CAUSE_COPY, 1, 1);
    (void)settle(&s);
    assert_int_equal(s.outgoing, 1);
    assert_true(world_take(&s.w));
    assert_true(world_head_is(&s.w, "from", "ann@example.org"));
    assert_true(world_head_is(&s.w, "to", "b@far.example"));
    assert_true(world_head_is(&s.w, "keep", ""));
    assert_true(strncmp(s.w.octets.p, "Delivered-To: ", 14) == 0);
    assert_true(world_take(&s.w));
    assert_true(world_head_is(&s.w, "to", "c@far.example"));
    assert_int_equal(world_flags(&s.w, "INBOX", 1), 0);
    close_scene(&s);
}

/* What is only for mail that comes in is an error: the message stays, its owner is told. */
static void test_errors(void **state)
{
    struct scene s = {0};
    open_scene(&s, "require [\"imapsieve\", \"vacation\"]; discard; vacation \"x\";");
    annotate(&s, s.w.f.inbox, "events");
    (void)append(&s, 0);
    (void)append(&s, 0);
    (void)settle(&s);
    assert_int_equal(world_count(&s.w, "INBOX"), 3);
    assert_int_equal(world_flags(&s.w, "INBOX", 1), 0);
    assert_has(world_read(&s.w, "INBOX", 3), "\"events\" for mailbox \"INBOX\"");
    world_include(&s.w, "events",
                  "require [\"imapsieve\", \"envelope\"]; if envelope \"from\" \"x\" { discard; }");
    (void)append(&s, 0);
    (void)settle(&s);
    assert_int_equal(world_count(&s.w, "INBOX"), 5);
    assert_int_equal(world_flags(&s.w, "INBOX", 4), 0);
    world_include(&s.w, "events", "keep"); /* broken, put past the check */
    (void)append(&s, 0);
    (void)settle(&s);
    assert_int_equal(world_flags(&s.w, "INBOX", 6), 0);
    close_scene(&s);
}

/* Many at once are looked at bit by bit; what is gone meanwhile is passed over. */
static void test_many(void **state)
{
    struct scene s = {0};
    open_scene(&s, "require [\"imapsieve\", \"imap4flags\"]; addflag \"\\\\Flagged\";");
    annotate(&s, s.w.f.inbox, "events");
    for (int i = 0; i < MANY; i++) {
        (void)fixture_append(s.w.f.inbox, STR("Subject: x\r\n\r\n"), 0);
    }
    tell(&s, s.w.f.inbox, IMAP_CAUSE_COPY, 1, MANY);
    assert_in_range(settle(&s), 4, MANY / 2);
    assert_int_equal(world_flags(&s.w, "INBOX", 1), FLAG_FLAGGED);
    assert_int_equal(world_flags(&s.w, "INBOX", MANY), FLAG_FLAGGED);
    struct mailbox *sent = fixture_find(s.w.f.account, "Sent");
    annotate(&s, sent, "events");
    (void)fixture_append(sent, STR("Subject: x\r\n\r\n"), 0);
    tell(&s, sent, IMAP_CAUSE_APPEND, 1, 1);
    assert_int_equal(fixture_commit(&s.w.f), ERR_OK);
    assert_int_equal(account_delete_mailbox(s.w.f.account, STR("Sent")), ERR_OK);
    (void)settle(&s);
    mailbox_unref(&sent);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_script), cmocka_unit_test(test_actions),
        cmocka_unit_test(test_environment),  cmocka_unit_test(test_sent),
        cmocka_unit_test(test_errors),       cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
