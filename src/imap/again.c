/* Commands that were under way when their process died.
 *
 *                state    input since                        heard
 *     edge:      |--------a FETCH 1:9 BODY[] . b STORE ...-----|---- c NOOP ...
 *                         '-- output since: "* 1 FETCH (BODY[] {70", of which the client has so many octets: said
 *
 * The edge has the state of the last moment that could be saved, the input behind it, and counts what the client has heard
 * since. Whether a command of that input was carried out, nobody knows. So:
 *
 *     reads only (COMMAND_AGAIN)    it is run again. What the client has heard of its answer is compared and left out, the
 *                                   rest follows: for the client, there was a pause.
 *     may have changed something    NO [UNAVAILABLE] (RFC 5530): the client looks what became of it. Behind a line that was
 *                                   begun, a line end goes first.
 *     SELECT, of which something    NO [UNAVAILABLE], and nothing is selected, as after any SELECT that fails (RFC 3501, 6.3.1).
 *     was heard
 *
 * That a command may be run again does not mean that it says the same again: flags change, messages come. Only the last octets
 * that were heard are compared (said_tail); if they are others, then at the beginning of a line the command is given up with
 * NO [UNAVAILABLE] and the session is put back to where the state has it; amid a line nothing could follow that the
 * client would understand, so the connection ends. FETCH, which says most, is saved between messages (struct cmd, is_between), so
 * at most one message is ever compared.
 *
 * A command of which only a part was heard was not carried out, so it is met as any other. One with a literal that streamed is gone in
 * part: the framer lets the rest go by and has NO [UNAVAILABLE] said (wire/imap_framing.h).
 *
 * What is told without a command (NOTIFY, IDLE) and a command's news are saved with the octets that tell them. What the client heard
 * beyond that ends with a line, and may be told once more: EXISTS and FETCH say what is, VANISHED what is not. EXPUNGE counts, so
 * it goes out with its state (news.c); where that had no room for it, and the command is not one that says the same again, the
 * connection ends. */
#include "imap/again.h"

#include "base/log.h"
#include "base/mem.h"
#include "imap/cmd/list.h"
#include "imap/relay.h"
#include "imap/resume.h"
#include "imap/session_priv.h"
#include "wire/imap_write.h"

#include <stdlib.h>

enum { LINES_MOST = 16 * 1024, TAG_MOST = 1024 };

struct again {
    bool is_begun;
    struct buf lines; /* said first */
    struct buf state; /* while something is dropped */
    struct buf tag;   /* of the command that is being compared */
    uint64_t heard;   /* octets of the input that comes first */
    uint64_t fed;     /* octets of it that came */
    uint64_t said;    /* octets of output that are dropped in all, */
    uint64_t drop;    /* and still */
    char tail[SESSION_SAID_TAIL_MOST];
    size_t tail_len;
    bool has_command; /* again_expect_command() */
    bool has_rest;    /* again_expect_rest() */
    uint32_t told_uid;
    enum err failure;
    bool is_last;
};

void again_begin(struct imap_session *s, const struct session_resume *r, struct str lines,
                 bool is_last)
{
    struct again *a = mem_new(sizeof(*a));
    a->lines = BUF_INIT(LINES_MOST);
    a->state = BUF_INIT(SESSION_STATE_MOST);
    a->tag = BUF_INIT(TAG_MOST);
    a->heard = r->heard;
    a->said = r->said;
    a->drop = r->said;
    a->is_last = is_last;
    a->tail_len = r->said_tail.n < sizeof(a->tail) ? r->said_tail.n : 0;
    if (r->said_tail.n == sizeof(a->tail)) {
        a->tail_len = sizeof(a->tail);
    }
    if (a->tail_len > a->said) {
        a->tail_len = 0;
    }
    if (a->tail_len > 0) {
        memcpy(a->tail, r->said_tail.p, a->tail_len);
    }
    buf_add(&a->lines, lines);
    if (a->drop > 0) {
        buf_add(&a->state, r->state);
    }
    s->again = a;
}

void again_free(struct again **again)
{
    struct again *a = *again;
    *again = NULL;
    if (a != NULL) {
        buf_release(&a->lines);
        buf_release(&a->state);
        buf_release(&a->tag);
        free(a);
    }
}

void again_expect_command(struct imap_session *s, uint32_t told_uid, enum err failure)
{
    s->again->has_command = true;
    s->again->told_uid = told_uid;
    s->again->failure = failure;
}

void again_expect_rest(struct imap_session *s)
{
    s->again->has_rest = true;
    buf_add(&s->again->tag, s->cmd.tag);
}

void again_note_input(struct imap_session *s, size_t n)
{
    if (s->again != NULL) {
        s->again->fed += n;
    }
}

/* All input that was used so far was heard by the process before. */
static bool is_heard(const struct imap_session *s)
{
    const struct again *a = s->again;
    return a->fed - imap_framing_get_backlog(s->framing) <= a->heard;
}

