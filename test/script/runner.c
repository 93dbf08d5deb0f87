/* Runs a conversation written down in a file against real sessions on a real store, in one process and on a virtual clock.
 *
 *     # comment; names the RFC section and requirement that the file proves
 *     C: a SELECT INBOX                      the session "A" says a line
 *     S: * 3 EXISTS                          and hears exactly this line next
 *     S: a OK [READ-WRITE] ...               "..." stands for any octets
 *     S: * OK [UIDVALIDITY $(v)] ...         sets $(v), or compares when it is set; $(v) in a C line is its value
 *     S> a OK ...                            passes over lines up to one that matches
 *     S- ...FLAGS...                         no line that is waiting matches
 *     B C: b NOOP                            another session, by its name; it is opened when first named
 *     C: a APPEND INBOX {{                   a literal: the lines up to "}}", with their size in front, "{n+}"
 *     Subject: hello
 *     }}                                     what follows "}}" goes on with the command
 *     C: a APPEND INBOX {{sync               the same as "{n}": waits for the "+" line
 *     @octets ~{3}...                        see verbs below
 *
 * A server line ends where the command grammar says: literals belong to it (their CRLF is written <CRLF> in patterns).
 * When a session speaks again or the file ends, nothing it heard may be left over.
 *
 * With --parks each session that rests leaves its process, and is made again by another one when it is spoken to or its mailbox
 * changes; with --crashes all sessions lose their process whenever one speaks. Nothing else may change either.
 *
 * With --one-octet each octet of a client arrives by itself; nothing else may change.
 *
 * Verbs: @advance 29m, 5s, 100ms | @pace 4s (from now on every step of a session takes so long) | @window 100ms (from
 * now on news gather for so long before a session that waits hears them) | @managesieve (sessions opened later speak
 * that, not IMAP; their greeting is the OK of a login) | @user NAME (of sessions opened later) | @shared NAME
 * (theirs) | @limit 3 (their MESSAGELIMIT; 0: none) | @open NAME (then expect the greeting) | @close NAME | @restart
 * (everything is closed, the store opened again) | @fill MAILBOX N (appends N messages) | @mailboxes PREFIX N |
 * @index (everything is put into the text index) | @keep NAME (from now on it stays in its process, whatever the
 * mode) | @park NAME (it leaves its process; it must be able to) | @crash NAME [N] (its process dies; the last N
 * octets it said since it could be saved did not reach the client) | @dies NAME N (the same, after its next N steps)
 * | @send NAME octets with \r \n \\ \xHH (raw) | @quiet NAME (it says nothing) | @ended NAME (it hung up). */
#include "script.h"

#include "base/buf.h"
#include "base/vec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MOST = 4 * 1024 * 1024, VALUE_MOST = 64 * 1024 };

struct variable {
    struct str name; /* borrows from the file */
    struct buf value;
};

struct runner {
    const char *path;
    struct str rest; /* of the file */
    unsigned line;
    struct script *script;
    VEC(struct variable *) variables;
};

static _Noreturn void fail(const struct runner *r, const char *what, struct str detail)
{
    (void)fprintf(stderr, "%s:%u: %s: %.*s\n", r->path, r->line, what, STR_ARG(detail));
    struct str waiting = script_peek_all(r->script);
    if (waiting.n > 0) {
        (void)fprintf(stderr, "waiting:\n%.*s", STR_ARG(waiting));
    }
    exit(1);
}

static bool next_line(struct runner *r, struct str *out)
{
    if (r->rest.n == 0) {
        return false;
    }
    *out = str_split(&r->rest, '\n');
    r->line++;
    return true;
}

/* ---- variables and patterns ---- */

static struct variable *find_variable(struct runner *r, struct str name)
{
    for (size_t i = 0; i < r->variables.count; i++) {
        if (str_eq(r->variables.at[i]->name, name)) {
            return r->variables.at[i];
        }
    }
    return NULL;
}

static void set_variable(struct runner *r, struct str name, struct str value)
{
    struct variable *v = calloc(1, sizeof(*v));
    if (v == NULL) {
        abort();
    }
    v->name = name;
    v->value = BUF_INIT(VALUE_MOST);
    buf_add(&v->value, value);
    vec_push(&r->variables, v);
}

/* s begins with $(name): takes it off. */
static bool take_name(struct str *s, struct str *name)
{
    if (!str_starts(*s, STR("$("))) {
        return false;
    }
    *s = str_skip(*s, 2);
    *name = str_split(s, ')');
    return true;
}

