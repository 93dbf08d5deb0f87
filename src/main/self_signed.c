/* A certificate for the first hour, before there is a real one.
 *
 * RFC 5280 profile, as small as clients accept: version 3, random serial number, subject = issuer, key usage for
 * signatures, server authentication, and the names where clients look for them: subjectAltName. */
#include "main/self_signed.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

enum { DAYS = 825, NAMES_MOST = 8 * 1024, SERIAL_SIZE = 16 };

static bool add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    bool is_ok = e != NULL && X509_add_ext(cert, e, -1) == 1;
    X509_EXTENSION_free(e);
    return is_ok;
}

/* A name is an address or a host name. What could end the extension's syntax is left out. */
static void add_name(struct buf *list, struct str name)
{
    char c[256];
    unsigned char octets[16];
    if (name.n == 0 || name.n >= sizeof(c) || str_find_char(name, ',') < name.n) {
        return;
    }
    memcpy(c, name.p, name.n);
    c[name.n] = '\0';
    bool is_address = inet_pton(AF_INET, c, octets) == 1 || inet_pton(AF_INET6, c, octets) == 1;
    buf_addf(list, "%s%s:%s", list->len > 0 ? "," : "", is_address ? "IP" : "DNS", c);
}

static bool add_names(X509 *cert, struct str names)
{
    struct buf list = BUF_INIT(NAMES_MOST);
    while (names.n > 0) {
        add_name(&list, str_split(&names, ' '));
    }
    add_name(&list, STR("localhost"));
    add_name(&list, STR("127.0.0.1"));
    add_name(&list, STR("::1"));
    bool is_ok = buf_err(&list) == ERR_OK && add_extension(cert, NID_subject_alt_name, list.p);
    buf_release(&list);
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

static bool fill(X509 *cert, EVP_PKEY *key, struct str names)
{
    struct str rest = names;
    struct str first = str_split(&rest, ' ');
    X509_NAME *name = X509_get_subject_name(cert);
    return X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert)
           && X509_gmtime_adj(X509_getm_notBefore(cert), -3600) != NULL
           && X509_time_adj_ex(X509_getm_notAfter(cert), DAYS, 0, NULL) != NULL
           && X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)first.p,
                                         (int)(first.n < 64 ? first.n : 64), -1, 0)
                  == 1
           && X509_set_issuer_name(cert, name) == 1 && X509_set_pubkey(cert, key) == 1
           && add_extension(cert, NID_basic_constraints, "critical,CA:FALSE")
           && add_extension(cert, NID_key_usage, "critical,digitalSignature")
           && add_extension(cert, NID_ext_key_usage, "serverAuth") && add_names(cert, names)
           && X509_sign(cert, key, EVP_sha256()) > 0;
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

enum err self_signed_make(struct str names, struct buf *cert_pem, struct buf *key_pem)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    BIO *cert_bio = BIO_new(BIO_s_mem());
    BIO *key_bio = BIO_new(BIO_s_secmem());
    enum err e = ERR_IO;
    if (key != NULL && cert != NULL && cert_bio != NULL && key_bio != NULL && fill(cert, key, names)
        && add_pem(cert_pem, cert_bio, PEM_write_bio_X509(cert_bio, cert) == 1)
        && add_pem(key_pem, key_bio,
                   PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) == 1)) {
        e = ERR_OK;
    }
    BIO_free(cert_bio);
    BIO_free(key_bio);
    X509_free(cert);
    EVP_PKEY_free(key);
    return e;
}
