/* enotify (RFC 5435): notify and its tests, with the method mailto (RFC 5436; RFC 2368) checked here; other methods are the host's. */
#include "sieve/control.h"
#include "sieve/match.h"
#include "sieve/run_priv.h"
#include "sieve/target.h"

enum { URI_MOST = 4000, RECIPIENTS_MOST = 8 };

/* "%" and two digits become an octet; false: they are none, or a control character that would break out of a header. */
static bool decode_percent(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '%') {
            buf_add_char(out, s.p[i]);
            continue;
        }
        int high = i + 2 < s.n ? ascii_hex_value(s.p[i + 1]) : -1;
        int low = i + 2 < s.n ? ascii_hex_value(s.p[i + 2]) : -1;
        if (high < 0 || low < 0) {
            return false;
        }
        buf_add_char(out, (char)(high * 16 + low));
        i += 2;
    }
    return true;
}

/* Addresses between commas, each percent-encoded. Counts them. */
static bool is_recipients(struct str list, uint32_t *count)
{
    bool is_good = true;
    while (list.n > 0 && is_good) {
        struct buf decoded = BUF_INIT(URI_MOST);
        struct str address;
        is_good = decode_percent(str_split(&list, ','), &decoded)
                  && sieve_address_read(buf_str(&decoded), &address);
        ++*count;
        buf_release(&decoded);
    }
    return is_good;
}

/* hname = token: what may be the name of a header field. */
static bool is_header_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!ascii_is_alpha(s.p[i]) && !ascii_is_digit(s.p[i]) && s.p[i] != '-' && s.p[i] != '_') {
            return false;
        }
    }
    return s.n > 0;
}

/* headers = "?" header *( "&" header ); header = hname "=" hvalue */
static bool is_headers(struct str headers, uint32_t *count)
{
    while (headers.n > 0) {
        struct str value = str_split(&headers, '&');
        bool has_value = str_find_char(value, '=') < value.n;
        struct str name = str_split(&value, '=');
        struct buf decoded = BUF_INIT(URI_MOST);
        bool is_good = has_value && is_header_name(name) && decode_percent(value, &decoded);
        if (is_good && (str_eq_nocase(name, STR("to")) || str_eq_nocase(name, STR("cc")))) {
            is_good = is_recipients(value, count);
        }
        buf_release(&decoded);
        if (!is_good) {
            return false;
        }
    }
    return true;
}

static bool is_uri_octets(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] > '~' || strchr("<>\"{}|\\^`", s.p[i]) != NULL) {
            return false;
        }
    }
    return s.n <= URI_MOST;
}

static bool is_mailto(struct str uri)
{
    return str_starts_nocase(uri, STR("mailto:"));
}

static bool is_valid_mailto(struct str uri)
{
    struct str headers = str_skip(uri, 7);
    struct str to = str_split(&headers, '?');
    uint32_t count = 0;
    return is_uri_octets(uri) && is_recipients(to, &count) && is_headers(headers, &count)
           && count > 0 && count <= RECIPIENTS_MOST;
}

static enum err is_valid_method(struct sieve_run *r, struct str uri, bool *out)
{
    TRY(sieve_run_spend(r, sieve_steps_for(uri.n, SIEVE_RATE_DECODE)));
    if (is_mailto(uri)) {
        *out = is_valid_mailto(uri);
        return ERR_OK;
    }
    *out = false;
    bool is_possible = is_uri_octets(uri) && r->host->notify_is_valid != NULL;
    return is_possible ? r->host->notify_is_valid(r->env->owner, uri, out) : ERR_OK;
}

static bool is_importance(struct str s)
{
    return s.n == 1 && s.p[0] >= '1' && s.p[0] <= '3';
}

