/* Random walks over a whole edge, with session runners behind its link, against a model.
 *
 *     client <-> (TLS, DEFLATE) <-> edge <-> link <-> runner <-> toy core
 *
 * Clients write commands ahead, read slowly or not at all, change layers, hang up. Their worker dies at any moment, in the middle of the
 * loop, and comes back; sessions sleep and are woken by news, which gather. The core is a toy, but a strict one: it keeps all that
 * net/session.h asks of a core, so whatever goes wrong is the fault of what is between it and its client.
 *
 * What must hold: a client gets each answer once, in order and unaltered; a change that was answered OK was made once, one that was
 * answered NO at most once; news come once, in order, and the last of them has come when everything is still; nobody is left waiting, and
 * nobody who did not ask for it hears good-bye.
 *
 * Seeds: 1 to SEEDS; the one that fails is named. An argument runs that seed alone. */
#include "house.h"

#include "../wire/random.h"
#include "net/deflate.h"
#include "net/session_run.h"

enum {
    SEEDS = 50,
    ACTIONS = 300,
    CLIENTS = 5,
    COMMANDS = 400, /* of a client */
    BODY_MOST = 200 * 1024,
    AHEAD_MOST = 12, /* commands not yet answered */
    PARKED_MOST = 64,
    CORES_MOST = 64,
    DEATHS_MOST = 6 /* a session that eight processes did not survive is given up */
};

enum phase { AWAY, GREETED, LOGIN, REFUSED, IN, OVER };

struct model;

struct client {
    struct model *m;
    uint32_t name; /* a new one each time that it comes */
    enum phase phase;
    struct stream *s;
    struct buf heard;
    size_t looked; /* octets of heard without a line's end */
    char kinds[COMMANDS];
    uint32_t sizes[COMMANDS];
    uint32_t made[COMMANDS]; /* how often the change was made */
    uint32_t said;           /* commands */
    uint32_t answered;
    uint64_t news;    /* the last it was told */
    bool is_waiting;  /* for the answer of a command that nothing may follow */
    bool is_idle;     /* the last command it said is to idle */
    bool is_quitting; /* it said all that it will */
    bool is_compressed;
    bool is_paused;
    bool is_tls;
    uint32_t left; /* octets of a literal still to be said */
    char rest[64]; /* of a command's line, still to be said */
    size_t rest_size;
};

struct parked {
    uint32_t id;
    bool is_idle;
};

struct core;

struct model {
    struct world *w;
    struct random random;
    struct client clients[CLIENTS];
    struct deflate_pool *pool;
    struct stream *under; /* the worker's end of the link */
    struct link *link;    /* NULL: the worker is dead */
    struct session_group *group;
    struct core *waiting[CLIENTS * 2]; /* for their commit */
    size_t waiting_count;
    struct parked parked[PARKED_MOST];
    size_t parked_count;
    struct core *idlers[CLIENTS * 2];
    size_t idler_count;
    struct core *cores[CORES_MOST];
    size_t core_count;
    uint64_t news;
    int pokes;
    int deaths; /* since everything was still */
    bool is_calm;
};

static char letters[BODY_MOST + 26];
static uint32_t only_seed; /* 0: all */

/* What all seeds together came by: a walk that never comes anywhere shows nothing. */
static struct {
    uint64_t resumes;
    uint64_t wakeups;
    uint64_t answers;
    uint64_t refusals; /* NO */
    uint64_t layers;
    uint64_t returns; /* to the dialogue */
    uint64_t news;
} reached;

static uint32_t below(struct model *m, uint32_t n)
{
    return random_below(&m->random, n);
}

static bool one_in(struct model *m, uint32_t n)
{
    return below(m, n) == 0;
}

/* ---- the core ---- */

/* Where a session stands: all that another process needs. */
struct stand {
    uint64_t told;    /* news */
    uint64_t left;    /* octets of the literal to come */
    uint32_t client;  /* whose command is under way: an idle one, or with a literal */
    uint32_t command; /* its number */
    bool is_idle;
    bool is_literal;
    bool is_begun; /* octets of the literal have come */
};

struct core {
    struct session base;
    struct model *m;
    const struct session_host *host;
    struct stand stand;
    struct buf in;
    struct stand sealed; /* what the edge has, with */
    bool is_sealed;
    char kind; /* under way, or 0 */
    uint32_t size;
    uint64_t to_say; /* octets of the body */
    bool is_leaving; /* it said that it is none any more */
    bool is_lost;    /* the literal's beginning went with another process */
    bool is_waiting; /* for its commit */
    bool is_made;    /* it has come */
    bool is_new;     /* has not yet answered the login */
    bool is_fresh;   /* there is something new to save */
    uint64_t heard;  /* octets of input to come that a process had that died */
    uint64_t drop;   /* octets of output that the client has */
    char tail[SESSION_SAID_TAIL_MOST];
    size_t tail_size;
};

