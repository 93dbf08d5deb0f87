/* ESEARCH (RFC 7377): a search through many mailboxes, told by mailbox.
 *
 *   ESEARCH [IN (filter ...)] [RETURN (...)] [CHARSET ...] key ...
 *   * ESEARCH (TAG "a" MAILBOX "x" UIDVALIDITY 7) UID ALL 3,5        for each mailbox in which something is found
 *
 * The account's mailboxes are gone through once, in order of their names; each that some filter names is searched like any other, by
 * the trunk of searching commands. So no mailbox comes twice, however often it is named, and between two portions nothing is held
 * but the name of the mailbox at hand and its search. The selected mailbox is searched as its client knows it, the others as they are. What
 * the session may not read is passed over, as is what is not there: a wish for mail is no way to find out names.
 *
 * Then the command is given to the accounts of others that its names may mean, as LIST is (far_list.h).
 *
 * "$" and SAVE are about the selected mailbox alone, and so is UPDATE (2.2).
 */
#include "imap/cmd/list.h"

#include "imap/access.h"
#include "imap/far_list.h"
#include "imap/listing.h"
#include "imap/notify.h"
#include "imap/searching.h"
#include "imap/session_priv.h"
#include "wire/imap_scan.h"

enum {
    SOURCES_MOST = 100,
    NAME_TEXT_MOST = 16 * MAILBOX_NAME_MOST,
    STEP_NAMES_MOST = 100 * 1000 /* names compared in a step */
};

enum esearch_phase { ESEARCH_BEGIN, ESEARCH_NEXT, ESEARCH_LOOK, ESEARCH_TELL, ESEARCH_FAR };

struct esearch_command {
    struct searching q;
    struct notify_group *sources; /* NULL: the selected mailbox */
    size_t names;                 /* that the sources spell out */
    bool has_selected;            /* it is among the sources */
    bool has_others;
    bool is_updating; /* the live context was begun */
    struct buf at;    /* name of the mailbox at hand; empty: before the first */
    struct mailbox *mailbox;
    struct view *view;
    struct buf name;      /* of the mailbox at hand, as written to the client */
    struct far_list *far; /* begun, when all mailboxes of this account were gone through */
};

/* ---- parsing ---- */

/* esearch-source-opts = "IN" SP "(" filter-mailboxes *(SP filter-mailboxes) ")" */
static void parse_sources(struct cmd *cmd, struct esearch_command *args, struct scan *c)
{
    struct scan ahead = *c;
    struct notify_group **tail = &args->sources;
    unsigned count = 0;
    if (!scan_accept(&ahead, ' ') || !scan_accept_word(&ahead, STR("IN"))) {
        args->has_selected = true;
        return;
    }
    *c = ahead;
    scan_sp(c);
    scan_require(c, '(', "which mailboxes");
    do {
        struct notify_group *g = arena_one(cmd->arena, struct notify_group);
        if (g == NULL || ++count > SOURCES_MOST) {
            scan_fail(c, ERR_LIMIT, "fewer sources");
            return;
        }
        notify_scan_mailboxes(c, cmd->arena, &args->names, g);
        args->has_selected = args->has_selected || g->filter == NOTIFY_SELECTED;
        args->has_others = args->has_others || g->filter != NOTIFY_SELECTED;
        *tail = g;
        tail = &g->next;
    } while (scan_accept(c, ' '));
    scan_require(c, ')', "the end of the mailboxes");
}

/* RFC 7377, 2.2: what needs a selected mailbox, or it alone. */
static void check(struct imap_session *s, const struct esearch_command *args, struct scan *c)
{
    unsigned options = args->q.wants.options;
    bool needs_selected = args->has_selected || (options & (RETURN_UPDATE | RETURN_SAVE));
    if (needs_selected && !session_is_selected(s)) {
        scan_fail(c, ERR_WRONG_STATE, "a selected mailbox");
    }
    if ((options & RETURN_SAVE) && args->has_others) {
        scan_fail(c, ERR_SYNTAX, "SAVE for the selected mailbox alone");
    }
}

