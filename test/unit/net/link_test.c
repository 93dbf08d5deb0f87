/* Unit tests of net/link. */
#include "net/link.h"

#include "ear.h"
#include "unit.h"

struct side {
    struct link *link;
    struct ear opened;        /* the last session the peer opened here */
    struct stream *before[4]; /* those opened before it */
    struct buf head;
    struct buf asked;
    uint32_t ask_id;
    int asks;
    int opens;
    int downs;
    uint32_t parked; /* the last session we are to watch */
    uint32_t forgotten_id;
    int forgotten;
    void *woken;
    bool is_refusing;
};

struct world {
    struct loop *loop;
    struct side a;
    struct side b;
    struct stream *raw; /* instead of a: write frames by hand */
};

static void on_open(void *owner, struct link *l, struct str head, struct stream *s)
{
    struct side *side = owner;
    (void)l;
    side->opens++;
    buf_clear(&side->head);
    buf_add(&side->head, head);
    if (side->is_refusing) {
        stream_free(&s);
        return;
    }
    if (side->opened.s != NULL) {
        side->before[side->opens - 2] = side->opened.s;
        buf_release(&side->opened.heard);
    }
    ear_put(&side->opened, s);
}

static void on_request(void *owner, struct link *l, uint32_t id, struct str body)
{
    struct side *side = owner;
    (void)l;
    side->asks++;
    side->ask_id = id;
    buf_clear(&side->asked);
    buf_add(&side->asked, body);
}

static void on_down(void *owner, struct link *l)
{
    struct side *side = owner;
    (void)l;
    side->downs++;
}

static void on_resume(void *owner, struct link *l, struct str head, struct str state,
                      struct stream *s)
{
    struct side *side = owner;
    on_open(owner, l, head, s);
    buf_addf(&side->head, "+%.*s", STR_ARG(state));
}

static void on_park(void *owner, struct link *l, uint32_t id, struct str head, struct str state)
{
    struct side *side = owner;
    (void)l;
    side->parked = id;
    buf_clear(&side->head);
    buf_addf(&side->head, "%.*s?%.*s", STR_ARG(head), STR_ARG(state));
}

static void on_forget(void *owner, struct link *l, uint32_t id)
{
    struct side *side = owner;
    (void)l;
    side->forgotten++;
    side->forgotten_id = id;
}

static void on_wake(void *owner, struct link *l, void *whose)
{
    struct side *side = owner;
    (void)l;
    side->woken = whose;
}

static const struct link_handler HANDLER = {
    .on_open = on_open,
    .on_request = on_request,
    .on_down = on_down,
    .on_resume = on_resume,
    .on_park = on_park,
    .on_forget = on_forget,
    .on_wake = on_wake,
};

static void init_side(struct side *s)
{
    *s = (struct side){.head = BUF_INIT(LINK_OPEN_MOST), .asked = BUF_INIT(LINK_MESSAGE_MOST)};
    s->opened.heard = BUF_INIT(1);
}

static void release_side(struct side *s)
{
    link_free(&s->link);
    ear_release(&s->opened);
    for (size_t i = 0; i < 4; i++) {
        stream_free(&s->before[i]);
    }
    buf_release(&s->head);
    buf_release(&s->asked);
}

static int setup(void **state)
{
    static struct world w;
    struct stream *left = NULL;
    struct stream *right = NULL;
    w.loop = loop_new_fake(0);
    w.raw = NULL;
    init_side(&w.a);
    init_side(&w.b);
    stream_pair(w.loop, &left, &right);
    stream_pair_set_piece(right, 7); /* frames never come whole */
    w.a.link = link_new(w.loop, left, ROLE_STORE, 3, &HANDLER, &w.a);
    w.b.link = link_new(w.loop, right, ROLE_EDGE, 0, &HANDLER, &w.b);
    *state = &w;
    return 0;
}

static int setup_raw(void **state)
{
    static struct world w;
    struct stream *right = NULL;
    w.loop = loop_new_fake(0);
    init_side(&w.a);
    init_side(&w.b);
    stream_pair(w.loop, &w.raw, &right);
    w.b.link = link_new(w.loop, right, ROLE_EDGE, 0, &HANDLER, &w.b);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    release_side(&w->a);
    release_side(&w->b);
    stream_free(&w->raw);
    loop_free(&w->loop);
    return 0;
}

