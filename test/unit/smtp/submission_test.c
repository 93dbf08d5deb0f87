/* The submission session as conversations: what the client sends (C), what it must hear (S). Rows of the profile's check
 * list that are proven here: S-1 S-2 S-4 S-5 S-6 S-7 S-8 S-9 S-10 S-11 S-16 S-18 S-19 S-20. */
#include "smtp/submission.h"

#include "base/buf.h"
#include "base/list.h"

#include "unit.h"

enum { SIZE_MOST = 100000 };

/* A world in which everything can be seen, and answered later when wanted. */
struct world {
    struct submission_host host;
    struct session *session;
    struct buf out;     /* what the session said */
    struct buf content; /* what it spooled */
    struct buf queued;  /* envelopes: "from>to,to notify;" */
    struct buf fetched; /* URLs it asked for */
    struct buf ahead;   /* the last octets of URLs that it will ask for */
    bool is_late;       /* recipients are answered later */
    bool is_commit_late;
    bool is_fetch_late;
    enum err commit_err;
    enum err content_err;
    enum err fetch_err;
    struct buf fetch_octets;
    struct buf asked;
    struct submission_load load; /* the last one asked about */
    enum err load_err;
    uint64_t held_count;
    struct mail_terms terms; /* of the last message */
    unsigned drops;
    unsigned wakes;
};

static void wake(void *owner)
{
    ((struct world *)owner)->wakes++;
}

static int64_t get_time_s(void *owner)
{
    return 1700000000;
}

static void write_unique(void *owner, struct buf *out)
{
    buf_add(out, STR("token1"));
}

static void answer_recipient(struct world *w)
{
    struct str address = buf_str(&w->asked);
    struct str user = STR_EMPTY;
    enum err e = ERR_OK;
    if (str_ends(address, STR("@example.org"))) {
        user = str_sub(address, 0, address.n - 12);
        e = str_eq(user, STR("nobody")) ? ERR_NO_USER : ERR_OK;
    } else if (str_ends(address, STR("@refused.test"))) {
        e = ERR_NO_RELAY;
    }
    submission_on_recipient(w->session, e, user);
}

static void find_recipient(void *owner, struct str address)
{
    struct world *w = owner;
    buf_clear(&w->asked);
    buf_add(&w->asked, address);
    if (!w->is_late) {
        answer_recipient(w);
    }
}

static void content_start(void *owner)
{
    buf_clear(&((struct world *)owner)->content);
}

static enum err content_add(void *owner, struct str octets)
{
    struct world *w = owner;
    buf_add(&w->content, octets);
    return w->content_err;
}

static void content_finish(void *owner, const struct mail_envelope *e)
{
    struct world *w = owner;
    w->terms = e->terms;
    buf_addf(&w->queued, "%.*s>", STR_ARG(e->return_path));
    for (size_t i = 0; i < e->recipient_count; i++) {
        const struct mail_recipient *r = &e->recipients[i];
        buf_addf(&w->queued, "%s%.*s/%.*s/%u/%.*s", i > 0 ? "," : "", STR_ARG(r->address),
                 STR_ARG(r->user), r->notify, STR_ARG(r->orcpt));
    }
    buf_addf(&w->queued, "|%d|%.*s;", (int)e->ret, STR_ARG(e->envid));
    if (!w->is_commit_late) {
        submission_on_queued(w->session, w->commit_err);
    }
}

static void content_drop(void *owner)
{
    ((struct world *)owner)->drops++;
}

static void answer_fetch(struct world *w)
{
    enum err e = w->fetch_err;
    if (e == ERR_OK) {
        e = submission_on_fetched(w->session, buf_str(&w->fetch_octets));
    }
    submission_on_fetch_end(w->session, e);
}

static void fetch(void *owner, const struct burl_target *target, uint64_t most)
{
    struct world *w = owner;
    struct str name = target->host == NULL ? target->address : target->host->name;
    buf_addf(&w->fetched, "%.*s %u;", STR_ARG(name), target->port);
    if (!w->is_fetch_late) {
        answer_fetch(w);
    }
}

static void fetch_ahead(void *owner, const struct burl_target *target)
{
    struct world *w = owner;
    buf_addf(&w->ahead, "%c;", target->url.p[target->url.n - 1]);
}

static void fetch_drop(void *owner)
{
    struct world *w = owner;
    buf_add(&w->ahead, STR("dropped;"));
}

static const struct burl_host HOSTS[] = {
    {.name = STR("imap.example.com"), .port = 993, .tls = BURL_TLS_IMMEDIATE},
    {.name = STR("store.example.net"), .port = 1143},
};
static enum err check_load(void *owner, const struct submission_load *load)
{
    struct world *w = owner;
    w->load = *load;
    return w->load_err;
}

static enum err list_held(void *owner, uint64_t after, unsigned most,
                          void (*on_held)(void *asker, const struct submission_held *held),
                          void *asker)
{
    struct world *w = owner;
    static const struct mail_recipient to[] = {{.address = {"carol@x.example", 15}},
                                               {.address = {"j\xC3\xBCrgen@x.example", 17}}};
    for (uint64_t id = after + 1; id <= w->held_count && id <= after + most; id++) {
        struct submission_held held = {id, 1800000000000, 812, STR("QQ=1"), to, 2};
        on_held(asker, &held);
    }
    return w->load_err;
}

static void cancel_held(void *owner, uint64_t id)
{
    struct world *w = owner;
    if (!w->is_commit_late) {
        submission_on_cancelled(w->session, id == 1 ? w->commit_err : ERR_NOT_FOUND);
    }
}

static void world_init_from(struct world *w, struct str peer)
{
    *w = (struct world){0};
    w->out = BUF_INIT(1 << 20);
    w->content = BUF_INIT(1 << 24);
    w->queued = BUF_INIT(1 << 20);
    w->fetched = BUF_INIT(1 << 20);
    w->ahead = BUF_INIT(1 << 20);
    w->asked = BUF_INIT(4096);
    w->fetch_octets = BUF_INIT(1 << 24);
    w->host = (struct submission_host){
        .base = {wake, w, NULL},
        .get_time_s = get_time_s,
        .write_unique = write_unique,
        .find_recipient = find_recipient,
        .content_start = content_start,
        .content_add = content_add,
        .content_finish = content_finish,
        .content_drop = content_drop,
        .fetch_ahead = fetch_ahead,
        .fetch = fetch,
        .fetch_drop = fetch_drop,
        .check_load = check_load,
        .list_held = list_held,
        .cancel_held = cancel_held,
    };
    struct submission_args args = {
        .user = STR("bob"),
        .hostname = STR("mail.example.org"),
        .domain = STR("example.org"),
        .domains = STR("example.org localhost ours"),
        .helo = STR("phone"),
        .peer = peer,
        .is_tls = true,
        .size_most = SIZE_MOST,
        .recipients_most = 100,
        .hold_most_s = 86400,
        .priority_most = 4,
        .burl = {STR("bob"), STR("mail.example.org imap"), STR("192.0.2.1"), 143, HOSTS, 2},
    };
    w->session = submission_new(&args, &w->host);
}

