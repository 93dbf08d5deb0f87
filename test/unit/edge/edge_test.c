/* Unit tests of edge: whole connections on the fake loop, with a fake auth and fake store workers behind links. */
#include "house.h"

static void test_imap_session(void **state)
{
    struct world *w = *state;
    connect_as(w, &w->client, SERVICE_IMAP, "127.0.0.1");
    assert_true(has_heard(&w->client, "* OK [CAPABILITY IMAP4rev1"));
    say(w, &w->client, "a1 LOGIN ann pass\r\nb SELECT INBOX\r\n");
    assert_heard(&w->client, "");
    assert_int_equal(w->auth.asks, 1);
    assert_str(fields_get(&w->auth.asked, STR("op")), STR("start"));
    assert_str(fields_get(&w->auth.asked, STR("service")), STR("imap"));
    assert_str(fields_get(&w->auth.asked, STR("mechanism")), STR("PLAIN"));
    assert_str(fields_get(&w->auth.asked, STR("data")), STR("\0ann\0pass"));
    assert_str(fields_get(&w->auth.asked, STR("tls")), STR("0"));
    assert_str(fields_get(&w->auth.asked, STR("loopback")), STR("1"));
    assert_str(fields_get(&w->auth.asked, STR("peer")), STR("127.0.0.1"));
    assert_int_equal(fields_get(&w->auth.asked, STR("nonce")).n, TICKET_NONCE_SIZE);
    reply_yes(w, "ann", STR_EMPTY);
    struct role *store = &w->stores[ticket_get_worker(STR("ann"), WORKERS)];
    assert_int_equal(store->opens, 1);
    assert_str(fields_get(&store->head, STR("service")), STR("imap"));
    assert_str(fields_get(&store->head, STR("tag")), STR("a1"));
    assert_str(fields_get(&store->head, STR("local")), STR("192.0.2.1"));
    assert_str(fields_get(&store->head, STR("port")), STR("143"));
    assert_str(fields_get(&store->head, STR("nonce")), fields_get(&w->auth.asked, STR("nonce")));
    struct ticket t;
    assert_int_equal(ticket_read(fields_get(&store->head, STR("ticket")), &t), ERR_OK);
    assert_str(t.user, STR("ann"));
    assert_heard(&store->session, "b SELECT INBOX\r\n"); /* what came behind the login */
    stream_write(store->session.s, STR("a1 OK Logged in\r\n"));
    loop_run(w->loop);
    assert_heard(&w->client, "a1 OK Logged in\r\n");
    say(w, &w->client, "c LOGOUT\r\n");
    assert_heard(&store->session, "b SELECT INBOX\r\nc LOGOUT\r\n");
    stream_write(store->session.s, STR("* BYE\r\nc OK\r\n"));
    stream_shutdown(store->session.s);
    loop_run(w->loop);
    assert_heard(&w->client, "* BYE\r\nc OK\r\n");
    assert_int_equal(w->client.ended, 1);
    assert_int_equal(edge_get_count(w->edge), 0);
}

static void test_login_fails(void **state)
{
    struct world *w = *state;
    connect_as(w, &w->client, SERVICE_IMAP, "127.0.0.1");
    say(w, &w->client, "a LOGIN ann bad\r\n");
    reply_no(&w->auth, "AUTH_FAILED");
    loop_run(w->loop);
    assert_heard(&w->client, "a NO [AUTHENTICATIONFAILED] Authentication failed\r\n");
    say(w, &w->client, "b LOGIN ann bad\r\n");
    reply_no(&w->auth, "NO SUCH CODE");
    loop_run(w->loop);
    assert_heard(&w->client, "b NO [UNAVAILABLE] Temporarily unavailable; try again\r\n");
    say(w, &w->client, "c NOOP\r\n");
    assert_heard(&w->client, "c OK Nothing done\r\n");
}

/* Nobody may listen in: from elsewhere PLAIN needs TLS. */
static void test_plaintext_from_afar(void **state)
{
    struct world *w = *state;
    connect_as(w, &w->client, SERVICE_IMAP, "198.51.100.1");
    assert_true(has_heard(&w->client, "LOGINDISABLED"));
    say(w, &w->client, "a LOGIN ann pass\r\n");
    assert_heard(&w->client, "a NO [PRIVACYREQUIRED] Use STARTTLS first\r\n");
    assert_int_equal(w->auth.asks, 0);
}

