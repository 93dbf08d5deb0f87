/* D43: limetta-store and limetta-submit as processes, with this test as their supervisor and as the roles around them. What a
 * taken-over edge could try is tried over real links: no trick with a ticket opens anything, and nothing that is sent
 * ends the process. */
#include "main/control.h"
#include "net/fields.h"
#include "net/link.h"
#include "net/ticket.h"

#include "temp_dir.h"
#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 2, PATIENCE_MS = 20 * 1000, FLOOD = 3000 };
enum { HEARD_MOST = 64 * 1024, TAG_SIZE = 2 };

enum { OTHERS = 65534 }; /* the system user that the roles become */

/* One thing that was opened, and what it said. */
struct answer {
    struct world *world;
    struct stream *stream;
    struct buf heard;
    bool is_line_enough; /* else its end is waited for */
    bool is_over;
};

struct world {
    struct loop *loop;
    struct timer *timer;
    struct ticket_signer *signer;
    struct ticket_signer *forger;
    struct buf public_pem;
    char dir[64];
    char own_user[16];   /* of worker 0, which runs */
    char other_user[16]; /* of worker 1, which does not */
    pid_t pid;
    int control;
    struct link *link;
    bool is_down;
    const char *local; /* the address that clients came to, as the edge says */
};

/* ---- the process ---- */

static void tell(int control, const char *key, struct str value)
{
    assert_int_equal(control_send_setting(control, str_from_c(key), value), ERR_OK);
}

static void tell_all(const struct world *w, int control, const char *role)
{
    const char *const settings[][2] = {
        {"role", role},
        {"index", "0"},
        {"uid", "65534"},
        {"gid", "65534"},
        {"log_level", "error"},
        {"hostname", "mail.example"},
        {"host_names", "mail.example"},
        {"domains", "example.org"},
        {"host", "inside"},
        {"workers", "2"},
        {"message_most", "1000000"},
        {"accounts_dir", w->dir},
        {"queue_dir", w->dir},
        {"submit_user", "submit"},
        {"submit_password", "secret"},
        {"submit_entities", "submit"},
        {"imap_port", "1"},
        {"relay_host", "192.0.2.1"},
    };
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        tell(control, settings[i][0], str_from_c(settings[i][1]));
    }
    tell(control, "ticket_public", buf_str(&w->public_pem));
    tell(control, "seal_key",
         STR("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"));
    struct control_message start = {.type = CONTROL_START, .fd = -1};
    assert_int_equal(control_send(control, &start), ERR_OK);
}

static void start_role(struct world *w, const char *role)
{
    int pair[2];
    char program[256];
    (void)snprintf(program, sizeof(program), "%s/limetta-%s", LIMETTA_PROGRAMS, role);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    w->pid = fork();
    assert_true(w->pid >= 0);
    if (w->pid == 0) {
        char *const argv[] = {program, NULL};
        if (pair[1] == CONTROL_CHILD_FD) {
            (void)fcntl(pair[1], F_SETFD, 0);
        } else {
            (void)dup2(pair[1], CONTROL_CHILD_FD);
        }
        (void)execv(program, argv);
        _exit(3);
    }
    (void)close(pair[1]);
    w->control = pair[0];
    tell_all(w, pair[0], role);
    char packet[CONTROL_PACKET_MOST]; /* tickets made from now on are not older than the process */
    struct control_message ready;
    assert_int_equal(control_receive(pair[0], true, packet, &ready), ERR_OK);
    assert_int_equal(ready.type, CONTROL_READY);
}

static void stop_role(struct world *w)
{
    int status = 0;
    link_free(&w->link);
    (void)close(w->control);
    assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
    w->pid = 0;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- links ---- */

static void on_down(void *owner, struct link *l)
{
    struct world *w = owner;
    w->is_down = true;
    loop_stop(w->loop);
}

static const struct link_handler HANDLER = {.on_down = on_down};

/* One end of a new link goes to the role; ours is returned. */
static int join_raw(struct world *w, enum link_role as, unsigned index)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    struct control_message peer = {
        .type = CONTROL_PEER, .role = as, .index = index, .key = STR("edge"), .fd = pair[1]};
    assert_int_equal(control_send(w->control, &peer), ERR_OK);
    (void)close(pair[1]);
    struct timeval limit = {.tv_sec = PATIENCE_MS / 1000};
    assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    return pair[0];
}