static void tell(struct core *c, struct buf *out, struct str octets)
{
    size_t n = octets.n < c->drop ? octets.n : (size_t)c->drop;
    size_t known = c->drop <= c->tail_size ? (size_t)c->drop : c->tail_size;
    size_t before = (size_t)c->drop - known; /* of what is dropped, not known by the tail */
    if (n > before) {
        struct str tail = str_make(c->tail + c->tail_size - known, n - before);
        assert_str(str_sub(octets, before, n - before), tail);
    }
    c->drop -= n;
    buf_add(out, str_skip(octets, n));
}

static void tell_answer(struct core *c, struct buf *out, const char *word)
{
    char line[64];
    int n = snprintf(line, sizeof(line), "%u %s\n", c->stand.command, word);
    tell(c, out, str_make(line, (size_t)n));
    c->kind = 0;
    c->is_fresh = true;
}

static void forget(struct core **list, size_t *count, const struct core *c)
{
    for (size_t i = 0; i < *count; i++) {
        if (list[i] == c) {
            list[i] = list[--*count];
            return;
        }
    }
}

/* The number before the next space. */
static uint64_t take_number(struct str *line)
{
    uint64_t n = 0;
    assert_true(str_to_u64(str_split(line, ' '), UINT64_MAX, &n));
    return n;
}

static void begin_command(struct core *c, struct str line)
{
    struct stand *s = &c->stand;
    s->client = (uint32_t)take_number(&line);
    s->command = (uint32_t)take_number(&line);
    c->kind = str_split(&line, ' ').p[0];
    c->size = (uint32_t)take_number(&line);
    c->to_say = c->size;
    if (c->kind == 'l') {
        *s = (struct stand){s->told, c->size, s->client, s->command, false, true, false};
        c->is_fresh = true;
    }
}

/* The next line of the input. False: it is not there. */
static bool read_line(struct core *c, bool *was_heard)
{
    size_t end = str_find_char(buf_str(&c->in), '\n');
    if (end == c->in.len) {
        return false;
    }
    begin_command(c, str_sub(buf_str(&c->in), 0, end));
    *was_heard = c->heard > 0;
    c->heard -= c->heard < end + 1 ? c->heard : end + 1;
    buf_consume(&c->in, end + 1);
    return true;
}

static void begin_change(struct core *c)
{
    c->is_waiting = true;
    c->m->waiting[c->m->waiting_count++] = c;
}

static enum session_want read_literal(struct core *c, struct buf *out)
{
    struct stand *s = &c->stand;
    size_t n = c->in.len < s->left ? c->in.len : (size_t)s->left;
    s->left -= n;
    s->is_begun = s->is_begun || n > 0;
    c->heard -= c->heard < n ? c->heard : n;
    buf_consume(&c->in, n);
    c->is_fresh = c->is_fresh || (n > 0 && one_in(c->m, 20));
    if (s->left > 0) {
        return SESSION_INPUT;
    }
    s->is_literal = false;
    c->kind = 'l';
    if (c->is_lost) {
        tell_answer(c, out, "NO");
        return SESSION_OUTPUT;
    }
    begin_change(c);
    return SESSION_EVENT;
}

static enum session_want tell_body(struct core *c, struct buf *out)
{
    size_t n = c->to_say < SESSION_OUTPUT_MOST ? (size_t)c->to_say : SESSION_OUTPUT_MOST;
    size_t at = (size_t)(c->size - c->to_say) % 26;
    tell(c, out, str_make(letters + at, n));
    c->to_say -= n;
    if (c->to_say == 0) {
        tell(c, out, STR("\n"));
        tell_answer(c, out, "OK");
    }
    return SESSION_OUTPUT;
}