static void test_session(void **state)
{
    struct world *w = *state;
    struct ear ear;
    ear_put(&ear, link_open(w->a.link, STR("service=imap\n")));
    stream_write(ear.s, STR("early "));
    stream_write(ear.s, STR("octets"));
    loop_run(w->loop);
    assert_str(buf_str(&w->b.head), STR("service=imap\n"));
    assert_str(buf_str(&w->b.opened.heard), STR("early octets"));
    stream_write(w->b.opened.s, STR("* OK"));
    stream_shutdown(w->b.opened.s);
    loop_run(w->loop);
    assert_str(buf_str(&ear.heard), STR("* OK"));
    assert_int_equal(ear.ended, 1);
    assert_int_equal(ear.why, ERR_OK);
    stream_write(ear.s, STR(" last"));
    stream_shutdown(ear.s);
    loop_run(w->loop);
    assert_str(buf_str(&w->b.opened.heard), STR("early octets last"));
    assert_int_equal(w->b.opened.ended, 1);
    assert_int_equal(link_get_peer(w->a.link), ROLE_STORE);
    assert_int_equal(link_get_index(w->a.link), 3);
    ear_release(&ear);
}

/* Both sides may open, at the same time, and nothing gets mixed up. */
static void test_both_open(void **state)
{
    struct world *w = *state;
    struct ear from_a;
    struct ear from_b;
    ear_put(&from_a, link_open(w->a.link, STR("1")));
    ear_put(&from_b, link_open(w->b.link, STR("2")));
    stream_write(from_a.s, STR("a to b"));
    stream_write(from_b.s, STR("b to a"));
    loop_run(w->loop);
    assert_str(buf_str(&w->b.opened.heard), STR("a to b"));
    assert_str(buf_str(&w->a.opened.heard), STR("b to a"));
    stream_write(w->b.opened.s, STR("yes"));
    loop_run(w->loop);
    assert_str(buf_str(&from_a.heard), STR("yes"));
    assert_int_equal(from_b.heard.len, 0);
    ear_release(&from_a);
    ear_release(&from_b);
    loop_run(w->loop);
    assert_int_equal(w->b.opened.ended, 1);
    assert_int_equal(w->b.opened.why, ERR_PEER_GONE);
}

static void test_refused_open(void **state)
{
    struct world *w = *state;
    struct ear ear;
    w->b.is_refusing = true;
    ear_put(&ear, link_open(w->a.link, STR("x")));
    stream_write(ear.s, STR("octets that nobody wants"));
    loop_run(w->loop);
    assert_int_equal(ear.ended, 1);
    assert_int_equal(ear.why, ERR_PEER_GONE);
    assert_int_equal(w->b.downs, 0);
    ear_release(&ear);
}

/* A reader that stopped costs its writer one window, and other sessions nothing. */
static void test_slow_reader(void **state)
{
    static char octets[1024 * 1024];
    const size_t total = unit_is_slow() ? 2 * (size_t)LINK_WINDOW : sizeof(octets);
    struct world *w = *state;
    struct ear slow;
    struct ear quick;
    for (size_t i = 0; i < total; i++) {
        octets[i] = (char)(unsigned char)(i * 13 + i / 255);
    }
    ear_put(&slow, link_open(w->a.link, STR("slow")));
    loop_run(w->loop);
    struct ear reader = w->b.opened;
    stream_set_handler(reader.s, &EAR_HANDLER, &reader);
    w->b.opened.s = NULL;
    stream_pause(reader.s);
    stream_write(slow.s, str_make(octets, total));
    loop_run(w->loop);
    assert_int_equal(stream_get_queued(slow.s), total - LINK_WINDOW);
    assert_int_equal(reader.heard.len, 0);

    ear_put(&quick, link_open(w->a.link, STR("quick")));
    stream_write(quick.s, STR("passes by"));
    loop_run(w->loop);
    assert_str(buf_str(&w->b.opened.heard), STR("passes by"));

    stream_resume(reader.s);
    loop_run(w->loop);
    assert_int_equal(reader.heard.len, total);
    assert_memory_equal(reader.heard.p, octets, total);
    assert_int_equal(slow.drained, 1);
    assert_int_equal(stream_get_queued(slow.s), 0);
    ear_release(&slow);
    ear_release(&quick);
    ear_release(&reader);
}

struct answer {
    struct buf body;
    enum err e;
    int count;
};

