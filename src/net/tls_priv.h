#ifndef LIMETTA_NET_TLS_PRIV_H
#define LIMETTA_NET_TLS_PRIV_H

/* What tls.c, tls_context.c and tls_sessions.c share. Nobody else includes this. */
#include "net/tls.h"

#include <openssl/bio.h>
#include <openssl/ssl.h>

enum { TLS_SESSION_LIFE_S = 24 * 60 * 60 };

struct tls_context {
    SSL_CTX *ssl;
    BIO_METHOD *bio;
    struct tls_sessions *sessions; /* NULL: a client */
    uint64_t logged_ms;            /* when a failure was logged last; 0: never */
    size_t refs;
};

/* How OpenSSL reads what a stream was fed, and writes to the stream under it. */
BIO_METHOD *tls_bio_new(void);
/* Ties a server's context to its cache of sessions. */
void tls_watch_sessions(struct tls_context *c);
void tls_context_unref(struct tls_context **c);
/* Adds who is believed, and who we are. Errors: ERR_SYNTAX. */
MUST_USE enum err tls_context_trust(struct tls_context *c, struct str ca_pem);
MUST_USE enum err tls_context_use(struct tls_context *c, struct str cert_pem, struct str key_pem);
const SSL *tls_get_ssl(const struct stream *s);

/* At most so many sessions that may be resumed; the oldest make room. */
struct tls_sessions *tls_sessions_new(size_t most);
void tls_sessions_free(struct tls_sessions **c);
/* Copies s, or leaves it when it is too big to keep. now_ms: loop_now_ms(). */
void tls_sessions_add(struct tls_sessions *c, SSL_SESSION *s, uint64_t now_ms);
/* The session of that id, the caller's to free; NULL: none, or no more. */
SSL_SESSION *tls_sessions_find(struct tls_sessions *c, struct str id, uint64_t now_ms);
void tls_sessions_drop(struct tls_sessions *c, const SSL_SESSION *s);

#endif