static enum session_want run_command(struct core *c, struct buf *out, bool was_heard)
{
    struct stand *s = &c->stand;
    switch (c->kind) {
    case 'r':
        return tell_body(c, out);
    case 'w':
        if (!was_heard) {
            begin_change(c);
            return SESSION_EVENT;
        }
        tell_answer(c, out, "NO");
        return SESSION_OUTPUT;
    case 'l':
        c->is_lost = was_heard;
        return SESSION_OUTPUT;
    case 'i':
        s->is_idle = true;
        c->m->idlers[c->m->idler_count++] = c;
        tell(c, out, STR("+\n"));
        c->kind = 0;
        c->is_fresh = true;
        return SESSION_OUTPUT;
    case 'd':
        s->is_idle = false;
        forget(c->m->idlers, &c->m->idler_count, c);
        tell_answer(c, out, "OK");
        return SESSION_OUTPUT;
    case 'u':
        c->is_leaving = true;
        tell_answer(c, out, "OK");
        return SESSION_MARK;
    case 'z':
        tell_answer(c, out, "OK");
        return SESSION_MARK;
    default:
        tell_answer(c, out, "OK");
        return SESSION_CLOSE;
    }
}

static void tell_news(struct core *c, struct buf *out)
{
    struct stand *s = &c->stand;
    char line[64];
    if (!s->is_idle || s->told == c->m->news || c->drop > 0) {
        return;
    }
    s->told = c->m->news;
    int n = snprintf(line, sizeof(line), "* %llu\n", (unsigned long long)s->told);
    tell(c, out, str_make(line, (size_t)n));
    c->is_fresh = true;
}

static enum session_want core_step(struct session *base, struct buf *out)
{
    struct core *c = (struct core *)base;
    bool was_heard = false;
    if (one_in(c->m, 12)) {
        return SESSION_OUTPUT; /* it works on something */
    }
    if (c->is_leaving) {
        return SESSION_CLOSE;
    }
    if (c->is_waiting) {
        if (!c->is_made) {
            return SESSION_EVENT;
        }
        c->is_waiting = false;
        c->is_made = false;
        tell_answer(c, out, "OK");
        return SESSION_OUTPUT;
    }
    if (c->is_new) {
        c->is_new = false;
        buf_addf(out, "welcome %llu\n", (unsigned long long)c->stand.told);
        return SESSION_OUTPUT;
    }
    if (c->kind == 'r') {
        return tell_body(c, out);
    }
    if (c->stand.is_literal) {
        return read_literal(c, out);
    }
    size_t before = out->len;
    tell_news(c, out);
    if (out->len > before) {
        return SESSION_OUTPUT;
    }
    return read_line(c, &was_heard) ? run_command(c, out, was_heard) : SESSION_INPUT;
}

static void core_feed(struct session *base, struct str octets)
{
    buf_add(&((struct core *)base)->in, octets);
}

static size_t core_get_input_backlog(const struct session *base)
{
    return ((const struct core *)base)->in.len;
}

static enum session_mark core_take_mark(struct session *base, struct buf *rest)
{
    struct core *c = (struct core *)base;
    buf_add(rest, buf_str(&c->in));
    buf_clear(&c->in);
    c->heard = 0;
    return c->is_leaving ? SESSION_MARK_UNAUTHENTICATE : SESSION_MARK_COMPRESS;
}

static bool core_save(struct session *base, struct session_save *out)
{
    struct core *c = (struct core *)base;
    bool is_between = c->kind == 0 || (c->stand.is_literal && c->stand.left > 0);
    if (!c->is_fresh || c->is_waiting || c->is_leaving || !is_between || c->drop > 0) {
        return false;
    }
    struct stand s = c->stand;
    c->is_fresh = false;
    s.is_begun = s.is_begun || c->is_lost;
    buf_add(out->state, str_make((const char *)&s, sizeof(s)));
    out->literal = s.is_literal ? s.left : 0;
    out->may_park = !s.is_literal && c->in.len == 0;
    out->watch = s.is_idle ? SESSION_WATCH_MAILBOX : SESSION_WATCH_NONE;
    return true;
}

static void core_free(struct session **base)
{
    struct core *c = (struct core *)*base;
    forget(c->m->waiting, &c->m->waiting_count, c);
    forget(c->m->idlers, &c->m->idler_count, c);
    forget(c->m->cores, &c->m->core_count, c);
    buf_release(&c->in);
    free(c);
    *base = NULL;
}

static const struct session_ops CORE_OPS = {
    .feed = core_feed,
    .get_input_backlog = core_get_input_backlog,
    .step = core_step,
    .take_mark = core_take_mark,
    .save = core_save,
    .is_saved_by_step = true,
    .free = core_free,
};

/* ---- the worker ---- */

/* Makes the changes that wait, or leaves some for the next time. */
static void commit(void *owner)
{
    struct model *m = owner;
    while (m->waiting_count > 0 && (m->is_calm || !one_in(m, 4))) {
        struct core *c = m->waiting[--m->waiting_count];
        struct client *who = &m->clients[c->stand.client % CLIENTS];
        who->made[c->stand.command] += who->name == c->stand.client ? 1 : 0;
        c->is_made = true;
        c->host->wake(c->host->owner);
    }
}