static void on_reply(void *owner, enum err e, struct str body)
{
    struct answer *a = owner;
    a->e = e;
    a->count++;
    buf_clear(&a->body);
    buf_add(&a->body, body);
}

static void on_mark(void *owner, uint8_t mark)
{
    struct ear *e = owner;
    buf_addf(&e->heard, "<%d>", mark);
}

/* A mark keeps its place, through the window of the writer and the pause of the reader. */
static void test_marks(void **state)
{
    enum { TOTAL = 3 * LINK_WINDOW };
    static char octets[TOTAL];
    struct world *w = *state;
    struct ear ear;
    ear_put(&ear, link_open(w->a.link, STR("head")));
    loop_run(w->loop);
    struct ear *far = &w->b.opened;
    stream_on_mark(far->s, on_mark);
    stream_write(ear.s, STR("a"));
    stream_mark(ear.s, 7);
    stream_write(ear.s, STR("b"));
    loop_run(w->loop);
    assert_str(buf_str(&far->heard), STR("a<7>b"));
    buf_clear(&far->heard);
    memset(octets, 'x', TOTAL);
    stream_pause(far->s);
    stream_write(ear.s, str_make(octets, TOTAL));
    stream_mark(ear.s, 8);
    stream_write(ear.s, STR("end"));
    stream_shutdown(ear.s);
    loop_run(w->loop);
    assert_int_equal(far->heard.len, 0);
    stream_resume(far->s);
    loop_run(w->loop);
    assert_int_equal(far->heard.len, TOTAL + 6);
    assert_str(str_skip(buf_str(&far->heard), TOTAL), STR("<8>end"));
    assert_int_equal(far->ended, 1);
    ear_release(&ear);
}

/* A mark waits alone for a reader that pauses; a second one before it was taken is too many. */
static void test_marks_while_paused(void **state)
{
    struct world *w = *state;
    struct ear ear;
    ear_put(&ear, link_open(w->a.link, STR("head")));
    loop_run(w->loop);
    stream_on_mark(w->b.opened.s, on_mark);
    stream_pause(w->b.opened.s);
    stream_mark(ear.s, 1);
    loop_run(w->loop);
    assert_int_equal(w->b.opened.heard.len, 0);
    stream_resume(w->b.opened.s);
    loop_run(w->loop);
    assert_str(buf_str(&w->b.opened.heard), STR("<1>"));
    stream_pause(w->b.opened.s);
    stream_mark(ear.s, 2);
    stream_mark(ear.s, 3);
    loop_run(w->loop);
    assert_int_equal(w->b.downs, 1);
    ear_release(&ear);
}

/* Who expects no marks is not told of one: the session has failed. */
static void test_mark_not_expected(void **state)
{
    struct world *w = *state;
    struct ear ear;
    ear_put(&ear, link_open(w->a.link, STR("head")));
    stream_mark(ear.s, 1);
    loop_run(w->loop);
    assert_int_equal(w->b.opened.ended, 1);
    assert_int_equal(w->b.opened.why, ERR_SYNTAX);
    ear_release(&ear);
}

static void test_requests(void **state)
{
    struct world *w = *state;
    struct answer first = {.body = BUF_INIT(100)};
    struct answer second = {.body = BUF_INIT(100)};
    struct answer third = {.body = BUF_INIT(100)};
    link_request(w->a.link, STR("one"), on_reply, &first);
    loop_run(w->loop);
    uint32_t first_id = w->b.ask_id;
    link_request(w->a.link, STR("two"), on_reply, &second);
    loop_run(w->loop);
    assert_str(buf_str(&w->b.asked), STR("two"));
    link_reply(w->b.link, w->b.ask_id, STR("2")); /* out of order */
    link_reply(w->b.link, first_id, STR("1"));
    link_reply(w->b.link, first_id, STR("1 again"));
    loop_run(w->loop);
    assert_str(buf_str(&first.body), STR("1"));
    assert_str(buf_str(&second.body), STR("2"));
    assert_int_equal(first.count, 1);
    link_request(w->a.link, STR("three"), on_reply, &third);
    link_cancel(w->a.link, &third);
    loop_run(w->loop);
    link_reply(w->b.link, w->b.ask_id, STR("3"));
    loop_run(w->loop);
    assert_int_equal(third.count, 0);
    buf_release(&first.body);
    buf_release(&second.body);
    buf_release(&third.body);
}

