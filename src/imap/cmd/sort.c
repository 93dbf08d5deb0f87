/* SORT and UID SORT (RFC 5256, BASE.6.4.SORT), with RETURN (RFC 5267, 3), MODSEQ (RFC 7162, 3.1.6) and the DISPLAY criteria (RFC
 * 5957).
 *
 * The messages are searched as by SEARCH, then sorted (search/sort.h), both in portions. The sequence numbers and UIDs are those that
 * the client knows.
 */
#include "imap/cmd/list.h"

#include "imap/progress.h"
#include "imap/searching.h"
#include "imap/session_priv.h"
#include "imap/sort_keys.h"
#include "search/sort.h"
#include "wire/imap_scan.h"

enum { SORT_BUDGET = 256 * 1024 };

enum phase_of_sort { SORT_BEGIN, SORT_LOOK, SORT_ORDER, SORT_TELL };

struct sort_command {
    struct searching q;
    struct sort_program program;
    struct sort *sort;
};

static bool has_relevancy(const struct sort_command *args)
{
    bool has = false;
    for (size_t i = 0; i < args->program.count; i++) {
        has = has || args->program.at[i].kind == SORT_RELEVANCY;
    }
    return has;
}

static void parse_sort(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    struct sort_command *args = arena_one(cmd->arena, struct sort_command);
    cmd->args = args;
    searching_parse_return(s, cmd, c, &args->q);
    scan_sp(c);
    sort_keys_parse(c, &args->program);
    searching_parse_criteria(s, cmd, c, &args->q);
    if (has_relevancy(args) && !args->q.has_fuzzy) {
        scan_fail(c, ERR_SYNTAX, "FUZZY, for RELEVANCY"); /* RFC 6203 §6 */
    }
}

static enum step sort_look(struct imap_session *s, struct cmd *cmd, struct sort_command *args,
                           struct buf *out)
{
    enum step step = searching_step(s, &args->q, out);
    if (step == STEP_DONE) {
        const struct sort_args sort = {.mailbox = s->selected.mailbox,
                                       .view = s->selected.known,
                                       .seqs = search_get_result(args->q.search),
                                       .scores = search_get_scores(args->q.search),
                                       .program = &args->program};
        args->sort = sort_new(&sort);
        cmd->phase = SORT_ORDER;
    }
    return step;
}

static enum step sort_order(struct imap_session *s, struct cmd *cmd, struct sort_command *args,
                            struct buf *out)
{
    enum step step = sort_step(args->sort, SORT_BUDGET);
    if (step == STEP_MORE) {
        progress_tell(s, search_get_goal(args->q.search), 0, out);
    }
    if (step == STEP_BAD) {
        cmd->err = sort_get_err(args->sort);
        searching_fail(s, &args->q);
    }
    if (step == STEP_DONE) {
        size_t count;
        const uint32_t *at = sort_get_result(args->sort, &count);
        searching_begin_context(s, &args->q, &args->program, at);
        searching_begin_tell(
            s, &args->q, results_of_array(s->selected.known, at, count, cmd->is_uid), "SORT", out);
        cmd->phase = SORT_TELL;
    }
    return step;
}

static enum run run_sort(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct sort_command *args = cmd->args;
    enum step step = STEP_MORE;
    switch ((enum phase_of_sort)cmd->phase) {
    case SORT_BEGIN:
        cmd->phase = SORT_LOOK;
        cmd->err = searching_begin(s, &args->q, out);
        return cmd->err == ERR_OK ? RUN_MORE : RUN_DONE;
    case SORT_LOOK:
        step = sort_look(s, cmd, args, out);
        return step == STEP_BAD ? RUN_DONE : RUN_MORE;
    case SORT_ORDER:
        step = sort_order(s, cmd, args, out);
        return step == STEP_BAD ? RUN_DONE : RUN_MORE;
    case SORT_TELL:
        break;
    }
    return searching_tell(&args->q, out) == STEP_MORE ? RUN_MORE : RUN_DONE;
}

static void release_sort(struct cmd *cmd)
{
    struct sort_command *args = cmd->args;
    sort_free(&args->sort);
    searching_release(&args->q);
}

const struct command command_sort = {
    .name = STR("SORT"),
    .states = STATE_SELECTED,
    .flags =
        COMMAND_HAS_UID | COMMAND_USES_SEQ | COMMAND_TAKES_SEQ | COMMAND_SELECTED | COMMAND_AGAIN,
    .capability = "SORT ESORT CONTEXT=SORT SORT=DISPLAY I18NLEVEL=1",
    .parse = parse_sort,
    .run = run_sort,
    .release = release_sort,
};
