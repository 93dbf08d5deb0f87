/* Who a certificate says it is: for links between hosts, where both ends show one.
 *
 * These certificates come from an authority of the mail system's own, and nobody else's is believed: no public
 * authority can make one. What they say stands in URIs of the subjectAltName (RFC 5280, 4.2.1.6), which hold what we
 * mean and are no host names, so a certificate for a link is never mistaken for one of a web server, nor the other
 * way round. TLS 1.3 only, nothing resumed: every connection shows its certificate. */
#include "net/tls_priv.h"

#include "base/log.h"
#include "base/mem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <time.h>

/* Appends the URIs of cert, a space between. False: too many, or one that would break the list. */
static bool add_uris(const X509 *cert, struct buf *out)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    bool is_fine = true;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_URI) {
            continue;
        }
        const ASN1_IA5STRING *uri = name->d.uniformResourceIdentifier;
        struct str s =
            str_make((const char *)ASN1_STRING_get0_data(uri), (size_t)ASN1_STRING_length(uri));
        is_fine = is_fine && str_find_char(s, ' ') == s.n && str_find_char(s, '\0') == s.n;
        buf_add_c(out, out->len > 0 ? " " : "");
        buf_add(out, s);
    }
    GENERAL_NAMES_free(names);
    return is_fine && buf_err(out) == ERR_OK;
}

static bool read_time(const ASN1_TIME *t, int64_t *out)
{
    struct tm parts;
    if (ASN1_TIME_to_tm(t, &parts) != 1) {
        return false;
    }
    *out = (int64_t)timegm(&parts);
    return true;
}

enum err tls_read_identity(struct str cert_pem, struct tls_identity *out)
{
    BIO *bio = BIO_new_mem_buf(cert_pem.p, (int)cert_pem.n);
    X509 *cert = bio == NULL || cert_pem.n == 0 ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
    bool is_fine = cert != NULL && add_uris(cert, &out->uris)
                   && read_time(X509_get0_notBefore(cert), &out->from_s)
                   && read_time(X509_get0_notAfter(cert), &out->until_s);
    X509_free(cert);
    BIO_free(bio);
    ERR_clear_error();
    return is_fine ? ERR_OK : ERR_SYNTAX;
}

enum err tls_get_peer_uris(const struct stream *s, struct buf *out)
{
    const X509 *cert = SSL_get0_peer_certificate(tls_get_ssl(s));
    return cert != NULL && add_uris(cert, out) ? ERR_OK : ERR_SYNTAX;
}

enum err tls_mutual_context_new(const struct tls_mutual *m, bool is_server,
                                struct tls_context **out)
{
    struct tls_context *c = NULL;
    if (is_server) {
        TRY(tls_server_context_new(m->cert_pem, m->key_pem, 0, &c));
    } else {
        TRY(tls_client_context_new(m->ca_pem, &c));
    }
    enum err e =
        is_server ? tls_context_trust(c, m->ca_pem) : tls_context_use(c, m->cert_pem, m->key_pem);
    if (e == ERR_OK && SSL_CTX_set_min_proto_version(c->ssl, TLS1_3_VERSION) != 1) {
        e = ERR_IO;
    }
    ERR_clear_error();
    if (e != ERR_OK) {
        tls_context_free(&c);
        return e;
    }
    /* The anchor is the authority itself: a certificate below it is not one. */
    (void)X509_VERIFY_PARAM_clear_flags(SSL_CTX_get0_param(c->ssl), X509_V_FLAG_PARTIAL_CHAIN);
    (void)X509_VERIFY_PARAM_clear_flags(X509_STORE_get0_param(SSL_CTX_get_cert_store(c->ssl)),
                                        X509_V_FLAG_PARTIAL_CHAIN);
    (void)X509_VERIFY_PARAM_set_purpose(
        SSL_CTX_get0_param(c->ssl), is_server ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER);
    SSL_CTX_set_verify(c->ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_OFF);
    *out = c;
    return ERR_OK;
}
