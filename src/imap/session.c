/* The life of an authenticated IMAP session, without I/O.
 *
 *               feed                                             out
 *    client ---------> framing -> command -> run, step by step ------> client
 *                                   |  ^
 *                                   v  | commit, wake
 *                                 store
 *
 * One command at a time: it is framed whole (but for the literals of APPEND, which stream to the store as they come),
 * parsed whole, then run as a generator that writes a bounded amount a step. So a client that stops reading holds a
 * cursor, and a client that pipelines is answered in order. A command that changed something waits for the commit;
 * then come the news (news.c), then the tagged reply, which is written in one place, here.
 *
 *    READ -> [BEFORE] -> RUN <-> COMMIT | EVENT | LINE
 *      ^                  |
 *      '---- tagged <-- NEWS
 *
 * A session that waits holds no buffer: arena, framing and output are given back (a phone idles most of its life).
 * A syntax error costs the client one BAD; only octets beyond all limits end the connection.
 */
#include "imap/session.h"

#include "base/log.h"
#include "base/mem.h"
#include "imap/access.h"
#include "imap/again.h"
#include "imap/metadata.h"
#include "imap/listing.h"
#include "imap/relay.h"
#include "imap/resume.h"
#include "imap/session_priv.h"
#include "wire/imap_scan.h"
#include "wire/imap_write.h"

#include <assert.h>
#include <stdlib.h>

enum {
    COMMAND_ARENA_MOST = 8 * 1024 * 1024,
    CODE_MOST = 1024 * 1024,
    PEER_LINE_MOST = 512 * 1024,
    PEER_COMMAND_MOST = 4 * 1024 * 1024
};

/* What a step of a phase led to. */
enum go { GO_ON, GO_INPUT, GO_OUTPUT, GO_EVENT, GO_MARK, GO_CLOSE };

void session_wake(struct imap_session *s)
{
    s->args.session_host.wake(s->args.session_host.owner);
}

void session_wake_soon(struct imap_session *s)
{
    const struct session_host *host = &s->args.session_host;
    (host->wake_soon != NULL ? host->wake_soon : host->wake)(host->owner);
}

void session_enable_condstore(struct imap_session *s, struct buf *out)
{
    if (!s->has_condstore && session_is_selected(s)) {
        buf_addf(out, "* OK [HIGHESTMODSEQ %llu] Ok\r\n",
                 (unsigned long long)view_get_highestmodseq(s->selected.known));
    }
    s->has_condstore = true;
}

void session_write_mailbox(const struct imap_session *s, struct buf *out, struct str name)
{
    if (session_is_utf8(s)) {
        imap_write_utf8_mailbox(out, name);
    } else {
        imap_write_mailbox(out, name);
    }
}

struct binary_part *session_get_binary(struct imap_session *s, const struct binary_part *described)
{
    if (s->binary == NULL) {
        s->binary = mem_new(sizeof(*s->binary));
    }
    return binary_cache_get(s->binary, described);
}

void selected_close(struct imap_session *s)
{
    struct selected *sel = &s->selected;
    free(s->binary);
    s->binary = NULL;
    news_release(&s->news);
    contexts_free(&sel->contexts);
    numset_release(&sel->saved);
    numset_release(&sel->left_out);
    sel->is_saved_lost = false;
    watch_cancel(&sel->watch);
    view_unref(&sel->known);
    view_unref(&sel->untold);
    numset_release(&sel->recent);
    mailbox_unref(&sel->mailbox);
    sel->is_read_only = false;
    sel->keywords_told = 0;
    sel->is_count_untold = false;
}

struct url_server session_get_url_server(const struct imap_session *s)
{
    return (struct url_server){s->args.host_names, s->args.local, s->args.port};
}

struct url_asker session_get_url_asker(const struct imap_session *s)
{
    return (struct url_asker){
        .user = s->args.asker,
        .is_submit_entity = str_has_word(s->args.submit_entities, s->args.asker),
        .is_media_entity = str_has_word(s->args.media_entities, s->args.asker),
    };
}

/* ---- the end of a command ---- */

