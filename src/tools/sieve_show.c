/* What `limetta sieve` prints: for people a line each, for programs one JSON value. Both come from one list of facts about an action
 * (describe()), so neither tells what the other does not.
 *
 * A script and a message may hold anything: what goes to a terminal has no control characters, what goes to JSON is UTF-8. */
#include "tools/sieve.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "store/script.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

struct sieve_show {
    const struct sieve_args *args;
    json_t *trace; /* --json */
};

/* ---- texts ---- */

/* UTF-8 for sure, controls as spaces; lines stay lines in JSON. */
static void clean(struct str s, bool has_lines, struct buf *out)
{
    while (s.n > 0) {
        uint32_t c = 0xFFFD;
        if (!utf8_next(&s, &c)) {
            s = str_skip(s, 1);
        }
        bool is_line = c == '\n' || c == '\r' || c == '\t';
        bool is_control = c < 0x20 || (c >= 0x7f && c < 0xa0);
        utf8_add(out, is_control && !(is_line && has_lines) ? ' ' : c);
    }
}

static json_t *make_text(struct str s)
{
    struct buf b = BUF_INIT(4 * s.n + 1);
    clean(s, true, &b);
    json_t *text = json_stringn(b.len > 0 ? b.p : "", b.len);
    buf_release(&b);
    return text;
}

static void print_text(struct str s)
{
    struct buf b = BUF_INIT(4 * s.n + 1);
    clean(s, false, &b);
    (void)fwrite(b.len > 0 ? b.p : "", 1, b.len, stdout);
    buf_release(&b);
}

static void print_json(json_t *value)
{
    (void)json_dumpf(value, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    (void)fputc('\n', stdout);
    json_decref(value);
}

/* ---- an action ---- */

static const char *const NAMES[] = {
    [SIEVE_KEEP] = "keep",         [SIEVE_FILEINTO] = "fileinto", [SIEVE_REDIRECT] = "redirect",
    [SIEVE_DISCARD] = "discard",   [SIEVE_REJECT] = "reject",     [SIEVE_EREJECT] = "ereject",
    [SIEVE_VACATION] = "vacation", [SIEVE_NOTIFY] = "notify",
};

static void add(json_t *to, const char *name, struct str value)
{
    if (value.n > 0) {
        (void)json_object_set_new(to, name, make_text(value));
    }
}

static void add_list(json_t *to, const char *name, struct sieve_strings list)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < list.count; i++) {
        (void)json_array_append_new(array, make_text(list.at[i]));
    }
    (void)json_object_set_new(to, name, array);
}

static void add_target(json_t *to, const struct sieve_target *t)
{
    add(to, "mailbox", t->mailbox);
    if (t->has_flags) {
        add_list(to, "flags", t->flags);
    }
    if (t->is_create) {
        (void)json_object_set_new(to, "create", json_true());
    }
    add(to, "special_use", t->special_use);
    add(to, "mailbox_id", t->mailbox_id);
}

static void add_vacation(json_t *to, const struct sieve_vacation *v)
{
    add(to, "subject", v->subject);
    add(to, "from", v->from);
    add(to, "reason", v->reason);
    (void)json_object_set_new(to, "seconds", json_integer((json_int_t)v->seconds));
}

static void add_notify(json_t *to, const struct sieve_notify *n)
{
    add(to, "method", n->method);
    add(to, "from", n->from);
    add(to, "importance", str_make(&n->importance, 1));
    add(to, "message", n->message);
}

/* All that is known of it, in the order in which it is told. */
static json_t *describe(const struct sieve_action *a)
{
    json_t *x = json_object();
    (void)json_object_set_new(x, "action", json_string(NAMES[a->kind]));
    if (a->kind == SIEVE_KEEP || a->kind == SIEVE_FILEINTO) {
        add_target(x, &a->target);
    }
    add(x, "address", a->address);
    add(x, "reason", a->reason);
    if (a->vacation != NULL) {
        add_vacation(x, a->vacation);
    }
    if (a->notify != NULL) {
        add_notify(x, a->notify);
    }
    if (a->is_edited) {
        add(x, "header", a->header);
    }
    if (a->is_implicit) {
        (void)json_object_set_new(x, "implicit", json_true());
    } else {
        (void)json_object_set_new(x, "line", json_integer(a->line));
    }
    return x;
}

static void print_value(json_t *value)
{
    size_t i;
    json_t *item;
    if (json_is_string(value)) {
        (void)fputc('"', stdout);
        print_text(str_make(json_string_value(value), json_string_length(value)));
        (void)fputc('"', stdout);
    } else if (json_is_integer(value)) {
        (void)printf("%lld", (long long)json_integer_value(value));
    } else if (json_is_array(value)) {
        json_array_foreach(value, i, item)
        {
            (void)fputs(i > 0 ? " " : "", stdout);
            print_value(item);
        }
    } else {
        (void)fputs("yes", stdout);
    }
}

