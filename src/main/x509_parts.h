#ifndef LIMETTA_MAIN_X509_PARTS_H
#define LIMETTA_MAIN_X509_PARTS_H

#include "base/buf.h"
#include "base/err.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>

/* What making a certificate takes, whoever signs it (RFC 5280). All return false when OpenSSL fails. */
bool x509_add_extension(X509 *cert, int nid, const char *value);
/* Version 3, a random serial number, good from an hour ago for so many days, subject CN=name. */
bool x509_begin(X509 *cert, EVP_PKEY *key, const char *name, int days);
/* Appends both as PEM. Errors: ERR_IO, ERR_LIMIT. */
MUST_USE enum err x509_write(X509 *cert, EVP_PKEY *key, struct buf *cert_pem, struct buf *key_pem);

#endif
