/* Passing commands on.
 *
 *     client --> front session, its own account --command--> session in the owner's account, as a guest
 *            <-- tells its own news          <--answer------ checks rights, runs it, tells news of its mailbox
 *
 * The front session frames commands and knows where they belong; what they mean, and whether they are allowed, is found out where
 * the mailbox is. Tags stay, so an answer is passed back as it is; only its tagged line waits until the front session's
 * own news are told, when it has a mailbox selected. Literals that were gathered go as "{n+}". One that streams is announced
 * there as the client announced it, and the client hears what is answered: so a message is refused before it is sent.
 *
 * A relay lasts for one command, or as long as the mailbox that it selected. When the other worker dies, the session there goes on
 * in the next one, when ours does, both (peer_saved.c). Only when no other worker comes for a long time is the command answered
 * UNAVAILABLE and the client told that its mailbox is closed, and its session lives on; if an answer broke off within a response,
 * the connection has to end, because nothing else could be understood. */
#include "imap/relay.h"

#include "base/mem.h"
#include "imap/cmd/list.h"
#include "imap/peer.h"
#include "imap/session_priv.h"
#include "wire/imap_reply.h"
#include "wire/imap_write.h"

#include <stdlib.h>

enum { NAME_ARENA_MOST = 512 * 1024, TAG_MOST = 64 * 1024, PREFIX_MOST = 4096, MARK_MOST = 64 };

struct relay {
    struct peer *peer;
    struct buf prefix; /* of the place */
    struct buf tag;    /* of the command at hand */
    struct imap_reply reply;
    size_t sent;      /* octets of the command's text */
    bool has_line;    /* the client's line (IDLE) was passed on */
    bool is_before;   /* the reply at hand is that to NOTIFY, which was sent before the command */
    bool is_answered; /* a literal was refused, and the client told */
};

static const struct str NEWS_TAG = {"N", 1};

enum relay_phase { RELAY_SEND, RELAY_HEAR, RELAY_NEWS };

bool relay_is_selected(const struct imap_session *s)
{
    return s->far != NULL;
}

static struct relay *relay_new(struct imap_session *s, const struct place *place, struct str state)
{
    struct relay *r = mem_new(sizeof(*r));
    buf_init(&r->prefix, PREFIX_MOST);
    buf_init(&r->tag, TAG_MOST);
    buf_add(&r->prefix, place->prefix);
    r->peer = peer_new_kept(s, place, state);
    return r;
}

void relay_free(struct relay **r)
{
    if (*r == NULL) {
        return;
    }
    peer_free(&(*r)->peer);
    buf_release(&(*r)->prefix);
    buf_release(&(*r)->tag);
    free(*r);
    *r = NULL;
}

static struct relay *get_current(const struct imap_session *s)
{
    return s->errand != NULL ? s->errand : s->far;
}

static bool opens_mailbox(const struct command *what)
{
    return what == &command_select || what == &command_examine;
}

void relay_leave_selected(struct imap_session *s, struct buf *out)
{
    if (session_is_selected(s) || relay_is_selected(s)) {
        buf_add(out, STR("* OK [CLOSED] Closed\r\n"));
        selected_close(s);
        relay_free(&s->far);
    }
}

/* ---- which commands ---- */

static bool is_option_octet(unsigned char octet)
{
    return octet != ')';
}

/* Where the mailbox that is the first argument lives; false: here, or it cannot be read. */
static bool find_place(const struct imap_session *s, const struct scan *args, struct arena *a,
                       struct place *out)
{
    struct scan c = *args;
    scan_sp(&c);
    if (scan_accept(&c, '(')) { /* GETMETADATA may have its options in front (RFC 5464, 4.2) */
        (void)scan_run(&c, is_option_octet);
        scan_require(&c, ')', "the end of the options");
        scan_sp(&c);
    }
    struct str name = scan_mailbox(&c, a);
    if (!scan_is_ok(&c)) {
        return false;
    }
    *out = session_find_place(s, name);
    return !session_is_place(s, out);
}

/* ESEARCH without sources, or with SELECTED alone (RFC 7377, 2.2). */
static bool is_search_of_selected(const struct scan *args)
{
    struct scan c = *args;
    if (!scan_accept(&c, ' ') || !scan_accept_word(&c, STR("IN"))) {
        return true;
    }
    return scan_accept(&c, ' ') && scan_accept(&c, '(') && scan_accept_word(&c, STR("SELECTED"))
           && scan_accept(&c, ')');
}

/* Is the command, which names no mailbox, for the selected one? */
static bool is_for_selected(const struct command *what, const struct scan *args)
{
    return (what->flags & COMMAND_SELECTED) != 0
           || (what == &command_esearch && is_search_of_selected(args));
}