static void world_init(struct world *w)
{
    world_init_from(w, STR("192.0.2.7"));
}

static void world_release(struct world *w)
{
    if (w->session != NULL) {
        w->session->ops->free(&w->session);
    }
    buf_release(&w->out);
    buf_release(&w->content);
    buf_release(&w->queued);
    buf_release(&w->fetched);
    buf_release(&w->ahead);
    buf_release(&w->asked);
    buf_release(&w->fetch_octets);
}

static enum session_want step(struct world *w)
{
    enum session_want want = SESSION_OUTPUT;
    while (want == SESSION_OUTPUT) {
        want = w->session->ops->step(w->session, &w->out);
    }
    return want;
}

/* Sends octets; returns what the session said to them. */
static struct str say(struct world *w, struct str octets)
{
    buf_clear(&w->out);
    while (octets.n > 0) {
        w->session->ops->feed(w->session, str_sub(octets, 0, 60000));
        octets = str_skip(octets, 60000);
        (void)step(w);
    }
    return buf_str(&w->out);
}

/* What it says when an answer is there. */
static struct str go_on(struct world *w)
{
    buf_clear(&w->out);
    (void)step(w);
    return buf_str(&w->out);
}

#define GREET(w) (void)say((w), STR("NOOP\r\n"))

/* The codes of the replies, "250 250 354 ". */
static struct str codes(struct str replies, struct buf *out)
{
    buf_clear(out);
    while (replies.n > 0) {
        struct str line = str_split(&replies, '\n');
        if (line.n > 3 && line.p[3] == ' ') {
            buf_add(out, str_sub(line, 0, 4));
        }
    }
    return buf_str(out);
}

struct conversation {
    const char *name;
    const char *c;
    const char *s; /* reply codes */
};

#define URL_OK                                                                                     \
    "imap://bob@mail.example.org/Sent;UIDVALIDITY=1/"                                              \
    ";UID=5;URLAUTH=submit+bob:internal:91354a473744909de610943775f92038"
#define START "MAIL FROM:<bob@example.org>\r\nRCPT TO:<anna@example.org>\r\n"