static void test_peer_dies(void **state)
{
    struct world *w = *state;
    struct answer asked = {.body = BUF_INIT(100)};
    struct answer late = {.body = BUF_INIT(100)};
    struct ear ear;
    struct ear paused;
    ear_put(&ear, link_open(w->a.link, STR("x")));
    ear_put(&paused, link_open(w->a.link, STR("y")));
    stream_pause(paused.s);
    link_request(w->a.link, STR("?"), on_reply, &asked);
    loop_run(w->loop);
    assert_true(link_is_up(w->a.link));
    link_free(&w->b.link);
    loop_run(w->loop);
    assert_false(link_is_up(w->a.link));
    assert_int_equal(w->a.downs, 1);
    assert_int_equal(ear.ended, 1);
    assert_int_equal(ear.why, ERR_PEER_GONE);
    assert_int_equal(paused.ended, 1); /* even while paused: it must not wait for ever */
    assert_int_equal(asked.e, ERR_UNAVAILABLE);
    stream_write(ear.s, STR("into nothing"));
    ear_release(&ear);
    ear_release(&paused);
    link_request(w->a.link, STR("?"), on_reply, &late);
    assert_int_equal(late.count, 0);
    ear_put(&ear, link_open(w->a.link, STR("x")));
    loop_run(w->loop);
    assert_int_equal(late.e, ERR_UNAVAILABLE);
    assert_int_equal(ear.why, ERR_PEER_GONE);
    assert_int_equal(w->a.downs, 1);
    ear_release(&ear);
    buf_release(&asked.body);
    buf_release(&late.body);
}

static void add_frame(struct buf *b, uint32_t type, uint32_t id, struct str payload)
{
    buf_add_le32(b, (uint32_t)payload.n);
    buf_add_le32(b, id);
    buf_add_le32(b, type);
    buf_add(b, payload);
}

static void test_broken_frames(void **state)
{
    static char big[128 * 1024 + 1];
    static const struct {
        uint32_t type;
        uint32_t id;
        struct str payload;
    } CASES[] = {
        {0, 1, STR("")},
        {12, 1, STR("")},
        {0x101, 1, STR("")},
        {1, 0x80000001, STR("x")},
        {1, 7, STR("x")},
        {1, 1, {big, LINK_OPEN_MOST + 1}},
        {2, 7, STR("")},
        {2, 7, {big, 65537}},
        {3, 7, STR("abc")},
        {3, 7, STR("\0\0\0\0")},
        {3, 7, STR("\xff\xff\xff\xff")},
        {4, 7, STR("x")},
        {5, 7, STR("x")},
        {6, 1, {big, LINK_MESSAGE_MOST + 1}},
        {10, 7, STR("x")},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        void *inner = NULL;
        struct buf b = BUF_INIT(1 << 20);
        (void)setup_raw(&inner);
        struct world *w = inner;
        add_frame(&b, 1, 7, STR("head"));
        stream_write(w->raw, buf_str(&b));
        loop_run(w->loop);
        assert_int_equal(w->b.opens, 1);
        buf_clear(&b);
        add_frame(&b, CASES[i].type, CASES[i].id, CASES[i].payload);
        stream_write(w->raw, buf_str(&b));
        loop_run(w->loop);
        assert_int_equal(w->b.downs, 1);
        assert_int_equal(w->b.opened.why, ERR_PEER_GONE);
        buf_release(&b);
        (void)teardown(&inner);
    }
}

/* More octets than the window end the link; a window full does not. */
static void test_window_is_kept(void **state)
{
    static char octets[64 * 1024];
    struct world *w = *state;
    struct buf b = BUF_INIT(1 << 20);
    add_frame(&b, 1, 7, STR("head"));
    stream_write(w->raw, buf_str(&b));
    loop_run(w->loop);
    stream_pause(w->b.opened.s);
    buf_clear(&b);
    for (int i = 0; i < LINK_WINDOW / (64 * 1024); i++) {
        add_frame(&b, 2, 7, str_make(octets, sizeof(octets)));
    }
    stream_write(w->raw, buf_str(&b));
    loop_run(w->loop);
    assert_int_equal(w->b.downs, 0);
    buf_clear(&b);
    add_frame(&b, 2, 7, STR("x"));
    stream_write(w->raw, buf_str(&b));
    loop_run(w->loop);
    assert_int_equal(w->b.downs, 1);
    buf_release(&b);
}