static void join(struct world *w, enum link_role as, unsigned index)
{
    link_free(&w->link);
    w->is_down = false;
    int fd = join_raw(w, as, index);
    w->link = link_new(w->loop, stream_from_fd(w->loop, fd), ROLE_STORE, 0, &HANDLER, w);
}

static void on_octets(void *owner, struct str octets)
{
    struct answer *a = owner;
    buf_add(&a->heard, octets);
    if (a->is_line_enough && str_find_char(buf_str(&a->heard), '\n') < a->heard.len) {
        loop_stop(a->world->loop);
    }
}

static void on_drained(void *owner)
{
}

static void on_end(void *owner, enum err why)
{
    struct answer *a = owner;
    a->is_over = true;
    loop_stop(a->world->loop);
}

static const struct stream_handler LISTEN = {on_octets, on_drained, on_end};

static void on_patience(void *owner)
{
    struct world *w = owner;
    (void)fprintf(stderr, "no answer in time\n");
    loop_stop(w->loop);
}

static void wait_for(struct world *w)
{
    timer_start(w->timer, PATIENCE_MS);
    loop_run(w->loop);
    timer_stop(w->timer);
}

/* Opens a session and hears its first line, or its end. */
/* A session is sent back for want of a fresh ticket. */
static void on_mark(void *owner, uint8_t mark)
{
    struct answer *a = owner;
    buf_addf(&a->heard, "mark %u\r\n", mark);
}

static void ask(struct world *w, struct str head, struct answer *a)
{
    *a = (struct answer){.world = w, .heard = BUF_INIT(HEARD_MOST), .is_line_enough = true};
    a->stream = link_open(w->link, head);
    stream_set_handler(a->stream, &LISTEN, a);
    stream_on_mark(a->stream, on_mark);
    wait_for(w);
}

static void answer_release(struct answer *a)
{
    stream_free(&a->stream);
    buf_release(&a->heard);
}

/* ---- what is shown ---- */

enum trick {
    NONE,
    FORGED,      /* by somebody else's key */
    ALTERED,     /* the user's name was changed behind the signature */
    CUT,         /* the last octet is missing */
    NO_TICKET,   /* empty */
    OTHER_NONCE, /* of another client connection */
    SHORT_NONCE,
    NO_NONCE,
    TWICE /* the head has two tickets */
};

struct shown {
    const char *what;
    enum trick trick;
    const char *service; /* that is asked for */
    enum service granted;
    const char *edge;
    int64_t life_ms;
    bool is_other_worker;
    const char *expected; /* what the answer begins with; empty: the session is dropped */
};

static void issue(const struct world *w, const struct shown *s, const uint8_t *nonce,
                  struct buf *out)
{
    struct ticket t = {
        .user = str_from_c(s->is_other_worker ? w->other_user : w->own_user),
        .service = s->granted,
        .edge_id = str_from_c(s->edge),
        .expires_ms = (uint64_t)((int64_t)loop_wall_ms(w->loop) + s->life_ms),
    };
    t.auth_user = t.user;
    memcpy(t.nonce, nonce, TICKET_NONCE_SIZE);
    struct ticket_signer *signer = s->trick == FORGED ? w->forger : w->signer;
    assert_int_equal(ticket_issue(signer, &t, out), ERR_OK);
    size_t user = str_find_str(buf_str(out), t.user);
    assert_true(user < out->len);
    out->p[user] ^= s->trick == ALTERED ? 1 : 0;
    buf_truncate(out, s->trick == NO_TICKET ? 0 : out->len - (s->trick == CUT ? 1 : 0));
}