static bool is_as(const struct stand *a, const struct stand *b)
{
    return a->told == b->told && a->left == b->left && a->client == b->client
           && a->command == b->command && a->is_idle == b->is_idle && a->is_literal == b->is_literal
           && a->is_begun == b->is_begun;
}

static bool seal(void *owner, const struct session_save *save, struct buf *out)
{
    struct core *c = owner;
    struct stand now;
    memcpy(&now, save->state->p, sizeof(now));
    bool is_same = c->is_sealed && is_as(&now, &c->sealed);
    if (is_same && !one_in(c->m, 4)) {
        return true; /* it holds on */
    }
    c->sealed = now;
    c->is_sealed = true;
    buf_add(out, buf_str(save->state));
    return true;
}

static void watch(struct model *m, uint32_t id, bool is_idle)
{
    assert_true(m->parked_count < PARKED_MOST);
    m->parked[m->parked_count++] = (struct parked){id, is_idle};
}

static void on_parked(void *owner, const struct session_save *save, uint32_t id)
{
    watch(((struct core *)owner)->m, id, save->watch != SESSION_WATCH_NONE);
}

static void on_keeper_free(void *owner)
{
    (void)owner;
}

static const struct session_keeper KEEPER = {seal, on_parked, on_keeper_free};

static struct core *make_core(struct model *m, struct session_runner *r)
{
    struct core *c = calloc(1, sizeof(*c));
    c->base.ops = &CORE_OPS;
    c->m = m;
    c->host = session_runner_get_host(r);
    c->in = BUF_INIT(1 << 22);
    session_runner_keep(r, &KEEPER, c);
    assert_true(m->core_count < CORES_MOST);
    m->cores[m->core_count++] = c;
    return c;
}

static void on_worker_open(void *owner, struct link *l, struct str head, struct stream *s)
{
    struct model *m = owner;
    struct session_runner *r = session_runner_new(m->group, s);
    struct core *c = make_core(m, r);
    (void)l;
    assert_true(head.n > 0);
    c->stand.told = m->news;
    c->is_new = true;
    c->is_fresh = true;
    session_runner_start(r, &c->base);
}

static void on_worker_resume(void *owner, struct link *l, struct str head, struct str state,
                             struct stream *s)
{
    struct model *m = owner;
    struct session_runner *r = session_runner_new(m->group, s);
    struct core *c = make_core(m, r);
    struct fields f;
    (void)l;
    assert_int_equal(fields_parse(head, &f), ERR_OK);
    assert_int_equal(state.n, sizeof(c->stand));
    memcpy(&c->stand, state.p, sizeof(c->stand));
    c->sealed = c->stand;
    c->is_sealed = true;
    uint64_t gone = fields_get_u64(&f, STR("literal_gone"), 0);
    struct str tail = fields_get(&f, STR("tail"));
    assert_true(gone <= c->stand.left && tail.n <= sizeof(c->tail));
    c->stand.left -= gone;
    c->is_lost = c->stand.is_literal && (gone > 0 || c->stand.is_begun);
    c->is_fresh = gone > 0;
    c->heard = fields_get_u64(&f, STR("heard"), 0);
    c->drop = fields_get_u64(&f, STR("said"), 0);
    c->tail_size = tail.n;
    memcpy(c->tail, tail.n > 0 ? tail.p : "", tail.n);
    fields_release(&f);
    if (c->stand.is_idle) {
        m->idlers[m->idler_count++] = c;
    }
    session_runner_resume(r, &c->base);
}

static void on_worker_park(void *owner, struct link *l, uint32_t id, struct str head,
                           struct str state)
{
    struct model *m = owner;
    struct stand s;
    (void)head;
    assert_int_equal(state.n, sizeof(s));
    memcpy(&s, state.p, sizeof(s));
    if (s.is_idle && s.told < m->news) {
        link_wake(l, id);
        return;
    }
    watch(m, id, s.is_idle);
}

static void on_worker_forget(void *owner, struct link *l, uint32_t id)
{
    struct model *m = owner;
    (void)l;
    for (size_t i = 0; i < m->parked_count; i++) {
        if (m->parked[i].id == id) {
            m->parked[i] = m->parked[--m->parked_count];
            return;
        }
    }
}

static const struct link_handler WORKER = {
    .on_open = on_worker_open,
    .on_resume = on_worker_resume,
    .on_park = on_worker_park,
    .on_forget = on_worker_forget,
};

