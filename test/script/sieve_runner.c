/* Runs the cases of test/script/sieve/: scripts, messages, and what is to be done with them.
 *
 * A file is a row of sections; each begins with a line "=== KIND NAME" and goes on to the next such line:
 *
 *   === message NAME    a message; line ends become CRLF. Later scripts are run over it when they say so.
 *   === world           facts, one a line, for the cases that follow (they replace the facts before), see below
 *   === stored NAME     a script of the user that others may include; === site NAME: of the site; both go with the world
 *   === script TITLE    a script
 *   === actions NAME    what the script before asks for, over that message, one action a line as write_action() writes them
 *   === wrong           what the compiler says of the script before: "LINE: text"
 *   === extensions      the words that the script before requires
 *
 * Lines before the first section are a comment. Facts: `from A`, `to A`, `auth A`, `user U`, `address A`, `inbox M`, `now UNIX ZONE`,
 * `item NAME VALUE`, `mailbox M`, `mailboxid ID`, `special-use M USE`, `metadata M NAME VALUE` (M may be ""), `seen HANDLE ID`,
 * `method URI`, `method-capability URI NAME VALUE`, `cause delivery|append|copy|flag`, `in M`, `flag F`, `changed F`,
 * `imap-user U`, `imap-email A`, `limit NAME N`, `broken` (every question to the host fails). Words may be quoted. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/vec.h"
#include "sieve/run.h"

#include <stdio.h>
#include <stdlib.h>

enum { WORDS_MOST = 4, ARENA_MOST = 256 * 1024 * 1024, OUT_MOST = 4 * 1024 * 1024 };

struct fact {
    struct str words[WORDS_MOST];
    uint32_t count;
};

struct stored {
    struct str name;
    struct str text;
};

struct runner {
    const char *path;
    bool is_tracing;
    struct arena *arena;
    VEC(struct fact) facts;
    VEC(struct stored) scripts; /* personal */
    VEC(struct stored) site;
    VEC(struct stored) messages;
    struct str title;
    struct str script;
    unsigned failed;
    unsigned passed;
};

/* ---- the world ---- */

static struct str take_word(struct arena *a, struct str *line)
{
    *line = str_trim(*line);
    if (!str_starts(*line, STR("\""))) {
        return str_split(line, ' ');
    }
    *line = str_skip(*line, 1);
    struct str word = str_split(line, '"');
    return word.n > 0 ? word : arena_str(a, STR(""));
}

static void add_facts(struct runner *t, struct str text)
{
    while (text.n > 0) {
        struct str line = str_split(&text, '\n');
        struct fact f = {.count = 0};
        line = str_trim(line);
        while (line.n > 0 && f.count < WORDS_MOST) {
            f.words[f.count++] = take_word(t->arena, &line);
        }
        if (f.count > 0) {
            vec_push(&t->facts, f);
        }
    }
}

/* The n-th fact of a kind; NULL behind the last. */
static const struct fact *find_fact(const struct runner *t, const char *kind, uint32_t n)
{
    for (size_t i = 0; i < t->facts.count; i++) {
        if (str_eq(t->facts.at[i].words[0], str_from_c(kind)) && n-- == 0) {
            return &t->facts.at[i];
        }
    }
    return NULL;
}

static struct str get_fact(const struct runner *t, const char *kind, const char *otherwise)
{
    const struct fact *f = find_fact(t, kind, 0);
    return f != NULL ? f->words[1] : str_from_c(otherwise);
}

static uint64_t get_number(struct str s)
{
    uint64_t v = 0;
    return str_to_u64(s, INT64_MAX, &v) ? v : 0;
}

static struct sieve_strings get_facts(const struct runner *t, const char *kind)
{
    struct str *list = arena_array(t->arena, struct str, t->facts.count + 1);
    struct sieve_strings out = {.at = list};
    const struct fact *f;
    while ((f = find_fact(t, kind, out.count)) != NULL) {
        list[out.count++] = f->words[1];
    }
    return out;
}

/* A fact with these words; NULL: none. */
static const struct fact *find_match(const struct runner *t, const char *kind, struct str a,
                                     const struct str *b)
{
    const struct fact *f;
    for (uint32_t i = 0; (f = find_fact(t, kind, i)) != NULL; i++) {
        if (str_eq(f->words[1], a) && (b == NULL || str_eq(f->words[2], *b))) {
            return f;
        }
    }
    return NULL;
}

