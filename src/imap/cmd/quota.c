/* GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208).
 *
 * An account is one quota root, called "Account"; that of somebody else is called as his mailboxes are, "Other Users/bob/Account".
 * So these commands find their way to another worker as those do that name a mailbox. Each account's owner sees its usage; the
 * users of the configuration's quota_admins see and set everybody's.
 *
 * A resource without a limit is not in the answer, which has no way to say so. The number of mailboxes always has one. */
#include "imap/cmd/list.h"

#include "imap/access.h"
#include "imap/quota.h"
#include "imap/session_priv.h"
#include "imap/url.h"
#include "store/quota.h"
#include "wire/imap_scan.h"
#include "wire/imap_write.h"

enum { UNIT = 1024, ROOT_MOST = 8192 };

static const struct str ROOT = STR("Account");

static const struct str NAMES[QUOTA_RESOURCE_COUNT] = {
    STR("STORAGE"),
    STR("MESSAGE"),
    STR("MAILBOX"),
};

struct quota_args {
    struct str name; /* of a root, or of a mailbox */
    uint64_t limits[QUOTA_RESOURCE_COUNT];
    bool is_unknown; /* SETQUOTA: a resource that is not offered here */
};

static void parse_name(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    (void)s;
    struct quota_args *args = arena_one(cmd->arena, struct quota_args);
    cmd->args = args;
    scan_sp(c);
    args->name = scan_mailbox(c, cmd->arena);
}

/* setquota-resource = resource-name SP resource-limit */
static void parse_limit(struct quota_args *args, struct scan *c)
{
    struct str name = scan_atom(c);
    scan_sp(c);
    uint64_t limit = scan_number64(c);
    for (unsigned i = 0; i < QUOTA_RESOURCE_COUNT; i++) {
        if (str_eq_nocase(name, NAMES[i])) {
            args->limits[i] = limit < QUOTA_LIMIT_MOST ? limit : QUOTA_LIMIT_MOST;
            return;
        }
    }
    args->is_unknown = true;
}

static void parse_set(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    parse_name(s, cmd, c);
    struct quota_args *args = cmd->args;
    for (unsigned i = 0; i < QUOTA_RESOURCE_COUNT; i++) {
        args->limits[i] = QUOTA_UNLIMITED; /* RFC 9208 §4.1.3: what is not listed is not limited */
    }
    scan_sp(c);
    scan_require(c, '(', "a list of limits");
    if (scan_accept(c, ')')) {
        return;
    }
    do {
        parse_limit(args, c);
    } while (scan_accept(c, ' '));
    scan_require(c, ')', "the end of a list of limits");
}

/* ---- roots ---- */

static bool is_root(const struct imap_session *s, struct str name)
{
    struct str prefix = s->args.prefix;
    return str_starts(name, prefix) && str_eq(str_skip(name, prefix.n), ROOT);
}

static void write_root(const struct imap_session *s, struct buf *out)
{
    CLEANUP(buf_release) struct buf name = BUF_INIT(ROOT_MOST);
    buf_add(&name, s->args.prefix);
    buf_add(&name, ROOT);
    session_write_mailbox(s, out, buf_str(&name));
}

static bool is_admin(const struct imap_session *s)
{
    return str_has_word(s->args.quota_admins, s->args.asker);
}

/* The session may see the root called so. Nobody else learns whether there is one. */
static enum err check_root(const struct imap_session *s, struct str name)
{
    if (session_is_guest(s) && !is_admin(s)) {
        return ERR_NO_PERMISSION;
    }
    return is_root(s, name) ? ERR_OK : ERR_NOT_FOUND;
}

/* Usage in the resource's unit; a part of one counts. */
static uint64_t get_usage(const struct quota *q, unsigned i)
{
    return i == QUOTA_STORAGE ? q->usage[i] / UNIT + (q->usage[i] % UNIT != 0) : q->usage[i];
}

static void write_quota(const struct imap_session *s, struct buf *out)
{
    struct quota q;
    bool is_first = true;
    account_get_quota(s->account, &q);
    buf_add(out, STR("* QUOTA "));
    write_root(s, out);
    buf_add(out, STR(" ("));
    for (unsigned i = 0; i < QUOTA_RESOURCE_COUNT; i++) {
        if (q.limit[i] == QUOTA_UNLIMITED) {
            continue;
        }
        buf_addf(out, "%s%.*s %llu %llu", is_first ? "" : " ", STR_ARG(NAMES[i]),
                 (unsigned long long)get_usage(&q, i), (unsigned long long)q.limit[i]);
        is_first = false;
    }
    buf_add(out, STR(")\r\n"));
}

void quota_warn(const struct imap_session *s, struct buf *out)
{
    struct quota q;
    account_get_quota(s->account, &q);
    for (unsigned i = QUOTA_STORAGE; i <= QUOTA_MESSAGE; i++) {
        if (q.limit[i] != QUOTA_UNLIMITED && get_usage(&q, i) >= q.limit[i] - q.limit[i] / 10) {
            buf_add(out, STR("* NO [OVERQUOTA] The account is nearly full\r\n"));
            return;
        }
    }
}

/* ---- running ---- */

static enum run run_getquota(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    const struct quota_args *args = cmd->args;
    cmd->err = check_root(s, args->name);
    if (cmd->err == ERR_OK) {
        write_quota(s, out);
    }
    return RUN_DONE;
}

/* RFC 9208, 4.1.2: the mailbox need not exist; a guest needs r on one that does (6). */
static enum err check_mailbox(const struct imap_session *s, struct str name)
{
    struct mailbox *m = NULL;
    if (!session_is_guest(s)) {
        return ERR_OK;
    }
    TRY(session_find_mailbox(s, name, RIGHT_READ, &m));
    mailbox_unref(&m);
    return ERR_OK;
}

static enum run run_getquotaroot(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    const struct quota_args *args = cmd->args;
    cmd->err = check_mailbox(s, args->name);
    if (cmd->err != ERR_OK) {
        return RUN_DONE;
    }
    buf_add(out, STR("* QUOTAROOT "));
    session_write_mailbox(s, out, args->name);
    buf_add_char(out, ' ');
    write_root(s, out);
    imap_write_crlf(out);
    write_quota(s, out);
    return RUN_DONE;
}

static enum err set_quota(struct imap_session *s, const struct quota_args *args)
{
    if (!is_admin(s)) {
        return ERR_NO_PERMISSION;
    }
    TRY(check_root(s, args->name));
    return args->is_unknown ? ERR_UNSUPPORTED : account_set_quota(s->account, args->limits);
}

static enum run run_setquota(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    if (cmd->phase == 1) {
        write_quota(s, out);
        return RUN_DONE;
    }
    cmd->phase = 1;
    cmd->err = set_quota(s, cmd->args);
    return cmd->err == ERR_OK ? RUN_COMMIT : RUN_DONE;
}

const struct command command_getquota = {
    .name = STR("GETQUOTA"),
    .states = STATE_ANY,
    .flags = COMMAND_NAMES | COMMAND_AGAIN,
    .capability = "QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE QUOTA=RES-MAILBOX",
    .parse = parse_name,
    .run = run_getquota,
};

const struct command command_getquotaroot = {
    .name = STR("GETQUOTAROOT"),
    .states = STATE_ANY,
    .flags = COMMAND_NAMES | COMMAND_AGAIN,
    .parse = parse_name,
    .run = run_getquotaroot,
};

const struct command command_setquota = {
    .name = STR("SETQUOTA"),
    .states = STATE_ANY,
    .flags = COMMAND_NAMES,
    .capability = "QUOTASET",
    .parse = parse_set,
    .run = run_setquota,
};
