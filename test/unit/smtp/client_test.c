/* The SMTP and LMTP client core against scripted servers. */
#include "smtp/client.h"

#include "unit.h"

static struct str content_octets;
static enum content_kind content_own = CONTENT_7BIT;
static enum err prepare_err = ERR_OK;
static enum content_kind able_seen;

static enum err prepare(void *owner, struct content_able able, enum content_kind *kind,
                        uint64_t *size)
{
    able_seen = able.kind;
    *kind = content_own < able.kind ? content_own : able.kind;
    *size = content_octets.n;
    return prepare_err;
}

static enum err read_content(void *owner, uint64_t offset, size_t n, struct str *out)
{
    *out = str_sub(content_octets, (size_t)offset, n);
    return ERR_OK;
}

/* A script is lines: "S text" is fed to the client, "C text" must be the next line it says, "C*" takes anything up to and
 * with the line ".", "T" means it must ask for TLS, "D" that it is done. */
struct play {
    const char *name;
    bool is_lmtp;
    enum smtp_tls_policy tls;
    const char *user;
    const char *const *script;
    const char *outcomes; /* "D" done, "L" later, "F" failed */
};

static const struct mail_recipient recipients[] = {
    {{"a@x.test", 8}, {NULL, 0}, {"rfc822;o+1@x", 12}, SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_DELAY},
    {{"b@y.test", 8}, {NULL, 0}, {NULL, 0}, SMTP_NOTIFY_NEVER},
};

#define GREETING "S 220 hi", "C EHLO me"
#define ENVELOPE ENVELOPE_WITH("C MAIL FROM:<f@z.test>")
#define ENVELOPE_WITH(mail)                                                                        \
    mail, "S 250 ok", "C RCPT TO:<a@x.test>", "S 250 ok", "C RCPT TO:<b@y.test>", "S 250 ok"

static const char *const plain[] = {
    GREETING, "S 250 relay",       ENVELOPE, "C DATA", "S 354 go", "C Subject: x", "C ", "C ..dot",
    "C .",    "S 250 2.0.0 taken", "C QUIT", "D",      NULL};
static const char *const helo[] = {GREETING, "S 502 what", "C HELO me", "S 250 relay",
                                   ENVELOPE, "C DATA",     "S 354 go",  "C Subject: x",
                                   "C ",     "C ..dot",    "C .",       "S 250 taken",
                                   "C QUIT", "D",          NULL};
static const char *const pipelined[] = {
    GREETING,
    "S 250-relay",
    "S 250-PIPELINING",
    "S 250-DSN",
    "S 250-SIZE 1000",
    "S 250 8BITMIME",
    "C MAIL FROM:<f@z.test> SIZE=20 BODY=7BIT RET=FULL ENVID=e+2B1",
    "C RCPT TO:<a@x.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;o+2B1@x",
    "C RCPT TO:<b@y.test> NOTIFY=NEVER",
    "S 250 ok",
    "S 250 ok",
    "S 550-5.1.1 no",
    "S 550 5.1.1 body",
    "C DATA",
    "S 354 go",
    "C Subject: x",
    "C ",
    "C ..dot",
    "C .",
    "S 250 2.0.0 taken",
    "C QUIT",
    "D",
    NULL};
static const char *const chunking[] = {GREETING,
                                       "S 250-relay",
                                       "S 250 CHUNKING",
                                       ENVELOPE,
                                       "C BDAT 20 LAST",
                                       "C Subject: x",
                                       "C ",
                                       "C .dot",
                                       "S 250 ok",
                                       "C QUIT",
                                       "D",
                                       NULL};
static const char *const mail_refused[] = {GREETING,
                                           "S 250-relay",
                                           "S 250 PIPELINING",
                                           "C MAIL FROM:<f@z.test>",
                                           "C RCPT TO:<a@x.test>",
                                           "C RCPT TO:<b@y.test>",
                                           "S 550 5.7.1 not you",
                                           "S 503 no mail",
                                           "S 503 no mail",
                                           "C QUIT",
                                           "D",
                                           NULL};
static const char *const all_refused[] = {GREETING,
                                          "S 250 relay",
                                          "C MAIL FROM:<f@z.test>",
                                          "S 250 ok",
                                          "C RCPT TO:<a@x.test>",
                                          "S 550 no",
                                          "C RCPT TO:<b@y.test>",
                                          "S 450 later",
                                          "C QUIT",
                                          "D",
                                          NULL};