static enum err world_ask(const struct runner *t)
{
    return find_fact(t, "broken", 0) != NULL ? ERR_IO : ERR_OK;
}

static enum err on_mailbox(void *owner, struct str name, bool *out)
{
    *out = find_match(owner, "mailbox", name, NULL) != NULL;
    return world_ask(owner);
}

static enum err on_mailbox_id(void *owner, struct str id, bool *out)
{
    *out = find_match(owner, "mailboxid", id, NULL) != NULL;
    return world_ask(owner);
}

static enum err on_special_use(void *owner, struct str mailbox, struct str use, bool *out)
{
    const struct fact *f;
    *out = false;
    for (uint32_t i = 0; (f = find_fact(owner, "special-use", i)) != NULL && !*out; i++) {
        *out = (mailbox.n == 0 || str_eq(f->words[1], mailbox)) && str_eq_nocase(f->words[2], use);
    }
    return world_ask(owner);
}

static enum err on_metadata(void *owner, struct str mailbox, struct str name, bool *exists,
                            struct str *out)
{
    const struct fact *f = find_match(owner, "metadata", mailbox, &name);
    *exists = f != NULL;
    *out = f != NULL ? f->words[3] : STR_EMPTY;
    return world_ask(owner);
}

static enum err on_duplicate(void *owner, struct str handle, struct str id, uint64_t seconds,
                             bool is_last, bool *out)
{
    (void)seconds;
    (void)is_last;
    *out = find_match(owner, "seen", handle, &id) != NULL;
    return world_ask(owner);
}

static enum err on_load(void *owner, bool is_global, struct str name, bool *exists, struct str *out)
{
    const struct runner *t = owner;
    size_t count = is_global ? t->site.count : t->scripts.count;
    *exists = false;
    for (size_t i = 0; i < count; i++) {
        const struct stored *s = is_global ? &t->site.at[i] : &t->scripts.at[i];
        if (str_eq(s->name, name)) {
            *exists = true;
            *out = s->text;
        }
    }
    return world_ask(owner);
}

static enum err on_method(void *owner, struct str uri, bool *out)
{
    *out = find_match(owner, "method", uri, NULL) != NULL;
    return world_ask(owner);
}

static enum err on_method_capability(void *owner, struct str uri, struct str name, bool *exists,
                                     struct str *out)
{
    const struct fact *f = find_match(owner, "method-capability", uri, &name);
    *exists = f != NULL;
    *out = f != NULL ? f->words[3] : STR_EMPTY;
    return world_ask(owner);
}

static void on_trace(void *owner, uint32_t line, struct str text)
{
    (void)owner;
    printf("      %u: %.*s\n", line, STR_ARG(text));
}

static void set_limits(const struct runner *t, struct sieve_limits *limits)
{
    sieve_limits_init(limits);
    const struct {
        const char *name;
        uint32_t *value;
    } known[] = {{"nesting", &limits->nesting},
                 {"list_strings", &limits->list_strings},
                 {"variables", &limits->variables},
                 {"variable_octets", &limits->variable_octets},
                 {"actions", &limits->actions},
                 {"redirects", &limits->redirects},
                 {"includes", &limits->includes},
                 {"include_depth", &limits->include_depth},
                 {"body_octets", &limits->body_octets},
                 {"script_octets", &limits->script_octets},
                 {"header_octets", &limits->header_octets}};
    const struct fact *f;
    for (uint32_t i = 0; (f = find_fact(t, "limit", i)) != NULL; i++) {
        for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++) {
            if (str_eq(f->words[1], str_from_c(known[k].name))) {
                *known[k].value = (uint32_t)get_number(f->words[2]);
            }
        }
        if (str_eq(f->words[1], STR("steps"))) {
            limits->steps = get_number(f->words[2]);
        } else if (str_eq(f->words[1], STR("memory_octets"))) {
            limits->memory_octets = get_number(f->words[2]);
        }
    }
}

static enum sieve_cause get_cause(const struct runner *t)
{
    struct str cause = get_fact(t, "cause", "delivery");
    return str_eq(cause, STR("append")) ? SIEVE_APPEND
           : str_eq(cause, STR("copy")) ? SIEVE_COPY
           : str_eq(cause, STR("flag")) ? SIEVE_FLAG
                                        : SIEVE_DELIVERY;
}