/* SCRAM through TLS: auth is told the channel binding, the client hears the server's last message. */
static void test_tls_and_scram(void **state)
{
    struct world *w = *state;
    struct buf b = BUF_INIT(1000);
    struct str type = STR_EMPTY;
    connect_as(w, &w->client, SERVICE_IMAP, "198.51.100.1");
    start_tls(w, &w->client, "a STARTTLS\r\n");
    say(w, &w->client, "b CAPABILITY\r\n");
    assert_true(has_heard(&w->client, "AUTH=SCRAM-SHA-256-PLUS\r\n"));
    assert_false(has_heard(&w->client, "STARTTLS"));
    say(w, &w->client, "c AUTHENTICATE SCRAM-SHA-256-PLUS eA==\r\n");
    assert_str(fields_get(&w->auth.asked, STR("tls")), STR("1"));
    assert_str(fields_get(&w->auth.asked, STR("cb_type")), STR("tls-exporter"));
    assert_true(tls_get_binding(w->client.s, &type, &b));
    assert_str(fields_get(&w->auth.asked, STR("cb")), buf_str(&b));
    buf_clear(&b);
    buf_add_c(&b, "result=challenge\nexchange=77\ndata=what\n");
    link_reply(w->auth.link, w->auth.ask_id, buf_str(&b));
    loop_run(w->loop);
    assert_heard(&w->client, "+ d2hhdA==\r\n");
    struct str nonce = fields_get(&w->auth.asked, STR("nonce"));
    char kept[TICKET_NONCE_SIZE];
    memcpy(kept, nonce.p, sizeof(kept));
    say(w, &w->client, "eQ==\r\n");
    assert_str(fields_get(&w->auth.asked, STR("op")), STR("continue"));
    assert_str(fields_get(&w->auth.asked, STR("exchange")), STR("77"));
    assert_str(fields_get(&w->auth.asked, STR("data")), STR("y"));
    fields_release(&w->auth.asked);
    buf_clear(&b);
    fields_add(&b, STR("nonce"), str_make(kept, sizeof(kept)));
    assert_int_equal(fields_parse(buf_str(&b), &w->auth.asked), ERR_OK);
    reply_yes(w, "bob", STR("v=1"));
    assert_heard(&w->client, "+ dj0x\r\n");
    struct role *store = &w->stores[ticket_get_worker(STR("bob"), WORKERS)];
    assert_int_equal(store->opens, 0);
    say(w, &w->client, "\r\n");
    assert_int_equal(store->opens, 1);
    assert_str(fields_get(&store->head, STR("tls")), STR("1"));
    buf_release(&b);
}

/* A cancelled exchange is cancelled at auth, too; so is one whose client went away. */
static void test_cancel(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 2; i++) {
        connect_as(w, &w->client, SERVICE_IMAP, "127.0.0.1");
        say(w, &w->client, "a AUTHENTICATE SCRAM-SHA-256 =\r\n");
        link_reply(w->auth.link, w->auth.ask_id, STR("result=challenge\nexchange=5\ndata=\n"));
        loop_run(w->loop);
        assert_heard(&w->client, "+ \r\n");
        if (i == 0) {
            say(w, &w->client, "*\r\nb NOOP\r\n");
            assert_heard(&w->client, "a BAD Authentication cancelled\r\nb OK Nothing done\r\n");
        }
        ear_release(&w->client);
        loop_run(w->loop);
        assert_str(fields_get(&w->auth.asked, STR("op")), STR("cancel"));
        assert_str(fields_get(&w->auth.asked, STR("exchange")), STR("5"));
        assert_int_equal(w->auth.asks, 2 * (i + 1));
        assert_int_equal(edge_get_count(w->edge), 0);
    }
    connect_as(w, &w->client, SERVICE_IMAP, "127.0.0.1");
    say(w, &w->client, "a LOGIN u p\r\n");
    ear_release(&w->client); /* done while auth thinks: the session hears both at once */
    loop_run(w->loop);
    reply_yes(w, "ann", STR_EMPTY);
    struct role *store = &w->stores[ticket_get_worker(STR("ann"), WORKERS)];
    assert_int_equal(store->session.ended, 1);
    stream_shutdown(store->session.s);
    loop_run(w->loop);
    assert_int_equal(edge_get_count(w->edge), 0);
}