static const struct conversation conversations[] = {
    {"S-1: a plain client", "EHLO x\r\n" START "DATA\r\nSubject: x\r\n\r\nhi\r\n.\r\nQUIT\r\n",
     "235 250 250 250 354 250 221 "},
    {"HELO", "HELO x\r\n" START "DATA\r\n.\r\n", "235 250 250 250 354 250 "},
    {"second AUTH, STARTTLS too late (RFC 4954, 4)", "AUTH PLAIN AAAA\r\nSTARTTLS\r\n",
     "235 503 503 "},
    {"unknown and untimely", "FOO\r\nRCPT TO:<a@b.c>\r\nDATA\r\nBURL " URL_OK "\r\n",
     "235 500 503 503 503 "},
    {"S-19: bad addresses", "MAIL FROM:<a b>\r\nMAIL FROM:x\r\nMAIL TO:<a@b.c>\r\n",
     "235 501 501 501 "},
    {"unknown parameter", "MAIL FROM:<a@b.c> FOO=1\r\n", "235 555 "},
    {"nested MAIL", START "MAIL FROM:<a@b.c>\r\n", "235 250 250 503 "},
    {"S-18: null return path", "MAIL FROM:<>\r\nRCPT TO:<anna@example.org>\r\nDATA\r\n.\r\n",
     "235 250 250 354 250 "},
    {"S-10: declared too big", "MAIL FROM:<a@b.c> SIZE=100001\r\nMAIL FROM:<a@b.c> SIZE=100000\r\n",
     "235 552 250 "},
    {"unknown local user, no relay",
     "MAIL FROM:<a@b.c>\r\nRCPT TO:<nobody@example.org>\r\nRCPT TO:<x@refused.test>\r\nDATA\r\n",
     "235 250 550 550 554 "},
    {"RSET forgets", START "RSET\r\nRCPT TO:<anna@example.org>\r\n", "235 250 250 250 503 "},
    {"VRFY, EXPN, HELP, NOOP", "VRFY anna\r\nEXPN all\r\nHELP\r\nNOOP\r\nVRFY\r\n",
     "235 252 502 214 250 501 "},
    {"S-6: chunks", START "BDAT 3\r\nabcBDAT 0 LAST\r\n", "235 250 250 250 250 "},
    {"S-6: one last chunk of nothing", START "BDAT 0 LAST\r\n", "235 250 250 250 "},
    {"S-6: DATA after BDAT", START "BDAT 1\r\nxDATA\r\nRSET\r\nNOOP\r\n",
     "235 250 250 250 503 250 250 "},
    {"S-6: RCPT after BDAT", START "BDAT 1\r\nxRCPT TO:<c@example.org>\r\n",
     "235 250 250 250 503 "},
    {"S-6: a chunk out of order is read and dropped", "BDAT 5\r\nQUIT\nNOOP\r\n", "235 503 250 "},
    {"S-6: a chunk without recipients",
     "MAIL FROM:<a@b.c>\r\nBDAT 4\r\nabcdBDAT 2 LAST\r\nefNOOP\r\n", "235 250 554 503 250 "},
    {"a BDAT that has no size ends the session (RFC 5321, 3.8)", "BDAT x\r\nNOOP\r\n",
     "235 501 421 "},
    {"commands that take no arguments (RFC 5321, 4.1.1)",
     START "DATA x\r\nRSET x\r\nQUIT x\r\nNOOP x\r\nRSET \r\nQUIT\r\n",
     "235 250 250 501 501 501 250 250 221 "},
    {"S-4: BINARYMIME forbids DATA",
     "MAIL FROM:<a@b.c> BODY=BINARYMIME\r\nRCPT TO:<anna@example.org>\r\nDATA\r\nBDAT 3 "
     "LAST\r\na\nb",
     "235 250 250 503 250 "},
    {"BODY=BINARY is not BODY=BINARYMIME", "MAIL FROM:<a@b.c> BODY=BINARY\r\n", "235 501 "},
    {"S-2: 8BITMIME", "MAIL FROM:<a@b.c> BODY=8BITMIME\r\n", "235 250 "},
    {"S-5: BURL", START "BURL " URL_OK " LAST\r\n", "235 250 250 250 "},
    {"S-5: BDAT and BURL mixed", START "BDAT 2\r\na\nBURL " URL_OK "\r\nBDAT 1 LAST\r\nb",
     "235 250 250 250 250 250 "},
    {"S-5: BURL without MAIL", "BURL " URL_OK " LAST\r\n", "235 503 "},
    {"S-5: BURL without a recipient",
     "MAIL FROM:<a@b.c>\r\nRCPT TO:<nobody@example.org>\r\nBURL " URL_OK " LAST\r\n",
     "235 250 550 554 "},
    {"S-16: made for somebody else",
     START "BURL "
           "imap://bob@mail.example.org/Sent/"
           ";UID=5;URLAUTH=submit+harry:internal:91354a473744909de610943775f92038 LAST\r\n",
     "235 250 250 554 "},
    {"no token", START "BURL imap://bob@mail.example.org/Sent/;UID=5 LAST\r\n", "235 250 250 554 "},
    {"another host",
     START "BURL "
           "imap://bob@evil.test/Sent/"
           ";UID=5;URLAUTH=submit+bob:internal:91354a473744909de610943775f92038 LAST\r\n",
     "235 250 250 554 "},
    {"another port",
     START "BURL "
           "imap://bob@imap:144/Sent/"
           ";UID=5;URLAUTH=submit+bob:internal:91354a473744909de610943775f92038 LAST\r\n",
     "235 250 250 554 "},
    {"the address the client came to",
     START "BURL "
           "imap://bob@192.0.2.1:143/Sent/"
           ";UID=5;URLAUTH=submit+bob:internal:91354a473744909de610943775f92038 LAST\r\n",
     "235 250 250 250 "},
    {"no URL", START "BURL\r\n", "235 250 250 501 "},
    {"no IMAP URL", START "BURL foo\r\n", "235 250 250 554 "},
    {"S-6: a BURL that cannot be read fails the message behind it",
     START "BURL x y z\r\nBDAT 1 LAST\r\nxNOOP\r\n", "235 250 250 501 503 250 "},
    {"S-6: so does one with a line end that is none",
     START "burl a\nBDAT 1 LAST\r\nx" START "RSET\r\n", "235 250 250 501 503 250 250 250 "},
    {"S-18: a domain of one label is ours or improper",
     "MAIL FROM:<a@x>\r\nMAIL FROM:<a@Localhost>\r\nRCPT TO:<a@b>\r\nRCPT TO:<a@ours>\r\n"
     "RCPT TO:<a@[192.0.2.1]>\r\nRCPT TO:<a>\r\nMAIL FROM:<>\r\n",
     "235 554 250 554 250 250 250 503 "},
    {"S-9: a whole transaction in one segment, then the next",
     START "BURL " URL_OK " LAST\r\n" START "DATA\r\nx\r\n.\r\nQUIT\r\n",
     "235 250 250 250 250 250 354 250 221 "},
    {"dots", START "DATA\r\n..x\r\n.y\r\n\n.\n\r.\r\r\n..\r\n.\r\nNOOP\r\n",
     "235 250 250 354 250 250 "},
    {"X-SMTPUTF8: addresses in UTF-8 need the parameter",
     "MAIL FROM:<j\xC3\xBCrgen@example.org>\r\nMAIL FROM:<a@b\xC3\xBC"
     "cher.example>\r\n"
     "MAIL FROM:<a@b.c>\r\nRCPT TO:<j\xC3\xBCrgen@x.example>\r\nRCPT TO:<a@b.c> "
     "ORCPT=utf-8;\xC3\xBC@b\r\n"
     "RCPT TO:<a@b.c> ORCPT=utf-8;\\x{FC}@b\r\n",
     "235 550 550 250 553 501 250 "},
    {"X-SMTPUTF8: with it they are taken",
     "MAIL FROM:<j\xC3\xBCrgen@b\xC3\xBC"
     "cher.example> SMTPUTF8\r\nRCPT TO:<j\xC3\xBCrgen@x.example>\r\n"
     "RCPT TO:<a@b.c> ORCPT=utf-8;\xC3\xBC@b\r\nDATA\r\n.\r\n",
     "235 250 250 250 354 250 "},
    {"X-SMTPUTF8: domains that cannot be, octets that are no UTF-8, a value",
     "MAIL FROM:<a@\xE2\x80\x8B.example> SMTPUTF8\r\nMAIL FROM:<\xFF@b.c> SMTPUTF8\r\n"
     "MAIL FROM:<a@b.c> SMTPUTF8=yes\r\nVRFY j\xC3\xBCrgen SMTPUTF8\r\n",
     "235 501 501 501 252 "},
    {"X-FUTURERELEASE: one hold, within bounds",
     "MAIL FROM:<a@b.c> HOLDFOR=86401\r\nMAIL FROM:<a@b.c> HOLDFOR=0\r\n"
     "MAIL FROM:<a@b.c> HOLDUNTIL=2023-11-15T22:13:21Z\r\nMAIL FROM:<a@b.c> "
     "HOLDUNTIL=2023-11-14T22:00:00Z\r\n"
     "MAIL FROM:<a@b.c> HOLDFOR=1 HOLDUNTIL=2023-11-15T22:13:20Z\r\nMAIL FROM:<a@b.c> "
     "HOLDFOR=86400\r\n"
     "RSET\r\nMAIL FROM:<a@b.c> HOLDUNTIL=2023-11-15T22:13:20Z\r\nRSET\r\n"
     "MAIL FROM:<a@b.c> HOLDUNTIL=2023-11-14T22:13:00Z\r\n",
     "235 501 501 501 501 501 250 250 250 250 250 "},
    {"X-FUTURERELEASE: not later than the sender wants it delivered",
     "MAIL FROM:<a@b.c> HOLDFOR=100 BY=99;R\r\nMAIL FROM:<a@b.c> HOLDFOR=100 BY=100;N\r\n",
     "235 501 250 "},
    {"X-DELIVERBY",
     "MAIL FROM:<a@b.c> BY=0;R\r\nMAIL FROM:<a@b.c> BY=10;Q\r\nMAIL FROM:<a@b.c> BY=-10;NT\r\n",
     "235 501 501 250 "},
    {"X-MT-PRIORITY", "MAIL FROM:<a@b.c> MT-PRIORITY=10\r\nMAIL FROM:<a@b.c> MT-PRIORITY=9\r\n",
     "235 501 250 "},
    {"X-REQUIRETLS", "MAIL FROM:<a@b.c> REQUIRETLS=1\r\nMAIL FROM:<a@b.c> REQUIRETLS\r\n",
     "235 501 250 "},
    {"XHELD, and not in a transaction",
     "XHELD\r\nXHELD LIST x\r\nXHELD CANCEL\r\nXHELD CANCEL 1 2\r\nXHELD LIST\r\nXHELD CANCEL 1\r\n"
     "XHELD CANCEL 2\r\n" START "XHELD LIST\r\nXHELD CANCEL 1\r\nDATA\r\n.\r\nXHELD LIST 7\r\n",
     "235 501 501 501 501 250 250 550 250 250 503 503 354 250 250 "},
    {"smuggling: only CRLF.CRLF ends DATA",
     START "DATA\r\na\n.\nMAIL FROM:<x@y.z>\r\n\n.\r\nb\r\n.\r\nNOOP\r\n",
     "235 250 250 354 250 250 "},
};

