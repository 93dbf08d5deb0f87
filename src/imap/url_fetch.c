/* Reading a URL that may belong to an account of another worker.
 *
 *     URLFETCH at worker 2 -- the owner's account is here ---------> url.h: check, open, read
 *                          -- it is at worker 5 -- link --> url_serve.c there: the same, answered as
 *                                    "ok <kind> <size> <size of the structure>" LF structure octets | "no" LF
 *
 * The far worker's octets come as a stream with flow control: what is not read yet waits here, up to READ_AHEAD_MOST, then
 * the stream is paused. The far worker checks the URL itself; this one only says who asks, which it knows from the
 * session's ticket. */
#include "imap/url_fetch.h"

#include "base/mem.h"
#include "imap/url_serve.h"
#include "net/link.h"

#include <stdlib.h>

enum { READ_AHEAD_MOST = 64 * 1024, LINE_MOST = 64, URL_ARENA_MOST = 64 * 1024 };

struct url_fetch {
    struct url_octets octets; /* of an account of this worker */
    struct stream *stream;    /* else: from the other */
    struct session_host session_host;
    struct buf in; /* came, not yet read */
    size_t in_at;
    bool is_opened;
    bool is_ended;
    bool is_paused;
    struct url_answer answer;
    uint64_t structure_left; /* octets of the structure to come from the other worker */
    struct buf structure;
    bool has_structure; /* is wanted */
};

/* ---- at another worker ---- */

static void wake(struct url_fetch *f)
{
    f->session_host.wake(f->session_host.owner);
}

static void on_octets(void *owner, struct str octets)
{
    struct url_fetch *f = owner;
    buf_consume(&f->in, f->in_at);
    f->in_at = 0;
    buf_add(&f->in, octets);
    if (f->in.len > READ_AHEAD_MOST && !f->is_paused) {
        f->is_paused = true;
        stream_pause(f->stream);
    }
    wake(f);
}

static void on_drained(void *owner)
{
    (void)owner; /* we send nothing */
}

static void on_end(void *owner, enum err why)
{
    struct url_fetch *f = owner;
    (void)why;
    f->is_ended = true;
    wake(f);
}

static const struct stream_handler HANDLER = {on_octets, on_drained, on_end};

static struct str unread(const struct url_fetch *f)
{
    return str_skip(buf_str(&f->in), f->in_at);
}

/* "ok <kind> <size> <size of the structure>" */
static bool parse_answer(struct url_fetch *f, struct str line)
{
    struct url_answer *answer = &f->answer;
    struct str ok = str_split(&line, ' ');
    struct str kind = str_split(&line, ' ');
    struct str size = str_split(&line, ' ');
    answer->has_nul = str_eq(kind, STR("binary"));
    answer->is_undecodable = str_eq(kind, STR("undecodable"));
    return str_eq(ok, STR("ok")) && str_to_u64(size, INT64_MAX, &answer->size)
           && str_to_u64(line, URL_STRUCTURE_MOST, &f->structure_left);
}

/* Reads the first line. */
static enum step read_answer(struct url_fetch *f)
{
    struct str rest = unread(f);
    size_t line_end = str_find_char(rest, '\n');
    if (line_end == rest.n) {
        return f->is_ended || rest.n > LINE_MOST ? STEP_BAD : STEP_MORE;
    }
    f->in_at += line_end + 1;
    return parse_answer(f, str_sub(rest, 0, line_end)) ? STEP_DONE : STEP_BAD;
}

static enum step read_remote(struct url_fetch *f, size_t n, struct str *out)
{
    struct str rest = str_sub(unread(f), 0, n);
    if (rest.n > 0) {
        f->in_at += rest.n;
        *out = rest;
        return STEP_DONE;
    }
    if (f->is_ended) {
        return STEP_BAD;
    }
    if (f->is_paused) {
        f->is_paused = false;
        stream_resume(f->stream);
    }
    return STEP_MORE;
}

static enum step read_structure(struct url_fetch *f)
{
    while (f->structure_left > 0) {
        struct str piece;
        size_t n = f->structure_left < SIZE_MAX ? (size_t)f->structure_left : SIZE_MAX;
        enum step step = read_remote(f, n, &piece);
        if (step != STEP_DONE) {
            return step;
        }
        buf_add(&f->structure, piece);
        f->structure_left -= piece.n;
    }
    return STEP_DONE;
}

