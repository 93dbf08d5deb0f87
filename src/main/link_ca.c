/* Certificates for links.
 *
 * One authority a mail system, self-signed, able to sign certificates of hosts and nothing below them (pathlen 0). A
 * host's certificate is for both ends of TLS, since who connects is a matter of firewalls, and says name and roles
 * (link_identity.h). Keys are P-256 and are made where the certificate is: what is copied to a host is made for that
 * host alone. */
#include "main/link_ca.h"

#include "main/x509_parts.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

enum { NAMES_MOST = 1024 };

enum err link_ca_make(int days, struct buf *cert_pem, struct buf *key_pem)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    enum err e = ERR_IO;
    if (key != NULL && cert != NULL && x509_begin(cert, key, "limetta links", days)
        && X509_set_issuer_name(cert, X509_get_subject_name(cert)) == 1
        && x509_add_extension(cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0")
        && x509_add_extension(cert, NID_key_usage, "critical,keyCertSign")
        && X509_sign(cert, key, EVP_sha256()) > 0) {
        e = x509_write(cert, key, cert_pem, key_pem);
    }
    X509_free(cert);
    EVP_PKEY_free(key);
    return e;
}

static X509 *read_cert(struct str pem)
{
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509 *cert = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return cert;
}

static EVP_PKEY *read_key(struct str pem)
{
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return key;
}

static bool sign(X509 *cert, X509 *ca, EVP_PKEY *ca_key, const struct link_identity *who)
{
    CLEANUP(buf_release) struct buf names = BUF_INIT(NAMES_MOST);
    link_identity_write(who, &names);
    return names.len > 0 && X509_set_issuer_name(cert, X509_get_subject_name(ca)) == 1
           && x509_add_extension(cert, NID_basic_constraints, "critical,CA:FALSE")
           && x509_add_extension(cert, NID_key_usage, "critical,digitalSignature")
           && x509_add_extension(cert, NID_ext_key_usage, "serverAuth,clientAuth")
           && x509_add_extension(cert, NID_subject_alt_name, names.p)
           && X509_sign(cert, ca_key, EVP_sha256()) > 0;
}

enum err link_ca_issue(const struct link_ca *ca, const struct link_identity *who, int days,
                       struct buf *cert_pem, struct buf *key_pem)
{
    X509 *ca_cert = read_cert(ca->cert_pem);
    EVP_PKEY *ca_key = read_key(ca->key_pem);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    enum err e = ERR_IO;
    if (ca_cert == NULL || ca_key == NULL || X509_check_private_key(ca_cert, ca_key) != 1) {
        e = ERR_SYNTAX;
    } else if (key != NULL && cert != NULL && x509_begin(cert, key, who->name, days)
               && sign(cert, ca_cert, ca_key, who)) {
        e = x509_write(cert, key, cert_pem, key_pem);
    }
    ERR_clear_error();
    X509_free(ca_cert);
    X509_free(cert);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
    return e;
}
