#ifndef LIMETTA_TEST_UNIT_NET_HTTPS_SERVER_H
#define LIMETTA_TEST_UNIT_NET_HTTPS_SERVER_H

/* An HTTPS server on loopback: gathers each request, and has the test answer it. */
#include "cert.h"
#include "net/stream.h"
#include "net/tls.h"
#include "unit.h"

#include "base/list.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

struct https_visit {
    struct list node;
    struct stream *s;
    struct buf heard;
};

struct https_server {
    struct loop *loop; /* the test's */
    bool is_plain;     /* no TLS: for those who must not take that */
    /* heard holds a head that is whole: is all there that belongs to it? */
    bool (*is_whole)(struct str heard);
    void (*answer)(struct https_visit *v);
    struct tls_context *context;
    struct listener *listener;
    struct buf cert; /* of the name, and for 127.0.0.1 */
    struct list visits;
    unsigned count; /* of connections so far */
    uint16_t port;
};

static struct https_server https;

static void https_on_octets(void *owner, struct str octets)
{
    struct https_visit *v = owner;
    buf_add(&v->heard, octets);
    struct str heard = buf_str(&v->heard);
    if (str_find_str(heard, STR("\r\n\r\n")) < heard.n && https.is_whole(heard)) {
        https.answer(v);
    }
}

static void https_on_drained(void *owner)
{
}

static void https_on_end(void *owner, enum err why)
{
    struct https_visit *v = owner;
    list_remove(&v->node);
    stream_free(&v->s);
    buf_release(&v->heard);
    free(v);
}

static void https_on_accept(void *owner, int fd, const struct sockaddr_storage *peer)
{
    static const struct stream_handler HANDLER = {https_on_octets, https_on_drained, https_on_end};
    struct https_visit *v = mem_new(sizeof(*v));
    https.count++;
    list_append(&https.visits, &v->node);
    v->heard = BUF_INIT(65536);
    v->s = stream_from_fd(https.loop, fd);
    if (!https.is_plain) {
        v->s = tls_server_new(https.loop, https.context, v->s);
    }
    stream_set_handler(v->s, &HANDLER, v);
}

static void https_start(struct loop *loop, const char *name, bool (*is_whole)(struct str heard),
                        void (*answer)(struct https_visit *v))
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(here);
    CLEANUP(buf_release) struct buf key = BUF_INIT(65536);
    https = (struct https_server){
        .loop = loop, .is_whole = is_whole, .answer = answer, .cert = BUF_INIT(65536)};
    list_init(&https.visits);
    cert_make(name, &https.cert, &key);
    assert_int_equal(tls_server_context_new(buf_str(&https.cert), buf_str(&key), 0, &https.context),
                     ERR_OK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&here, n), 0);
    assert_int_equal(listen(fd, 100), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&here, &n), 0);
    https.port = ntohs(here.sin_port);
    https.listener = listener_new(loop, fd, https_on_accept, NULL);
}

/* Before the loop goes. */
static void https_stop(void)
{
    listener_free(&https.listener);
    while (!list_is_empty(&https.visits)) {
        https_on_end(list_entry(https.visits.next, struct https_visit, node), ERR_PEER_GONE);
    }
    tls_context_free(&https.context);
    buf_release(&https.cert);
}

#endif