static void test_submission(void **state)
{
    struct world *w = *state;
    connect_as(w, &w->client, SERVICE_SUBMIT, "127.0.0.1");
    assert_heard(&w->client, "220 mail.example ESMTP Limetta\r\n");
    say(w, &w->client, "EHLO phone\r\nAUTH PLAIN AGEAYg==\r\nMAIL FROM:<a@b>\r\n");
    assert_str(fields_get(&w->auth.asked, STR("service")), STR("submit"));
    reply_yes(w, "ann", STR_EMPTY);
    assert_int_equal(w->submit.opens, 1);
    assert_str(fields_get(&w->submit.head, STR("service")), STR("submit"));
    assert_str(fields_get(&w->submit.head, STR("helo")), STR("phone"));
    assert_heard(&w->submit.session, "MAIL FROM:<a@b>\r\n");
    stream_write(w->submit.session.s, STR("235 2.7.0 Welcome\r\n250 2.1.0 Ok\r\n"));
    loop_run(w->loop);
    assert_true(has_heard(&w->client, "235 2.7.0 Welcome\r\n250 2.1.0 Ok\r\n"));
    loop_advance(w->loop, 1199 * SECOND);
    assert_int_equal(w->client.ended, 0);
    loop_advance(w->loop, 2 * SECOND);
    assert_true(has_heard(&w->client, "421 4.4.2 mail.example Timed out\r\n"));
    assert_int_equal(w->client.ended, 1);
    assert_int_equal(w->submit.session.why, ERR_PEER_GONE);
}

static const char SORRY[] = "NO [UNAVAILABLE] Temporarily unavailable; try again\r\n";

/* Auth dies while it thinks, and is away when it is asked: the client waits, and hears nothing of it. */
static void test_auth_is_away(void **state)
{
    struct world *w = *state;
    connect_as(w, &w->client, SERVICE_IMAP, "127.0.0.1");
    say(w, &w->client, "a LOGIN u p\r\nb NOOP\r\n");
    link_free(&w->auth.link);
    loop_run(w->loop);
    loop_advance(w->loop, 59 * SECOND);
    assert_heard(&w->client, "");
    connect_role(w, &w->auth, ROLE_AUTH, 0);
    loop_run(w->loop);
    assert_int_equal(w->auth.asks, 2);
    assert_str(fields_get(&w->auth.asked, STR("op")), STR("start"));
    assert_str(fields_get(&w->auth.asked, STR("data")), STR("\0u\0p"));
    reply_no(&w->auth, "AUTH_FAILED");
    loop_run(w->loop);
    assert_true(has_heard(&w->client, "a NO [AUTHENTICATIONFAILED] "));
    assert_true(has_heard(&w->client, "b OK Nothing done\r\n"));
    link_free(&w->auth.link);
    loop_run(w->loop);
    say(w, &w->client, "c LOGIN u p\r\n");
    assert_heard(&w->client, "");
    connect_role(w, &w->auth, ROLE_AUTH, 0);
    loop_run(w->loop);
    reply_yes(w, "ann", STR_EMPTY);
    assert_int_equal(w->stores[ticket_get_worker(STR("ann"), WORKERS)].opens, 1);
    assert_int_equal(w->auth.asks, 3);
}

/* It does not come back: then the login fails, and only then. */
static void test_auth_stays_away(void **state)
{
    struct world *w = *state;
    connect_as(w, &w->client, SERVICE_SUBMIT, "127.0.0.1");
    say(w, &w->client, "EHLO x\r\n");
    link_free(&w->auth.link);
    loop_run(w->loop);
    say(w, &w->client, "AUTH PLAIN AGEAYg==\r\n");
    loop_advance(w->loop, 59 * SECOND);
    assert_heard(&w->client, "");
    loop_advance(w->loop, SECOND);
    assert_heard(&w->client, "454 4.3.0 Temporarily unavailable; try again\r\n");
    say(w, &w->client, "AUTH PLAIN AGEAYg==\r\n");
    ear_release(&w->client); /* who leaves meanwhile is forgotten */
    loop_run(w->loop);
    connect_role(w, &w->auth, ROLE_AUTH, 0);
    loop_run(w->loop);
    loop_advance(w->loop, 600 * SECOND);
    assert_int_equal(edge_get_count(w->edge), 0);
}

