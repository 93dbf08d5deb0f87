/* The aliases files of other mail servers, read leniently: what is understood is told, what is not is named by its line.
 *
 *     # a comment               a line that begins with a space or tab goes on with the one before
 *     name: one, two,           Postfix aliases(5), sendmail: a colon
 *         "three words"@x
 *     name@example.org one      Postfix virtual(5): a space
 *
 * A quoted target loses its quotes when they are around all of it. Programs ("|..."), files ("/...") and ":include:" have no
 * place here: delivery is to accounts and addresses, and a mail server that starts programs by what a table says is a
 * danger that nobody needs with Sieve at hand. */
#include "auth/alias_file.h"

#include <stdbool.h>
#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* The position of the first c outside double quotes; s.n when there is none. */
static size_t find_unquoted(struct str s, const char *set)
{
    bool is_quoted = false;
    for (size_t i = 0; i < s.n; i++) {
        if (is_quoted && s.p[i] == '\\') {
            i++;
        } else if (s.p[i] == '"') {
            is_quoted = !is_quoted;
        } else if (!is_quoted && s.p[i] != '\0' && strchr(set, s.p[i]) != NULL) {
            return i;
        }
    }
    return s.n;
}

static struct str unquote(struct str s)
{
    bool is_whole = s.n > 2 && s.p[0] == '"' && s.p[s.n - 1] == '"'
                    && find_unquoted(str_sub(s, 1, s.n - 2), "\"") == s.n - 2
                    && str_find_char(str_sub(s, 1, s.n - 2), '"') == s.n - 2;
    return is_whole ? str_trim(str_sub(s, 1, s.n - 2)) : s;
}

struct reader {
    const struct alias_file_handler *h;
    unsigned line;  /* where the entry begins */
    struct str all; /* its first line */
    struct str name;
    bool has_more; /* than a name */
};

static void read_target(struct reader *r, struct str raw)
{
    const struct alias_file_handler *h = r->h;
    struct str target = unquote(raw);
    if (target.n == 0) {
        return; /* "a, , b" */
    }
    r->has_more = true;
    if (target.p[0] == '|') {
        h->on_problem(h->owner, r->line, raw, "programs are not started");
    } else if (target.p[0] == '/') {
        h->on_problem(h->owner, r->line, raw, "files are not written");
    } else if (str_starts_nocase(target, STR(":include:"))) {
        h->on_problem(h->owner, r->line, raw, "lists are not included; name their members here");
    } else {
        h->on_target(h->owner, r->line, r->name, target);
    }
}

static void read_targets(struct reader *r, struct str rest)
{
    while (rest.n > 0 && r->name.n > 0) {
        size_t n = find_unquoted(rest, ",");
        read_target(r, str_trim(str_sub(rest, 0, n)));
        rest = str_skip(rest, n + 1);
    }
}

static void end_entry(struct reader *r)
{
    if (r->all.n > 0 && !r->has_more) {
        r->h->on_problem(r->h->owner, r->line, r->all, "not \"name: target, target\"");
    }
    r->all = STR_EMPTY;
    r->name = STR_EMPTY;
}

static void begin_entry(struct reader *r, unsigned line, struct str text)
{
    end_entry(r);
    size_t end = find_unquoted(text, ": \t");
    struct str rest = str_trim(str_skip(text, end));
    if (str_starts(rest, STR(":"))) {
        rest = str_skip(rest, 1);
    }
    *r = (struct reader){r->h, line, text, unquote(str_sub(text, 0, end)), false};
    read_targets(r, rest);
}

void alias_file_read(struct str text, const struct alias_file_handler *h)
{
    struct reader r = {.h = h};
    unsigned line = 0;
    while (text.n > 0) {
        struct str one = str_split(&text, '\n');
        struct str trimmed = str_trim(one);
        line++;
        if (trimmed.n == 0 || trimmed.p[0] == '#') {
            continue;
        }
        if (is_space(one.p[0]) && r.all.n > 0) {
            read_targets(&r, trimmed);
        } else {
            begin_entry(&r, line, trimmed);
        }
    }
    end_entry(&r);
}
