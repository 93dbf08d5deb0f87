/* Unit tests of main/kept, main/seal and main/parked: what an edge can do with the states it keeps, and who is woken. */
#include "main/kept.h"

#include "../net/ear.h"
#include "base/list.h"
#include "main/parked.h"
#include "main/seal.h"
#include "unit.h"

#include <stdlib.h>

#define KEY STR("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff")
#define OTHER_KEY STR("10112233445566778899aabbccddeeff00112233445566778899aabbccddeeff")
#define NONCE STR("0123456789abcdef")
#define OTHER_NONCE STR("0123456789abcdeF")

enum { DAY_MS = 24 * 3600 * 1000 };

/* ---- the seal ---- */

static const struct seal_label LABEL = {{"imap", 4}, {"edge", 4}, {"nonce", 5}};

static void test_seal(void **state)
{
    struct seal *s = NULL;
    struct seal *later = NULL;
    struct buf one = BUF_INIT(1000);
    struct buf two = BUF_INIT(1000);
    struct buf plain = BUF_INIT(1000);
    (void)state;
    assert_int_equal(seal_new(KEY, &s), ERR_OK);
    assert_int_equal(seal_new(KEY, &later), ERR_OK);
    assert_int_equal(seal_close(s, &LABEL, STR("what is kept"), &one), ERR_OK);
    assert_int_equal(seal_close(s, &LABEL, STR("what is kept"), &two), ERR_OK);
    assert_int_equal(one.len, 12 + SEAL_OVERHEAD);
    assert_false(str_eq(buf_str(&one), buf_str(&two)));
    assert_true(str_find_str(buf_str(&one), STR("kept")) == one.len);
    assert_int_equal(seal_open(later, &LABEL, buf_str(&one), &plain), ERR_OK); /* a restart */
    assert_int_equal(seal_open(later, &LABEL, buf_str(&two), &plain), ERR_OK);
    assert_str(buf_str(&plain), STR("what is keptwhat is kept"));
    buf_clear(&one);
    assert_int_equal(seal_close(later, &LABEL, STR_EMPTY, &one), ERR_OK);
    buf_clear(&plain);
    assert_int_equal(seal_open(s, &LABEL, buf_str(&one), &plain), ERR_OK);
    assert_int_equal(plain.len, 0);
    buf_release(&one);
    buf_release(&two);
    buf_release(&plain);
    seal_free(&s);
    seal_free(&later);
}

/* Whatever octet of it is changed, cut off or put behind, it does not open; nor under another label, nor for another house. */
static void test_seal_is_tight(void **state)
{
    static const struct seal_label OTHERS[] = {
        {{"sieve", 5}, {"edge", 4}, {"nonce", 5}},
        {{"imap", 4}, {"edg", 3}, {"enonce", 6}}, /* the same octets, otherwise divided */
        {{"imap", 4}, {"edge", 4}, {"nonc", 4}},
    };
    struct seal *s = NULL;
    struct seal *foreign = NULL;
    struct buf sealed = BUF_INIT(1000);
    struct buf plain = BUF_INIT(1000);
    (void)state;
    assert_int_equal(seal_new(KEY, &s), ERR_OK);
    assert_int_equal(seal_new(OTHER_KEY, &foreign), ERR_OK);
    assert_int_equal(seal_close(s, &LABEL, STR("state"), &sealed), ERR_OK);
    for (size_t i = 0; i < sealed.len * 8; i++) {
        sealed.p[i / 8] = (char)(sealed.p[i / 8] ^ (1 << (i % 8)));
        assert_int_equal(seal_open(s, &LABEL, buf_str(&sealed), &plain), ERR_TICKET);
        sealed.p[i / 8] = (char)(sealed.p[i / 8] ^ (1 << (i % 8)));
    }
    for (size_t n = 0; n < sealed.len; n++) {
        assert_int_equal(seal_open(s, &LABEL, str_make(sealed.p, n), &plain), ERR_TICKET);
    }
    for (size_t i = 0; i < sizeof(OTHERS) / sizeof(OTHERS[0]); i++) {
        assert_int_equal(seal_open(s, &OTHERS[i], buf_str(&sealed), &plain), ERR_TICKET);
    }
    assert_int_equal(seal_open(foreign, &LABEL, buf_str(&sealed), &plain), ERR_TICKET);
    assert_int_equal(plain.len, 0);
    assert_int_equal(seal_open(s, &LABEL, buf_str(&sealed), &plain), ERR_OK);
    buf_add_char(&sealed, 'x');
    assert_int_equal(seal_open(s, &LABEL, buf_str(&sealed), &plain), ERR_TICKET);
    buf_release(&sealed);
    buf_release(&plain);
    seal_free(&s);
    seal_free(&foreign);
}

