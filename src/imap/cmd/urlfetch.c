/* URLFETCH (RFC 4467, 7): reading what authorized URLs name, one after the other.
 *
 * The answer to a well-formed command is always an untagged URLFETCH and a tagged OK; a URL that gives nothing, for whatever
 * reason, is answered NIL. The octets come from the owner's account, here or at another worker (url_fetch.h), and stream:
 * a reader that is slow holds a cursor. When they break off within a literal the connection ends, because nothing else
 * could be understood.
 *
 *     * URLFETCH <url> NIL          (a response for each URL)
 *     * URLFETCH <url> {n} octets */
#include "imap/cmd/list.h"

#include "imap/session_priv.h"
#include "imap/url_fetch.h"
#include "wire/imap_scan.h"
#include "wire/imap_write.h"

enum { URLS_MOST = 100, READ_SIZE = 16 * 1024 };

struct urlfetch_args {
    struct str urls[URLS_MOST];
    unsigned count;
    unsigned at;
    struct url_fetch *fetch; /* of the URL at `at` */
    bool is_in_literal;
    uint64_t left; /* octets of the literal */
};

static void parse_urlfetch(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    (void)s;
    struct urlfetch_args *args = arena_one(cmd->arena, struct urlfetch_args);
    cmd->args = args;
    do {
        if (args->count == URLS_MOST) {
            scan_fail(c, ERR_LIMIT, "fewer URLs");
            return;
        }
        scan_sp(c);
        args->urls[args->count++] = scan_astring(c, cmd->arena);
    } while (!scan_is_end(c));
}

static enum err begin_url(struct imap_session *s, struct urlfetch_args *args)
{
    struct url_fetch_args fetch_args = {
        .store = s->args.store,
        .host = s->args.host,
        .session_host = s->args.session_host,
        .server = session_get_url_server(s),
        .asker = session_get_url_asker(s),
    };
    return url_fetch_new(&fetch_args, args->urls[args->at], &args->fetch);
}

static void write_head(const struct urlfetch_args *args, struct buf *out)
{
    buf_add(out, STR("* URLFETCH "));
    imap_write_string(out, args->urls[args->at]);
    buf_add_char(out, ' ');
}

static void end_url(struct urlfetch_args *args, struct buf *out)
{
    imap_write_crlf(out);
    url_fetch_free(&args->fetch);
    args->is_in_literal = false;
    args->at++;
}

/* Finds out whether there is something to be had. */
static enum step open_url(struct imap_session *s, struct urlfetch_args *args, struct buf *out)
{
    enum step step = STEP_DONE;
    if (args->fetch == NULL && begin_url(s, args) != ERR_OK) {
        step = STEP_BAD;
    }
    if (step == STEP_DONE) {
        step = url_fetch_open(args->fetch, &args->left);
    }
    if (step == STEP_MORE) {
        return STEP_MORE;
    }
    write_head(args, out);
    if (step == STEP_BAD) {
        buf_add(out, STR("NIL"));
        end_url(args, out);
        return STEP_DONE;
    }
    imap_write_literal_head(out, args->left, false);
    args->is_in_literal = true;
    return STEP_DONE;
}

static enum step write_octets(struct urlfetch_args *args, struct buf *out)
{
    struct str octets = STR_EMPTY;
    if (args->left == 0) {
        end_url(args, out);
        return STEP_DONE;
    }
    enum step step = url_fetch_read(
        args->fetch, args->left < READ_SIZE ? (size_t)args->left : READ_SIZE, &octets);
    if (step == STEP_DONE) {
        buf_add(out, octets);
        args->left -= octets.n;
    }
    return step;
}

static enum run run_urlfetch(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct urlfetch_args *args = cmd->args;
    while (args->at < args->count) {
        if (out->len >= SESSION_OUTPUT_MOST) {
            return RUN_MORE;
        }
        enum step step = args->is_in_literal ? write_octets(args, out) : open_url(s, args, out);
        if (step == STEP_MORE) {
            return RUN_EVENT;
        }
        if (step == STEP_BAD) {
            s->is_broken = true;
            return RUN_DONE;
        }
    }
    return RUN_DONE;
}

static void release_urlfetch(struct cmd *cmd)
{
    struct urlfetch_args *args = cmd->args;
    url_fetch_free(&args->fetch);
}

const struct command command_urlfetch = {
    .name = STR("URLFETCH"),
    .states = STATE_ANY,
    .capability = "URLAUTH URL-PARTIAL",
    .parse = parse_urlfetch,
    .run = run_urlfetch,
    .release = release_urlfetch,
};
