/* A session as octets: what of struct imap_session is saved, what is made again, and what is not needed.
 *
 *   saved      user, asker, what was enabled, DEFLATE, the list of capabilities that is owed; the selected mailbox by its id, the
 *              marks of what the client knows (store/rebuild.c), \Recent, "$", rights and keywords as told; the place among
 *              annotations; NOTIFY and live contexts, as octets of their own; what is under way (enum saved_phase); the
 *              beginning of a command that has not come whole.
 *   made       the account, the framing, views, watches; the part cache and a guest's listing when they are needed.
 *   not needed args of the worker (they are those of the process it goes on in); the tag of the login; what a command holds, but
 *              for the four kinds below, for a command under way is run again or refused (again.c); `told` and `own`
 *              marks, which end with the command; is_broken and PHASE_BYE, for such a session has ended.
 *
 * When: whenever the output ends with a line and the state says all that was told. Commands are saved
 *      IDLE       while it waits, and between lines of its news
 *      FETCH      between messages, with the last UID told
 *      any        while its news are told: with its tagged reply, so it is not lost any more
 *      UID ...    while the news before it are told
 *   and a literal that streams with the tag of its command. All others are where they began.
 *
 * News half told are no state of their own: what was told of EXPUNGE is left out of what the client knows (left_out), all else
 * may be told again.
 *
 * A state larger than SESSION_STATE_MOST, packed as it is, leaves out "$" first, then contexts with an order, then all contexts,
 * then NOTIFY, then which messages are \Recent one by one: such a session is not parked, and when its process dies, commands with
 * "$" are refused, the contexts end with NOUPDATE (RFC 5267, 4.3), NOTIFY with NOTIFICATIONOVERFLOW (RFC 5465, 5.8). If even that
 * is too large (half a command, or what one has to say), it is as if nothing could be said now: the state before it holds, and all
 * that came since.
 *
 * A session with a mailbox of another account selected lives in two processes (relay.c). Its state holds that of the session in the
 * other account, from a moment when all that was said there was passed on and all that was passed there was used (peer_saved.c). Rights
 * may be others when it goes on: the session there looks at them before each command and before each news (news.c). */
#include "imap/resume.h"

#include "base/log.h"
#include "imap/again.h"
#include "imap/cmd/list.h"
#include "imap/metadata.h"
#include "imap/relay.h"
#include "imap/saved.h"
#include "imap/session_priv.h"
#include "wire/imap_write.h"

#include <string.h>

/* A state that is a part of another one leaves room for the rest of that. */
enum { PEER_STATE_MOST = SESSION_STATE_MOST - 32 * 1024 };
/* Longer ones stay with the edge as they came, or are said before anything is saved again. */
enum { PARTIAL_MOST = 16 * 1024, SAYING_MOST = 64 * 1024 };
enum { TRY_AGAIN = 64 };
enum { UNSAID_MOST = 16 * 1024, MODES_MOST = 256, GO_AHEAD_SIZE = 12 /* "+ go ahead" CRLF */ };

/* ---- saving ---- */

static bool is_idling(const struct imap_session *s)
{
    return s->cmd.what == &command_idle && s->cmd.is_parsed && !s->cmd.is_relayed;
}

static bool find_running(const struct imap_session *s, struct saved *out)
{
    out->phase = is_idling(s) ? SAVED_IDLE : SAVED_RUNNING;
    return is_idling(s) || s->cmd.is_between;
}

/* What is under way; false: it cannot be said now. */
static bool find_phase(const struct imap_session *s, struct saved *out)
{
    out->command.tag = s->cmd.tag;
    out->phase = SAVED_READ;
    if (s->phase == PHASE_READ || s->phase == PHASE_UNASKED || s->phase == PHASE_FAR) {
        return true;
    }
    if (s->phase == PHASE_MARK) {
        return s->mark == SESSION_MARK_COMPRESS;
    }
    if (s->phase == PHASE_NEWS) {
        out->phase = SAVED_ENDING;
        return true;
    }
    if (s->phase == PHASE_BEFORE) {
        out->phase = SAVED_RUNNING;
        return true;
    }
    bool is_running = s->phase == PHASE_RUN || s->phase == PHASE_EVENT || s->phase == PHASE_LINE;
    if (is_running && s->cmd.is_relayed) {
        out->phase = SAVED_RELAYED;
        return s->errand == NULL && relay_is_selected(s);
    }
    return is_running && find_running(s, out);
}

