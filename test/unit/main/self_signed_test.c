/* The self-signed certificate: names where clients look for them, and a key that fits. */
#include "main/certificate.h"
#include "main/self_signed.h"

#include "unit.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

static void test_certificate(void **state)
{
    struct buf cert = BUF_INIT(16384);
    struct buf key = BUF_INIT(16384);
    struct buf other_cert = BUF_INIT(16384);
    struct buf other_key = BUF_INIT(16384);
    assert_int_equal(self_signed_make(STR("mail.example.org 192.0.2.7 a,b"), &cert, &key), ERR_OK);
    assert_int_equal(self_signed_make(STR("mail.example.org"), &other_cert, &other_key), ERR_OK);
    assert_int_equal(certificate_check(buf_str(&cert), buf_str(&other_key)), ERR_NOT_FOUND);
    assert_int_equal(certificate_check(buf_str(&cert), buf_str(&cert)), ERR_SYNTAX);
    assert_int_equal(certificate_check(STR_EMPTY, STR_EMPTY), ERR_SYNTAX);
    assert_int_equal(certificate_check(buf_str(&cert), buf_str(&key)), ERR_OK);

    BIO *bio = BIO_new_mem_buf(cert.p, (int)cert.len);
    X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    assert_non_null(x);
    assert_int_equal(X509_check_host(x, "evil.example.org", 0, 0, NULL), 0);
    assert_int_equal(X509_check_host(x, "mail.example.org", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(x, "localhost", 0, 0, NULL), 1);
    assert_int_equal(X509_check_ip_asc(x, "192.0.2.7", 0), 1);
    assert_int_equal(X509_check_ip_asc(x, "127.0.0.1", 0), 1);
    assert_int_equal(X509_check_ip_asc(x, "::1", 0), 1);
    assert_int_equal(X509_cmp_current_time(X509_get0_notBefore(x)), -1);
    assert_int_equal(X509_cmp_current_time(X509_get0_notAfter(x)), 1);
    X509_free(x);
    BIO_free(bio);
    buf_release(&cert);
    buf_release(&key);
    buf_release(&other_cert);
    buf_release(&other_key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_certificate)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