static void come(struct model *m)
{
    struct stream *near = NULL;
    stream_pair(m->w->loop, &near, &m->under);
    edge_add_peer(m->w->edge, ROLE_STORE, 0, near);
    m->group = session_group_new(m->w->loop, commit, m);
    session_group_set_park(m->group, 50);
    session_group_set_news_window(m->group, one_in(m, 2) ? 20 : 0);
    m->link = link_new(m->w->loop, m->under, ROLE_EDGE, 0, &WORKER, m);
}

static void die(struct model *m)
{
    link_free(&m->link);
    session_group_free(&m->group);
    assert_int_equal(m->waiting_count, 0);
    assert_int_equal(m->idler_count + m->core_count, 0);
    m->parked_count = 0;
    m->under = NULL;
}

static void bring_news(struct model *m)
{
    m->news++;
    for (size_t i = 0; i < m->idler_count; i++) {
        m->idlers[i]->host->wake_soon(m->idlers[i]->host->owner);
    }
    for (size_t i = m->parked_count; i-- > 0;) {
        if (m->parked[i].is_idle) {
            link_wake(m->link, m->parked[i].id);
            m->parked[i] = m->parked[--m->parked_count];
        }
    }
}

/* ---- auth, who believes everybody ---- */

static void on_auth_request(void *owner, struct link *l, uint32_t id, struct str body)
{
    struct model *m = owner;
    struct buf octets = BUF_INIT(4096);
    struct buf b = BUF_INIT(8192);
    struct fields f;
    assert_int_equal(fields_parse(body, &f), ERR_OK);
    struct ticket t = {
        .user = STR("anna"),
        .auth_user = STR("anna"),
        .service = SERVICE_IMAP,
        .edge_id = STR("edge"),
        .expires_ms = 1,
    };
    struct str old = fields_get(&f, STR("ticket"));
    struct str nonce = fields_get(&f, STR("nonce"));
    if (old.n > 0) { /* again: it was not taken in time */
        struct ticket before;
        assert_int_equal(ticket_read(old, &before), ERR_OK);
        memcpy(t.nonce, before.nonce, sizeof(t.nonce));
    } else {
        assert_int_equal(nonce.n, sizeof(t.nonce));
        memcpy(t.nonce, nonce.p, nonce.n);
    }
    assert_int_equal(ticket_issue(m->w->signer, &t, &octets), ERR_OK);
    fields_add(&b, STR("result"), STR("ok"));
    fields_add(&b, STR("ticket"), buf_str(&octets));
    link_reply(l, id, buf_str(&b));
    fields_release(&f);
    buf_release(&b);
    buf_release(&octets);
}

static const struct link_handler AUTH = {.on_request = on_auth_request};

/* ---- clients ---- */

static const struct stream_handler CLIENT;

static void wrap(struct client *c, struct stream *s)
{
    c->s = s;
    stream_set_handler(s, &CLIENT, c);
    c->is_paused = false;
}

/* What it heard behind the line belongs to the layer. */
static void start_layer(struct client *c, size_t line_end)
{
    struct stream *under = c->s;
    struct str early = str_skip(buf_str(&c->heard), line_end);
    c->is_compressed = true;
    c->s = NULL;
    wrap(c, deflate_new(c->m->pool, under, early));
    buf_clear(&c->heard);
    c->is_waiting = false;
}

static void on_body(struct client *c, struct str line)
{
    uint32_t size = c->sizes[c->answered];
    assert_int_equal(c->kinds[c->answered], 'r');
    assert_int_equal(line.n, size);
    assert_memory_equal(line.p, letters, size);
    c->kinds[c->answered] = 'R'; /* its OK follows */
}

static void on_answer_line(struct client *c, struct str line, size_t line_end)
{
    uint32_t number = (uint32_t)take_number(&line);
    assert_int_equal(number, c->answered);
    char kind = c->kinds[number];
    bool is_change = kind == 'w' || kind == 'l';
    bool is_ok = str_eq(line, STR("OK"));
    assert_true(is_ok || (is_change && str_eq(line, STR("NO"))));
    assert_true(kind != 'r' && kind != 'i');
    assert_int_equal(c->made[number], is_change && is_ok ? 1 : c->made[number]);
    assert_true(c->made[number] <= 1);
    c->answered++;
    reached.answers++;
    reached.refusals += is_ok ? 0 : 1;
    reached.layers += kind == 'z' ? 1 : 0;
    reached.returns += kind == 'u' ? 1 : 0;
    if (kind == 'z') {
        start_layer(c, line_end);
    } else if (kind == 'u') {
        c->is_waiting = false;
        c->phase = LOGIN;
    }
}