static void find_command(const struct imap_session *s, struct saved *out)
{
    const struct cmd *cmd = &s->cmd;
    struct saved_command *c = &out->command;
    struct imap_lost lost;
    c->go_aheads = s->go_aheads;
    out->partial = imap_framing_get_partial(s->framing);
    if (out->phase == SAVED_READ && imap_framing_is_lost(s->framing, &lost)) {
        out->phase = SAVED_LITERAL;
        c->tag = lost.tag;
        c->left = lost.left;
        c->err = lost.err;
    }
    if (out->phase == SAVED_RUNNING) {
        c->text = cmd->given;
        c->told = s->phase == PHASE_BEFORE ? 0 : cmd->told_uid;
        c->err = cmd->failure;
    }
    if (out->phase == SAVED_RELAYED) {
        c->name = cmd->what->name;
        c->code = buf_str(&cmd->code);
    }
    if (out->phase == SAVED_ENDING) {
        c->name = cmd->what->name;
        c->code = buf_str(&cmd->code);
        c->said = str_from_c(cmd->text != NULL ? cmd->text : "");
        c->err = cmd->err;
        c->limited_uid = cmd->limited_uid;
    }
    c->is_uid = cmd->is_uid;
    c->is_answered = cmd->is_answered;
    c->tells_all = cmd->tells_all;
}

static void find_selected(const struct imap_session *s, struct saved_selected *out)
{
    const struct selected *sel = &s->selected;
    if (!session_is_selected(s)) {
        return;
    }
    out->mailbox_id = mailbox_get_id(sel->mailbox);
    view_get_mark(sel->known, &out->known);
    numset_copy(&out->left_out, &sel->left_out);
    out->known.count -= news_find_told_removed(&s->news, &out->left_out);
    if (sel->untold != NULL) {
        out->has_untold = true;
        out->is_untold_known = sel->untold == sel->known;
        view_get_mark(sel->untold, &out->untold);
    }
    numset_copy(&out->recent, &sel->recent);
    numset_copy(&out->saved, &sel->saved);
    out->is_saved_lost = sel->is_saved_lost;
    out->is_read_only = sel->is_read_only;
    out->is_count_untold = sel->is_count_untold;
    out->rights = sel->rights;
    out->keywords_told = sel->keywords_told;
}

/* The selected mailbox, when it is another account's. False: that cannot be said now. */
static bool find_far(const struct imap_session *s, struct saved_far *out, struct session_save *save)
{
    struct relay_state r;
    if (!relay_is_selected(s)) {
        return true;
    }
    if (!relay_save(s, &r)) {
        return false;
    }
    out->owner = r.peer.owner;
    out->prefix = r.peer.prefix;
    out->state = r.peer.state;
    out->relay_phase = r.phase;
    out->has_line = r.has_line;
    save->may_park = r.peer.may_park;
    save->far = r.peer.far;
    return true;
}

/* What is left out of a state that is too large, one after the other. */
enum {
    LEAVE_NOTHING,
    LEAVE_SAVED,
    LEAVE_SORTED,
    LEAVE_CONTEXTS,
    LEAVE_NOTIFY,
    LEAVE_RECENT,
    LEAVE_MOST
};

static void leave_sets(struct saved_selected *v, unsigned left_out)
{
    struct numset *recent = &v->recent;
    if (left_out >= LEAVE_SAVED && !numset_is_empty(&v->saved)) {
        numset_clear(&v->saved);
        v->is_saved_lost = true;
    }
    if (left_out >= LEAVE_RECENT && recent->at != NULL && recent->count > 0) {
        /* RFC 3501, 2.3.2: what may be recent or not is recent */
        numset_add(recent, recent->at[0].first, recent->at[recent->count - 1].last);
    }
}

/* Writes it with these left out; false: it does not fit. */
static bool write_without(const struct imap_session *s, struct saved *saved, unsigned left_out,
                          struct buf *out)
{
    const struct contexts *contexts = s->selected.contexts;
    size_t before = out->len;
    size_t most = s->args.is_peer ? PEER_STATE_MOST : SESSION_STATE_MOST;
    CLEANUP(buf_release) struct buf notify = BUF_INIT(SAVED_PLAIN_MOST);
    CLEANUP(buf_release) struct buf live = BUF_INIT(SAVED_PLAIN_MOST);
    leave_sets(&saved->selected, left_out);
    if (s->notify != NULL) {
        notify_write_state(s, left_out < LEAVE_NOTIFY, &notify);
    }
    if (contexts != NULL) {
        enum contexts_kept kept = left_out < LEAVE_SORTED     ? CONTEXTS_ALL
                                  : left_out < LEAVE_CONTEXTS ? CONTEXTS_UNSORTED
                                                              : CONTEXTS_NONE;
        contexts_write_state(contexts, kept, &live);
    }
    saved->notify = buf_str(&notify);
    saved->contexts = buf_str(&live);
    saved_write(saved, out);
    bool fits = !out->is_full && out->len - before <= most && !notify.is_full && !live.is_full;
    if (!fits) {
        buf_truncate(out, before);
        out->is_full = false;
    }
    return fits;
}