static void set_env(struct runner *t, struct str message, struct sieve_env *env)
{
    const struct fact *now = find_fact(t, "now", 0);
    struct sieve_item *items = arena_array(t->arena, struct sieve_item, t->facts.count + 1);
    *env = (struct sieve_env){
        .message = message,
        .has_envelope = true,
        .from = get_fact(t, "from", "sender@example.com"),
        .to = get_fact(t, "to", "user@example.org"),
        .auth = get_fact(t, "auth", ""),
        .now_s = now != NULL ? (int64_t)get_number(now->words[1]) : 1000000000,
        .zone_s = now != NULL ? (int32_t)strtol(arena_c(t->arena, now->words[2]), NULL, 10) : 0,
        .user = get_fact(t, "user", "user"),
        .addresses = get_facts(t, "address"),
        .inbox = get_fact(t, "inbox", ""),
        .items = items,
        .cause = get_cause(t),
        .mailbox = get_fact(t, "in", ""),
        .changed_flags = get_facts(t, "changed"),
        .flags = get_facts(t, "flag"),
        .imap_user = get_fact(t, "imap-user", ""),
        .imap_email = get_fact(t, "imap-email", ""),
        .owner = t,
    };
    if (str_eq(env->from, STR("<>"))) {
        env->from = STR_EMPTY;
    }
    const struct fact *f;
    while ((f = find_fact(t, "item", env->item_count)) != NULL) {
        items[env->item_count++] = (struct sieve_item){f->words[1], f->words[2]};
    }
}

/* ---- what came out ---- */

static void write_strings(struct buf *out, const char *word, const struct sieve_strings *list)
{
    if (list->count > 0) {
        buf_addf(out, " %s(", word);
        for (uint32_t i = 0; i < list->count; i++) {
            buf_addf(out, "%s%.*s", i > 0 ? " " : "", STR_ARG(list->at[i]));
        }
        buf_add_c(out, ")");
    }
}

static void write_quoted(struct buf *out, const char *word, struct str s)
{
    buf_addf(out, " %s\"", word);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '\n') {
            buf_add_c(out, "\\n");
        } else if (c < ' ' && c != '\r') {
            buf_addf(out, "\\x%02x", c);
        } else if (c != '\r') {
            buf_add_char(out, (char)c);
        }
    }
    buf_add_c(out, "\"");
}

static void write_target(struct buf *out, const char *word, const struct sieve_target *t)
{
    write_quoted(out, word, t->mailbox);
    write_strings(out, "flags", &t->flags);
    buf_add_c(out, t->is_create ? " create" : "");
    if (t->special_use.n > 0) {
        write_quoted(out, "special-use ", t->special_use);
    }
    if (t->mailbox_id.n > 0) {
        write_quoted(out, "mailboxid ", t->mailbox_id);
    }
}

static void write_vacation(struct buf *out, const struct sieve_vacation *v)
{
    write_quoted(out, "", v->reason);
    buf_addf(out, " seconds %llu%s", (unsigned long long)v->seconds, v->is_mime ? " mime" : "");
    if (v->has_subject) {
        write_quoted(out, "subject ", v->subject);
    }
    if (v->from.n > 0) {
        write_quoted(out, "from ", v->from);
    }
    write_strings(out, "addresses", &v->addresses);
    if (v->has_fcc) {
        write_target(out, "fcc ", &v->fcc);
    }
}

static void write_notify(struct buf *out, const struct sieve_notify *n)
{
    write_quoted(out, "", n->method);
    buf_addf(out, " importance %c", n->importance);
    if (n->from.n > 0) {
        write_quoted(out, "from ", n->from);
    }
    if (n->has_message) {
        write_quoted(out, "message ", n->message);
    }
    write_strings(out, "options", &n->options);
    if (n->has_fcc) {
        write_target(out, "fcc ", &n->fcc);
    }
}

