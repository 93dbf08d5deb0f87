/* Fuzzes sessions that go on in other processes. Input:
 *
 *     octet           how many steps a process lives; 0: it does not die
 *     octets          what the client says, up to a NUL
 *     pairs           place and octet: laid over the state that was saved last, which is then resumed
 *
 * Invariants: however often its process dies, a session comes to rest, what it says ends with a line end unless it ends itself, and
 * the client that counts messages is never told of one that it does not know. A state that was altered is refused, or makes a session
 * that stands whatever it is told; and a state is written as it was read. */
#include "fuzz.h"

#include "../script/client_model.h"
#include "../script/kept.h"
#include "base/buf.h"
#include "imap/saved.h"
#include "imap/session.h"
#include "store/store.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { STEPS_MOST = 20000, SAID_MOST = 64 << 20, DEATHS_MOST = 20 };

struct world {
    char dir[64];
    struct store *store;
    struct imap_host host;
    struct session *core;
    struct kept kept;
    struct buf said;
    unsigned life;
    unsigned steps;
    unsigned deaths;
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

static struct imap_session_args get_args(const struct world *w)
{
    return (struct imap_session_args){.store = w->store,
                                      .host = &w->host,
                                      .session_host = {.wake = wake},
                                      .user = STR("phone"),
                                      .tag = STR("a"),
                                      .hostname = STR("mail.example"),
                                      .local = STR("127.0.0.1"),
                                      .message_most = 1 << 20};
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
    w->host = (struct imap_host){.wall_ms = wall_ms};
    kept_init(&w->kept);
    buf_init(&w->said, SAID_MOST);
    struct imap_session_args args = get_args(w);
    assert(imap_session_new(&args, &w->core) == ERR_OK);
}

static void end_core(struct world *w)
{
    if (w->core != NULL) {
        w->core->ops->free(&w->core);
    }
}

static void world_end(struct world *w)
{
    char command[128];
    end_core(w);
    kept_release(&w->kept);
    buf_release(&w->said);
    store_free(&w->store);
    (void)snprintf(command, sizeof(command), "rm -rf %s", w->dir);
    /* NOLINTNEXTLINE(cert-env33-c): the folder's name is our own */
    if (system(command) != 0) {
        abort();
    }
}

static void die(struct world *w)
{
    struct session_resume r = kept_get_resume(&w->kept, true);
    struct imap_session_args args = get_args(w);
    end_core(w);
    assert(imap_session_resume(&args, &r, &w->core) == ERR_OK);
    kept_note_resume(&w->kept);
    w->core->ops->feed(w->core, buf_str(&w->kept.log));
    w->deaths++;
}

static void commit(struct world *w)
{
    for (int turns = 0; store_has_pending(w->store); turns++) {
        assert(turns < 100);
        store_commit(w->store);
    }
}

static enum session_want step(struct world *w)
{
    size_t before = w->said.len;
    enum session_want want = w->core->ops->step(w->core, &w->said);
    assert(w->said.len - before < (1 << 20));
    if (want != SESSION_CLOSE) {
        kept_note_step(&w->kept, w->core, str_skip(buf_str(&w->said), before));
    }
    if (want == SESSION_MARK) {
        CLEANUP(buf_release) struct buf rest = BUF_INIT(SAID_MOST);
        (void)w->core->ops->take_mark(w->core, &rest);
        w->core->ops->feed(w->core, buf_str(&rest));
    }
    return want;
}

static void settle(struct world *w)
{
    enum session_want want = SESSION_OUTPUT;
    for (int i = 0; want != SESSION_INPUT && want != SESSION_CLOSE; i++) {
        assert(i < STEPS_MOST);
        want = step(w);
        bool dies = w->life > 0 && ++w->steps % w->life == 0 && w->deaths < DEATHS_MOST;
        if (dies && want != SESSION_CLOSE && w->kept.has_state) {
            die(w);
            want = SESSION_OUTPUT;
        }
        commit(w);
    }
    if (want == SESSION_CLOSE) {
        end_core(w);
    }
}

static void say(struct world *w, struct str octets)
{
    if (w->core != NULL) {
        kept_note_input(&w->kept, octets);
        w->core->ops->feed(w->core, octets);
        settle(w);
    }
}

static void check_said(const struct world *w)
{
    struct client_model model = {0};
    struct str said = buf_str(&w->said);
    struct str line;
    while (client_model_split(&said, &line)) {
        assert(client_model_hear(&model, line));
    }
    assert(said.n == 0 || w->core == NULL);
}

/* A state is what it says, in one form. */
static void check_form(struct str state)
{
    struct saved saved;
    if (saved_parse(state, &saved) == ERR_OK) {
        CLEANUP(buf_release) struct buf again = BUF_INIT(2 * SESSION_STATE_MOST);
        CLEANUP(buf_release) struct buf third = BUF_INIT(2 * SESSION_STATE_MOST);
        saved_write(&saved, &again);
        saved_release(&saved);
        assert(saved_parse(buf_str(&again), &saved) == ERR_OK);
        saved_write(&saved, &third);
        assert(str_eq(buf_str(&again), buf_str(&third)));
    }
    saved_release(&saved);
}

static void alter(struct world *w, struct str pairs)
{
    CLEANUP(buf_release) struct buf state = BUF_INIT(SESSION_STATE_MOST);
    struct imap_session_args args = get_args(w);
    buf_add(&state, buf_str(&w->kept.state));
    for (size_t i = 0; state.len > 0 && i + 1 < pairs.n; i += 2) {
        state.p[(unsigned char)pairs.p[i] % state.len] = pairs.p[i + 1];
    }
    check_form(buf_str(&state));
    struct session_resume r = {.state = buf_str(&state)};
    end_core(w);
    if (imap_session_resume(&args, &r, &w->core) != ERR_OK) {
        return;
    }
    w->life = 0;
    buf_clear(&w->said);
    settle(w);
    say(w,
        STR("DONE\r\nx NOOP\r\ny UID FETCH 1:* FLAGS\r\nz FETCH 1 BODY[]\r\nz SEARCH $ ALL\r\n"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 8 * 1024) {
        return 0;
    }
    struct world w = {.life = data[0] % 16};
    struct str input = str_make((const char *)data + 1, size - 1);
    struct str said = str_split(&input, '\0');
    world_start(&w);
    settle(&w);
    say(&w, STR("a APPEND INBOX {27+}\r\nSubject: one\r\n\r\nHello one.\r\n"));
    say(&w, STR("b APPEND INBOX (\\Seen) {27+}\r\nSubject: two\r\n\r\nHello two.\r\n"));
    for (size_t at = 0; at < said.n; at += 512) {
        say(&w, str_sub(said, at, 512));
    }
    check_said(&w);
    alter(&w, input);
    world_end(&w);
    return 0;
}
