/* GETACL, SETACL, DELETEACL, LISTRIGHTS, MYRIGHTS (RFC 4314).
 *
 * The owner of an account has all rights in it, always, and cannot lose one: LISTRIGHTS says so, GETACL shows it first, and
 * changing it is refused. Everybody else has the rights of his entry and of "anyone", less what entries with "-" in front
 * take away. No rights are tied.
 *
 * SETACL first tells the account of whoever is given rights (GRANTED, cmd/peer.c), which may be at another worker; when there
 * is no such account, there is nobody to give rights to.
 *
 * An identifier is prepared as a login's name is, so what is stored is what a session's asker is compared with. */
#include "imap/cmd/list.h"

#include "imap/access.h"
#include "imap/peer.h"
#include "imap/session_priv.h"
#include "mime/prepare.h"
#include "wire/imap_reply.h"
#include "wire/imap_rights.h"
#include "wire/imap_scan.h"
#include "wire/imap_write.h"

struct acl_args {
    struct str name;
    struct str written;    /* the identifier as the client wrote it */
    struct str identifier; /* prepared */
    struct mod_rights mod;
    struct peer *peer; /* in the account of whoever will be given rights */
    struct imap_reply reply;
};

enum acl_phase { ACL_BEGIN, ACL_TELL, ACL_CHANGE, ACL_DONE };

/* ---- parsing ---- */

static void parse_mailbox(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    (void)s;
    struct acl_args *args = arena_one(cmd->arena, struct acl_args);
    cmd->args = args;
    scan_sp(c);
    args->name = scan_mailbox(c, cmd->arena);
}

/* RFC 4314, 3: an identifier that cannot be prepared is BAD. */
static struct str prepare_identifier(struct scan *c, struct arena *a, struct str written)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(ACL_IDENTIFIER_MOST);
    bool is_negative = str_starts(written, STR("-"));
    buf_add_c(&out, is_negative ? "-" : "");
    if (name_fold_and_prepare(is_negative ? str_skip(written, 1) : written, &out) != ERR_OK) {
        scan_fail(c, ERR_SYNTAX, "the name of a user");
        return STR_EMPTY;
    }
    return arena_str(a, buf_str(&out));
}

static void parse_identifier(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    parse_mailbox(s, cmd, c);
    struct acl_args *args = cmd->args;
    scan_sp(c);
    args->written = scan_astring(c, cmd->arena);
    if (scan_is_ok(c)) {
        args->identifier = prepare_identifier(c, cmd->arena, args->written);
    }
}

static void parse_setacl(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    parse_identifier(s, cmd, c);
    struct acl_args *args = cmd->args;
    scan_sp(c);
    struct str rights = scan_astring(c, cmd->arena);
    if (scan_is_ok(c)) {
        scan_mod_rights(c, rights, &args->mod);
    }
}

/* ---- reading ---- */

static void write_entry(struct buf *out, struct str identifier, unsigned rights)
{
    buf_add_char(out, ' ');
    imap_write_astring(out, identifier);
    buf_add_char(out, ' ');
    imap_write_rights(out, rights);
}

static enum run run_getacl(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    const struct acl_args *args = cmd->args;
    struct mailbox *m = NULL;
    struct acl_entry e;
    cmd->err = session_find_mailbox(s, args->name, RIGHT_ADMINISTER, &m);
    if (cmd->err != ERR_OK) {
        return RUN_DONE;
    }
    buf_add(out, STR("* ACL "));
    session_write_mailbox(s, out, args->name);
    write_entry(out, s->args.user, RIGHT_ALL);
    for (size_t i = 0; mailbox_get_acl_entry(m, i, &e); i++) {
        write_entry(out, e.identifier, e.rights);
    }
    imap_write_crlf(out);
    mailbox_unref(&m);
    return RUN_DONE;
}

static bool is_owner(const struct imap_session *s, const struct acl_args *args)
{
    return str_eq(args->identifier, s->args.user);
}

/* RFC 4314, 3.4: what is always granted, then what can be, in sets of rights that go together; and the identifier as written. */
static enum run run_listrights(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    const struct acl_args *args = cmd->args;
    struct mailbox *m = NULL;
    cmd->err = session_find_mailbox(s, args->name, RIGHT_ADMINISTER, &m);
    if (cmd->err != ERR_OK) {
        return RUN_DONE;
    }
    mailbox_unref(&m);
    buf_add(out, STR("* LISTRIGHTS "));
    session_write_mailbox(s, out, args->name);
    buf_add_char(out, ' ');
    imap_write_astring(out, args->written);
    buf_add_char(out, ' ');
    imap_write_rights(out, is_owner(s, args) ? RIGHT_ALL : 0);
    buf_add_c(out, is_owner(s, args) ? "" : " l r s w i p k x t e c d a");
    imap_write_crlf(out);
    return RUN_DONE;
}

void session_write_myrights(const struct imap_session *s, struct str name, const struct mailbox *m,
                            struct buf *out)
{
    buf_add(out, STR("* MYRIGHTS "));
    session_write_mailbox(s, out, name);
    buf_add_char(out, ' ');
    imap_write_rights(out, session_get_rights(s, m));
    imap_write_crlf(out);
}

static enum run run_myrights(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    const struct acl_args *args = cmd->args;
    struct mailbox *m = NULL;
    cmd->err = session_find_mailbox(s, args->name, 0, &m);
    if (cmd->err == ERR_OK) {
        session_write_myrights(s, args->name, m, out);
        mailbox_unref(&m);
    }
    return RUN_DONE;
}

/* ---- changing ---- */

