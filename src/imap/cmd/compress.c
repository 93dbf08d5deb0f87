/* COMPRESS (RFC 4978): from the end of the tagged OK on both sides speak DEFLATE.
 *
 * The layer itself lives in the edge, below TLS's roof and above nothing of ours (src/net/deflate.c); the session only says where it
 * begins, by a mark in the order of its octets, and remembers that there is one. A client must wait for the OK; one that
 * does not has compressed what comes right behind the command, and those octets go back to the edge unread.
 */
#include "imap/cmd/list.h"

#include "imap/session_priv.h"

/* compress = "COMPRESS" SP algorithm */
static void parse_compress(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    (void)s;
    (void)cmd;
    scan_sp(c);
    if (!scan_accept_word(c, STR("DEFLATE"))) {
        scan_fail(c, ERR_SYNTAX, "DEFLATE");
    }
}

static enum run run_compress(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    (void)out;
    if (s->is_compressed) {
        cmd->err = ERR_COMPRESSED;
        return RUN_DONE;
    }
    s->is_compressed = true;
    s->mark = SESSION_MARK_COMPRESS;
    cmd->text = "DEFLATE active";
    return RUN_DONE;
}

const struct command command_compress = {
    .name = STR("COMPRESS"),
    .states = STATE_ANY,
    .flags = COMMAND_AGAIN,
    .capability = "COMPRESS=DEFLATE",
    .parse = parse_compress,
    .run = run_compress,
};