/* What the client answered to a challenge cannot be judged by another auth: it is told good-bye, and not NO. */
static void test_auth_goes_amid_scram(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 3; i++) {
        connect_role(w, &w->auth, ROLE_AUTH, 0);
        connect_as(w, &w->client, SERVICE_IMAP, "127.0.0.1");
        say(w, &w->client, "a AUTHENTICATE SCRAM-SHA-256\r\n");
        assert_heard(&w->client, "+ \r\n"); /* auth is not needed for that */
        link_free(&w->auth.link);
        loop_run(w->loop);
        say(w, &w->client, "biwsbj1h\r\n");
        assert_heard(&w->client, "");
        connect_role(w, &w->auth, ROLE_AUTH, 0);
        loop_run(w->loop);
        assert_str(fields_get(&w->auth.asked, STR("has_initial")), STR("1"));
        assert_str(fields_get(&w->auth.asked, STR("data")), STR("n,,n=a"));
        link_reply(w->auth.link, w->auth.ask_id, STR("result=challenge\nexchange=7\ndata=r\n"));
        loop_run(w->loop);
        assert_heard(&w->client, "+ cg==\r\n");
        if (i != 1) {
            link_free(&w->auth.link);
            loop_run(w->loop);
        }
        if (i == 2) {
            connect_role(w, &w->auth, ROLE_AUTH, 0); /* its successor knows of nothing */
        }
        int asks = w->auth.asks;
        say(w, &w->client, "Yz1iaXdz\r\n");
        assert_int_equal(w->auth.asks, asks + (i == 1 ? 1 : 0));
        link_free(&w->auth.link);
        loop_run(w->loop);
        assert_heard(&w->client, "* BYE [UNAVAILABLE] Temporarily unavailable; try again\r\n");
        assert_int_equal(edge_get_count(w->edge), 0);
        ear_release(&w->client);
    }
}

/* Auth dies each time it hears of this login. */
static void test_deadly_login(void **state)
{
    struct world *w = *state;
    connect_as(w, &w->client, SERVICE_IMAP, "127.0.0.1");
    say(w, &w->client, "a LOGIN u p\r\n");
    for (int i = 0; i < 9; i++) {
        assert_heard(&w->client, "");
        assert_int_equal(w->auth.asks, i + 1);
        link_free(&w->auth.link);
        loop_run(w->loop);
        connect_role(w, &w->auth, ROLE_AUTH, 0);
        loop_run(w->loop);
    }
    assert_true(has_heard(&w->client, SORRY));
    loop_advance(w->loop, 1);
    assert_int_equal(w->auth.asks, 9);
}

/* The worker, or submit, is away: the ticket is changed for a fresh one when it is back. */
static void test_worker_is_away(void **state)
{
    struct world *w = *state;
    struct role *store = &w->stores[ticket_get_worker(STR("ann"), WORKERS)];
    for (int i = 0; i < 2; i++) {
        struct role *r = i == 0 ? store : &w->submit;
        link_free(&r->link);
        loop_run(w->loop);
        connect_as(w, &w->client, i == 0 ? SERVICE_IMAP : SERVICE_SUBMIT, "127.0.0.1");
        say(w, &w->client,
            i == 0 ? "a LOGIN u p\r\nb NOOP\r\n" : "EHLO x\r\nAUTH PLAIN AGEAYg==\r\nNOOP\r\n");
        buf_clear(&w->client.heard);
        reply_yes(w, "ann", STR_EMPTY);
        loop_advance(w->loop, 59 * SECOND);
        assert_heard(&w->client, "");
        int asks = w->auth.asks;
        connect_role(w, r, i == 0 ? ROLE_STORE : ROLE_SUBMIT, (unsigned)(store - w->stores));
        loop_run(w->loop);
        assert_int_equal(w->auth.asks, asks + 1);
        assert_str(fields_get(&w->auth.asked, STR("op")), STR("again"));
        reply_again(w, "ann");
        assert_int_equal(r->opens, 1);
        assert_heard(&r->session, i == 0 ? "b NOOP\r\n" : "NOOP\r\n");
        assert_false(
            str_eq(fields_get(&r->head, STR("ticket")), fields_get(&w->auth.asked, STR("ticket"))));
        ear_release(&w->client);
        loop_run(w->loop);
    }
}