/* The owner keeps all rights: what would leave them so is fine, and changes nothing. */
static enum err check_owner(const struct acl_args *args)
{
    bool is_kept = args->mod.op == IMAP_RIGHTS_ADD
                   || (args->mod.op == IMAP_RIGHTS_SET && args->mod.rights == RIGHT_ALL)
                   || (args->mod.op == IMAP_RIGHTS_REMOVE && args->mod.rights == 0);
    return is_kept ? ERR_OK : ERR_UNSUPPORTED;
}

static enum acl_op get_op(enum imap_rights_op op)
{
    switch (op) {
    case IMAP_RIGHTS_ADD:
        return ACL_OP_ADD;
    case IMAP_RIGHTS_REMOVE:
        return ACL_OP_REMOVE;
    case IMAP_RIGHTS_SET:
        break;
    }
    return ACL_OP_SET;
}

static enum err change(struct imap_session *s, const struct acl_args *args)
{
    struct mailbox *m = NULL;
    TRY(session_find_mailbox(s, args->name, RIGHT_ADMINISTER, &m));
    enum err e = ERR_OK;
    if (is_owner(s, args)) {
        e = check_owner(args);
    } else if (str_starts(args->identifier, STR("-"))
               && str_eq(str_skip(args->identifier, 1), s->args.user)) {
        e = args->mod.rights == 0 ? ERR_OK : ERR_UNSUPPORTED;
    } else {
        e = mailbox_set_rights(m, args->identifier, get_op(args->mod.op), args->mod.rights);
    }
    mailbox_unref(&m);
    return e;
}

/* DELETEACL takes everything away (RFC 4314, 3.2); SETACL ends so, too. */
static enum run run_change(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    (void)out;
    if (cmd->phase == ACL_CHANGE) {
        cmd->phase = ACL_DONE;
        cmd->err = change(s, cmd->args);
        return cmd->err == ERR_OK ? RUN_COMMIT : RUN_DONE;
    }
    return RUN_DONE;
}

/* Rights are given to a user whose LIST has to find the mailbox. The shared account is asked by everybody's. */
static bool must_tell(const struct imap_session *s, const struct acl_args *args)
{
    bool gives = args->mod.rights != 0 && args->mod.op != IMAP_RIGHTS_REMOVE;
    return gives && !is_owner(s, args) && !str_starts(args->identifier, STR("-"))
           && !str_eq(args->identifier, STR("anyone"))
           && !str_eq(s->args.user, s->args.shared_account);
}

static void begin_telling(struct imap_session *s, struct acl_args *args)
{
    CLEANUP(buf_release) struct buf line = BUF_INIT(2 * ACL_IDENTIFIER_MOST);
    struct place place = {args->identifier, STR_EMPTY};
    args->peer = peer_new(s, &place);
    args->reply = (struct imap_reply){.tag = STR("G")};
    buf_add(&line, STR("G GRANTED "));
    imap_write_client_literal_head(&line, s->args.user.n, false);
    buf_add(&line, s->args.user);
    imap_write_crlf(&line);
    peer_write(args->peer, buf_str(&line));
}

/* The user's account hears of the grant before it is made: so whoever has rights somewhere knows where. */
static enum step tell(struct acl_args *args, enum err *e)
{
    struct str line;
    enum step step = peer_ask(args->peer, &args->reply, false, &line);
    if (step == STEP_BAD) {
        *e = peer_get_err(args->peer) == ERR_NO_MAILBOX ? ERR_NO_USER : peer_get_err(args->peer);
    } else if (step == STEP_DONE && !imap_reply_is_ok(&args->reply, line)) {
        *e = ERR_LIMIT;
    }
    return step;
}

static enum run run_setacl(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct acl_args *args = cmd->args;
    struct mailbox *m = NULL;
    if (cmd->phase == ACL_BEGIN) {
        cmd->err = session_find_mailbox(s, args->name, RIGHT_ADMINISTER, &m);
        if (cmd->err != ERR_OK) {
            return RUN_DONE;
        }
        mailbox_unref(&m);
        cmd->phase = must_tell(s, args) ? ACL_TELL : ACL_CHANGE;
        if (cmd->phase == ACL_TELL) {
            begin_telling(s, args);
        }
    }
    if (cmd->phase == ACL_TELL) {
        if (tell(args, &cmd->err) == STEP_MORE) {
            return RUN_EVENT;
        }
        peer_free(&args->peer);
        cmd->phase = ACL_CHANGE;
    }
    return cmd->err == ERR_OK ? run_change(s, cmd, out) : RUN_DONE;
}

static enum run run_deleteacl(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    cmd->phase = cmd->phase == ACL_BEGIN ? (unsigned)ACL_CHANGE : cmd->phase;
    return run_change(s, cmd, out);
}

static void release_acl(struct cmd *cmd)
{
    struct acl_args *args = cmd->args;
    peer_free(&args->peer);
}

#define ACL_COMMAND(variable, word, parser, runner)                                                \
    const struct command command_##variable = {                                                    \
        .name = STR(word),                                                                         \
        .states = STATE_ANY,                                                                       \
        .flags = COMMAND_NAMES,                                                                    \
        .parse = (parser),                                                                         \
        .run = (runner),                                                                           \
        .release = release_acl,                                                                    \
    }

ACL_COMMAND(getacl, "GETACL", parse_mailbox, run_getacl);
ACL_COMMAND(myrights, "MYRIGHTS", parse_mailbox, run_myrights);
ACL_COMMAND(listrights, "LISTRIGHTS", parse_identifier, run_listrights);
ACL_COMMAND(setacl, "SETACL", parse_setacl, run_setacl);
ACL_COMMAND(deleteacl, "DELETEACL", parse_identifier, run_deleteacl);