/* "fileinto: mailbox "Work", line 4" */
static void print_action(json_t *action)
{
    const char *key;
    json_t *value;
    const char *between = ": ";
    (void)printf("%s", json_string_value(json_object_get(action, "action")));
    json_object_foreach(action, key, value)
    {
        if (str_eq(str_from_c(key), STR("action"))) {
            continue;
        }
        (void)printf("%s%s", between, key);
        if (!json_is_true(value)) {
            (void)fputc(' ', stdout);
            print_value(value);
        }
        between = ", ";
    }
    (void)fputc('\n', stdout);
}

/* ---- a run ---- */

struct sieve_show *sieve_show_new(const struct sieve_args *args)
{
    struct sieve_show *s = mem_new(sizeof(*s));
    s->args = args;
    s->trace = json_array();
    return s;
}

void sieve_show_free(struct sieve_show **s)
{
    if (*s != NULL) {
        json_decref((*s)->trace);
        free(*s);
        *s = NULL;
    }
}

void sieve_show_trace(void *owner, uint32_t line, struct str text)
{
    struct sieve_show *s = owner;
    if (s->args->is_json) {
        json_t *x = json_object();
        (void)json_object_set_new(x, "line", json_integer(line));
        (void)json_object_set_new(x, "text", make_text(text));
        (void)json_array_append_new(s->trace, x);
        return;
    }
    if (line > 0) {
        (void)printf("%s:%u: ", s->args->words[0], line);
    } else {
        (void)printf("%s: ", s->args->words[0]);
    }
    print_text(text);
    (void)fputc('\n', stdout);
}

static json_t *make_error(const struct sieve_error *error)
{
    json_t *x = json_object();
    (void)json_object_set_new(x, "line", json_integer(error->line));
    (void)json_object_set_new(x, "text", make_text(str_from_c(error->text)));
    return x;
}

static void show_json(struct sieve_show *s, const struct sieve_result *r, json_t *actions)
{
    json_t *x = json_object();
    (void)json_object_set_new(x, "ok", json_boolean(!r->is_failed));
    if (r->is_failed) {
        (void)json_object_set_new(x, "error", make_error(&r->error));
    }
    (void)json_object_set(x, "actions", actions);
    (void)json_object_set_new(x, "steps", json_integer((json_int_t)r->steps));
    if (s->args->is_traced) {
        (void)json_object_set(x, "trace", s->trace);
    }
    print_json(x);
}

void sieve_show_result(struct sieve_show *s, const struct sieve_result *r)
{
    json_t *actions = json_array();
    for (uint32_t i = 0; i < r->count; i++) {
        (void)json_array_append_new(actions, describe(&r->actions[i]));
    }
    if (s->args->is_json) {
        show_json(s, r, actions);
    } else {
        if (r->is_failed) {
            (void)fprintf(stderr, "%s:%u: %s\n", s->args->words[0], r->error.line, r->error.text);
        }
        for (size_t i = 0; i < json_array_size(actions); i++) {
            print_action(json_array_get(actions, i));
        }
        if (r->count == 0) {
            (void)puts("nothing: the message is discarded");
        }
    }
    json_decref(actions);
}

/* ---- scripts ---- */

void sieve_show_check(const char *path, const struct sieve_error *error, struct str extensions)
{
    json_t *x = json_object();
    (void)json_object_set_new(x, "file", make_text(str_from_c(path)));
    (void)json_object_set_new(x, "ok", json_boolean(error == NULL));
    if (error != NULL) {
        (void)json_object_set_new(x, "error", make_error(error));
    } else {
        json_t *array = json_array();
        while (extensions.n > 0) {
            (void)json_array_append_new(array, make_text(str_split(&extensions, ' ')));
        }
        (void)json_object_set_new(x, "extensions", array);
    }
    print_json(x);
}

static void show_script(const struct sieve_args *args, const struct script_info *info, json_t *list)
{
    if (!args->is_json) {
        print_text(buf_str(&info->name));
        (void)puts(info->is_active ? "\tactive" : "");
        return;
    }
    json_t *x = json_object();
    (void)json_object_set_new(x, "name", make_text(buf_str(&info->name)));
    (void)json_object_set_new(x, "size", json_integer((json_int_t)info->size));
    (void)json_object_set_new(x, "active", json_boolean(info->is_active));
    (void)json_array_append_new(list, x);
}

enum err sieve_show_list(const struct sieve_args *args, struct account *a)
{
    CLEANUP(buf_release) struct buf after = BUF_INIT(SCRIPT_NAME_OCTETS);
    struct script_info info = {.name = BUF_INIT(SCRIPT_NAME_OCTETS)};
    json_t *list = json_array();
    bool has_next = true;
    enum err e = ERR_OK;
    while (e == ERR_OK && has_next) {
        e = account_script_next(a, buf_str(&after), &info, &has_next);
        if (e == ERR_OK && has_next) {
            show_script(args, &info, list);
            buf_clear(&after);
            buf_add(&after, buf_str(&info.name));
        }
    }
    buf_release(&info.name);
    if (args->is_json && e == ERR_OK) {
        print_json(list);
    } else {
        json_decref(list);
    }
    return e;
}
