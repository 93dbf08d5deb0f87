#ifndef LIMETTA_TEST_SCRAM_CLIENT_H
#define LIMETTA_TEST_SCRAM_CLIENT_H

/* The client's side of SCRAM-SHA-256, from RFC 5802 and RFC 7677 alone, so that the server is not tested with its own
 * library. */
#include "base/base64.h"
#include "base/buf.h"
#include "unit.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

enum { SCRAM_SIZE = 32 };

struct scram_client {
    struct str gs2; /* "n,,", "y,,a=anna," or "p=tls-exporter,," */
    struct str cb;  /* channel binding octets */
    struct str user;
    struct str password;
    struct buf bare; /* client-first-message-bare */
    uint8_t server_key[SCRAM_SIZE];
    struct buf auth_message;
};

static inline void scram_hmac(const uint8_t key[SCRAM_SIZE], struct str data,
                              uint8_t out[SCRAM_SIZE])
{
    unsigned n = 0;
    assert_non_null(
        HMAC(EVP_sha256(), key, SCRAM_SIZE, (const unsigned char *)data.p, data.n, out, &n));
}

static inline void scram_client_init(struct scram_client *c, struct str gs2, struct str cb,
                                     struct str user, struct str password)
{
    *c = (struct scram_client){.gs2 = gs2, .cb = cb, .user = user, .password = password};
    c->bare = BUF_INIT(4096);
    c->auth_message = BUF_INIT(8192);
}

static inline void scram_client_release(struct scram_client *c)
{
    buf_release(&c->bare);
    buf_release(&c->auth_message);
}

/* client-first-message */
static inline void scram_client_first(struct scram_client *c, struct buf *out)
{
    buf_addf(&c->bare, "n=%.*s,r=rOprNGfwEbeRWgbNEkqO", STR_ARG(c->user));
    buf_add(out, c->gs2);
    buf_add(out, buf_str(&c->bare));
}

/* client-final-message for server-first-message */
static inline void scram_client_final(struct scram_client *c, struct str first, struct buf *out)
{
    struct str rest = first;
    struct str nonce = str_split(&rest, ',');
    struct str salt64 = str_skip(str_split(&rest, ','), 2);
    uint64_t iterations = 0;
    assert_true(str_starts(nonce, STR("r=rOprNGfwEbeRWgbNEkqO")));
    assert_true(str_to_u64(str_skip(rest, 2), 1000000, &iterations));
    struct buf salt = BUF_INIT(256);
    assert_int_equal(base64_parse(salt64, &salt), ERR_OK);
    uint8_t salted[SCRAM_SIZE];
    uint8_t client_key[SCRAM_SIZE];
    uint8_t stored_key[SCRAM_SIZE];
    uint8_t signature[SCRAM_SIZE];
    assert_int_equal(PKCS5_PBKDF2_HMAC(c->password.p, (int)c->password.n,
                                       (const unsigned char *)salt.p, (int)salt.len,
                                       (int)iterations, EVP_sha256(), SCRAM_SIZE, salted),
                     1);
    scram_hmac(salted, STR("Client Key"), client_key);
    scram_hmac(salted, STR("Server Key"), c->server_key);
    (void)SHA256(client_key, SCRAM_SIZE, stored_key);

    struct buf gs2 = BUF_INIT(4096);
    buf_add(&gs2, c->gs2);
    buf_add(&gs2, c->cb);
    size_t start = out->len;
    buf_add_c(out, "c=");
    base64_write(out, buf_str(&gs2));
    buf_addf(out, ",%.*s", STR_ARG(nonce));
    buf_addf(&c->auth_message, "%.*s,%.*s,%.*s", STR_ARG(buf_str(&c->bare)), STR_ARG(first),
             STR_ARG(str_skip(buf_str(out), start)));
    scram_hmac(stored_key, buf_str(&c->auth_message), signature);
    for (size_t i = 0; i < SCRAM_SIZE; i++) {
        client_key[i] ^= signature[i];
    }
    buf_add_c(out, ",p=");
    base64_write(out, str_make((const char *)client_key, SCRAM_SIZE));
    buf_release(&gs2);
    buf_release(&salt);
}

/* Is this the server-final-message of a server that knows the password, too? */
static inline bool scram_client_is_server(const struct scram_client *c, struct str final)
{
    uint8_t signature[SCRAM_SIZE];
    struct buf want = BUF_INIT(256);
    scram_hmac(c->server_key, buf_str(&c->auth_message), signature);
    buf_add_c(&want, "v=");
    base64_write(&want, str_make((const char *)signature, SCRAM_SIZE));
    bool is_same = str_eq(buf_str(&want), final);
    buf_release(&want);
    return is_same;
}

#endif