static void test_worker_stays_away(void **state)
{
    struct world *w = *state;
    struct role *r = &w->stores[ticket_get_worker(STR("ann"), WORKERS)];
    link_free(&r->link);
    connect_as(w, &w->client, SERVICE_IMAP, "127.0.0.1");
    say(w, &w->client, "a LOGIN u p\r\nb NOOP\r\n");
    reply_yes(w, "ann", STR_EMPTY);
    loop_advance(w->loop, 60 * SECOND);
    assert_true(has_heard(&w->client, SORRY));
    assert_true(has_heard(&w->client, "b OK Nothing done\r\n"));
    say(w, &w->client,
        "c LOGIN u p\r\n"); /* its worker comes, but auth does not make it a ticket */
    reply_yes(w, "ann", STR_EMPTY);
    connect_role(w, r, ROLE_STORE, (unsigned)(r - w->stores));
    loop_run(w->loop);
    assert_str(fields_get(&w->auth.asked, STR("op")), STR("again"));
    reply_no(&w->auth, "UNAVAILABLE");
    loop_run(w->loop);
    assert_true(has_heard(&w->client, SORRY));
    say(w, &w->client, "d LOGIN u p\r\n");
    assert_str(fields_get(&w->auth.asked, STR("op")), STR("start"));
    reply_yes(w, "ann", STR_EMPTY);
    assert_int_equal(r->opens, 1);
}

/* Auth says "later": to one address, and to all. */
static void test_later(void **state)
{
    struct world *w = *state;
    struct ear other = {0};
    connect_as(w, &w->client, SERVICE_IMAP, "127.0.0.1");
    connect_as(w, &other, SERVICE_IMAP, "127.0.0.2");
    say(w, &w->client, "a LOGIN u p\r\n");
    link_reply(w->auth.link, w->auth.ask_id, STR("result=later\nwait_ms=300\nall=0\n"));
    loop_run(w->loop);
    say(w, &other, "a LOGIN u p\r\n");
    assert_int_equal(w->auth.asks, 2);
    assert_str(fields_get(&w->auth.asked, STR("peer")), STR("127.0.0.2"));
    link_reply(w->auth.link, w->auth.ask_id, STR("result=later\nwait_ms=500\nall=1\n"));
    loop_run(w->loop);
    loop_advance(w->loop, 499);
    assert_int_equal(w->auth.asks, 2);
    loop_advance(w->loop, 1);
    assert_int_equal(w->auth.asks, 4);
    assert_heard(&w->client, "");
    assert_heard(&other, "");
    for (int i = 0; i < 200; i++) { /* of the last: for longer than auth may be away */
        link_reply(w->auth.link, w->auth.ask_id, STR("result=later\nwait_ms=500\nall=1\n"));
        loop_run(w->loop);
        loop_advance(w->loop, 500);
    }
    reply_yes(w, "ann", STR_EMPTY);
    assert_int_equal(w->stores[ticket_get_worker(STR("ann"), WORKERS)].opens, 1);
    ear_release(&other);
    loop_run(w->loop);
}