static void test_late_frames_are_dropped(void **state)
{
    struct world *w = *state;
    struct buf b = BUF_INIT(1 << 20);
    add_frame(&b, 1, 7, STR("head"));
    add_frame(&b, 5, 7, STR(""));
    add_frame(&b, 2, 7, STR("late"));
    add_frame(&b, 3, 7, STR("\x01\0\0\0"));
    add_frame(&b, 4, 7, STR(""));
    add_frame(&b, 5, 7, STR(""));
    add_frame(&b, 7, 99, STR("reply to nothing"));
    stream_write(w->raw, buf_str(&b));
    loop_run(w->loop);
    assert_int_equal(w->b.downs, 0);
    assert_int_equal(w->b.opened.heard.len, 0);
    assert_int_equal(w->b.opened.why, ERR_PEER_GONE);
    buf_release(&b);
}

/* A peer that asks and asks and reads nothing: the answers do not gather without end. */
static void test_peer_never_reads(void **state)
{
    enum { ROUNDS = 2000 };
    unit_skip_if_slow();
    static char body[LINK_MESSAGE_MOST];
    struct world *w = *state;
    struct buf b = BUF_INIT(1 << 20);
    int rounds = 0;
    stream_pause(w->raw);
    add_frame(&b, 6, 1, STR("tell me everything"));
    while (rounds < ROUNDS && w->b.downs == 0) {
        stream_write(w->raw, buf_str(&b));
        loop_run(w->loop);
        link_reply(w->b.link, 1, str_make(body, sizeof(body)));
        rounds++;
    }
    assert_int_equal(w->b.downs, 1);
    assert_in_range(rounds, 1000, 1100); /* 64 MiB */
    buf_release(&b);
}

static void hear_and_pause(void *owner, struct str octets)
{
    struct ear *e = owner;
    buf_add(&e->heard, octets);
    stream_pause(e->s);
}

/* The road takes more before it says that it drained: what a session says then goes out with what it had waiting. */
static void test_road_is_free_again(void **state)
{
    enum { PIECE = 32 * 1024 };
    static char octets[65536];
    static const struct stream_handler STEPS = {hear_and_pause, ear_on_drained, ear_on_end};
    struct world *w = *state;
    struct stream *first = link_open(w->b.link, STR("1"));
    struct stream *second = link_open(w->b.link, STR("2"));
    struct ear far = {.s = w->raw, .heard = BUF_INIT(1 << 20)};
    stream_pause(w->raw);
    stream_pair_set_piece(w->raw, PIECE);
    stream_set_handler(w->raw, &STEPS, &far);
    stream_write(first, str_make(octets, sizeof(octets)));
    stream_write(second, STR("waits; "));
    assert_int_equal(stream_get_queued(second), 7);
    stream_resume(w->raw);
    loop_run(w->loop);
    assert_int_equal(far.heard.len, PIECE); /* and more than the low-water mark is left */
    stream_write(second, STR("goes"));
    assert_int_equal(stream_get_queued(second), 0);
    stream_free(&first);
    stream_free(&second);
    buf_release(&far.heard);
}

/* ---- states ---- */

static void on_save(void *owner, const struct link_save *save)
{
    struct ear *e = owner;
    buf_addf(&e->heard, "[%llu,%llu,%d:%.*s]", (unsigned long long)save->used,
             (unsigned long long)save->literal, save->may_park, STR_ARG(save->state));
    if (save->heartbeat_s != 0) {
        buf_addf(&e->heard, "(%u)", (unsigned)save->heartbeat_s);
    }
    if (save->is_same) {
        buf_add_c(&e->heard, "=");
    }
}

static void on_parked(void *owner)
{
    struct ear *e = owner;
    buf_add_c(&e->heard, "P");
    (void)link_keep(&e->s, e);
}

static const struct link_keeper KEEPER = {on_save, on_parked};

/* a opens, b runs the session: w->b.opened. */
static void open_kept(struct world *w, struct ear *ear)
{
    ear_put(ear, link_open(w->a.link, STR("head")));
    link_set_keeper(ear->s, &KEEPER);
    stream_on_mark(ear->s, on_mark);
    loop_run(w->loop);
}

static void save(struct world *w, uint64_t used, const char *state, struct str octets)
{
    struct link_save save = {.used = used, .may_park = true, .state = str_from_c(state)};
    link_save(w->b.opened.s, &save, octets);
}

