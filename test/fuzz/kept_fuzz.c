/* Fuzzes what comes back from an edge (main/kept.c, main/seal.c). Input:
 *
 *     octet           1: what follows the head is garbage; else it is sealed as it should be, so that what opens is hostile inside
 *     octets          the head (net/fields.h), up to a NUL
 *     octets          the sealed state, or its inside
 *
 * Invariants: garbage does not open; nor does what was sealed for another label; what opens is within its bounds, and says what it was
 * sealed with. */
#include "fuzz.h"

#include "main/kept.h"
#include "main/seal.h"

#include <assert.h>
#include <stdbool.h>

#define KEY STR("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff")

static const uint64_t NOW_MS = 1767225600000ULL;
static const uint64_t LIFE_MS = 30ULL * 24 * 3600 * 1000;

static uint64_t wall_ms(void *owner)
{
    (void)owner;
    return NOW_MS;
}

static bool is_label(const struct seal_label *l)
{
    return l->service.n <= UINT8_MAX && l->session.n <= UINT8_MAX;
}

static void seal(struct seal *s, const struct fields *head, struct str inside, struct buf *out)
{
    struct seal_label label = {
        .service = fields_get(head, STR("service")),
        .edge = STR("dmz"),
        .session = fields_get(head, STR("nonce")),
    };
    enum err e = seal_close(s, &label, inside, out);
    assert(e == ERR_OK || !is_label(&label));
    if (e == ERR_OK) {
        CLEANUP(buf_release) struct buf plain = BUF_INIT(LINK_STATE_MOST);
        assert(seal_open(s, &label, buf_str(out), &plain) == ERR_OK);
        assert(str_eq(buf_str(&plain), inside));
        label.edge = STR("other");
        buf_clear(&plain);
        assert(seal_open(s, &label, buf_str(out), &plain) == ERR_TICKET && plain.len == 0);
    }
}

static void check(const struct kept_state *k, struct str inside)
{
    const struct session_resume *r = &k->resume;
    assert(k->user.n <= UINT8_MAX && k->watch.watch <= SESSION_WATCH_ACCOUNT);
    assert(r->said_tail.n <= SESSION_SAID_TAIL_MOST && r->said_tail.n <= r->said);
    assert(str_ends(inside, r->state) && inside.n == r->state.n + k->user.n + 19);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > LINK_STATE_MOST - SEAL_OVERHEAD) {
        return 0;
    }
    struct str input = str_make((const char *)data + 1, size - 1);
    struct str text = str_split(&input, '\0');
    struct fields head;
    if (fields_parse(text, &head) != ERR_OK) {
        return 0;
    }
    static const struct link_handler HANDLER = {.on_open = NULL};
    struct loop *loop = loop_new_fake(0);
    struct stream *near = NULL;
    struct stream *far = NULL;
    struct kept_desk *desk = NULL;
    struct seal *s = NULL;
    CLEANUP(buf_release) struct buf sealed = BUF_INIT(LINK_STATE_MOST);
    struct kept_settings settings = {.seal_key = KEY, .life_ms = LIFE_MS, .wall_ms = wall_ms};
    stream_pair(loop, &near, &far);
    struct link *link = link_new(loop, near, ROLE_EDGE, 0, &HANDLER, NULL);
    link_set_name(link, STR("dmz"));
    assert(kept_desk_new(&settings, &desk) == ERR_OK && seal_new(KEY, &s) == ERR_OK);
    bool is_garbage = (data[0] & 1) != 0;
    if (!is_garbage) {
        seal(s, &head, input, &sealed);
    }
    struct kept_state out;
    enum err e = kept_open(desk, link, &head, is_garbage ? input : buf_str(&sealed), &out);
    assert(e == ERR_OK || e == ERR_TICKET);
    assert(e == ERR_TICKET || !is_garbage);
    if (e == ERR_OK) {
        check(&out, input);
        kept_state_release(&out);
    }
    kept_desk_free(&desk);
    seal_free(&s);
    link_free(&link);
    stream_free(&far);
    loop_free(&loop);
    fields_release(&head);
    return 0;
}