void session_release_command(struct imap_session *s)
{
    struct cmd *cmd = &s->cmd;
    if (cmd->what != NULL && cmd->what->release != NULL && cmd->args != NULL) {
        cmd->what->release(cmd);
    }
    commit_wait_cancel(&s->commit);
    upload_free(&s->upload);
    relay_free(&s->errand);
    s->sink = NULL;
    buf_release(&cmd->code);
    view_unref(&cmd->view_before);
    arena_free(&cmd->arena);
    news_release(&s->news);
    *cmd = (struct cmd){0};
}

/* RFC 9738, 3.1: the tagged reply has one code; when that is another, this one goes before. */
static void write_limit(struct imap_session *s, struct buf *out)
{
    struct cmd *cmd = &s->cmd;
    if (cmd->limited_uid == 0) {
        return;
    }
    struct buf *to = cmd->code.len == 0 ? &cmd->code : out;
    buf_add(to, to == out ? STR("* NO [") : STR_EMPTY);
    buf_addf(to, "MESSAGELIMIT %u %u", s->args.message_limit, cmd->limited_uid);
    buf_add(to, to == out ? STR("] Only the last ones\r\n") : STR_EMPTY);
}

static void write_ok(struct imap_session *s, struct buf *out)
{
    struct cmd *cmd = &s->cmd;
    bool tells_modseq = (cmd->what->flags & COMMAND_TELLS_MODSEQ) != 0 && s->has_qresync
                        && s->news.has_vanished && cmd->code.len == 0;
    if (tells_modseq) {
        buf_addf(&cmd->code, "HIGHESTMODSEQ %llu",
                 (unsigned long long)view_get_highestmodseq(s->selected.known));
    }
    write_limit(s, out);
    buf_add(out, cmd->tag);
    buf_add(out, STR(" OK "));
    if (cmd->code.len > 0) {
        buf_add_char(out, '[');
        buf_add(out, buf_str(&cmd->code));
        buf_add(out, STR("] "));
    }
    if (cmd->text != NULL) {
        buf_add_c(out, cmd->text);
    } else {
        buf_add(out, cmd->what->name);
        buf_add(out, STR(" completed"));
    }
    imap_write_crlf(out);
}

static void write_failure(struct cmd *cmd, struct buf *out)
{
    if (cmd->code.len == 0) {
        imap_write_err(out, cmd->tag, cmd->err);
        return;
    }
    const struct err_info *info = err_get_info(cmd->err);
    imap_write_response(out, cmd->tag, info->is_bad ? STR("BAD") : STR("NO"), buf_str(&cmd->code),
                        str_from_c(info->text));
}

/* RFC 5550, 3.2: the CAPABILITY response code is sent after the login; in which OK is ours to choose. */
static void pay_capability(struct imap_session *s, struct buf *out)
{
    if (s->owes_capability && s->mark == 0) {
        s->owes_capability = false;
        buf_add(out, STR("* OK [CAPABILITY "));
        commands_write_capability(s, out);
        buf_add(out, STR("] Ok\r\n"));
    }
}

static uint64_t read_clock(const struct imap_session *s)
{
    const struct imap_host *h = s->args.host;
    return h != NULL && h->clock_us != NULL ? h->clock_us(h->owner) : 0;
}

static void tell_time(const struct imap_session *s)
{
    const struct imap_host *h = s->args.host;
    if (h != NULL && h->on_command != NULL) {
        h->on_command(h->owner, s->cmd.what->name, read_clock(s) - s->cmd.began_us);
    }
}

/* Whoever runs the session saves it now, before it does anything more. */
static enum go wait_for_save(struct imap_session *s)
{
    s->wants_save = false;
    session_wake(s);
    return GO_EVENT;
}

static enum go end_command(struct imap_session *s, struct buf *out)
{
    /* A command that changed something is not mixed up with those behind it, should this process die. */
    bool must_save =
        (s->cmd.what->flags & COMMAND_AGAIN) == 0 && imap_framing_get_rest(s->framing).n > 0;
    tell_time(s);
    pay_capability(s, out);
    if (s->cmd.is_answered) {
        buf_add(out, buf_str(&s->cmd.code));
    } else if (s->cmd.err == ERR_OK) {
        write_ok(s, out);
    } else {
        write_failure(&s->cmd, out);
    }
    session_release_command(s);
    s->phase = s->mark != 0 ? PHASE_MARK : PHASE_READ;
    if (s->is_over) {
        s->phase = PHASE_BYE;
    }
    return s->phase == PHASE_READ && must_save ? wait_for_save(s) : GO_ON;
}

