/* A session in another account.
 *
 *     this worker owns the account ------> a session core, fed and stepped by this one, as a part of it
 *     another worker does ---- link -----> a session core there, run like those of clients
 *
 * Both speak the same octets: first "ok" LF, or "no <name of the error>" LF when it could not be opened; then it is IMAP.
 * What comes is kept up to READ_AHEAD_MOST, then the stream is paused; a core in this process is only stepped when nothing
 * it said is left. So a client that reads slowly stops the session in the other account as it would stop its own.
 *
 * One that is kept outlives the process at its other end, and can be had as octets: peer_saved.c.
 *
 * A core wakes us from within a commit, or from within its own step; it is then stepped by the next call from our session,
 * never from inside the wake-up. */
#include "imap/peer.h"

#include "base/log.h"
#include "base/mem.h"
#include "imap/peer_priv.h"
#include "net/stream.h"
#include "wire/imap_reply.h"

#include <stdlib.h>

enum { READ_AHEAD_MOST = 64 * 1024, IN_MOST = 16 * 1024 * 1024, OPENED_MOST = 64 };

void peer_wake(const struct peer *p)
{
    const struct session_host *host = &p->session->args.session_host;
    host->wake(host->owner);
}

/* ---- in this process ---- */

static void on_core_wake(void *owner)
{
    struct peer *p = owner;
    p->is_due = true;
    peer_wake(p);
}

static void on_core_wake_soon(void *owner)
{
    struct peer *p = owner;
    const struct session_host *host = &p->session->args.session_host;
    p->is_due = true;
    (host->wake_soon != NULL ? host->wake_soon : host->wake)(host->owner);
}

void peer_end(struct peer *p, enum err why)
{
    p->is_ended = true;
    p->err = p->err == ERR_OK ? why : p->err;
}

void peer_step(struct peer *p)
{
    if (p->core == NULL || !p->is_due) {
        return;
    }
    p->is_due = false;
    size_t before = p->in.len;
    enum session_want want = p->core->ops->step(p->core, &p->in);
    p->is_state_whole = p->is_state_whole && p->in.len == before;
    p->is_unsaved = true;
    p->far = (struct session_far){0};
    p->is_due = p->is_due || want == SESSION_OUTPUT;
    if (want == SESSION_CLOSE || p->in.is_full) {
        p->core->ops->free(&p->core);
        peer_end(p, ERR_UNAVAILABLE);
    }
}

static void open_here(struct peer *p, struct imap_session_args *args, struct str state)
{
    struct session_save was;
    struct session_resume r = {.state = state};
    args->session_host = (struct session_host){on_core_wake, p, on_core_wake_soon};
    enum err e = state.n == 0 ? imap_session_new(args, &p->core) : peer_open_state(&r, &was);
    if (e == ERR_OK && state.n > 0) {
        e = imap_session_resume(args, &r, &p->core);
    }
    if (e != ERR_OK) {
        peer_end(p, e == ERR_NOT_FOUND ? ERR_NO_MAILBOX : e);
        return;
    }
    p->is_due = true;
}

/* ---- at another worker ---- */

static void on_octets(void *owner, struct str octets)
{
    struct peer *p = owner;
    p->far = (struct session_far){0};
    if (p->keep != NULL) {
        keep_note_output(p->keep, octets);
    }
    buf_add(&p->in, octets);
    if (p->in.len - p->in_at > READ_AHEAD_MOST && !p->is_paused) {
        p->is_paused = true;
        stream_pause(p->stream);
    }
    peer_wake(p);
}

static void on_drained(void *owner)
{
    peer_wake(owner);
}

static void on_end(void *owner, enum err why)
{
    struct peer *p = owner;
    (void)why;
    if (p->keep == NULL || !peer_go_away(p)) {
        peer_end(p, ERR_UNAVAILABLE);
    }
    peer_wake(p);
}

static const struct stream_handler HANDLER = {on_octets, on_drained, on_end};

void peer_write_head(const struct peer *p, const struct imap_session_args *args, struct buf *out)
{
    fields_add(out, STR("service"), STR("peer"));
    fields_add_u64(out, STR("log"), log_get_about());
    fields_add(out, STR("user"), args->user);
    fields_add(out, STR("asker"), args->asker);
    fields_add(out, STR("prefix"), args->prefix);
    fields_add(out, STR("modes"), args->modes);
    fields_add(out, STR("local"), args->local);
    fields_add_u64(out, STR("port"), args->port);
    fields_add_u64(out, STR("kept"), p->is_kept ? 1 : 0);
}

