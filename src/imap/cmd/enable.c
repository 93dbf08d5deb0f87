/* ENABLE (RFC 5161; RFC 7162, 3.1 and 3.2.3): CONDSTORE and QRESYNC can be switched on. Unknown names are passed over;
 * ENABLED lists only what this command newly enabled. QRESYNC brings CONDSTORE with it.
 *
 * RFC 5161 wants ENABLE before SELECT; we take it at any time, because clients that connect again after a fault have
 * been seen to send it late, and RFC 9051 allows it. */
#include "imap/cmd/list.h"

#include "imap/session_priv.h"
#include "wire/imap_scan.h"

struct enable_args {
    bool has_condstore;
    bool has_qresync;
};

static void parse_enable(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    (void)s;
    struct enable_args *args = arena_one(cmd->arena, struct enable_args);
    cmd->args = args;
    do {
        scan_sp(c);
        struct str word = scan_atom(c);
        args->has_condstore |= str_eq_nocase(word, STR("CONDSTORE"));
        args->has_qresync |= str_eq_nocase(word, STR("QRESYNC"));
    } while (!scan_is_end(c));
}

static enum run run_enable(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    const struct enable_args *args = cmd->args;
    bool is_new_condstore = args->has_condstore && !s->has_condstore;
    bool is_new_qresync = args->has_qresync && !s->has_qresync;
    buf_add(out, STR("* ENABLED"));
    buf_add_c(out, is_new_condstore ? " CONDSTORE" : "");
    buf_add_c(out, is_new_qresync ? " QRESYNC" : "");
    buf_add(out, STR("\r\n"));
    if (is_new_condstore || is_new_qresync) {
        session_enable_condstore(s, out);
        s->has_qresync = s->has_qresync || is_new_qresync;
    }
    return RUN_DONE;
}

const struct command command_enable = {
    .name = STR("ENABLE"),
    .states = STATE_ANY,
    .capability = "ENABLE",
    .parse = parse_enable,
    .run = run_enable,
};