static void test_seal_keys(void **state)
{
    struct seal *s = NULL;
    (void)state;
    assert_int_equal(seal_new(STR(""), &s), ERR_SYNTAX);
    assert_int_equal(seal_new(STR("001122"), &s), ERR_SYNTAX);
    assert_int_equal(seal_new(str_sub(KEY, 0, 62), &s), ERR_SYNTAX);
    assert_null(s);
}

/* ---- states ---- */

/* A core that has a state as soon as it was fed. */
struct toy {
    struct session base;
    struct world *world;
    bool is_dirty;
};

struct world {
    struct loop *loop;
    struct session_group *group;
    struct kept_desk *desk;
    struct link *store; /* the store's end */
    struct link *edge;
    struct ear client;
    struct buf kept; /* the state that the edge has */
    struct parked *parked;
    uint64_t now_ms;
    void *woken;
    int woken_count;
    const char *says; /* what sessions save */
    const struct kept_state *from;
    int saves;
    int sames;
};

static void toy_feed(struct session *s, struct str octets)
{
    ((struct toy *)s)->is_dirty = octets.n > 0;
}

static size_t toy_get_backlog(const struct session *s)
{
    (void)s;
    return 0;
}

static enum session_want toy_step(struct session *s, struct buf *out)
{
    (void)s;
    (void)out;
    return SESSION_INPUT;
}

static bool toy_save(struct session *s, struct session_save *out)
{
    struct toy *t = (struct toy *)s;
    bool is_dirty = t->is_dirty;
    t->is_dirty = false;
    buf_add_c(out->state, t->world->says);
    out->may_park = true;
    out->watch = SESSION_WATCH_MAILBOX;
    out->mailbox_id = 12;
    return is_dirty;
}

static void toy_free(struct session **s)
{
    free(*s);
    *s = NULL;
}

static const struct session_ops TOY_OPS = {
    .feed = toy_feed,
    .get_input_backlog = toy_get_backlog,
    .step = toy_step,
    .save = toy_save,
    .free = toy_free,
};

static void on_open(void *owner, struct link *l, struct str head, struct stream *s)
{
    struct world *w = owner;
    struct fields f;
    struct toy *t = calloc(1, sizeof(*t));
    assert_int_equal(fields_parse(head, &f), ERR_OK);
    struct session_runner *r = session_runner_new(w->group, s);
    kept_attach(w->desk, r, l, STR("anna"), &f, w->from);
    t->world = w;
    t->base.ops = &TOY_OPS;
    session_runner_start(r, &t->base);
    fields_release(&f);
}

static void on_parked(void *owner, struct link *l, struct str user, const struct session_save *save,
                      uint32_t id)
{
    struct world *w = owner;
    parked_add(w->parked, l, user, save, id, NULL);
}

static uint64_t wall_ms(void *owner)
{
    return ((struct world *)owner)->now_ms;
}

static void on_wake(void *owner, struct link *l, void *whose)
{
    struct world *w = owner;
    (void)l;
    w->woken = whose;
    w->woken_count++;
}

static void on_save(void *owner, const struct link_save *save)
{
    struct ear *e = owner;
    struct world *w = list_entry(e, struct world, client);
    w->saves++;
    w->sames += save->is_same ? 1 : 0;
    buf_clear(&e->heard);
    buf_add(&e->heard, save->state);
}

