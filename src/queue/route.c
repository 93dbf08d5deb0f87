/* The way to the next hop: today one relay host for everything. */
#include "queue/route.h"

#include <stdlib.h>

#include "base/mem.h"

struct routes {
    struct routes_args args;
};

struct route {
    struct routes *routes;
    struct route_host host;
    void (*on_answer)(void *owner, enum err e, const struct route_host *hosts, size_t count);
    void *owner;
};

struct routes *routes_new(const struct routes_args *args)
{
    struct routes *r = mem_new(sizeof(*r));
    r->args = *args;
    return r;
}

void routes_free(struct routes **r)
{
    free(*r);
    *r = NULL;
}

enum err routes_write_key(const struct routes *r, struct str domain, struct buf *key)
{
    if (r->args.relay_host.n == 0) {
        return ERR_NO_RELAY;
    }
    buf_add(key, STR("relay"));
    return ERR_OK;
}

static void answer(void *owner)
{
    struct route *q = owner;
    const struct routes_args *args = &q->routes->args;
    if (args->relay_host.n == 0) {
        q->on_answer(q->owner, ERR_NO_RELAY, NULL, 0);
        return;
    }
    q->host = (struct route_host){
        .name = args->relay_host,
        .port = args->relay_port,
        .tls = args->relay_tls,
        .tls_context = args->relay_tls == SMTP_TLS_REQUIRED ? args->tls_checked : args->tls_any,
        .user = args->relay_user,
        .password = args->relay_password,
    };
    q->on_answer(q->owner, ERR_OK, &q->host, 1);
}

struct route *route_find(struct routes *r, struct str domain,
                         void (*on_answer)(void *owner, enum err e, const struct route_host *hosts,
                                           size_t count),
                         void *owner)
{
    struct route *q = mem_new(sizeof(*q));
    q->routes = r;
    q->on_answer = on_answer;
    q->owner = owner;
    loop_defer(r->args.loop, answer, q);
    return q;
}

void route_free(struct route **q)
{
    if (*q != NULL) {
        loop_cancel_deferred((*q)->routes->args.loop, *q);
        free(*q);
        *q = NULL;
    }
}