/* "<optionname>=<value>" (3.5) */
static bool is_option(struct str s)
{
    size_t equals = str_find_char(s, '=');
    for (size_t i = 0; i < equals; i++) {
        bool is_word = ascii_is_alpha(s.p[i]) || ascii_is_digit(s.p[i]);
        if (!is_word && (i == 0 || s.p[i] == '\0' || strchr(".-_", s.p[i]) == NULL)) {
            return false;
        }
    }
    struct str value = str_skip(s, equals);
    return equals > 0 && equals < s.n && str_find_char(value, '\r') == value.n
           && str_find_char(value, '\n') == value.n && str_find_char(value, '\0') == value.n;
}

static enum err check_options(struct sieve_compiler *c, const struct sieve_node *n)
{
    const struct sieve_arg *options = sieve_node_find(n, SIEVE_TAG_OPTIONS);
    for (uint32_t i = 0; options != NULL && i < options->count; i++) {
        const struct sieve_string *s = &options->strings[i];
        if (s->pieces == NULL && !is_option(s->text)) {
            return sieve_compile_fail(c, n->line, "An option of \"notify\" is \"name=value\"");
        }
    }
    return ERR_OK;
}

enum err sieve_notify_check(struct sieve_compiler *c, struct sieve_node *n)
{
    const struct sieve_arg *importance = sieve_node_find(n, SIEVE_TAG_IMPORTANCE);
    if (importance != NULL && importance->strings[0].pieces == NULL
        && !is_importance(importance->strings[0].text)) {
        return sieve_compile_fail(c, n->line, "\":importance\" is \"1\", \"2\" or \"3\"");
    }
    const struct sieve_string *method = &n->params[0].strings[0];
    if (method->pieces == NULL && is_mailto(method->text) && !is_valid_mailto(method->text)) {
        return sieve_compile_fail(c, n->line, "\"%.*s\" is no address to notify by mail",
                                  STR_ARG(str_sub(method->text, 0, 100)));
    }
    TRY(check_options(c, n));
    return sieve_fcc_check(c, n);
}

static enum err read_options(struct sieve_run *r, const struct sieve_node *n,
                             struct sieve_notify *out)
{
    struct sieve_strings now;
    TRY(sieve_expand_list(r, sieve_node_find(n, SIEVE_TAG_OPTIONS), &now));
    struct str *list = sieve_run_array(r, struct str, now.count + 1u);
    if (list == NULL) {
        return sieve_run_full(r);
    }
    for (uint32_t i = 0; i < now.count; i++) {
        if (!is_option(now.at[i])) {
            return sieve_run_fail(r, "An option of \"notify\" is \"name=value\"");
        }
        TRY(sieve_run_keep(r, now.at[i], &list[i]));
    }
    out->options = (struct sieve_strings){.at = list, .count = now.count};
    return ERR_OK;
}

static enum err read_importance(struct sieve_run *r, const struct sieve_node *n,
                                struct sieve_notify *out)
{
    const struct sieve_arg *arg = sieve_node_find(n, SIEVE_TAG_IMPORTANCE);
    struct str importance;
    out->importance = '2';
    if (arg == NULL) {
        return ERR_OK;
    }
    TRY(sieve_expand_one(r, arg, &importance));
    if (!is_importance(importance)) {
        return sieve_run_fail(r, "\":importance\" is \"1\", \"2\" or \"3\"");
    }
    out->importance = importance.p[0];
    return ERR_OK;
}

/* "If a URI schema is specified that the implementation does not support, the notification MUST cause an error condition at run time"
 * (3.2). */
