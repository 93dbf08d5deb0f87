#ifndef LIMETTA_TOOLS_CHECK_CERT_H
#define LIMETTA_TOOLS_CHECK_CERT_H

#include "base/str.h"
#include "tools/check_report.h"

#include <stdint.h>

/* The certificates that were seen. Pure but for the system's time, which is given. */

struct check_expectation {
    struct str host;
    struct str fingerprint; /* SHA-256 in hex, with or without colons; empty: none was given */
    int64_t now_s;
};

/* Judges the certificate (DER, with what its check said: an X509_V_ code): fills leg->cert, finds what is wrong. */
void check_cert_judge(struct check_leg *leg, struct str der, int verdict,
                      const struct check_expectation *e);
/* Holds the certificates of all legs against each other. */
void check_cert_compare(struct check_report *r);

#endif
