/* Who may write as whom (S-18, X-SENDERS), as conversations. */
#include "smtp/submission.h"

#include "base/buf.h"

#include "unit.h"

struct world {
    struct submission_host host;
    struct session *session;
    struct buf out;
    struct buf content;
    struct buf asked; /* addresses, each with a space */
    bool is_late;
    bool is_auth_down;
    unsigned queued;
};

static void wake(void *owner)
{
}

static int64_t get_time_s(void *owner)
{
    return 0;
}

static void write_unique(void *owner, struct buf *out)
{
    buf_add_char(out, 'u');
}

static void find_recipient(void *owner, struct str address)
{
    submission_on_recipient(((struct world *)owner)->session, ERR_OK, STR_EMPTY);
}

static void answer(struct world *w)
{
    struct str all = str_trim(buf_str(&w->asked));
    struct str last = str_skip(all, str_find_last_char(all, ' ') + 1);
    last = last.n == 0 ? all : last;
    enum err e = str_starts(last, STR("bob")) ? ERR_OK : ERR_SENDER;
    submission_on_sender(w->session, w->is_auth_down ? ERR_UNAVAILABLE : e);
}

static void check_sender(void *owner, struct str address)
{
    struct world *w = owner;
    buf_addf(&w->asked, "%.*s ", STR_ARG(address));
    if (!w->is_late) {
        answer(w);
    }
}

static void content_start(void *owner)
{
    buf_clear(&((struct world *)owner)->content);
}

static enum err content_add(void *owner, struct str octets)
{
    buf_add(&((struct world *)owner)->content, octets);
    return ERR_OK;
}

static void content_finish(void *owner, const struct mail_envelope *e)
{
    struct world *w = owner;
    w->queued++;
    submission_on_queued(w->session, ERR_OK);
}

static void content_drop(void *owner)
{
}

static void fetch_drop(void *owner)
{
}

static enum err check_load(void *owner, const struct submission_load *load)
{
    return ERR_OK;
}

static void world_init(struct world *w, enum sender_check check)
{
    *w = (struct world){
        .out = BUF_INIT(1 << 20), .content = BUF_INIT(1 << 20), .asked = BUF_INIT(1 << 16)};
    w->host = (struct submission_host){
        .base = {wake, w, NULL},
        .get_time_s = get_time_s,
        .write_unique = write_unique,
        .find_recipient = find_recipient,
        .check_sender = check_sender,
        .content_start = content_start,
        .content_add = content_add,
        .content_finish = content_finish,
        .content_drop = content_drop,
        .fetch_drop = fetch_drop,
        .check_load = check_load,
    };
    struct submission_args args = {
        .user = STR("bob"),
        .hostname = STR("mail.example.org"),
        .domain = STR("d.test"),
        .domains = STR("d.test"),
        .size_most = 1 << 20,
        .recipients_most = 10,
        .sender_check = check,
    };
    w->session = submission_new(&args, &w->host);
}

static void world_release(struct world *w)
{
    w->session->ops->free(&w->session);
    buf_release(&w->out);
    buf_release(&w->content);
    buf_release(&w->asked);
}

static enum session_want say(struct world *w, const char *octets)
{
    enum session_want want;
    buf_clear(&w->out);
    w->session->ops->feed(w->session, str_from_c(octets));
    do {
        want = w->session->ops->step(w->session, &w->out);
    } while (want == SESSION_OUTPUT);
    return want;
}

/* The last reply. */
static struct str get_last(const struct world *w)
{
    struct str all = str_trim(buf_str(&w->out));
    size_t at = str_find_last_char(all, '\n');
    return at == all.n ? all : str_skip(all, at + 1);
}

static void test_return_path(void **state)
{
    struct world w;
    world_init(&w, SENDER_CHECK_ENVELOPE);
    (void)say(&w, "MAIL FROM:<alice@d.test>\r\n");
    assert_str(get_last(&w), STR("550 5.7.1 alice@d.test is not an address of yours"));
    (void)say(&w, "RCPT TO:<x@y.test>\r\n"); /* there is no transaction */
    assert_true(str_starts(get_last(&w), STR("503")));
    (void)say(&w, "MAIL FROM:<bob>\r\n");
    assert_true(str_starts(get_last(&w), STR("250")));
    (void)say(&w, "RSET\r\nMAIL FROM:<>\r\n");
    assert_true(str_starts(get_last(&w), STR("250")));
    assert_str(buf_str(&w.asked), STR("alice@d.test bob@d.test "));
    w.is_auth_down = true;
    (void)say(&w, "RSET\r\nMAIL FROM:<bob>\r\n");
    assert_true(str_starts(get_last(&w), STR("451")));
    world_release(&w);
}

/* What is pipelined behind MAIL waits for the answer. */
static void test_late_answer(void **state)
{
    struct world w;
    world_init(&w, SENDER_CHECK_ENVELOPE);
    w.is_late = true;
    assert_int_equal(say(&w, "MAIL FROM:<bob@d.test>\r\nRCPT TO:<x@y.test>\r\n"), SESSION_EVENT);
    answer(&w);
    assert_int_equal(say(&w, ""), SESSION_INPUT);
    assert_str(buf_str(&w.out), STR("250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n"));
    submission_on_sender(w.session, ERR_SENDER); /* nobody asked */
    assert_int_equal(say(&w, "NOOP\r\n"), SESSION_INPUT);
    assert_true(str_starts(get_last(&w), STR("250")));
    world_release(&w);
}

