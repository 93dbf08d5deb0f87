/* Verifiers: RFC 7677's example, and Argon2id. */
#include "auth/verifier.h"
#include "base/base64.h"

#include "scram_client.h"
#include "unit.h"

static const struct verifier_cost CHEAP = {1, 8192 * 1024, 4096};

/* RFC 7677, 3: the whole exchange of the example, checked from the server's side. */
static void test_rfc7677_example(void **state)
{
    struct buf salt = BUF_INIT(64);
    struct buf proof = BUF_INIT(64);
    struct buf server = BUF_INIT(64);
    assert_int_equal(base64_parse(STR("W22ZaJ0SNY7soEsUEjb6gQ=="), &salt), ERR_OK);
    assert_int_equal(base64_parse(STR("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), &proof),
                     ERR_OK);
    assert_int_equal(base64_parse(STR("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), &server),
                     ERR_OK);
    struct str auth_message = STR(
        "n=user,r=rOprNGfwEbeRWgbNEkqO,"
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
    uint8_t stored[SCRAM_KEY_SIZE];
    uint8_t server_key[SCRAM_KEY_SIZE];
    assert_int_equal(scram_derive(STR("pencil"), buf_str(&salt), 4096, stored, server_key), ERR_OK);
    uint8_t signature[SCRAM_KEY_SIZE];
    scram_hmac(server_key, auth_message, signature);
    assert_memory_equal(signature, server.p, SCRAM_KEY_SIZE);
    scram_hmac(stored, auth_message, signature);
    for (size_t i = 0; i < SCRAM_KEY_SIZE; i++) {
        signature[i] ^= (uint8_t)proof.p[i];
    }
    uint8_t client_hash[SCRAM_KEY_SIZE];
    (void)SHA256(signature, SCRAM_KEY_SIZE, client_hash);
    assert_memory_equal(client_hash, stored, SCRAM_KEY_SIZE);
    buf_release(&salt);
    buf_release(&proof);
    buf_release(&server);
}

static void test_argon2(void **state)
{
    struct verifier a;
    struct verifier b;
    assert_int_equal(verifier_make(STR("pencil"), &CHEAP, &a), ERR_OK);
    assert_int_equal(verifier_make(STR("pencil"), &CHEAP, &b), ERR_OK);
    assert_false(verifier_check(&a, STR("pencil ")));
    assert_false(verifier_check(&a, STR("Pencil")));
    assert_false(verifier_check(&a, STR_EMPTY));
    assert_true(verifier_check(&a, STR("pencil")));
    assert_true(str_starts(str_from_c(a.argon2), STR("$argon2id$")));
    assert_string_not_equal(a.argon2, b.argon2); /* fresh salts */
    assert_memory_not_equal(a.scram_salt, b.scram_salt, SCRAM_SALT_SIZE);
    assert_memory_not_equal(a.scram_stored_key, b.scram_stored_key, SCRAM_KEY_SIZE);
}

static void test_dummy(void **state)
{
    struct verifier v;
    assert_int_equal(verifier_make_dummy(&CHEAP, &v), ERR_OK);
    assert_false(verifier_check(&v, STR("pencil")));
    assert_false(verifier_check(&v, STR_EMPTY));
    assert_int_equal(v.scram_iterations, CHEAP.scram_iterations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc7677_example),
        cmocka_unit_test(test_argon2),
        cmocka_unit_test(test_dummy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