static void on_park(void *owner)
{
    struct ear *e = owner;
    (void)link_keep(&e->s, e);
}

static struct kept_desk *new_desk(struct world *w, struct str key)
{
    struct kept_desk *d = NULL;
    struct kept_settings s = {
        .seal_key = key,
        .life_ms = DAY_MS,
        .on_park = on_parked,
        .wall_ms = wall_ms,
        .owner = w,
    };
    assert_int_equal(kept_desk_new(&s, &d), ERR_OK);
    return d;
}

static struct fields make_head(const char *service, struct str nonce)
{
    struct fields f;
    struct buf b = BUF_INIT(1000);
    fields_add(&b, STR("service"), str_from_c(service));
    fields_add(&b, STR("nonce"), nonce);
    fields_add_u64(&b, STR("said"), 7);
    fields_add(&b, STR("tail"), STR("* 1 FET"));
    fields_add_u64(&b, STR("heard"), 9);
    fields_add_u64(&b, STR("literal_gone"), 3);
    assert_int_equal(fields_parse(buf_str(&b), &f), ERR_OK);
    buf_release(&b);
    return f;
}

static void open_session(struct world *w)
{
    static const struct link_keeper KEEPER = {on_save, on_park};
    struct buf head = BUF_INIT(1000);
    fields_add(&head, STR("service"), STR("imap"));
    fields_add(&head, STR("nonce"), NONCE);
    ear_put(&w->client, link_open(w->edge, buf_str(&head)));
    link_set_keeper(w->client.s, &KEEPER);
    buf_release(&head);
}

static void say(struct world *w)
{
    stream_write(w->client.s, STR("a NOOP\r\n"));
    loop_run(w->loop);
}

/* A session that was saved and then parked: w->kept is what the edge has of it. */
static int setup(void **state)
{
    static const struct link_handler STORE = {.on_open = on_open};
    static const struct link_handler EDGE = {.on_wake = on_wake};
    static struct world w;
    struct stream *near = NULL;
    struct stream *far = NULL;
    w = (struct world){.loop = loop_new_fake(0),
                       .now_ms = 50ULL * DAY_MS,
                       .kept = BUF_INIT(10000),
                       .says = "view 7"};
    w.group = session_group_new(w.loop, NULL, NULL);
    session_group_set_park(w.group, 1000);
    w.desk = new_desk(&w, KEY);
    w.parked = parked_new(w.loop, 1000);
    stream_pair(w.loop, &near, &far);
    w.store = link_new(w.loop, far, ROLE_EDGE, 0, &STORE, &w);
    w.edge = link_new(w.loop, near, ROLE_STORE, 0, &EDGE, &w);
    link_set_name(w.store, STR("edge"));
    open_session(&w);
    say(&w);
    buf_add(&w.kept, buf_str(&w.client.heard));
    assert_true(w.kept.len > SEAL_OVERHEAD);
    loop_advance(w.loop, 2000);
    assert_null(w.client.s);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    session_group_free(&w->group);
    link_free(&w->edge);
    link_free(&w->store);
    ear_release(&w->client);
    kept_desk_free(&w->desk);
    parked_free(&w->parked);
    buf_release(&w->kept);
    loop_free(&w->loop);
    return 0;
}

static void test_comes_back(void **state)
{
    struct world *w = *state;
    struct kept_state k;
    struct fields head = make_head("imap", NONCE);
    assert_int_equal(kept_open(w->desk, w->store, &head, buf_str(&w->kept), &k), ERR_OK);
    assert_str(k.user, STR("anna"));
    assert_str(k.resume.state, STR("view 7"));
    assert_str(k.resume.said_tail, STR("* 1 FET"));
    assert_int_equal(k.resume.said, 7);
    assert_int_equal(k.resume.heard, 9);
    assert_int_equal(k.resume.literal_gone, 3);
    assert_int_equal(k.watch.watch, SESSION_WATCH_MAILBOX);
    assert_int_equal(k.watch.mailbox_id, 12);
    kept_state_release(&k);
    fields_release(&head);
}

