/* LIST, plain and extended (RFC 3501, 6.3.8; RFC 5258), with CHILDREN (RFC 3348), special uses (RFC 6154), and STATUS (RFC
 * 5819), METADATA (RFC 9590) and MYRIGHTS (RFC 8440) behind what was listed.
 *
 * One walk over the account's sorted names, as a generator: a step writes a bounded amount and does a bounded amount of work
 * (patterns and names multiply, and a STATUS may have to read a mailbox's pages), then the next one goes on behind the
 * name looked at last, wherever that is by then.
 *
 * A name is listed when it matches a pattern and is wanted: there (or a parent of one that is), or what the selection options
 * say. With RECURSIVEMATCH it is also listed when only something below it is wanted that no pattern matches; what
 * is below a name stands right behind it, so that is a look ahead.
 *
 * A name that is no mailbox is \NonExistent for an extended LIST and in IMAP4rev2, and \Noselect for clients that know no more. */
#include "imap/cmd/list.h"

#include "imap/access.h"
#include "imap/far_list.h"
#include "imap/list_row.h"
#include "imap/listing.h"
#include "imap/list_scan.h"
#include "imap/metadata.h"
#include "imap/pattern.h"
#include "imap/session_priv.h"
#include "imap/special_use.h"
#include "imap/status.h"

enum {
    STEP_WORK_MOST = 4 * 1024 * 1024, /* octets of names times octets of patterns, roughly 10 ms */
    METADATA_WORK = 64 * 1024,
    AHEAD_WORK_MOST = 1024 * 1024,
    PATTERN_MOST = 2 * MAILBOX_NAME_MOST /* longer ones match nothing (RFC 5258, 3) */
};

struct list_args {
    struct list_scan scan;
    size_t pattern_octets; /* of all patterns */
    struct buf last;       /* the name looked at last */
    size_t work;           /* done in this step */
    struct metadata_get get;
    struct metadata_answer answer; /* under way while answered is set */
    struct mailbox *answered;      /* counted */
    struct far_list *far;          /* begun, when all names of this account were looked at */
};

static void parse_list(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    (void)s;
    struct list_args *args = arena_one(cmd->arena, struct list_args);
    cmd->args = args;
    buf_init(&args->last, MAILBOX_NAME_MOST);
    list_scan(c, cmd->arena, &args->scan);
    args->get = (struct metadata_get){.entries = args->scan.entries, .maxsize = UINT64_MAX};
    for (size_t i = 0; i < args->scan.count; i++) {
        args->pattern_octets += args->scan.patterns[i].n;
    }
}

static bool matches(struct list_args *args, struct str name)
{
    for (size_t i = 0; i < args->scan.count; i++) {
        struct str pattern = args->scan.patterns[i];
        if (pattern.n <= PATTERN_MOST && pattern_matches(pattern, name)) {
            return true;
        }
    }
    return false;
}

/* What the selection options ask for. */
static bool is_wanted(const struct list_args *args, const struct mailbox_info *info)
{
    unsigned selects = args->scan.selects;
    if ((selects & LIST_SELECT_CRITERIA) == 0) {
        return info->is_mailbox || info->has_children;
    }
    bool is_subscribed = (selects & LIST_SELECT_SUBSCRIBED) == 0 || info->is_subscribed;
    return is_subscribed && ((selects & LIST_SELECT_SPECIAL_USE) == 0 || info->special_use != 0);
}

/* ---- RECURSIVEMATCH ---- */

static bool is_below(struct str name, struct str parent)
{
    return str_starts(name, parent) && name.n > parent.n && name.p[parent.n] == '/';
}

/* The names below that of the row before `at`, one after the other. Below a namespace of others, whose mailboxes are not rows of an
 * owner, these are the subscriptions. */
struct below {
    struct str name;
    size_t at;
    bool is_elsewhere;
};