/* ---- the beginning of a command ---- */

static void set_dialect(const struct imap_session *s, struct scan *c)
{
    c->is_utf8 = session_is_utf8(s);
    c->is_rev2 = s->is_rev2;
}

/* What may be said to a peer session, and what only there. */
static bool may_give(const struct imap_session *s, const struct command *what)
{
    enum { IN_PEER = COMMAND_SELECTED | COMMAND_NAMES | COMMAND_PEER | COMMAND_INTERNAL };
    return s->args.is_peer ? (what->flags & IN_PEER) != 0 : (what->flags & COMMAND_INTERNAL) == 0;
}

/* The command is there for this session, in this form. */
static bool is_known(const struct imap_session *s, const struct command *what, bool is_uid)
{
    if (what->is_offered != NULL && !what->is_offered(s)) {
        return false;
    }
    if ((what->flags & COMMAND_REV1) && s->is_rev2) {
        return false;
    }
    return is_uid || (what->flags & COMMAND_ONLY_UID) == 0;
}

static enum err find_command(struct imap_session *s, struct imap_command *parsed)
{
    const struct command *what = commands_find(parsed->name, parsed->is_uid);
    if (what == NULL || !is_known(s, what, parsed->is_uid)) {
        return ERR_UNKNOWN_COMMAND;
    }
    if (!may_give(s, what)) {
        return ERR_UNKNOWN_COMMAND;
    }
    bool is_selected = session_is_selected(s) || relay_is_selected(s);
    if ((what->states & (is_selected ? STATE_SELECTED : STATE_AUTHENTICATED)) == 0) {
        return ERR_WRONG_STATE;
    }
    s->cmd.what = what;
    s->cmd.is_uid = parsed->is_uid;
    set_dialect(s, &parsed->args);
    bool has_numbers = (what->flags & (COMMAND_HAS_UID | COMMAND_NO_SEQ)) == COMMAND_HAS_UID;
    if (s->has_uidonly && has_numbers && !parsed->is_uid) {
        return ERR_UID_REQUIRED;
    }
    if ((what->flags & COMMAND_WRITES) && s->selected.is_read_only) {
        return ERR_READ_ONLY;
    }
    s->cmd.is_relayed = relay_takes(s, what, &parsed->args);
    bool needs_mailbox = what->states == STATE_SELECTED && !session_is_selected(s);
    return needs_mailbox && !s->cmd.is_relayed ? ERR_UNSUPPORTED : ERR_OK;
}

void session_make_command(struct imap_session *s)
{
    s->cmd = (struct cmd){.arena = arena_new(COMMAND_ARENA_MOST),
                          .code = BUF_INIT(CODE_MOST),
                          .began_us = read_clock(s)};
}

static enum go begin_command(struct imap_session *s, struct buf *out)
{
    struct cmd *cmd = &s->cmd;
    session_make_command(s);
    struct str text = arena_str(cmd->arena, imap_framing_get_text(s->framing));
    struct imap_command parsed;
    s->is_unsaved = true;
    s->go_aheads = 0;
    s->go_aheads_had = 0;
    cmd->given = text;
    if (imap_command_parse(text, &parsed) != ERR_OK) {
        imap_write_scan_err(out, parsed.tag, &parsed.args);
        session_release_command(s);
        return GO_ON;
    }
    cmd->tag = parsed.tag;
    enum err e = find_command(s, &parsed);
    if (e != ERR_OK) {
        imap_write_err(out, cmd->tag, e);
        session_release_command(s);
        return GO_ON;
    }
    if (again_refuses(s, out)) {
        session_release_command(s);
        return GO_ON;
    }
    if (session_is_guest(s) && !news_check_mailbox(s, out)) {
        session_release_command(s);
        s->phase = PHASE_BYE;
        return GO_ON;
    }
    s->cmd_scan = parsed.args;
    s->phase = PHASE_RUN;
    if (cmd->is_uid && !cmd->is_relayed) {
        if (cmd->what->flags & COMMAND_WRITES) {
            cmd->view_before = view_ref(s->selected.known);
        }
        s->phase = PHASE_BEFORE;
        news_begin(s, (cmd->what->flags & COMMAND_TAKES_SEQ) == 0);
    }
    return GO_ON;
}