static void write_head(const struct world *w, const struct shown *s, struct buf *out)
{
    uint8_t nonce[TICKET_NONCE_SIZE] = "sixteen octets!";
    struct buf ticket = BUF_INIT(4096);
    issue(w, s, nonce, &ticket);
    nonce[0] ^= s->trick == OTHER_NONCE ? 1 : 0;
    size_t nonce_size = s->trick == NO_NONCE      ? 0
                        : s->trick == SHORT_NONCE ? sizeof(nonce) - 1
                                                  : sizeof(nonce);
    fields_add(out, STR("service"), str_from_c(s->service));
    fields_add(out, STR("ticket"), buf_str(&ticket));
    if (s->trick == TWICE) {
        fields_add(out, STR("ticket"), buf_str(&ticket));
    }
    fields_add(out, STR("nonce"), str_make((const char *)nonce, nonce_size));
    fields_add(out, STR("tag"), STR("A1"));
    fields_add(out, STR("helo"), STR("phone"));
    fields_add(out, STR("peer"), STR("127.0.0.1"));
    fields_add(out, STR("local"), str_from_c(w->local));
    buf_release(&ticket);
}

static void check(struct world *w, struct str head, const char *what, const char *expected)
{
    struct answer a;
    ask(w, head, &a);
    bool is_dropped = a.heard.len == 0 && a.is_over;
    bool is_as_wanted = str_starts(buf_str(&a.heard), str_from_c(expected));
    if (expected[0] == '\0' ? !is_dropped : !is_as_wanted) {
        fail_msg("%s: \"%.*s\", not \"%s\"", what, STR_ARG(buf_str(&a.heard)), expected);
    }
    answer_release(&a);
}

static void show(struct world *w, const struct shown *s)
{
    struct buf head = BUF_INIT(LINK_OPEN_MOST);
    write_head(w, s, &head);
    check(w, buf_str(&head), s->what, s->expected);
    buf_release(&head);
}

static size_t count_accounts(const struct world *w)
{
    size_t count = 0;
    DIR *d = opendir(w->dir);
    assert_non_null(d);
    for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        count += e->d_name[0] != '.' ? 1 : 0;
    }
    (void)closedir(d);
    return count;
}

static unsigned long get_memory_kib(const struct world *w)
{
    char path[64];
    char line[128];
    unsigned long kib = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/status", w->pid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0) {
            kib = strtoul(line + 6, NULL, 10);
        }
    }
    (void)fclose(f);
    return kib;
}

/* ---- tests ---- */

#define LIFE TICKET_LIFE_MS

static const struct shown STORE_REFUSES[] = {
    {"forged", FORGED, "imap", SERVICE_IMAP, "edge", LIFE, false, "A1 NO "},
    {"altered", ALTERED, "imap", SERVICE_IMAP, "edge", LIFE, false, "A1 NO "},
    {"cut off", CUT, "imap", SERVICE_IMAP, "edge", LIFE, false, "A1 NO "},
    {"expired", NONE, "imap", SERVICE_IMAP, "edge", -1, false, "A1 NO "},
    {"too long a life", NONE, "imap", SERVICE_IMAP, "edge", 600 * 1000, false, "A1 NO "},
    {"another edge's", NONE, "imap", SERVICE_IMAP, "edge2", LIFE, false, "A1 NO "},
    {"another session's", OTHER_NONCE, "imap", SERVICE_IMAP, "edge", LIFE, false, "A1 NO "},
    {"a short nonce", SHORT_NONCE, "imap", SERVICE_IMAP, "edge", LIFE, false, "A1 NO "},
    {"no nonce", NO_NONCE, "imap", SERVICE_IMAP, "edge", LIFE, false, "A1 NO "},
    {"no ticket", NO_TICKET, "imap", SERVICE_IMAP, "edge", LIFE, false, "A1 NO "},
    {"for another service", NONE, "imap", SERVICE_SUBMIT, "edge", LIFE, false, "A1 NO "},
    {"for another worker", NONE, "imap", SERVICE_IMAP, "edge", LIFE, true, "A1 NO "},
    {"for ManageSieve", NONE, "imap", SERVICE_SIEVE, "edge", LIFE, false, "A1 NO "},
    {"for IMAP, not ManageSieve", NONE, "sieve", SERVICE_IMAP, "edge", LIFE, false, "BYE "},
    {"forged, for ManageSieve", FORGED, "sieve", SERVICE_SIEVE, "edge", LIFE, false, "BYE "},
    {"two tickets", TWICE, "imap", SERVICE_IMAP, "edge", LIFE, false, ""},
    {"edge asks for lmtp", NONE, "lmtp", SERVICE_IMAP, "edge", LIFE, false, ""},
    {"edge asks for urlfetch", NONE, "urlfetch", SERVICE_IMAP, "edge", LIFE, false, ""},
    {"edge asks for submit", NONE, "submit", SERVICE_SUBMIT, "edge", LIFE, false, ""},
    {"edge asks for nothing", NONE, "", SERVICE_IMAP, "edge", LIFE, false, ""},
};
static const struct shown STORE_ACCEPTS = {"good", NONE, "imap", SERVICE_IMAP,
                                           "edge", LIFE, false,  "A1 OK [CAPABILITY "};