static void log_in_now(struct client *c)
{
    c->phase = LOGIN;
    stream_write(c->s, STR("a LOGIN u p\r\n"));
}

static void on_stranger_line(struct client *c, struct str line)
{
    if (str_starts(line, STR("* OK")) && c->is_tls) {
        stream_write(c->s, STR("x STARTTLS\r\n"));
    } else if (str_starts(line, STR("x OK"))) {
        struct stream *plain = c->s;
        c->s = NULL;
        buf_clear(&c->heard);
        wrap(c, tls_client_new(c->m->w->loop, c->m->w->client_tls, plain, STR("mail.example")));
        log_in_now(c);
    } else if (str_starts(line, STR("* OK"))) {
        log_in_now(c);
    } else if (str_starts(line, STR("a NO [UNAVAILABLE]"))) {
        c->phase = REFUSED;
    } else {
        assert_str(str_split(&line, ' '), STR("welcome"));
        c->news = take_number(&line);
        c->phase = IN;
    }
}

static void on_news(struct client *c, struct str line)
{
    assert_str(str_split(&line, ' '), STR("*"));
    uint64_t n = take_number(&line);
    assert_true(n > c->news && n <= c->m->news);
    c->news = n;
    reached.news++;
}

static void on_line(struct client *c, struct str line, size_t line_end)
{
    if (c->phase != IN) {
        on_stranger_line(c, line);
        return;
    }
    if (line.n > 0 && line.p[0] == '*') {
        on_news(c, line);
    } else if (str_eq(line, STR("+"))) {
        assert_int_equal(c->kinds[c->answered], 'i');
        c->answered++;
    } else if (c->answered < c->said && c->kinds[c->answered] == 'r') {
        on_body(c, line);
    } else {
        assert_true(c->answered < c->said);
        on_answer_line(c, line, line_end);
    }
}

static void on_client_octets(void *owner, struct str octets)
{
    struct client *c = owner;
    buf_add(&c->heard, octets);
    size_t end = c->looked + str_find_char(str_skip(buf_str(&c->heard), c->looked), '\n');
    while (end < c->heard.len) {
        struct stream *s = c->s;
        on_line(c, str_sub(buf_str(&c->heard), 0, end), end + 1);
        c->looked = 0;
        if (c->s != s) {
            return; /* the rest went to the layer */
        }
        buf_consume(&c->heard, end + 1);
        end = str_find_char(buf_str(&c->heard), '\n');
    }
    c->looked = c->heard.len;
}

static void on_client_drained(void *owner)
{
    (void)owner;
}

static void on_client_end(void *owner, enum err why)
{
    struct client *c = owner;
    assert_true(why == ERR_OK || why == ERR_PEER_GONE);
    assert_true(c->is_quitting);
    assert_int_equal(c->answered, c->said);
    assert_int_equal(c->heard.len, 0);
    stream_free(&c->s);
    c->phase = OVER;
}

static const struct stream_handler CLIENT = {on_client_octets, on_client_drained, on_client_end};

static void come_in(struct client *c)
{
    struct model *m = c->m;
    struct stream *near = NULL;
    struct stream *far = NULL;
    struct sockaddr_storage peer = address("127.0.0.1", 5000);
    struct sockaddr_storage local = address("127.0.0.1", 143);
    buf_release(&c->heard);
    *c = (struct client){
        .m = m, .name = c->name + CLIENTS, .phase = GREETED, .heard = BUF_INIT(1 << 24)};
    c->is_tls = one_in(m, 4);
    stream_pair(m->w->loop, &near, &far);
    stream_pair_set_piece(near, one_in(m, 2) ? 0 : 1 + below(m, 20000));
    stream_pair_set_piece(far, one_in(m, 2) ? 0 : 1 + below(m, 20000));
    wrap(c, near);
    edge_accept(m->w->edge, SERVICE_IMAP, far, &peer, &local);
}

static void hang_up(struct client *c)
{
    stream_free(&c->s);
    c->phase = OVER;
}

static void say_literal(struct client *c)
{
    uint32_t n = one_in(c->m, 2) ? c->left : below(c->m, c->left + 1);
    stream_write(c->s, str_make(letters, n));
    c->left -= n;
}

/* What is left of it comes later. */
static void say_line(struct client *c, const char *line, size_t n)
{
    size_t first = one_in(c->m, 3) ? below(c->m, (uint32_t)n) : n;
    stream_write(c->s, str_make(line, first));
    memcpy(c->rest, line + first, n - first);
    c->rest_size = n - first;
}