/* Reads the arguments, after the news: "*" means what the client was told last. */
static bool parse_args(struct imap_session *s, struct buf *out)
{
    struct cmd *cmd = &s->cmd;
    struct scan *c = &s->cmd_scan;
    assert(cmd->what != NULL);
    if (cmd->what->parse != NULL) {
        cmd->what->parse(s, cmd, c);
    }
    scan_require_end(c);
    if (scan_is_ok(c)) {
        return true;
    }
    imap_write_scan_err(out, cmd->tag, c);
    session_release_command(s);
    s->phase = PHASE_READ;
    return false;
}

/* A generator has more to do: what it wrote goes out; if it only worked, the neighbours have their turn. */
static enum go go_on_later(struct imap_session *s, const struct buf *out)
{
    if (s->wants_save) {
        return wait_for_save(s);
    }
    if (out->len > 0) {
        return GO_OUTPUT;
    }
    session_wake(s);
    return GO_EVENT;
}

static enum go step_before(struct imap_session *s, struct buf *out)
{
    switch (news_step(s, out)) {
    case STEP_MORE:
        return go_on_later(s, out);
    case STEP_BAD:
        s->phase = PHASE_BYE;
        return GO_ON;
    case STEP_DONE:
        break;
    }
    s->phase = PHASE_RUN;
    return GO_ON;
}

/* ---- running ---- */

static void on_commit(struct commit_wait *w, enum err e)
{
    struct imap_session *s = list_entry(w, struct imap_session, commit);
    s->cmd.err = e;
    s->phase = e == ERR_OK ? PHASE_RUN : PHASE_NEWS;
    session_wake(s);
}

void session_begin_news(struct imap_session *s)
{
    const struct cmd *cmd = &s->cmd;
    s->phase = PHASE_NEWS;
    if ((cmd->what->flags & COMMAND_NO_NEWS) == 0) {
        news_begin(s, (cmd->what->flags & COMMAND_USES_SEQ) == 0 || cmd->is_uid);
    }
}

static enum run call_run(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    if (cmd->is_relayed) {
        return relay_run(s, cmd, out);
    }
    account_set_author(s->account, s);
    enum run run = cmd->what->run(s, cmd, out);
    account_set_author(s->account, NULL);
    return run;
}

static enum go step_run(struct imap_session *s, struct buf *out)
{
    struct cmd *cmd = &s->cmd;
    if (!cmd->is_parsed && (!cmd->is_relayed || cmd->what->flags & COMMAND_NO_NEWS)) {
        if (cmd->what->flags & COMMAND_HAS_UID) {
            news_tell_count(s, out);
        }
        if (!parse_args(s, out)) {
            return GO_ON;
        }
        cmd->is_parsed = true;
    }
    switch (call_run(s, cmd, out)) {
    case RUN_MORE:
        s->phase = out->len > 0 ? s->phase : PHASE_EVENT;
        return go_on_later(s, out);
    case RUN_COMMIT:
        if (!account_has_pending(s->account)) {
            return GO_ON;
        }
        s->phase = PHASE_COMMIT;
        account_wait_commit(s->account, &s->commit);
        return GO_EVENT;
    case RUN_EVENT:
        s->phase = PHASE_EVENT;
        return GO_EVENT;
    case RUN_LINE:
        s->phase = PHASE_LINE;
        imap_framing_shrink(s->framing);
        return GO_INPUT;
    case RUN_DONE:
        break;
    }
    if (s->is_broken) {
        s->phase = PHASE_BYE;
        return GO_ON;
    }
    session_begin_news(s);
    return GO_ON;
}

enum step session_tell(struct imap_session *s, struct buf *out)
{
    enum step step = session_is_selected(s) ? news_step(s, out) : STEP_DONE;
    step = step == STEP_DONE ? notify_step(s, out) : step;
    return step == STEP_DONE ? metadata_tell(s, out) : step;
}