/* A client that stops reading stops its session; the edge holds no more than its marks. */
static void test_backpressure(void **state)
{
    enum { CHUNK = 32 * 1024, CHUNKS = 200 };
    static char chunk[CHUNK];
    struct world *w = *state;
    struct role *store = log_in(w, &w->client, "ann");
    stream_pause(w->client.s);
    int sent = 0;
    for (int i = 0; i < 100; i++) {
        while (sent < CHUNKS && stream_get_queued(store->session.s) <= STREAM_HIGH_WATER) {
            stream_write(store->session.s, str_make(chunk, CHUNK));
            sent++;
        }
        loop_run(w->loop);
    }
    assert_true(sent * CHUNK < 2 * LINK_WINDOW + 4 * STREAM_HIGH_WATER);
    buf_clear(&w->client.heard);
    stream_resume(w->client.s);
    for (int i = 0; i < 1000 && w->client.heard.len < (size_t)CHUNKS * CHUNK; i++) {
        while (sent < CHUNKS && stream_get_queued(store->session.s) <= STREAM_HIGH_WATER) {
            stream_write(store->session.s, str_make(chunk, CHUNK));
            sent++;
        }
        loop_run(w->loop);
    }
    assert_int_equal(w->client.heard.len, (size_t)CHUNKS * CHUNK);
    /* And the other way round. */
    stream_pause(store->session.s);
    sent = 0;
    for (int i = 0; i < 100; i++) {
        while (sent < CHUNKS && stream_get_queued(w->client.s) <= STREAM_HIGH_WATER) {
            stream_write(w->client.s, str_make(chunk, CHUNK));
            sent++;
        }
        loop_run(w->loop);
    }
    assert_true(sent * CHUNK < 2 * LINK_WINDOW + 4 * STREAM_HIGH_WATER);
    buf_clear(&store->session.heard);
    stream_resume(store->session.s);
    loop_run(w->loop);
    assert_int_equal(store->session.heard.len, (size_t)sent * CHUNK);
}

/* Single octets keep no stranger in; commands do. */
static void test_login_timeout(void **state)
{
    struct world *w = *state;
    connect_as(w, &w->client, SERVICE_IMAP, "127.0.0.1");
    for (int i = 0; i < 10; i++) {
        loop_advance(w->loop, 100 * SECOND);
        say(w, &w->client, "a NOOP\r\n");
        assert_heard(&w->client, "a OK Nothing done\r\n");
    }
    for (int i = 0; i < 17; i++) {
        loop_advance(w->loop, 10 * SECOND);
        say(w, &w->client, "x");
        assert_int_equal(w->client.ended, 0);
    }
    loop_advance(w->loop, 11 * SECOND);
    assert_heard(&w->client, "* BYE [UNAVAILABLE] Timed out\r\n");
    assert_int_equal(w->client.ended, 1);
}

/* Somebody whose account is at the worker. */
static const char *find_user(unsigned worker, char name[16])
{
    int i = 0;
    do {
        (void)snprintf(name, 16, "user%d", i++);
    } while (ticket_get_worker(str_from_c(name), WORKERS) != worker);
    return name;
}

/* D21: the longest silent stranger goes, never one who is logged in. */
static void test_full_house(void **state)
{
    struct world *w = *state;
    struct ear guests[4];
    char name[16];
    (void)log_in(w, &w->client, "ann");
    for (int i = 0; i < 3; i++) {
        connect_as(w, &guests[i], SERVICE_IMAP, "127.0.0.1");
        loop_advance(w->loop, SECOND);
    }
    say(w, &guests[0], "a NOOP\r\n");
    connect_as(w, &guests[3], SERVICE_SUBMIT, "127.0.0.1");
    assert_true(has_heard(&guests[1], "* BYE [UNAVAILABLE]"));
    assert_int_equal(guests[1].ended, 1);
    assert_int_equal(guests[0].ended, 0);
    assert_int_equal(guests[2].ended, 0);
    assert_true(has_heard(&guests[3], "220 "));
    assert_int_equal(w->client.ended, 0);
    assert_int_equal(edge_get_count(w->edge), 4);
    for (int i = 0; i < 4; i++) {
        ear_release(&guests[i]);
    }
    loop_run(w->loop);
    assert_int_equal(edge_get_count(w->edge), 1);
    unsigned worker = ticket_get_worker(STR("ann"), WORKERS);
    (void)log_in(w, &guests[0], find_user((worker + 1) % WORKERS, name));
    (void)log_in(w, &guests[1], find_user((worker + 2) % WORKERS, name));
    connect_as(w, &guests[2], SERVICE_SUBMIT, "127.0.0.1");
    say(w, &guests[2], "EHLO x\r\nAUTH PLAIN AGEAYg==\r\n");
    reply_yes(w, "ann", STR_EMPTY);
    assert_int_equal(edge_get_count(w->edge), 4);
    connect_as(w, &guests[3], SERVICE_SUBMIT, "127.0.0.1"); /* all are logged in */
    assert_heard(&guests[3], "421 4.3.2 mail.example Temporarily unavailable; try again\r\n");
    assert_int_equal(guests[3].ended, 1);
    for (int i = 0; i < 4; i++) {
        ear_release(&guests[i]);
    }
    loop_run(w->loop);
}