static size_t value_size(struct str line)
{
    size_t n = 0;
    while (n < line.n && strchr(" \")]\r\n", line.p[n]) == NULL) {
        n++;
    }
    return n;
}

static bool matches(struct runner *r, struct str pattern, struct str line);

static bool matches_variable(struct runner *r, struct str name, struct str pattern, struct str line)
{
    const struct variable *v = find_variable(r, name);
    struct str value = v != NULL ? buf_str(&v->value) : str_sub(line, 0, value_size(line));
    if (value.n == 0 || !str_starts(line, value)) {
        return false;
    }
    if (!matches(r, pattern, str_skip(line, value.n))) {
        return false;
    }
    if (v == NULL) {
        set_variable(r, name, value);
    }
    return true;
}

static bool matches_any(struct runner *r, struct str pattern, struct str line)
{
    if (pattern.n == 0) {
        return true;
    }
    for (size_t skip = 0; skip <= line.n; skip++) {
        if (matches(r, pattern, str_skip(line, skip))) {
            return true;
        }
    }
    return false;
}

static bool matches(struct runner *r, struct str pattern, struct str line)
{
    while (pattern.n > 0) {
        struct str name;
        if (str_starts(pattern, STR("..."))) {
            return matches_any(r, str_skip(pattern, 3), line);
        }
        if (take_name(&pattern, &name)) {
            return matches_variable(r, name, pattern, line);
        }
        if (str_starts(pattern, STR("<CRLF>")) && str_starts(line, STR("\r\n"))) {
            pattern = str_skip(pattern, 6);
            line = str_skip(line, 2);
            continue;
        }
        if (line.n == 0 || line.p[0] != pattern.p[0]) {
            return false;
        }
        pattern = str_skip(pattern, 1);
        line = str_skip(line, 1);
    }
    return line.n == 0;
}

static void expand(struct runner *r, struct str text, struct buf *out)
{
    while (text.n > 0) {
        struct str name;
        if (take_name(&text, &name)) {
            const struct variable *v = find_variable(r, name);
            if (v == NULL) {
                fail(r, "unknown variable", name);
            }
            buf_add(out, buf_str(&v->value));
            continue;
        }
        buf_add_char(out, text.p[0]);
        text = str_skip(text, 1);
    }
}

/* ---- what the client says ---- */

/* Lines up to "}}" as one literal; what follows "}}" is left in *after. */
static void read_literal(struct runner *r, struct buf *literal, struct str *after)
{
    struct str line;
    while (next_line(r, &line)) {
        if (str_starts(line, STR("}}"))) {
            *after = str_skip(line, 2);
            return;
        }
        expand(r, line, literal);
        buf_add(literal, STR("\r\n"));
    }
    fail(r, "no }}", STR_EMPTY);
}

static void expect_continue(struct runner *r, struct script_session *s)
{
    struct str got;
    if (!script_next_line(s, &got) || !str_starts(got, STR("+ "))) {
        fail(r, "no continuation", got);
    }
}

static void say(struct runner *r, struct script_session *s, struct str text)
{
    if (!script_is_silent(s)) {
        fail(r, "unexpected output before", text);
    }
    script_begin_turn(r->script);
    struct buf line = BUF_INIT(LINE_MOST);
    struct buf literal = BUF_INIT(LINE_MOST);
    for (;;) {
        bool is_sync = str_ends(text, STR("{{sync"));
        bool is_literal = is_sync || str_ends(text, STR("{{"));
        struct str head = str_sub(text, 0, text.n - (is_sync ? 6 : is_literal ? 2 : 0));
        expand(r, head, &line);
        if (!is_literal) {
            break;
        }
        buf_clear(&literal);
        read_literal(r, &literal, &text);
        buf_addf(&line, is_sync ? "{%zu}\r\n" : "{%zu+}\r\n", literal.len);
        script_send(s, buf_str(&line));
        if (is_sync) {
            expect_continue(r, s);
        }
        buf_clear(&line);
        buf_add(&line, buf_str(&literal));
    }
    buf_add(&line, STR("\r\n"));
    script_send(s, buf_str(&line));
    buf_release(&line);
    buf_release(&literal);
}

/* ---- what it hears ---- */

static void hear(struct runner *r, struct script_session *s, struct str pattern)
{
    struct str got = STR_EMPTY;
    if (!script_next_line(s, &got)) {
        fail(r, "nothing was said; expected", pattern);
    }
    if (!matches(r, pattern, got)) {
        (void)fprintf(stderr, "got:      %.*s\n", STR_ARG(got));
        fail(r, "expected", pattern);
    }
}

