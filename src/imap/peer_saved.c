/* A session in another account outlives processes: ours, and the one where the account is.
 *
 *     client -- edge -- our session, in process A -- session in the other account, in process B
 *                state of both <------ SAVE           state <------ SAVE
 *
 * To the session at B we are what an edge is to us: B says where it stands with the octets that it says (net/link.h), we keep that, what
 * we said since, and how much we heard (net/keep.h).
 *
 *     B dies   The worker that comes after it gets the state, and what we said since; what we heard already is left out. A command that
 *              was under way there goes on, or hears NO [UNAVAILABLE] (again.c). Until that worker is there, we wait; for as long as
 *              it takes when nothing is under way, else until the host finds that it is late.
 *     A dies   Our own state holds that of B (resume.c), from a moment when all that B had said was passed on; who goes on for us opens
 *              the session at B with it. The one that B still has ends with the link.
 *
 * A session in our own process is asked for its state, which stays with us: it has no death of its own.
 *
 * The form of a state:
 *
 *     octets   field
 *     1        what wakes it (enum session_watch); and MAY_PARK, when nothing was under way
 *     8        the mailbox that does, little-endian
 *     rest     what the core saved
 *
 * It is not sealed: who may ask B for a session in an account may ask for a new one, too; rights are looked at again. */
#include "imap/peer_priv.h"

#include "base/log.h"
#include "base/scan.h"

enum { TRIES_MOST = 8, MAY_PARK = 128 };

void peer_seal_state(const struct session_save *save, struct buf *out)
{
    buf_add_char(out, (char)((unsigned)save->watch | (save->may_park ? MAY_PARK : 0U)));
    buf_add_le64(out, save->mailbox_id);
    buf_add(out, buf_str(save->state));
}

enum err peer_open_state(struct session_resume *r, struct session_save *out)
{
    struct scan c = scan_make(r->state);
    struct str watch = scan_take(&c, 1, "what wakes it");
    *out = (struct session_save){.mailbox_id = scan_le64(&c)};
    unsigned bits = scan_is_ok(&c) ? (uint8_t)watch.p[0] : 0;
    if (!scan_is_ok(&c) || (bits & ~(unsigned)MAY_PARK) > SESSION_WATCH_ACCOUNT) {
        return ERR_CORRUPT;
    }
    out->watch = (enum session_watch)(bits & ~(unsigned)MAY_PARK);
    out->may_park = (bits & MAY_PARK) != 0;
    r->state = scan_rest(&c);
    return ERR_OK;
}

/* ---- at another worker ---- */

static void on_save(void *owner, const struct link_save *save)
{
    struct peer *p = owner;
    p->far = (struct session_far){0};
    if (!keep_take(p->keep, save)) {
        log_warn("the state of a session in another account is of no use");
    }
    p->is_unsaved = true;
    peer_wake(p);
}

/* Nothing there has a reason to forget it while we are here. */
static void on_park(void *owner)
{
    struct peer *p = owner;
    stream_free(&p->stream);
    peer_end(p, ERR_UNAVAILABLE);
    peer_wake(p);
}

void peer_begin_keep(struct peer *p, struct str state)
{
    struct session_resume r = {.state = state};
    struct session_save was;
    p->keep = keep_new(NULL);
    if (state.n > 0 && peer_open_state(&r, &was) == ERR_OK) {
        struct link_save save = {.state = state, .may_park = was.may_park};
        (void)keep_take(p->keep, &save);
        keep_begin(p->keep);
    }
}

void peer_hear_states(struct peer *p)
{
    static const struct link_keeper KEEPER = {on_save, on_park};
    if (link_can_save(p->stream)) {
        link_set_keeper(p->stream, &KEEPER);
    }
}

static void await(struct peer *p)
{
    const struct imap_host *host = p->session->args.host;
    host->await_peer(host->owner, buf_str(&p->owner), &p->wait);
}

