/* Looking at a certificate: its key, its time, its names. By OpenSSL, and without a trust store: whether others trust its issuer
 * is theirs to say; what makes all of them refuse it can be said here. */
#include "main/certificate.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

enum { HOST_MOST = 255 };

static X509 *read_first(struct str pem)
{
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509 *cert = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return cert;
}

enum err certificate_check(struct str cert_pem, struct str key_pem)
{
    BIO *key_bio = BIO_new_mem_buf(key_pem.p, (int)key_pem.n);
    X509 *cert = read_first(cert_pem);
    EVP_PKEY *key = key_bio == NULL ? NULL : PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
    enum err e = ERR_SYNTAX;
    if (cert != NULL && key != NULL) {
        e = X509_check_private_key(cert, key) == 1 ? ERR_OK : ERR_NOT_FOUND;
    }
    BIO_free(key_bio);
    X509_free(cert);
    EVP_PKEY_free(key);
    return e;
}

static bool get_time(const ASN1_TIME *t, int64_t *out)
{
    struct tm utc;
    if (ASN1_TIME_to_tm(t, &utc) != 1) {
        return false;
    }
    *out = (int64_t)timegm(&utc);
    return true;
}

enum err certificate_read(struct str cert_pem, struct certificate_facts *out)
{
    X509 *cert = read_first(cert_pem);
    struct certificate_facts f = {0, 0, false};
    bool is_good = cert != NULL && get_time(X509_get0_notBefore(cert), &f.from_s)
                   && get_time(X509_get0_notAfter(cert), &f.until_s);
    if (is_good) {
        f.is_self_signed = X509_self_signed(cert, 1) == 1;
        *out = f;
    }
    X509_free(cert);
    return is_good ? ERR_OK : ERR_SYNTAX;
}

bool certificate_is_for(struct str cert_pem, struct str host)
{
    char name[HOST_MOST + 1];
    unsigned char octets[16];
    X509 *cert = read_first(cert_pem);
    bool is_for = false;
    if (cert != NULL && host.n > 0 && host.n <= HOST_MOST) {
        (void)snprintf(name, sizeof(name), "%.*s", STR_ARG(host));
        bool is_address =
            inet_pton(AF_INET, name, octets) == 1 || inet_pton(AF_INET6, name, octets) == 1;
        is_for = is_address ? X509_check_ip_asc(cert, name, 0) == 1
                            : X509_check_host(cert, name, host.n, 0, NULL) == 1;
    }
    X509_free(cert);
    return is_for;
}
