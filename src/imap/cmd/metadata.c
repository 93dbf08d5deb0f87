/* GETMETADATA and SETMETADATA (RFC 5464, 4.2 and 4.3): annotations of mailboxes, and with an empty name of the server.
 *
 * SETMETADATA changes all its entries or none: what could be refused is checked before anything is changed. Values are gathered in
 * the command's text; a literal that is too large is refused before it comes. */
#include "imap/cmd/list.h"

#include "imap/access.h"
#include "imap/metadata.h"
#include "imap/session_priv.h"
#include "imap/special_use.h"

/* ---- GETMETADATA ---- */

struct get_args {
    struct metadata_get get;
    struct metadata_answer answer;
    struct mailbox *mailbox; /* counted */
};

static void parse_get(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    (void)s;
    struct get_args *args = arena_one(cmd->arena, struct get_args);
    cmd->args = args;
    metadata_scan_get(c, cmd->arena, &args->get);
}

/* *out stays NULL for the server, which is the asker's own account. */
static enum err find_mailbox(struct imap_session *s, struct str name, struct mailbox **out)
{
    if (name.n == 0) {
        return session_is_guest(s) ? ERR_NO_PERMISSION : ERR_OK;
    }
    TRY(session_find_mailbox(s, name, RIGHT_LOOKUP, out));
    return metadata_may(s, *out) ? ERR_OK : ERR_NO_PERMISSION;
}

static enum run run_get(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct get_args *args = cmd->args;
    if (cmd->phase == 0) {
        cmd->phase = 1;
        cmd->err = find_mailbox(s, args->get.mailbox, &args->mailbox);
        if (cmd->err != ERR_OK) {
            return RUN_DONE;
        }
        args->answer = (struct metadata_answer){
            .name = args->get.mailbox, .mailbox = args->mailbox, .get = &args->get};
    }
    if (metadata_answer_step(s, &args->answer, out, &cmd->err) == STEP_MORE) {
        return RUN_MORE;
    }
    if (args->answer.longest > 0) {
        buf_addf(&cmd->code, "METADATA LONGENTRIES %llu", (unsigned long long)args->answer.longest);
    }
    return RUN_DONE;
}

static void release_get(struct cmd *cmd)
{
    struct get_args *args = cmd->args;
    metadata_answer_release(&args->answer);
    mailbox_unref(&args->mailbox);
}

/* ---- SETMETADATA ---- */

static enum imap_literal_answer set_on_literal(struct imap_session *s, struct scan *head,
                                               const struct imap_literal *literal, enum err *why)
{
    (void)s;
    (void)head;
    *why = ERR_ANNOTATION_SIZE;
    return literal->size > ANNOTATION_VALUE_MOST ? IMAP_LITERAL_REFUSE : IMAP_LITERAL_BUFFER;
}

static void parse_set(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    (void)s;
    struct metadata_set *args = arena_one(cmd->arena, struct metadata_set);
    cmd->args = args;
    metadata_scan_set(c, cmd->arena, args);
}

static enum err set_special_use(struct imap_session *s, const struct mailbox *m,
                                const struct annotation *x)
{
    unsigned uses = 0;
    struct scan c = scan_make(x->value);
    while (!scan_is_end(&c)) {
        scan_special_use(&c, &uses);
        (void)scan_accept(&c, ' ');
    }
    return account_set_special_use(s->account, mailbox_get_name(m), uses, &s->metadata.own[1]);
}

static enum err set_all(struct imap_session *s, struct cmd *cmd, struct mailbox *m)
{
    const struct metadata_set *args = cmd->args;
    struct annotation *stored = arena_array(cmd->arena, struct annotation, args->count);
    const struct annotation *special_use = NULL;
    size_t count = 0;
    if (stored == NULL) {
        return ERR_LIMIT;
    }
    for (size_t i = 0; i < args->count; i++) {
        TRY(metadata_check(s, m, &args->at[i]));
        if (metadata_is_special_use(m, args->at[i].name)) {
            special_use = &args->at[i];
        } else {
            stored[count++] = args->at[i];
        }
    }
    if (count > 0) {
        TRY(account_set_annotations(s->account, m, s->args.asker, stored, count,
                                    &s->metadata.own[0]));
    }
    return special_use == NULL ? ERR_OK : set_special_use(s, m, special_use);
}

static enum run run_set(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    (void)out;
    const struct metadata_set *args = cmd->args;
    struct mailbox *m = NULL;
    if (cmd->phase == 1) {
        return RUN_DONE;
    }
    cmd->phase = 1;
    cmd->err = find_mailbox(s, args->mailbox, &m);
    if (cmd->err == ERR_OK) {
        cmd->err = set_all(s, cmd, m);
    }
    mailbox_unref(&m);
    return cmd->err == ERR_OK ? RUN_COMMIT : RUN_DONE;
}

static const struct command_literals set_literals = {.on_literal = set_on_literal};

const struct command command_getmetadata = {
    .name = STR("GETMETADATA"),
    .states = STATE_ANY,
    .flags = COMMAND_NAMES | COMMAND_AGAIN,
    .capability = "METADATA METADATA-SERVER FILTERS",
    .parse = parse_get,
    .run = run_get,
    .release = release_get,
};

const struct command command_setmetadata = {
    .name = STR("SETMETADATA"),
    .states = STATE_ANY,
    .flags = COMMAND_NAMES,
    .parse = parse_set,
    .run = run_set,
    .literals = &set_literals,
};