static void on_up(struct imap_peer_wait *w)
{
    struct peer *p = list_entry(w, struct peer, wait);
    p->is_away = false;
    p->far = (struct session_far){0};
    keep_begin(p->keep);
    peer_open(p, keep_get_state(p->keep));
    if (p->stream != NULL) {
        stream_write(p->stream, keep_get_log(p->keep));
    }
    peer_wake(p);
}

/* Whoever sleeps has lost nothing yet. */
static void on_late(struct imap_peer_wait *w)
{
    struct peer *p = list_entry(w, struct peer, wait);
    if (keep_is_dormant(p->keep)) {
        await(p);
        return;
    }
    log_info("a session in another account has waited for its worker for too long");
    p->is_away = false;
    peer_end(p, ERR_UNAVAILABLE);
    peer_wake(p);
}

bool peer_go_away(struct peer *p)
{
    bool was_there = link_can_save(p->stream);
    bool is_cut = !was_there || link_was_cut(p->stream);
    bool is_new = !keep_has_state(p->keep) && (!was_there || keep_is_untouched(p->keep));
    bool can_go_on = keep_has_log(p->keep) && (keep_has_state(p->keep) || is_new)
                     && keep_get_tries(p->keep) < TRIES_MOST;
    if (!is_cut || !can_go_on || p->session->args.host->await_peer == NULL) {
        return false;
    }
    if (was_there) {
        keep_note_cut(p->keep);
    }
    stream_free(&p->stream);
    p->is_paused = false;
    p->is_away = true;
    p->wait.on_up = on_up;
    p->wait.on_late = on_late;
    await(p);
    return true;
}

/* ---- both ---- */

static bool save_here(struct peer *p)
{
    struct buf state = BUF_INIT(SESSION_STATE_MOST);
    struct session_save save = {.state = &state};
    if (p->core->ops->save(p->core, &save) && !state.is_full) {
        p->far = (struct session_far){0};
        buf_clear(&p->state);
        peer_seal_state(&save, &p->state);
        p->may_park = save.may_park;
        p->is_state_whole = !p->state.is_full;
    }
    buf_release(&state);
    return p->is_state_whole;
}

static bool save_there(struct peer *p)
{
    p->may_park = p->stream != NULL && keep_is_dormant(p->keep);
    return keep_has_state(p->keep) && keep_is_untouched(p->keep);
}

static const struct session_far *find_far(struct peer *p, struct str state)
{
    struct session_resume r = {.state = state};
    struct session_save save;
    if (peer_open_state(&r, &save) != ERR_OK || save.watch == SESSION_WATCH_NONE) {
        return NULL;
    }
    p->far = (struct session_far){.user = buf_str(&p->owner),
                                  .head = buf_str(&p->head),
                                  .state = state,
                                  .watch = save.watch,
                                  .mailbox_id = save.mailbox_id};
    return &p->far;
}

bool peer_save(struct peer *p, struct peer_state *out)
{
    bool is_here = p->core != NULL && !p->is_due;
    bool is_there = p->keep != NULL && !p->is_opening;
    bool is_read = p->in_at == p->in.len && !p->is_ended;
    if (!is_read || (!is_here && !is_there) || !(is_here ? save_here(p) : save_there(p))) {
        return false;
    }
    out->owner = buf_str(&p->owner);
    out->prefix = buf_str(&p->prefix);
    out->state = is_here ? buf_str(&p->state) : keep_get_state(p->keep);
    out->may_park = p->may_park;
    out->far = find_far(p, out->state);
    return true;
}

bool peer_is_unsaved(const struct peer *p)
{
    return p->is_unsaved;
}

void peer_note_saved(struct peer *p)
{
    p->is_unsaved = false;
}

void peer_settle(struct peer *p)
{
    while (p->core != NULL && p->is_due && p->in.len == p->in_at) {
        peer_step(p);
    }
}
