/* Folding header fields. White space is held back until it is known how long the token behind it is: then it is written as
 * it stands, or behind a line end. White space that holds a fold already begins a line anyway. */
#include "mime/fold.h"

static const struct str LINE_END = {"\r\n", 2};

void fold_init(struct fold *f, struct buf *out, size_t column)
{
    *f = (struct fold){.out = out, .column = column};
}

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void write_white(struct fold *f)
{
    size_t last = str_find_last_char(f->white, '\n');
    buf_add(f->out, f->white);
    f->column = last < f->white.n ? f->white.n - last - 1 : f->column + f->white.n;
    f->white = STR_EMPTY;
}

void fold_white(struct fold *f, struct str white)
{
    write_white(f); /* none is due, but where a caller says white space twice */
    f->white = white;
}

void fold_break(struct fold *f)
{
    f->white = STR_EMPTY;
    buf_add(f->out, LINE_END);
    buf_add_char(f->out, ' ');
    f->column = 1;
}

size_t fold_get_room(const struct fold *f)
{
    size_t last = str_find_last_char(f->white, '\n');
    size_t used = last < f->white.n ? f->white.n - last - 1 : f->column + f->white.n;
    return used < FOLD_COLUMNS ? FOLD_COLUMNS - used : 0;
}

void fold_token(struct fold *f, struct str token, size_t more)
{
    bool is_folded = str_find_char(f->white, '\n') < f->white.n;
    if (f->white.n > 0 && !is_folded && token.n + more > fold_get_room(f)) {
        buf_add(f->out, LINE_END);
        f->column = 0;
    }
    write_white(f);
    buf_add(f->out, token);
    f->column += token.n;
}

void fold_text(struct fold *f, struct str text)
{
    size_t at = 0;
    while (at < text.n) {
        size_t from = at;
        while (at < text.n && is_white(text.p[at])) {
            at++;
        }
        if (at > from) {
            fold_white(f, str_sub(text, from, at - from));
        }
        from = at;
        while (at < text.n && !is_white(text.p[at])) {
            at++;
        }
        if (at > from) {
            fold_token(f, str_sub(text, from, at - from), 0);
        }
    }
}

void fold_end(struct fold *f)
{
    write_white(f);
}
