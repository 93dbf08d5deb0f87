#ifndef LIMETTA_MAIN_SELF_SIGNED_H
#define LIMETTA_MAIN_SELF_SIGNED_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* Makes a self-signed certificate (ECDSA P-256, 825 days) for names, separated by spaces, the first as subject, and for
 * localhost, 127.0.0.1 and ::1. For trying things out: clients must be told to trust it. Appends PEM.
 * Errors: ERR_IO. */
MUST_USE enum err self_signed_make(struct str names, struct buf *cert_pem, struct buf *key_pem);

#endif