static void test_store_tickets(void **state)
{
    struct world *w = *state;
    start_role(w, "store");
    join(w, ROLE_EDGE, 0);
    for (size_t i = 0; i < sizeof(STORE_REFUSES) / sizeof(STORE_REFUSES[0]); i++) {
        show(w, &STORE_REFUSES[i]);
    }
    assert_int_equal(count_accounts(w), 0);
    show(w, &STORE_ACCEPTS);
    assert_int_equal(count_accounts(w), 1);
    stop_role(w);
}

/* Once, also when the process was another one in between. */
static void test_store_replay(void **state)
{
    struct world *w = *state;
    struct buf head = BUF_INIT(LINK_OPEN_MOST);
    start_role(w, "store");
    join(w, ROLE_EDGE, 0);
    write_head(w, &STORE_ACCEPTS, &head);
    check(w, buf_str(&head), "first", "A1 OK ");
    check(w, buf_str(&head), "again", "A1 NO ");
    join(w, ROLE_EDGE, 0);
    check(w, buf_str(&head), "over a new link", "A1 NO ");
    stop_role(w);
    start_role(w, "store");
    join(w, ROLE_EDGE, 0);
    check(w, buf_str(&head), "after a restart", "mark 3\r\n");
    show(w, &STORE_ACCEPTS);
    stop_role(w);
    buf_release(&head);
}

/* What others than the edge ask for. */
static void test_store_peers(void **state)
{
    struct world *w = *state;
    struct buf head = BUF_INIT(LINK_OPEN_MOST);
    start_role(w, "store");
    join(w, ROLE_SUBMIT, 0);
    write_head(w, &STORE_ACCEPTS, &head);
    check(w, buf_str(&head), "submit shows an edge's ticket", "");
    check(w, STR("service=urlfetch\nurl=x\n"), "submit fetches", "");
    check(w, STR("service=lmtp\n"), "submit delivers", "220 ");
    join(w, ROLE_STORE, 1);
    check(w, buf_str(&head), "a worker shows an edge's ticket", "");
    check(w, STR("service=lmtp\n"), "a worker delivers", "");
    check(w, STR("service=urlfetch\n"), "no URL", "no\n");
    check(w, STR("service=urlfetch\nurl=imap://\n"), "half a URL", "no\n");
    check(w, STR("service=urlfetch\nurl=imap://..%252Fx@mail.example/INBOX/;UID=1\nuser=..\n"),
          "a path for a user", "no\n");
    check(w,
          STR("service=urlfetch\nurl=imap://ann@mail.example/INBOX/;UID=1\nuser=ann\n"
              "is_submit=99999999999999999999\nis_anonymous=x\n"),
          "odd numbers", "no\n");
    assert_int_equal(count_accounts(w), 0);
    int fd = join_raw(w, ROLE_AUTH, 0);
    char octet = 0;
    (void)fcntl(fd, F_SETFL, 0);
    assert_int_equal(read(fd, &octet, 1), 0); /* auth has no business here */
    (void)close(fd);
    join(w, ROLE_EDGE, 0);
    show(w, &STORE_ACCEPTS);
    stop_role(w);
    buf_release(&head);
}

