/* Strings of the script, as they mean something now: variables put in (RFC 5229, 3). What comes of it lives in the run's scratch, which
 * is cleared from command to command; what has to stay is copied. */
#include "base/utf8.h"
#include "sieve/run_priv.h"

static struct str piece_get(const struct sieve_run *r, const struct sieve_piece *p)
{
    switch (p->kind) {
    case SIEVE_PIECE_MATCH:
        return p->number <= r->match_count ? r->matches[p->number] : STR_EMPTY;
    case SIEVE_PIECE_VARIABLE:
    case SIEVE_PIECE_GLOBAL:
        return sieve_variable_get(r, p->kind == SIEVE_PIECE_GLOBAL, p->text);
    case SIEVE_PIECE_TEXT:
    default:
        return p->text;
    }
}

static uint64_t piece_count_steps(const struct sieve_run *r, const struct sieve_piece *p)
{
    bool is_named = p->kind == SIEVE_PIECE_VARIABLE || p->kind == SIEVE_PIECE_GLOBAL;
    return is_named ? sieve_variable_count_steps(r) : 1;
}

enum err sieve_expand(struct sieve_run *r, const struct sieve_string *s, struct str *out)
{
    if (s->pieces == NULL) {
        *out = s->text;
        return ERR_OK;
    }
    size_t n = 0;
    for (uint32_t i = 0; i < s->piece_count; i++) {
        TRY(sieve_run_spend(r, piece_count_steps(r, &s->pieces[i])));
        n += piece_get(r, &s->pieces[i]).n;
    }
    TRY(sieve_run_spend(r, sieve_steps_for(n, SIEVE_RATE_COPY)));
    char *p = arena_alloc(r->scratch, n + 1);
    if (p == NULL) {
        return sieve_run_full(r);
    }
    *out = str_make(p, n);
    for (uint32_t i = 0; i < s->piece_count; i++) {
        struct str piece = piece_get(r, &s->pieces[i]);
        if (piece.n > 0) {
            memcpy(p, piece.p, piece.n);
        }
        p += piece.n;
    }
    return ERR_OK;
}

enum err sieve_expand_one(struct sieve_run *r, const struct sieve_arg *arg, struct str *out)
{
    if (arg == NULL || arg->count == 0) {
        *out = STR_EMPTY;
        return ERR_OK;
    }
    return sieve_expand(r, &arg->strings[0], out);
}

enum err sieve_expand_list(struct sieve_run *r, const struct sieve_arg *arg,
                           struct sieve_strings *out)
{
    uint32_t count = arg != NULL ? arg->count : 0;
    struct str *list = arena_array(r->scratch, struct str, count + 1u);
    if (list == NULL) {
        return sieve_run_full(r);
    }
    for (uint32_t i = 0; i < count; i++) {
        TRY(sieve_expand(r, &arg->strings[i], &list[i]));
    }
    *out = (struct sieve_strings){.at = list, .count = count};
    return ERR_OK;
}

enum err sieve_expand_kept(struct sieve_run *r, const struct sieve_arg *arg, struct str *out)
{
    struct str now;
    TRY(sieve_expand_one(r, arg, &now));
    return sieve_run_keep(r, now, out);
}

enum { REPLACEMENT_SIZE = 3 }; /* U+FFFD in UTF-8 */

/* Encoded characters and cut variables can make octets that are no text: they do not leave the script. */
enum err sieve_expand_text(struct sieve_run *r, const struct sieve_arg *arg, struct str *out)
{
    struct str rest;
    TRY(sieve_expand_one(r, arg, &rest));
    if (utf8_is_valid(rest) && str_find_char(rest, '\0') == rest.n) {
        return sieve_run_keep(r, rest, out);
    }
    TRY(sieve_run_spend(r, sieve_steps_for(rest.n, SIEVE_RATE_TEXT)));
    struct buf text = BUF_INIT(rest.n * REPLACEMENT_SIZE + 1);
    while (rest.n > 0) {
        uint32_t c = 0;
        if (!utf8_next(&rest, &c)) {
            rest = str_skip(rest, 1);
        }
        utf8_add(&text, c != 0 ? c : 0xfffd);
    }
    enum err e = sieve_run_keep(r, buf_str(&text), out);
    buf_release(&text);
    return e;
}
