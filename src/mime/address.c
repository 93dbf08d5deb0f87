/* Address lists (RFC 5322, 3.4 and 4.4), as they come.
 *
 * The list is read left to right. Words (atoms, quoted strings, dots) gather in a phrase until an octet says what the
 * phrase was:
 *
 *   "<"             a display name: a route and an addr-spec up to ">" follow
 *   "@"             its last word is a local part: a domain follows; words before it are a display name
 *   ":"             the name of a group, which ends at ";"
 *   "," ";" or end  one word is a local part without a domain, several are a name without an address
 *
 * What else is there:
 *   - "joe@example.org (Joe)": a comment names the mailbox when no phrase does.
 *   - White space around dots and "@" is obsolete and dropped; between words of a name it becomes one space.
 *   - Without ">" the addr-spec ends at "," or at the end. Empty list members are passed over.
 *   - A group that is open at the end, or when another begins, is closed.
 *   - Encoded words and 8-bit octets stay as they are; who shows a name decodes it (mime/words.h).
 *
 * The work is linear and does not recurse; the array is sized by counting separators first. */
#include "mime/address.h"

#include "mime/lex.h"

#include <stddef.h>

struct parser {
    struct arena *arena;
    struct lex lex;
    struct buf name;    /* the phrase so far */
    struct buf word;    /* its last word: the local part, if "@" follows */
    size_t name_rest;   /* length of the phrase without that word */
    struct buf host;    /* scratch for domains */
    struct buf route;   /* scratch */
    struct buf comment; /* the last one seen in this member */
    struct address *at;
    uint32_t count;
    bool is_in_group;
    bool has_angle; /* the member had "<" */
    bool is_full;   /* the arena's cap was met */
};

static void add_address(struct parser *p, const struct address *a)
{
    p->at[p->count++] = *a;
}

/* Copies to the arena; whether that was full is asked once, at the end. */
static struct str keep(struct parser *p, const struct buf *b)
{
    struct str s = b->len == 0 ? STR_EMPTY : arena_str(p->arena, buf_str(b));
    p->is_full = p->is_full || s.n != b->len;
    return s;
}

static void clear_member(struct parser *p)
{
    buf_clear(&p->name);
    buf_clear(&p->word);
    buf_clear(&p->host);
    buf_clear(&p->route);
    buf_clear(&p->comment);
    p->name_rest = 0;
    p->has_angle = false;
}

/* Ends the member: adds it when there is anything in it. */
static void end_member(struct parser *p)
{
    if (!p->has_angle
        && p->host.len == 0) { /* no "@": one word is a local part, several are a name */
        if (p->name_rest > 0) {
            buf_clear(&p->word);
        } else {
            buf_clear(&p->name);
        }
    }
    if (p->name.len == 0 && p->comment.len > 0) {
        buf_add(&p->name, str_trim(buf_str(&p->comment)));
    }
    if (p->word.len > 0 || p->host.len > 0 || p->has_angle || p->name_rest > 0) {
        struct address a = {.name = keep(p, &p->name),
                            .route = keep(p, &p->route),
                            .mailbox = keep(p, &p->word),
                            .host = keep(p, &p->host)};
        add_address(p, &a);
    }
    clear_member(p);
}

static void end_group(struct parser *p)
{
    if (p->is_in_group) {
        struct address a = {.is_group_end = true};
        add_address(p, &a);
        p->is_in_group = false;
    }
}

static void start_group(struct parser *p)
{
    end_group(p);
    struct address a = {.mailbox = keep(p, &p->name), .is_group_start = true};
    add_address(p, &a);
    p->is_in_group = true;
    clear_member(p);
}

/* Reads a domain (atoms and dots, or a literal) up to one of stop or the end. */
static void take_domain(struct parser *p, const char *stop, struct buf *out)
{
    struct lex *l = &p->lex;
    for (;;) {
        (void)lex_skip_cfws(l, &p->comment);
        int c = lex_peek(l);
        if (c < 0 || (c != 0 && strchr(stop, c) != NULL)) {
            return;
        }
        if (c == '[') {
            struct str rest = str_skip(l->s, l->at);
            size_t n = str_find_char(rest, ']');
            if (n < rest.n) {
                buf_add(out, str_sub(rest, 0, n + 1));
                l->at += n + 1;
                continue;
            }
        }
        if (c == '"') {
            (void)lex_take_quoted(l, out);
        } else if (lex_take_run(l, stop, out) == 0) {
            l->at++;
        }
    }
}

/* Behind "<": obsolete route "@a,@b:", without the colon. */
static void take_route(struct parser *p)
{
    struct lex *l = &p->lex;
    struct str rest = str_sub(l->s, l->at, str_find_char(str_skip(l->s, l->at), '>'));
    if (lex_peek(l) != '@' || str_find_char(rest, ':') == rest.n) {
        return;
    }
    take_domain(p, ":>", &p->route);
    if (lex_peek(l) == ':') {
        l->at++;
    }
}