/* A state comes right behind its octets. */
static void test_save(void **state)
{
    struct world *w = *state;
    struct ear ear;
    open_kept(w, &ear);
    stream_write(w->b.opened.s, STR("a"));
    save(w, 5, "S", STR("bc"));
    stream_write(w->b.opened.s, STR("d"));
    save(w, 6, "T", STR_EMPTY);
    struct link_save last = {.used = 7, .literal = 9, .mark = 3, .heartbeat_s = 65535};
    link_save(w->b.opened.s, &last, STR("e"));
    stream_write(w->b.opened.s, STR("f"));
    loop_run(w->loop);
    assert_str(buf_str(&ear.heard), STR("abc[5,0,1:S]d[6,0,1:T]e[7,9,0:](65535)<3>f"));
    ear_release(&ear);
}

/* The octets of a state wait until there is credit for all of them; states that wait are merged; a paused reader hears the last. */
static void test_save_waits(void **state)
{
    static char octets[LINK_WINDOW];
    struct world *w = *state;
    struct ear ear;
    memset(octets, 'x', sizeof(octets));
    open_kept(w, &ear);
    stream_pause(ear.s);
    stream_write(w->b.opened.s, str_make(octets, LINK_WINDOW - 10));
    loop_run(w->loop);
    save(w, 1, "one", STR("0123456789ab")); /* ten may go: none does */
    loop_run(w->loop);
    assert_int_equal(stream_get_queued(w->b.opened.s), 12);
    uint32_t id;
    assert_false(link_park(&w->b.opened.s, &id));
    save(w, 2, "two", STR("cd"));
    stream_mark(w->b.opened.s, 4);
    stream_write(w->b.opened.s, STR("e"));
    save(w, 3, "three", STR_EMPTY);
    stream_resume(ear.s);
    loop_run(w->loop);
    assert_str(str_skip(buf_str(&ear.heard), LINK_WINDOW - 10),
               STR("0123456789abcd[2,0,1:two]<4>e[3,0,1:three]"));
    stream_pause(ear.s);
    save(w, 4, "four", STR("x"));
    save(w, 5, "five", STR("y"));
    buf_clear(&ear.heard);
    loop_run(w->loop);
    assert_int_equal(ear.heard.len, 0);
    stream_resume(ear.s);
    loop_run(w->loop);
    assert_str(buf_str(&ear.heard), STR("xy[5,0,1:five]"));
    ear_release(&ear);
}

static void save_same(struct world *w, uint64_t used, struct str octets)
{
    struct link_save save = {.used = used, .may_park = true, .is_same = true};
    link_save(w->b.opened.s, &save, octets);
}

/* A state that holds on is not sent again; merged with the one that it means, it is that one. */
static void test_save_same(void **state)
{
    struct world *w = *state;
    struct ear ear;
    open_kept(w, &ear);
    save(w, 1, "S", STR("a"));
    save_same(w, 2, STR("b"));
    loop_run(w->loop);
    assert_str(buf_str(&ear.heard), STR("a[1,0,1:S]b[2,0,1:]="));
    buf_clear(&ear.heard);
    stream_pause(ear.s);
    save_same(w, 3, STR("c"));
    save_same(w, 4, STR_EMPTY);
    loop_run(w->loop);
    stream_resume(ear.s);
    loop_run(w->loop);
    assert_str(buf_str(&ear.heard), STR("c[4,0,1:]="));
    buf_clear(&ear.heard);
    stream_pause(ear.s);
    save(w, 5, "T", STR("d"));
    save_same(w, 6, STR("e"));
    loop_run(w->loop);
    stream_resume(ear.s);
    loop_run(w->loop);
    assert_str(buf_str(&ear.heard), STR("de[6,0,1:T]"));
    buf_clear(&ear.heard);
    stream_pause(ear.s);
    struct link_save none = {.used = 7};
    link_save(w->b.opened.s, &none, STR("f"));
    save_same(w, 8, STR("g"));
    loop_run(w->loop);
    stream_resume(ear.s);
    loop_run(w->loop);
    assert_str(buf_str(&ear.heard), STR("fg[8,0,1:]="));
    ear_release(&ear);
}

