/* Identities and trust: what a TLS stream is made from.
 *
 * Everything comes as PEM text, because the roles that use it have no files of their own. One choice of parameters
 * serves phones and memory alike: TLS 1.2 at least, no renegotiation (it only ever brought attacks), sessions resumed by
 * id (tls_sessions.c says why) and only by those who had logged in, and record buffers given back between records, which is what
 * makes an idle connection small. In TLS 1.3 the server prefers AES-128 with SHA-256, whose Finished and binder are a third
 * shorter than SHA-384's, or ChaCha20 for a client that names it first because it has no AES in hardware.
 *
 * The BIO method, OpenSSL's interface to our streams, lives here so that there is no global. */
#include "net/tls_priv.h"

#include "base/log.h"
#include "base/mem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

enum { PEM_MOST = 1024 * 1024 };

static int no_password(char *buf, int size, int is_writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)is_writing;
    (void)arg;
    return 0;
}

static BIO *open_pem(struct str pem)
{
    return pem.n == 0 || pem.n > PEM_MOST ? NULL : BIO_new_mem_buf(pem.p, (int)pem.n);
}

static enum err use_chain(SSL_CTX *ctx, struct str pem)
{
    BIO *bio = open_pem(pem);
    X509 *cert = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, no_password, NULL);
    bool is_good = cert != NULL && SSL_CTX_use_certificate(ctx, cert) == 1;
    X509_free(cert);
    while (is_good) {
        cert = PEM_read_bio_X509(bio, NULL, no_password, NULL);
        if (cert == NULL) {
            break; /* the end of the text */
        }
        is_good = SSL_CTX_add0_chain_cert(ctx, cert) == 1;
    }
    BIO_free(bio);
    return is_good ? ERR_OK : ERR_SYNTAX;
}

static enum err use_key(SSL_CTX *ctx, struct str pem)
{
    BIO *bio = open_pem(pem);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    bool is_good =
        key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;
    EVP_PKEY_free(key);
    BIO_free(bio);
    return is_good ? ERR_OK : ERR_SYNTAX;
}

static enum err trust(SSL_CTX *ctx, struct str pem)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    BIO *bio = open_pem(pem);
    size_t count = 0;
    for (;;) {
        X509 *cert = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, no_password, NULL);
        if (cert == NULL) {
            break;
        }
        count += X509_STORE_add_cert(store, cert) == 1 ? 1 : 0;
        X509_free(cert);
    }
    BIO_free(bio);
    /* An anchor need not sign itself: so a server's own certificate can be pinned. */
    (void)X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    return count > 0 ? ERR_OK : ERR_SYNTAX;
}

static enum err make(const SSL_METHOD *method, struct tls_context **out)
{
    static const unsigned char NAME[] = "limetta";
    struct tls_context *c = mem_new(sizeof(*c));
    c->refs = 1;
    c->ssl = SSL_CTX_new(method);
    c->bio = tls_bio_new();
    if (c->ssl == NULL || c->bio == NULL
        || SSL_CTX_set_min_proto_version(c->ssl, TLS1_2_VERSION) != 1) {
        tls_context_unref(&c);
        return ERR_IO;
    }
    SSL_CTX_set_options(c->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(c->ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_session_id_context(c->ssl, NAME, sizeof(NAME) - 1);
    *out = c;
    return ERR_OK;
}

static void set_server_options(struct tls_context *c, size_t sessions_most)
{
    static const char SUITES[] =
        "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384";
    SSL_CTX_set_options(c->ssl, SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE
                                    | SSL_OP_PRIORITIZE_CHACHA);
    (void)SSL_CTX_set_ciphersuites(c->ssl, SUITES);
    SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
    (void)SSL_CTX_set_timeout(c->ssl, TLS_SESSION_LIFE_S);
    (void)SSL_CTX_set_num_tickets(c->ssl, 0); /* not to strangers: tls_keep_session() */
    c->sessions = tls_sessions_new(sessions_most);
    tls_watch_sessions(c);
}

enum err tls_server_context_new(struct str cert_pem, struct str key_pem, size_t sessions_most,
                                struct tls_context **out)
{
    struct tls_context *c = NULL;
    TRY(make(TLS_server_method(), &c));
    set_server_options(c, sessions_most);
    enum err e = use_chain(c->ssl, cert_pem);
    if (e == ERR_OK) {
        e = use_key(c->ssl, key_pem);
    }
    ERR_clear_error();
    if (e != ERR_OK) {
        tls_context_unref(&c);
        return e;
    }
    *out = c;
    return ERR_OK;
}

/* mode: what a peer that is not trusted means. */
static enum err make_client(struct str anchors_pem, int mode, struct tls_context **out)
{
    struct tls_context *c = NULL;
    TRY(make(TLS_client_method(), &c));
    SSL_CTX_set_verify(c->ssl, mode, NULL);
    enum err e = ERR_OK;
    if (anchors_pem.n > 0) {
        e = trust(c->ssl, anchors_pem);
    } else if (SSL_CTX_set_default_verify_paths(c->ssl) != 1) {
        e = ERR_IO;
    }
    ERR_clear_error();
    if (e != ERR_OK) {
        tls_context_unref(&c);
        return e;
    }
    *out = c;
    return ERR_OK;
}

enum err tls_client_context_new(struct str anchors_pem, struct tls_context **out)
{
    return make_client(anchors_pem, SSL_VERIFY_PEER, out);
}

enum err tls_client_context_new_observing(struct str anchors_pem, struct tls_context **out)
{
    return make_client(anchors_pem, SSL_VERIFY_NONE, out);
}

enum err tls_client_context_new_opportunistic(struct tls_context **out)
{
    struct tls_context *c = NULL;
    TRY(make(TLS_client_method(), &c));
    SSL_CTX_set_verify(c->ssl, SSL_VERIFY_NONE, NULL);
    if (SSL_CTX_dane_enable(c->ssl) != 1) {
        tls_context_unref(&c);
        return ERR_IO;
    }
    *out = c;
    return ERR_OK;
}

void tls_context_unref(struct tls_context **c)
{
    struct tls_context *gone = *c;
    *c = NULL;
    if (gone != NULL && --gone->refs == 0) {
        SSL_CTX_free(gone->ssl);
        BIO_meth_free(gone->bio);
        tls_sessions_free(&gone->sessions);
        free(gone);
    }
}

enum err tls_context_trust(struct tls_context *c, struct str ca_pem)
{
    return trust(c->ssl, ca_pem);
}

enum err tls_context_use(struct tls_context *c, struct str cert_pem, struct str key_pem)
{
    TRY(use_chain(c->ssl, cert_pem));
    return use_key(c->ssl, key_pem);
}

void tls_context_free(struct tls_context **c)
{
    tls_context_unref(c);
}
