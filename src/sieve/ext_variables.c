/* variables (RFC 5229): set with its modifiers, the test string; and global (RFC 6609, 3.4.1). */
#include "sieve/control.h"

#include "base/utf8.h"
#include "sieve/match.h"
#include "sieve/run_priv.h"

enum err sieve_set_check(struct sieve_compiler *c, struct sieve_node *n)
{
    TRY(sieve_variable_check_name(c, n->line, &n->params[0].strings[0]));
    const struct sieve_string *value = &n->params[1].strings[0];
    if (value->pieces == NULL && value->text.n > c->limits.variable_octets) {
        return sieve_compile_fail(c, n->line, "A variable holds at most %u octets",
                                  c->limits.variable_octets);
    }
    return ERR_OK;
}

static void change_case(char *p, size_t n, char (*change)(char c))
{
    for (size_t i = 0; i < n; i++) {
        p[i] = change(p[i]);
    }
}

/* Precedences 40 and 30. */
static void apply_case(const struct sieve_node *n, char *p, size_t size)
{
    if (sieve_node_has(n, SIEVE_TAG_LOWER)) {
        change_case(p, size, ascii_lower);
    } else if (sieve_node_has(n, SIEVE_TAG_UPPER)) {
        change_case(p, size, ascii_upper);
    }
    size_t first = size > 0;
    if (sieve_node_has(n, SIEVE_TAG_LOWERFIRST)) {
        change_case(p, first, ascii_lower);
    } else if (sieve_node_has(n, SIEVE_TAG_UPPERFIRST)) {
        change_case(p, first, ascii_upper);
    }
}

static void quote_wildcards(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        if (strchr("*?\\", s.p[i]) != NULL && s.p[i] != '\0') {
            buf_add_char(out, '\\');
        }
        buf_add_char(out, s.p[i]);
    }
}

/* Everything but the "unreserved set" (RFC 3986, 2.3). */
static void encode_url(struct str s, struct buf *out)
{
    static const char DIGITS[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool is_unreserved =
            ascii_is_alpha(c) || ascii_is_digit(c) || (c != '\0' && strchr("-._~", c) != NULL);
        if (is_unreserved) {
            buf_add_char(out, c);
        } else {
            buf_add_char(out, '%');
            buf_add_char(out, DIGITS[(unsigned char)c >> 4]);
            buf_add_char(out, DIGITS[(unsigned char)c & 15]);
        }
    }
}

static uint64_t count_characters(struct str s)
{
    uint64_t count = 0;
    while (s.n > 0) {
        size_t n = utf8_check(s);
        s = str_skip(s, n == 0 || n == SIZE_MAX ? 1 : n);
        count++;
    }
    return count;
}

/* One step of the chain: text holds the outcome of the last. */
static void apply(void (*write)(struct str s, struct buf *out), struct buf *text, struct buf *room)
{
    buf_clear(room);
    write(buf_str(text), room);
    struct buf swap = *text;
    *text = *room;
    *room = swap;
}

/* Largest precedence first (4.1; RFC 5435, 6): case, first, quotewildcard, encodeurl, length. */
static void apply_modifiers(const struct sieve_node *n, struct buf *text, struct buf *room)
{
    apply_case(n, text->p, text->len);
    if (sieve_node_has(n, SIEVE_TAG_QUOTEWILDCARD)) {
        apply(quote_wildcards, text, room);
    }
    if (sieve_node_has(n, SIEVE_TAG_ENCODEURL)) {
        apply(encode_url, text, room);
    }
    if (sieve_node_has(n, SIEVE_TAG_LENGTH)) {
        uint64_t length = count_characters(buf_str(text));
        buf_clear(text);
        buf_add_u64(text, length);
    }
}

/* What the modifiers make of each octet. */
static enum sieve_rate get_rate(const struct sieve_node *n)
{
    return sieve_node_has(n, SIEVE_TAG_ENCODEURL) ? SIEVE_RATE_CHARACTER
           : n->tags != 0                         ? SIEVE_RATE_TEXT
                                                  : SIEVE_RATE_COPY;
}

enum err sieve_set_run(struct sieve_run *r, const struct sieve_node *n)
{
    struct str name = n->params[0].strings[0].text;
    struct str value;
    TRY(sieve_expand_one(r, &n->params[1], &value));
    TRY(sieve_run_spend(r, sieve_steps_for(value.n, get_rate(n))));
    struct buf text = BUF_INIT(value.n * 6 + 32);
    struct buf room = BUF_INIT(value.n * 6 + 32);
    buf_add(&text, value);
    apply_modifiers(n, &text, &room);
    sieve_run_trace(r, "set %.*s = \"%.*s\"", STR_ARG(name),
                    STR_ARG(str_sub(buf_str(&text), 0, 200)));
    enum err e = sieve_variable_set_named(r, name, buf_str(&text));
    buf_release(&text);
    buf_release(&room);
    return e;
}

/* "The count of a single string is 0 if it is the empty string, or 1 otherwise" (5). */
enum err sieve_string_test(struct sieve_run *r, const struct sieve_node *n, bool *out)
{
    struct sieve_match m;
    struct sieve_strings values;
    TRY(sieve_expand_list(r, &n->params[0], &values));
    TRY(sieve_match_init(&m, r, n, &n->params[1]));
    for (uint32_t i = 0; i < values.count && !sieve_match_is_decided(&m); i++) {
        if (values.at[i].n > 0 || !sieve_match_is_count(&m)) {
            TRY(sieve_match_give(&m, values.at[i]));
        }
    }
    return sieve_match_finish(&m, out);
}

/* "An invalid name MUST be detected as a syntax error" (RFC 6609, 3.4.1). */
enum err sieve_global_check(struct sieve_compiler *c, struct sieve_node *n)
{
    if (!sieve_is_required(c, SIEVE_EXT_VARIABLES)) {
        return sieve_compile_fail(c, n->line,
                                  "\"global\" needs \"require \"variables\";\" at the top");
    }
    for (uint32_t i = 0; i < n->params[0].count; i++) {
        const struct sieve_string *name = &n->params[0].strings[i];
        if (name->pieces != NULL || !sieve_variable_is_identifier(name->text)
            || name->text.n > SIEVE_NAME_MOST) {
            return sieve_compile_fail(c, n->line, "\"%.*s\" is no name of a variable",
                                      STR_ARG(str_sub(name->text, 0, 60)));
        }
    }
    return ERR_OK;
}

enum err sieve_global_run(struct sieve_run *r, const struct sieve_node *n)
{
    for (uint32_t i = 0; i < n->params[0].count; i++) {
        struct str name;
        TRY(sieve_variable_keep_name(r, n->params[0].strings[i].text, &name));
        TRY(sieve_variable_declare_global(r, name));
    }
    return ERR_OK;
}
