/* ID (RFC 2971): who is who, for finding faults. What the client says is checked for its form and forgotten: it may
 * hold personal data, and behaviour must never depend on it. */
#include "imap/cmd/list.h"

#include "wire/imap_scan.h"

enum { ID_FIELDS_MOST = 30 };

/* id_params_list ::= "(" #(string SPACE nstring) ")" / nil */
static void parse_id(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    (void)s;
    scan_sp(c);
    if (scan_accept_word(c, STR("NIL"))) {
        return;
    }
    scan_require(c, '(', "NIL or a list of fields and values");
    for (unsigned i = 0; scan_is_ok(c) && !scan_accept(c, ')'); i++) {
        if (i == ID_FIELDS_MOST) {
            scan_fail(c, ERR_SYNTAX, "at most 30 fields");
        }
        if (i > 0) {
            scan_sp(c);
        }
        struct str value;
        (void)scan_string(c, cmd->arena);
        scan_sp(c);
        (void)scan_nstring(c, cmd->arena, &value);
    }
}

static enum run run_id(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    (void)s;
    (void)cmd;
    buf_add(out, STR("* ID (\"name\" \"Limetta\")\r\n"));
    return RUN_DONE;
}

const struct command command_id = {
    .name = STR("ID"),
    .states = STATE_ANY,
    .flags = COMMAND_AGAIN,
    .capability = "ID",
    .parse = parse_id,
    .run = run_id,
};