/* Opens the relay that a command for this place goes to. may_share: the one whose mailbox is selected will do. */
static void begin_errand(struct imap_session *s, const struct place *place, bool may_share)
{
    if (may_share && s->far != NULL && str_eq(buf_str(&s->far->prefix), place->prefix)) {
        return;
    }
    s->errand = relay_new(s, place, STR_EMPTY);
}

bool relay_takes(struct imap_session *s, const struct command *what, const struct scan *args)
{
    struct place place;
    if (s->sink != NULL) {
        return true; /* a literal of it went there */
    }
    if (s->args.is_peer) {
        return false; /* it was sent to where it belongs */
    }
    if ((what->flags & COMMAND_NAMES) == 0) {
        return s->far != NULL && is_for_selected(what, args);
    }
    struct arena *a = arena_new(NAME_ARENA_MOST);
    bool is_far = find_place(s, args, a, &place);
    if (is_far) {
        begin_errand(s, &place, true);
    }
    arena_free(&a);
    return is_far;
}

/* ---- sending ---- */

/* The command's text from where it was sent on. */
static void send_text(struct relay *r, struct str text)
{
    peer_write_command(r->peer, str_skip(text, r->sent));
    r->sent = text.n;
}

static void begin_command(struct relay *r, struct str tag)
{
    buf_clear(&r->tag);
    buf_add(&r->tag, tag);
    r->reply = (struct imap_reply){.tag = buf_str(&r->tag)};
    r->sent = 0;
    r->has_line = false;
    r->is_before = false;
    r->is_answered = false;
}

/* Before the first mailbox is selected there: what the client wants to hear of it (RFC 5465). */
static void send_notify(const struct imap_session *s, struct relay *r)
{
    struct str text = notify_get_text(s);
    if (text.n == 0) {
        return;
    }
    peer_write_command(r->peer, text);
    peer_write(r->peer, STR("\r\n"));
    r->reply.tag = imap_find_tag(text);
    r->is_before = true;
}

static void send_command(struct imap_session *s, struct cmd *cmd, struct relay *r, struct buf *out)
{
    struct str text = s->cmd_scan.s;
    if (s->errand != NULL && opens_mailbox(cmd->what)) {
        relay_leave_selected(s, out);
    }
    if (cmd->what == &command_enable) {
        session_set_modes(s, str_skip(text, s->cmd_scan.at));
    }
    if (s->sink == NULL) {
        begin_command(r, cmd->tag);
    }
    if (s->errand != NULL && opens_mailbox(cmd->what)) {
        send_notify(s, r);
    }
    send_text(r, text);
    peer_write(r->peer, STR("\r\n"));
}

/* IDLE: what the client says while the command runs. */
static void forward_line(struct imap_session *s, struct relay *r)
{
    struct str line;
    if (r->has_line) {
        return;
    }
    enum imap_frame frame = session_next_line(s, &line);
    if (frame == IMAP_FRAME_MORE) {
        return;
    }
    r->has_line = true;
    s->is_over = s->is_over || frame == IMAP_FRAME_FATAL;
    peer_write(r->peer, frame == IMAP_FRAME_COMMAND ? line : STR("?"));
    peer_write(r->peer, STR("\r\n"));
}

/* ---- hearing ---- */

/* Something of what it says is still to come. */
static bool is_amid(const struct relay *r)
{
    return r->reply.is_in_line || r->reply.literal > 0;
}

/* The mailbox that is selected may have another message now: the client hears of it before the tagged reply (RFC 3501, 6.3.11). */
static enum run ask_news(struct cmd *cmd, struct relay *far)
{
    begin_command(far, NEWS_TAG);
    peer_write(far->peer, STR("N NOOP\r\n"));
    cmd->phase = RELAY_NEWS;
    return RUN_MORE;
}

/* An errand went to where the selected mailbox is, but not through its session. */
static bool is_beside_selected(const struct imap_session *s, const struct relay *r)
{
    return r == s->errand && s->far != NULL
           && str_eq(buf_str(&r->prefix), buf_str(&s->far->prefix));
}

/* line: the tagged reply, which is told behind the news. */
static enum run end_command(struct imap_session *s, struct cmd *cmd, struct relay *r,
                            struct str line)
{
    bool is_ok = imap_reply_is_ok(&r->reply, line);
    bool is_beside = is_beside_selected(s, r) && !opens_mailbox(cmd->what);
    cmd->is_answered = true;
    buf_clear(&cmd->code);
    buf_add(&cmd->code, line);
    s->is_over = s->is_over || r->reply.has_said_bye;
    if (opens_mailbox(cmd->what) && is_ok && s->errand != NULL) {
        s->far = s->errand;
        s->errand = NULL;
    } else if (opens_mailbox(cmd->what) && !is_ok && s->errand == NULL) {
        relay_free(&s->far);
    }
    bool closes = cmd->what == &command_close || cmd->what == &command_unselect;
    if (closes && is_ok) {
        relay_free(&s->far);
    }
    relay_free(&s->errand);
    s->sink = NULL;
    if (s->far == NULL) {
        return RUN_DONE;
    }
    peer_shrink(s->far->peer);
    return is_beside && is_ok ? ask_news(cmd, s->far) : RUN_DONE;
}