/* Writes as much as fits. What did not fit the last time is not tried each time: it costs. False: it cannot be said now. */
static bool write_state(struct imap_session *s, struct saved *saved, struct buf *out)
{
    const struct saved_command *c = &saved->command;
    if (saved->partial.n > PARTIAL_MOST || c->text.n + c->code.n > SAYING_MOST) {
        return false;
    }
    if (s->left_out > LEAVE_NOTHING && ++s->left_out_for == TRY_AGAIN) {
        s->left_out = LEAVE_NOTHING;
        s->left_out_for = 0;
    }
    unsigned left_out = s->left_out;
    while (left_out < LEAVE_MOST && !write_without(s, saved, left_out, out)) {
        left_out++;
    }
    s->left_out = left_out < LEAVE_MOST ? (uint8_t)left_out : LEAVE_NOTHING;
    return left_out < LEAVE_MOST;
}

static enum session_watch get_watch(const struct imap_session *s)
{
    bool is_selected = session_is_selected(s);
    if (s->args.is_peer && s->phase == PHASE_LINE && is_selected) {
        return SESSION_WATCH_MAILBOX; /* also without any wish: the right to be there may end */
    }
    if (s->notify != NULL) {
        bool is_wanted = notify_get_selected_events(s) != 0 && is_selected;
        return notify_watches_others(s) ? SESSION_WATCH_ACCOUNT
               : is_wanted              ? SESSION_WATCH_MAILBOX
                                        : SESSION_WATCH_NONE;
    }
    if (s->phase == PHASE_READ) {
        return SESSION_WATCH_NONE;
    }
    if (s->has_metadata && !s->args.is_peer && !s->cmd.is_relayed) {
        return SESSION_WATCH_ACCOUNT;
    }
    return is_selected ? SESSION_WATCH_MAILBOX : SESSION_WATCH_NONE;
}

static bool is_at_rest(const struct imap_session *s, const struct saved *saved)
{
    bool is_waiting = s->phase == PHASE_READ || s->phase == PHASE_LINE;
    bool is_idling_far =
        saved->phase == SAVED_RELAYED && s->cmd.what == &command_idle && !saved->far.has_line;
    bool is_whole = saved->phase == SAVED_READ || saved->phase == SAVED_IDLE || is_idling_far;
    return is_waiting && is_whole && s->news.phase == NEWS_NONE && !notify_is_waiting(s);
}

static bool can_save(const struct imap_session *s)
{
    bool is_new = s->is_unsaved || relay_is_unsaved(s);
    return is_new && !s->is_over && !again_is_dropping(s) && news_is_between(&s->news);
}

bool imap_session_save(struct session *base, struct session_save *out)
{
    struct imap_session *s = (struct imap_session *)base;
    CLEANUP(buf_release) struct buf modes = BUF_INIT(MODES_MOST);
    struct saved saved = {.user = s->args.user,
                          .asker = s->args.asker,
                          .is_compressed = s->is_compressed,
                          .owes_capability = s->owes_capability,
                          .is_copying = s->is_copying,
                          .place = s->metadata.place};
    out->may_park = true;
    if (!can_save(s) || !find_phase(s, &saved) || !find_far(s, &saved.far, out)) {
        return false;
    }
    session_write_modes(s, &modes);
    saved.modes = buf_str(&modes);
    find_command(s, &saved);
    find_selected(s, &saved.selected);
    bool is_written = write_state(s, &saved, out->state);
    out->heartbeat_s = s->heartbeat_s;
    if (is_written) {
        s->is_unsaved = false;
        relay_note_saved(s);
        out->literal = saved.phase == SAVED_LITERAL ? saved.command.left : 0;
        out->may_park = out->may_park && s->left_out == LEAVE_NOTHING && is_at_rest(s, &saved);
        out->watch = get_watch(s);
        out->mailbox_id = saved.selected.mailbox_id;
    }
    saved_release(&saved);
    return is_written;
}

