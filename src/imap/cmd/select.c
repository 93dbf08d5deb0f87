/* SELECT and EXAMINE (RFC 3501, 6.3.1 and 6.3.2), with CONDSTORE and QRESYNC (RFC 7162, 3.1.8 and 3.2.5).
 *
 * Opening a mailbox is taking a reference to its view; the counts that the answer needs are kept by the view. With
 * QRESYNC the client says what it knew last, and the answer brings it up to date at once: what vanished, then the
 * flags of what changed. If UIDVALIDITY is another one, it knew nothing that holds, and gets the plain answer.
 */
#include "imap/cmd/list.h"

#include "imap/access.h"
#include "imap/line.h"
#include "imap/list_row.h"
#include "imap/relay.h"
#include "imap/resync.h"
#include "imap/session_priv.h"
#include "imap/walk.h"
#include "store/object.h"
#include "wire/imap_scan.h"

/* Whoever has one of these does more than read (RFC 4314, 5.2; all flags are shared). */
enum {
    RIGHTS_READ_WRITE =
        RIGHT_INSERT | RIGHT_EXPUNGE | RIGHT_SEEN | RIGHT_WRITE | RIGHT_DELETE_MESSAGES
};

struct select_args {
    struct str name;
    struct str given; /* as the client spelt it */
    struct select_params params;
    struct numset known_uids;
    struct numset gone;
    size_t gone_at;
    struct walk walk; /* over known_uids */
};

enum select_phase { SELECT_OPEN, SELECT_VANISHED, SELECT_CHANGED };

static void parse_select(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    struct select_args *args = arena_one(cmd->arena, struct select_args);
    cmd->args = args;
    scan_sp(c);
    struct scan again = *c;
    args->given = scan_astring(&again, cmd->arena);
    args->name = scan_mailbox(c, cmd->arena);
    if (scan_is_end(c)) {
        return;
    }
    scan_sp(c);
    scan_select_params(c, cmd->arena, &args->params);
    if (args->params.is_qresync && !s->has_qresync) {
        scan_fail(c, ERR_SYNTAX, "ENABLE QRESYNC first");
    }
    if (args->params.has_match && s->has_uidonly) {
        scan_fail(c, ERR_UID_REQUIRED, "no sequence match data"); /* RFC 9586 §3.7 */
    }
}

/* The text behind the code is short: a phone pays for it at every SELECT, and nobody reads it. */
static void write_code(struct buf *out, const char *code, uint64_t n)
{
    buf_add(out, STR("* OK ["));
    buf_add_c(out, code);
    buf_add_u64(out, n);
    buf_add(out, STR("] Ok\r\n"));
}

static void write_mailbox(struct imap_session *s, struct buf *out)
{
    struct view *v = s->selected.known;
    char id[OBJECT_ID_MOST];
    news_write_flags(s, out);
    news_write_exists(s, v, out);
    uint32_t unseen = view_get_first_unseen(v).v;
    if (unseen > 0 && !s->has_uidonly && !s->is_rev2) { /* RFC 9051, appendix E */
        write_code(out, "UNSEEN ", unseen);
    }
    write_code(out, "UIDVALIDITY ", view_get_uidvalidity(v));
    write_code(out, "UIDNEXT ", view_get_uidnext(v).v);
    buf_addf(out, "* OK [MAILBOXID (%.*s)] Ok\r\n",
             STR_ARG(object_get_mailbox(s->selected.mailbox, id)));
    write_code(out, "HIGHESTMODSEQ ", view_get_highestmodseq(v));
    buf_add(out, STR("* OK [URLMECH INTERNAL] Ok\r\n"));
}

/* Makes m the selected mailbox; takes m. */
static enum err open_mailbox(struct imap_session *s, struct mailbox *m, bool is_read_only)
{
    struct view *v = NULL;
    enum err e = mailbox_get_view(m, &v);
    if (e != ERR_OK) {
        mailbox_unref(&m);
        return e;
    }
    s->selected.mailbox = m;
    s->selected.known = view_ref(v);
    s->selected.rights = session_get_rights(s, m);
    s->selected.is_read_only = is_read_only || (s->selected.rights & RIGHTS_READ_WRITE) == 0;
    return ERR_OK;
}

