/* IDLE (RFC 2177): the client waits, and hears news as they come, until it says DONE.
 *
 * The session watches its mailbox; a commit by anybody wakes it within the same loop turn, and the news generator tells the
 * difference. EXPUNGE is welcome here. Nothing is kept meanwhile but the command's tag: a phone idles for hours.
 */
#include "imap/cmd/list.h"

#include "imap/session_priv.h"

enum idle_phase { IDLE_BEGIN, IDLE_TELL, IDLE_WAIT };

static void on_change(struct watch *w)
{
    session_wake_soon(list_entry(w, struct imap_session, selected.watch));
}

/* With NOTIFY: exactly what it asked for (RFC 5465, 4). */
static bool begin_news(struct imap_session *s, bool is_first)
{
    if (s->notify != NULL) {
        bool is_waiting = is_first || notify_is_waiting(s);
        if (is_waiting) {
            notify_begin(s, true);
        }
        return is_waiting;
    }
    if (session_is_selected(s)) {
        news_begin(s, true);
    }
    return session_is_selected(s) || s->has_metadata;
}

static enum run idle_tell(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    switch (session_tell(s, out)) {
    case STEP_MORE:
        return RUN_MORE;
    case STEP_BAD:
        s->is_over = true;
        return RUN_DONE;
    case STEP_DONE:
        break;
    }
    cmd->phase = IDLE_WAIT;
    return RUN_LINE;
}

static enum run idle_end(struct imap_session *s, struct cmd *cmd, enum err e)
{
    watch_cancel(&s->selected.watch);
    watch_cancel(&s->metadata.watch);
    cmd->err = e;
    return RUN_DONE;
}

static void begin_watch(struct imap_session *s)
{
    if (session_is_selected(s)) {
        s->selected.watch.on_change = on_change;
        mailbox_watch(s->selected.mailbox, &s->selected.watch);
    }
    if (s->has_metadata) {
        account_watch(s->account, &s->metadata.watch);
    }
}

void session_go_on_idling(struct imap_session *s)
{
    s->cmd.phase = IDLE_WAIT;
    begin_watch(s);
}

static enum run run_idle(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    bool is_first = cmd->phase == IDLE_BEGIN;
    if (is_first) {
        buf_add(out, STR("+ idling\r\n"));
        cmd->phase = IDLE_WAIT;
        begin_watch(s);
    }
    if (cmd->phase == IDLE_WAIT && begin_news(s, is_first)) {
        cmd->phase = IDLE_TELL;
    }
    if (cmd->phase == IDLE_TELL) {
        enum run run = idle_tell(s, cmd, out);
        if (run != RUN_LINE) {
            return run;
        }
    }
    struct str line;
    switch (session_next_line(s, &line)) {
    case IMAP_FRAME_MORE:
        return RUN_LINE;
    case IMAP_FRAME_COMMAND:
        break;
    case IMAP_FRAME_LITERAL:
    case IMAP_FRAME_OCTETS:
    case IMAP_FRAME_STREAMED:
    case IMAP_FRAME_DROPPED:
        return idle_end(s, cmd, ERR_TOO_LONG);
    case IMAP_FRAME_FATAL:
        s->is_over = true;
        return idle_end(s, cmd, ERR_TOO_LONG);
    }
    return idle_end(s, cmd, str_eq_nocase(line, STR("DONE")) ? ERR_OK : ERR_SYNTAX);
}

const struct command command_idle = {
    .name = STR("IDLE"),
    .states = STATE_ANY,
    .flags = COMMAND_SELECTED | COMMAND_AGAIN,
    .capability = "IDLE",
    .run = run_idle,
};