/* The same while they wait for credit. */
static void test_save_same_waits(void **state)
{
    static char octets[LINK_WINDOW];
    struct world *w = *state;
    struct ear ear;
    memset(octets, 'x', sizeof(octets));
    open_kept(w, &ear);
    stream_pause(ear.s);
    stream_write(w->b.opened.s, str_make(octets, LINK_WINDOW - 1));
    loop_run(w->loop);
    save(w, 1, "S", STR("ab"));
    save_same(w, 2, STR("c"));
    save_same(w, 3, STR("d"));
    loop_run(w->loop);
    assert_int_equal(stream_get_queued(w->b.opened.s), 4);
    stream_resume(ear.s);
    loop_run(w->loop);
    assert_str(str_skip(buf_str(&ear.heard), LINK_WINDOW - 1), STR("abcd[3,0,1:S]"));
    ear_release(&ear);
}

/* What a state does not fit with goes ahead; more than a window passes, with many states in it. */
static void test_save_long(void **state)
{
    static char octets[LINK_SAVE_MOST + 100];
    struct world *w = *state;
    struct ear ear;
    memset(octets, 'x', sizeof(octets));
    open_kept(w, &ear);
    stream_pause(ear.s);
    for (unsigned i = 0; i < 5; i++) {
        save(w, i, "S", str_make(octets, sizeof(octets)));
    }
    stream_resume(ear.s);
    loop_run(w->loop);
    assert_int_equal(w->a.downs + w->b.downs, 0);
    assert_str(str_skip(buf_str(&ear.heard), ear.heard.len - 9), STR("[4,0,1:S]"));
    size_t states = 0;
    for (size_t i = 0; i < ear.heard.len; i++) {
        states += ear.heard.p[i] == '[' ? 1 : 0;
    }
    assert_int_equal(ear.heard.len - 9 * states, 5 * sizeof(octets));
    ear_release(&ear);
}

/* When the link breaks, the keeper gets all that came, also what he did not want yet. */
static void test_cut(void **state)
{
    struct world *w = *state;
    struct ear ear;
    open_kept(w, &ear);
    stream_pause(ear.s);
    save(w, 5, "S", STR("abc"));
    stream_write(w->b.opened.s, STR("d"));
    loop_run(w->loop);
    assert_int_equal(ear.heard.len, 0);
    link_free(&w->b.link);
    loop_run(w->loop);
    assert_str(buf_str(&ear.heard), STR("abc[5,0,1:S]d"));
    assert_int_equal(ear.why, ERR_PEER_GONE);
    assert_true(link_was_cut(ear.s));
    ear_release(&ear);
}

/* A session that its own side resets was not cut. */
static void test_reset_is_no_cut(void **state)
{
    struct world *w = *state;
    struct ear ear;
    open_kept(w, &ear);
    stream_free(&w->b.opened.s);
    loop_run(w->loop);
    assert_int_equal(ear.why, ERR_PEER_GONE);
    assert_false(link_was_cut(ear.s));
    ear_release(&ear);
}

/* Parked, woken, resumed; a wake-up that was sent right behind PARK finds a reader who was paused. */
static void test_park(void **state)
{
    struct world *w = *state;
    struct ear ear;
    uint32_t id;
    open_kept(w, &ear);
    stream_pause(ear.s);
    save(w, 5, "S", STR("abc"));
    assert_true(link_park(&w->b.opened.s, &id));
    assert_null(w->b.opened.s);
    loop_run(w->loop);
    assert_int_equal(ear.heard.len, 0);
    link_wake(w->b.link, id);
    loop_run(w->loop);
    assert_str(buf_str(&ear.heard), STR("abc[5,0,1:S]P"));
    assert_null(ear.s);
    assert_ptr_equal(w->a.woken, &ear);
    link_wake(w->b.link, id); /* nobody is parked any more */
    w->a.woken = NULL;
    loop_run(w->loop);
    assert_null(w->a.woken);
    buf_release(&w->b.opened.heard);
    buf_release(&ear.heard);
    ear_put(&ear, link_resume(w->a.link, STR("again"), STR("S")));
    loop_run(w->loop);
    assert_str(buf_str(&w->b.head), STR("again+S"));
    ear_release(&ear);
}

/* A session that its peer forgot and then closes makes no sense, though its user has not yet taken what came before. */
static void test_closed_after_park(void **state)
{
    struct world *w = *state;
    struct ear ear;
    struct buf b = BUF_INIT(1000);
    ear_put(&ear, link_open(w->b.link, STR("head")));
    link_set_keeper(ear.s, &KEEPER);
    stream_shutdown(ear.s);
    stream_pause(ear.s);
    add_frame(&b, 2, 0x80000000, STR("octets"));
    add_frame(&b, 8, 0x80000000, STR(""));
    add_frame(&b, 4, 0x80000000, STR(""));
    stream_write(w->raw, buf_str(&b));
    loop_run(w->loop);
    assert_int_equal(w->b.downs, 1);
    assert_str(buf_str(&ear.heard), STR("octets"));
    assert_int_equal(ear.why, ERR_PEER_GONE);
    buf_release(&b);
    ear_release(&ear);
}