/* Opens a session and says something; hears everything to its end. */
static void converse(struct world *w, struct str head, struct str words, struct answer *a)
{
    *a = (struct answer){.world = w, .heard = BUF_INIT(HEARD_MOST)};
    a->stream = link_open(w->link, head);
    stream_set_handler(a->stream, &LISTEN, a);
    stream_write(a->stream, words);
    wait_for(w);
}

/* An account belongs to one worker, whatever a taken-over submit sends where. */
static void test_delivery_elsewhere(void **state)
{
    struct world *w = *state;
    start_role(w, "store");
    join(w, ROLE_SUBMIT, 0);
    const char *const users[] = {w->own_user, w->other_user};
    for (size_t i = 0; i < 2; i++) {
        struct answer a;
        struct buf words = BUF_INIT(1024);
        buf_addf(&words, "LHLO submit\r\nMAIL FROM:<>\r\nRCPT TO:<%s>\r\nQUIT\r\n", users[i]);
        converse(w, STR("service=lmtp\n"), buf_str(&words), &a);
        bool is_taken = str_find_str(buf_str(&a.heard), STR("\r\n550 ")) == a.heard.len;
        if (is_taken != (i == 0)) {
            fail_msg("%s: \"%.*s\"", users[i], STR_ARG(buf_str(&a.heard)));
        }
        answer_release(&a);
        buf_release(&words);
    }
    assert_int_equal(count_accounts(w), 1);
    stop_role(w);
}

/* A frame that cannot be ends the link it came over, and nothing else. */
static void test_broken_frames(void **state)
{
    static const struct {
        const char *what;
        const char *octets;
        size_t n;
    } FRAMES[] = {
        {"unknown type", "\0\0\0\0\0\0\0\0\x63\0\0\0", 12},
        {"no type", "\0\0\0\0\0\0\0\0\0\0\0\0", 12},
        {"dirty zeros", "\0\0\0\0\0\0\0\0\1\1\0\0", 12},
        {"an OPEN of 4 GB", "\xff\xff\xff\xff\0\0\0\0\1\0\0\0", 12},
        {"an OPEN with our bit", "\0\0\0\0\0\0\0\x80\1\0\0\0", 12},
        {"no credit", "\4\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0", 16},
        {"empty DATA", "\0\0\0\0\0\0\0\0\2\0\0\0", 12},
        {"a reply to nothing", "\0\0\0\0\5\0\0\0\7\0\0\0\0\0\0\0\0\0\0\0\x63\0\0\0", 24},
    };
    struct world *w = *state;
    start_role(w, "store");
    for (size_t i = 0; i < sizeof(FRAMES) / sizeof(FRAMES[0]); i++) {
        char octets[64];
        int fd = join_raw(w, ROLE_EDGE, 0);
        (void)fcntl(fd, F_SETFL, 0);
        assert_int_equal(write(fd, FRAMES[i].octets, FRAMES[i].n), FRAMES[i].n);
        ssize_t n = 0;
        while ((n = read(fd, octets, sizeof(octets))) > 0) {
            ;
        }
        if (n != 0) {
            fail_msg("%s: the link goes on", FRAMES[i].what);
        }
        (void)close(fd);
    }
    join(w, ROLE_EDGE, 0);
    show(w, &STORE_ACCEPTS);
    stop_role(w);
}

/* A taken-over edge opens and opens, and never hears anybody out. */
static void test_flood(void **state)
{
    struct world *w = *state;
    struct buf head = BUF_INIT(LINK_OPEN_MOST);
    static struct stream *streams[FLOOD];
    start_role(w, "store");
    join(w, ROLE_EDGE, 0);
    show(w, &STORE_ACCEPTS);
    unsigned long before = get_memory_kib(w);
    write_head(w, &STORE_REFUSES[0], &head);
    for (size_t i = 0; i < FLOOD; i++) {
        streams[i] = link_open(w->link, buf_str(&head));
    }
    show(w, &STORE_ACCEPTS);
    assert_in_range(get_memory_kib(w), 0, before + 64 * 1024);
    for (size_t i = 0; i < FLOOD; i++) {
        stream_free(&streams[i]);
    }
    show(w, &STORE_ACCEPTS);
    stop_role(w);
    buf_release(&head);
}