/* It ended before the answer did. */
static enum run lose(struct imap_session *s, struct cmd *cmd, struct relay *r, struct buf *out)
{
    s->is_broken = is_amid(r);
    s->is_over = s->is_over || r->reply.has_said_bye;
    cmd->err = peer_get_err(r->peer);
    if (r == s->far) {
        buf_add_c(out, s->is_over ? "" : "* OK [CLOSED] The mailbox is out of reach\r\n");
        relay_free(&s->far);
    }
    relay_free(&s->errand);
    s->sink = NULL;
    return RUN_DONE;
}

/* All was passed on that came while the client idles there: what NOTIFY asked for of the own account goes between. */
static enum run idle(struct imap_session *s, const struct relay *r, struct buf *out)
{
    peer_shrink(r->peer);
    if (!is_amid(r) && notify_is_waiting(s) && session_tell(s, out) == STEP_MORE) {
        return RUN_MORE;
    }
    return RUN_LINE;
}

static enum run hear(struct imap_session *s, struct cmd *cmd, struct relay *r, struct buf *out)
{
    struct str in = STR_EMPTY;
    size_t used = 0;
    enum step step = peer_read(r->peer, &in);
    while (step == STEP_DONE) {
        if (out->len >= SESSION_OUTPUT_MOST) {
            return RUN_MORE;
        }
        enum imap_reply_event event = imap_reply_next(&r->reply, in, &used);
        if (event == IMAP_REPLY_MORE) {
            step = peer_read_more(r->peer, &in);
            continue;
        }
        peer_use(r->peer, used);
        if (event == IMAP_REPLY_TAGGED && !r->is_before) {
            return cmd->phase == RELAY_NEWS ? RUN_DONE
                                            : end_command(s, cmd, r, str_sub(in, 0, used));
        }
        if (event == IMAP_REPLY_TAGGED) {
            r->is_before = false;
            r->reply.tag = buf_str(&r->tag);
        } else {
            buf_add(out, str_sub(in, 0, used));
        }
        step = peer_read(r->peer, &in);
    }
    if (step == STEP_BAD) {
        return lose(s, cmd, r, out);
    }
    return cmd->what == &command_idle && !r->has_line ? idle(s, r, out) : RUN_EVENT;
}

static enum step lose_unasked(struct imap_session *s, struct buf *out)
{
    const struct relay *r = s->far;
    bool is_over = is_amid(r) || r->reply.has_said_bye;
    if (!is_over) {
        buf_add(out, STR("* OK [CLOSED] The mailbox is out of reach\r\n"));
    }
    relay_free(&s->far);
    return is_over ? STEP_BAD : STEP_DONE;
}

enum step relay_step_unasked(struct imap_session *s, struct buf *out)
{
    struct relay *r = s->far;
    struct str in = STR_EMPTY;
    size_t used = 0;
    if (r == NULL || s->notify == NULL) {
        if (r != NULL) {
            peer_settle(r->peer);
        }
        return STEP_DONE;
    }
    enum step step = peer_read(r->peer, &in);
    while (step == STEP_DONE) {
        if (out->len >= SESSION_OUTPUT_MOST) {
            return STEP_MORE;
        }
        if (imap_reply_next(&r->reply, in, &used) == IMAP_REPLY_MORE) {
            step = peer_read_more(r->peer, &in);
            continue;
        }
        peer_use(r->peer, used);
        buf_add(out, str_sub(in, 0, used));
        step = peer_read(r->peer, &in);
    }
    if (step == STEP_BAD) {
        return lose_unasked(s, out);
    }
    peer_shrink(r->peer);
    return is_amid(r) ? STEP_MORE : STEP_DONE;
}

enum run relay_run(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct relay *r = get_current(s);
    if (cmd->phase == RELAY_SEND) {
        if (peer_is_full(r->peer)) {
            return RUN_EVENT;
        }
        send_command(s, cmd, r, out);
        cmd->phase = RELAY_HEAR;
    }
    if (cmd->what == &command_idle) {
        forward_line(s, r);
    }
    return hear(s, cmd, r, out);
}

/* ---- going on in another process ---- */

bool relay_is_unsaved(const struct imap_session *s)
{
    return s->far != NULL && peer_is_unsaved(s->far->peer);
}

void relay_note_saved(const struct imap_session *s)
{
    if (s->far != NULL) {
        peer_note_saved(s->far->peer);
    }
}