/* What says the same is sealed once, until that begins to be old; also behind a wake. */
static void test_sealed_once(void **state)
{
    struct world *w = *state;
    struct kept_state k;
    struct fields head = make_head("imap", NONCE);
    assert_int_equal(kept_open(w->desk, w->store, &head, buf_str(&w->kept), &k), ERR_OK);
    w->from = &k;
    w->saves = 0;
    buf_release(&w->client.heard);
    open_session(w);
    say(w);
    w->from = NULL;
    say(w);
    assert_int_equal(w->saves, 2);
    assert_int_equal(w->sames, 2);
    assert_int_equal(w->client.heard.len, 0);
    w->says = "view 8";
    say(w);
    assert_int_equal(w->sames, 2);
    assert_int_equal(w->client.heard.len, w->kept.len);
    say(w);
    assert_int_equal(w->sames, 3);
    w->says = "view 7";
    say(w);
    assert_int_equal(w->sames, 3);
    w->now_ms += DAY_MS / 2;
    say(w);
    say(w);
    assert_int_equal(w->saves, 7);
    assert_int_equal(w->sames, 4);
    w->now_ms -= 1; /* somebody set the clock back */
    say(w);
    assert_int_equal(w->sames, 4);
    kept_state_release(&k);
    fields_release(&head);
}

static void assert_refused(struct world *w, struct kept_desk *d, const char *service,
                           struct str nonce)
{
    struct kept_state k;
    struct fields head = make_head(service, nonce);
    assert_int_equal(kept_open(d, w->store, &head, buf_str(&w->kept), &k), ERR_TICKET);
    fields_release(&head);
}

/* D43: what a compromised edge may try with a state. */
static void test_refused(void **state)
{
    struct world *w = *state;
    struct kept_desk *foreign = new_desk(w, OTHER_KEY);
    assert_refused(w, w->desk, "sieve", NONCE);
    assert_refused(w, w->desk, "imap", OTHER_NONCE);
    assert_refused(w, w->desk, "imap", STR_EMPTY);
    assert_refused(w, foreign, "imap", NONCE);
    w->now_ms += DAY_MS + 1;
    assert_refused(w, w->desk, "imap", NONCE); /* too old */
    w->now_ms -= 2 * DAY_MS;
    assert_refused(w, w->desk, "imap", NONCE); /* of the future */
    w->now_ms += DAY_MS;
    link_set_name(w->store, STR("another"));
    assert_refused(w, w->desk, "imap", NONCE);
    link_set_name(w->store, STR("edge"));
    w->kept.p[w->kept.len / 2] ^= 1;
    assert_refused(w, w->desk, "imap", NONCE);
    kept_desk_free(&foreign);
}

static void test_tail_longer_than_said(void **state)
{
    struct world *w = *state;
    struct kept_state k;
    struct fields head;
    struct buf b = BUF_INIT(1000);
    fields_add(&b, STR("service"), STR("imap"));
    fields_add(&b, STR("nonce"), NONCE);
    fields_add_u64(&b, STR("said"), 1);
    fields_add(&b, STR("tail"), STR("more"));
    assert_int_equal(fields_parse(buf_str(&b), &head), ERR_OK);
    assert_int_equal(kept_open(w->desk, w->store, &head, buf_str(&w->kept), &k), ERR_TICKET);
    fields_release(&head);
    buf_release(&b);
}

/* ---- the wake table ---- */

static void test_woken_by_its_mailbox(void **state)
{
    struct world *w = *state;
    assert_int_equal(parked_get_count(w->parked), 1);
    parked_note_change(w->parked, STR("bob"), 12);
    parked_note_change(w->parked, STR("anna"), 13);
    parked_note_change(w->parked, STR("anna"), 0);
    loop_run(w->loop);
    assert_int_equal(w->woken_count, 0);
    parked_note_change(w->parked, STR("anna"), 12);
    parked_note_change(w->parked, STR("anna"), 12);
    loop_run(w->loop);
    assert_int_equal(w->woken_count, 1);
    assert_ptr_equal(w->woken, &w->client);
    assert_int_equal(parked_get_count(w->parked), 0);
}