/* Only a worker puts messages into the queue without a ticket. */
static void test_inject(void **state)
{
    static const char HEAD[] = "service=inject\nuser=ann\nfrom=ann@x\nto=ben@y\nsize=5\n";
    struct world *w = *state;
    struct buf head = BUF_INIT(LINK_OPEN_MOST);
    struct answer a;
    start_role(w, "submit");
    join(w, ROLE_STORE, 0);
    check(w, STR("service=inject\n"), "nothing said", "no SYNTAX\n");
    buf_addf(&head, "%stoken=1234\n", HEAD);
    for (int i = 0; i < 2; i++) { /* the second time it is known, and nobody can tell */
        converse(w, buf_str(&head), STR("a\r\nb."), &a);
        assert_true(str_eq(buf_str(&a.heard), STR("ok\n")));
        answer_release(&a);
    }
    join(w, ROLE_EDGE, 0);
    check(w, buf_str(&head), "an edge injects", "");
    stop_role(w);
    buf_release(&head);
}

static const struct shown SUBMIT_REFUSES[] = {
    {"forged", FORGED, "submit", SERVICE_SUBMIT, "edge", LIFE, false, "535 "},
    {"altered", ALTERED, "submit", SERVICE_SUBMIT, "edge", LIFE, false, "535 "},
    {"expired", NONE, "submit", SERVICE_SUBMIT, "edge", -1, false, "535 "},
    {"another edge's", NONE, "submit", SERVICE_SUBMIT, "edge2", LIFE, false, "535 "},
    {"another session's", OTHER_NONCE, "submit", SERVICE_SUBMIT, "edge", LIFE, false, "535 "},
    {"no nonce", NO_NONCE, "submit", SERVICE_SUBMIT, "edge", LIFE, false, "535 "},
    {"no ticket", NO_TICKET, "submit", SERVICE_SUBMIT, "edge", LIFE, false, "535 "},
    {"for another service", NONE, "submit", SERVICE_IMAP, "edge", LIFE, false, "535 "},
    {"two tickets", TWICE, "submit", SERVICE_SUBMIT, "edge", LIFE, false, ""},
    {"edge asks for imap", NONE, "imap", SERVICE_SUBMIT, "edge", LIFE, false, ""},
    {"edge asks for lmtp", NONE, "lmtp", SERVICE_SUBMIT, "edge", LIFE, false, ""},
};
static const struct shown SUBMIT_ACCEPTS = {"good", NONE, "submit", SERVICE_SUBMIT,
                                            "edge", LIFE, false,    "235 "};

static void test_submit_tickets(void **state)
{
    struct world *w = *state;
    struct buf head = BUF_INIT(LINK_OPEN_MOST);
    start_role(w, "submit");
    join(w, ROLE_EDGE, 0);
    for (size_t i = 0; i < sizeof(SUBMIT_REFUSES) / sizeof(SUBMIT_REFUSES[0]); i++) {
        show(w, &SUBMIT_REFUSES[i]);
    }
    write_head(w, &SUBMIT_ACCEPTS, &head);
    check(w, buf_str(&head), "first", "235 ");
    check(w, buf_str(&head), "again", "535 ");
    join(w, ROLE_STORE, 0);
    check(w, buf_str(&head), "a worker shows a ticket", "");
    stop_role(w);
    start_role(w, "submit");
    join(w, ROLE_EDGE, 0);
    check(w, buf_str(&head), "after a restart", "mark 3\r\n");
    show(w, &SUBMIT_ACCEPTS);
    stop_role(w);
    buf_release(&head);
}