static struct below begin_below(const struct imap_session *s, struct str name, size_t at)
{
    bool is_elsewhere = !s->args.is_peer && session_is_foreign(s, name);
    return (struct below){name, is_elsewhere ? 0 : at, is_elsewhere};
}

static bool next_below(struct imap_session *s, struct below *b, struct mailbox_info *info)
{
    if (!b->is_elsewhere) {
        return session_next_mailbox(s, &b->at, info) && is_below(info->name, b->name);
    }
    while (account_next_mailbox(s->account, &b->at, info)) {
        if (info->is_subscribed && is_below(info->name, b->name)) {
            return true;
        }
    }
    return false;
}

/* Something below the name before `at` is wanted. */
static bool has_wanted_below(struct imap_session *s, struct list_args *args, struct str name,
                             size_t at)
{
    struct mailbox_info info;
    struct below below = begin_below(s, name, at);
    while (next_below(s, &below, &info)) {
        args->work += info.name.n;
        if (is_wanted(args, &info)) {
            return true;
        }
    }
    return false;
}

/* ... and will not be listed itself. RFC 5258, 3.5: CHILDINFO that tells nothing new SHOULD be left out; when it takes too long
 * to find out, it is told. */
static bool has_unlisted_below(struct imap_session *s, struct list_args *args, struct str name,
                               size_t at)
{
    size_t work = 0;
    struct mailbox_info info;
    struct below below = begin_below(s, name, at);
    while (next_below(s, &below, &info)) {
        if (!is_wanted(args, &info)) {
            continue;
        }
        work += info.name.n * (args->pattern_octets + 1);
        args->work += info.name.n * (args->pattern_octets + 1);
        if (work >= AHEAD_WORK_MOST || !matches(args, info.name)) {
            return true;
        }
    }
    return false;
}

/* ---- writing ---- */

static void write_childinfo(const struct list_args *args, struct buf *out)
{
    unsigned selects = args->scan.selects;
    bool is_both = (selects & LIST_SELECT_CRITERIA) == LIST_SELECT_CRITERIA;
    buf_add(out, STR(" (\"CHILDINFO\" ("));
    buf_add_c(out, selects & LIST_SELECT_SUBSCRIBED ? "\"SUBSCRIBED\"" : "");
    buf_add_c(out, is_both ? " " : "");
    buf_add_c(out, selects & LIST_SELECT_SPECIAL_USE ? "\"SPECIAL-USE\"" : "");
    buf_add(out, STR("))"));
}

static bool may_read(const struct imap_session *s, struct str name)
{
    struct mailbox *m = NULL;
    bool may = !session_is_guest(s) || session_find_mailbox(s, name, RIGHT_READ, &m) == ERR_OK;
    mailbox_unref(&m);
    return may;
}

/* The attribute that says why it cannot be selected, and a space. */
static const char *get_existence(const struct imap_session *s, const struct list_scan *scan,
                                 const struct mailbox_info *info)
{
    if (!info->is_mailbox) {
        return scan->is_extended || s->is_rev2 ? "\\NonExistent " : "\\Noselect ";
    }
    /* RFC 5819 §2: when its STATUS is asked for and cannot be had. */
    return (scan->returns & LIST_RETURN_STATUS) && !may_read(s, info->name) ? "\\Noselect " : "";
}

/* "* LIST (attributes) "/" name", without the line end. */
static void begin_row(const struct imap_session *s, const struct list_scan *scan,
                      const struct mailbox_info *info, struct buf *out)
{
    buf_add(out, STR("* LIST ("));
    buf_add_c(out, get_existence(s, scan, info));
    buf_add_c(out, info->has_children ? "\\HasChildren" : "\\HasNoChildren");
    if (info->is_subscribed && (scan->returns & LIST_RETURN_SUBSCRIBED)) {
        buf_add(out, STR(" \\Subscribed"));
    }
    special_use_write(out, info->special_use, false);
    buf_add(out, STR(") \"/\" "));
    session_write_mailbox(s, out, info->name);
}