static void test_conversations(void **state)
{
    for (size_t i = 0; i < sizeof(conversations) / sizeof(conversations[0]); i++) {
        const struct conversation *c = &conversations[i];
        struct world w;
        world_init(&w);
        buf_add(&w.fetch_octets, STR("Subject: x\r\n\r\ny\r\n"));
        CLEANUP(buf_release) struct buf got = BUF_INIT(1 << 16);
        struct str said = codes(say(&w, str_from_c(c->c)), &got);
        if (!str_eq(said, str_from_c(c->s))) {
            print_error("%s\n  got  %.*s\n  want %s\n%.*s", c->name, STR_ARG(said), c->s,
                        STR_ARG(buf_str(&w.out)));
        }
        assert_str(said, str_from_c(c->s));
        world_release(&w);
    }
}

/* The same, fed octet by octet: framing must not depend on segments. */
static void test_octet_by_octet(void **state)
{
    for (size_t i = 0; i < sizeof(conversations) / sizeof(conversations[0]); i++) {
        const struct conversation *c = &conversations[i];
        struct world w;
        world_init(&w);
        buf_add(&w.fetch_octets, STR("Subject: x\r\n\r\ny\r\n"));
        CLEANUP(buf_release) struct buf got = BUF_INIT(1 << 16);
        bool is_open = true;
        for (const char *p = c->c; *p != '\0' && is_open; p++) {
            w.session->ops->feed(w.session, str_make(p, 1));
            is_open = step(&w) != SESSION_CLOSE;
        }
        assert_str(codes(buf_str(&w.out), &got), str_from_c(c->s));
        world_release(&w);
    }
}

/* S-1, S-2, S-4 to S-10: the list after authentication; no AUTH, no STARTTLS any more. S-17: no host is trusted beyond
 * URLAUTH, so "imap" stands alone. */
static void test_ehlo_list(void **state)
{
    struct world w;
    world_init(&w);
    GREET(&w);
    struct str s = say(&w, STR("EHLO phone\r\n"));
    static const char *const wanted[] = {"8BITMIME\r\n",
                                         "BINARYMIME\r\n",
                                         "BURL imap\r\n",
                                         "CHUNKING\r\n",
                                         "DSN\r\n",
                                         "ENHANCEDSTATUSCODES\r\n",
                                         "PIPELINING\r\n",
                                         "SIZE 100000\r\n",
                                         "SMTPUTF8\r\n",
                                         "DELIVERBY\r\n",
                                         "MT-PRIORITY\r\n",
                                         "REQUIRETLS\r\n",
                                         "LIMITS RCPTMAX=100\r\n",
                                         "FUTURERELEASE 86400 2023-11-15T22:13:20Z\r\n",
                                         "XHELD\r\n"};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        assert_true(str_find_str(s, str_from_c(wanted[i])) < s.n);
    }
    assert_int_equal(str_find_str(s, STR("AUTH")), s.n);
    assert_int_equal(str_find_str(s, STR("STARTTLS")), s.n);
    world_release(&w);
}

/* S-8: every reply but those to EHLO and DATA has an enhanced code, and RFC 4468, 6 has its own. */
static void test_enhanced_codes(void **state)
{
    static const struct {
        const char *c;
        enum err fetch_err;
        const char *s;
    } rows[] = {
        {START "BURL " URL_OK "\r\n", ERR_BAD_URL, "554 5.6.6 "},
        {START "BURL " URL_OK "\r\n", ERR_UNREACHABLE, "451 4.4.1 "},
        {START "BURL " URL_OK "\r\n", ERR_TOO_BIG, "552 5.3.4 "},
        {START "BURL " URL_OK "\r\n", ERR_OK, "250 2.5.0 "},
        {START "BURL " URL_OK " LAST\r\n", ERR_OK, "250 2.5.0 "},
        {"MAIL FROM:<a@b.c>\r\nBURL " URL_OK " LAST\r\n", ERR_OK, "554 5.5.0 "},
        {START "BURL "
               "imap://bob@evil.test/a/"
               ";UID=1;URLAUTH=submit+bob:internal:91354a473744909de610943775f92038 LAST\r\n",
         ERR_OK, "554 5.7.8 "},
        {START "BURL "
               "imap://bob@imap/a/"
               ";UID=1;URLAUTH=submit+eve:internal:91354a473744909de610943775f92038 LAST\r\n",
         ERR_OK, "554 5.7.0 "},
        {START "DATA\r\n.\r\n", ERR_OK, "250 2.0.0 "},
        {"RCPT TO:<a@b.c>\r\n", ERR_OK, "503 5.5.1 "},
        {"MAIL FROM:<a@b.c>\r\nRCPT TO:<nobody@example.org>\r\n", ERR_OK, "550 5.1.1 "},
        {"MAIL FROM:<a@b.c>\r\nRCPT TO:<a@refused.test>\r\n", ERR_OK, "550 5.7.1 "},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct world w;
        world_init(&w);
        w.fetch_err = rows[i].fetch_err;
        struct str s = str_trim(say(&w, str_from_c(rows[i].c)));
        size_t at = str_find_last_char(s, '\n');
        assert_true(str_starts(str_skip(s, at < s.n ? at + 1 : 0), str_from_c(rows[i].s)));
        world_release(&w);
    }
}

