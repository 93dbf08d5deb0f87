/* INPROGRESS (RFC 9585): a client that waits for a long command hears that it is not forgotten.
 *
 * The command says how far it is at every yield; here is decided when that is worth a line. The RFC recommends one every 10 to
 * 15 seconds. Time is the host's clock, asked for at the yields only: there is no timer, because a command that does not yield could
 * not be interrupted by one either, and a command that waits for a disk has no progress to tell.
 *
 * The notification is an untagged OK of its own, so it goes only between responses: the callers see to that. */
#include "imap/progress.h"

#include "imap/host.h"
#include "imap/session_priv.h"
#include "wire/imap_write.h"

enum { PROGRESS_EVERY_MS = 10 * 1000, PERCENT = 100 };

/* A tag with "]" in it would end the response code early (RFC 9585, 4). */
static void write_tag(struct buf *out, struct str tag)
{
    if (memchr(tag.p, ']', tag.n) != NULL) {
        buf_add(out, STR("NIL"));
        return;
    }
    imap_write_string(out, tag);
}

static void write_progress(struct buf *out, struct str tag, uint64_t done, uint64_t goal)
{
    buf_add(out, STR("* OK [INPROGRESS ("));
    write_tag(out, tag);
    buf_addf(out, " %llu ", (unsigned long long)done);
    if (goal == 0) {
        buf_addf(out, "NIL)] Processed %llu items so far", (unsigned long long)done);
    } else {
        buf_addf(out, "%llu)] Processed %llu%% of the items", (unsigned long long)goal,
                 (unsigned long long)(done * PERCENT / goal));
    }
    imap_write_crlf(out);
}

void progress_tell(struct imap_session *s, uint64_t done, uint64_t goal, struct buf *out)
{
    struct cmd *cmd = &s->cmd;
    const struct imap_host *host = s->args.host;
    uint64_t now_ms = host->wall_ms(host->owner);
    if (cmd->told_ms == 0
        || now_ms < cmd->told_ms) { /* the first call; or the clock was set back */
        cmd->told_ms = now_ms;
    }
    if (now_ms - cmd->told_ms >= PROGRESS_EVERY_MS && (goal == 0 || done < goal)) {
        cmd->told_ms = now_ms;
        write_progress(out, cmd->tag, done, goal);
    }
}