static void test_per_neighbour(void **state)
{
    struct world *w = *state;
    struct ear guests[4];
    connect_as(w, &guests[0], SERVICE_IMAP, "198.51.100.1");
    connect_as(w, &guests[1], SERVICE_IMAP, "198.51.100.1");
    connect_as(w, &guests[2], SERVICE_IMAP, "198.51.100.1");
    assert_heard(&guests[2], "* BYE [UNAVAILABLE] Temporarily unavailable; try again\r\n");
    connect_as(w, &guests[3], SERVICE_IMAP, "198.51.100.2");
    assert_true(has_heard(&guests[3], "* OK"));
    ear_release(&guests[0]);
    ear_release(&guests[2]);
    loop_run(w->loop);
    connect_as(w, &guests[0], SERVICE_IMAP, "198.51.100.1");
    assert_true(has_heard(&guests[0], "* OK"));
    ear_release(&guests[0]);
    ear_release(&guests[1]);
    ear_release(&guests[3]);
    loop_run(w->loop);
}

/* Everything piped in, then the client's end: all is answered. */
/* D21: a neighbour who has all he may have cannot send others away by knocking. */
static void test_full_house_and_neighbour(void **state)
{
    struct world *w = *state;
    struct ear guests[6];
    connect_as(w, &guests[0], SERVICE_IMAP, "127.0.0.1");
    connect_as(w, &guests[1], SERVICE_IMAP, "127.0.0.1");
    loop_advance(w->loop, SECOND);
    connect_as(w, &guests[2], SERVICE_IMAP, "198.51.100.1");
    connect_as(w, &guests[3], SERVICE_IMAP, "198.51.100.1");
    connect_as(w, &guests[4], SERVICE_IMAP, "198.51.100.1");
    assert_true(has_heard(&guests[4], "* BYE [UNAVAILABLE]"));
    assert_int_equal(guests[0].ended, 0);
    assert_int_equal(guests[1].ended, 0);
    connect_as(w, &guests[5], SERVICE_IMAP, "198.51.100.2");
    assert_true(has_heard(&guests[5], "* OK"));
    assert_int_equal(guests[0].ended, 1); /* he was silent for longest */
    for (int i = 0; i < 6; i++) {
        ear_release(&guests[i]);
    }
    loop_run(w->loop);
    assert_int_equal(edge_get_count(w->edge), 0);
}

static void test_half_close(void **state)
{
    struct world *w = *state;
    connect_as(w, &w->client, SERVICE_IMAP, "127.0.0.1");
    stream_write(w->client.s, STR("a LOGIN u p\r\nb NOOP\r\n"));
    stream_shutdown(w->client.s);
    loop_run(w->loop);
    reply_yes(w, "ann", STR_EMPTY);
    struct role *store = &w->stores[ticket_get_worker(STR("ann"), WORKERS)];
    assert_heard(&store->session, "b NOOP\r\n");
    assert_int_equal(store->session.ended, 1);
    assert_int_equal(store->session.why, ERR_OK);
    stream_write(store->session.s, STR("a OK\r\nb OK\r\n"));
    stream_shutdown(store->session.s);
    loop_run(w->loop);
    assert_true(has_heard(&w->client, "a OK\r\nb OK\r\n"));
    assert_int_equal(w->client.ended, 1);
    ear_release(&w->client);
    connect_as(w, &w->client, SERVICE_IMAP, "127.0.0.1");
    stream_shutdown(w->client.s);
    loop_run(w->loop);
    assert_int_equal(w->client.ended, 1);
    assert_int_equal(edge_get_count(w->edge), 0);
}

/* D46 over the wire: what was injected is not answered inside TLS. */
static void test_injection(void **state)
{
    struct world *w = *state;
    connect_as(w, &w->client, SERVICE_IMAP, "198.51.100.1");
    start_tls(w, &w->client, "a STARTTLS\r\nb NOOP\r\nc LOGOUT\r\n");
    assert_heard(&w->client, "");
    say(w, &w->client, "d NOOP\r\n");
    assert_heard(&w->client, "d OK Nothing done\r\n");
}

