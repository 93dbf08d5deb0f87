/* What is kept of a session that another process runs.
 *
 *          state                                    now
 *     input  |-- literal_gone --|------ log ---------|-- literal_left -->
 *     output |-------------- said ----------- tail --|
 *
 * A state accounts for all input before it and all output before it. If the process dies, its successor gets the state, the
 * input since (log), and how much of its output the client has already (said, with the last octets of it, so that it can be checked
 * that what is dropped of the new answer is what the client had of the old one).
 *
 * A literal that streams (APPEND) is not kept: the state says how many octets of it come, and they are counted only.
 *
 * The session's side counts its input from its beginning, or from the last mark, and says how much a state accounts for. The octets
 * that it has used are dropped from the log. `from` is where the state stands in that count; it is negative in a process that
 * went on in the middle of a literal, whose first octets it has never seen.
 *
 * A log that grows too long is given up (is_lost): then the state is of no use any more, and only one that accounts for all input that
 * is gone makes it whole again. */
#include "net/keep.h"

#include "base/mem.h"
#include "net/fields.h"
#include "net/session.h"

#include <stdlib.h>

enum { LOG_KEEP = 1024 }; /* octets of memory that an empty log may hold on to */

static const uint64_t COUNT_MOST = INT64_MAX / 2; /* so that a difference of two is no overflow */

/* What passed since the state. */
struct passed {
    struct buf log;
    int64_t from;
    uint64_t literal_gone;
    uint64_t literal_left;
    uint64_t said;
    uint64_t heard; /* octets of the log that reached a process that died */
    uint8_t tail_len;
    char tail[SESSION_SAID_TAIL_MOST];
};

struct keep {
    struct keep_place place;
    struct passed *passed; /* NULL: nothing */
    char *state;           /* NULL: none */
    uint32_t state_len;
    uint8_t tries;
    bool may_park;
    bool is_void; /* the state does not hold any more, unless it is said that it does again */
    bool is_lost;
    bool has_nonce;
    uint8_t nonce[TICKET_NONCE_SIZE];
};

struct keep *keep_new(const uint8_t *nonce)
{
    struct keep *k = mem_new(sizeof(*k));
    list_init(&k->place.node);
    k->has_nonce = nonce != NULL;
    if (nonce != NULL) {
        memcpy(k->nonce, nonce, sizeof(k->nonce));
    }
    return k;
}

void keep_free(struct keep **k)
{
    struct keep *gone = *k;
    if (gone == NULL) {
        return;
    }
    *k = NULL;
    list_remove(&gone->place.node);
    free(gone->state);
    if (gone->passed != NULL) {
        buf_release(&gone->passed->log);
        free(gone->passed);
    }
    free(gone);
}

static struct passed *get_passed(struct keep *k)
{
    if (k->passed == NULL) {
        k->passed = mem_new(sizeof(*k->passed));
        k->passed->log = BUF_INIT(KEEP_LOG_MOST);
    }
    return k->passed;
}

static uint64_t min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Forgets the log, but not where it ended. */
static void lose(struct keep *k)
{
    struct passed *p = k->passed;
    p->from += (int64_t)(p->literal_gone + p->log.len);
    p->literal_gone = 0;
    p->literal_left = 0;
    buf_release(&p->log);
    p->log = BUF_INIT(KEEP_LOG_MOST);
    k->is_lost = true;
    k->is_void = true;
    k->may_park = false;
}

void keep_note_input(struct keep *k, struct str octets)
{
    struct passed *p = get_passed(k);
    uint64_t n = min(octets.n, p->literal_left);
    p->literal_left -= n;
    p->literal_gone += n;
    octets = str_skip(octets, (size_t)n);
    if (octets.n > KEEP_LOG_MOST - p->log.len) {
        lose(k);
    }
    if (k->is_lost) {
        p->from += (int64_t)octets.n;
        return;
    }
    buf_add(&p->log, octets);
}

void keep_note_output(struct keep *k, struct str octets)
{
    struct passed *p = get_passed(k);
    p->said += octets.n;
    size_t n = octets.n < sizeof(p->tail) ? octets.n : sizeof(p->tail);
    size_t stay = p->tail_len < sizeof(p->tail) - n ? p->tail_len : sizeof(p->tail) - n;
    memmove(p->tail, p->tail + p->tail_len - stay, stay);
    memcpy(p->tail + stay, octets.p + octets.n - n, n);
    p->tail_len = (uint8_t)(stay + n);
}

