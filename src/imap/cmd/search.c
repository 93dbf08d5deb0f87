/* SEARCH and UID SEARCH (RFC 3501, 6.4.4), with RETURN (RFC 4731) and MODSEQ (RFC 7162, 3.1.5, 3.1.6 and 3.1.10).
 *
 * The search itself is a cursor of the search room; here it is given a budget a step, so that a search through a million
 * messages leaves time to its neighbours. The result is a set of message numbers; as UIDs it is read off the view.
 */
#include "imap/cmd/list.h"

#include "imap/progress.h"
#include "imap/search_keys.h"
#include "imap/session_priv.h"
#include "imap/set.h"
#include "imap/walk.h"
#include "mime/charset.h"
#include "search/run.h"
#include "wire/imap_scan.h"
#include "wire/imap_write.h"

enum { BUDGET = 256 * 1024 };

enum return_option { RETURN_MIN = 1, RETURN_MAX = 2, RETURN_ALL = 4, RETURN_COUNT = 8 };

struct search_command {
    bool has_return;
    unsigned options; /* bits of enum return_option */
    bool has_modseq;
    struct search_key *program;
    struct search *search;
    struct numset uids; /* the result of a UID SEARCH */
    struct walk walk;   /* over the result */
};

enum search_phase { SEARCH_BEGIN, SEARCH_LOOK, SEARCH_TELL };

/* ---- parsing ---- */

static unsigned parse_option(struct scan *c)
{
    static const struct {
        struct str name;
        enum return_option option;
    } OPTIONS[] = {
        {{"MIN", 3}, RETURN_MIN},
        {{"MAX", 3}, RETURN_MAX},
        {{"ALL", 3}, RETURN_ALL},
        {{"COUNT", 5}, RETURN_COUNT},
    };
    for (size_t i = 0; i < sizeof(OPTIONS) / sizeof(OPTIONS[0]); i++) {
        if (scan_accept_word(c, OPTIONS[i].name)) {
            return OPTIONS[i].option;
        }
    }
    return 0;
}

static void parse_return(struct search_command *args, struct scan *c)
{
    args->has_return = true;
    scan_sp(c);
    scan_require(c, '(', "a list of result options");
    while (scan_is_ok(c) && !scan_accept(c, ')')) {
        if (args->options != 0) {
            scan_sp(c);
        }
        unsigned option = parse_option(c);
        if (option == 0) {
            scan_fail(c, ERR_SYNTAX, "MIN, MAX, ALL or COUNT");
        }
        args->options |= option;
    }
    if (args->options == 0) {
        args->options = RETURN_ALL; /* RFC 4731 §3.1: () means (ALL) */
    }
}

static void check_charset(struct scan *c, struct str name)
{
    struct charset *charset = NULL;
    if (scan_is_ok(c) && charset_new(name, &charset) != ERR_OK) {
        scan_fail(c, ERR_BAD_CHARSET, "a charset that is known here");
    }
    charset_free(&charset);
}

static void parse_search(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    struct search_command *args = arena_one(cmd->arena, struct search_command);
    cmd->args = args;
    scan_sp(c);
    if (scan_accept_word(c, STR("RETURN"))) {
        parse_return(args, c);
        scan_sp(c);
    }
    struct search_keys keys = {
        .arena = cmd->arena,
        .last_seq = set_get_last(s, false),
        .last_uid = set_get_last(s, true),
    };
    if (scan_accept_word(c, STR("CHARSET"))) {
        scan_sp(c);
        keys.charset = scan_astring(c, cmd->arena);
        check_charset(c, keys.charset);
        scan_sp(c);
    }
    args->program = search_keys_parse(&keys, c);
    args->has_modseq = keys.has_modseq;
}

/* ---- telling ---- */

/* Fills the UIDs of the result when those are wanted, and begins the walk. */
static void begin_tell(struct imap_session *s, struct cmd *cmd, struct search_command *args)
{
    const struct numset *result = search_get_result(args->search);
    walk_init(&args->walk, s->selected.known, result, false);
    if (cmd->is_uid && args->has_return) {
        walk_collect_uids(s->selected.known, result, false, &args->uids);
    }
}

/* The numbers of "* SEARCH": STEP_MORE when out is full for now. */
static enum step write_numbers(struct cmd *cmd, struct search_command *args, struct buf *out)
{
    struct walk_run run;
    while (out->len < SESSION_OUTPUT_MOST) {
        if (!walk_next_run(&args->walk, SIZE_MAX, &run)) {
            return STEP_DONE;
        }
        for (uint32_t i = 0; i < run.count; i++) {
            buf_add_char(out, ' ');
            buf_add_u64(out, cmd->is_uid ? run.uids[i] : run.first.v + i);
        }
    }
    return STEP_MORE;
}