/* S-5: nothing is fetched without an accepted recipient, for another user, or from elsewhere. */
static void test_nothing_fetched(void **state)
{
    struct world w;
    world_init(&w);
    (void)say(&w, STR("BURL " URL_OK " LAST\r\nMAIL FROM:<a@b.c>\r\nBURL " URL_OK " LAST\r\n"
                      "RSET\r\n" START "BURL "
                      "imap://x@evil.test/a/"
                      ";UID=1;URLAUTH=submit+bob:internal:91354a473744909de610943775f92038\r\n"
                      "BURL " URL_OK " LAST\r\n"));
    assert_int_equal(w.fetched.len, 0);
    assert_int_equal(w.queued.len, 0);
    (void)say(&w, STR("RSET\r\n" START "BURL " URL_OK " LAST\r\n"));
    assert_str(buf_str(&w.fetched), STR("192.0.2.1 143;"));
    world_release(&w);
}

#define URL_FOR(host, last)                                                                        \
    "imap://" host                                                                                 \
    "/a;UIDVALIDITY=1/;UID=1;URLAUTH=submit+bob:internal:91354a473744909de610943775f9203" last

/* X-BURL-HOSTS: only hosts of the list, by the very name that stands there; all else is refused before anything is connected to. */
static void test_hosts(void **state)
{
    static const struct {
        const char *url;
        const char *says;
        const char *fetched;
    } rows[] = {
        {URL_FOR("bob@imap.example.com:993", "a"), "250 2.5.0", "imap.example.com 143;"},
        {URL_FOR("bob@imap.example.com", "a"), "250 2.5.0", "imap.example.com 143;"},
        {URL_FOR("bob@IMAP.Example.COM:143", "a"), "250 2.5.0", "imap.example.com 143;"},
        {URL_FOR("evil.test@store.example.net:1143", "a"), "250 2.5.0", "store.example.net 143;"},
        {URL_FOR("bob@imap", "a"), "250 2.5.0", "192.0.2.1 143;"},
        {URL_FOR("bob@store.example.net:993", "a"), "554 5.7.8", ""},
        {URL_FOR("bob@imap.example.com:25", "a"), "554 5.7.8", ""},
        {URL_FOR("bob@imap.example.com.", "a"), "554 5.7.8", ""},
        {URL_FOR("bob@imap.example.com.evil.test", "a"), "554 5.7.8", ""},
        {URL_FOR("bob@evil.imap.example.com", "a"), "554 5.7.8", ""},
        {URL_FOR("bob@xample.com", "a"), "554 5.7.8", ""},
        {URL_FOR("bob@imap%2Eexample.com", "a"), "554 5.", ""},
        {URL_FOR("bob@imap.example.com%00.evil.test", "a"), "554 5.", ""},
        {URL_FOR("imap.example.com@evil.test", "a"), "554 5.7.8", ""},
        {URL_FOR("bob@imap.example.com@evil.test", "a"), "554 5.6.6", ""},
        {URL_FOR("imap.example.com%40evil.test@evil.test", "a"), "554 5.7.8", ""},
        {URL_FOR("evil.test#@imap.example.com", "a"), "554 5.6.6", ""},
        {URL_FOR("evil.test\\@imap.example.com", "a"), "554 5.6.6", ""},
        {URL_FOR("evil.test/@imap.example.com", "a"), "554 5.", ""},
        {URL_FOR("bob@[::1]", "a"), "554 5.7.8", ""},
        {URL_FOR("bob@[::ffff:192.0.2.1]", "a"), "554 5.7.8", ""},
        {URL_FOR("bob@127.0.0.1", "a"), "554 5.7.8", ""},
        {URL_FOR("bob@2130706433", "a"), "554 5.7.8", ""},
        {URL_FOR("bob@0x7f.1", "a"), "554 5.7.8", ""},
        {URL_FOR("bob@localhost", "a"), "554 5.7.8", ""},
        {URL_FOR("bob@192.0.2.1:25", "a"), "554 5.7.8", ""},
        {URL_FOR("bob@imap.example.com:99399999", "a"), "554 5.", ""},
        {URL_FOR("bob@", "a"), "554 5.", ""},
        {"imaps://imap.example.com/a/"
         ";UID=1;URLAUTH=submit+bob:internal:91354a473744909de610943775f92038",
         "554 5.6.6", ""},
        {"//imap.example.com/a/;UID=1;URLAUTH=submit+bob:internal:91354a473744909de610943775f92038",
         "554 5.6.6", ""},
        {"imap://bob@imap.example.com/a/"
         ";UID=1;URLAUTH=submit+eve:internal:91354a473744909de610943775f92038",
         "554 5.7.0", ""},
        {"imap://bob@imap.example.com/a/;UID=1", "554 5.7.0", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct world w;
        CLEANUP(buf_release) struct buf in = BUF_INIT(4096);
        world_init(&w);
        GREET(&w);
        (void)say(&w, STR(START));
        buf_addf(&in, "BURL %s\r\n", rows[i].url);
        struct str says = say(&w, buf_str(&in));
        if (!str_starts(says, str_from_c(rows[i].says))) {
            fail_msg("%s: %.*s", rows[i].url, STR_ARG(says));
        }
        assert_str(buf_str(&w.fetched), str_from_c(rows[i].fetched));
        world_release(&w);
    }
}

/* X-BURL-HOSTS: while one URL is fetched, those behind it are known to the host, as far as the client has sent them. */
static void test_look_ahead(void **state)
{
#define URL(last) URL_FOR("bob@imap", last)
    static const struct {
        const char *more; /* behind the BURL that is being fetched */
        const char *ahead;
        const char *replies; /* when it is done, and all others */
    } rows[] = {
        {"", "", "250 "},
        {"BURL " URL("b") "\r\n", "b;", "250 250 "},
        {"BURL " URL("b") "\r\nBDAT 7\r\nBURL \r\nBURL " URL("c") " LAST\r\nBURL " URL("d") "\r\n",
         "b;c;", "250 250 250 250 503 "},
        {"BDAT 2\r\nxyBURL " URL("b") "\r\n", "b;", "250 250 250 "},
        {"BDAT 2 LAST\r\nxyBURL " URL("b") "\r\n", "", "250 250 503 "},
        {"RSET\r\nBURL " URL("b") "\r\n", "", "250 250 503 "},
        {"NOOP\r\nBURL " URL("b") "\r\n", "", "250 250 250 "},
        {"BURL " URL_FOR("bob@elsewhere", "b") "\r\nBURL " URL("c") "\r\n", "", "250 554 503 "},
        {"BURL " URL("b") "\r\nBURL x\r\nBURL " URL("c") "\r\n", "b;", "250 250 554 503 "},
        {"BURL " URL("b") " FIRST\r\n", "", "250 501 "},
        {"BDAT 999\r\n", "", "250 "},
        {"BDAT x\r\n", "", "250 501 421 "},
    };
    for (size_t piece = 1; piece < 2000; piece = piece * 40) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            struct world w;
            CLEANUP(buf_release) struct buf got = BUF_INIT(4096);
            world_init(&w);
            GREET(&w);
            w.is_fetch_late = true;
            (void)say(&w, STR(START "BURL " URL("a") "\r\n"));
            struct str more = str_from_c(rows[i].more);
            for (; more.n > 0; more = str_skip(more, piece)) {
                w.session->ops->feed(w.session, str_sub(more, 0, piece));
            }
            assert_str(buf_str(&w.ahead), str_from_c(rows[i].ahead));
            w.is_fetch_late = false;
            buf_add(&w.fetch_octets, STR("x\r\n"));
            answer_fetch(&w);
            assert_str(codes(go_on(&w), &got), str_from_c(rows[i].replies));
            assert_str(buf_str(&w.ahead), str_from_c(rows[i].ahead));
            world_release(&w);
        }
    }
}