static void parse_esearch(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    struct esearch_command *args = arena_one(cmd->arena, struct esearch_command);
    cmd->args = args;
    buf_init(&args->at, NAME_TEXT_MOST);
    buf_init(&args->name, NAME_TEXT_MOST);
    parse_sources(cmd, args, c);
    searching_parse_return(s, cmd, c, &args->q);
    args->q.is_uid = true;
    if (s->args.is_peer && args->has_others) { /* what is selected is the business of who asks */
        args->has_selected = false;
        args->q.wants.options &= ~(unsigned)RETURN_UPDATE;
    }
    check(s, args, c);
    if (!args->q.wants.is_given) {
        args->q.wants = (struct search_return){.is_given = true, .options = RETURN_ALL};
    }
    args->q.is_elsewhere = args->has_others || !session_is_selected(s);
    searching_parse_keys(s, cmd, c, &args->q);
}

/* ---- going through the mailboxes ---- */

/* The unit of rights: a name that was spelt out needs no l (RFC 7377, 2.2). */
static unsigned get_rights_needed(const struct esearch_command *args,
                                  const struct mailbox_info *info)
{
    for (const struct notify_group *g = args->sources; g != NULL; g = g->next) {
        if (g->filter == NOTIFY_MAILBOXES && notify_group_has(g, info)) {
            return RIGHT_READ;
        }
    }
    return RIGHT_READ | RIGHT_LOOKUP;
}

static bool is_meant(const struct imap_session *s, const struct esearch_command *args,
                     const struct mailbox_info *info)
{
    const struct mailbox *selected = s->selected.mailbox;
    if (args->has_selected && selected != NULL && mailbox_get_id(selected) == info->id) {
        return true;
    }
    for (const struct notify_group *g = args->sources; g != NULL; g = g->next) {
        bool is_own = g->filter == NOTIFY_PERSONAL || g->filter == NOTIFY_INBOXES;
        if (notify_group_has(g, info) && !(is_own && s->args.is_peer)) {
            return true;
        }
    }
    return false;
}

/* Makes the mailbox the one at hand, if there is anything to be searched. */
static enum err open_mailbox(struct imap_session *s, struct esearch_command *args,
                             const struct mailbox_info *info)
{
    struct view *v = NULL;
    struct str store_name;
    bool is_selected = session_is_selected(s) && mailbox_get_id(s->selected.mailbox) == info->id;
    TRY(session_get_store_name(s, info->name, &store_name));
    TRY(account_find_mailbox(s->account, store_name, &args->mailbox));
    if (!is_selected && !session_may(s, args->mailbox, get_rights_needed(args, info))) {
        mailbox_unref(&args->mailbox);
        return ERR_OK;
    }
    TRY(mailbox_get_view(args->mailbox, &v));
    args->view = view_ref(is_selected ? s->selected.known : v);
    buf_clear(&args->name);
    session_write_mailbox(s, &args->name, info->name);
    return searching_begin_in(s, &args->q, args->mailbox, args->view);
}

static void close_mailbox(struct esearch_command *args)
{
    searching_release(&args->q);
    view_unref(&args->view);
    mailbox_unref(&args->mailbox);
}

/* Steps towards the next mailbox to be searched, which is then at hand. STEP_DONE with none: there is no other. */
static enum step next_mailbox(struct imap_session *s, struct esearch_command *args, enum err *e)
{
    struct mailbox_info info;
    size_t at = args->at.len == 0 ? 0 : session_seek_mailbox(s, buf_str(&args->at));
    size_t work = 0;
    *e = ERR_OK;
    while (*e == ERR_OK && args->view == NULL && session_next_mailbox(s, &at, &info)) {
        buf_clear(&args->at);
        buf_add(&args->at, info.name);
        work += 2 * args->names + SOURCES_MOST; /* once for the name, once for the rights */
        if (info.is_mailbox && is_meant(s, args, &info)) {
            *e = open_mailbox(s, args, &info);
            *e = *e == ERR_NO_MAILBOX ? ERR_OK : *e;
        }
        if (work >= STEP_NAMES_MOST) {
            return args->view == NULL && *e == ERR_OK ? STEP_MORE : STEP_DONE;
        }
    }
    return STEP_DONE;
}

/* ---- running ---- */

static bool is_selected(const struct imap_session *s, const struct esearch_command *args)
{
    return args->mailbox == s->selected.mailbox;
}

static enum run esearch_end(struct cmd *cmd, const struct esearch_command *args, struct buf *out)
{
    bool is_refused = (args->q.wants.options & RETURN_UPDATE) && !args->is_updating;
    if (is_refused || args->q.is_refused) {
        searching_write_noupdate(cmd->tag, out);
    }
    return RUN_DONE;
}