static void say_rest(struct client *c)
{
    stream_write(c->s, str_make(c->rest, c->rest_size));
    c->rest_size = 0;
    if (c->kinds[c->said - 1] == 'u') {
        stream_write(c->s, STR("a LOGIN u p\r\n")); /* it comes back from the session */
    }
}

static void command(struct client *c, char kind, uint32_t size)
{
    char line[64];
    int n = snprintf(line, sizeof(line), "%u %u %c %u\n", c->name, c->said, kind, size);
    c->kinds[c->said] = kind;
    c->sizes[c->said] = size;
    c->said++;
    say_line(c, line, (size_t)n);
    c->is_idle = kind == 'i';
    c->is_waiting = kind == 'z' || kind == 'u';
    c->is_quitting = kind == 'q';
    c->left = kind == 'l' ? size : 0;
    if (c->rest_size == 0 && kind == 'u') {
        say_rest(c);
    }
}

static uint32_t pick_size(struct model *m)
{
    static const uint32_t MOST[] = {1, 100, 20000, BODY_MOST};
    return 1 + below(m, MOST[below(m, 4)]);
}

/* How often each comes. */
static const char KINDS[] = "rrrrrrrrrrrrrrrrwwwwwwwwlllllliiiiiiizzqu";

static void begin_something(struct client *c)
{
    struct model *m = c->m;
    char kind = KINDS[below(m, sizeof(KINDS) - 1)];
    uint32_t size = kind == 'l' ? pick_size(m) % 60000 + 1 : pick_size(m);
    bool changes_layer = kind == 'z' || kind == 'u';
    if (c->said - c->answered < AHEAD_MOST && !(changes_layer && c->is_compressed)) {
        command(c, kind, kind == 'l' || kind == 'r' ? size : 0);
    }
}

static void talk_on(struct client *c)
{
    if (c->rest_size > 0) {
        say_rest(c);
    } else if (c->is_waiting || c->is_quitting) {
        return;
    } else if (c->left > 0) {
        say_literal(c);
    } else if (c->is_idle) {
        command(c, 'd', 0);
    } else {
        begin_something(c);
    }
}

static void talk(struct client *c)
{
    bool is_full = stream_get_queued(c->s) > STREAM_HIGH_WATER;
    if (c->phase == IN && c->said < COMMANDS && !is_full) {
        talk_on(c);
    }
}

static void set_paused(struct client *c, bool is_paused)
{
    if (c->s == NULL) {
        return;
    }
    c->is_paused = is_paused;
    if (is_paused) {
        stream_pause(c->s);
    } else {
        stream_resume(c->s);
    }
}

/* No more from it: it still hears all. */
static void end_half(struct client *c)
{
    bool is_between = c->left == 0 && c->rest_size == 0;
    if (c->phase == IN && !c->is_waiting && is_between && !c->is_quitting) {
        c->is_quitting = true;
        stream_shutdown(c->s);
    }
}

/* ---- the walk ---- */

static void act_on_client(struct client *c, uint32_t what)
{
    if (c->s == NULL) {
        come_in(c);
    } else if (c->phase == REFUSED) {
        log_in_now(c);
    } else if (what < 70) {
        talk(c);
    } else if (what < 80) {
        set_paused(c, true);
    } else if (what < 95) {
        set_paused(c, false);
    } else if (what == 95) {
        end_half(c);
    } else if (what == 96) {
        hang_up(c);
    }
}

static void act_on_road(struct model *m)
{
    if (!link_is_up(m->link)) {
        return;
    }
    stream_pair_set_piece(m->under, one_in(m, 3) ? 0 : 1 + below(m, 70000));
    if (one_in(m, 3)) {
        stream_pause(m->under);
    } else {
        stream_resume(m->under);
    }
}

/* Nobody asked for it. */
static void wake_somebody(struct model *m)
{
    if (m->core_count > 0) {
        const struct session_host *host = m->cores[below(m, (uint32_t)m->core_count)]->host;
        (one_in(m, 2) ? host->wake : host->wake_soon)(host->owner);
    }
}

static void act(struct model *m)
{
    uint32_t what = below(m, 100);
    if (what < 4) {
        bring_news(m);
    } else if (what < 6) {
        wake_somebody(m);
    } else if (what == 6 && m->group != NULL && one_in(m, 4)) {
        session_group_drain(m->group);
    } else if (what < 13) {
        act_on_road(m);
    } else if (what < 15 && m->link != NULL && m->deaths < DEATHS_MOST) {
        m->deaths++;
        die(m);
    } else if (m->link == NULL && what < 30) {
        come(m);
    } else {
        act_on_client(&m->clients[below(m, CLIENTS)], below(m, 100));
    }
}

