/* Fuzzes what the edge keeps of a session (net/keep.c) from the session's side: any states, between any octets. The input is a row of
 * deeds, each an octet and its argument, an octet, too.
 *
 * Invariants, against a model that remembers all: what would be fed again is the end of what the client said, never more than the bound;
 * with a state, it and what is gone of a literal are all that came behind the state; what was said since is counted, and its tail is
 * right; no more was heard than there is. */
#include "fuzz.h"

#include "net/keep.h"
#include "net/fields.h"
#include "net/session.h"

#include <assert.h>
#include <stdbool.h>

enum { INPUT_MOST = 4 << 20, BIG = 3000 };

struct model {
    struct keep *k;
    struct buf input;  /* all that the client said */
    struct buf output; /* all that it was told since the last state */
    int64_t origin;    /* of the input: where the session's side counts from */
    int64_t state_at;  /* of the input: where the state stands */
    bool has_state;    /* there was one that is not empty, whether it holds or not */
    size_t state_size; /* of the last such */
};

static const char PATTERN[2 * BIG] = {0};

static void add(struct buf *to, size_t n)
{
    char octets[BIG];
    for (size_t i = 0; i < n; i++) {
        octets[i] = (char)(unsigned char)((to->len + i) * 7 + (to->len + i) / 256);
    }
    buf_add(to, str_make(octets, n));
}

/* The last n octets of b, in one piece. */
static struct str last(const struct buf *b, size_t n)
{
    return str_skip(buf_str(b), b->len - n);
}

static size_t pick(uint8_t argument)
{
    return argument < 128 ? argument : (size_t)(argument - 127) * 23;
}

/* Where the state stands in all input: often too far, or too far back. */
static int64_t pick_place(const struct model *m, uint8_t used)
{
    int64_t total = (int64_t)m->input.len;
    return used == 255   ? INT64_MAX - 3
           : used == 254 ? total + 1
           : used >= 128 ? total - (used - 128)
                         : m->state_at + (int64_t)pick(used);
}

static struct link_save make_save(const struct model *m, int64_t at, uint8_t literal)
{
    bool is_same = literal == 45 && m->has_state;
    return (struct link_save){
        .used = (uint64_t)(at - m->origin),
        .literal = literal == 255   ? UINT64_MAX
                   : literal == 254 ? INT64_MAX / 2
                                    : pick(literal),
        .state = str_make(PATTERN, is_same ? 0 : literal % 50),
        .may_park = (literal & 1) != 0,
        .is_same = is_same,
    };
}

static void take(struct model *m, uint8_t used, uint8_t literal)
{
    int64_t at = pick_place(m, used);
    struct link_save save = make_save(m, at, literal);
    bool is_taken = keep_take(m->k, &save);
    assert(is_taken || !keep_has_state(m->k));
    assert(!is_taken || (at <= (int64_t)m->input.len && keep_has_log(m->k)));
    assert(keep_has_state(m->k) == (is_taken && (save.state.n > 0 || save.is_same)));
    m->has_state = m->has_state || save.state.n > 0;
    m->state_size = save.state.n > 0 ? save.state.n : m->state_size;
    assert(!keep_has_state(m->k) || keep_get_state(m->k).n == m->state_size);
    if (is_taken) {
        m->state_at = at;
        buf_clear(&m->output);
    }
}

static void check(struct model *m)
{
    CLEANUP(buf_release) struct buf written = BUF_INIT(LINK_OPEN_MOST);
    struct fields f;
    struct str log = keep_get_log(m->k);
    keep_write_fields(m->k, &written);
    assert(fields_parse(buf_str(&written), &f) == ERR_OK);
    assert(log.n <= KEEP_LOG_MOST && log.n <= m->input.len);
    assert(str_eq(log, last(&m->input, log.n)));
    uint64_t gone = fields_get_u64(&f, STR("literal_gone"), 0);
    if (keep_has_state(m->k)) {
        assert((int64_t)(gone + log.n) == (int64_t)m->input.len - m->state_at);
        struct str tail = fields_get(&f, STR("tail"));
        assert(fields_get_u64(&f, STR("said"), 0) == m->output.len);
        assert(
            tail.n
            == (m->output.len < SESSION_SAID_TAIL_MOST ? m->output.len : SESSION_SAID_TAIL_MOST));
        assert(str_eq(tail, last(&m->output, tail.n)));
        assert(fields_get_u64(&f, STR("heard"), 0) <= log.n);
        assert(keep_is_quiet(m->k) == (m->output.len == 0));
    }
    assert(!keep_is_dormant(m->k) || (log.n == 0 && gone == 0 && keep_has_state(m->k)));
    fields_release(&f);
}

static void hear(struct model *m, size_t n)
{
    add(&m->input, n);
    keep_note_input(m->k, last(&m->input, n));
}

static void say(struct model *m, size_t n)
{
    add(&m->output, n);
    keep_note_output(m->k, last(&m->output, n));
}

/* The process dies, and another goes on; or it had left. */
static void go_on(struct model *m, bool is_cut)
{
    if (!keep_has_state(m->k)) {
        return;
    }
    if (is_cut) {
        keep_note_cut(m->k);
    } else {
        keep_rest(m->k);
    }
    keep_begin(m->k);
    m->origin = (int64_t)(m->input.len - keep_get_log(m->k).n);
}

static void restart(struct model *m)
{
    keep_restart(m->k);
    m->origin = (int64_t)m->input.len;
    m->state_at = m->origin;
}

static void act(struct model *m, uint8_t deed, uint8_t argument)
{
    switch (deed % 8) {
    case 0:
    case 1:
        hear(m, 1 + pick(argument));
        break;
    case 2:
        say(m, 1 + pick(argument));
        break;
    case 3:
        go_on(m, (argument & 1) != 0);
        break;
    case 4:
        if (argument > 200) {
            restart(m);
        }
        break;
    default:
        take(m, argument, (uint8_t)(deed / 8 * 9));
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t NONCE[TICKET_NONCE_SIZE] = {1};
    struct model m = {
        .k = keep_new(NONCE), .input = BUF_INIT(INPUT_MOST), .output = BUF_INIT(INPUT_MOST)};
    for (size_t i = 0; i + 1 < size && i < 2048; i += 2) {
        act(&m, data[i], data[i + 1]);
        check(&m);
    }
    keep_free(&m.k);
    buf_release(&m.input);
    buf_release(&m.output);
    return 0;
}