/* ---- going on ---- */

static enum err restore_views(struct imap_session *s, const struct saved_selected *v)
{
    struct selected *sel = &s->selected;
    const struct numset none = NUMSET_INIT;
    TRY(mailbox_rebuild_view(sel->mailbox, &v->known, &v->left_out, &sel->known));
    if (v->has_untold && v->is_untold_known) {
        sel->untold = view_ref(sel->known);
    } else if (v->has_untold) {
        TRY(mailbox_rebuild_view(sel->mailbox, &v->untold, &none, &sel->untold));
    }
    return ERR_OK;
}

/* Takes the sets of v. */
static enum err restore_selected(struct imap_session *s, struct saved_selected *v)
{
    struct selected *sel = &s->selected;
    if (v->mailbox_id == 0) {
        return ERR_OK;
    }
    sel->mailbox = account_find_mailbox_id(s->account, v->mailbox_id);
    if (sel->mailbox == NULL) {
        return ERR_NO_MAILBOX;
    }
    mailbox_ref(sel->mailbox);
    enum err e = mailbox_is_deleted(sel->mailbox) ? ERR_NO_MAILBOX : restore_views(s, v);
    if (e != ERR_OK) {
        selected_close(s);
        return e;
    }
    sel->left_out = v->left_out;
    sel->recent = v->recent;
    sel->saved = v->saved;
    v->left_out = NUMSET_INIT;
    v->recent = NUMSET_INIT;
    v->saved = NUMSET_INIT;
    sel->is_saved_lost = v->is_saved_lost;
    sel->is_read_only = v->is_read_only;
    sel->is_count_untold = v->is_count_untold;
    sel->rights = v->rights;
    sel->keywords_told = v->keywords_told;
    return ERR_OK;
}

static struct relay_state get_relay_state(const struct saved_far *v)
{
    return (struct relay_state){.peer = {.owner = v->owner, .prefix = v->prefix, .state = v->state},
                                .phase = v->relay_phase,
                                .has_line = v->has_line};
}

static void restore_far(struct imap_session *s, const struct saved_far *v)
{
    if (v->owner.n > 0) {
        struct relay_state r = get_relay_state(v);
        relay_restore(s, &r);
    }
}

enum err resume_selected(struct imap_session *s, struct str state)
{
    struct saved saved;
    relay_free(&s->far);
    selected_close(s);
    enum err e = saved_parse(state, &saved);
    e = e == ERR_OK ? restore_selected(s, &saved.selected) : e;
    if (e == ERR_OK) {
        restore_far(s, &saved.far);
    }
    saved_release(&saved);
    return e;
}

/* A command that is under way again, as far as its tag and reply. Errors: ERR_CORRUPT. */
static enum err restore_command(struct imap_session *s, const struct saved_command *v,
                                const struct command *what)
{
    struct cmd *cmd = &s->cmd;
    if (what == NULL) {
        return ERR_CORRUPT;
    }
    session_make_command(s);
    cmd->what = what;
    cmd->tag = arena_str(cmd->arena, v->tag);
    cmd->is_uid = v->is_uid;
    cmd->is_parsed = true;
    cmd->is_answered = v->is_answered;
    cmd->tells_all = v->tells_all;
    cmd->limited_uid = v->limited_uid;
    cmd->err = v->err;
    buf_add(&cmd->code, v->code);
    cmd->text = v->said.n > 0 ? arena_c(cmd->arena, v->said) : NULL;
    return ERR_OK;
}

static void swallow(struct imap_session *s, const struct saved_command *v,
                    const struct session_resume *r)
{
    struct imap_lost lost = {
        .tag = v->tag,
        .err = v->err != ERR_OK ? v->err : ERR_UNAVAILABLE,
        .left = v->left > r->literal_gone ? v->left - r->literal_gone : 0,
        .go_aheads = v->go_aheads + r->said / GO_AHEAD_SIZE,
    };
    imap_framing_swallow(s->framing, &lost);
}

/* A command that runs at the other account goes on there. */
static enum err restore_relayed(struct imap_session *s, const struct saved *v)
{
    struct relay_state r = get_relay_state(&v->far);
    const struct command *what = commands_find(v->command.name, v->command.is_uid);
    TRY(restore_command(s, &v->command, what));
    TRY(relay_restore_command(s, &r));
    s->phase = PHASE_RUN;
    return ERR_OK;
}