static const char *const greeting_refused[] = {"S 554 go away", "C QUIT", "D", NULL};
static const char *const closing[] = {GREETING, "S 421 4.3.2 shutting down", "D", NULL};
static const char *const nonsense[] = {GREETING, "S HTTP/1.1 400 Bad Request", "D", NULL};
static const char *const too_big[] = {GREETING, "S 250-relay", "S 250 SIZE 19",
                                      "C QUIT", "D",           NULL};
static const char *const tls_needed[] = {GREETING,
                                         "S 250-relay",
                                         "S 250 STARTTLS",
                                         "C STARTTLS",
                                         "S 220 go",
                                         "T",
                                         "C EHLO me",
                                         "S 250-relay",
                                         "S 250 AUTH LOGIN PLAIN",
                                         "C AUTH PLAIN AHUAcA==",
                                         "S 235 fine",
                                         ENVELOPE_WITH("C MAIL FROM:<f@z.test> AUTH=<>"),
                                         "C DATA",
                                         "S 354 go",
                                         "C Subject: x",
                                         "C ",
                                         "C ..dot",
                                         "C .",
                                         "S 250 taken",
                                         "C QUIT",
                                         "D",
                                         NULL};
static const char *const tls_missing[] = {GREETING, "S 250 relay", "C QUIT", "D", NULL};
static const char *const tls_offered_fails[] = {GREETING,
                                                "S 250-relay",
                                                "S 250 STARTTLS",
                                                "C STARTTLS",
                                                "S 454 not now",
                                                ENVELOPE,
                                                "C DATA",
                                                "S 354 go",
                                                "C Subject: x",
                                                "C ",
                                                "C ..dot",
                                                "C .",
                                                "S 554 5.6.0 bad content",
                                                "C QUIT",
                                                "D",
                                                NULL};
static const char *const auth_fails[] = {GREETING,
                                         "S 250-relay",
                                         "S 250 AUTH PLAIN",
                                         "C AUTH PLAIN AHUAcA==",
                                         "S 535 5.7.8 no",
                                         "C QUIT",
                                         "D",
                                         NULL};
static const char *const data_refused[] = {GREETING,      "S 250 relay", ENVELOPE, "C DATA",
                                           "S 451 later", "C QUIT",      "D",      NULL};
static const char *const lmtp[] = {"S 220 hi",
                                   "C LHLO me",
                                   "S 250-store",
                                   "S 250-PIPELINING",
                                   "S 250 CHUNKING",
                                   "C MAIL FROM:<f@z.test> RET=FULL ENVID=e+2B1",
                                   "C RCPT TO:<a@x.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;o+2B1@x",
                                   "C RCPT TO:<b@y.test> NOTIFY=NEVER",
                                   "S 250 ok",
                                   "S 250 ok",
                                   "S 250 ok",
                                   "C BDAT 20 LAST",
                                   "C Subject: x",
                                   "C ",
                                   "C .dot",
                                   "S 250 2.1.5 delivered",
                                   "S 552 5.2.2 over quota",
                                   "C QUIT",
                                   "D",
                                   NULL};

static const char *const tls_then_helo[] = {GREETING,
                                            "S 250-relay",
                                            "S 250-PIPELINING",
                                            "S 250-SIZE 5",
                                            "S 250-8BITMIME",
                                            "S 250 STARTTLS",
                                            "C STARTTLS",
                                            "S 220 go",
                                            "T",
                                            "C EHLO me",
                                            "S 502 what",
                                            "C HELO me",
                                            "S 250 relay",
                                            ENVELOPE,
                                            "C DATA",
                                            "S 354 go",
                                            "C Subject: x",
                                            "C ",
                                            "C ..dot",
                                            "C .",
                                            "S 250 taken",
                                            "C QUIT",
                                            "D",
                                            NULL};
static const char *const too_many[] = {GREETING,
                                       "S 250 relay",
                                       "C MAIL FROM:<f@z.test>",
                                       "S 250 ok",
                                       "C RCPT TO:<a@x.test>",
                                       "S 250 ok",
                                       "C RCPT TO:<b@y.test>",
                                       "S 552 too many recipients",
                                       "C DATA",
                                       "S 354 go",
                                       "C Subject: x",
                                       "C ",
                                       "C ..dot",
                                       "C .",
                                       "S 250 taken",
                                       "C QUIT",
                                       "D",
                                       NULL};
