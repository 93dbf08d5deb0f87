/* A submission session that outlives its process (docs/dormancy.md).
 *
 * What is kept is little: the client's name, and where the framer stands. A transaction is not kept: its envelope may be long,
 * its content is in a file of a process that is gone, and SMTP knows what to do when a server says "not now": the client sends
 * the message again (RFC 5321, 4.2.1, 4yz). So whoever was in a transaction goes on like this:
 *
 *     C: MAIL, RCPT    250           C: MAIL, RCPT     250             C: MAIL, RCPT     250
 *            (restart)               C: DATA           354             C: BDAT 9000
 *     C: RCPT          451 4.3.2     C: half of it                     C: half of it
 *     C: DATA          451 4.3.2            (restart)                         (restart)
 *     C: RSET or MAIL  250           C: the rest, dot  451 4.3.2       C: the rest       451 4.3.2
 *                                    C: MAIL           250             C: BDAT 90 LAST   451 4.3.2
 *
 * What a message needs to be doubled is that it was queued and not acknowledged: then nobody can know, and the client sends it again.
 * What was acknowledged is neither lost nor doubled, for the 250 leaves after the commit, and in one piece with a state in which
 * the transaction is over: the edge has both or none. To that end a step ends with each reply, and is saved before the next command begins
 * (session_ops.is_saved_by_step). So no output ever stands behind a state, and of the input that another process had heard only the first
 * command may have been carried out; all but one of them can be carried out twice.
 *
 * The state, behind its version:
 *
 *     octets   field
 *     1        1: in a transaction; 2: the content under way ends the message
 *     1 + 8    the framer's place, little-endian
 *     n        the name that EHLO gave
 */
#include "smtp/submission_priv.h"

#include "base/scan.h"

enum { VERSION = 1, IN_TRANSACTION = 1, IS_LAST = 2 };

bool submission_save(struct session *session, struct session_save *out)
{
    struct submission *s = (struct submission *)session;
    struct smtp_framing_place place = smtp_framing_get_place(s->framing);
    bool is_between = s->state == SUBMISSION_COMMAND && !s->has_mail && !s->is_lost;
    bool is_reading = s->state == SUBMISSION_COMMAND || s->state == SUBMISSION_DATA
                      || s->state == SUBMISSION_CHUNK;
    if (!is_reading || s->is_saved) {
        return false;
    }
    s->is_saved = true;
    buf_add_char(out->state, VERSION);
    buf_add_char(out->state,
                 (char)((is_between ? 0 : IN_TRANSACTION) | (s->is_last ? IS_LAST : 0)));
    buf_add_char(out->state, (char)place.mode);
    buf_add_le64(out->state, place.left);
    buf_add(out->state, buf_str(&s->helo));
    out->literal = place.left;
    out->may_park = is_between && smtp_framing_get_backlog(s->framing) == 0;
    out->watch = SESSION_WATCH_NONE;
    return true;
}

static enum err read_state(struct submission *s, const struct session_resume *r)
{
    struct scan c = scan_make(r->state);
    struct str head = scan_take(&c, 3, "version, flags, mode");
    struct smtp_framing_place place = {.left = scan_le64(&c)};
    if (!scan_is_ok(&c) || head.p[0] != VERSION || r->said > 0 || r->literal_gone > place.left) {
        return ERR_UNSUPPORTED;
    }
    place.mode = (uint8_t)head.p[2];
    place.left -= r->literal_gone;
    if (smtp_framing_set_place(s->framing, place) != ERR_OK) {
        return ERR_UNSUPPORTED;
    }
    buf_add(&s->helo, scan_rest(&c));
    s->is_lost = (head.p[1] & IN_TRANSACTION) != 0;
    s->is_last = (head.p[1] & IS_LAST) != 0;
    return ERR_OK;
}

enum err submission_resume(const struct submission_args *args, const struct submission_host *host,
                           const struct session_resume *r, struct session **out)
{
    struct submission_args nameless = *args;
    nameless.helo = STR_EMPTY;
    struct submission *s = submission_make(&nameless, host);
    struct session *base = &s->base;
    enum err e = read_state(s, r);
    if (e != ERR_OK) {
        base->ops->free(&base);
        return e;
    }
    if (smtp_framing_is_in_data(s->framing) || smtp_framing_is_in_chunk(s->framing)) {
        s->state = smtp_framing_is_in_data(s->framing) ? SUBMISSION_DATA : SUBMISSION_CHUNK;
        s->failure = ERR_TRANSACTION_LOST;
    }
    s->is_unsure = r->heard > 0;
    *out = base;
    return ERR_OK;
}
