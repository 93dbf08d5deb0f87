/* SEARCH and UID SEARCH (RFC 3501, 6.4.4), with RETURN (RFC 4731, 5267) and MODSEQ (RFC 7162, 3.1.5, 3.1.6 and 3.1.10).
 *
 * All of it is the trunk of searching commands (searching.h): the results are told in the order of the mailbox.
 */
#include "imap/cmd/list.h"

#include "imap/limit.h"
#include "imap/searching.h"
#include "imap/session_priv.h"

enum search_phase { SEARCH_BEGIN, SEARCH_LOOK, SEARCH_TELL };

static void parse_search(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    struct searching *q = arena_one(cmd->arena, struct searching);
    cmd->args = q;
    searching_parse_return(s, cmd, c, q);
    if (!q->wants.is_given && s->is_rev2) {
        /* RFC 9051 §7.3.4: no SEARCH response any more */
        q->wants = (struct search_return){.is_given = true, .options = RETURN_ALL};
    }
    searching_parse_keys(s, cmd, c, q);
}

static enum run search_look(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct searching *q = cmd->args;
    enum step step = searching_step(s, q, out);
    if (step == STEP_DONE) {
        struct results results =
            results_of_set(s->selected.known, search_get_result(q->search), cmd->is_uid);
        searching_begin_context(s, q, NULL, NULL);
        searching_begin_tell(s, q, results, "SEARCH", out);
        cmd->phase = SEARCH_TELL;
    }
    return step == STEP_BAD ? RUN_DONE : RUN_MORE;
}

static enum run run_search(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct searching *q = cmd->args;
    if (cmd->phase == SEARCH_BEGIN) {
        cmd->phase = SEARCH_LOOK;
        cmd->err = limit_search(s, cmd->arena, q->program);
        if (cmd->err == ERR_OK) {
            cmd->err = searching_begin(s, q, out);
        }
        if (cmd->err != ERR_OK) {
            return RUN_DONE;
        }
    }
    if (cmd->phase == SEARCH_LOOK) {
        enum run run = search_look(s, cmd, out);
        if (cmd->phase != SEARCH_TELL) {
            return run;
        }
    }
    return searching_tell(q, out) == STEP_MORE ? RUN_MORE : RUN_DONE;
}

static void release_search(struct cmd *cmd)
{
    searching_release(cmd->args);
}

const struct command command_search = {
    .name = STR("SEARCH"),
    .states = STATE_SELECTED,
    .flags =
        COMMAND_HAS_UID | COMMAND_USES_SEQ | COMMAND_TAKES_SEQ | COMMAND_SELECTED | COMMAND_AGAIN,
    .capability = "ESEARCH CONTEXT=SEARCH SEARCHRES WITHIN SEARCH=FUZZY",
    .parse = parse_search,
    .run = run_search,
    .release = release_search,
};
