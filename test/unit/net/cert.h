#ifndef LIMETTA_TEST_UNIT_NET_CERT_H
#define LIMETTA_TEST_UNIT_NET_CERT_H

/* Makes a self-signed certificate for one name, as PEM text. */
#include "base/buf.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

static inline void cert_add_bio(struct buf *out, BIO *bio)
{
    char *p = NULL;
    long n = BIO_get_mem_data(bio, &p);
    buf_add(out, str_make(p, (size_t)n));
    BIO_free(bio);
}

static inline void cert_make(const char *name, struct buf *cert_pem, struct buf *key_pem)
{
    char alt[300];
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    X509 *x = X509_new();
    X509_NAME *subject = X509_get_subject_name(x);
    (void)snprintf(alt, sizeof(alt), "DNS:%s,IP:127.0.0.1", name);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alt);
    (void)X509_set_version(x, 2);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    (void)X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    (void)X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    (void)X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
                                     -1, 0);
    (void)X509_set_issuer_name(x, subject);
    (void)X509_set_pubkey(x, key);
    (void)X509_add_ext(x, ext, -1);
    (void)X509_sign(x, key, EVP_sha256());
    BIO *bio = BIO_new(BIO_s_mem());
    (void)PEM_write_bio_X509(bio, x);
    cert_add_bio(cert_pem, bio);
    bio = BIO_new(BIO_s_mem());
    (void)PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    cert_add_bio(key_pem, bio);
    X509_EXTENSION_free(ext);
    X509_free(x);
    EVP_PKEY_free(key);
}

#endif
