/* A certificate for the first hour, before there is a real one.
 *
 * Subject = issuer, key usage for signatures, server authentication, and the names where clients look for them: subjectAltName
 * (RFC 5280). */
#include "main/self_signed.h"

#include "main/x509_parts.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

enum { DAYS = 825, NAMES_MOST = 8 * 1024 };

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
    bool is_ok = buf_err(&list) == ERR_OK && x509_add_extension(cert, NID_subject_alt_name, list.p);
    buf_release(&list);
    return is_ok;
}

static bool fill(X509 *cert, EVP_PKEY *key, struct str names)
{
    char name[256];
    struct str rest = names;
    struct str first = str_split(&rest, ' ');
    (void)snprintf(name, sizeof(name), "%.*s", STR_ARG(first));
    return x509_begin(cert, key, name, DAYS)
           && X509_set_issuer_name(cert, X509_get_subject_name(cert)) == 1
           && x509_add_extension(cert, NID_basic_constraints, "critical,CA:FALSE")
           && x509_add_extension(cert, NID_key_usage, "critical,digitalSignature")
           && x509_add_extension(cert, NID_ext_key_usage, "serverAuth") && add_names(cert, names)
           && X509_sign(cert, key, EVP_sha256()) > 0;
}

enum err self_signed_make(struct str names, struct buf *cert_pem, struct buf *key_pem)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    enum err e = ERR_IO;
    if (key != NULL && cert != NULL && fill(cert, key, names)) {
        e = x509_write(cert, key, cert_pem, key_pem);
    }
    X509_free(cert);
    EVP_PKEY_free(key);
    return e;
}