static const char *const over_quota[] = {GREETING,
                                         "S 250 relay",
                                         "C MAIL FROM:<f@z.test>",
                                         "S 250 ok",
                                         "C RCPT TO:<a@x.test>",
                                         "S 552 who knows",
                                         "C RCPT TO:<b@y.test>",
                                         "S 552 5.2.2 mailbox full",
                                         "C QUIT",
                                         "D",
                                         NULL};

static const struct play plays[] = {
    {"plain", false, SMTP_TLS_OFF, "", plain, "DD"},
    {"HELO", false, SMTP_TLS_OFF, "", helo, "DD"},
    {"pipelined, DSN, a multi-line refusal", false, SMTP_TLS_OFF, "", pipelined, "DF"},
    {"chunking", false, SMTP_TLS_OFF, "", chunking, "DD"},
    {"MAIL refused behind pipelining", false, SMTP_TLS_OFF, "", mail_refused, "FF"},
    {"all recipients refused", false, SMTP_TLS_OFF, "", all_refused, "FL"},
    {"greeting refused", false, SMTP_TLS_OFF, "", greeting_refused, "LL"},
    {"421", false, SMTP_TLS_OFF, "", closing, "LL"},
    {"not SMTP", false, SMTP_TLS_OFF, "", nonsense, "LL"},
    {"larger than SIZE", false, SMTP_TLS_OFF, "", too_big, "FF"},
    {"TLS and AUTH", false, SMTP_TLS_REQUIRED, "u", tls_needed, "DD"},
    {"TLS required, not offered", false, SMTP_TLS_REQUIRED, "", tls_missing, "LL"},
    {"TLS offered and then not, refused content", false, SMTP_TLS_OFFERED, "", tls_offered_fails,
     "FF"},
    {"AUTH refused", false, SMTP_TLS_OFF, "u", auth_fails, "LL"},
    {"AUTH wanted, not offered", false, SMTP_TLS_OFF, "u", tls_missing, "LL"},
    {"DATA refused", false, SMTP_TLS_OFF, "", data_refused, "LL"},
    {"what was learnt before TLS is forgotten", false, SMTP_TLS_REQUIRED, "", tls_then_helo, "DD"},
    {"too many recipients (RFC 5321, 4.5.3.1.10)", false, SMTP_TLS_OFF, "", too_many, "DL"},
    {"552 about the mailbox", false, SMTP_TLS_OFF, "", over_quota, "FF"},
    {"LMTP: a reply a recipient", true, SMTP_TLS_OFF, "", lmtp, "DF"},
};

/* Steps until the client waits; everything it says is appended to said. */
static enum smtp_client_want drain(struct smtp_client *c, struct buf *said)
{
    enum smtp_client_want want = SMTP_CLIENT_OUTPUT;
    while (want == SMTP_CLIENT_OUTPUT) {
        want = smtp_client_step(c, said);
    }
    return want;
}

static void expect_line(const struct play *p, struct buf *said, struct str want)
{
    struct str rest = buf_str(said);
    size_t n = str_find_str(rest, STR("\r\n"));
    struct str line = str_sub(rest, 0, n);
    if (n == rest.n || !str_eq(line, want)) {
        print_error("%s: got '%.*s', want '%.*s'\n", p->name, STR_ARG(line), STR_ARG(want));
    }
    assert_true(n < rest.n);
    assert_str(line, want);
    buf_consume(said, n + 2);
}