static enum step open_remote(struct url_fetch *f)
{
    if (!f->is_opened) {
        enum step step = read_answer(f);
        if (step != STEP_DONE) {
            return step;
        }
        f->is_opened = true;
    }
    return read_structure(f);
}

/* ---- beginning ---- */

static enum err open_local(struct url_fetch *f, const struct url_fetch_args *args,
                           const struct imap_url *u, const struct url_wants *wants)
{
    struct account *owner = NULL;
    if (store_open_account(args->store, u->user, false, &owner) != ERR_OK) {
        return ERR_BAD_URL;
    }
    enum err e = url_check(owner, u, &args->asker, args->host->wall_ms(args->host->owner));
    if (e == ERR_OK) {
        e = url_open(owner, NULL, u, wants, &f->octets);
    }
    account_unref(&owner);
    return e == ERR_OK ? ERR_OK : ERR_BAD_URL;
}

static enum err open_somewhere(struct url_fetch *f, const struct url_fetch_args *args,
                               const struct imap_url *u, struct str url,
                               const struct url_wants *wants)
{
    if (u->form != IMAP_URL_ABSOLUTE || !u->has_user || !url_is_here(u, &args->server)) {
        return ERR_BAD_URL;
    }
    if (args->host->open_peer != NULL) {
        CLEANUP(buf_release) struct buf head = BUF_INIT(LINK_OPEN_MOST);
        url_serve_write_head(&head, url, &args->asker, wants);
        if (buf_err(&head) != ERR_OK) {
            return ERR_BAD_URL;
        }
        f->stream = args->host->open_peer(args->host->owner, u->user, buf_str(&head), STR_EMPTY);
    }
    if (f->stream == NULL) {
        return open_local(f, args, u, wants);
    }
    stream_set_handler(f->stream, &HANDLER, f);
    return ERR_OK;
}

enum err url_fetch_new(const struct url_fetch_args *args, struct str url,
                       const struct url_wants *wants, struct url_fetch **out)
{
    struct url_fetch *f = mem_new(sizeof(*f));
    struct arena *a = arena_new(URL_ARENA_MOST);
    struct imap_url u;
    f->session_host = args->session_host;
    f->has_structure = wants->has_structure;
    buf_init(&f->structure, URL_STRUCTURE_MOST);
    buf_init(&f->in, READ_AHEAD_MOST + 2 * LINK_WINDOW);
    enum err e = imap_url_parse(a, url, &u);
    if (e == ERR_OK) {
        e = open_somewhere(f, args, &u, url, wants);
    }
    arena_free(&a);
    if (e != ERR_OK) {
        url_fetch_free(&f);
        return ERR_BAD_URL;
    }
    *out = f;
    return ERR_OK;
}

void url_fetch_free(struct url_fetch **f)
{
    if (*f == NULL) {
        return;
    }
    url_octets_release(&(*f)->octets);
    if ((*f)->stream != NULL) {
        stream_free(&(*f)->stream);
    }
    buf_release(&(*f)->in);
    buf_release(&(*f)->structure);
    free(*f);
    *f = NULL;
}

/* ---- reading ---- */

static enum step open_here(struct url_fetch *f)
{
    enum step step = url_octets_measure(&f->octets);
    if (step == STEP_MORE) {
        wake(f);
    }
    if (step == STEP_DONE) {
        f->answer.size = url_octets_get_size(&f->octets);
        f->answer.has_nul = url_octets_has_nul(&f->octets);
        f->answer.is_undecodable = f->octets.is_undecodable;
    }
    if (step == STEP_DONE && f->has_structure) {
        buf_clear(&f->structure);
        url_octets_write_structure(&f->octets, &f->structure);
    }
    return step;
}

enum step url_fetch_open(struct url_fetch *f, struct url_answer *out)
{
    enum step step = f->stream == NULL ? open_here(f) : open_remote(f);
    if (step == STEP_DONE) {
        *out = f->answer;
        out->structure = buf_str(&f->structure);
        step = f->structure.is_full ? STEP_BAD : STEP_DONE;
    }
    return step;
}

enum step url_fetch_read(struct url_fetch *f, size_t n, struct str *out)
{
    if (f->stream != NULL) {
        return read_remote(f, n, out);
    }
    enum step step = url_octets_read(&f->octets, n, out);
    if (step == STEP_MORE) {
        wake(f);
    }
    return step;
}