/* Prepares to tell what changed; the args say since when. */
static enum err begin_resync(struct imap_session *s, struct select_args *args)
{
    struct view *v = s->selected.known;
    const struct select_params *p = &args->params;
    if (p->has_known_uids) {
        seq_set_resolve(&p->known_uids, view_get_uidnext(v).v - 1, &args->known_uids);
    } else if (view_get_uidnext(v).v > 1) {
        numset_add(&args->known_uids, 1, view_get_uidnext(v).v - 1);
    }
    walk_init(&args->walk, v, &args->known_uids, true);
    return resync_find_vanished(s->selected.mailbox, v, p->modseq, &args->known_uids,
                                p->has_match ? &p->match : NULL, &args->gone);
}

/* FETCH of all messages whose mod-sequence is above that of the client. */
static enum step write_changed(struct imap_session *s, struct select_args *args, struct buf *out)
{
    struct flags_text text = {0};
    struct walk_run run;
    enum step step = STEP_MORE;
    while (out->len < SESSION_OUTPUT_MOST) {
        if (!walk_next_run(&args->walk, SIZE_MAX, &run)) {
            step = STEP_DONE;
            break;
        }
        for (uint32_t i = 0; i < run.count; i++) {
            if (run.modseqs[i] > args->params.modseq) {
                struct message m = walk_get(&run, i);
                struct seq seq = {run.first.v + i};
                line_write(out, s, &text, seq, &m,
                           session_get_line_uid(s) | LINE_FLAGS | LINE_MODSEQ);
            }
        }
    }
    flags_text_release(&text);
    return step;
}

static enum run select_done(struct imap_session *s, struct cmd *cmd)
{
    buf_add_c(&cmd->code, s->selected.is_read_only ? "READ-ONLY" : "READ-WRITE");
    cmd->text = s->selected.is_read_only ? "Examined" : "Selected";
    return RUN_DONE;
}

static enum run select_open(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct select_args *args = cmd->args;
    relay_leave_selected(s, out);
    struct mailbox *m = NULL;
    cmd->err = session_find_mailbox(s, args->name, RIGHT_READ, &m);
    if (cmd->err == ERR_OK) {
        cmd->err = open_mailbox(s, m, cmd->what == &command_examine);
    }
    if (cmd->err != ERR_OK) {
        return RUN_DONE;
    }
    s->has_condstore =
        s->has_condstore || args->params.is_condstore; /* HIGHESTMODSEQ follows anyway */
    write_mailbox(s, out);
    if (s->is_rev2) {
        list_row_write(s, mailbox_get_name(s->selected.mailbox), args->given, out);
    }
    bool is_same = args->params.uidvalidity == view_get_uidvalidity(s->selected.known);
    if (!args->params.is_qresync || !is_same) {
        return select_done(s, cmd);
    }
    cmd->err = begin_resync(s, args);
    if (cmd->err != ERR_OK) {
        selected_close(s);
        return RUN_DONE;
    }
    cmd->phase = SELECT_VANISHED;
    return RUN_MORE;
}

static enum run run_select(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct select_args *args = cmd->args;
    if (cmd->phase == SELECT_OPEN) {
        return select_open(s, cmd, out);
    }
    if (cmd->phase == SELECT_VANISHED) {
        if (resync_write_vanished(&args->gone, &args->gone_at, out) == STEP_MORE) {
            return RUN_MORE;
        }
        cmd->phase = SELECT_CHANGED;
    }
    return write_changed(s, args, out) == STEP_MORE ? RUN_MORE : select_done(s, cmd);
}

static void release_select(struct cmd *cmd)
{
    struct select_args *args = cmd->args;
    numset_release(&args->known_uids);
    numset_release(&args->gone);
}

const struct command command_select = {
    .name = STR("SELECT"),
    .states = STATE_ANY,
    .flags = COMMAND_NO_NEWS | COMMAND_NAMES | COMMAND_AGAIN,
    .parse = parse_select,
    .run = run_select,
    .release = release_select,
};

const struct command command_examine = {
    .name = STR("EXAMINE"),
    .states = STATE_ANY,
    .flags = COMMAND_NO_NEWS | COMMAND_NAMES | COMMAND_AGAIN,
    .parse = parse_select,
    .run = run_select,
    .release = release_select,
};