static void hear_eventually(struct runner *r, struct script_session *s, struct str pattern)
{
    struct str got;
    while (script_next_line(s, &got)) {
        if (matches(r, pattern, got)) {
            return;
        }
    }
    fail(r, "never said", pattern);
}

static void hear_not(struct runner *r, struct script_session *s, struct str pattern)
{
    struct str all = script_peek(s);
    while (all.n > 0) {
        struct str line = str_trim(str_split(&all, '\n'));
        if (matches(r, pattern, line)) {
            fail(r, "must not be said", line);
        }
    }
}

/* ---- verbs ---- */

static uint64_t parse_duration_ms(const struct runner *r, struct str s)
{
    uint64_t n = 0;
    bool is_ms = str_ends(s, STR("ms"));
    uint64_t unit = is_ms ? 1 : str_ends(s, STR("m")) ? 60000 : str_ends(s, STR("s")) ? 1000 : 0;
    if (unit == 0 || !str_to_u64(str_sub(s, 0, s.n - (is_ms ? 2 : 1)), UINT32_MAX, &n)) {
        fail(r, "no duration", s);
    }
    return n * unit;
}

/* \r \n \\ \xHH */
static void unescape(const struct runner *r, struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '\\' || i + 1 == s.n) {
            buf_add_char(out, s.p[i]);
            continue;
        }
        char c = s.p[++i];
        if (c == 'x' && i + 2 < s.n) {
            buf_add_char(out,
                         (char)(ascii_hex_value(s.p[i + 1]) * 16 + ascii_hex_value(s.p[i + 2])));
            i += 2;
        } else if (c == 'r' || c == 'n') {
            buf_add_char(out, c == 'r' ? '\r' : '\n');
        } else if (c == '\\') {
            buf_add_char(out, c);
        } else {
            fail(r, "unknown escape", s);
        }
    }
}

static void send_raw(struct runner *r, struct str args)
{
    struct str name = str_split(&args, ' ');
    struct buf octets = BUF_INIT(LINE_MOST);
    unescape(r, args, &octets);
    script_send(script_get_session(r->script, name), buf_str(&octets));
    buf_release(&octets);
}

static void fill(struct runner *r, struct str args)
{
    struct str mailbox = str_split(&args, ' ');
    uint64_t n = 0;
    if (!str_to_u64(args, UINT32_MAX, &n) || !script_fill(r->script, mailbox, (uint32_t)n)) {
        fail(r, "cannot fill", mailbox);
    }
}

static void make_mailboxes(struct runner *r, struct str args)
{
    struct str prefix = str_split(&args, ' ');
    uint64_t n = 0;
    if (!str_to_u64(args, UINT32_MAX, &n)
        || !script_make_mailboxes(r->script, prefix, (uint32_t)n)) {
        fail(r, "cannot make mailboxes", prefix);
    }
}

static void set_limit(struct runner *r, struct str args)
{
    uint64_t n = 0;
    if (!str_to_u64(args, UINT32_MAX, &n)) {
        fail(r, "no number", args);
    }
    script_set_limit(r->script, (uint32_t)n);
}

static void advance(struct runner *r, struct str args)
{
    script_advance(r->script, parse_duration_ms(r, args));
}

static void set_pace(struct runner *r, struct str args)
{
    script_set_pace(r->script, parse_duration_ms(r, args));
}

static void set_window(struct runner *r, struct str args)
{
    script_set_window(r->script, parse_duration_ms(r, args));
}

static void set_user(struct runner *r, struct str args)
{
    script_set_user(r->script, args);
}

static void set_managesieve(struct runner *r, struct str args)
{
    (void)args;
    script_set_managesieve(r->script);
}

static void set_shared(struct runner *r, struct str args)
{
    script_set_shared_account(r->script, args);
}

static void open_session(struct runner *r, struct str args)
{
    (void)script_open(r->script, args);
}

static void close_session(struct runner *r, struct str args)
{
    script_close(r->script, args);
}

static void restart(struct runner *r, struct str args)
{
    (void)args;
    script_restart(r->script);
}

static void make_index(struct runner *r, struct str args)
{
    (void)args;
    script_index(r->script);
}

static void check_quiet(struct runner *r, struct str args)
{
    if (!script_is_silent(script_get_session(r->script, args))) {
        fail(r, "not quiet", args);
    }
}

static void check_ended(struct runner *r, struct str args)
{
    if (!script_has_ended(script_get_session(r->script, args))) {
        fail(r, "not ended", args);
    }
}

static void park(struct runner *r, struct str args)
{
    if (!script_park(script_get_session(r->script, args))) {
        fail(r, "cannot be parked", args);
    }
}