static enum go step_news(struct imap_session *s, struct buf *out)
{
    assert(s->cmd.what != NULL);
    if ((s->cmd.what->flags & COMMAND_NO_NEWS) == 0 && !s->is_over) {
        enum step step = session_tell(s, out);
        if (step == STEP_MORE) {
            return go_on_later(s, out);
        }
        s->is_over = s->is_over || step == STEP_BAD;
    }
    return end_command(s, out);
}

static enum go step_unasked(struct imap_session *s, struct buf *out)
{
    enum step step = session_tell(s, out);
    if (step == STEP_MORE) {
        return go_on_later(s, out);
    }
    news_release(&s->news);
    s->phase = step == STEP_BAD ? PHASE_BYE : PHASE_READ;
    return GO_ON;
}

enum imap_frame session_next_line(struct imap_session *s, struct str *out)
{
    enum imap_frame frame = imap_framing_next_line(s->framing);
    *out = imap_framing_get_text(s->framing);
    return frame;
}

/* ---- reading ---- */

static enum go fatal(struct imap_session *s, struct buf *out)
{
    imap_write_response(out, STR_EMPTY, STR("BYE"), STR("TOOBIG"),
                        STR("More than this server swallows; goodbye"));
    s->phase = PHASE_BYE;
    return GO_ON;
}

static void go_ahead(struct imap_session *s, struct buf *out)
{
    s->go_aheads++;
    if (s->go_aheads_had > 0) {
        s->go_aheads_had--;
    } else {
        imap_write_continue(out, STR("go ahead"));
    }
}

/* Somebody announced a literal: gather it, let the command stream it, or refuse it before it is read. */
static void on_literal(struct imap_session *s, struct buf *out)
{
    const struct imap_literal *literal = imap_framing_get_literal(s->framing);
    enum imap_literal_answer answer = IMAP_LITERAL_BUFFER;
    enum err why = ERR_OK;
    bool is_sync = literal->is_sync;
    struct imap_command parsed;
    if (imap_command_parse(imap_framing_get_text(s->framing), &parsed) == ERR_OK) {
        const struct command *what = commands_find(parsed.name, parsed.is_uid);
        set_dialect(s, &parsed.args);
        if (what != NULL && what->literals != NULL) {
            if (relay_takes_literal(s, what, &parsed)) {
                return;
            }
            answer = what->literals->on_literal(s, &parsed.args, literal, &why);
            s->receiving = answer == IMAP_LITERAL_STREAM ? what : NULL;
            s->is_unsaved = true;
            s->refused = parsed.args;
            s->refused.s = STR_EMPTY;
        }
    }
    answer = imap_framing_answer(s->framing, answer, why);
    if (answer == IMAP_LITERAL_REFUSE) {
        s->receiving = NULL;
        upload_free(&s->upload);
    } else if (is_sync) {
        go_ahead(s, out);
    }
    if (answer == IMAP_LITERAL_STREAM) {
        s->go_aheads = 0; /* of those behind it */
    }
}

/* The command went by unread, because a literal was refused or a limit met. */
static void write_dropped(struct imap_session *s, struct buf *out)
{
    struct str tag = imap_find_tag(imap_framing_get_text(s->framing));
    enum err e = imap_framing_get_err(s->framing);
    upload_free(&s->upload);
    s->is_unsaved = true;
    s->go_aheads = 0;
    s->go_aheads_had = 0;
    if (relay_drop(s, out)) {
        return;
    }
    if (e == ERR_SYNTAX && s->refused.err == e) {
        imap_write_scan_err(out, tag, &s->refused);
    } else {
        imap_write_err(out, tag, e);
    }
    s->refused = (struct scan){0};
}

/* Octets of a literal, or its end. */
static void on_stream(struct imap_session *s, bool is_end)
{
    if (s->sink != NULL) {
        relay_on_octets(s, imap_framing_get_octets(s->framing));
        return;
    }
    assert(s->receiving != NULL);
    if (!is_end) {
        s->receiving->literals->on_octets(s, imap_framing_get_octets(s->framing));
        return;
    }
    s->receiving->literals->on_end(s);
    s->receiving = NULL;
    s->go_aheads = 0;
    s->is_unsaved = true;
}

