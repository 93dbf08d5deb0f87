/* Verifiers: Argon2id by libsodium, SCRAM-SHA-256 by OpenSSL.
 *
 *     SaltedPassword := PBKDF2-HMAC-SHA-256(password, salt, iterations)      (RFC 5802, 2.2 "Hi", and RFC 7677)
 *     ClientKey      := HMAC(SaltedPassword, "Client Key")
 *     StoredKey      := SHA-256(ClientKey)           kept
 *     ServerKey      := HMAC(SaltedPassword, "Server Key")   kept
 *
 * The two live side by side because no one of them does both jobs: SCRAM never shows us the password, so it cannot be
 * checked against Argon2id, and PBKDF2 is the weaker wall when the database leaks. */
#include "auth/verifier.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <sodium.h>

_Static_assert(ARGON2_MOST == crypto_pwhash_STRBYTES, "libsodium's string fits");

struct verifier_cost verifier_get_default_cost(void)
{
    return (struct verifier_cost){crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                  crypto_pwhash_MEMLIMIT_INTERACTIVE, 20000};
}

static bool hmac_sha256(const uint8_t key[SCRAM_KEY_SIZE], struct str data,
                        uint8_t out[SCRAM_KEY_SIZE])
{
    unsigned n = 0;
    return HMAC(EVP_sha256(), key, SCRAM_KEY_SIZE, (const unsigned char *)data.p, data.n, out, &n)
               != NULL
           && n == SCRAM_KEY_SIZE;
}

enum err scram_derive(struct str password, struct str salt, uint32_t iterations,
                      uint8_t stored_key[SCRAM_KEY_SIZE], uint8_t server_key[SCRAM_KEY_SIZE])
{
    uint8_t salted[SCRAM_KEY_SIZE];
    uint8_t client_key[SCRAM_KEY_SIZE];
    bool is_ok =
        PKCS5_PBKDF2_HMAC(password.p, (int)password.n, (const unsigned char *)salt.p, (int)salt.n,
                          (int)iterations, EVP_sha256(), SCRAM_KEY_SIZE, salted)
            == 1
        && hmac_sha256(salted, STR("Client Key"), client_key)
        && hmac_sha256(salted, STR("Server Key"), server_key);
    if (is_ok) {
        (void)SHA256(client_key, sizeof(client_key), stored_key);
    }
    OPENSSL_cleanse(salted, sizeof(salted));
    OPENSSL_cleanse(client_key, sizeof(client_key));
    return is_ok ? ERR_OK : ERR_IO;
}

enum err verifier_make(struct str password, const struct verifier_cost *cost, struct verifier *out)
{
    if (sodium_init() < 0) {
        return ERR_IO;
    }
    struct verifier v = {.scram_iterations = cost->scram_iterations};
    randombytes_buf(v.scram_salt, sizeof(v.scram_salt));
    if (crypto_pwhash_str(v.argon2, password.p, password.n, cost->argon2_passes,
                          cost->argon2_memory_octets)
        != 0) {
        return ERR_IO;
    }
    TRY(scram_derive(password, str_make((const char *)v.scram_salt, sizeof(v.scram_salt)),
                     v.scram_iterations, v.scram_stored_key, v.scram_server_key));
    *out = v;
    return ERR_OK;
}

enum err verifier_make_dummy(const struct verifier_cost *cost, struct verifier *out)
{
    if (sodium_init() < 0) {
        return ERR_IO;
    }
    char nobody_knows[32];
    randombytes_buf(nobody_knows, sizeof(nobody_knows));
    enum err e = verifier_make(str_make(nobody_knows, sizeof(nobody_knows)), cost, out);
    sodium_memzero(nobody_knows, sizeof(nobody_knows));
    return e;
}

enum err verifier_make_outside(struct verifier *out)
{
    if (sodium_init() < 0) {
        return ERR_IO;
    }
    struct verifier v = {.scram_iterations = SCRAM_ITERATIONS_LEAST};
    randombytes_buf(v.scram_salt, sizeof(v.scram_salt));
    randombytes_buf(v.scram_stored_key, sizeof(v.scram_stored_key));
    randombytes_buf(v.scram_server_key, sizeof(v.scram_server_key));
    *out = v;
    return ERR_OK;
}

bool verifier_is_outside(const struct verifier *v)
{
    return v->argon2[0] == '\0';
}

bool verifier_check(const struct verifier *v, struct str password)
{
    const char *p = password.n > 0 ? password.p : "";
    return crypto_pwhash_str_verify(v->argon2, p, password.n) == 0;
}
