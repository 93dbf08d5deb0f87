/* Fuzzes a whole submission session: octets of a client in, invariants out.
 *
 * The world around it is simple: recipients at example.org are accounts, a fetched URL is a short text, all is durable at
 * once. The first octet says how the rest is cut into pieces and whether answers come at once or later. Invariants: the
 * session settles, says whole lines, and says and queues the same however the octets were cut and when answers came
 * (RFC 2920: a client may send ahead). */
#include "fuzz.h"

#include "base/buf.h"
#include "smtp/submission.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

enum { STEPS_MOST = 100000, SIZE_MOST = 20000 };

enum question { NO_QUESTION, RECIPIENT, QUEUED, FETCH, CANCELLED };

struct world {
    struct submission_host host;
    struct session *session;
    struct buf said;
    struct buf content; /* of the message in hand */
    struct buf queued;  /* envelopes and contents */
    struct buf address;
    enum question question; /* under way */
    bool is_late;
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

static void answer(struct world *w)
{
    enum question question = w->question;
    w->question = NO_QUESTION;
    if (question == RECIPIENT) {
        bool is_ours = str_ends(buf_str(&w->address), STR("@example.org"));
        submission_on_recipient(w->session, is_ours ? ERR_OK : ERR_NO_RELAY,
                                is_ours ? STR("bob") : STR_EMPTY);
    } else if (question == QUEUED) {
        submission_on_queued(w->session, ERR_OK);
    } else if (question == CANCELLED) {
        submission_on_cancelled(w->session, ERR_OK);
    } else if (question == FETCH) {
        enum err e = submission_on_fetched(w->session, STR("Subject: fetched\r\n\r\ntext\r\n"));
        submission_on_fetch_end(w->session, e);
    }
}

static void ask(struct world *w, enum question question)
{
    assert(w->question == NO_QUESTION);
    w->question = question;
    if (!w->is_late) {
        answer(w);
    }
}

static void find_recipient(void *owner, struct str address)
{
    struct world *w = owner;
    buf_clear(&w->address);
    buf_add(&w->address, address);
    ask(w, RECIPIENT);
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
    assert(envelope->recipient_count > 0);
    buf_addf(&w->queued, "<queued %.*s %zu>", STR_ARG(envelope->return_path),
             envelope->recipient_count);
    buf_add(&w->queued, buf_str(&w->content));
    ask(w, QUEUED);
}

static void content_drop(void *owner)
{
    ((struct world *)owner)->question = NO_QUESTION;
}

static void fetch(void *owner, const struct burl_target *target, uint64_t most)
{
    (void)most;
    assert(str_starts_nocase(target->url, STR("imap:")));
    ask(owner, FETCH);
}

static enum err check_load(void *owner, const struct submission_load *load)
{
    (void)owner;
    return load->recipients > 5 ? ERR_RATE_RECIPIENTS : ERR_OK;
}

static enum err list_held(void *owner, uint64_t after, unsigned most,
                          void (*on_held)(void *asker, const struct submission_held *held),
                          void *asker)
{
    (void)owner;
    for (uint64_t id = after + 1; id <= 250 && id <= after + most; id++) {
        struct submission_held held = {.id = id, .release_ms = 1800000000000};
        on_held(asker, &held);
    }
    return ERR_OK;
}

static void cancel_held(void *owner, uint64_t id)
{
    (void)id;
    ask(owner, CANCELLED);
}

static void world_init(struct world *w, bool is_late)
{
    *w = (struct world){.is_late = is_late,
                        .said = BUF_INIT(1 << 24),
                        .content = BUF_INIT(1 << 24),
                        .queued = BUF_INIT(1 << 24),
                        .address = BUF_INIT(1 << 16)};
    w->host = (struct submission_host){
        .base = {wake, w, NULL},
        .get_time_s = get_time_s,
        .write_unique = write_unique,
        .find_recipient = find_recipient,
        .content_start = content_start,
        .content_add = content_add,
        .content_finish = content_finish,
        .content_drop = content_drop,
        .fetch = fetch,
        .check_load = check_load,
        .list_held = list_held,
        .cancel_held = cancel_held,
    };
    struct submission_args args = {
        .user = STR("bob"),
        .hostname = STR("mail.example.org"),
        .domain = STR("example.org"),
        .helo = STR("phone"),
        .peer = STR("192.0.2.7"),
        .is_tls = true,
        .size_most = SIZE_MOST,
        .recipients_most = 10,
        .hold_most_s = 86400,
        .priority_most = 4,
        .burl = {STR("bob"), STR("mail.example.org"), STR("192.0.2.1"), 143},
    };
    w->session = submission_new(&args, &w->host);
}

/* Steps until it wants input or closes. false: it closes. */
static bool settle(struct world *w)
{
    for (int i = 0; i < STEPS_MOST; i++) {
        enum session_want want = w->session->ops->step(w->session, &w->said);
        if (want == SESSION_INPUT || want == SESSION_CLOSE) {
            return want == SESSION_INPUT;
        }
        if (want == SESSION_EVENT) {
            assert(w->question != NO_QUESTION);
            answer(w);
        }
    }
    abort(); /* it does not settle */
}

static void talk(struct world *w, struct str octets, size_t piece)
{
    bool is_open = settle(w);
    for (size_t at = 0; at < octets.n && is_open; at += piece) {
        w->session->ops->feed(w->session, str_sub(octets, at, piece));
        is_open = settle(w);
    }
    w->session->ops->free(&w->session);
}

static void world_release(struct world *w)
{
    buf_release(&w->address);
    buf_release(&w->said);
    buf_release(&w->content);
    buf_release(&w->queued);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 48 * 1024) {
        return 0;
    }
    struct str octets = str_make((const char *)data + 1, size - 1);
    struct world whole;
    struct world pieces;
    world_init(&whole, false);
    talk(&whole, octets, octets.n + 1);
    world_init(&pieces, data[0] % 2 == 1);
    talk(&pieces, octets, (size_t)data[0] / 2 + 1);
    assert(str_eq(buf_str(&whole.said), buf_str(&pieces.said)));
    assert(str_eq(buf_str(&whole.queued), buf_str(&pieces.queued)));
    assert(str_ends(buf_str(&whole.said), STR("\r\n")));
    world_release(&whole);
    world_release(&pieces);
    return 0;
}