/* "keep flags(\Seen)", "fileinto "A" create", "redirect "a@b"", ...; an edited header stands below, each line behind "| ". */
static void write_action(struct buf *out, const struct sieve_action *a)
{
    static const char *const names[] = {"keep",   "fileinto", "redirect", "discard",
                                        "reject", "ereject",  "vacation", "notify"};
    buf_addf(out, "%s%s", a->is_implicit ? "implicit " : "", names[a->kind]);
    if (a->kind == SIEVE_KEEP) {
        write_strings(out, "flags", &a->target.flags);
    } else if (a->kind == SIEVE_FILEINTO) {
        write_target(out, "", &a->target);
    } else if (a->kind == SIEVE_REDIRECT) {
        write_quoted(out, "", a->address);
    } else if (a->kind == SIEVE_REJECT || a->kind == SIEVE_EREJECT) {
        write_quoted(out, "", a->reason);
    } else if (a->kind == SIEVE_VACATION) {
        write_vacation(out, a->vacation);
    } else if (a->kind == SIEVE_NOTIFY) {
        write_notify(out, a->notify);
    }
    buf_add_c(out, "\n");
    struct str header = a->is_edited ? a->header : STR_EMPTY;
    while (header.n > 0) {
        struct str line = str_split(&header, '\n');
        buf_addf(out, "| %.*s\n", STR_ARG(str_trim(line)));
    }
}

static void write_result(struct buf *out, const struct sieve_result *result)
{
    if (result->is_failed) {
        buf_addf(out, "error %u: %s\n", result->error.line, result->error.text);
    }
    for (uint32_t i = 0; i < result->count; i++) {
        write_action(out, &result->actions[i]);
    }
}

/* ---- cases ---- */

/* Line by line, without white space around them and empty lines. */
static struct str clean(struct runner *t, struct str text)
{
    struct buf out = BUF_INIT(OUT_MOST);
    while (text.n > 0) {
        struct str line = str_trim(str_split(&text, '\n'));
        if (line.n > 0) {
            buf_add(&out, line);
            buf_add_c(&out, "\n");
        }
    }
    struct str kept = arena_str(t->arena, buf_str(&out));
    buf_release(&out);
    return kept;
}

static void check(struct runner *t, struct str what, struct str got, struct str want)
{
    got = clean(t, got);
    want = clean(t, want);
    if (str_eq(got, want)) {
        t->passed++;
        return;
    }
    t->failed++;
    printf("%s: %.*s: %.*s\n  wanted:\n%.*s  got:\n%.*s", t->path, STR_ARG(t->title), STR_ARG(what),
           STR_ARG(want), STR_ARG(got));
}

static void run_compiled(struct runner *t, const struct sieve_script *s, struct str message,
                         struct buf *out)
{
    static const struct sieve_host host = {
        .mailbox_exists = on_mailbox,
        .mailbox_id_exists = on_mailbox_id,
        .special_use_exists = on_special_use,
        .metadata_get = on_metadata,
        .duplicate_is_seen = on_duplicate,
        .script_load = on_load,
        .notify_is_valid = on_method,
        .notify_get_capability = on_method_capability,
    };
    struct sieve_host own = host;
    own.trace = t->is_tracing ? on_trace : NULL;
    struct sieve_env env;
    struct sieve_limits limits;
    set_env(t, message, &env);
    set_limits(t, &limits);
    env.host = &own;
    env.limits = &limits;
    struct sieve_result result;
    struct arena *a = arena_new(ARENA_MOST);
    enum err e = sieve_run(s, &env, a, &result);
    if (e == ERR_OK) {
        write_result(out, &result);
    } else {
        buf_addf(out, "host %s\n", err_get_info(e)->name);
    }
    arena_free(&a);
}

static struct str find_message(const struct runner *t, struct str name)
{
    for (size_t i = 0; i < t->messages.count; i++) {
        if (str_eq(t->messages.at[i].name, name)) {
            return t->messages.at[i].text;
        }
    }
    printf("%s: there is no message %.*s\n", t->path, STR_ARG(name));
    exit(2);
}

/* is_wrong: only what the compiler says is wanted. */
static void run_case(struct runner *t, struct str kind, struct str name, struct str want)
{
    struct buf out = BUF_INIT(OUT_MOST);
    struct sieve_script *s = NULL;
    struct sieve_error error = {.line = 0};
    struct sieve_limits limits;
    set_limits(t, &limits);
    struct sieve_config config = {
        .limits = &limits, .disabled = get_fact(t, "disabled", ""), .has_imap_events = true};
    enum err e = sieve_compile(t->script, &config, &s, &error);
    if (e != ERR_OK) {
        buf_addf(&out, "%s%u: %s\n", str_eq(kind, STR("wrong")) ? "" : "wrong ", error.line,
                 error.text);
    } else if (str_eq(kind, STR("extensions"))) {
        sieve_script_write_extensions(s, &out);
    } else if (str_eq(kind, STR("actions"))) {
        run_compiled(t, s, find_message(t, name), &out);
    }
    check(t, name, buf_str(&out), want);
    sieve_script_free(&s);
    buf_release(&out);
}

