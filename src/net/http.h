#ifndef LIMETTA_NET_HTTP_H
#define LIMETTA_NET_HTTP_H

#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* An HTTPS client for short questions: GET and POST, HTTP/1.1, a connection each. Certificates are checked, redirects are not followed,
 * proxies and cookies do not exist. Real loop only. */
struct http;

struct http_args {
    struct loop *loop;
    struct str
        anchors_pem; /* what is trusted, and nothing else; empty: the system's. Borrowed while it lives */
    bool is_plain_allowed; /* http:// URLs, too: for tests */
};

/* Errors: ERR_IO. */
MUST_USE enum err http_new(const struct http_args *args, struct http **out);
/* Calls under way are cancelled. */
void http_free(struct http **h);

/* Borrowed for the call of http_start(). */
struct http_request {
    struct str url;
    /* Where its host is, in the order to try; none: the system's resolver knows. The URL's port holds, not theirs. */
    const struct sockaddr_storage *at;
    size_t at_count;
    bool is_post;
    struct str body;          /* of a POST */
    struct str content_type;  /* of the body */
    struct str authorization; /* the header's value; empty: none */
    size_t answer_most;       /* octets of the answer's body; more is ERR_TOO_BIG */
    uint64_t timeout_ms;      /* for everything; 0: a minute */
};

/* Borrowed for the call of on_done. */
struct http_answer {
    unsigned status; /* 200, 404, ... */
    struct str content_type;
    struct str body;
};

/* A call under way. */
struct http_call;

/* on_done is called once, never from inside this call, with ERR_OK and an answer of any status, or ERR_SYNTAX (no such URL),
 * ERR_UNREACHABLE, ERR_TLS_FAILED (also: not the certificate of that host), ERR_TIMEOUT, ERR_TOO_BIG, ERR_PEER_GONE. The call is
 * freed after it. http_free() may be called in it. */
struct http_call *
http_start(struct http *h, const struct http_request *request,
           void (*on_done)(void *owner, enum err e, const struct http_answer *answer), void *owner);
/* on_done will not be called. */
void http_cancel(struct http_call **c);

#endif