static void run_play(const struct play *p, bool is_bytewise)
{
    struct smtp_client_job job = {
        .is_lmtp = p->is_lmtp,
        .is_own = p->is_lmtp,
        .helo = STR("me"),
        .tls = p->tls,
        .user = str_from_c(p->user),
        .password = STR("p"),
        .envelope = {STR("f@z.test"), STR("e+1"), SMTP_RET_FULL, recipients, 2},
        .source = {prepare, read_content, NULL},
    };
    struct smtp_client *c = smtp_client_new(&job);
    CLEANUP(buf_release) struct buf said = BUF_INIT(1 << 16);
    enum smtp_client_want want = SMTP_CLIENT_INPUT;
    for (const char *const *line = p->script; *line != NULL; line++) {
        struct str text = str_from_c(*line + ((*line)[1] == ' ' ? 2 : 1));
        if (**line == 'S') {
            CLEANUP(buf_release) struct buf in = BUF_INIT(4096);
            buf_addf(&in, "%.*s\r\n", STR_ARG(text));
            for (size_t i = 0; is_bytewise && i < in.len; i++) {
                smtp_client_feed(c, str_sub(buf_str(&in), i, 1));
                want = drain(c, &said);
            }
            if (!is_bytewise) {
                smtp_client_feed(c, buf_str(&in));
                want = drain(c, &said);
            }
        } else if (**line == 'C') {
            expect_line(p, &said, text);
        } else if (**line == 'T') {
            assert_int_equal(want, SMTP_CLIENT_TLS);
            smtp_client_feed(c, STR("250 injected before TLS\r\n"));
            smtp_client_on_tls(c);
            want = drain(c, &said);
        } else {
            assert_int_equal(want, SMTP_CLIENT_DONE);
        }
    }
    assert_int_equal(said.len, 0);
    for (size_t i = 0; i < 2; i++) {
        char kind = "OLDF"[0];
        switch (smtp_client_get_outcome(c, i).kind) {
        case SMTP_OUTCOME_OPEN:
            kind = 'O';
            break;
        case SMTP_OUTCOME_DONE:
            kind = 'D';
            break;
        case SMTP_OUTCOME_LATER:
            kind = 'L';
            break;
        case SMTP_OUTCOME_FAILED:
            kind = 'F';
            break;
        }
        if (kind != p->outcomes[i]) {
            print_error("%s: recipient %zu\n", p->name, i);
        }
        assert_int_equal(kind, p->outcomes[i]);
    }
    smtp_client_free(&c);
}

static void test_plays(void **state)
{
    content_octets = STR("Subject: x\r\n\r\n.dot\r\n");
    for (size_t i = 0; i < sizeof(plays) / sizeof(plays[0]); i++) {
        run_play(&plays[i], false);
        run_play(&plays[i], true);
    }
}

/* The replies of a server that takes the message for both, one by one; and where a fault belongs. */
static const struct {
    const char *good;
    const char *fault_4; /* outcomes after 4yz in place of it */
    const char *fault_5;
} stages[] = {
    {"220 hi\r\n", "LL", "LL"},    {"250-x\r\n250 8BITMIME\r\n", "LL", "LL"},
    {"250 mail\r\n", "LL", "FF"},  {"250 rcpt\r\n", "LD", "FD"},
    {"250 rcpt\r\n", "DL", "DF"},  {"354 data\r\n", "LL", "FF"},
    {"250 taken\r\n", "LL", "FF"},
};

enum { STAGES = sizeof(stages) / sizeof(stages[0]) };

/* Plays with bad in place of the reply of one stage; bad NULL: the connection breaks there. */
static void play_fault(size_t at, const char *bad, const char *want)
{
    struct smtp_client_job job = {
        .helo = STR("me"),
        .envelope = {STR("f@z.test"), STR_EMPTY, SMTP_RET_NONE, recipients, 2},
        .source = {prepare, read_content, NULL},
    };
    struct smtp_client *c = smtp_client_new(&job);
    CLEANUP(buf_release) struct buf said = BUF_INIT(1 << 16);
    enum smtp_client_want wants = drain(c, &said);
    for (size_t i = 0; i < STAGES && wants != SMTP_CLIENT_DONE; i++) {
        if (i == at && bad == NULL) {
            smtp_client_fail(c, ERR_PEER_GONE);
        } else {
            smtp_client_feed(c, str_from_c(i == at ? bad : stages[i].good));
        }
        wants = drain(c, &said);
        if (i == at && i == 1 && wants != SMTP_CLIENT_DONE) { /* EHLO refused: it tries HELO */
            smtp_client_feed(c, str_from_c(bad));
            wants = drain(c, &said);
        }
    }
    assert_int_equal(wants, SMTP_CLIENT_DONE);
    for (size_t r = 0; r < 2; r++) {
        enum smtp_outcome_kind kind = smtp_client_get_outcome(c, r).kind;
        enum smtp_outcome_kind wanted = want[r] == 'D'   ? SMTP_OUTCOME_DONE
                                        : want[r] == 'F' ? SMTP_OUTCOME_FAILED
                                                         : SMTP_OUTCOME_LATER;
        if (kind != wanted) {
            print_error("stage %zu, %s: recipient %zu\n", at, bad == NULL ? "break" : bad, r);
        }
        assert_int_equal(kind, wanted);
    }
    smtp_client_free(&c);
}