static struct str with_crlf(struct runner *t, struct str text)
{
    struct buf out = BUF_INIT(OUT_MOST);
    while (text.n > 0) {
        buf_add(&out, str_split(&text, '\n'));
        buf_add_c(&out, "\r\n");
    }
    struct str kept = arena_str(t->arena, buf_str(&out));
    buf_release(&out);
    return kept;
}

static void take_section(struct runner *t, struct str kind, struct str name, struct str text)
{
    struct stored stored = {.name = name, .text = text};
    if (str_eq(kind, STR("message"))) {
        stored.text = with_crlf(t, text);
        vec_push(&t->messages, stored);
    } else if (str_eq(kind, STR("world"))) {
        vec_clear(&t->facts);
        vec_clear(&t->scripts);
        vec_clear(&t->site);
        add_facts(t, text);
    } else if (str_eq(kind, STR("stored"))) {
        vec_push(&t->scripts, stored);
    } else if (str_eq(kind, STR("site"))) {
        vec_push(&t->site, stored);
    } else if (str_eq(kind, STR("script"))) {
        t->title = name;
        t->script = text;
    } else if (str_eq(kind, STR("actions")) || str_eq(kind, STR("wrong"))
               || str_eq(kind, STR("extensions"))) {
        run_case(t, kind, name, text);
    } else {
        printf("%s: there is no section %.*s\n", t->path, STR_ARG(kind));
        exit(2);
    }
}

static void run_file(struct runner *t, struct str text)
{
    const struct str mark = STR("=== ");
    size_t at = str_starts(text, mark) ? 0 : str_find_str(text, STR("\n=== ")) + 1;
    text = str_skip(text, at);
    while (text.n > 0) {
        struct str title = str_skip(str_split(&text, '\n'), mark.n);
        size_t n = str_starts(text, mark) ? 0 : str_find_str(text, STR("\n=== "));
        n = n < text.n && !str_starts(text, mark) ? n + 1 : n;
        struct str kind = str_split(&title, ' ');
        take_section(t, kind, title, str_sub(text, 0, n));
        text = str_skip(text, n);
    }
}

static struct str read_file(struct arena *a, const char *path)
{
    FILE *f = fopen(path, "rb");
    char *p = arena_alloc(a, OUT_MOST);
    if (f == NULL || p == NULL) {
        printf("%s: cannot be read\n", path);
        exit(2);
    }
    size_t n = fread(p, 1, OUT_MOST, f);
    fclose(f);
    return str_make(p, n);
}

/* One script over one message, for tests that compare: prints what a case would hold. from, to: of the envelope. */
static int run_one(struct runner *t, char **args)
{
    struct buf out = BUF_INIT(OUT_MOST);
    struct buf facts = BUF_INIT(OUT_MOST);
    struct sieve_script *s = NULL;
    struct sieve_error error = {.line = 0};
    buf_addf(&facts, "from %s\nto %s\n", args[2], args[3]);
    add_facts(t, buf_str(&facts));
    if (sieve_compile(read_file(t->arena, args[0]), NULL, &s, &error) == ERR_OK) {
        run_compiled(t, s, read_file(t->arena, args[1]), &out);
    } else {
        buf_addf(&out, "wrong %u: %s\n", error.line, error.text);
    }
    printf("%.*s", STR_ARG(buf_str(&out)));
    sieve_script_free(&s);
    buf_release(&out);
    vec_release(&t->facts);
    buf_release(&facts);
    arena_free(&t->arena);
    return 0;
}

int main(int argc, char **argv)
{
    struct runner t = {.arena = arena_new(ARENA_MOST)};
    if (argc == 6 && strcmp(argv[1], "--run") == 0) {
        return run_one(&t, argv + 2);
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--trace") == 0) {
            t.is_tracing = true;
            continue;
        }
        t.path = argv[i];
        vec_clear(&t.messages);
        take_section(&t, STR("world"), STR_EMPTY, STR_EMPTY);
        run_file(&t, read_file(t.arena, argv[i]));
    }
    printf("%u cases passed, %u failed\n", t.passed, t.failed);
    vec_release(&t.facts);
    vec_release(&t.scripts);
    vec_release(&t.site);
    vec_release(&t.messages);
    arena_free(&t.arena);
    return t.failed > 0 || t.passed == 0 ? 1 : 0;
}