/* The first part fails: what was asked for behind it is taken back, once. */
static void test_look_ahead_in_vain(void **state)
{
    struct world w;
    CLEANUP(buf_release) struct buf got = BUF_INIT(4096);
    world_init(&w);
    GREET(&w);
    w.is_fetch_late = true;
    (void)say(&w,
              STR(START "BURL " URL("a") "\r\nBURL " URL("b") "\r\nBURL " URL("c") " LAST\r\n"));
    assert_str(buf_str(&w.ahead), STR("b;c;"));
    w.fetch_err = ERR_BAD_URL;
    answer_fetch(&w);
    assert_str(codes(go_on(&w), &got), STR("554 503 503 "));
    assert_str(buf_str(&w.ahead), STR("b;c;dropped;"));
    assert_int_equal(w.queued.len, 0);
    world_release(&w);
}

/* S-6: once a part failed, all later parts fail, and nothing is queued. */
static void test_failed_part(void **state)
{
    struct world w;
    world_init(&w);
    GREET(&w);
    w.fetch_err = ERR_BAD_URL;
    CLEANUP(buf_release) struct buf got = BUF_INIT(4096);
    assert_str(codes(say(&w, STR(START "BURL " URL_OK "\r\nBDAT 2\r\nab")), &got),
               STR("250 250 554 503 "));
    w.fetch_err = ERR_OK;
    assert_str(codes(say(&w, STR("BURL " URL_OK "\r\nDATA\r\nBDAT 1 LAST\r\nx")), &got),
               STR("503 503 503 "));
    assert_int_equal(w.queued.len, 0);
    assert_str(codes(say(&w, STR(START "BDAT 1 LAST\r\nx")), &got), STR("250 250 250 "));
    assert_true(w.queued.len > 0);
    world_release(&w);
}

/* S-11: the limit counts what the URLs expand to, over all parts. */
static void test_size_after_expansion(void **state)
{
    struct world w;
    world_init(&w);
    GREET(&w);
    char *octets = memset(buf_reserve(&w.fetch_octets, SIZE_MOST), 'x', SIZE_MOST);
    assert_non_null(octets);
    buf_commit(&w.fetch_octets, SIZE_MOST - 2);
    CLEANUP(buf_release) struct buf got = BUF_INIT(4096);
    assert_str(codes(say(&w, STR(START "BURL " URL_OK "\r\nBDAT 2 LAST\r\nab")), &got),
               STR("250 250 250 250 "));
    assert_str(codes(say(&w, STR(START "BURL " URL_OK "\r\nBDAT 3 LAST\r\nabc")), &got),
               STR("250 250 250 552 "));
    assert_str(codes(say(&w, STR(START "BDAT 3\r\nabcBURL " URL_OK " LAST\r\n")), &got),
               STR("250 250 250 552 "));
    world_release(&w);
}

/* S-9: what is pipelined behind a slow answer waits, in order. */
static void test_slow_answers(void **state)
{
    struct world w;
    world_init(&w);
    GREET(&w);
    w.is_late = w.is_commit_late = w.is_fetch_late = true;
    CLEANUP(buf_release) struct buf got = BUF_INIT(4096);
    assert_str(codes(say(&w, STR(START "BURL " URL_OK " LAST\r\nNOOP\r\n")), &got), STR("250 "));
    assert_int_equal(step(&w), SESSION_EVENT);
    answer_recipient(&w);
    assert_int_equal(step(&w), SESSION_EVENT);
    assert_true(w.fetched.len > 0);
    answer_fetch(&w);
    assert_int_equal(step(&w), SESSION_EVENT);
    assert_true(w.queued.len > 0);
    assert_str(codes(buf_str(&w.out), &got), STR("250 250 "));
    submission_on_queued(w.session, ERR_OK);
    assert_int_equal(step(&w), SESSION_INPUT);
    assert_str(codes(buf_str(&w.out), &got), STR("250 250 250 250 "));
    assert_int_equal(w.wakes, 3);
    world_release(&w);
}

/* RFC 5321, 6.1: 250 only for what is on disk. */
static void test_commit_fails(void **state)
{
    struct world w;
    world_init(&w);
    GREET(&w);
    w.commit_err = ERR_NO_SPACE;
    struct str s = say(&w, STR(START "DATA\r\nx\r\n.\r\n"));
    assert_true(str_find_str(s, STR("452 4.3.1 ")) < s.n);
    w.commit_err = ERR_OK;
    w.content_err = ERR_IO;
    s = say(&w, STR(START "DATA\r\nx\r\n.\r\n"));
    assert_true(str_find_str(s, STR("451 4.3.0 ")) < s.n);
    world_release(&w);
}

/* S-7: what RFC 3461 asks to carry; S-18: domains are completed; nobody gets it twice. */
static void test_envelope(void **state)
{
    struct world w;
    world_init(&w);
    (void)say(&w, STR("MAIL FROM:<bob> RET=HDRS ENVID=QQ+2B1\r\n"
                      "RCPT TO:<anna> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@c.d\r\n"
                      "RCPT TO:<anna@Example.ORG> NOTIFY=NEVER\r\n"
                      "RCPT TO:<anna@example.org>\r\n"
                      "RCPT TO:<\"odd one\"@else.test> NOTIFY=NEVER\r\n"
                      "DATA\r\n.\r\n"));
    assert_str(buf_str(&w.queued), STR("bob@example.org>anna@example.org/anna/14/rfc822;a+b@c.d,"
                                       "\"odd one\"@else.test//1/|2|QQ+1;"));
    world_release(&w);
}

