/* THREAD and UID THREAD (RFC 5256, BASE.6.4.THREAD): the messages are searched as by SEARCH, then made into threads (search/thread.h),
 * both in portions; then the forest is written.
 *
 *   thread-list = "(" (thread-members / thread-nested) ")"         * THREAD (2)(3 6 (4 23)(44 7 96))((5)(8))
 *
 * A message is written behind a space when it is its parent's only child, else it begins a list of its own. A parent that is not there
 * writes nothing but its children's lists. The walk holds one node and finds its way back by parents, so neither depth nor a
 * client that reads slowly costs anything.
 */
#include "imap/cmd/list.h"

#include "imap/progress.h"
#include "imap/searching.h"
#include "imap/session_priv.h"
#include "search/thread.h"
#include "wire/imap_scan.h"
#include "wire/imap_write.h"

enum { THREAD_BUDGET = 256 * 1024 };

enum phase_of_thread { THREAD_BEGIN, THREAD_LOOK, THREAD_BUILD, THREAD_TELL };

struct thread_command {
    struct searching q;
    enum thread_algorithm algorithm;
    struct thread *thread;
    uint32_t node; /* the next one to be written; 0: none */
};

static void parse_algorithm(struct scan *c, enum thread_algorithm *out)
{
    static const struct {
        struct str name;
        enum thread_algorithm algorithm;
    } NAMES[] = {
        {{"ORDEREDSUBJECT", 14}, THREAD_ORDEREDSUBJECT},
        {{"REFERENCES", 10}, THREAD_REFERENCES},
        {{"REFS", 4}, THREAD_REFS},
    };
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (scan_accept_word(c, NAMES[i].name)) {
            *out = NAMES[i].algorithm;
            return;
        }
    }
    scan_fail(c, ERR_SYNTAX, "a threading algorithm");
}

static void parse_thread(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    struct thread_command *args = arena_one(cmd->arena, struct thread_command);
    cmd->args = args;
    scan_sp(c);
    parse_algorithm(c, &args->algorithm);
    searching_parse_criteria(s, cmd, c, &args->q);
}

/* ---- writing ---- */

static bool has_siblings(const struct thread_node *nodes, const struct thread_node *n)
{
    const struct thread_node *parent = &nodes[n->parent];
    return n->parent == 0 || parent->seq == 0 || nodes[parent->child].next != 0;
}

static void write_number(struct imap_session *s, uint32_t seq, struct buf *out)
{
    struct message m;
    view_get_hot(s->selected.known, (struct seq){seq}, &m);
    buf_add_u64(out, s->cmd.is_uid ? m.uid.v : seq);
}

/* Ends what ends behind the node; returns the next one, 0: there is none. */
static uint32_t leave(const struct thread_node *nodes, uint32_t at, struct buf *out)
{
    while (at != 0) {
        const struct thread_node *n = &nodes[at];
        buf_add_c(out, has_siblings(nodes, n) ? ")" : "");
        if (n->next != 0) {
            return n->next;
        }
        at = n->parent;
    }
    return 0;
}

static uint32_t write_node(struct imap_session *s, const struct thread_node *nodes, uint32_t at,
                           struct buf *out)
{
    const struct thread_node *n = &nodes[at];
    buf_add_c(out, has_siblings(nodes, n) ? "(" : " ");
    if (n->seq != 0) {
        write_number(s, n->seq, out);
    }
    if (n->child == 0) {
        return leave(nodes, at, out);
    }
    if (n->seq != 0 && nodes[n->child].next != 0) {
        buf_add_char(out, ' ');
    }
    return n->child;
}

static enum run thread_tell(struct imap_session *s, struct thread_command *args, struct buf *out)
{
    const struct thread_node *nodes = thread_get_nodes(args->thread);
    while (args->node != 0) {
        if (out->len >= SESSION_OUTPUT_MOST) {
            return RUN_MORE;
        }
        args->node = write_node(s, nodes, args->node, out);
    }
    imap_write_crlf(out);
    return RUN_DONE;
}

/* ---- running ---- */

static enum step thread_look(struct imap_session *s, struct cmd *cmd, struct thread_command *args,
                             struct buf *out)
{
    enum step step = searching_step(s, &args->q, out);
    if (step == STEP_DONE) {
        const struct thread_args thread = {.mailbox = s->selected.mailbox,
                                           .view = s->selected.known,
                                           .seqs = search_get_result(args->q.search),
                                           .algorithm = args->algorithm};
        args->thread = thread_new(&thread);
        cmd->phase = THREAD_BUILD;
    }
    return step;
}

static enum step thread_build(struct imap_session *s, struct cmd *cmd, struct thread_command *args,
                              struct buf *out)
{
    enum step step = thread_step(args->thread, THREAD_BUDGET);
    if (step == STEP_MORE) {
        progress_tell(s, search_get_goal(args->q.search), 0, out);
    }
    if (step == STEP_BAD) {
        cmd->err = thread_get_err(args->thread);
    }
    if (step == STEP_DONE) {
        args->node = thread_get_nodes(args->thread)[0].child;
        buf_add_c(out, args->node == 0 ? "* THREAD" : "* THREAD ");
        cmd->phase = THREAD_TELL;
    }
    return step;
}

static enum run run_thread(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct thread_command *args = cmd->args;
    switch ((enum phase_of_thread)cmd->phase) {
    case THREAD_BEGIN:
        cmd->phase = THREAD_LOOK;
        cmd->err = searching_begin(s, &args->q, out);
        return cmd->err == ERR_OK ? RUN_MORE : RUN_DONE;
    case THREAD_LOOK:
        return thread_look(s, cmd, args, out) == STEP_BAD ? RUN_DONE : RUN_MORE;
    case THREAD_BUILD:
        return thread_build(s, cmd, args, out) == STEP_BAD ? RUN_DONE : RUN_MORE;
    case THREAD_TELL:
        break;
    }
    return thread_tell(s, args, out);
}

static void release_thread(struct cmd *cmd)
{
    struct thread_command *args = cmd->args;
    thread_free(&args->thread);
    searching_release(&args->q);
}

const struct command command_thread = {
    .name = STR("THREAD"),
    .states = STATE_SELECTED,
    .flags =
        COMMAND_HAS_UID | COMMAND_USES_SEQ | COMMAND_TAKES_SEQ | COMMAND_SELECTED | COMMAND_AGAIN,
    .capability = "THREAD=ORDEREDSUBJECT THREAD=REFERENCES THREAD=REFS",
    .parse = parse_thread,
    .run = run_thread,
    .release = release_thread,
};