static bool is_mid_line(const struct again *a)
{
    bool is_line =
        a->tail_len >= 2 && a->tail[a->tail_len - 2] == '\r' && a->tail[a->tail_len - 1] == '\n';
    return a->drop > 0 && !is_line;
}

/* Behind what was said nothing can follow that the client would understand: amid a line, or when it counts less messages now
 * than the state does. */
static bool is_astray(const struct again *a)
{
    static const struct str EXPUNGE = {" EXPUNGE\r\n", 10};
    struct str tail = str_make(a->tail, a->tail_len);
    return is_mid_line(a) || (a->drop > 0 && str_find_str(tail, EXPUNGE) < tail.n);
}

static void end_session(struct imap_session *s)
{
    log_info("a session of %.*s cannot go on behind what was said", STR_ARG(s->args.user));
    s->again->drop = 0;
    s->phase = PHASE_BYE;
}

/* What was said is not going to be said again. */
static void stop_dropping(struct again *a, struct buf *out)
{
    if (is_mid_line(a)) {
        imap_write_crlf(out);
    }
    a->drop = 0;
    buf_release(&a->state);
}

void again_say(struct imap_session *s, struct buf *out)
{
    struct again *a = s->again;
    if (a == NULL || a->is_begun) {
        return;
    }
    a->is_begun = true;
    bool is_command = a->has_command || a->has_rest || (s->phase == PHASE_READ && a->heard > 0);
    if (a->is_last) {
        stop_dropping(a, out);
        buf_add(out, buf_str(&a->lines));
        s->phase = PHASE_BYE;
        return;
    }
    if (a->drop > 0 && !is_command) {
        if (is_astray(a)) {
            end_session(s);
            return;
        }
        stop_dropping(a, out);
    }
    if (a->drop == 0) {
        buf_add(out, buf_str(&a->lines));
        buf_release(&a->lines);
    }
}

static bool is_select(const struct command *what)
{
    return what == &command_select || what == &command_examine;
}

bool again_refuses(struct imap_session *s, struct buf *out)
{
    struct again *a = s->again;
    struct cmd *cmd = &s->cmd;
    if (a == NULL || (!a->has_command && !is_heard(s))) {
        return false;
    }
    bool may_again = (cmd->what->flags & COMMAND_AGAIN) != 0;
    if (may_again && !(is_select(cmd->what) && a->drop > 0)) {
        cmd->is_again = a->has_command || a->drop > 0;
        cmd->told_uid = a->told_uid;
        cmd->failure = a->failure;
        a->has_command = false;
        a->told_uid = 0;
        a->failure = ERR_OK;
        buf_clear(&a->tag);
        buf_add(&a->tag, cmd->tag);
        return false;
    }
    a->has_command = false;
    if (!is_mid_line(a) && is_astray(a)) {
        end_session(s);
        return true;
    }
    stop_dropping(a, out);
    if (is_select(cmd->what)) {
        relay_free(&s->far);
        selected_close(s);
    }
    imap_write_err(out, cmd->tag, ERR_UNAVAILABLE);
    return true;
}

bool again_rest(struct imap_session *s, struct buf *out)
{
    struct again *a = s->again;
    if (a == NULL || a->fed < a->heard) {
        return true;
    }
    if (is_astray(a) || (a->drop > 0 && a->tag.len > 0)) {
        end_session(
            s); /* the commands said less than before: their replies may have been dropped */
        return false;
    }
    buf_add(out, buf_str(&a->lines));
    again_free(&s->again);
    return true;
}

bool again_is_dropping(const struct imap_session *s)
{
    return s->again != NULL && s->again->drop > 0;
}

/* Are these n octets, which come next, what the client heard? */
static bool agrees(const struct again *a, const char *octets, size_t n)
{
    uint64_t tail_from = a->said - a->tail_len;
    uint64_t from = a->said - a->drop;
    for (size_t i = 0; i < n; i++) {
        if (from + i >= tail_from && a->tail[from + i - tail_from] != octets[i]) {
            return false;
        }
    }
    return true;
}

/* The command is given up: the session is again as the state has it. */
static void give_up(struct imap_session *s, struct buf *out)
{
    struct again *a = s->again;
    if (is_astray(a) || a->tag.len == 0 || resume_selected(s, buf_str(&a->state)) != ERR_OK) {
        end_session(s);
        return;
    }
    s->phase = PHASE_READ;
    stop_dropping(a, out);
    imap_write_err(out, buf_str(&a->tag), ERR_UNAVAILABLE);
}

bool again_drop(struct imap_session *s, struct buf *out, size_t before)
{
    struct again *a = s->again;
    if (a == NULL || a->drop == 0 || out->len == before) {
        return true;
    }
    size_t n = out->len - before;
    n = n < a->drop ? n : (size_t)a->drop;
    if (!agrees(a, out->p + before, n)) {
        buf_truncate(out, before);
        session_release_command(s);
        give_up(s, out);
        return false;
    }
    memmove(out->p + before, out->p + before + n, out->len - before - n);
    buf_truncate(out, out->len - n);
    a->drop -= n;
    if (a->drop == 0) {
        buf_release(&a->state);
    }
    return true;
}