/* With a mailbox of another account selected: by either account, and once. */
static void test_woken_by_another_account(void **state)
{
    struct world *w = *state;
    const struct session_far far = {
        .user = STR("bob"), .watch = SESSION_WATCH_MAILBOX, .mailbox_id = 7};
    const struct session_far own_name = {
        .user = STR("carl"), .watch = SESSION_WATCH_MAILBOX, .mailbox_id = 7};
    const struct session_save both = {.watch = SESSION_WATCH_ACCOUNT, .far = &far};
    const struct session_save only = {.watch = SESSION_WATCH_NONE, .far = &far};
    const struct session_save twice = {.watch = SESSION_WATCH_ACCOUNT, .far = &own_name};
    size_t before = parked_get_count(w->parked);
    parked_add(w->parked, w->store, STR("carl"), &both, 500, NULL);
    parked_add(w->parked, w->store, STR("carl"), &both, 501, NULL);
    parked_add(w->parked, w->store, STR("carl"), &only, 502, NULL);
    assert_int_equal(parked_get_count(w->parked), before + 3);
    parked_forget(w->parked, w->store, 501);
    parked_note_change(w->parked, STR("bob"), 8);
    assert_int_equal(parked_get_count(w->parked), before + 2);
    parked_note_change(w->parked, STR("carl"), 8);
    assert_int_equal(parked_get_count(w->parked), before + 1);
    parked_note_change(w->parked, STR("bob"), 7);
    assert_int_equal(parked_get_count(w->parked), before);
    parked_add(w->parked, w->store, STR("carl"), &twice, 503, NULL);
    parked_note_change(w->parked, STR("carl"), 7);
    assert_int_equal(parked_get_count(w->parked), before);
    parked_note_change(w->parked, STR("carl"), 7);
}

/* The account is another worker's: that wakes it, or dies, and then it is doubtful. */
static void test_woken_by_another_worker(void **state)
{
    struct world *w = *state;
    const struct session_far far = {.user = STR("bob"),
                                    .head = STR("service=peer\n"),
                                    .state = STR("state"),
                                    .watch = SESSION_WATCH_MAILBOX,
                                    .mailbox_id = 7};
    const struct session_save save = {.watch = SESSION_WATCH_ACCOUNT, .far = &far};
    size_t before = parked_get_count(w->parked);
    parked_add(w->parked, w->store, STR("carl"), &save, 500, w->edge);
    parked_note_change(w->parked, STR("bob"), 7); /* not here */
    assert_int_equal(parked_get_count(w->parked), before + 1);
    parked_forget_link(w->parked, w->edge);
    assert_int_equal(parked_get_count(w->parked), before + 1);
    parked_note_change(w->parked, STR("carl"), 1); /* it is woken by and by, and not by this */
    assert_int_equal(parked_get_count(w->parked), before + 1);
    parked_forget(w->parked, w->store, 500);
    assert_int_equal(parked_get_count(w->parked), before);
}

static void test_many_sleepers(void **state)
{
    struct world *w = *state;
    struct session_save any = {.watch = SESSION_WATCH_ACCOUNT};
    struct session_save box = {.watch = SESSION_WATCH_MAILBOX, .mailbox_id = 5};
    struct session_save none = {.watch = SESSION_WATCH_NONE};
    for (uint32_t i = 100; i < 200; i++) {
        parked_add(w->parked, w->store, STR("carl"), i % 2 == 0 ? &any : &box, i, NULL);
    }
    parked_add(w->parked, w->store, STR("carl"), &none, 500, NULL);
    assert_int_equal(parked_get_count(w->parked), 101);
    parked_forget(w->parked, w->store, 101);
    parked_forget(w->parked, w->store, 101);
    parked_forget(w->parked, w->edge, 102);
    assert_int_equal(parked_get_count(w->parked), 100);
    parked_note_change(w->parked, STR("carl"), 6);
    assert_int_equal(parked_get_count(w->parked), 50);
    parked_note_change(w->parked, STR("carl"), 5);
    assert_int_equal(parked_get_count(w->parked), 1);
    parked_forget_link(w->parked, w->store);
    assert_int_equal(parked_get_count(w->parked), 0);
}