static uint64_t get_modseq(const struct imap_session *s, uint32_t seq)
{
    struct message m;
    view_get_hot(s->selected.known, (struct seq){seq}, &m);
    return m.modseq;
}

/* Which mod-sequence belongs to the options (RFC 4731, 3.2): of the message that MIN or MAX names, else of all. */
static uint64_t find_modseq(const struct imap_session *s, const struct search_command *args)
{
    const struct numset *result = search_get_result(args->search);
    if ((args->options & (RETURN_ALL | RETURN_COUNT)) != 0) {
        return search_get_highestmodseq(args->search);
    }
    uint64_t highest = 0;
    if (args->options & RETURN_MIN) {
        highest = get_modseq(s, result->at[0].first);
    }
    if (args->options & RETURN_MAX) {
        uint64_t of_max = get_modseq(s, result->at[result->count - 1].last);
        highest = of_max > highest ? of_max : highest;
    }
    return highest;
}

static void write_esearch(struct imap_session *s, struct cmd *cmd, struct search_command *args,
                          struct buf *out)
{
    const struct numset *result = cmd->is_uid ? &args->uids : search_get_result(args->search);
    buf_add(out, STR("* ESEARCH (TAG "));
    imap_write_string(out, cmd->tag);
    buf_add_c(out, cmd->is_uid ? ") UID" : ")");
    bool is_empty = numset_is_empty(result);
    if ((args->options & RETURN_MIN) && !is_empty) {
        buf_add(out, STR(" MIN "));
        buf_add_u64(out, result->at[0].first);
    }
    if ((args->options & RETURN_MAX) && !is_empty) {
        buf_add(out, STR(" MAX "));
        buf_add_u64(out, result->at[result->count - 1].last);
    }
    if (args->options & RETURN_COUNT) {
        buf_add(out, STR(" COUNT "));
        buf_add_u64(out, numset_get_count(result));
    }
    if ((args->options & RETURN_ALL) && !is_empty) {
        buf_add(out, STR(" ALL "));
        numset_write(out, result);
    }
    if (args->has_modseq && !is_empty) {
        buf_add(out, STR(" MODSEQ "));
        buf_add_u64(out, find_modseq(s, args));
    }
    buf_add(out, STR("\r\n"));
}

static void write_end(struct search_command *args, struct buf *out)
{
    if (args->has_modseq && !numset_is_empty(search_get_result(args->search))) {
        buf_addf(out, " (MODSEQ %llu)", (unsigned long long)search_get_highestmodseq(args->search));
    }
    buf_add(out, STR("\r\n"));
}

/* ---- running ---- */

static enum err search_begin(struct imap_session *s, struct search_command *args, struct buf *out)
{
    if (args->has_modseq) {
        session_enable_condstore(s, out);
    }
    struct search_args search = {
        .mailbox = s->selected.mailbox,
        .view = s->selected.known,
        .program = args->program,
        .recent = &s->selected.recent,
    };
    return search_new(&search, &args->search);
}

static enum run search_look(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct search_command *args = cmd->args;
    switch (search_step(args->search, BUDGET)) {
    case STEP_MORE:
        progress_tell(s, search_get_progress(args->search), view_get_count(s->selected.known), out);
        return RUN_MORE;
    case STEP_BAD:
        cmd->err = search_get_err(args->search);
        return RUN_DONE;
    case STEP_DONE:
        break;
    }
    begin_tell(s, cmd, args);
    if (args->has_return) {
        write_esearch(s, cmd, args, out);
        return RUN_DONE;
    }
    buf_add(out, STR("* SEARCH"));
    cmd->phase = SEARCH_TELL;
    return RUN_MORE;
}

static enum run run_search(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct search_command *args = cmd->args;
    if (cmd->phase == SEARCH_BEGIN) {
        cmd->phase = SEARCH_LOOK;
        cmd->err = search_begin(s, args, out);
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
    if (write_numbers(cmd, args, out) == STEP_MORE) {
        return RUN_MORE;
    }
    write_end(args, out);
    return RUN_DONE;
}

static void release_search(struct cmd *cmd)
{
    struct search_command *args = cmd->args;
    search_free(&args->search);
    numset_release(&args->uids);
}

const struct command command_search = {
    .name = STR("SEARCH"),
    .states = STATE_SELECTED,
    .flags = COMMAND_HAS_UID | COMMAND_USES_SEQ | COMMAND_TAKES_SEQ,
    .capability = "ESEARCH",
    .parse = parse_search,
    .run = run_search,
    .release = release_search,
};
