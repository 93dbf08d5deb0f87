/* SCRAM-SHA-256 from the client's side (RFC 5802, RFC 7677), without channel binding.
 *
 * A quarter of a million logins in minutes need a mechanism that is cheap for both. Argon2id is dear for the server by intent, and so is
 * SCRAM's PBKDF2 for the client; but a client may keep the keys of a user and a salt, and then a login costs either side a few HMACs. The
 * server's signature is not checked: this is no client for people. */
#include "scram.h"

#include "base/base64.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { MESSAGE_MOST = 1024 };

static void hmac(const uint8_t key[SCRAM_HASH], struct str data, uint8_t out[SCRAM_HASH])
{
    unsigned size = SCRAM_HASH;
    (void)HMAC(EVP_sha256(), key, SCRAM_HASH, (const unsigned char *)data.p, data.n, out, &size);
}

static void add_first_bare(const struct scram *s, struct str user, struct buf *out)
{
    buf_addf(out, "n=%.*s,r=%s", STR_ARG(user), s->nonce);
}

void scram_start(struct scram *s, struct str user, struct buf *out)
{
    static const char LETTERS[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";
    CLEANUP(buf_release) struct buf b = BUF_INIT(MESSAGE_MOST);
    uint8_t random[SCRAM_NONCE];
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        abort();
    }
    for (size_t i = 0; i < SCRAM_NONCE; i++) {
        s->nonce[i] = LETTERS[random[i] % (sizeof(LETTERS) - 1)];
    }
    s->nonce[SCRAM_NONCE] = '\0';
    buf_add(&b, STR("n,,"));
    add_first_bare(s, user, &b);
    base64_write(out, buf_str(&b));
}

/* The value of "x=..." in server-first. */
static struct str get_attribute(struct str message, char name)
{
    while (message.n > 0) {
        size_t end = str_find_char(message, ',');
        if (message.p[0] == name && end >= 2 && message.p[1] == '=') {
            return str_sub(message, 2, end - 2);
        }
        message = str_skip(message, end + 1);
    }
    return STR_EMPTY;
}

static bool make_keys(struct scram_keys *k, struct str password, struct str salt,
                      unsigned iterations)
{
    uint8_t salted[SCRAM_HASH];
    if (k->is_known && k->iterations == iterations && k->salt_size == salt.n
        && memcmp(k->salt, salt.p, salt.n) == 0) {
        return true;
    }
    if (salt.n == 0 || salt.n > sizeof(k->salt) || iterations == 0
        || PKCS5_PBKDF2_HMAC(password.p, (int)password.n, (const unsigned char *)salt.p,
                             (int)salt.n, (int)iterations, EVP_sha256(), SCRAM_HASH, salted)
               != 1) {
        return false;
    }
    hmac(salted, STR("Client Key"), k->client_key);
    (void)EVP_Digest(k->client_key, SCRAM_HASH, k->stored_key, NULL, EVP_sha256(), NULL);
    memcpy(k->salt, salt.p, salt.n);
    k->salt_size = salt.n;
    k->iterations = iterations;
    k->is_known = true;
    return true;
}

static unsigned read_number(struct str s)
{
    unsigned n = 0;
    for (size_t i = 0; i < s.n && n < 10000000 && s.p[i] >= '0' && s.p[i] <= '9'; i++) {
        n = 10 * n + (unsigned)(s.p[i] - '0');
    }
    return n;
}

bool scram_answer(const struct scram *s, struct str user, struct str password,
                  struct str server_first, struct scram_keys *keys, struct buf *out)
{
    CLEANUP(buf_release) struct buf first = BUF_INIT(MESSAGE_MOST);
    CLEANUP(buf_release) struct buf salt = BUF_INIT(MESSAGE_MOST);
    CLEANUP(buf_release) struct buf final = BUF_INIT(MESSAGE_MOST);
    CLEANUP(buf_release) struct buf said = BUF_INIT(3 * MESSAGE_MOST);
    uint8_t proof[SCRAM_HASH];
    if (base64_parse(server_first, &first) != ERR_OK
        || base64_parse(get_attribute(buf_str(&first), 's'), &salt) != ERR_OK
        || !make_keys(keys, password, buf_str(&salt),
                      read_number(get_attribute(buf_str(&first), 'i')))) {
        return false;
    }
    buf_addf(&final, "c=biws,r=%.*s", STR_ARG(get_attribute(buf_str(&first), 'r')));
    add_first_bare(s, user, &said);
    buf_addf(&said, ",%.*s,%.*s", STR_ARG(buf_str(&first)), STR_ARG(buf_str(&final)));
    hmac(keys->stored_key, buf_str(&said), proof);
    for (size_t i = 0; i < SCRAM_HASH; i++) {
        proof[i] ^= keys->client_key[i];
    }
    buf_add(&final, STR(",p="));
    base64_write(&final, str_make((const char *)proof, sizeof(proof)));
    base64_write(out, buf_str(&final));
    return buf_err(out) == ERR_OK;
}