static void poke(void *owner)
{
    struct model *m = owner;
    if (m->is_calm) {
        return;
    }
    act(m);
    if (--m->pokes > 0) {
        loop_defer(m->w->loop, poke, m);
    }
}

static void check_client(struct client *c)
{
    assert_true(c->phase == AWAY || c->phase == IN || c->phase == OVER);
    if (c->phase != IN) {
        return;
    }
    assert_true(!c->is_quitting || c->rest_size > 0);
    assert_int_equal(c->answered + (c->left > 0 || c->rest_size > 0 ? 1 : 0), c->said);
    assert_int_equal(c->heard.len, 0);
    assert_int_equal(stream_get_queued(c->s), 0);
    assert_true(!c->is_idle || c->rest_size > 0 || c->news == c->m->news);
}

/* Everybody listens, the worker is there, and nothing else happens: then nobody waits. */
static void settle(struct model *m)
{
    size_t count = 0;
    m->is_calm = true;
    if (m->link == NULL) {
        come(m);
    }
    stream_resume(m->under);
    for (size_t i = 0; i < CLIENTS; i++) {
        set_paused(&m->clients[i], false);
    }
    loop_run(m->w->loop);
    for (size_t i = 0; i < CLIENTS; i++) {
        if (m->clients[i].phase == REFUSED) {
            log_in_now(&m->clients[i]);
        }
    }
    loop_advance(m->w->loop, 500);
    for (size_t i = 0; i < CLIENTS; i++) {
        check_client(&m->clients[i]);
        count += m->clients[i].phase == IN ? 1 : 0;
    }
    assert_int_equal(edge_get_count(m->w->edge), count);
    m->deaths = 0;
    m->is_calm = false;
}

static void open_house(struct model *m)
{
    struct edge_settings s = SETTINGS;
    struct stream *near = NULL;
    struct stream *far = NULL;
    s.tls_context = m->w->tls;
    s.workers = 1;
    s.connections_most = 2 * CLIENTS;
    s.strangers_most = 2 * CLIENTS;
    edge_free(&m->w->edge);
    m->w->edge = edge_new(m->w->loop, &s);
    link_free(&m->w->auth.link);
    stream_pair(m->w->loop, &near, &far);
    edge_add_peer(m->w->edge, ROLE_AUTH, 0, near);
    m->w->auth.link = link_new(m->w->loop, far, ROLE_EDGE, 0, &AUTH, m);
}

static void run_seed(struct world *w, uint32_t seed)
{
    static struct model m;
    m = (struct model){.w = w, .random = {seed * UINT64_C(0x9e3779b97f4a7c15)}};
    open_house(&m);
    m.pool = deflate_pool_new(w->loop, 2);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        m.clients[i] = (struct client){.m = &m, .name = i, .heard = BUF_INIT(1)};
    }
    come(&m);
    for (int i = 0; i < ACTIONS; i++) {
        act(&m);
        m.pokes = (int)below(&m, 6);
        if (m.pokes > 0) {
            loop_defer(w->loop, poke, &m);
        }
        if (one_in(&m, 2)) {
            loop_run(w->loop);
        }
        if (one_in(&m, 6)) {
            loop_advance(w->loop, below(&m, 100));
        }
        if (one_in(&m, 50)) {
            settle(&m);
        }
    }
    settle(&m);
    reached.resumes += edge_get_counts(w->edge).resumes;
    reached.wakeups += edge_get_counts(w->edge).wakeups;
    for (size_t i = 0; i < CLIENTS; i++) {
        stream_free(&m.clients[i].s);
        buf_release(&m.clients[i].heard);
    }
    die(&m);
    loop_advance(w->loop, 1000);
    deflate_pool_free(&m.pool);
}

static void test_model(void **state)
{
    struct world *w = *state;
    uint32_t only = only_seed;
    unsigned seeds = unit_rounds(SEEDS);
    for (size_t i = 0; i < sizeof(letters); i++) {
        letters[i] = (char)('a' + i % 26);
    }
    for (uint32_t seed = only > 0 ? only : 1; seed <= (only > 0 ? only : seeds); seed++) {
        print_message("seed %u\n", seed);
        run_seed(w, seed);
    }
    if (only == 0) {
        assert_true(reached.resumes > 10 * seeds && reached.wakeups > 5 * seeds);
        assert_true(reached.answers > 50 * seeds && reached.refusals > seeds);
        assert_true(reached.layers > seeds && reached.returns > seeds && reached.news > 5 * seeds);
    }
}

int main(int argc, char **argv)
{
    only_seed = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_model, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
