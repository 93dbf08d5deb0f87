/* Who answered?
 *
 * Four questions, each with its own finding: is the chain trusted, is it for this name, is it valid now, and is it the one that
 * was seen on another path (--expect-fingerprint). The last is what tells TLS inspection with an authority that this very device
 * trusts. A certificate is good, and passwords may follow, when it is the expected one, or else when the first three say yes.
 *
 * OpenSSL's verdict names one defect, the first; so name and time are looked at here, whatever it says. */
#include "tools/check_cert.h"

#include "base/base64.h"
#include "net/resolve.h"

#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <time.h>

enum { NAME_SHOWN = 256, HOST_MOST = 255, SOON_S = 14 * 86400, FINGERPRINT_SIZE = 64 };

static void add_name(struct buf *out, const X509_NAME *name)
{
    char text[NAME_SHOWN] = "";
    (void)X509_NAME_oneline(name, text, sizeof(text));
    buf_clear(out);
    buf_add_c(out, text);
}

static int64_t read_time(const ASN1_TIME *t)
{
    struct tm tm = {0};
    return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

/* Hex digits alone, in lower case. */
static void add_digits(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (ascii_hex_value(s.p[i]) >= 0) {
            buf_add_char(out, ascii_lower(s.p[i]));
        }
    }
}

static bool fits_host(X509 *cert, struct str host)
{
    char name[HOST_MOST + 1] = "";
    struct sockaddr_storage at;
    if (host.n == 0 || host.n > HOST_MOST) {
        return false;
    }
    memcpy(name, host.p, host.n);
    if (resolve_numeric(host, 0, &at)) {
        return X509_check_ip_asc(cert, name, 0) == 1;
    }
    return X509_check_host(cert, name, host.n, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

static void judge_chain(struct check_leg *leg, int verdict, bool is_name_right)
{
    bool is_about_name =
        verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH;
    bool is_about_time =
        verdict == X509_V_ERR_CERT_HAS_EXPIRED || verdict == X509_V_ERR_CERT_NOT_YET_VALID;
    if (verdict != X509_V_OK && !is_about_name && !is_about_time) {
        check_find(leg, FINDING_CERTIFICATE_UNTRUSTED, "%s; issued by %.*s",
                   X509_verify_cert_error_string(verdict), STR_ARG(buf_str(&leg->cert.issuer)));
    }
    if (!is_name_right) {
        check_find(leg, FINDING_CERTIFICATE_NAME, "it is for %.*s",
                   STR_ARG(buf_str(&leg->cert.subject)));
    }
}

/* False: it is not valid now. */
static bool judge_time(struct check_leg *leg, const X509 *cert, int64_t now_s)
{
    int64_t from = read_time(X509_get0_notBefore(cert));
    int64_t to = leg->cert.not_after_s;
    if (now_s < from) {
        int64_t hours = (from - now_s) / 3600 + 1;
        check_find(leg, FINDING_CERTIFICATE_EXPIRED, "it is valid only in %lld hours",
                   (long long)hours);
        return false;
    }
    if (now_s > to) {
        check_find(leg, FINDING_CERTIFICATE_EXPIRED, "it ended %lld hours ago",
                   (long long)((now_s - to) / 3600));
        return false;
    }
    if (to - now_s < SOON_S) {
        check_find(leg, FINDING_CERTIFICATE_EXPIRES, "it ends in %lld hours",
                   (long long)((to - now_s) / 3600));
    }
    return true;
}

static void judge(struct check_leg *leg, X509 *cert, const struct check_expectation *e)
{
    CLEANUP(buf_release) struct buf wanted = BUF_INIT(FINGERPRINT_SIZE);
    struct check_cert *c = &leg->cert;
    add_name(&c->subject, X509_get_subject_name(cert));
    add_name(&c->issuer, X509_get_issuer_name(cert));
    c->not_after_s = read_time(X509_get0_notAfter(cert));
    add_digits(&wanted, e->fingerprint);
    bool is_in_time = judge_time(leg, cert, e->now_s);
    bool is_expected = wanted.len > 0 && str_eq(buf_str(&wanted), buf_str(&c->fingerprint));
    if (is_expected) {
        c->is_good = true;
        return;
    }
    if (wanted.len > 0) {
        check_find(leg, FINDING_CERTIFICATE_UNEXPECTED, "its SHA-256 is %.*s, issued by %.*s",
                   STR_ARG(buf_str(&c->fingerprint)), STR_ARG(buf_str(&c->issuer)));
    }
    bool is_name_right = fits_host(cert, e->host);
    judge_chain(leg, c->verdict, is_name_right);
    c->is_good = wanted.len == 0 && c->verdict == X509_V_OK && is_name_right && is_in_time;
}

void check_cert_judge(struct check_leg *leg, struct str der, int verdict,
                      const struct check_expectation *e)
{
    unsigned char hash[SHA256_DIGEST_LENGTH];
    const unsigned char *at = (const unsigned char *)der.p;
    struct check_cert *c = &leg->cert;
    buf_clear(&c->der);
    buf_add(&c->der, der);
    buf_clear(&c->fingerprint);
    (void)SHA256(at, der.n, hash);
    hex_write(&c->fingerprint, str_make((const char *)hash, sizeof(hash)));
    c->verdict = verdict;
    c->is_good = false;
    X509 *cert = d2i_X509(NULL, &at, (long)der.n);
    if (cert == NULL) {
        check_find(leg, FINDING_CERTIFICATE_UNTRUSTED, "it is no certificate");
        return;
    }
    judge(leg, cert, e);
    X509_free(cert);
}

void check_cert_compare(struct check_report *r)
{
    const struct check_leg *first = NULL;
    for (unsigned i = 0; i < r->leg_count; i++) {
        struct check_leg *leg = &r->legs[i];
        bool is_same =
            first == NULL || !leg->has_tls
            || str_eq(buf_str(&first->cert.fingerprint), buf_str(&leg->cert.fingerprint));
        if (!is_same && first->cert.is_good != leg->cert.is_good) {
            check_find(leg, FINDING_CERTIFICATE_DIFFERS, "%s shows one that is %s, this one is %s",
                       first->name, first->cert.is_good ? "good" : "not",
                       leg->cert.is_good ? "good" : "not");
        } else if (!is_same) {
            check_find(leg, FINDING_CERTIFICATES_SEVERAL, "it is another one than that of %s",
                       first->name);
        }
        first = first == NULL && leg->has_tls ? leg : first;
    }
}