/* A local part inside angle brackets: words and dots, white space dropped. */
static void take_local_part(struct parser *p)
{
    struct lex *l = &p->lex;
    for (;;) {
        (void)lex_skip_cfws(l, NULL);
        int c = lex_peek(l);
        if (c < 0 || c == '@' || c == '>' || c == ',') {
            return;
        }
        if (c == '"') {
            (void)lex_take_quoted(l, &p->word);
        } else if (lex_take_run(l, "@>,", &p->word) == 0) {
            l->at++;
        }
    }
}

/* At "<": reads route-addr and ">". */
static void take_angle(struct parser *p)
{
    struct lex *l = &p->lex;
    if (p->host.len > 0) { /* "joe@example.org <joe@example.org>" */
        buf_add(&p->name, buf_str(&p->word));
        buf_add_char(&p->name, '@');
        buf_add(&p->name, buf_str(&p->host));
    }
    p->has_angle = true;
    buf_clear(&p->word);
    buf_clear(&p->host);
    l->at++;
    (void)lex_skip_cfws(l, NULL);
    take_route(p);
    take_local_part(p);
    if (lex_peek(l) == '@') {
        l->at++;
        take_domain(p, ">,", &p->host);
    }
    if (lex_peek(l) == '>') {
        l->at++;
    }
}

/* Behind ">" and behind a domain nothing is meant to be. */
static void skip_word(struct parser *p)
{
    struct buf none = BUF_INIT(0);
    if (lex_take_run(&p->lex, "@<>,;:", &none) == 0) {
        p->lex.at++;
    }
}

/* Reads one word of a phrase; is_apart: white space stood before it. */
static void take_word(struct parser *p, bool is_apart)
{
    struct lex *l = &p->lex;
    bool is_dotted = lex_peek(l) == '.' || (p->word.len > 0 && p->word.p[p->word.len - 1] == '.');
    if (is_apart && p->name.len > 0) {
        buf_add_char(&p->name, ' ');
    }
    if (is_apart && !is_dotted) {
        buf_clear(&p->word);
        p->name_rest = p->name.len;
    }
    size_t from = p->word.len;
    if (lex_peek(l) == '"') {
        (void)lex_take_quoted(l, &p->word);
    } else if (lex_take_run(l, "@<>,;:", &p->word) == 0) {
        l->at++;
    }
    buf_add(&p->name, str_skip(buf_str(&p->word), from));
}

/* One octet that is no word. */
static void take_special(struct parser *p, int c)
{
    struct lex *l = &p->lex;
    if (c == '<' && !p->has_angle) {
        take_angle(p);
        return;
    }
    l->at++;
    if (c == ',' || c == ';') {
        end_member(p);
        if (c == ';') {
            end_group(p);
        }
    } else if (c == ':' && !p->has_angle) {
        start_group(p);
    } else if (c == '@' && !p->has_angle) {
        buf_truncate(&p->name, p->name_rest);
        while (p->name.len > 0 && p->name.p[p->name.len - 1] == ' ') {
            buf_truncate(&p->name, p->name.len - 1);
        }
        take_domain(p, ",;<", &p->host);
    }
}

static void parse_members(struct parser *p)
{
    struct lex *l = &p->lex;
    for (;;) {
        bool is_apart = lex_skip_cfws(l, &p->comment);
        int c = lex_peek(l);
        if (c < 0) {
            break;
        }
        if (c != 0 && strchr("@<>,;:", c) != NULL) {
            take_special(p, c);
        } else if (p->has_angle) {
            skip_word(p);
        } else {
            take_word(p, is_apart);
        }
    }
    end_member(p);
    end_group(p);
}

/* No list has more entries than this: each separator ends a member, starts or ends a group. */
static size_t count_most(struct str value)
{
    size_t n = 2;
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        n += c == ',' ? 1U : (c == ':' || c == ';' ? 2U : 0U);
    }
    return n;
}

enum err address_list_parse(struct arena *a, struct str value, struct address_list *out)
{
    struct parser p = {.arena = a, .lex = lex_make(value)};
    struct buf *bufs[] = {&p.name, &p.word, &p.host, &p.route, &p.comment};
    size_t most = count_most(value);
    p.at = arena_array(a, struct address, most);
    if (p.at == NULL || most > UINT32_MAX) {
        return ERR_LIMIT;
    }
    for (size_t i = 0; i < sizeof(bufs) / sizeof(bufs[0]); i++) {
        buf_init(bufs[i], value.n + 1);
    }
    parse_members(&p);
    for (size_t i = 0; i < sizeof(bufs) / sizeof(bufs[0]); i++) {
        buf_release(bufs[i]);
    }
    if (p.is_full) {
        return ERR_LIMIT;
    }
    *out = (struct address_list){p.at, p.count, true};
    return ERR_OK;
}
