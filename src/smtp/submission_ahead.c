/* A phone that forwards sends everything in one go: BDAT, BURL, BDAT, BURL, BDAT LAST (RFC 2920). Taken one after the other, each
 * BURL would cost a round trip to the message store. So while the first one is being fetched, we look at what stands behind it in
 * the framer, and tell the host of each BURL that will be fetched if all goes well:
 *
 *     framer:  [BURL a] BDAT 90 ....... BURL b  BDAT 8 ... BURL c LAST
 *               in work                 ahead              ahead
 *
 * Nothing is taken out of the framer, and nothing is decided: each command gets its turn, its checks and its reply later, in
 * order. The look goes over chunks that are there whole and ends at the first command that is neither BDAT nor BURL, at a
 * LAST, and at a URL that will be refused, for then nothing behind it is fetched. What has not arrived yet is looked at when
 * it has. A transaction that fails takes it all back. */
#include "smtp/submission_priv.h"

void submission_restart_ahead(struct submission *s)
{
    s->ahead_at = 0;
    s->is_ahead_over = s->is_last;
    s->ahead_known = s->ahead;
}

void submission_drop_ahead(struct submission *s)
{
    if (s->ahead > 0) {
        s->ahead = 0;
        s->host->fetch_drop(s->host->base.owner);
    }
}

static void look_at_burl(struct submission *s, struct str args)
{
    struct smtp_burl burl = {0};
    struct burl_target target = {0};
    enum err e = smtp_burl_parse(args, &burl);
    e = e == ERR_OK ? burl_check(s->command, burl.url, &s->args.burl, &target) : e;
    s->is_ahead_over = e != ERR_OK || burl.is_last;
    if (s->ahead_known > 0) {
        s->ahead_known--;
    } else if (e == ERR_OK && s->ahead == AHEAD_MOST) {
        s->is_ahead_over = true;
    } else if (e == ERR_OK) {
        target.may_be_binary = s->body == SMTP_BODY_BINARYMIME;
        s->ahead++;
        s->host->fetch_ahead(s->host->base.owner, &target);
    }
    arena_clear(s->command);
}

/* One command. The octets that it takes; 0: it is not there whole. */
static size_t look_at(struct submission *s, struct str rest)
{
    size_t n = str_find_str(rest, STR("\r\n"));
    struct smtp_command c = {0};
    struct smtp_bdat bdat = {0};
    if (n == rest.n) {
        s->is_ahead_over = n > SMTP_LINE_MOST;
        return 0;
    }
    struct str left = str_skip(rest, n + 2);
    smtp_command_parse(str_sub(rest, 0, n), &c);
    if (c.verb == SMTP_BURL) {
        look_at_burl(s, c.args);
    } else if (c.verb != SMTP_BDAT || smtp_bdat_parse(c.args, &bdat) != ERR_OK) {
        s->is_ahead_over = true;
    } else if (bdat.size > left.n) {
        return 0;
    } else {
        s->is_ahead_over = bdat.is_last;
    }
    return n + 2 + (size_t)bdat.size;
}

void submission_look_ahead(struct submission *s)
{
    struct str rest = str_skip(smtp_framing_get_rest(s->framing), s->ahead_at);
    size_t used = 1;
    while (!s->is_ahead_over && used > 0) {
        used = look_at(s, rest);
        rest = str_skip(rest, used);
        s->ahead_at += used;
    }
}