void peer_read_head(const struct fields *head, struct imap_session_args *args)
{
    args->user = fields_get(head, STR("user"));
    args->asker = fields_get(head, STR("asker"));
    args->prefix = fields_get(head, STR("prefix"));
    args->modes = fields_get(head, STR("modes"));
    args->local = fields_get(head, STR("local"));
    args->port = (uint16_t)fields_get_u64(head, STR("port"), 0);
    args->is_peer = true;
}

void peer_write_refusal(struct buf *out, enum err why)
{
    buf_addf(out, "no %s\n", err_get_info(why)->name);
}

static enum err find_err(struct str name)
{
    for (enum err e = ERR_OK + 1; e < ERR_COUNT; e++) {
        if (str_eq(name, str_from_c(err_get_info(e)->name))) {
            return e == ERR_NOT_FOUND ? ERR_NO_MAILBOX : e;
        }
    }
    return ERR_UNAVAILABLE;
}

/* The first line of one at another worker. */
static void read_opened(struct peer *p)
{
    struct str rest = str_skip(buf_str(&p->in), p->in_at);
    size_t line_end = str_find_char(rest, '\n');
    if (line_end == rest.n) {
        p->is_ended = p->is_ended || rest.n > OPENED_MOST;
        return;
    }
    struct str line = str_sub(rest, 0, line_end);
    p->in_at += line_end + 1;
    p->is_opening = false;
    if (!str_eq(line, STR("ok"))) {
        p->err = str_starts(line, STR("no ")) ? find_err(str_skip(line, 3)) : ERR_UNAVAILABLE;
        p->is_ended = true;
    }
}

/* ---- both ---- */

void peer_open(struct peer *p, struct str state)
{
    struct imap_session *s = p->session;
    const struct imap_host *host = s->args.host;
    struct imap_session_args args = s->args;
    CLEANUP(buf_release) struct buf modes = BUF_INIT(LINK_OPEN_MOST);
    session_write_modes(s, &modes);
    args.user = buf_str(&p->owner);
    args.prefix = buf_str(&p->prefix);
    args.tag = STR_EMPTY;
    args.modes = buf_str(&modes);
    args.is_peer = true;
    buf_clear(&p->head);
    peer_write_head(p, &args, &p->head);
    if (p->keep != NULL) {
        keep_write_fields(p->keep, &p->head);
    }
    if (buf_err(&p->head) != ERR_OK) {
        peer_end(p, ERR_NO_MAILBOX);
        return;
    }
    p->is_opening = state.n == 0;
    if (host->open_peer != NULL) {
        p->stream = host->open_peer(host->owner, args.user, buf_str(&p->head), state);
    }
    if (p->stream == NULL) {
        open_here(p, &args, state);
        return;
    }
    stream_set_handler(p->stream, &HANDLER, p);
    if (p->is_kept && p->keep == NULL) {
        peer_begin_keep(p, state);
    }
    if (p->is_kept) {
        peer_hear_states(p);
    }
}

static struct peer *make(struct imap_session *s, const struct place *place, struct str state,
                         bool is_kept)
{
    struct peer *p = mem_new(sizeof(*p));
    p->session = s;
    p->is_kept = is_kept;
    buf_init(&p->in, IN_MOST);
    p->owner = BUF_INIT(LINK_OPEN_MOST);
    p->prefix = BUF_INIT(LINK_OPEN_MOST);
    p->head = BUF_INIT(LINK_OPEN_MOST);
    p->state = BUF_INIT(LINK_STATE_MOST);
    buf_add(&p->owner, place->owner);
    buf_add(&p->prefix, place->prefix);
    list_init(&p->wait.node);
    peer_open(p, state);
    return p;
}

struct peer *peer_new(struct imap_session *s, const struct place *place)
{
    return make(s, place, STR_EMPTY, false);
}

struct peer *peer_new_kept(struct imap_session *s, const struct place *place, struct str state)
{
    return make(s, place, state, true);
}

void peer_free(struct peer **p)
{
    if (*p == NULL) {
        return;
    }
    if ((*p)->core != NULL) {
        (*p)->core->ops->free(&(*p)->core);
    }
    stream_free(&(*p)->stream);
    list_remove(&(*p)->wait.node);
    keep_free(&(*p)->keep);
    buf_release(&(*p)->in);
    buf_release(&(*p)->owner);
    buf_release(&(*p)->prefix);
    buf_release(&(*p)->head);
    buf_release(&(*p)->state);
    free(*p);
    *p = NULL;
}