static enum err read_notify(struct sieve_run *r, const struct sieve_node *n,
                            struct sieve_notify *out)
{
    const struct sieve_arg *message = sieve_node_find(n, SIEVE_TAG_MESSAGE);
    bool is_valid;
    struct str address;
    TRY(sieve_expand_kept(r, &n->params[0], &out->method));
    TRY(is_valid_method(r, out->method, &is_valid));
    if (!is_valid) {
        return sieve_run_fail(r, "\"%.*s\" is no way of notifying that is offered here",
                              STR_ARG(str_sub(out->method, 0, 100)));
    }
    TRY(sieve_expand_kept(r, sieve_node_find(n, SIEVE_TAG_FROM), &out->from));
    if (out->from.n > 0 && is_mailto(out->method) && !sieve_address_read(out->from, &address)) {
        return sieve_run_fail(r, "\"%.*s\" is no address to write from",
                              STR_ARG(str_sub(out->from, 0, 100)));
    }
    out->has_message = message != NULL;
    TRY(sieve_expand_text(r, message, &out->message));
    TRY(read_importance(r, n, out));
    TRY(read_options(r, n, out));
    return sieve_fcc_read(r, n, &out->has_fcc, &out->fcc);
}

/* "they SHOULD NOT sent duplicate notifications to the same address from the same script invocation" (RFC 5436, 2.7). */
static bool is_notified(const struct sieve_run *r, const struct sieve_notify *n)
{
    for (uint32_t i = 0; i < r->out->count; i++) {
        const struct sieve_action *a = &r->actions[i];
        if (a->kind == SIEVE_NOTIFY && a->notify != NULL && str_eq(a->notify->method, n->method)
            && str_eq(a->notify->message, n->message)) {
            return true;
        }
    }
    return false;
}

enum err sieve_notify_run(struct sieve_run *r, const struct sieve_node *n)
{
    struct sieve_action *a;
    struct sieve_notify *notify = sieve_run_array(r, struct sieve_notify, 1);
    if (notify == NULL) {
        return sieve_run_full(r);
    }
    TRY(read_notify(r, n, notify));
    sieve_run_trace(r, "notify \"%.*s\"", STR_ARG(notify->method));
    if (is_notified(r, notify)) {
        return ERR_OK;
    }
    TRY(sieve_action_add(r, SIEVE_NOTIFY, &a));
    a->notify = notify;
    return ERR_OK;
}

enum err sieve_valid_notify_method_test(struct sieve_run *r, const struct sieve_node *n, bool *out)
{
    struct sieve_strings uris;
    TRY(sieve_expand_list(r, &n->params[0], &uris));
    *out = true;
    for (uint32_t i = 0; i < uris.count && *out; i++) {
        TRY(is_valid_method(r, uris.at[i], out));
    }
    return ERR_OK;
}

/* What mailto can: nobody knows who reads mail just now (RFC 5436, 2.2); copies can be filed (RFC 8580, 6.1). */
static enum err get_capability(struct sieve_run *r, struct str uri, struct str name, bool *exists,
                               struct str *out)
{
    *exists = false;
    if (is_mailto(uri)) {
        bool is_online = str_eq_nocase(name, STR("online"));
        *exists = is_online || str_eq_nocase(name, STR("fcc"));
        *out = is_online ? STR("maybe") : STR("yes");
        return ERR_OK;
    }
    if (r->host->notify_get_capability == NULL) {
        return ERR_OK;
    }
    return r->host->notify_get_capability(r->env->owner, uri, name, exists, out);
}

enum err sieve_notify_method_capability_test(struct sieve_run *r, const struct sieve_node *n,
                                             bool *out)
{
    struct sieve_match m;
    struct str uri;
    struct str name;
    struct str value = STR_EMPTY;
    bool exists;
    TRY(sieve_expand_one(r, &n->params[0], &uri));
    TRY(sieve_expand_one(r, &n->params[1], &name));
    TRY(is_valid_method(r, uri, &exists));
    if (exists) {
        TRY(get_capability(r, uri, name, &exists, &value));
    }
    if (!exists) {
        return ERR_OK; /* "MUST fail unconditionally" (5) */
    }
    TRY(sieve_match_init(&m, r, n, &n->params[2]));
    if (value.n > 0 || !sieve_match_is_count(&m)) {
        TRY(sieve_match_give(&m, value));
    }
    return sieve_match_finish(&m, out);
}