/* The input up to `used` is accounted for; literal octets that follow need not be kept. False: the log is not there. */
static bool move_to(struct passed *p, int64_t used, uint64_t literal)
{
    if (used < p->from || used - p->from > (int64_t)(p->literal_gone + p->log.len)) {
        return false;
    }
    uint64_t n = (uint64_t)(used - p->from);
    uint64_t gone = min(n, p->literal_gone);
    p->literal_gone -= gone;
    buf_consume(&p->log, (size_t)(n - gone));
    p->from = used;
    if (p->literal_gone > literal) {
        return false; /* it needs octets again that it said it would not */
    }
    uint64_t known = min(p->log.len, literal - p->literal_gone);
    buf_consume(&p->log, (size_t)known);
    p->literal_gone += known;
    p->literal_left = literal - p->literal_gone;
    return true;
}

static void replace_state(struct keep *k, struct str state)
{
    if (state.n != k->state_len) {
        free(k->state);
        k->state = mem_new(state.n);
        k->state_len = (uint32_t)state.n;
    }
    memcpy(k->state, state.p, state.n);
}

/* Nothing passed yet since the state. */
static void begin_anew(struct passed *p)
{
    p->said = 0;
    p->heard = 0;
    p->tail_len = 0;
    if (p->log.len == 0 && p->log.size > LOG_KEEP) {
        buf_release(&p->log);
        p->log = BUF_INIT(KEEP_LOG_MOST);
    }
}

bool keep_take(struct keep *k, const struct link_save *save)
{
    struct passed *p = get_passed(k);
    k->tries = 0;
    if (save->state.n > 0) {
        replace_state(k, save->state); /* of no use now, maybe: but one that holds on may follow */
    }
    bool is_known = !save->is_same || k->state != NULL;
    if (save->used > COUNT_MOST || save->literal > COUNT_MOST || !is_known
        || !move_to(p, (int64_t)save->used, save->literal)) {
        lose(k);
        return false;
    }
    begin_anew(p);
    k->is_lost = false;
    k->is_void = save->state.n == 0 && !save->is_same;
    k->may_park = save->may_park && !k->is_void;
    return true;
}

void keep_restart(struct keep *k)
{
    struct passed *p = get_passed(k);
    buf_clear(&p->log);
    p->from = 0;
    p->literal_gone = 0;
    p->literal_left = 0;
    p->heard = 0;
    k->is_lost = false;
}

void keep_note_cut(struct keep *k)
{
    if (k->passed != NULL) {
        k->passed->heard = k->passed->log.len;
    }
}

void keep_begin(struct keep *k)
{
    if (k->passed != NULL) {
        k->passed->from = -(int64_t)k->passed->literal_gone;
    }
    k->tries = (uint8_t)(k->tries < UINT8_MAX ? k->tries + 1 : UINT8_MAX);
}

void keep_rest(struct keep *k)
{
    if (k->passed != NULL && keep_is_dormant(k)) {
        buf_release(&k->passed->log);
        free(k->passed);
        k->passed = NULL;
    }
}

bool keep_has_state(const struct keep *k)
{
    return k->state != NULL && !k->is_void;
}

struct str keep_get_state(const struct keep *k)
{
    return str_make(k->state, k->state_len);
}

bool keep_is_quiet(const struct keep *k)
{
    return k->passed == NULL || k->passed->said == 0;
}

bool keep_is_untouched(const struct keep *k)
{
    const struct passed *p = k->passed;
    return p == NULL
           || (p->said == 0 && p->log.len == 0 && p->literal_gone == 0 && p->literal_left == 0);
}

bool keep_is_dormant(const struct keep *k)
{
    return k->may_park && keep_is_untouched(k);
}

struct str keep_get_log(const struct keep *k)
{
    return k->passed == NULL ? STR_EMPTY : buf_str(&k->passed->log);
}

bool keep_has_log(const struct keep *k)
{
    return !k->is_lost;
}

unsigned keep_get_tries(const struct keep *k)
{
    return k->tries;
}

void keep_write_fields(const struct keep *k, struct buf *out)
{
    const struct passed *p = k->passed;
    if (k->has_nonce) {
        fields_add(out, STR("nonce"), str_make((const char *)k->nonce, sizeof(k->nonce)));
    }
    if (p != NULL) {
        fields_add_u64(out, STR("literal_gone"), p->literal_gone);
        fields_add_u64(out, STR("said"), p->said);
        fields_add(out, STR("tail"), str_make(p->tail, p->tail_len));
        fields_add_u64(out, STR("heard"), p->heard);
    }
}

enum err keep_read_fields(const struct fields *f, struct session_resume *out)
{
    out->literal_gone = fields_get_u64(f, STR("literal_gone"), 0);
    out->said = fields_get_u64(f, STR("said"), 0);
    out->said_tail = fields_get(f, STR("tail"));
    out->heard = fields_get_u64(f, STR("heard"), 0);
    bool is_sound = out->said_tail.n <= SESSION_SAID_TAIL_MOST && out->said_tail.n <= out->said;
    return is_sound ? ERR_OK : ERR_SYNTAX;
}

struct keep_place *keep_get_place(struct keep *k)
{
    return &k->place;
}