/* A server may fail at every stage, in every way; a message is failed only by a clear 5yz about it. */
static void test_faults(void **state)
{
    content_octets = STR("Subject: x\r\n\r\n.dot\r\n");
    for (size_t at = 0; at < STAGES; at++) {
        play_fault(at, "451 4.3.0 not\r\n", stages[at].fault_4);
        play_fault(at, "451-4.3.0 not\r\n451 4.3.0 now\r\n", stages[at].fault_4);
        play_fault(at, "554-5.0.0 not\r\n554 5.0.0 ever\r\n", stages[at].fault_5);
        play_fault(at, "421 4.3.2 bye\r\n", "LL");
        play_fault(at, "what do you mean?\r\n", "LL");
        play_fault(at, "250-one code\r\n550 and another\r\n", "LL");
        play_fault(at, "999 no such code\r\n", "LL");
        play_fault(at, "\r\n", "LL");
        play_fault(at, NULL, "LL");
    }
}

/* The server answers, or goes, while the chunk is still leaving: what was not sent was not taken. */
static void test_early_answer(void **state)
{
    static const struct {
        const char *reply; /* NULL: it closes */
        enum smtp_outcome_kind kind;
    } rows[] = {
        {"552 5.3.4 too big\r\n", SMTP_OUTCOME_FAILED},
        {"452 4.3.1 full\r\n", SMTP_OUTCOME_LATER},
        {"250 2.0.0 already?\r\n", SMTP_OUTCOME_LATER},
        {"421 4.3.2 bye\r\n", SMTP_OUTCOME_LATER},
        {NULL, SMTP_OUTCOME_LATER},
    };
    enum { LARGE = 500000 };
    char *large = test_calloc(LARGE, 1);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct smtp_client_job job = {
            .helo = STR("me"),
            .envelope = {STR("f@z.test"), STR_EMPTY, SMTP_RET_NONE, recipients, 1},
            .source = {prepare, read_content, NULL},
        };
        content_octets = str_make(large, LARGE);
        struct smtp_client *c = smtp_client_new(&job);
        CLEANUP(buf_release) struct buf said = BUF_INIT(1 << 20);
        smtp_client_feed(c, STR("220 x\r\n250-y\r\n250 CHUNKING\r\n250 mail\r\n250 rcpt\r\n"));
        assert_int_equal(smtp_client_step(c, &said), SMTP_CLIENT_OUTPUT);
        assert_true(said.len < LARGE);
        if (rows[i].reply == NULL) {
            smtp_client_fail(c, ERR_PEER_GONE);
        } else {
            smtp_client_feed(c, str_from_c(rows[i].reply));
        }
        assert_int_equal(smtp_client_step(c, &said), SMTP_CLIENT_DONE);
        assert_true(said.len < LARGE);
        assert_false(str_ends(buf_str(&said), STR("QUIT\r\n"))); /* it would be content */
        assert_int_equal(smtp_client_get_outcome(c, 0).kind, rows[i].kind);
        smtp_client_free(&c);
    }
    test_free(large);
}

static void test_reply_text(void **state)
{
    struct smtp_client_job job = {
        .helo = STR("me"),
        .envelope = {STR_EMPTY, STR_EMPTY, SMTP_RET_NONE, recipients, 1},
        .source = {prepare, read_content, NULL},
    };
    struct smtp_client *c = smtp_client_new(&job);
    CLEANUP(buf_release) struct buf said = BUF_INIT(1 << 16);
    smtp_client_feed(c, STR("220 x\r\n250 y\r\n550-5.1.1 one\r\n550 5.1.1 t\x01wo\r\n"));
    (void)drain(c, &said);
    struct smtp_outcome o = smtp_client_get_outcome(c, 0);
    assert_true(str_starts(o.reply, STR("550 5.1.1 one")));
    assert_int_equal(str_find_char(o.reply, '\n'), o.reply.n);
    assert_int_equal(str_find_char(o.reply, '\x01'), o.reply.n);
    assert_true(o.is_from_server);
    smtp_client_free(&c);
}