/* No command is there: hears the mailbox in another account, if that is selected. */
static enum go step_far(struct imap_session *s, struct buf *out)
{
    switch (relay_step_unasked(s, out)) {
    case STEP_MORE:
        s->phase = PHASE_FAR;
        return out->len >= SESSION_OUTPUT_MOST ? GO_OUTPUT : GO_EVENT;
    case STEP_BAD:
        s->phase = PHASE_BYE;
        return GO_ON;
    case STEP_DONE:
        break;
    }
    s->phase = PHASE_READ;
    imap_framing_shrink(s->framing);
    return GO_INPUT;
}

static enum go step_read(struct imap_session *s, struct buf *out)
{
    if (relay_is_full(s)) {
        return GO_EVENT;
    }
    enum imap_frame frame = imap_framing_next(s->framing);
    switch (frame) {
    case IMAP_FRAME_MORE:
        if (!again_rest(s, out)) {
            return GO_ON;
        }
        if (notify_is_waiting(s)) {
            notify_begin(s, false);
            s->phase = PHASE_UNASKED;
            return GO_ON;
        }
        return step_far(s, out);
    case IMAP_FRAME_COMMAND:
        return begin_command(s, out);
    case IMAP_FRAME_LITERAL:
        on_literal(s, out);
        return GO_ON;
    case IMAP_FRAME_OCTETS:
    case IMAP_FRAME_STREAMED:
        on_stream(s, frame == IMAP_FRAME_STREAMED);
        return GO_ON;
    case IMAP_FRAME_DROPPED:
        write_dropped(s, out);
        return GO_ON;
    case IMAP_FRAME_FATAL:
        break;
    }
    return fatal(s, out);
}

/* The client did not wait for the login to ask for DEFLATE: the list of capabilities, the longest of all that it hears, can go there. */
static bool is_compress_next(const struct imap_session *s)
{
    struct str rest = imap_framing_get_rest(s->framing);
    size_t tag = str_find_char(rest, ' ');
    return str_starts_nocase(str_skip(rest, tag + 1), STR("COMPRESS "))
           && str_find_char(rest, '\n') > tag;
}

static enum go greet(struct imap_session *s, struct buf *out)
{
    if (s->args.is_peer) {
        buf_add(out, STR("ok\n"));
        s->phase = PHASE_READ;
        return GO_ON;
    }
    s->owes_capability = is_compress_next(s);
    buf_add(out, s->args.tag);
    if (!s->owes_capability) {
        buf_add(out, STR(" OK [CAPABILITY "));
        commands_write_capability(s, out);
        buf_add(out, STR("] Logged in\r\n"));
    } else {
        buf_add(out, STR(" OK Logged in\r\n"));
    }
    s->phase = PHASE_READ;
    return GO_ON;
}

static enum go step_phase(struct imap_session *s, struct buf *out)
{
    switch (s->phase) {
    case PHASE_GREETING:
        return greet(s, out);
    case PHASE_READ:
        return step_read(s, out);
    case PHASE_BEFORE:
        return step_before(s, out);
    case PHASE_EVENT:
    case PHASE_LINE:
    case PHASE_RUN:
        s->phase = PHASE_RUN;
        return step_run(s, out);
    case PHASE_COMMIT:
        return GO_EVENT;
    case PHASE_LITERAL:
        return relay_step_literal(s, out) == STEP_MORE ? GO_EVENT : GO_ON;
    case PHASE_NEWS:
        return step_news(s, out);
    case PHASE_UNASKED:
        return step_unasked(s, out);
    case PHASE_FAR:
        return step_far(s, out);
    case PHASE_MARK:
        return GO_MARK;
    case PHASE_BYE:
        break;
    }
    return GO_CLOSE;
}

static enum go step_phases(struct imap_session *s, struct buf *out)
{
    size_t before = out->len;
    enum go go = GO_ON;
    again_say(s, out);
    while (go == GO_ON) {
        if (out->len >= SESSION_OUTPUT_MOST || (out->len > before && again_is_dropping(s))) {
            return GO_OUTPUT;
        }
        go = step_phase(s, out);
    }
    return go;
}