/* Who has heard the orderly end hears of a failure behind it, also when it paused. */
static void test_end_then_cut(void **state)
{
    struct world *w = *state;
    struct ear ear;
    open_kept(w, &ear);
    stream_shutdown(w->b.opened.s);
    loop_run(w->loop);
    assert_int_equal(ear.ended, 1);
    stream_pause(ear.s);
    link_free(&w->b.link);
    loop_run(w->loop);
    assert_int_equal(ear.ended, 2);
    assert_int_equal(ear.why, ERR_PEER_GONE);
    ear_release(&ear);
}

/* A successor is asked to watch a session that it does not know, and is told when it need not. */
static void test_keep_again(void **state)
{
    struct world *w = *state;
    int whose = 0;
    uint32_t id = link_keep_again(w->a.link, STR("h"), STR("s"), &whose);
    loop_run(w->loop);
    assert_str(buf_str(&w->b.head), STR("h?s"));
    link_wake(w->b.link, w->b.parked);
    loop_run(w->loop);
    assert_ptr_equal(w->a.woken, &whose);
    link_forget(w->a.link, id); /* it is not parked any more: nothing is said */
    loop_run(w->loop);
    assert_int_equal(w->b.forgotten, 0);
    id = link_keep_again(w->a.link, STR("h"), STR("s"), &whose);
    link_forget(w->a.link, id);
    loop_run(w->loop);
    assert_int_equal(w->b.forgotten, 1);
    assert_int_equal(w->b.forgotten_id, w->b.parked);
}

/* Frames of states that make no sense end the link. */
static void test_broken_states(void **state)
{
    static const struct {
        char octets[64];
        size_t n;
    } FRAMES[] = {
        {"\x00\x00\x00\x00\x07\x00\x00\x00\x08\0\0\0", 12}, /* PARK without a head */
        {"\x04\x00\x00\x00\x07\x00\x00\x00\x09\0\0\0\xff\0\0\0",
         16},                                                    /* RESUME, the head is not there */
        {"\x05\x00\x00\x00\x07\x00\x00\x80\x0a\0\0\0xxxxx", 17}, /* WAKE with octets */
    };
    struct world *w = *state;
    (void)w;
    for (size_t i = 0; i < sizeof(FRAMES) / sizeof(FRAMES[0]); i++) {
        void *fresh = NULL;
        assert_int_equal(setup_raw(&fresh), 0);
        struct world *v = fresh;
        stream_set_handler(v->raw, &EAR_HANDLER, &v->a.opened);
        stream_write(v->raw, str_make(FRAMES[i].octets, FRAMES[i].n));
        loop_run(v->loop);
        assert_int_equal(v->b.downs, 1);
        assert_int_equal(teardown(&fresh), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_session, setup, teardown),
        cmocka_unit_test_setup_teardown(test_both_open, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_open, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slow_reader, setup, teardown),
        cmocka_unit_test_setup_teardown(test_marks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_marks_while_paused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mark_not_expected, setup, teardown),
        cmocka_unit_test_setup_teardown(test_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(test_peer_dies, setup, teardown),
        cmocka_unit_test(test_broken_frames),
        cmocka_unit_test_setup_teardown(test_window_is_kept, setup_raw, teardown),
        cmocka_unit_test_setup_teardown(test_late_frames_are_dropped, setup_raw, teardown),
        cmocka_unit_test_setup_teardown(test_peer_never_reads, setup_raw, teardown),
        cmocka_unit_test_setup_teardown(test_road_is_free_again, setup_raw, teardown),
        cmocka_unit_test_setup_teardown(test_save, setup, teardown),
        cmocka_unit_test_setup_teardown(test_save_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_save_same, setup, teardown),
        cmocka_unit_test_setup_teardown(test_save_same_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_save_long, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reset_is_no_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_park, setup, teardown),
        cmocka_unit_test_setup_teardown(test_closed_after_park, setup_raw, teardown),
        cmocka_unit_test_setup_teardown(test_end_then_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keep_again, setup, teardown),
        cmocka_unit_test(test_broken_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