void peer_write(struct peer *p, struct str octets)
{
    if (p->is_ended) {
        return;
    }
    p->is_state_whole = false;
    if (p->keep != NULL) {
        keep_note_input(p->keep, octets);
    }
    if (p->is_away) {
        return; /* what is noted follows */
    }
    if (p->stream != NULL) {
        stream_write(p->stream, octets);
        return;
    }
    p->core->ops->feed(p->core, octets);
    p->is_due = true;
}

/* The number in a literal's mark, which ends the line. */
static struct str find_number(struct str line)
{
    struct str digits = str_skip(line, str_find_last_char(line, '{') + 1);
    size_t n = 0;
    while (n < digits.n && ascii_is_digit(digits.p[n])) {
        n++;
    }
    return str_sub(digits, 0, n);
}

void peer_write_command(struct peer *p, struct str text)
{
    for (;;) {
        size_t line_end = str_find_char(text, '\n');
        if (line_end == text.n) {
            peer_write(p, text);
            return;
        }
        struct str number = find_number(str_sub(text, 0, line_end));
        uint64_t size = 0;
        (void)str_to_u64(number, SIZE_MAX, &size);
        peer_write(p, str_make(text.p, (size_t)(number.p - text.p) + number.n));
        peer_write(p, STR("+}\r\n"));
        text = str_skip(text, line_end + 1);
        peer_write(p, str_sub(text, 0, (size_t)size));
        text = str_skip(text, (size_t)size);
    }
}

bool peer_is_full(struct peer *p)
{
    if (p->is_away) {
        return keep_get_log(p->keep).n > STREAM_HIGH_WATER;
    }
    if (p->stream != NULL) {
        return !p->is_ended && stream_get_queued(p->stream) > STREAM_HIGH_WATER;
    }
    while (p->core != NULL && p->is_due
           && p->core->ops->get_input_backlog(p->core) > SESSION_BACKLOG_MOST) {
        peer_step(p);
    }
    return p->core != NULL && p->core->ops->get_input_backlog(p->core) > SESSION_BACKLOG_MOST;
}

/* Lets something more come, if it is there. */
static void pull(struct peer *p)
{
    buf_consume(&p->in, p->in_at);
    p->in_at = 0;
    if (p->stream != NULL && p->is_paused && !p->is_ended) {
        p->is_paused = false;
        stream_resume(p->stream);
    }
    peer_step(p);
    if (p->is_opening) {
        read_opened(p);
    }
}

static enum step give(struct peer *p, struct str *out)
{
    *out = str_skip(buf_str(&p->in), p->in_at);
    p->given = out->n;
    return STEP_DONE;
}

enum step peer_read_more(struct peer *p, struct str *out)
{
    pull(p);
    if (!p->is_opening && p->in.len - p->in_at > p->given) {
        return give(p, out);
    }
    return p->is_ended ? STEP_BAD : STEP_MORE;
}

enum step peer_read(struct peer *p, struct str *out)
{
    bool has_some = !p->is_opening && p->in.len > p->in_at;
    return has_some ? give(p, out) : peer_read_more(p, out);
}

void peer_use(struct peer *p, size_t n)
{
    p->in_at += n;
    p->given = 0;
}

void peer_shrink(struct peer *p)
{
    buf_consume(&p->in, p->in_at);
    p->in_at = 0;
    buf_shrink(&p->in);
}

enum err peer_get_err(const struct peer *p)
{
    return p->err == ERR_OK ? ERR_UNAVAILABLE : p->err;
}

enum step peer_ask(struct peer *p, struct imap_reply *r, bool is_stopped, struct str *line)
{
    struct str in = STR_EMPTY;
    size_t used = 0;
    enum step step = peer_read(p, &in);
    while (step == STEP_DONE) {
        enum imap_reply_event event = imap_reply_next(r, in, &used);
        if (event == IMAP_REPLY_MORE) {
            step = peer_read_more(p, &in);
            continue;
        }
        peer_use(p, used);
        if (event == IMAP_REPLY_TAGGED || (is_stopped && event == IMAP_REPLY_CONTINUE)) {
            *line = str_sub(in, 0, used);
            return STEP_DONE;
        }
        step = peer_read(p, &in);
    }
    return step;
}
