/* What BODY[...] reads. Nearly every message is shown as it is stored, and costs one look for NUL, which the literals of
 * RFC 3501 must not hold; a message whose size in the view is not that of its stored octets is presented. */
#include "imap/shown.h"

enum { WINDOW_MOST = 256 * 1024 };

enum err shown_open(struct shown *s, struct account *a, const struct message *m)
{
    shown_close(s);
    buf_init(&s->window, WINDOW_MOST);
    TRY(body_reader_new(a, m->body_id, &s->reader));
    s->size = m->size;
    s->is_encoded = body_reader_get_size(s->reader) != m->size;
    return ERR_OK;
}

static enum err get_stored(void *owner, uint64_t offset, size_t n, struct str *out)
{
    return body_reader_get(owner, offset, n, out);
}

static struct present_source get_source(struct shown *s)
{
    return (struct present_source){get_stored, s->reader};
}

enum err shown_set_shape(struct shown *s, struct arena *a, const struct shape *stored)
{
    struct present_source source = get_source(s);
    s->shape = stored;
    if (s->is_encoded) {
        TRY(present_build(a, stored, &source, &s->present));
        s->shape = &s->present.shape;
    }
    return s->shape->size == s->size ? ERR_OK : ERR_CORRUPT;
}

/* Stored octets with the NULs among them made presentable. */
static enum err replace_nul(struct shown *s, struct str octets, struct str *out)
{
    buf_clear(&s->window);
    buf_add(&s->window, octets);
    TRY(buf_err(&s->window));
    for (size_t i = 0; i < s->window.len; i++) {
        s->window.p[i] = s->window.p[i] == '\0' ? '\x80' : s->window.p[i];
    }
    *out = buf_str(&s->window);
    return ERR_OK;
}

enum err shown_get(struct shown *s, uint64_t offset, size_t n, struct str *out)
{
    struct str octets;
    n = n < WINDOW_MOST ? n : WINDOW_MOST;
    if (s->is_encoded) {
        struct present_source source = get_source(s);
        buf_clear(&s->window);
        TRY(present_read(&s->present, &source, offset, n, &s->window));
        *out = buf_str(&s->window);
        return ERR_OK;
    }
    TRY(body_reader_get(s->reader, offset, n, &octets));
    if (octets.n > 0 && memchr(octets.p, '\0', octets.n) != NULL) {
        return replace_nul(s, octets, out);
    }
    *out = octets;
    return ERR_OK;
}

void shown_close(struct shown *s)
{
    if (s->reader != NULL) {
        body_reader_free(&s->reader);
    }
    buf_release(&s->window);
    *s = (struct shown){0};
}