/* A server may repeat what it was given to log in with: the reply's text is told to nobody. */
static void test_login_text(void **state)
{
    static const char *const ROWS[][2] = {
        {"250 AUTH PLAIN\r\n535 5.7.8 AHUAcw== is wrong\r\n", "535 5.7.8"},
        {"250 AUTH PLAIN\r\n421 AHUAcw==\r\n", "421 "},
        {"250 AUTH LOGIN\r\n535 dQ==\r\n", "535 "},
        {"250 AUTH LOGIN\r\n334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n454 4.7.0 cw==\r\n",
         "454 4.7.0"},
    };
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        struct smtp_client_job job = {
            .helo = STR("me"),
            .envelope = {STR_EMPTY, STR_EMPTY, SMTP_RET_NONE, recipients, 1},
            .source = {prepare, read_content, NULL},
            .user = STR("u"),
            .password = STR("s"),
        };
        struct smtp_client *c = smtp_client_new(&job);
        CLEANUP(buf_release) struct buf said = BUF_INIT(1 << 16);
        smtp_client_feed(c, STR("220 x\r\n250-y\r\n"));
        smtp_client_feed(c, str_from_c(ROWS[i][0]));
        assert_int_equal(drain(c, &said), SMTP_CLIENT_DONE);
        struct smtp_outcome o = smtp_client_get_outcome(c, 0);
        assert_int_equal(o.kind, SMTP_OUTCOME_LATER);
        assert_str(o.reply, str_from_c(ROWS[i][1]));
        smtp_client_free(&c);
    }
}

/* A server that answers without end and takes nothing is hung up on; the message is for later. */
static void test_talks_only(void **state)
{
    struct smtp_client_job job = {
        .helo = STR("me"),
        .envelope = {STR_EMPTY, STR_EMPTY, SMTP_RET_NONE, recipients, 1},
        .source = {prepare, read_content, NULL},
    };
    struct smtp_client *c = smtp_client_new(&job);
    CLEANUP(buf_release) struct buf said = BUF_INIT(1 << 16);
    size_t fed = 0;
    while (!smtp_client_is_over(c) && fed < 1 << 20) {
        smtp_client_feed(c, STR("250 what you never asked, and will not hear the end of\r\n"));
        fed += 56;
    }
    assert_true(fed > 200 * 1024 && fed < 300 * 1024);
    assert_int_equal(smtp_client_step(c, &said), SMTP_CLIENT_DONE);
    assert_int_equal(smtp_client_get_outcome(c, 0).kind, SMTP_OUTCOME_LATER);
    smtp_client_free(&c);
}

/* S-2, S-4: what the server can take decides what is asked for. */
static void test_able(void **state)
{
    static const struct {
        const char *ehlo;
        enum content_kind able;
    } rows[] = {
        {"250 x\r\n", CONTENT_7BIT},
        {"250-x\r\n250 8BITMIME\r\n", CONTENT_8BIT},
        {"250-x\r\n250-8BITMIME\r\n250 BINARYMIME\r\n", CONTENT_8BIT},
        {"250-x\r\n250-CHUNKING\r\n250 BINARYMIME\r\n", CONTENT_BINARY},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct smtp_client_job job = {
            .helo = STR("me"),
            .envelope = {STR_EMPTY, STR_EMPTY, SMTP_RET_NONE, recipients, 1},
            .source = {prepare, read_content, NULL},
        };
        struct smtp_client *c = smtp_client_new(&job);
        CLEANUP(buf_release) struct buf said = BUF_INIT(1 << 16);
        smtp_client_feed(c, STR("220 x\r\n"));
        smtp_client_feed(c, str_from_c(rows[i].ehlo));
        prepare_err = ERR_CONVERSION;
        assert_int_equal(drain(c, &said), SMTP_CLIENT_DONE);
        prepare_err = ERR_OK;
        assert_int_equal(able_seen, rows[i].able);
        assert_int_equal(smtp_client_get_outcome(c, 0).kind, SMTP_OUTCOME_FAILED);
        assert_true(str_starts(smtp_client_get_outcome(c, 0).reply, STR("554 5.6.3 ")));
        smtp_client_free(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plays),        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_early_answer), cmocka_unit_test(test_reply_text),
        cmocka_unit_test(test_able),         cmocka_unit_test(test_login_text),
        cmocka_unit_test(test_talks_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
