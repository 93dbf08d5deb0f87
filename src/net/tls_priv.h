#ifndef LIMETTA_NET_TLS_PRIV_H
#define LIMETTA_NET_TLS_PRIV_H

/* What tls.c and tls_context.c share. Nobody else includes this. */
#include "net/tls.h"

#include <openssl/bio.h>
#include <openssl/ssl.h>

struct tls_context {
    SSL_CTX *ssl;
    BIO_METHOD *bio;
    size_t refs;
};

/* How OpenSSL reads what a stream was fed, and writes to the stream under it. */
BIO_METHOD *tls_bio_new(void);
void tls_context_unref(struct tls_context **c);

#endif