static enum err restore_phase(struct imap_session *s, const struct saved *v,
                              const struct session_resume *r)
{
    s->phase = PHASE_READ;
    s->go_aheads_had = v->phase == SAVED_READ ? v->command.go_aheads : 0;
    switch (v->phase) {
    case SAVED_READ:
        break;
    case SAVED_LITERAL:
        swallow(s, &v->command, r);
        break;
    case SAVED_RUNNING:
        s->go_aheads_had = UINT32_MAX;
        imap_framing_feed(s->framing, v->command.text);
        imap_framing_feed(s->framing, STR("\r\n"));
        break;
    case SAVED_IDLE:
        TRY(restore_command(s, &v->command, &command_idle));
        session_go_on_idling(s);
        s->phase = PHASE_LINE;
        break;
    case SAVED_ENDING:
        TRY(restore_command(s, &v->command, commands_find(v->command.name, v->command.is_uid)));
        session_begin_news(s);
        break;
    case SAVED_RELAYED:
        TRY(restore_relayed(s, v));
        break;
    }
    imap_framing_feed(s->framing, v->partial);
    return ERR_OK;
}

static enum err restore(struct imap_session *s, struct saved *v, const struct session_resume *r)
{
    s->is_unsaved = true; /* so that it says that it rests, if there is nothing else to say */
    s->is_compressed = v->is_compressed;
    s->owes_capability = v->owes_capability;
    s->is_copying = v->is_copying;
    s->metadata.place = v->place;
    enum err e = restore_selected(s, &v->selected);
    if (e == ERR_NO_MAILBOX) {
        again_begin(s, r, STR("* BYE The selected mailbox was deleted\r\n"), true);
        return ERR_OK;
    }
    TRY(e);
    restore_far(s, &v->far);
    CLEANUP(buf_release) struct buf unsaid = BUF_INIT(UNSAID_MOST);
    if (v->contexts.n > 0) {
        TRY(session_is_selected(s) ? contexts_read_state(s, v->contexts, &unsaid) : ERR_CORRUPT);
    }
    if (v->notify.n > 0) {
        TRY(notify_read_state(s, v->notify));
    }
    TRY(restore_phase(s, v, r));
    again_begin(s, r, buf_str(&unsaid), false);
    if (v->phase == SAVED_RUNNING) {
        again_expect_command(s, v->command.told, v->command.err);
    }
    if (v->phase == SAVED_RELAYED && s->cmd.what != &command_idle) {
        again_expect_rest(s);
    }
    return ERR_OK;
}

enum err imap_session_resume(const struct imap_session_args *args, const struct session_resume *r,
                             struct session **out)
{
    struct saved saved;
    struct imap_session *s = NULL;
    enum err e = saved_parse(r->state, &saved);
    if (e == ERR_OK) {
        struct imap_session_args again = *args;
        again.user = args->is_peer ? args->user : saved.user;
        again.asker = args->is_peer ? args->asker : saved.asker;
        again.modes = saved.modes;
        again.tag = STR_EMPTY;
        e = session_make(&again, false, &s);
    }
    if (e == ERR_OK) {
        e = restore(s, &saved, r);
    }
    saved_release(&saved);
    if (e != ERR_OK && s != NULL) {
        struct session *base = &s->base;
        base->ops->free(&base);
    } else if (e == ERR_OK) {
        s->is_unsaved = true; /* here it was never asked */
        *out = &s->base;
    }
    return e;
}

bool imap_session_is_current(const struct imap_session_args *args, struct str state)
{
    struct saved saved;
    struct account *a = NULL;
    bool is_current = false;
    if (saved_parse(state, &saved) == ERR_OK
        && store_open_account(args->store, args->user, false, &a) == ERR_OK) {
        const struct saved_selected *v = &saved.selected;
        const struct mailbox *m = account_find_mailbox_id(a, v->mailbox_id);
        is_current = m != NULL && !mailbox_is_deleted(m)
                     && mailbox_get_highestmodseq(m) == v->known.highestmodseq
                     && mailbox_get_rights(m, args->asker) == v->rights;
        account_unref(&a);
    }
    saved_release(&saved);
    return is_current;
}

void imap_session_get_saved_user(struct str state, struct buf *out)
{
    struct saved saved;
    if (saved_parse(state, &saved) == ERR_OK) {
        buf_add(out, saved.user);
    }
    saved_release(&saved);
}
