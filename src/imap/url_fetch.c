/* Reading a URL that may belong to an account of another worker.
 *
 *     URLFETCH at worker 2 -- the owner's account is here ---------> url.h: check, open, read
 *                          -- it is at worker 5 -- link --> url_serve.c there: the same, answered as
 *                                                           "ok <size>" LF octets | "no" LF
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
    uint64_t size;
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

/* Reads "ok <size>" LF. */
static enum step read_answer(struct url_fetch *f)
{
    struct str rest = unread(f);
    size_t line_end = str_find_char(rest, '\n');
    if (line_end == rest.n) {
        return f->is_ended || rest.n > LINE_MOST ? STEP_BAD : STEP_MORE;
    }
    struct str line = str_sub(rest, 0, line_end);
    f->in_at += line_end + 1;
    if (!str_starts(line, STR("ok ")) || !str_to_u64(str_skip(line, 3), INT64_MAX, &f->size)) {
        return STEP_BAD;
    }
    return STEP_DONE;
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

/* ---- beginning ---- */

static enum err open_local(struct url_fetch *f, const struct url_fetch_args *args,
                           const struct imap_url *u)
{
    struct account *owner = NULL;
    if (store_open_account(args->store, u->user, false, &owner) != ERR_OK) {
        return ERR_BAD_URL;
    }
    enum err e = url_check(owner, u, &args->asker, args->host->wall_ms(args->host->owner));
    if (e == ERR_OK) {
        e = url_open(owner, NULL, u, &f->octets);
    }
    account_unref(&owner);
    return e == ERR_OK ? ERR_OK : ERR_BAD_URL;
}

static enum err open_somewhere(struct url_fetch *f, const struct url_fetch_args *args,
                               const struct imap_url *u, struct str url)
{
    if (u->form != IMAP_URL_ABSOLUTE || !u->has_user || !url_is_here(u, &args->server)) {
        return ERR_BAD_URL;
    }
    if (args->host->open_peer != NULL) {
        CLEANUP(buf_release) struct buf head = BUF_INIT(LINK_OPEN_MOST);
        url_serve_write_head(&head, url, &args->asker);
        if (buf_err(&head) != ERR_OK) {
            return ERR_BAD_URL;
        }
        f->stream = args->host->open_peer(args->host->owner, u->user, buf_str(&head));
    }
    if (f->stream == NULL) {
        return open_local(f, args, u);
    }
    stream_set_handler(f->stream, &HANDLER, f);
    return ERR_OK;
}

enum err url_fetch_new(const struct url_fetch_args *args, struct str url, struct url_fetch **out)
{
    struct url_fetch *f = mem_new(sizeof(*f));
    struct arena *a = arena_new(URL_ARENA_MOST);
    struct imap_url u;
    f->session_host = args->session_host;
    buf_init(&f->in, READ_AHEAD_MOST + 2 * LINK_WINDOW);
    enum err e = imap_url_parse(a, url, &u);
    if (e == ERR_OK) {
        e = open_somewhere(f, args, &u, url);
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
    free(*f);
    *f = NULL;
}

/* ---- reading ---- */

enum step url_fetch_open(struct url_fetch *f, uint64_t *size)
{
    if (f->stream == NULL) {
        *size = url_octets_get_size(&f->octets);
        return STEP_DONE;
    }
    if (!f->is_opened) {
        enum step step = read_answer(f);
        if (step != STEP_DONE) {
            return step;
        }
        f->is_opened = true;
    }
    *size = f->size;
    return STEP_DONE;
}

enum step url_fetch_read(struct url_fetch *f, size_t n, struct str *out)
{
    if (f->stream != NULL) {
        return read_remote(f, n, out);
    }
    bool is_fine = url_octets_read(&f->octets, n, out) == ERR_OK && out->n > 0;
    return is_fine ? STEP_DONE : STEP_BAD;
}
