/* Named searches (RFC 5466): SEARCH FILTER on-the-road stands for the criteria that are stored under
 *
 *     /private/filters/values/on-the-road, or, when there is none, /shared/filters/values/on-the-road
 *
 * as annotations of the server. They are checked when they are stored: what SEARCH would refuse, SETMETADATA refuses. A filter
 * takes the place of one search key, so NOT FILTER x is the opposite of FILTER x, however many keys x has. */
#include "imap/filters.h"

#include "base/utf8.h"
#include "imap/search_keys.h"
#include "imap/session_priv.h"
#include "store/annotation.h"
#include "wire/imap_scan.h"

enum { CHECK_ARENA_MOST = 4 * 1024 * 1024 };

static const struct str ROOTS[] = {STR("/private/filters/values"), STR("/shared/filters/values")};

enum { ROOT_COUNT = sizeof(ROOTS) / sizeof(ROOTS[0]) };

struct str scan_filter_name(struct scan *c)
{
    size_t start = c->at;
    struct str name = scan_atom(c);
    if (scan_is_ok(c) && str_find_char(name, '/') < name.n) {
        c->at = start;
        scan_fail(c, ERR_SYNTAX, "a filter's name");
    }
    return name;
}

bool filters_find(const struct imap_session *s, struct arena *a, struct str name, struct str *out)
{
    bool has_value = false;
    struct buf value = BUF_INIT(ANNOTATION_VALUE_MOST);
    for (unsigned i = 0; !has_value && i < ROOT_COUNT; i++) {
        struct str entry = arena_printf(a, "%.*s/%.*s", STR_ARG(ROOTS[i]), STR_ARG(name));
        enum err e =
            account_get_annotation(s->account, NULL, s->args.asker, entry, &value, &has_value);
        has_value = has_value && e == ERR_OK && entry.p != NULL;
    }
    *out = has_value ? arena_str(a, buf_str(&value)) : STR_EMPTY;
    buf_release(&value);
    return has_value && out->p != NULL;
}

/* The name of the filter, with the slash before it; empty: the annotation is none. */
static struct str find_name(struct str annotation_name)
{
    for (unsigned i = 0; i < ROOT_COUNT; i++) {
        if (str_starts_nocase(annotation_name, ROOTS[i])) {
            struct str rest = str_skip(annotation_name, ROOTS[i].n);
            return rest.n > 0 && rest.p[0] == '/' ? rest : STR_EMPTY;
        }
    }
    return STR_EMPTY;
}

bool filters_is_value(struct str annotation_name)
{
    return find_name(annotation_name).n > 0;
}

static bool find_any(void *owner, struct arena *a, struct str name, struct str *out)
{
    (void)owner;
    (void)a;
    (void)name;
    *out = STR("ALL");
    return true;
}

enum err filters_check(const struct annotation *x)
{
    struct scan name = scan_make(str_skip(find_name(x->name), 1));
    (void)scan_filter_name(&name);
    scan_require_end(&name);
    if (!scan_is_ok(&name)) {
        return ERR_BAD_FILTER;
    }
    if (!x->has_value) {
        return ERR_OK;
    }
    static const struct numset NOTHING = NUMSET_INIT;
    struct search_keys keys = {
        .saved = &NOTHING,
        .arena = arena_new(CHECK_ARENA_MOST),
        .charset = STR("UTF-8"),
        .find_filter = find_any,
    };
    struct scan c = scan_make(x->value);
    (void)search_keys_parse(&keys, &c);
    scan_require_end(&c);
    arena_free(&keys.arena);
    return scan_is_ok(&c) && utf8_is_valid(x->value) ? ERR_OK : ERR_BAD_FILTER;
}