static bool is_there(const struct imap_session *s, struct str store_name)
{
    struct mailbox *m = NULL;
    bool is_there = account_find_mailbox(s->account, store_name, &m) == ERR_OK;
    mailbox_unref(&m);
    return is_there;
}

/* false: LIST would not show it. */
static bool find_row(struct imap_session *s, struct str name, struct mailbox_info *info)
{
    listing_free(&s->listing); /* it may be old */
    size_t at = session_seek_mailbox(s, name);
    if (at == 0) {
        return false;
    }
    at--;
    return session_next_mailbox(s, &at, info) && str_eq(info->name, name);
}

void list_row_write(struct imap_session *s, struct str store_name, struct str given,
                    struct buf *out)
{
    const struct list_scan plain = {.is_extended = false};
    CLEANUP(buf_release) struct buf full = BUF_INIT(PATTERN_MOST);
    buf_add(&full, s->args.prefix);
    buf_add(&full, store_name);
    struct str name = buf_str(&full);
    struct mailbox_info info;
    bool exists = is_there(s, store_name);
    if (find_row(s, name, &info) && info.is_mailbox == exists) {
        begin_row(s, &plain, &info, out);
    } else { /* a guest may open what he may not look up */
        buf_add_c(out, exists ? "* LIST () \"/\" " : "* LIST (\\NonExistent) \"/\" ");
        session_write_mailbox(s, out, name);
    }
    if (!str_eq(given, name)) {
        buf_add(out, STR(" (\"OLDNAME\" ("));
        session_write_mailbox(s, out, given);
        buf_add(out, STR("))"));
    }
    buf_add(out, STR("\r\n"));
}

/* Appends the account's name of it; true: that is another one. */
static bool is_respelt(const struct imap_session *s, struct str name, struct buf *normal)
{
    struct str store_name;
    return session_get_store_name(s, name, &store_name) == ERR_OK
           && mailbox_name_normalise(store_name, normal) == ERR_OK
           && !str_eq(buf_str(normal), store_name);
}

void list_row_tell_spelling(struct imap_session *s, struct str name, struct str old,
                            struct buf *out)
{
    CLEANUP(buf_release) struct buf normal = BUF_INIT(MAILBOX_NAME_MOST);
    CLEANUP(buf_release) struct buf normal_old = BUF_INIT(MAILBOX_NAME_MOST);
    if (!s->is_rev2) {
        return;
    }
    bool is_name_respelt = is_respelt(s, name, &normal);
    if (is_respelt(s, old, &normal_old) || is_name_respelt) {
        list_row_write(s, buf_str(&normal), old, out);
    }
}

static void write_row(const struct imap_session *s, const struct list_args *args,
                      const struct mailbox_info *info, bool has_childinfo, struct buf *out)
{
    begin_row(s, &args->scan, info, out);
    if (has_childinfo) {
        write_childinfo(args, out);
    }
    buf_add(out, STR("\r\n"));
}

/* Annotations may be large: goes on with those of one mailbox. false: out is full for now. */
static bool answer_metadata(struct imap_session *s, struct list_args *args, struct buf *out)
{
    enum err e = ERR_OK; /* what cannot be read is left out (RFC 9590, 3) */
    if (args->answered == NULL) {
        return true;
    }
    if (metadata_answer_step(s, &args->answer, out, &e) == STEP_MORE) {
        return false;
    }
    metadata_answer_release(&args->answer);
    mailbox_unref(&args->answered);
    return true;
}

static void begin_metadata(struct imap_session *s, struct list_args *args, struct str name)
{
    if (session_find_mailbox(s, name, RIGHT_LOOKUP, &args->answered) != ERR_OK) {
        return;
    }
    if (!metadata_may(s, args->answered)) {
        mailbox_unref(&args->answered);
        return;
    }
    args->answer =
        (struct metadata_answer){.name = name, .mailbox = args->answered, .get = &args->get};
}

