/* Web hooks: one POST a notification, to where the operator allows it and nowhere else.
 *
 *     URL --allowed?--> host --resolve--> addresses --may we?--> http (one connection, no redirect) --> ok | failed | later
 *
 * The name is looked up here and the addresses that may be reached are handed to the call, so what was checked is what is connected to: a
 * name that changes its mind between two look-ups gains nothing. The certificate must be the host's. Of the answer only the
 * status counts; its text is thrown away, and redirects are answers like others.
 *
 * Some calls at a time, each within seconds: a slow hook holds a slot and nothing else, and who finds no slot comes again. */
#include "main/webhook.h"

#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/http.h"
#include "net/resolve.h"
#include "wire/webhook.h"

#include <stdlib.h>

enum { CALLS_MOST = 32, TIMEOUT_MS = 15 * 1000, ANSWER_MOST = 64 * 1024 };

struct webhooks {
    struct webhooks_args args;
    struct http *http;
    struct list calls;
    unsigned count;
};

struct call {
    struct list node;
    struct webhooks *hooks;
    struct webhook_asker asker;
    uint32_t id;
    struct buf url;
    struct buf body;
    struct resolve *resolve;
    struct http_call *http;
};

const char *webhook_classify(unsigned status)
{
    if (status >= 200 && status < 300) {
        return "ok";
    }
    /* RFC 9110, 15.5.9; RFC 8470, 5.2; RFC 6585, 4 */
    if (status == 408 || status == 425 || status == 429) {
        return "later";
    }
    return status >= 300 && status < 500 ? "failed" : "later";
}

static void reply(const struct webhook_asker *asker, uint32_t id, const char *result)
{
    CLEANUP(buf_release) struct buf b = BUF_INIT(64);
    fields_add(&b, STR("result"), str_from_c(result));
    asker->reply(asker->peer, id, buf_str(&b));
}

static void call_free(struct call *c)
{
    list_remove(&c->node);
    c->hooks->count--;
    resolve_cancel(&c->resolve);
    http_cancel(&c->http);
    buf_release(&c->url);
    buf_release(&c->body);
    free(c);
}

static void end(struct call *c, const char *result)
{
    struct webhook_asker asker = c->asker;
    uint32_t id = c->id;
    call_free(c);
    reply(&asker, id, result);
}

/* The host alone goes to the log: paths of hooks often hold a secret. */
static void log_end(const struct call *c, const char *what)
{
    struct webhook_url u;
    if (webhook_parse(buf_str(&c->url), &u)) {
        log_info("web hook at %.*s: %s", STR_ARG(u.host), what);
    }
}

static void on_answer(void *owner, enum err e, const struct http_answer *answer)
{
    struct call *c = owner;
    c->http = NULL;
    if (e != ERR_OK) {
        log_end(c, err_get_info(e)->meaning);
        end(c, e == ERR_SYNTAX || e == ERR_TOO_BIG ? "failed" : "later");
        return;
    }
    const char *result = webhook_classify(answer->status);
    if (!str_eq(str_from_c(result), STR("ok"))) {
        log_info("a web hook answers %u", answer->status);
    }
    end(c, result);
}

/* Goes to those of the addresses that may be reached. */
static void go(struct call *c, const struct sockaddr_storage *at, size_t count)
{
    struct sockaddr_storage reachable[RESOLVE_MOST];
    size_t n = 0;
    for (size_t i = 0; i < count && n < RESOLVE_MOST; i++) {
        if (webhook_may_reach(c->hooks->args.list, &at[i])) {
            reachable[n++] = at[i];
        }
    }
    if (n == 0) {
        log_end(c, "its address is not public, and notify_webhooks does not name it");
        end(c, "failed");
        return;
    }
    struct http_request request = {
        .url = buf_str(&c->url),
        .at = reachable,
        .at_count = n,
        .is_post = true,
        .body = buf_str(&c->body),
        .content_type = STR("application/json"),
        .answer_most = ANSWER_MOST,
        .timeout_ms = TIMEOUT_MS,
    };
    c->http = http_start(c->hooks->http, &request, on_answer, c);
}

static void on_resolved(void *owner, enum err e, const struct sockaddr_storage *at, size_t count)
{
    struct call *c = owner;
    c->resolve = NULL;
    if (e != ERR_OK) {
        log_end(c, "there is no such host now");
        end(c, "later");
        return;
    }
    go(c, at, count);
}

void webhooks_post(struct webhooks *w, const struct webhook_asker *asker, uint32_t id,
                   const struct fields *f)
{
    struct webhook_url u;
    struct sockaddr_storage numeric;
    struct str url = fields_get(f, STR("url"));
    if (!webhook_is_allowed(w->args.list, url) || !webhook_parse(url, &u)) {
        log_info("a web hook that notify_webhooks does not allow is refused");
        reply(asker, id, "failed");
        return;
    }
    if (w->count == CALLS_MOST) {
        reply(asker, id, "later");
        return;
    }
    struct call *c = mem_new(sizeof(*c));
    *c = (struct call){.hooks = w, .asker = *asker, .id = id};
    buf_init(&c->url, WEBHOOK_URL_MOST);
    buf_init(&c->body, FIELDS_OCTETS_MOST);
    buf_add(&c->url, url);
    buf_add(&c->body, fields_get(f, STR("body")));
    list_append(&w->calls, &c->node);
    w->count++;
    if (resolve_numeric(u.host, u.port, &numeric)) {
        go(c, &numeric, 1);
        return;
    }
    c->resolve = resolve_start(w->args.loop, u.host, u.port, on_resolved, c);
}

void webhooks_forget(struct webhooks *w, const void *peer)
{
    list_each_safe(node, &w->calls)
    {
        struct call *c = list_entry(node, struct call, node);
        if (c->asker.peer == peer) {
            call_free(c);
        }
    }
}

enum err webhooks_new(const struct webhooks_args *args, struct webhooks **out)
{
    struct webhooks *w = mem_new(sizeof(*w));
    w->args = *args;
    list_init(&w->calls);
    struct http_args http = {.loop = args->loop, .anchors_pem = args->anchors};
    enum err e = http_new(&http, &w->http);
    if (e != ERR_OK) {
        webhooks_free(&w);
        return e;
    }
    *out = w;
    return ERR_OK;
}

void webhooks_free(struct webhooks **w)
{
    if (*w == NULL) {
        return;
    }
    while (!list_is_empty(&(*w)->calls)) {
        call_free(list_entry((*w)->calls.next, struct call, node));
    }
    if ((*w)->http != NULL) {
        http_free(&(*w)->http);
    }
    free(*w);
    *w = NULL;
}