static enum run esearch_next(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct esearch_command *args = cmd->args;
    if (next_mailbox(s, args, &cmd->err) == STEP_MORE) {
        return RUN_MORE;
    }
    if (args->view == NULL && cmd->err != ERR_OK) {
        return RUN_DONE;
    }
    cmd->phase = args->view == NULL ? ESEARCH_FAR : ESEARCH_LOOK;
    return RUN_MORE;
}

/* The patterns of LIST that match what the sources name, for finding out whom else to ask: a few more do no harm. */
static struct far_list *begin_far(struct imap_session *s, const struct cmd *cmd,
                                  const struct esearch_command *args)
{
    size_t count = 0;
    struct str *patterns = arena_array(cmd->arena, struct str, args->names + SOURCES_MOST);
    for (const struct notify_group *g = args->sources; patterns != NULL && g != NULL; g = g->next) {
        if (g->filter == NOTIFY_SUBSCRIBED) {
            patterns[count++] = STR("*");
        }
        for (const struct notify_name *n = g->names; n != NULL; n = n->next) {
            const char *below = g->filter == NOTIFY_MAILBOXES ? "" : "/*";
            patterns[count++] = arena_printf(cmd->arena, "%.*s%s", STR_ARG(n->name), below);
        }
    }
    return far_list_new(s, patterns, count);
}

/* Mailboxes of other accounts are searched there. */
static enum run esearch_far(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct esearch_command *args = cmd->args;
    if (s->args.is_peer) {
        return esearch_end(cmd, args, out);
    }
    if (args->far == NULL) {
        args->far = begin_far(s, cmd, args);
    }
    enum run run = far_list_run(args->far, s, out);
    return run == RUN_DONE ? esearch_end(cmd, args, out) : run;
}

static enum run esearch_look(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct esearch_command *args = cmd->args;
    enum step step = searching_step(s, &args->q, out);
    if (step == STEP_BAD) {
        return RUN_DONE;
    }
    if (step == STEP_MORE) {
        return RUN_MORE;
    }
    struct results results = results_of_set(args->view, search_get_result(args->q.search), true);
    if (is_selected(s, args)) {
        searching_begin_context(s, &args->q, NULL, NULL);
        args->is_updating = true;
    }
    cmd->phase = ESEARCH_TELL;
    searching_begin_tell(s, &args->q, results, "", out);
    args->q.esearch.mailbox = buf_str(&args->name);
    if (results.count == 0) {
        close_mailbox(args);
        cmd->phase = ESEARCH_NEXT;
    }
    return RUN_MORE;
}

static enum run esearch_tell(struct cmd *cmd, struct buf *out)
{
    struct esearch_command *args = cmd->args;
    if (searching_tell_results(&args->q, out) == STEP_DONE) {
        close_mailbox(args);
        cmd->phase = ESEARCH_NEXT;
    }
    return RUN_MORE;
}

static enum run run_esearch(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct esearch_command *args = cmd->args;
    if (cmd->phase == ESEARCH_BEGIN) {
        if (s->args.is_peer && !args->has_others) {
            session_make_listing(s, NULL, 0);
        }
        cmd->phase = ESEARCH_NEXT;
        cmd->err = searching_prepare(s, &args->q, out);
        return cmd->err == ERR_OK ? RUN_MORE : RUN_DONE;
    }
    if (cmd->phase == ESEARCH_NEXT) {
        return esearch_next(s, cmd, out);
    }
    if (cmd->phase == ESEARCH_FAR) {
        return esearch_far(s, cmd, out);
    }
    return cmd->phase == ESEARCH_LOOK ? esearch_look(s, cmd, out) : esearch_tell(cmd, out);
}

static void release_esearch(struct cmd *cmd)
{
    struct esearch_command *args = cmd->args;
    close_mailbox(args);
    far_list_free(&args->far);
    buf_release(&args->at);
    buf_release(&args->name);
}

const struct command command_esearch = {
    .name = STR("ESEARCH"),
    .states = STATE_ANY,
    .flags = COMMAND_HAS_UID | COMMAND_NO_SEQ | COMMAND_PEER | COMMAND_AGAIN,
    .capability = "MULTISEARCH",
    .parse = parse_esearch,
    .run = run_esearch,
    .release = release_esearch,
};
