/* Certificates as the path checker judges them (D31): chain, name, time, fingerprint. */
#include "unit.h"

#include "tools/check_cert.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

enum { DER_MOST = 4096, DAY_S = 86400 };

/* A self-signed one for mail.example and 192.0.2.1, valid for 100 days from `from_s`. */
static void make_certificate(int64_t from_s, struct buf *der)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    unsigned char *octets = NULL;
    X509_EXTENSION *names =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:mail.example,IP:192.0.2.1");
    assert_non_null(names);
    (void)X509_set_version(cert, 2);
    (void)ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)from_s);
    (void)ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)(from_s + 100 * DAY_S));
    (void)X509_add_ext(cert, names, -1);
    (void)X509_set_pubkey(cert, key);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    int n = i2d_X509(cert, &octets);
    assert_true(n > 0);
    buf_add(der, str_make((const char *)octets, (size_t)n));
    OPENSSL_free(octets);
    X509_EXTENSION_free(names);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void test_judge(void **state)
{
    static const struct {
        const char *host;
        int64_t day;
        int verdict;
        enum finding_code code; /* FINDING_COUNT: nothing */
        bool is_good;
    } CASES[] = {
        {"mail.example", 1, X509_V_OK, FINDING_COUNT, true},
        {"192.0.2.1", 1, X509_V_OK, FINDING_COUNT, true},
        {"MAIL.example", 99, X509_V_OK, FINDING_CERTIFICATE_EXPIRES, true},
        {"mail.example", 101, X509_V_ERR_CERT_HAS_EXPIRED, FINDING_CERTIFICATE_EXPIRED, false},
        {"mail.example", -1, X509_V_ERR_CERT_NOT_YET_VALID, FINDING_CERTIFICATE_EXPIRED, false},
        {"other.example", 1, X509_V_ERR_HOSTNAME_MISMATCH, FINDING_CERTIFICATE_NAME, false},
        {"192.0.2.2", 1, X509_V_ERR_IP_ADDRESS_MISMATCH, FINDING_CERTIFICATE_NAME, false},
        {"", 1, X509_V_OK, FINDING_CERTIFICATE_NAME, false},
        {"mail.example", 1, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, FINDING_CERTIFICATE_UNTRUSTED,
         false},
    };
    const int64_t from_s = 1700000000;
    struct buf der = BUF_INIT(DER_MOST);
    make_certificate(from_s, &der);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct check_report r = {.host = STR("mail.example"), .from = "client"};
        struct check_leg *leg = check_report_add(&r, "imap", 143);
        struct check_expectation e = {.host = str_from_c(CASES[i].host),
                                      .now_s = from_s + CASES[i].day * DAY_S};
        check_cert_judge(leg, buf_str(&der), CASES[i].verdict, &e);
        assert_int_equal(leg->cert.is_good, CASES[i].is_good);
        assert_int_equal(leg->findings.count, CASES[i].code == FINDING_COUNT ? 0 : 1);
        if (CASES[i].code != FINDING_COUNT) {
            assert_string_equal(check_get_code(leg->findings.at[0].code),
                                check_get_code(CASES[i].code));
        }
        check_report_release(&r);
    }
    buf_release(&der);
}

/* What was seen on another path decides, whoever signed it; and only that very one. */
static void test_fingerprint(void **state)
{
    struct check_report r = {.host = STR("mail.example"), .from = "client"};
    struct check_leg *leg = check_report_add(&r, "imap", 143);
    struct check_leg *other = check_report_add(&r, "submission", 587);
    struct buf der = BUF_INIT(DER_MOST);
    struct buf seen = BUF_INIT(DER_MOST);
    make_certificate(1700000000, &der);
    struct check_expectation e = {.host = STR("other.example"), .now_s = 1700000000 + DAY_S};
    check_cert_judge(leg, buf_str(&der), X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, &e);
    assert_false(leg->cert.is_good);
    buf_add(&seen, buf_str(&leg->cert.fingerprint));
    e.fingerprint = buf_str(&seen);
    check_cert_judge(leg, buf_str(&der), X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, &e);
    assert_true(leg->cert.is_good);
    /* another one with the same name, even if it is trusted here */
    buf_clear(&der);
    make_certificate(1700000000, &der);
    e.host = STR("mail.example");
    check_cert_judge(other, buf_str(&der), X509_V_OK, &e);
    assert_false(other->cert.is_good);
    assert_true(check_has(other, FINDING_CERTIFICATE_UNEXPECTED));
    leg->has_tls = true;
    other->has_tls = true;
    check_cert_compare(&r);
    assert_true(check_has(other, FINDING_CERTIFICATE_DIFFERS));
    buf_release(&der);
    buf_release(&seen);
    check_report_release(&r);
}

static void test_no_certificate(void **state)
{
    struct check_report r = {.host = STR("mail.example"), .from = "client"};
    struct check_leg *leg = check_report_add(&r, "imap", 143);
    struct check_expectation e = {.host = STR("mail.example"), .now_s = 1};
    check_cert_judge(leg, STR("0\x82garbage"), X509_V_OK, &e);
    assert_false(leg->cert.is_good);
    assert_true(check_has(leg, FINDING_CERTIFICATE_UNTRUSTED));
    check_report_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judge),
        cmocka_unit_test(test_fingerprint),
        cmocka_unit_test(test_no_certificate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
