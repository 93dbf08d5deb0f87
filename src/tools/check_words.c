/* Two lists of the same server, and why they may differ.
 *
 * Before TLS, STARTTLS and LOGINDISABLED stand there; under it, mechanisms and what needs a private line (REQUIRETLS). All else a
 * server offers alike, for RFC 3207 and RFC 3501 have the client ask again only because somebody might have changed the first
 * answer. So what is missing before TLS was taken away, and what is there only before TLS was put in.
 *
 * Mail inspection of firewalls has its marks: "220 ****0*2**", words of XXXX with a letter behind, EHLO answered like HELO. */
#include "tools/check_words.h"

enum { MARK_LEAST = 4 };

static bool is_masked_text(struct str text)
{
    size_t stars = 0;
    size_t others = 0;
    for (size_t i = 0; i < text.n; i++) {
        stars += text.p[i] == '*' ? 1 : 0;
        others += text.p[i] != '*' && text.p[i] != ' ' ? 1 : 0;
    }
    return stars >= MARK_LEAST && stars >= others;
}

void check_greeting_smtp(struct check_leg *leg, struct str text)
{
    struct str rest = text;
    struct str name = str_split(&rest, ' ');
    if (is_masked_text(text)) {
        check_find(leg, FINDING_GREETING_MASKED, "the greeting is written over: 220 %.*s",
                   STR_ARG(text));
    } else if (name.n == 0) {
        check_find(leg, FINDING_GREETING_CUT, "the greeting does not name the server");
    }
}

void check_greeting_imap(struct check_leg *leg, struct str text)
{
    struct str rest = text;
    (void)str_split(&rest, ' ');
    bool is_open = str_starts(rest, STR("[")) && str_find_char(rest, ']') == rest.n;
    if (is_masked_text(rest)) {
        check_find(leg, FINDING_GREETING_MASKED, "the greeting is written over: * %.*s",
                   STR_ARG(text));
    } else if (rest.n == 0 || is_open) {
        check_find(leg, FINDING_GREETING_CUT, "the greeting ends too early: * %.*s", STR_ARG(text));
    }
}

void check_words_take_capability(struct str words, struct buf *out)
{
    buf_clear(out);
    while (words.n > 0) {
        struct str word = str_trim(str_split(&words, ' '));
        if (word.n > 0) {
            buf_add(out, word);
            buf_add_char(out, '\n');
        }
    }
}

void check_words_take_ehlo(const struct smtp_reply *r, struct buf *name, struct buf *out)
{
    struct str text = buf_str(&r->text);
    struct str first = str_split(&text, '\n');
    buf_clear(name);
    buf_add(name, str_split(&first, ' '));
    buf_clear(out);
    while (text.n > 0) {
        struct str line = str_trim(str_split(&text, '\n'));
        if (line.n > 0) {
            buf_add(out, line);
            buf_add_char(out, '\n');
        }
    }
}

static struct str word_of(struct str line)
{
    return str_sub(line, 0, str_find_char(line, ' '));
}

bool check_words_has(const struct buf *words, struct str word)
{
    struct str s = buf_str(words);
    while (s.n > 0) {
        if (str_eq_nocase(word_of(str_split(&s, '\n')), word)) {
            return true;
        }
    }
    return false;
}

/* XXXX, XXXXXXXA */
static bool is_masked(struct str word)
{
    size_t n = 0;
    while (n < word.n && word.p[n] == 'X') {
        n++;
    }
    return n >= MARK_LEAST && word.n - n <= 1;
}

struct str check_words_find_masked(const struct buf *words)
{
    struct str s = buf_str(words);
    while (s.n > 0) {
        struct str word = word_of(str_split(&s, '\n'));
        if (is_masked(word)) {
            return word;
        }
    }
    return STR_EMPTY;
}

/* May it be offered on one side of TLS only? */
static bool is_of_tls(struct str word)
{
    static const struct str WORDS[] = {STR("STARTTLS"),    STR("LOGINDISABLED"), STR("AUTH"),
                                       STR("REQUIRETLS"),  STR("SASL-IR"),       STR("XCLIENT"),
                                       STR("PIPECONNECT"), STR("PIPE_CONNECT"),  STR("XFORWARD")};
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++) {
        if (str_eq_nocase(word, WORDS[i])) {
            return true;
        }
    }
    return str_starts_nocase(word, STR("AUTH="));
}

/* What of all is not in some. */
static void find_missing(struct check_leg *leg, const struct buf *all, const struct buf *some,
                         enum finding_code code)
{
    struct str s = buf_str(all);
    while (s.n > 0) {
        struct str word = word_of(str_split(&s, '\n'));
        if (!is_of_tls(word) && !is_masked(word) && !check_words_has(some, word)) {
            check_find(leg, code, "%.*s is offered %s TLS and not %s it", STR_ARG(word),
                       code == FINDING_WORD_REMOVED ? "under" : "before",
                       code == FINDING_WORD_REMOVED ? "before" : "under");
        }
    }
}

void check_words_compare(struct check_leg *leg)
{
    find_missing(leg, &leg->tls, &leg->plain, FINDING_WORD_REMOVED);
    find_missing(leg, &leg->plain, &leg->tls, FINDING_WORD_ADDED);
}

void check_names_compare(struct check_leg *leg)
{
    struct str name = buf_str(&leg->name_tls);
    struct str greeting = buf_str(&leg->greeting);
    struct str first = word_of(greeting);
    if (leg->name_plain.len > 0 && !str_eq_nocase(buf_str(&leg->name_plain), name)) {
        check_find(leg, FINDING_GREETING_REWRITTEN,
                   "before TLS the server calls itself %.*s, under it %.*s",
                   STR_ARG(buf_str(&leg->name_plain)), STR_ARG(name));
    }
    if (first.n > 0 && !check_has(leg, FINDING_GREETING_MASKED) && !str_eq_nocase(first, name)) {
        check_find(leg, FINDING_GREETING_REWRITTEN,
                   "the greeting names %.*s, under TLS the server calls itself %.*s",
                   STR_ARG(first), STR_ARG(name));
    }
}

void check_words_expect(struct check_leg *leg, struct str words)
{
    while (words.n > 0) {
        struct str word = str_split(&words, ' ');
        if (word.n > 0 && !check_words_has(&leg->tls, word)) {
            check_find(leg, FINDING_WORD_MISSING, "%.*s is not offered", STR_ARG(word));
        }
    }
}