/* Who asks for TLS and does not begin it, or stops within the handshake, is let go of at once when time is up. */
static void test_half_open_tls(void **state)
{
    static const char *const BEGUN[] = {"", "\x16", "\x16\x03\x01\x01"};
    struct world *w = *state;
    for (size_t i = 0; i < sizeof(BEGUN) / sizeof(BEGUN[0]); i++) {
        connect_as(w, &w->client, SERVICE_IMAP, "198.51.100.1");
        say(w, &w->client, "a STARTTLS\r\n");
        assert_true(has_heard(&w->client, "a OK Begin TLS now"));
        stream_write(w->client.s, str_from_c(BEGUN[i]));
        loop_advance(w->loop, 179 * SECOND);
        assert_int_equal(w->client.ended, 0);
        stream_write(w->client.s, STR("\x2"));
        loop_advance(w->loop, 2 * SECOND);
        assert_int_equal(w->client.ended, 1);
        assert_int_equal(edge_get_count(w->edge), 0);
        ear_release(&w->client);
    }
}

static void test_say_bye(void **state)
{
    struct world *w = *state;
    struct ear guest;
    struct role *store = log_in(w, &w->client, "ann");
    connect_as(w, &guest, SERVICE_SUBMIT, "127.0.0.1");
    edge_say_bye(w->edge);
    loop_run(w->loop);
    assert_true(has_heard(&w->client, "* BYE "));
    assert_true(has_heard(&guest, "\r\n421 "));
    assert_int_equal(store->session.ended, 1);
    assert_int_equal(edge_get_count(w->edge), 0);
    ear_release(&guest);
    loop_run(w->loop);
}

/* A session may speak of layers, but only in its turn: else it is broken, and the client may come back. */
static void test_marks_out_of_turn(void **state)
{
    struct world *w = *state;
    static const uint8_t WRONG[] = {0, 4, 255};
    for (size_t i = 0; i < sizeof(WRONG); i++) {
        struct role *store = log_in(w, &w->client, "ann");
        buf_clear(&w->client.heard);
        stream_mark(store->session.s, WRONG[i]);
        loop_run(w->loop);
        assert_true(has_heard(&w->client, "* BYE [UNAVAILABLE]"));
        assert_int_equal(edge_get_count(w->edge), 0);
        ear_release(&w->client);
    }
}

/* A session that asks for DEFLATE and goes away before it is there. */
static void test_session_dies_at_a_mark(void **state)
{
    struct world *w = *state;
    struct role *store = log_in(w, &w->client, "ann");
    buf_clear(&w->client.heard);
    stream_write(store->session.s, STR("c OK\r\n"));
    stream_mark(store->session.s, 1);
    loop_run(w->loop);
    say(w, &w->client, "too early");
    stream_free(&store->session.s);
    loop_run(w->loop);
    assert_true(has_heard(&w->client, "* BYE [UNAVAILABLE]"));
    assert_int_equal(edge_get_count(w->edge), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_imap_session, setup, teardown),
        cmocka_unit_test_setup_teardown(test_login_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_plaintext_from_afar, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tls_and_scram, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_submission, setup, teardown),
        cmocka_unit_test_setup_teardown(test_auth_is_away, setup, teardown),
        cmocka_unit_test_setup_teardown(test_auth_stays_away, setup, teardown),
        cmocka_unit_test_setup_teardown(test_auth_goes_amid_scram, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deadly_login, setup, teardown),
        cmocka_unit_test_setup_teardown(test_worker_is_away, setup, teardown),
        cmocka_unit_test_setup_teardown(test_worker_stays_away, setup, teardown),
        cmocka_unit_test_setup_teardown(test_later, setup, teardown),
        cmocka_unit_test_setup_teardown(test_backpressure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_login_timeout, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_house, setup, teardown),
        cmocka_unit_test_setup_teardown(test_per_neighbour, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_house_and_neighbour, setup, teardown),
        cmocka_unit_test_setup_teardown(test_half_close, setup, teardown),
        cmocka_unit_test_setup_teardown(test_injection, setup, teardown),
        cmocka_unit_test_setup_teardown(test_half_open_tls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_marks_out_of_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_session_dies_at_a_mark, setup, teardown),
        cmocka_unit_test_setup_teardown(test_say_bye, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
