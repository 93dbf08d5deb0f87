/* Fuzzes a whole IMAP session: octets of a client in, invariants out. The store is real, in a folder of its own; each input
 * gets a fresh account with two messages, and a second session idles on its INBOX, so that news is made, too. There is a second
 * account, whose INBOX is shared, and which is the shared account as well.
 *
 * Invariants: every session ends up waiting for input or closing within a bounded number of steps, what it says ends with
 * a line end, a step says no more than a bounded amount, and a client that counts messages is never told of one that it
 * does not know (client_model.h). */
#include "fuzz.h"

#include "../script/client_model.h"
#include "base/buf.h"
#include "imap/session.h"
#include "store/store.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { STEPS_MOST = 20000, SAID_MOST = 64 << 20 };

struct world {
    char dir[64];
    struct store *store;
};

static uint64_t wall_ms(void *owner)
{
    (void)owner;
    return 1767225600000ULL;
}

static void wake(void *owner)
{
    (void)owner;
}

static void world_start(struct world *w)
{
    bool has_memory = access("/dev/shm", W_OK) == 0;
    (void)snprintf(w->dir, sizeof(w->dir), "%s/limetta-fuzz-XXXXXX",
                   has_memory ? "/dev/shm" : "/tmp");
    if (mkdtemp(w->dir) == NULL) {
        abort();
    }
    struct store_config c = {.dir = str_from_c(w->dir), .now_ms = wall_ms};
    assert(store_new(&c, &w->store) == ERR_OK);
}

static void world_end(struct world *w)
{
    char command[128];
    store_free(&w->store);
    (void)snprintf(command, sizeof(command), "rm -rf %s", w->dir);
    /* NOLINTNEXTLINE(cert-env33-c): the folder's name is our own */
    if (system(command) != 0) {
        abort();
    }
}

static struct session *begin(struct world *w, const struct imap_host *host, const char *user)
{
    struct imap_session_args args = {.store = w->store,
                                     .host = host,
                                     .session_host = {.wake = wake},
                                     .user = str_from_c(user),
                                     .tag = STR("a"),
                                     .may_unauthenticate = true,
                                     .hostname = STR("mail.example"),
                                     .local = STR("127.0.0.1"),
                                     .port = 143,
                                     .shared_account = STR("bob"),
                                     .message_most = 1 << 20,
                                     .message_limit = 2};
    struct session *s = NULL;
    assert(imap_session_new(&args, &s) == ERR_OK);
    return s;
}

/* What the client makes of it. */
static void hear(struct client_model *model, struct str said)
{
    struct str line;
    while (client_model_split(&said, &line)) {
        assert(client_model_hear(model, line));
    }
}

/* Steps until it wants input or closes. false: it closes. */
static bool settle(struct world *w, struct client_model *model, struct session *s)
{
    CLEANUP(buf_release) struct buf said = BUF_INIT(SAID_MOST);
    enum session_want want = SESSION_OUTPUT;
    for (int i = 0; want != SESSION_INPUT && want != SESSION_CLOSE; i++) {
        assert(i < STEPS_MOST);
        size_t before = said.len;
        want = s->ops->step(s, &said);
        assert(said.len - before < (1 << 20));
        if (want == SESSION_MARK) {
            CLEANUP(buf_release) struct buf rest = BUF_INIT(SAID_MOST);
            (void)s->ops->take_mark(s, &rest);
            s->ops->feed(s, buf_str(&rest));
        }
        for (int turns = 0; store_has_pending(w->store); turns++) {
            assert(turns < 100);
            store_commit(w->store);
        }
    }
    assert(said.len == 0 || str_ends(buf_str(&said), STR("\r\n")));
    hear(model, buf_str(&said));
    return want != SESSION_CLOSE;
}

static void say(struct world *w, struct client_model *model, struct session *s, struct str octets)
{
    s->ops->feed(s, octets);
    (void)settle(w, model, s);
}

static void share(struct world *w, const struct imap_host *host)
{
    struct client_model model = {0};
    struct session *bob = begin(w, host, "bob");
    (void)settle(w, &model, bob);
    say(w, &model, bob, STR("a APPEND INBOX {27+}\r\nSubject: one\r\n\r\nHello one.\r\n"));
    say(w, &model, bob, STR("b SETACL INBOX phone lrswitek\r\n"));
    bob->ops->free(&bob);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 32 * 1024) {
        return 0;
    }
    struct world w = {.store = NULL};
    world_start(&w);
    struct imap_host host = {.wall_ms = wall_ms};
    struct session *other = begin(&w, &host, "phone");
    struct client_model others = {0};
    struct client_model model = {0};
    (void)settle(&w, &others, other);
    say(&w, &others, other, STR("a APPEND INBOX {27+}\r\nSubject: one\r\n\r\nHello one.\r\n"));
    say(&w, &others, other,
        STR("b APPEND INBOX (\\Seen) {91+}\r\nContent-Type: multipart/mixed; "
            "boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n"
            "Content-Type: a/b\r\n\r\nyz\r\n--b--\r\n"));
    say(&w, &others, other, STR("c SELECT INBOX\r\nd IDLE\r\n"));
    share(&w, &host);
    struct session *s = begin(&w, &host, "phone");
    bool is_open = settle(&w, &model, s);
    for (size_t at = 0; at < size && is_open; at += 4096) {
        s->ops->feed(s, str_sub(str_make((const char *)data, size), at, 4096));
        is_open = settle(&w, &model, s);
    }
    say(&w, &others, other, STR("DONE\r\n"));
    s->ops->free(&s);
    other->ops->free(&other);
    world_end(&w);
    return 0;
}