/* The edge says at which address the client reached us, and BURL logs in there: but at no address that is not ours. */
static void test_submit_logs_in_here_only(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *local;
        const char *reply;
    } CASES[] = {{"192.0.2.1", "\r\n554 5.7.8 "},
                 {"evil.example", "\r\n554 5.7.8 "},
                 {"", "\r\n554 5.7.8 "},
                 {"127.0.0.1", "\r\n451 4.4.1 "}};
    start_role(w, "submit");
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct answer a;
        struct buf head = BUF_INIT(LINK_OPEN_MOST);
        struct buf words = BUF_INIT(1024);
        join(w, ROLE_EDGE, 0);
        w->local = CASES[i].local;
        write_head(w, &SUBMIT_ACCEPTS, &head);
        buf_addf(&words,
                 "EHLO phone\r\nMAIL FROM:<ann@mail.example>\r\nRCPT TO:<ann@elsewhere.example>\r\n"
                 "BURL imap://%s@%s:1/INBOX;UIDVALIDITY=1/;UID=1;URLAUTH=submit+%s:INTERNAL:%s "
                 "LAST\r\nQUIT\r\n",
                 w->own_user, CASES[i].local[0] == '\0' ? "x" : CASES[i].local, w->own_user,
                 "91354a473744909de610943775f92038");
        converse(w, buf_str(&head), buf_str(&words), &a);
        if (str_find_str(buf_str(&a.heard), str_from_c(CASES[i].reply)) == a.heard.len) {
            fail_msg("%s: \"%.*s\"", CASES[i].local, STR_ARG(buf_str(&a.heard)));
        }
        answer_release(&a);
        buf_release(&head);
        buf_release(&words);
    }
    stop_role(w);
}

/* ---- */

static void find_users(struct world *w)
{
    for (unsigned i = 0; w->own_user[0] == '\0' || w->other_user[0] == '\0'; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "user%u", i);
        char *to = ticket_get_worker(str_from_c(name), WORKERS) == 0 ? w->own_user : w->other_user;
        (void)snprintf(to, sizeof(name), "%s", name);
    }
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct buf private_pem = BUF_INIT(4096);
    struct buf forged_pem = BUF_INIT(4096);
    struct buf nobody_wants = BUF_INIT(4096);
    assert_non_null(w);
    w->public_pem = BUF_INIT(4096);
    assert_int_equal(ticket_make_keys(&private_pem, &w->public_pem), ERR_OK);
    assert_int_equal(ticket_make_keys(&forged_pem, &nobody_wants), ERR_OK);
    assert_int_equal(ticket_signer_new(buf_str(&private_pem), &w->signer), ERR_OK);
    assert_int_equal(ticket_signer_new(buf_str(&forged_pem), &w->forger), ERR_OK);
    static const char TEMPLATE[] = "/tmp/limetta-roles-XXXXXX";
    memcpy(w->dir, TEMPLATE, sizeof(TEMPLATE));
    temp_dir_make(w->dir, sizeof(TEMPLATE));
    if (geteuid() == 0) {
        assert_int_equal(chown(w->dir, OTHERS, OTHERS), 0);
    }
    w->loop = loop_new();
    w->timer = timer_new(w->loop, on_patience, w);
    w->local = "127.0.0.1";
    find_users(w);
    buf_release(&private_pem);
    buf_release(&forged_pem);
    buf_release(&nobody_wants);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    link_free(&w->link);
    if (w->pid > 0) { /* the test failed */
        (void)kill(w->pid, SIGKILL);
        (void)waitpid(w->pid, NULL, 0);
    }
    temp_dir_remove(w->dir);
    ticket_signer_free(&w->signer);
    ticket_signer_free(&w->forger);
    buf_release(&w->public_pem);
    timer_free(&w->timer);
    loop_free(&w->loop);
    free(w);
    return 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_store_tickets),      TEST(test_store_replay), TEST(test_store_peers),
        TEST(test_delivery_elsewhere), TEST(test_inject),       TEST(test_submit_logs_in_here_only),
        TEST(test_broken_frames),      TEST(test_flood),        TEST(test_submit_tickets),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