bool relay_save(const struct imap_session *s, struct relay_state *out)
{
    struct relay *r = s->far;
    /* half of a command is there, or it is not known where it is */
    bool is_bound = s->sink == r || (s->cmd.is_relayed && s->cmd.phase == RELAY_SEND);
    if (is_bound || is_amid(r) || !peer_save(r->peer, &out->peer)) {
        return false;
    }
    out->phase = s->cmd.is_relayed ? s->cmd.phase : RELAY_SEND;
    out->has_line = r->has_line;
    return true;
}

void relay_restore(struct imap_session *s, const struct relay_state *v)
{
    const struct place place = {v->peer.owner, v->peer.prefix};
    s->far = relay_new(s, &place, v->peer.state);
}

enum err relay_restore_command(struct imap_session *s, const struct relay_state *v)
{
    struct cmd *cmd = &s->cmd;
    if (v->phase != RELAY_HEAR && v->phase != RELAY_NEWS) {
        return ERR_CORRUPT;
    }
    begin_command(s->far, v->phase == RELAY_NEWS ? NEWS_TAG : cmd->tag);
    s->far->has_line = v->has_line;
    cmd->is_relayed = true;
    cmd->phase = v->phase;
    return ERR_OK;
}

/* ---- literals that stream ---- */

/* Where the literal of a command goes, when that is not here. */
static struct relay *find_sink(struct imap_session *s, const struct command *what,
                               const struct imap_command *parsed)
{
    struct place place;
    if (s->args.is_peer) {
        return NULL;
    }
    if (s->far != NULL && (what->flags & COMMAND_SELECTED) != 0) {
        return s->far;
    }
    struct arena *a = arena_new(NAME_ARENA_MOST);
    if ((what->flags & COMMAND_NAMES) != 0 && find_place(s, &parsed->args, a, &place)) {
        begin_errand(s, &place, false);
    }
    arena_free(&a);
    return s->errand;
}

/* Sends the text so far, and announces the literal as the client did. */
static void announce(struct relay *r, struct str text, const struct imap_literal *literal)
{
    CLEANUP(buf_release) struct buf mark = BUF_INIT(MARK_MOST);
    send_text(r, text);
    buf_add_c(&mark, literal->is_binary ? "~" : "");
    imap_write_client_literal_head(&mark, literal->size, literal->is_sync);
    peer_write(r->peer, buf_str(&mark));
    r->sent = text.n + mark.len + (literal->is_sync ? 1 : 0); /* the framer's placeholder */
}

bool relay_takes_literal(struct imap_session *s, const struct command *what,
                         const struct imap_command *parsed)
{
    const struct imap_literal *literal = imap_framing_get_literal(s->framing);
    if (s->sink == NULL) {
        s->sink = find_sink(s, what, parsed);
        if (s->sink == NULL) {
            return false;
        }
        begin_command(s->sink, parsed->tag);
    }
    if (literal->size > s->args.message_most) {
        (void)imap_framing_answer(s->framing, IMAP_LITERAL_REFUSE, ERR_TOO_BIG);
        return true;
    }
    announce(s->sink, imap_framing_get_text(s->framing), literal);
    if (literal->is_sync) {
        s->phase = PHASE_LITERAL;
    } else {
        (void)imap_framing_answer(s->framing, IMAP_LITERAL_STREAM, ERR_OK);
    }
    return true;
}

enum step relay_step_literal(struct imap_session *s, struct buf *out)
{
    struct relay *r = s->sink;
    struct str line = STR_EMPTY;
    enum step step = peer_ask(r->peer, &r->reply, true, &line);
    if (step == STEP_MORE) {
        return STEP_MORE;
    }
    s->phase = PHASE_READ;
    if (step == STEP_DONE && str_starts(line, STR("+"))) {
        (void)imap_framing_answer(s->framing, IMAP_LITERAL_STREAM, ERR_OK);
        imap_write_continue(out, STR("go ahead"));
        return STEP_DONE;
    }
    r->is_answered = step == STEP_DONE;
    buf_add(out, line);
    (void)imap_framing_answer(s->framing, IMAP_LITERAL_REFUSE, peer_get_err(r->peer));
    return STEP_DONE;
}

void relay_on_octets(struct imap_session *s, struct str octets)
{
    peer_write(s->sink->peer, octets);
}

bool relay_is_full(const struct imap_session *s)
{
    return s->sink != NULL && peer_is_full(s->sink->peer);
}

bool relay_drop(struct imap_session *s, struct buf *out)
{
    struct relay *r = s->sink;
    bool is_answered = r != NULL && r->is_answered;
    if (r != NULL && r == s->far && r->sent > 0 && !is_answered) {
        /* half a command is there: nothing else would be understood */
        buf_add(out, STR("* OK [CLOSED] Closed\r\n"));
        relay_free(&s->far);
    }
    relay_free(&s->errand);
    s->sink = NULL;
    return is_answered;
}
