/* Tokens, judged by who issued them.
 *
 * A token is opaque to us, be it signed text or not: the issuer alone knows whether it was taken back a minute ago. So each login asks it
 * (RFC 7662); phones log in once a day, and nothing is remembered here. The answer must say "active": true and name the user; where the
 * operator named a scope or an audience, these must be there, too, or a token made for any other service of the same issuer would open
 * mailboxes. */
#include "verify/introspect.h"

#include "base/base64.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"

#include <jansson.h>
#include <stdlib.h>

enum { BODY_MOST = 64 * 1024, DEPTH_MOST = 16 };

struct introspector {
    struct introspector_config config;
    struct buf authorization;
    struct list calls;
    size_t count;
};

struct call {
    struct list node;
    struct introspector *introspector;
    struct http_call *http;
    void (*on_done)(void *owner, enum err e, struct str user);
    void *owner;
};

/* application/x-www-form-urlencoded, the safe half of it. */
static void write_form(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (is_word || c == '-' || c == '_' || c == '.') {
            buf_add_char(out, c);
        } else {
            buf_addf(out, "%%%02X", (unsigned)(unsigned char)c);
        }
    }
}

struct introspector *introspector_new(const struct introspector_config *config)
{
    struct introspector *i = mem_new(sizeof(*i));
    i->config = *config;
    i->authorization = BUF_INIT(BODY_MOST);
    list_init(&i->calls);
    if (config->client_id.n > 0) {
        struct buf pair = BUF_INIT(BODY_MOST);
        write_form(&pair, config->client_id);
        buf_add_char(&pair, ':');
        write_form(&pair, config->client_secret);
        buf_add_c(&i->authorization, "Basic ");
        base64_write(&i->authorization, buf_str(&pair));
        buf_wipe(&pair);
    }
    return i;
}

void introspector_free(struct introspector **i)
{
    struct introspector *gone = *i;
    if (gone == NULL) {
        return;
    }
    *i = NULL;
    list_each_safe(node, &gone->calls)
    {
        struct call *c = list_entry(node, struct call, node);
        http_cancel(&c->http);
        list_remove(&c->node);
        free(c);
    }
    buf_wipe(&gone->authorization);
    free(gone);
}

/* ---- the answer ---- */

/* "aud" is a string or several (RFC 7662, 2.2). */
static bool has_audience(const json_t *audience, struct str wanted)
{
    size_t at = 0;
    const json_t *one = NULL;
    if (json_is_string(audience)) {
        return str_eq(str_from_c(json_string_value(audience)), wanted);
    }
    json_array_foreach(audience, at, one)
    {
        if (json_is_string(one) && str_eq(str_from_c(json_string_value(one)), wanted)) {
            return true;
        }
    }
    return false;
}

static enum err judge(const struct introspector_config *c, const json_t *o, int64_t now_s,
                      struct buf *user)
{
    if (!json_is_object(o) || !json_is_boolean(json_object_get(o, "active"))) {
        return ERR_SYNTAX;
    }
    if (!json_is_true(json_object_get(o, "active"))) {
        return ERR_AUTH_FAILED;
    }
    const json_t *ends = json_object_get(o, "exp");
    const json_t *begins = json_object_get(o, "nbf");
    if ((json_is_number(ends) && json_number_value(ends) <= (double)now_s)
        || (json_is_number(begins) && json_number_value(begins) > (double)now_s)) {
        return ERR_AUTH_FAILED;
    }
    const char *scope = json_string_value(json_object_get(o, "scope"));
    if (c->scope.n > 0 && (scope == NULL || !str_has_word(str_from_c(scope), c->scope))) {
        return ERR_AUTH_FAILED;
    }
    if (c->audience.n > 0 && !has_audience(json_object_get(o, "aud"), c->audience)) {
        return ERR_AUTH_FAILED;
    }
    CLEANUP(buf_release) struct buf claim = BUF_INIT(256);
    buf_addf(&claim, "%.*s%c", STR_ARG(c->claim), '\0');
    const char *name = json_string_value(json_object_get(o, claim.p));
    if (name == NULL || name[0] == '\0') {
        log_warn("the issuer's answer has no \"%.*s\"; see setting oauth_user", STR_ARG(c->claim));
        return ERR_AUTH_FAILED;
    }
    buf_add_c(user, name);
    return ERR_OK;
}

enum err introspect_read(const struct introspector_config *config, struct str json, int64_t now_s,
                         struct buf *user)
{
    json_error_t where;
    json_t *o = json_loadb(json.n > 0 ? json.p : "", json.n, JSON_REJECT_DUPLICATES, &where);
    enum err e = judge(config, o, now_s, user);
    json_decref(o);
    return e;
}

static enum err read_answer(const struct call *c, enum err e, const struct http_answer *a,
                            struct buf *user)
{
    const struct introspector_config *config = &c->introspector->config;
    if (e != ERR_OK || a->status != 200) {
        log_warn("the issuer of tokens did not say: %s",
                 e != ERR_OK ? err_get_info(e)->meaning : "its answer was no 200");
        return ERR_UNAVAILABLE;
    }
    e = introspect_read(config, a->body, (int64_t)(loop_wall_ms(config->loop) / 1000), user);
    if (e == ERR_SYNTAX) {
        log_warn("the issuer of tokens answered something else than RFC 7662 says");
    }
    return e == ERR_SYNTAX ? ERR_UNAVAILABLE : e;
}

static void on_answer(void *owner, enum err e, const struct http_answer *answer)
{
    struct call *c = owner;
    CLEANUP(buf_release) struct buf user = BUF_INIT(INTROSPECT_ANSWER_MOST);
    e = read_answer(c, e, answer, &user);
    list_remove(&c->node);
    c->introspector->count--;
    c->on_done(c->owner, e, buf_str(&user));
    free(c);
}

void introspector_check(struct introspector *i, struct str token,
                        void (*on_done)(void *owner, enum err e, struct str user), void *owner)
{
    if (i->count >= INTROSPECTIONS_MOST) {
        on_done(owner, ERR_UNAVAILABLE, STR_EMPTY);
        return;
    }
    struct buf body = BUF_INIT(BODY_MOST);
    (void)buf_reserve(&body, 3 * token.n + 64);
    buf_add_c(&body, "token_type_hint=access_token&token=");
    write_form(&body, token);
    struct call *c = mem_new(sizeof(*c));
    *c = (struct call){.introspector = i, .on_done = on_done, .owner = owner};
    list_append(&i->calls, &c->node);
    i->count++;
    const struct http_request request = {
        .url = i->config.url,
        .is_post = true,
        .body = buf_str(&body),
        .content_type = STR("application/x-www-form-urlencoded"),
        .authorization = buf_str(&i->authorization),
        .answer_most = INTROSPECT_ANSWER_MOST,
        .timeout_ms = INTROSPECT_TIMEOUT_MS,
    };
    c->http = http_start(i->config.http, &request, on_answer, c);
    buf_wipe(&body);
}