static void keep(struct runner *r, struct str args)
{
    script_keep(script_get_session(r->script, args));
}

static unsigned read_number(const struct runner *r, struct str s)
{
    uint64_t n = 0;
    if (s.n > 0 && !str_to_u64(s, UINT32_MAX, &n)) {
        fail(r, "no number", s);
    }
    return (unsigned)n;
}

static void crash(struct runner *r, struct str args)
{
    struct str name = str_split(&args, ' ');
    script_crash(script_get_session(r->script, name), read_number(r, args));
}

static void die(struct runner *r, struct str args)
{
    struct str name = str_split(&args, ' ');
    script_crash_after(script_get_session(r->script, name), read_number(r, args));
}

static const struct {
    const char *name;
    void (*run)(struct runner *r, struct str args);
} verbs[] = {
    {"@advance", advance},
    {"@close", close_session},
    {"@crash", crash},
    {"@dies", die},
    {"@ended", check_ended},
    {"@fill", fill},
    {"@index", make_index},
    {"@keep", keep},
    {"@limit", set_limit},
    {"@mailboxes", make_mailboxes},
    {"@managesieve", set_managesieve},
    {"@open", open_session},
    {"@pace", set_pace},
    {"@park", park},
    {"@quiet", check_quiet},
    {"@restart", restart},
    {"@send", send_raw},
    {"@shared", set_shared},
    {"@user", set_user},
    {"@window", set_window},
};

static void run_verb(struct runner *r, struct str line)
{
    struct str args = line;
    struct str verb = str_split(&args, ' ');
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (str_eq(verb, str_from_c(verbs[i].name))) {
            verbs[i].run(r, args);
            return;
        }
    }
    fail(r, "unknown verb", verb);
}

/* ---- the file ---- */

static bool is_turn(struct str s)
{
    return str_starts(s, STR("C: ")) || str_starts(s, STR("S: ")) || str_starts(s, STR("S> "))
           || str_starts(s, STR("S- "));
}

static void run_turn(struct runner *r, struct str line)
{
    struct str name = STR("A");
    if (!is_turn(line)) {
        name = str_split(&line, ' ');
    }
    if (!is_turn(line)) {
        fail(r, "no turn", line);
    }
    struct script_session *s = script_get_session(r->script, name);
    struct str text = str_skip(line, 3);
    switch (line.p[1]) {
    case ':':
        if (line.p[0] == 'C') {
            say(r, s, text);
        } else {
            hear(r, s, text);
        }
        break;
    case '>':
        hear_eventually(r, s, text);
        break;
    default:
        hear_not(r, s, text);
        break;
    }
}

static void run_file(struct runner *r)
{
    struct str line;
    while (next_line(r, &line)) {
        if (line.n == 0 || line.p[0] == '#') {
            continue;
        }
        if (line.p[0] == '@') {
            run_verb(r, line);
        } else {
            run_turn(r, line);
        }
    }
    struct str left = script_peek_all(r->script);
    if (left.n > 0) {
        fail(r, "unexpected output at the end", left);
    }
}

static void read_file(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "re");
    char octets[4096];
    size_t n = 0;
    if (f == NULL) {
        perror(path);
        exit(2);
    }
    while ((n = fread(octets, 1, sizeof(octets), f)) > 0) {
        buf_add(out, str_make(octets, n));
    }
    (void)fclose(f);
}

static bool set_mode(struct script *s, const char *mode)
{
    if (strcmp(mode, "--one-octet") == 0) {
        script_set_slow(s);
    } else if (strcmp(mode, "--parks") == 0) {
        script_set_life(s, SCRIPT_PARKS);
    } else if (strcmp(mode, "--crashes") == 0) {
        script_set_life(s, SCRIPT_CRASHES);
    } else {
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct buf text = BUF_INIT(LINE_MOST);
    struct runner r = {.path = argv[argc - 1], .variables = VEC_INIT};
    r.script = script_new();
    if (argc < 2 || argc > 3 || (argc == 3 && !set_mode(r.script, argv[1]))) {
        (void)fputs("usage: script-runner [--one-octet | --parks | --crashes] FILE.imap\n", stderr);
        return 2;
    }
    read_file(r.path, &text);
    r.rest = buf_str(&text);
    run_file(&r);
    script_free(&r.script);
    for (size_t i = 0; i < r.variables.count; i++) {
        buf_release(&r.variables.at[i]->value);
        free(r.variables.at[i]);
    }
    vec_release(&r.variables);
    buf_release(&text);
    return 0;
}
