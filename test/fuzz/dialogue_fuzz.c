/* Fuzzes the dialogues before login: a client's octets, fed in pieces; auth's answers are taken from the input, too. Output
 * is bounded a step, every line ends in CRLF, the backlog is bounded, and what is left over after a login is what was fed
 * and not used. The first octet chooses protocol, TLS policy and piece size. */
#include "fuzz.h"

#include "edge/dialogue.h"

#include <assert.h>
#include <stdbool.h>

struct run {
    struct dialogue *d;
    unsigned choices; /* bits, used up one answer at a time */
    int turns;
    bool is_over;
};

static void answer(struct run *r)
{
    unsigned choice = r->choices & 3;
    r->choices = r->choices >> 2 | 1U << 30;
    assert(dialogue_get_question(r->d).mechanism.n > 0);
    if (choice == 0) {
        dialogue_on_challenge(r->d, STR("challenge"));
    } else if (choice == 1) {
        dialogue_on_yes(r->d, STR("final"));
    } else if (choice == 2) {
        dialogue_on_yes(r->d, STR_EMPTY);
    } else {
        dialogue_on_no(r->d, ERR_AUTH_FAILED);
    }
}

static void check_output(const struct buf *out)
{
    assert(!out->is_full);
    assert(out->len == 0
           || (out->len >= 2 && out->p[out->len - 2] == '\r' && out->p[out->len - 1] == '\n'));
}

/* False: nothing more until it is fed. */
static bool act(struct run *r, enum dialogue_want want)
{
    switch (want) {
    case DIALOGUE_TLS:
        dialogue_on_tls(r->d, (r->choices & 1) != 0);
        assert(dialogue_get_backlog(r->d) == 0);
        return true;
    case DIALOGUE_ASK:
        answer(r);
        return true;
    case DIALOGUE_OPEN:
        assert(dialogue_get_rest(r->d).n == dialogue_get_backlog(r->d));
        dialogue_on_open_failed(r->d);
        return true;
    case DIALOGUE_CLOSE:
        r->is_over = true;
        return false;
    case DIALOGUE_OUTPUT:
    case DIALOGUE_CANCEL:
        return true;
    case DIALOGUE_WAIT:
        assert(false);
        return false;
    case DIALOGUE_INPUT:
        break;
    }
    return false;
}

static void step(struct run *r)
{
    bool goes_on = true;
    while (goes_on && !r->is_over) {
        struct buf out = BUF_INIT(DIALOGUE_OUTPUT_MOST + 64 * 1024);
        goes_on = act(r, dialogue_step(r->d, &out));
        check_output(&out);
        buf_release(&out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    struct dialogue_args args = {
        .hostname = STR("mail.example"),
        .tls = (enum tls_policy)(data[0] >> 1 & 3) % 3,
        .has_certificate = (data[0] & 8) != 0,
        .may_plaintext = (data[0] & 16) != 0,
        .message_most = 1000,
        .sieve = {.extensions = STR("fileinto")},
        .heartbeat_clients = STR("a*b?:60 x?y/1.*:90 *:100"),
    };
    struct run r = {.choices = data[1]};
    r.d = (data[0] & 64) != 0  ? dialogue_new_sieve(&args)
          : (data[0] & 1) != 0 ? dialogue_new_imap(&args)
                               : dialogue_new_submission(&args);
    size_t piece = (data[0] & 32) != 0 ? 1 : 1000;
    step(&r);
    for (size_t at = 2; at < size && !r.is_over; at += piece) {
        dialogue_feed(r.d,
                      str_make((const char *)data + at, size - at < piece ? size - at : piece));
        step(&r);
    }
    dialogue_free(&r.d);
    return 0;
}