static void submit(struct world *w, const char *from, const char *header)
{
    char text[2048];
    buf_clear(&w->asked);
    (void)snprintf(
        text, sizeof(text),
        "MAIL FROM:<%s>\r\nRCPT TO:<x@y.test>\r\nDATA\r\n%sTo: x@y.test\r\n\r\nHi\r\n.\r\n", from,
        header);
    (void)say(w, text);
}

static void test_from(void **state)
{
    static const struct {
        const char *header;
        const char *asked;
        const char *reply;
    } CASES[] = {
        {"", "", "250"},
        {"From: bob@d.test\r\n", "", "250"},
        {"From: Bob <BOB@d.test>\r\n", "", "250"},
        {"From: \"Boss\" <boss@d.test>\r\n", "boss@d.test ",
         "550 5.7.1 boss@d.test is not an address of yours"},
        {"From: bob+x@d.test, bob@other.test\r\n", "bob+x@d.test bob@other.test ", "250"},
        {"From: bob@d.test,\r\n\tboss@d.test\r\n", "boss@d.test ", "550 5.7.1"},
        {"From: bob@d.test\r\nFrom: boss@d.test\r\n", "boss@d.test ", "550 5.7.1"},
        {"From: us: bob@d.test, bob2@d.test;\r\n", "bob2@d.test ", "250"},
        {"FROM : boss\r\n", "boss@d.test ", "550 5.7.1"},
        {"From: nonsense <\r\n", "", "550 5.7.1"},
    };
    struct world w;
    world_init(&w, SENDER_CHECK_FROM);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        unsigned before = w.queued;
        submit(&w, "bob@d.test", CASES[i].header);
        struct str asked = str_skip(buf_str(&w.asked), str_from_c("bob@d.test ").n);
        if (!str_starts(get_last(&w), str_from_c(CASES[i].reply))) {
            fail_msg("%s: %s", CASES[i].header, w.out.p);
        }
        if (i + 1 < sizeof(CASES) / sizeof(CASES[0])) {
            assert_str(asked, str_from_c(CASES[i].asked));
        }
        assert_int_equal(w.queued, before + (CASES[i].reply[0] == '2' ? 1 : 0));
    }
    world_release(&w);
}

/* A From that is too large to be looked into is nobody's. */
static void test_huge_from(void **state)
{
    struct world w;
    world_init(&w, SENDER_CHECK_FROM);
    (void)say(&w, "MAIL FROM:<bob@d.test>\r\nRCPT TO:<x@y.test>\r\nDATA\r\nFrom: boss@d.test,\r\n");
    for (int i = 0; i < 2000; i++) {
        (void)say(&w, " bob@d.test, bob@d.test, bob@d.test, bob@d.test,\r\n");
    }
    (void)say(&w, " bob@d.test\r\n\r\n.\r\n");
    assert_true(str_starts(get_last(&w), STR("550 5.7.1")));
    assert_int_equal(w.queued, 0);
    world_release(&w);
}

static void test_sender_field(void **state)
{
    static const struct {
        const char *from;
        const char *header;
        const char *sender; /* the Sender field; NULL: none */
    } CASES[] = {
        {"bob@d.test", "", NULL},
        {"bob@d.test", "From: Bob <Bob@D.test>\r\n", NULL},
        {"bob@d.test", "From: boss@d.test\r\n", "Sender: bob@d.test\r\n"},
        {"bob@d.test", "From: bob@d.test, boss@d.test\r\n", "Sender: bob@d.test\r\n"},
        {"bob@d.test", "Sender: boss@d.test\r\nFrom: bob@d.test\r\n", NULL},
        {"bob@d.test", "Sender: boss@d.test\r\nFrom: boss@d.test\r\n", "Sender: bob@d.test\r\n"},
        {"bob@d.test", "From: boss@d.test\r\nSender: Bob\r\n\t<bob@d.test>\r\n",
         "Sender: Bob\r\n\t<bob@d.test>\r\n"},
        {"", "From: boss@d.test\r\n", "Sender: bob@d.test\r\n"},
    };
    struct world w;
    world_init(&w, SENDER_CHECK_ADD);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        submit(&w, CASES[i].from, CASES[i].header);
        assert_true(str_starts(get_last(&w), STR("250")));
        struct str content = buf_str(&w.content);
        size_t at = str_find_str(content, STR("Sender: "));
        assert_int_equal(at < content.n, CASES[i].sender != NULL);
        if (CASES[i].sender != NULL) {
            assert_true(str_starts(str_skip(content, at), str_from_c(CASES[i].sender)));
            assert_int_equal(str_find_str(str_skip(content, at + 1), STR("Sender: ")),
                             content.n - at - 1);
        }
    }
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_return_path),  cmocka_unit_test(test_late_answer),
        cmocka_unit_test(test_from),         cmocka_unit_test(test_huge_from),
        cmocka_unit_test(test_sender_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
