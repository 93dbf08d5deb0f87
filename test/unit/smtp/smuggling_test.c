/* Mail inside mail: only CRLF.CRLF ends the content of DATA, whatever line ends surround a dot and however the octets come in
 * pieces; and what we send on has one end only, also for servers that take more for a line end than the RFC does. */
#include "smtp/submission.h"

#include "wire/smtp_framing.h"

#include "base/buf.h"

#include "unit.h"

enum { ENDS = 9, EXHAUSTIVE_MOST = 8 };

static const char *const ends[ENDS] = {"\r\n",   "\n",   "\r",   "\r\r\n", "\n\r",
                                       "\r\n\n", "\n\n", "\r\r", "\r\n\r"};

struct world {
    struct session *session;
    struct buf content;
    unsigned queued;
};

static void wake(void *owner)
{
}

static int64_t get_time_s(void *owner)
{
    return 1700000000;
}

static void write_unique(void *owner, struct buf *out)
{
    buf_add(out, STR("token"));
}

static void find_recipient(void *owner, struct str address)
{
    submission_on_recipient(((struct world *)owner)->session, ERR_OK, STR_EMPTY);
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

static void content_finish(void *owner, const struct mail_envelope *envelope)
{
    struct world *w = owner;
    w->queued++;
    submission_on_queued(w->session, ERR_OK);
}

static void content_drop(void *owner)
{
}

static enum err check_load(void *owner, const struct submission_load *load)
{
    return ERR_OK;
}

static const struct submission_host HOST = {
    .get_time_s = get_time_s,
    .write_unique = write_unique,
    .find_recipient = find_recipient,
    .content_start = content_start,
    .content_add = content_add,
    .content_finish = content_finish,
    .content_drop = content_drop,
    .check_load = check_load,
};

/* One session hears octets, cut at `cut`; how many messages were queued? */
static unsigned submit(struct world *w, struct str octets, size_t cut)
{
    struct submission_host host = HOST;
    struct submission_args args = {.user = STR("bob"),
                                   .hostname = STR("here.example"),
                                   .domain = STR("here.example"),
                                   .helo = STR("phone"),
                                   .peer = STR("192.0.2.7"),
                                   .size_most = 10000,
                                   .recipients_most = 100};
    CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 20);
    host.base = (struct session_host){.wake = wake, .owner = w};
    w->queued = 0;
    w->session = submission_new(&args, &host);
    struct str pieces[] = {str_sub(octets, 0, cut), str_skip(octets, cut)};
    for (size_t i = 0; i < 2; i++) {
        w->session->ops->feed(w->session, pieces[i]);
        while (w->session->ops->step(w->session, &out) == SESSION_OUTPUT) {
        }
    }
    w->session->ops->free(&w->session);
    return w->queued;
}

static bool ends_line(const char *before)
{
    return str_ends(str_from_c(before), STR("\r\n"));
}

static bool starts_line(const char *behind)
{
    return str_starts(str_from_c(behind), STR("\r\n"));
}

/* What stands behind the false end would be a second message. */
static void test_incoming(void **state)
{
    struct world w = {.content = BUF_INIT(1 << 16)};
    for (size_t i = 0; i < ENDS * ENDS; i++) {
        const char *before = ends[i / ENDS];
        const char *behind = ends[i % ENDS];
        CLEANUP(buf_release) struct buf in = BUF_INIT(1 << 16);
        buf_addf(&in,
                 "MAIL FROM:<a@b.c>\r\nRCPT TO:<x@y.z>\r\nDATA\r\nSubject: x\r\n\r\nbody%s.%s"
                 "MAIL FROM:<evil@b.c>\r\nRCPT TO:<x@y.z>\r\nDATA\r\nSubject: two\r\n\r\n.\r\n",
                 before, behind);
        /* Behind a real end, octets that are no command's may be left over, but then it was an end. */
        bool is_end = ends_line(before) && starts_line(behind);
        for (size_t cut = 0; cut <= in.len; cut++) {
            unsigned queued = submit(&w, buf_str(&in), cut);
            bool has_two = str_find_str(buf_str(&w.content), STR("MAIL FROM")) < w.content.len;
            assert_true(is_end ? queued >= 1 && !has_two : queued == 1 && has_two);
        }
    }
    buf_release(&w.content);
}

/* A reader that takes CR, LF and CRLF for line ends: how many dots stand alone on a line? */
static unsigned count_ends(struct str s)
{
    unsigned count = 0;
    bool is_line_start = true;
    for (size_t i = 0; i < s.n; i++) {
        bool is_end = s.p[i] == '\r' || s.p[i] == '\n';
        bool is_dot = is_line_start && s.p[i] == '.';
        if (is_dot && (i + 1 == s.n || s.p[i + 1] == '\r' || s.p[i + 1] == '\n')) {
            count++;
        }
        is_line_start = is_end;
    }
    return count;
}

static void check_outgoing(struct str content, size_t cut)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(1000);
    struct smtp_dots dots = {0};
    smtp_dots_write(&dots, str_sub(content, 0, cut), &out);
    smtp_dots_write(&dots, str_skip(content, cut), &out);
    smtp_dots_finish(&dots, &out);
    assert_int_equal(count_ends(buf_str(&out)), 1);
    assert_true(out.len == 3 || str_ends(buf_str(&out), STR("\r\n.\r\n")));
    for (size_t i = 0; i < out.len; i++) {
        bool is_cr = out.p[i] == '\r';
        assert_true(!is_cr || (i + 1 < out.len && out.p[i + 1] == '\n'));
        assert_true(out.p[i] != '\n' || (i > 0 && out.p[i - 1] == '\r'));
    }
}

/* Every content of up to eight octets that matter, in every two pieces. */
static void test_outgoing(void **state)
{
    static const char alphabet[] = "\r\n.a";
    for (size_t n = 0; n <= EXHAUSTIVE_MOST; n++) {
        for (unsigned long code = 0; code < 1UL << (2 * n); code++) {
            char content[EXHAUSTIVE_MOST];
            for (size_t i = 0; i < n; i++) {
                content[i] = alphabet[code >> (2 * i) & 3];
            }
            for (size_t cut = 0; cut <= n; cut++) {
                check_outgoing(str_make(content, n), cut);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_incoming),
        cmocka_unit_test(test_outgoing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