/* Those of a time before us are woken by and by; one that goes on by itself is not. */
static void test_doubtful(void **state)
{
    struct world *w = *state;
    for (uint32_t i = 100; i < 200; i++) {
        parked_doubt(w->parked, w->store, i);
    }
    parked_forget(w->parked, w->store, 105);
    assert_int_equal(parked_get_count(w->parked), 100);
    loop_advance(w->loop, 30);
    size_t left = parked_get_count(w->parked);
    assert_in_range(left, 2, 99); /* not all at once */
    loop_advance(w->loop, 1000);
    assert_int_equal(parked_get_count(w->parked), 1);
    parked_doubt(w->parked, w->store, 200);
    loop_advance(w->loop, 1000);
    assert_int_equal(parked_get_count(w->parked), 1);
}

/* D43: an edge that parks without end fills its own share of the table; the others are woken, and what was there stays. */
static void test_table_is_bounded(void **state)
{
    struct world *w = *state;
    struct session_save any = {.watch = SESSION_WATCH_ACCOUNT};
    for (uint32_t i = 10000; i < 20000; i++) {
        if (i % 2 == 0) {
            parked_doubt(w->parked, w->store, i);
        } else {
            parked_add(w->parked, w->store, STR("carl"), &any, i, NULL);
        }
    }
    assert_int_equal(parked_get_count(w->parked), 1000);
    parked_add(w->parked, w->edge, STR("carl"), &any, 1, NULL); /* another link has its own */
    assert_int_equal(parked_get_count(w->parked), 1001);
    parked_add(w->parked, w->store, STR("carl"), &any, 10001, NULL); /* the same one again */
    assert_int_equal(parked_get_count(w->parked), 1001);
    parked_forget(w->parked, w->store, 10001);
    parked_add(w->parked, w->store, STR("carl"), &any, 30000, NULL);
    assert_int_equal(parked_get_count(w->parked), 1001);
    parked_forget_link(w->parked, w->store);
    assert_int_equal(parked_get_count(w->parked), 1);
    parked_add(w->parked, w->store, STR("carl"), &any, 5, NULL);
    assert_int_equal(parked_get_count(w->parked), 2);
}

/* D43: a session that an edge opens or resumes many times over is there once. */
static void test_one_at_a_time(void **state)
{
    struct world *w = *state;
    struct ear ears[3];
    struct buf head = BUF_INIT(1000);
    fields_add(&head, STR("service"), STR("imap"));
    fields_add(&head, STR("nonce"), NONCE);
    assert_int_equal(session_group_get_count(w->group), 0);
    for (size_t i = 0; i < 3; i++) {
        ear_put(&ears[i], link_open(w->edge, buf_str(&head)));
        loop_run(w->loop);
        assert_int_equal(session_group_get_count(w->group), 1);
    }
    assert_int_equal(ears[0].ended, 1);
    assert_int_equal(ears[1].ended, 1);
    assert_int_equal(ears[2].ended, 0);
    stream_free(&ears[2].s);
    loop_run(w->loop);
    assert_int_equal(session_group_get_count(w->group), 0);
    for (size_t i = 0; i < 3; i++) {
        ear_release(&ears[i]);
    }
    buf_release(&head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seal),
        cmocka_unit_test(test_seal_is_tight),
        cmocka_unit_test(test_seal_keys),
        cmocka_unit_test_setup_teardown(test_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sealed_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tail_longer_than_said, setup, teardown),
        cmocka_unit_test_setup_teardown(test_woken_by_its_mailbox, setup, teardown),
        cmocka_unit_test_setup_teardown(test_woken_by_another_account, setup, teardown),
        cmocka_unit_test_setup_teardown(test_woken_by_another_worker, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_sleepers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_doubtful, setup, teardown),
        cmocka_unit_test_setup_teardown(test_table_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_at_a_time, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