/* RFC 6409, 8: trace line, Date and Message-ID when missing, no Bcc. */
static void test_content(void **state)
{
    struct world w;
    world_init(&w);
    (void)say(
        &w,
        STR(START "BDAT 9\r\nbCC: x@y\rBDAT 31 LAST\r\n\n z\r\nTo: anna\r\n\r\nbody\r\n.\r\nb"));
    assert_str(buf_str(&w.content), STR("Received: from phone ([192.0.2.7])\r\n\tby "
                                        "mail.example.org with ESMTPSA id token1\r\n"
                                        "\tfor <anna@example.org>;\r\n"
                                        "\tTue, 14 Nov 2023 22:13:20 +0000\r\n"
                                        "To: anna@example.org\r\n"
                                        "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
                                        "Message-ID: <token1@example.org>\r\n"
                                        "From: <bob@example.org>\r\n"
                                        "\r\nbody\r\n.\r\nb"));
    world_release(&w);
}

/* What MAIL asks for becomes terms that the queue keeps. */
static void test_terms(void **state)
{
    struct world w;
    world_init(&w);
    (void)say(
        &w,
        STR("MAIL FROM:<a@b.c> SMTPUTF8 HOLDFOR=60 BY=120;NT MT-PRIORITY=-3 REQUIRETLS SIZE=9\r\n"
            "RCPT TO:<j\xC3\xBCrgen@b\xC3\xBC"
            "cher.example> ORCPT=utf-8;\xC3\xBC@b\r\n"));
    assert_true(w.load.is_held);
    assert_int_equal(w.load.recipients, 1);
    assert_int_equal(w.load.octets, 9);
    (void)say(&w, STR("DATA\r\n\r\n12345\r\n.\r\n"));
    assert_int_equal(w.load.octets, 9);
    assert_str(buf_str(&w.queued),
               STR("a@b.c>j\xC3\xBCrgen@xn--bcher-kva.example//0/utf-8;\xC3\xBC@b|0|;"));
    assert_true(w.terms.is_utf8 && w.terms.is_by_traced && w.terms.is_tls_required);
    assert_int_equal(w.terms.release_ms, 1700000061000);
    assert_int_equal(w.terms.by, SMTP_BY_NOTIFY);
    assert_int_equal(w.terms.deliver_by_ms, 1700000120000);
    assert_int_equal(w.terms.priority, -3);
    struct str trace = STR("by mail.example.org with UTF8SMTPSA id token1\r\n"
                           "\tfor <j\xC3\xBCrgen@xn--bcher-kva.example> PRIORITY -3;");
    assert_true(str_find_str(buf_str(&w.content), trace) < w.content.len);
    /* The next one has none of that, and two recipients are nobody's business. */
    (void)say(&w, STR(START "RCPT TO:<x@y.z>\r\nDATA\r\n\r\n.\r\n"));
    assert_false(w.terms.is_utf8 || w.terms.is_by_traced || w.terms.is_tls_required);
    assert_int_equal(w.terms.release_ms + w.terms.deliver_by_ms, 0);
    assert_int_equal(w.terms.priority, 0);
    assert_int_equal(str_find_str(buf_str(&w.content), STR("for <")), w.content.len);
    world_release(&w);
}

/* The header has a say: UTF-8 in it makes the message one of RFC 6532, TLS-Required and MT-Priority count where MAIL was silent. */
static void test_header_terms(void **state)
{
    struct world w;
    CLEANUP(buf_release) struct buf got = BUF_INIT(1 << 16);
    world_init(&w);
    GREET(&w);
    struct str said = say(
        &w,
        STR(START "DATA\r\nSubject: \xC3\xBC\r\nTLS-Required: No\r\nMT-Priority: 9\r\n\r\n.\r\n"));
    assert_true(str_ends(said, STR("\r\n250 2.3.6 4 is its priority: your highest. Queued\r\n")));
    assert_true(w.terms.is_utf8 && w.terms.is_tls_optional);
    assert_int_equal(w.terms.priority, 4);
    (void)say(&w, STR("MAIL FROM:<bob> REQUIRETLS MT-PRIORITY=1\r\nRCPT TO:<anna>\r\n"
                      "DATA\r\nTLS-Required: No\r\nMT-Priority: 9\r\n\r\n\xFF\r\n.\r\n"));
    assert_false(w.terms.is_utf8 || w.terms.is_tls_optional);
    assert_true(w.terms.is_tls_required);
    assert_int_equal(w.terms.priority, 1);
    assert_true(str_find_str(buf_str(&w.content), STR("\r\nMT-Priority: 1\r\n\r\n"))
                < w.content.len);
    buf_clear(&w.queued);
    assert_str(codes(say(&w, STR(START "DATA\r\nSubject: \xFF\r\n\r\n.\r\n")), &got),
               STR("250 250 354 554 "));
    assert_int_equal(w.queued.len, 0);
    world_release(&w);
}

/* X-MT-PRIORITY: more than the user may is lowered, and it is told so (RFC 6710, 4.1). */
static void test_priority_bound(void **state)
{
    struct world w;
    world_init(&w);
    GREET(&w);
    assert_str(say(&w, STR("MAIL FROM:<a@b.c> MT-PRIORITY=4\r\n")), STR("250 2.1.0 Ok\r\n"));
    assert_str(say(&w, STR("RSET\r\nMAIL FROM:<a@b.c> MT-PRIORITY=5\r\n")),
               STR("250 2.0.0 Forgotten\r\n250 2.3.6 4 is your highest priority\r\n"));
    (void)say(&w, STR("RCPT TO:<x@y.z>\r\nDATA\r\n\r\n.\r\n"));
    assert_int_equal(w.terms.priority, 4);
    world_release(&w);
}