static enum session_want imap_session_step(struct session *base, struct buf *out)
{
    struct imap_session *s = (struct imap_session *)base;
    size_t before = out->len;
    enum go go = step_phases(s, out);
    s->is_unsaved = s->is_unsaved || out->len > before;
    if (!again_drop(s, out, before)) {
        go = s->phase == PHASE_BYE ? GO_CLOSE : GO_OUTPUT;
    }
    switch (go) {
    case GO_OUTPUT:
        return SESSION_OUTPUT;
    case GO_EVENT:
        return SESSION_EVENT;
    case GO_MARK:
        return SESSION_MARK;
    case GO_CLOSE:
        return SESSION_CLOSE;
    case GO_INPUT:
    case GO_ON:
        break;
    }
    return SESSION_INPUT;
}

static void imap_session_feed(struct session *base, struct str octets)
{
    struct imap_session *s = (struct imap_session *)base;
    struct imap_lost lost;
    again_note_input(s, octets.n);
    /* More of a literal that streams is nothing new to a saved session. */
    s->is_unsaved = s->is_unsaved || !imap_framing_is_lost(s->framing, &lost) || lost.left == 0;
    imap_framing_feed(s->framing, octets);
}

static size_t imap_session_get_input_backlog(const struct session *base)
{
    return imap_framing_get_backlog(((const struct imap_session *)base)->framing);
}

static enum session_mark imap_session_take_mark(struct session *base, struct buf *rest)
{
    struct imap_session *s = (struct imap_session *)base;
    enum session_mark mark = s->mark;
    buf_add(rest, imap_framing_get_rest(s->framing));
    imap_framing_drop_rest(s->framing);
    s->mark = 0;
    s->phase = mark == SESSION_MARK_UNAUTHENTICATE ? PHASE_BYE : PHASE_READ;
    return mark;
}

static void imap_session_free(struct session **base)
{
    struct imap_session *s = (struct imap_session *)*base;
    *base = NULL;
    if (s == NULL) {
        return;
    }
    session_release_command(s);
    again_free(&s->again);
    notify_free(&s->notify);
    watch_cancel(&s->metadata.watch);
    selected_close(s);
    relay_free(&s->far);
    listing_free(&s->listing);
    imap_framing_free(&s->framing);
    if (s->account != NULL) {
        account_unref(&s->account);
    }
    free(s);
}

static const struct session_ops imap_session_ops = {
    .feed = imap_session_feed,
    .get_input_backlog = imap_session_get_input_backlog,
    .step = imap_session_step,
    .take_mark = imap_session_take_mark,
    .save = imap_session_save,
    .free = imap_session_free,
};

/* Another session sends what its client was allowed to send, and lists that it made; and it goes on sending what is refused. */
static struct imap_framing_limits get_peer_limits(const struct imap_session_args *args)
{
    return (struct imap_framing_limits){
        .line_most = PEER_LINE_MOST,
        .command_most = PEER_COMMAND_MOST,
        .swallow_most = 2 * args->message_most + PEER_COMMAND_MOST,
    };
}

enum err session_make(const struct imap_session_args *args, bool must_create,
                      struct imap_session **out)
{
    struct account *account = NULL;
    TRY(store_open_account(args->store, args->user, must_create, &account));
    struct str asker = args->asker.n > 0 ? args->asker : args->user;
    size_t strings = args->user.n + asker.n + args->prefix.n + args->tag.n + args->local.n;
    struct imap_session *s = calloc(1, sizeof(*s) + strings);
    if (s == NULL) {
        abort();
    }
    s->base.ops = &imap_session_ops;
    s->args = *args;
    char *at = (char *)(s + 1);
    s->args.user = str_put(&at, args->user);
    s->args.asker = str_put(&at, asker);
    s->args.prefix = str_put(&at, args->prefix);
    s->args.tag = str_put(&at, args->tag);
    s->args.local = str_put(&at, args->local);
    s->account = account;
    s->framing =
        imap_framing_new(args->is_peer ? get_peer_limits(args) : (struct imap_framing_limits){0});
    list_init(&s->commit.node);
    s->commit.on_commit = on_commit;
    list_init(&s->selected.watch.node);
    list_init(&s->metadata.watch.node);
    session_set_modes(s, args->modes);
    s->args.modes = STR_EMPTY;
    s->phase = PHASE_GREETING;
    *out = s;
    return ERR_OK;
}

enum err imap_session_new(const struct imap_session_args *args, struct session **out)
{
    struct imap_session *s = NULL;
    TRY(session_make(args, !args->is_peer, &s));
    *out = &s->base;
    return ERR_OK;
}
