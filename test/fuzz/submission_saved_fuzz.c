/* Fuzzes submission sessions that a hostile edge hands back. Input:
 *
 *     3 octets        which numbers come with the state: literal_gone, said, heard
 *     octet           which of the session's states is handed back; they are numbered from the first
 *     octet           how long the pieces are that the client's octets come in
 *     octets          what the client says, up to a NUL
 *     octet, pairs    how many pairs of place and octet follow, which are laid over the state
 *     octets          what is fed to the session that was made again
 *
 * Invariants: a state is refused, or makes a session that stands whatever it is told and says whole lines. A message that was under
 * way when the state was saved is never queued, however much of it is handed over again: only what was begun behind the state is. */
#include "fuzz.h"

#include "base/buf.h"
#include "smtp/submission.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

enum { STEPS_MOST = 100000, SIZE_MOST = 20000, SAVES_MOST = 64, CHOICES = 5 };

struct world {
    struct submission_host host;
    struct submission_args args;
    struct session *session;
    struct buf said;
    struct buf state; /* number `wanted` */
    unsigned saves;
    unsigned wanted;
    unsigned queued;
};

static void wake(void *owner)
{
    (void)owner;
}

static int64_t get_time_s(void *owner)
{
    (void)owner;
    return 1700000000;
}

static void write_unique(void *owner, struct buf *out)
{
    (void)owner;
    buf_add(out, STR("token"));
}

static void find_recipient(void *owner, struct str address)
{
    struct world *w = owner;
    (void)address;
    submission_on_recipient(w->session, ERR_OK, STR("bob"));
}

static void do_nothing(void *owner)
{
    (void)owner;
}

static enum err content_add(void *owner, struct str octets)
{
    (void)owner;
    (void)octets;
    return ERR_OK;
}

static void content_finish(void *owner, const struct mail_envelope *envelope)
{
    struct world *w = owner;
    assert(envelope->recipient_count > 0);
    w->queued++;
    submission_on_queued(w->session, ERR_OK);
}

static void fetch(void *owner, const struct burl_target *target, uint64_t most)
{
    struct world *w = owner;
    (void)target;
    (void)most;
    submission_on_fetch_end(w->session,
                            submission_on_fetched(w->session, STR("Subject: x\r\n\r\n")));
}

static enum err check_load(void *owner, const struct submission_load *load)
{
    (void)owner;
    (void)load;
    return ERR_OK;
}

static enum err list_held(void *owner, uint64_t after, unsigned most,
                          void (*on_held)(void *asker, const struct submission_held *held),
                          void *asker)
{
    (void)owner;
    (void)after;
    (void)most;
    (void)on_held;
    (void)asker;
    return ERR_OK;
}

static void cancel_held(void *owner, uint64_t id)
{
    struct world *w = owner;
    (void)id;
    submission_on_cancelled(w->session, ERR_OK);
}

static void world_init(struct world *w, unsigned wanted)
{
    *w = (struct world){
        .said = BUF_INIT(1 << 24), .state = BUF_INIT(SESSION_STATE_MOST), .wanted = wanted};
    w->host = (struct submission_host){
        .base = {wake, w, NULL},
        .get_time_s = get_time_s,
        .write_unique = write_unique,
        .find_recipient = find_recipient,
        .content_start = do_nothing,
        .content_add = content_add,
        .content_finish = content_finish,
        .content_drop = do_nothing,
        .fetch = fetch,
        .check_load = check_load,
        .list_held = list_held,
        .cancel_held = cancel_held,
    };
    w->args = (struct submission_args){
        .user = STR("bob"),
        .hostname = STR("mail.example.org"),
        .domain = STR("example.org"),
        .helo = STR("phone"),
        .peer = STR("192.0.2.7"),
        .is_tls = true,
        .size_most = SIZE_MOST,
        .recipients_most = 10,
        .hold_most_s = 86400,
        .burl = {STR("bob"), STR("mail.example.org"), STR("192.0.2.1"), 143},
    };
}

/* As a runner does after each step. */
static void save(struct world *w)
{
    CLEANUP(buf_release) struct buf state = BUF_INIT(SESSION_STATE_MOST);
    struct session_save s = {.state = &state};
    if (w->saves <= w->wanted && w->session->ops->save(w->session, &s)) {
        assert(!state.is_full);
        w->saves++;
        buf_clear(&w->state);
        buf_add(&w->state, buf_str(&state));
    }
}

/* False: it closes. */
static bool settle(struct world *w)
{
    for (int i = 0; i < STEPS_MOST; i++) {
        enum session_want want = w->session->ops->step(w->session, &w->said);
        if (want == SESSION_CLOSE) {
            return false;
        }
        save(w);
        if (want == SESSION_INPUT) {
            return true;
        }
    }
    abort(); /* it does not settle */
}

static void talk(struct world *w, struct str octets, size_t piece)
{
    bool is_open = settle(w);
    for (size_t at = 0; at < octets.n && is_open && w->saves <= w->wanted; at += piece) {
        w->session->ops->feed(w->session, str_sub(octets, at, piece));
        is_open = settle(w);
    }
    w->session->ops->free(&w->session);
}

static uint64_t choose(uint8_t octet)
{
    static const uint64_t ODD[] = {1, 64, INT64_MAX, UINT64_MAX};
    return octet < 128 ? octet / 2 : octet < 252 ? (uint64_t)(octet - 127) * 16 : ODD[octet - 252];
}

static bool has_nocase(struct str s, struct str word)
{
    for (size_t i = 0; i + word.n <= s.n; i++) {
        if (str_eq_nocase(str_sub(s, i, word.n), word)) {
            return true;
        }
    }
    return false;
}

static void hand_back(struct world *w, const uint8_t *choices, struct str rest)
{
    struct session_resume r = {
        .literal_gone = choose(choices[0]),
        .said = choose(choices[1]),
        .heard = choose(choices[2]),
    };
    size_t pairs = rest.n > 0 ? (unsigned char)rest.p[0] % 8 : 0;
    for (size_t i = 0; i < pairs && 2 + 2 * i < rest.n && w->state.len > 0; i++) {
        w->state.p[(unsigned char)rest.p[1 + 2 * i] % w->state.len] = rest.p[2 + 2 * i];
    }
    struct str log = str_skip(rest, 1 + 2 * pairs);
    r.state = buf_str(&w->state);
    r.said_tail =
        str_make("64 octets of a tail that has nothing to do with what was said by it.",
                 r.said < SESSION_SAID_TAIL_MOST ? (size_t)r.said : SESSION_SAID_TAIL_MOST);
    if (submission_resume(&w->args, &w->host, &r, &w->session) != ERR_OK) {
        return;
    }
    w->queued = 0;
    buf_clear(&w->said);
    talk(w, log, log.n + 1);
    assert(w->said.len == 0 || str_ends(buf_str(&w->said), STR("\r\n")));
    assert(w->queued == 0 || has_nocase(log, STR("MAIL")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < CHOICES || size > 48 * 1024) {
        return 0;
    }
    struct str input = str_make((const char *)data + CHOICES, size - CHOICES);
    struct str said = str_split(&input, '\0');
    struct world w;
    world_init(&w, data[3] % SAVES_MOST);
    w.session = submission_new(&w.args, &w.host);
    talk(&w, said, (size_t)data[4] + 1);
    w.wanted = UINT16_MAX; /* it is saved to its end, too */
    hand_back(&w, data, input);
    buf_release(&w.said);
    buf_release(&w.state);
    return 0;
}