/* What the host forbids is refused at MAIL, at RCPT or when the content is there, and nothing is queued. */
static void test_load(void **state)
{
    struct world w;
    CLEANUP(buf_release) struct buf got = BUF_INIT(1 << 16);
    world_init(&w);
    GREET(&w);
    w.load_err = ERR_RATE_MESSAGES;
    assert_str(say(&w, STR("MAIL FROM:<a@b.c>\r\n")),
               STR("450 4.7.1 Too much mail within an hour; try again later\r\n"));
    w.load_err = ERR_HELD_FULL;
    struct str said = say(&w, STR("MAIL FROM:<a@b.c> HOLDFOR=10\r\n"));
    assert_true(str_starts(said, STR("552 5.7.16 ")));
    w.load_err = ERR_OK;
    (void)say(&w, STR("MAIL FROM:<a@b.c>\r\nRCPT TO:<x@y.z>\r\n"));
    w.load_err = ERR_RATE_RECIPIENTS;
    assert_true(str_starts(say(&w, STR("RCPT TO:<z@y.z>\r\n")), STR("452 4.5.3 ")));
    w.load_err = ERR_RATE_MESSAGES;
    assert_str(codes(say(&w, STR("DATA\r\nx\r\n.\r\nRCPT TO:<z@y.z>\r\n")), &got),
               STR("354 450 503 "));
    assert_int_equal(w.queued.len, 0);
    world_release(&w);
}

/* Held mail, page by page. */
static void test_held_pages(void **state)
{
    struct world w;
    world_init(&w);
    GREET(&w);
    w.held_count = 101;
    struct str said = say(&w, STR("XHELD LIST\r\n"));
    struct str first =
        STR("250-2.0.0 1 RELEASE=2027-01-15T08:00:00Z SIZE=812 ENVID=QQ+3D1 RCPTS=2 "
            "TO=utf-8;carol@x.example TO=utf-8;j\\x{FC}rgen@x.example\r\n250-2.0.0 2 ");
    assert_true(str_starts(said, first));
    assert_true(str_ends(said, STR("\r\n250 2.0.0 MORE=100\r\n")));
    said = say(&w, STR("XHELD LIST 100\r\n"));
    assert_true(str_starts(said, STR("250-2.0.0 101 RELEASE=")));
    assert_true(str_ends(said, STR("\r\n250 2.0.0 END\r\n")));
    assert_str(say(&w, STR("XHELD LIST 101\r\n")), STR("250 2.0.0 END\r\n"));
    /* A cancellation is answered when it is on disk. */
    w.is_commit_late = true;
    assert_str(say(&w, STR("XHELD CANCEL 1\r\nNOOP\r\n")), STR_EMPTY);
    submission_on_cancelled(w.session, ERR_OK);
    (void)step(&w);
    assert_str(buf_str(&w.out), STR("250 2.0.0 Cancelled\r\n250 2.0.0 OK\r\n"));
    world_release(&w);
}

/* RFC 5321, 6.3: a message that has come a hundred times is refused; 4.1.3: how an IPv6 address is written. */
static void test_trace(void **state)
{
    for (unsigned hops = 100; hops < 102; hops++) {
        struct world w;
        world_init(&w);
        GREET(&w);
        CLEANUP(buf_release) struct buf in = BUF_INIT(1 << 16);
        buf_add(&in, STR(START "DATA\r\n"));
        for (unsigned i = 0; i < hops; i++) {
            buf_add(&in, STR("rECEIVED: from a\r\n\tby b\r\n"));
        }
        buf_add(&in, STR("\r\nReceived: in the body\r\n.\r\n"));
        struct str said = say(&w, buf_str(&in));
        assert_true((str_find_str(said, STR("554 5.4.6 ")) == said.n) == (hops == 100));
        assert_true((w.queued.len > 0) == (hops == 100));
        world_release(&w);
    }
    struct world w;
    world_init_from(&w, STR("2001:db8::7"));
    (void)say(&w, STR(START "DATA\r\n.\r\n"));
    assert_true(str_starts(buf_str(&w.content), STR("Received: from phone ([IPv6:2001:db8::7])")));
    (void)say(&w, STR("EHLO tablet\r\n" START "DATA\r\n.\r\n"));
    assert_true(str_starts(buf_str(&w.content), STR("Received: from tablet (")));
    world_release(&w);
}

/* Far more recipients than a message may have: those beyond the bound are for another message, this one goes. */
static void test_many_recipients(void **state)
{
    enum { ASKED = 100000, TAKEN = 100, AT_ONCE = 500 };
    for (unsigned is_same = 0; is_same < 2; is_same++) {
        struct world w;
        world_init(&w);
        GREET(&w);
        (void)say(&w, STR("MAIL FROM:<a@b.c>\r\n"));
        size_t taken = 0;
        size_t refused = 0;
        for (unsigned i = 0; i < ASKED; i += AT_ONCE) {
            CLEANUP(buf_release) struct buf in = BUF_INIT(1 << 16);
            for (unsigned k = i; k < i + AT_ONCE; k++) {
                buf_addf(&in, "RCPT TO:<u%u@else.test>\r\n", is_same ? 1 : k);
            }
            for (struct str said = say(&w, buf_str(&in)); said.n > 0;) {
                struct str line = str_split(&said, '\n');
                taken += str_starts(line, STR("250 2.1.5 "));
                refused += str_starts(line, STR("452 4."));
            }
        }
        assert_int_equal(taken + refused, ASKED);
        assert_int_equal(taken,
                         TAKEN); /* X-LIMITS: RCPT commands count, whatever becomes of them */
        CLEANUP(buf_release) struct buf got = BUF_INIT(4096);
        assert_str(codes(say(&w, STR("DATA\r\nx\r\n.\r\n")), &got), STR("354 250 "));
        world_release(&w);
    }
}

/* The session may end at any time; what is under way is dropped. */
static void test_peer_gone(void **state)
{
    struct world w;
    world_init(&w);
    w.is_fetch_late = true;
    (void)say(&w, STR(START "BURL " URL_OK " LAST\r\n"));
    unsigned before = w.drops;
    w.session->ops->free(&w.session);
    assert_null(w.session);
    assert_true(w.drops > before);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conversations),   cmocka_unit_test(test_octet_by_octet),
        cmocka_unit_test(test_ehlo_list),       cmocka_unit_test(test_enhanced_codes),
        cmocka_unit_test(test_nothing_fetched), cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_look_ahead),      cmocka_unit_test(test_look_ahead_in_vain),
        cmocka_unit_test(test_failed_part),     cmocka_unit_test(test_size_after_expansion),
        cmocka_unit_test(test_slow_answers),    cmocka_unit_test(test_commit_fails),
        cmocka_unit_test(test_envelope),        cmocka_unit_test(test_content),
        cmocka_unit_test(test_trace),           cmocka_unit_test(test_many_recipients),
        cmocka_unit_test(test_terms),           cmocka_unit_test(test_priority_bound),
        cmocka_unit_test(test_header_terms),    cmocka_unit_test(test_load),
        cmocka_unit_test(test_held_pages),      cmocka_unit_test(test_peer_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
