/* URLFETCH (RFC 4467, 7) and what RFC 5524 adds: reading what authorized URLs name, one after the other.
 *
 * The answer to a well-formed command is always an untagged URLFETCH and a tagged OK; a URL that gives nothing, for whatever
 * reason, is answered NIL. The octets come from the owner's account, here or at another worker (url_fetch.h), and stream:
 * a reader that is slow holds a cursor. When they break off within a literal the connection ends, because nothing else
 * could be understood.
 *
 *     url                            * URLFETCH <url> NIL | {n} octets          (a response for each URL)
 *     (url BODYPARTSTRUCTURE BODY)   * URLFETCH <url> (BODYPARTSTRUCTURE (...)) (BODY {n} octets)
 *     (url BINARY)                   * URLFETCH <url> (BINARY {n} octets | ~{n} octets | NIL) */
#include "imap/cmd/list.h"

#include "imap/session_priv.h"
#include "imap/url_fetch.h"
#include "wire/imap_scan.h"
#include "wire/imap_write.h"

enum { URLS_MOST = 100, READ_SIZE = 16 * 1024 };

struct url_request {
    struct str url;
    struct url_wants wants;
    bool is_extended; /* the answer names what it gives */
};

/* What is to be written next of a URL's answer. */
enum place { AT_OPENING, AT_STRUCTURE, AT_OCTETS };

struct urlfetch_args {
    struct url_request urls[URLS_MOST];
    unsigned count;
    unsigned at;
    struct url_fetch *fetch; /* of the URL at `at` */
    enum place place;
    struct url_answer answer;
    size_t structure_at; /* octets of the structure that are written */
    uint64_t left;       /* octets of the literal */
};

/* ---- parsing ---- */

/* url-fetch-param; no metadata item twice, not BODY and BINARY (RFC 5524, 3.1) */
static void scan_param(struct scan *c, struct url_wants *wants)
{
    enum url_data data = URL_NO_DATA;
    if (!wants->has_structure && scan_accept_word(c, STR("BODYPARTSTRUCTURE"))) {
        wants->has_structure = true;
        return;
    }
    if (scan_accept_word(c, STR("BODY"))) {
        data = URL_BODY;
    } else if (scan_accept_word(c, STR("BINARY"))) {
        data = URL_BINARY;
    }
    if (data == URL_NO_DATA || wants->data != URL_NO_DATA) {
        scan_fail(c, ERR_SYNTAX, "BODYPARTSTRUCTURE, and BODY or BINARY, once each");
    }
    wants->data = data;
}

/* url-fetch-arg = url-full / "(" url-full *(SP url-fetch-param) ")" */
static void scan_request(struct scan *c, struct arena *a, struct url_request *out)
{
    bool is_list = scan_accept(c, '(');
    out->url = scan_astring(c, a);
    while (is_list && scan_accept(c, ' ')) {
        scan_param(c, &out->wants);
        out->is_extended = true;
    }
    if (is_list) {
        scan_require(c, ')', "the end of a list");
    }
    if (!out->is_extended) {
        out->wants.data = URL_BODY;
    }
}

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
        scan_request(c, cmd->arena, &args->urls[args->count++]);
    } while (!scan_is_end(c));
}

/* ---- the answer ---- */

static enum err begin_url(struct imap_session *s, struct urlfetch_args *args)
{
    const struct url_request *request = &args->urls[args->at];
    struct url_fetch_args fetch_args = {
        .store = s->args.store,
        .host = s->args.host,
        .session_host = s->args.session_host,
        .server = session_get_url_server(s),
        .asker = session_get_url_asker(s),
    };
    return url_fetch_new(&fetch_args, request->url, &request->wants, &args->fetch);
}

static void end_url(struct urlfetch_args *args, struct buf *out)
{
    imap_write_crlf(out);
    url_fetch_free(&args->fetch);
    args->place = AT_OPENING;
    args->at++;
}

/* What stands before the octets, and NIL where there are none. */
static void write_data_head(struct urlfetch_args *args, struct buf *out)
{
    const struct url_request *request = &args->urls[args->at];
    args->place = AT_OCTETS;
    args->left = args->answer.size;
    if (request->wants.data == URL_NO_DATA) {
        args->left = 0;
        return;
    }
    if (request->is_extended) {
        buf_add_c(out, request->wants.data == URL_BINARY ? " (BINARY " : " (BODY ");
    } else {
        buf_add_char(out, ' ');
    }
    if (args->answer.is_undecodable) {
        args->left = 0;
        buf_add(out, STR("NIL"));
        return;
    }
    imap_write_literal_head(out, args->left, args->answer.has_nul);
}

/* Finds out whether there is something to be had. */
static enum step open_url(struct imap_session *s, struct urlfetch_args *args, struct buf *out)
{
    enum step step = STEP_DONE;
    if (args->fetch == NULL && begin_url(s, args) != ERR_OK) {
        step = STEP_BAD;
    }
    if (step == STEP_DONE) {
        step = url_fetch_open(args->fetch, &args->answer);
    }
    if (step == STEP_MORE) {
        return STEP_MORE;
    }
    buf_add(out, STR("* URLFETCH "));
    imap_write_string(out, args->urls[args->at].url);
    if (step == STEP_BAD) {
        buf_add(out, STR(" NIL"));
        end_url(args, out);
        return STEP_DONE;
    }
    if (args->urls[args->at].wants.has_structure) {
        buf_add(out, STR(" (BODYPARTSTRUCTURE "));
        args->structure_at = 0;
        args->place = AT_STRUCTURE;
    } else {
        write_data_head(args, out);
    }
    return STEP_DONE;
}

static enum step write_structure(struct urlfetch_args *args, struct buf *out)
{
    struct str piece = str_sub(args->answer.structure, args->structure_at, READ_SIZE);
    buf_add(out, piece);
    args->structure_at += piece.n;
    if (args->structure_at == args->answer.structure.n) {
        buf_add_char(out, ')');
        write_data_head(args, out);
    }
    return STEP_DONE;
}

static enum step write_octets(struct urlfetch_args *args, struct buf *out)
{
    const struct url_request *request = &args->urls[args->at];
    struct str octets = STR_EMPTY;
    if (args->left == 0) {
        bool has_list = request->is_extended && request->wants.data != URL_NO_DATA;
        buf_add(out, has_list ? STR(")") : STR_EMPTY);
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

static enum step write_more(struct imap_session *s, struct urlfetch_args *args, struct buf *out)
{
    if (args->place == AT_OPENING) {
        return open_url(s, args, out);
    }
    return args->place == AT_STRUCTURE ? write_structure(args, out) : write_octets(args, out);
}

static enum run run_urlfetch(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct urlfetch_args *args = cmd->args;
    while (args->at < args->count) {
        if (out->len >= SESSION_OUTPUT_MOST) {
            return RUN_MORE;
        }
        enum step step = write_more(s, args, out);
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
    .flags = COMMAND_AGAIN,
    .capability = "URLAUTH URL-PARTIAL URLFETCH=BINARY",
    .parse = parse_urlfetch,
    .run = run_urlfetch,
    .release = release_urlfetch,
};
