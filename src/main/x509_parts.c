/* Parts of a certificate: what the self-signed one of the first hour and those of links between hosts have in common.
 *
 * RFC 5280 profile, as small as clients accept: version 3, a random serial number (two certificates of one name must
 * differ in it), names in subjectAltName. The certificate is good from an hour ago, for hosts whose clocks are late. */
#include "main/x509_parts.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

enum { SERIAL_SIZE = 16, NAME_MOST = 64, EARLIER_S = 3600 };

bool x509_add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    bool is_ok = e != NULL && X509_add_ext(cert, e, -1) == 1;
    X509_EXTENSION_free(e);
    return is_ok;
}

static bool set_serial(X509 *cert)
{
    unsigned char octets[SERIAL_SIZE];
    if (RAND_bytes(octets, sizeof(octets)) != 1) {
        return false;
    }
    octets[0] &= 0x7f;
    BIGNUM *n = BN_bin2bn(octets, sizeof(octets), NULL);
    bool is_ok = n != NULL && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)) != NULL;
    BN_free(n);
    return is_ok;
}

bool x509_begin(X509 *cert, EVP_PKEY *key, const char *name, int days)
{
    X509_NAME *subject = X509_get_subject_name(cert);
    size_t n = strnlen(name, NAME_MOST);
    return X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert)
           && X509_gmtime_adj(X509_getm_notBefore(cert), -EARLIER_S) != NULL
           && X509_time_adj_ex(X509_getm_notAfter(cert), days, 0, NULL) != NULL
           && X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name,
                                         (int)n, -1, 0)
                  == 1
           && X509_set_pubkey(cert, key) == 1;
}

/* Appends what write puts into a memory BIO. */
static bool add_pem(struct buf *out, BIO *bio, bool is_written)
{
    char *p = NULL;
    long n = is_written ? BIO_get_mem_data(bio, &p) : 0;
    if (n > 0) {
        buf_add(out, str_make(p, (size_t)n));
    }
    return n > 0 && buf_err(out) == ERR_OK;
}

enum err x509_write(X509 *cert, EVP_PKEY *key, struct buf *cert_pem, struct buf *key_pem)
{
    BIO *cert_bio = BIO_new(BIO_s_mem());
    BIO *key_bio = BIO_new(BIO_s_secmem());
    bool is_ok = cert_bio != NULL && key_bio != NULL
                 && add_pem(cert_pem, cert_bio, PEM_write_bio_X509(cert_bio, cert) == 1)
                 && add_pem(key_pem, key_bio,
                            PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) == 1);
    BIO_free(cert_bio);
    BIO_free(key_bio);
    return is_ok ? ERR_OK : ERR_IO;
}
