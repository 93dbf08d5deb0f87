/* STATUS (RFC 3501, 6.3.10; RFC 7162, 3.1.7; RFC 7889; RFC 8438; RFC 8474, 4.3): counts that a view keeps, for a mailbox that
 * is not selected. */
#include "imap/cmd/list.h"

#include "imap/access.h"
#include "imap/session_priv.h"
#include "imap/status.h"
#include "store/object.h"
#include "wire/imap_scan.h"

enum { MAILBOX_WORK = 32 * 1024, FLAGS_WORK = 8, SIZE_WORK = 32 };

struct status_args {
    struct str name;
    unsigned atts; /* bits of enum status_att */
};

static void parse_status(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    (void)s;
    struct status_args *args = arena_one(cmd->arena, struct status_args);
    cmd->args = args;
    scan_sp(c);
    args->name = scan_mailbox(c, cmd->arena);
    scan_sp(c);
    args->atts = scan_status_atts(c);
}

static uint64_t get_size(struct view *v, uint32_t seq)
{
    struct message m;
    return view_get(v, (struct seq){seq}, &m) == ERR_OK ? m.size : 0;
}

/* How many messages an EXPUNGE would remove, or their octets. */
static uint64_t count_deleted(struct view *v, bool is_storage)
{
    uint64_t count = 0;
    uint32_t total = view_get_count(v);
    const uint32_t *uids = NULL;
    const uint64_t *modseqs = NULL;
    const uint64_t *flags = NULL;
    for (uint32_t seq = 1; seq <= total;) {
        size_t n = view_get_run(v, (struct seq){seq}, &uids, &modseqs, &flags);
        for (size_t i = 0; i < n; i++) {
            if (flags[i] & FLAG_DELETED) {
                count += is_storage ? get_size(v, seq + (uint32_t)i) : 1;
            }
        }
        seq += (uint32_t)n;
    }
    return count;
}

static uint64_t get_value(const struct imap_session *s, struct mailbox *m, struct view *v,
                          enum status_att att)
{
    switch (att) {
    case STATUS_MESSAGES:
        return view_get_count(v);
    case STATUS_RECENT:
        return news_count_recent(s, m, v);
    case STATUS_UIDNEXT:
        return view_get_uidnext(v).v;
    case STATUS_UIDVALIDITY:
        return view_get_uidvalidity(v);
    case STATUS_UNSEEN:
        return view_get_unseen_count(v);
    case STATUS_HIGHESTMODSEQ:
        return view_get_highestmodseq(v);
    case STATUS_SIZE:
        return view_get_total_size(v);
    case STATUS_APPENDLIMIT: /* one for all mailboxes */
        return s->args.message_most;
    case STATUS_DELETED:
        return count_deleted(v, false);
    case STATUS_DELETED_STORAGE:
    case STATUS_MAILBOXID:
        break;
    }
    return count_deleted(v, true);
}

static const struct {
    enum status_att att;
    const char *name;
} status_names[] = {
    {STATUS_MESSAGES, "MESSAGES"},
    {STATUS_RECENT, "RECENT"},
    {STATUS_UIDNEXT, "UIDNEXT"},
    {STATUS_UIDVALIDITY, "UIDVALIDITY"},
    {STATUS_UNSEEN, "UNSEEN"},
    {STATUS_HIGHESTMODSEQ, "HIGHESTMODSEQ"},
    {STATUS_SIZE, "SIZE"},
    {STATUS_DELETED, "DELETED"},
    {STATUS_APPENDLIMIT, "APPENDLIMIT"},
    {STATUS_DELETED_STORAGE, "DELETED-STORAGE"},
};

static void write_items(const struct imap_session *s, struct mailbox *m, struct view *v,
                        unsigned atts, struct buf *out)
{
    char id[OBJECT_ID_MOST];
    bool is_first = true;
    for (size_t i = 0; i < sizeof(status_names) / sizeof(status_names[0]); i++) {
        if ((atts & status_names[i].att) == 0) {
            continue;
        }
        if (!is_first) {
            buf_add_char(out, ' ');
        }
        is_first = false;
        buf_add_c(out, status_names[i].name);
        buf_add_char(out, ' ');
        buf_add_u64(out, get_value(s, m, v, status_names[i].att));
    }
    if (atts & STATUS_MAILBOXID) {
        buf_addf(out, "%sMAILBOXID (%.*s)", is_first ? "" : " ",
                 STR_ARG(object_get_mailbox(m, id)));
    }
}

static size_t get_work(const struct view *v, unsigned atts)
{
    bool reads_sizes = (atts & STATUS_DELETED_STORAGE) != 0;
    return MAILBOX_WORK + (size_t)view_get_count(v) * (reads_sizes ? SIZE_WORK : FLAGS_WORK);
}

enum err status_write(const struct imap_session *s, struct str name, unsigned atts, struct buf *out,
                      size_t *work)
{
    *work += MAILBOX_WORK;
    struct mailbox *m = NULL;
    struct view *v = NULL;
    TRY(session_find_mailbox(s, name, RIGHT_READ, &m));
    enum err e = mailbox_get_view(m, &v);
    if (e == ERR_OK) {
        *work += get_work(v, atts);
        buf_add(out, STR("* STATUS "));
        session_write_mailbox(s, out, name);
        buf_add(out, STR(" ("));
        write_items(s, m, v, atts, out);
        buf_add(out, STR(")\r\n"));
    }
    mailbox_unref(&m);
    return e;
}

static enum run run_status(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    const struct status_args *args = cmd->args;
    if (args->atts & STATUS_HIGHESTMODSEQ) {
        session_enable_condstore(s, out);
    }
    size_t work = 0;
    cmd->err = status_write(s, args->name, args->atts, out, &work);
    return RUN_DONE;
}

const struct command command_status = {
    .name = STR("STATUS"),
    .states = STATE_ANY,
    .flags = COMMAND_NAMES | COMMAND_AGAIN,
    .parse = parse_status,
    .run = run_status,
};