/* Data of a mailbox that was listed for its own sake, not for what is below it. What cannot be read is left out (RFC 5819, 2). */
static void write_data(struct imap_session *s, struct list_args *args, struct str name,
                       struct buf *out)
{
    if (args->scan.returns & LIST_RETURN_STATUS) {
        err_ignore(status_write(s, name, args->scan.status, out, &args->work));
    }
    if (args->scan.returns & LIST_RETURN_METADATA) {
        args->work += METADATA_WORK;
        begin_metadata(s, args, name);
    }
    struct mailbox *m = NULL;
    if ((args->scan.returns & LIST_RETURN_MYRIGHTS) != 0
        && session_find_mailbox(s, name, 0, &m) == ERR_OK) {
        session_write_myrights(s, name, m, out); /* RFC 8440 */
        mailbox_unref(&m);
    }
}

/* info: of the name before `at`. */
static void list_name(struct imap_session *s, struct list_args *args,
                      const struct mailbox_info *info, size_t at, struct buf *out)
{
    args->work += info->name.n * (args->pattern_octets + 1);
    if (!matches(args, info->name)) {
        return;
    }
    bool is_recursive = (args->scan.selects & LIST_SELECT_RECURSIVEMATCH) != 0;
    bool has_childinfo = is_recursive && has_wanted_below(s, args, info->name, at);
    bool is_itself = is_wanted(args, info);
    if (!is_itself && (!has_childinfo || !has_unlisted_below(s, args, info->name, at))) {
        return;
    }
    write_row(s, args, info, has_childinfo, out);
    if (is_itself && info->is_mailbox) {
        write_data(s, args, info->name, out);
    }
}

/* What other accounts have to list, when a pattern may match there. */
static enum run run_far(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct list_args *args = cmd->args;
    if (s->args.is_peer) {
        return RUN_DONE;
    }
    if (args->far == NULL) {
        args->far = far_list_new(s, args->scan.patterns, args->scan.count);
    }
    return far_list_run(args->far, s, out);
}

static enum run run_list(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct list_args *args = cmd->args;
    if (args->scan.is_delimiter) {
        buf_add(out, STR("* LIST (\\Noselect) \"/\" \"\"\r\n"));
        return RUN_DONE;
    }
    if (args->scan.status & STATUS_HIGHESTMODSEQ) {
        session_enable_condstore(s, out);
    }
    if (args->far != NULL) {
        return run_far(s, cmd, out);
    }
    args->work = 0;
    if (!answer_metadata(s, args, out)) {
        return RUN_MORE;
    }
    size_t at = args->last.len == 0 ? 0 : session_seek_mailbox(s, buf_str(&args->last));
    struct mailbox_info info;
    while (session_next_mailbox(s, &at, &info)) {
        /* Reading a mailbox may make the list anew: the name is copied, and the place found again. */
        buf_clear(&args->last);
        buf_add(&args->last, info.name);
        info.name = buf_str(&args->last);
        list_name(s, args, &info, at, out);
        if (!answer_metadata(s, args, out) || args->work >= STEP_WORK_MOST
            || out->len >= SESSION_OUTPUT_MOST) {
            return RUN_MORE;
        }
        at = session_seek_mailbox(s, info.name);
    }
    return run_far(s, cmd, out);
}

static void release_list(struct cmd *cmd)
{
    struct list_args *args = cmd->args;
    buf_release(&args->last);
    metadata_answer_release(&args->answer);
    mailbox_unref(&args->answered);
    far_list_free(&args->far);
}

const struct command command_list = {
    .name = STR("LIST"),
    .states = STATE_ANY,
    .flags = COMMAND_PEER | COMMAND_AGAIN,
    .capability = "LIST-EXTENDED LIST-STATUS LIST-METADATA LIST-MYRIGHTS",
    .parse = parse_list,
    .run = run_list,
    .release = release_list,
};
