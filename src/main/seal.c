/* Sealed octets: AES-256-GCM (RFC 5116), under a key that only those who seal have.
 *
 *     octets   field
 *     1        1: the format
 *     16       salt of the process that sealed
 *     8        number among those that it sealed, little-endian
 *     n        encrypted
 *     16       tag; it covers the label, too
 *
 * The one key lives for as long as the state folder, and many processes seal with it, so numbers of theirs would meet. Each process
 * seals with a key of its own, HMAC-SHA-256 of a random salt under the one key, and counts: no number is used twice with a key, however
 * long the house stands (GCM forbids that above all). Who opens makes the key again from the salt; the last one is remembered, for
 * what comes back after a restart was mostly sealed by one predecessor. */
#include "main/seal.h"

#include "base/base64.h"
#include "base/mem.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <sys/random.h>

enum { FORMAT = 1, SALT_SIZE = 16, NUMBER_SIZE = 8, TAG_SIZE = 16, NONCE_SIZE = 12 };
enum { HEAD_SIZE = 1 + SALT_SIZE + NUMBER_SIZE, LABEL_MOST = 3 * (1 + UINT8_MAX) };

_Static_assert(SEAL_OVERHEAD == HEAD_SIZE + TAG_SIZE, "as the header says");

/* A key made from a salt. */
struct derived {
    uint8_t salt[SALT_SIZE];
    EVP_CIPHER_CTX *cipher; /* has the key */
    bool is_there;
};

struct seal {
    uint8_t key[SEAL_KEY_SIZE];
    struct derived mine;
    struct derived theirs;
    uint64_t number;
};

static bool derive(const struct seal *s, struct derived *d, const uint8_t *salt, bool is_to_seal)
{
    static const unsigned char PURPOSE[] = "limetta: sealed state 1";
    unsigned char text[sizeof(PURPOSE) + SALT_SIZE];
    unsigned char key[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    memcpy(text, PURPOSE, sizeof(PURPOSE));
    memcpy(text + sizeof(PURPOSE), salt, SALT_SIZE);
    bool is_ok =
        HMAC(EVP_sha256(), s->key, SEAL_KEY_SIZE, text, sizeof(text), key, &n) != NULL
        && n == SEAL_KEY_SIZE
        && EVP_CipherInit_ex(d->cipher, EVP_aes_256_gcm(), NULL, key, NULL, is_to_seal ? 1 : 0)
               == 1;
    explicit_bzero(key, sizeof(key));
    memcpy(d->salt, salt, SALT_SIZE);
    d->is_there = is_ok;
    return is_ok;
}

enum err seal_new(struct str hex_key, struct seal **out)
{
    uint8_t salt[SALT_SIZE];
    struct buf key = BUF_INIT(SEAL_KEY_SIZE);
    (void)buf_reserve(&key, SEAL_KEY_SIZE);
    enum err e = hex_parse(hex_key, &key);
    if (e != ERR_OK || key.len != SEAL_KEY_SIZE) {
        buf_wipe(&key);
        return ERR_SYNTAX;
    }
    struct seal *s = mem_new(sizeof(*s));
    memcpy(s->key, key.p, SEAL_KEY_SIZE);
    buf_wipe(&key);
    s->mine.cipher = EVP_CIPHER_CTX_new();
    s->theirs.cipher = EVP_CIPHER_CTX_new();
    if (s->mine.cipher == NULL || s->theirs.cipher == NULL
        || getrandom(salt, sizeof(salt), 0) != (ssize_t)sizeof(salt)
        || !derive(s, &s->mine, salt, true)) {
        seal_free(&s);
        return ERR_IO;
    }
    *out = s;
    return ERR_OK;
}

void seal_free(struct seal **s)
{
    struct seal *gone = *s;
    if (gone == NULL) {
        return;
    }
    *s = NULL;
    EVP_CIPHER_CTX_free(gone->mine.cipher);
    EVP_CIPHER_CTX_free(gone->theirs.cipher);
    explicit_bzero(gone, sizeof(*gone));
    free(gone);
}

/* A part of the label, with its length before it, so that no two labels look alike. */
static bool add_part(struct str part, unsigned char *to, size_t *n)
{
    if (part.n > UINT8_MAX) {
        return false;
    }
    to[(*n)++] = (unsigned char)part.n;
    if (part.n > 0) {
        memcpy(to + *n, part.p, part.n);
    }
    *n += part.n;
    return true;
}

/* number: NUMBER_SIZE octets. */
static bool begin(EVP_CIPHER_CTX *c, const char *number, const struct seal_label *label)
{
    unsigned char nonce[NONCE_SIZE] = {0};
    unsigned char all[LABEL_MOST];
    size_t n = 0;
    int done = 0;
    memcpy(nonce, number, NUMBER_SIZE);
    return add_part(label->service, all, &n) && add_part(label->edge, all, &n)
           && add_part(label->session, all, &n)
           && EVP_CipherInit_ex(c, NULL, NULL, NULL, nonce, -1) == 1
           && EVP_CipherUpdate(c, NULL, &done, all, (int)n) == 1;
}

enum err seal_close(struct seal *s, const struct seal_label *label, struct str plain,
                    struct buf *out)
{
    char *room = buf_reserve(out, SEAL_OVERHEAD + plain.n);
    if (room == NULL) {
        return ERR_LIMIT;
    }
    char *number = room + 1 + SALT_SIZE;
    unsigned char *text = (unsigned char *)room + HEAD_SIZE;
    int n = 0;
    int rest = 0;
    room[0] = FORMAT;
    memcpy(room + 1, s->mine.salt, SALT_SIZE);
    for (size_t i = 0; i < NUMBER_SIZE; i++) {
        number[i] = (char)(unsigned char)(s->number >> (8 * i));
    }
    s->number++;
    if (!begin(s->mine.cipher, number, label)
        || EVP_CipherUpdate(s->mine.cipher, text, &n, (const unsigned char *)plain.p, (int)plain.n)
               != 1
        || EVP_CipherFinal_ex(s->mine.cipher, text + n, &rest) != 1
        || EVP_CIPHER_CTX_ctrl(s->mine.cipher, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, text + plain.n)
               != 1) {
        return ERR_IO;
    }
    buf_commit(out, SEAL_OVERHEAD + plain.n);
    return ERR_OK;
}

static bool take_salt(struct seal *s, const char *salt)
{
    struct derived *d = &s->theirs;
    bool is_known = d->is_there && memcmp(d->salt, salt, SALT_SIZE) == 0;
    return is_known || derive(s, d, (const uint8_t *)salt, false);
}

enum err seal_open(struct seal *s, const struct seal_label *label, struct str sealed,
                   struct buf *out)
{
    if (sealed.n < SEAL_OVERHEAD || sealed.p[0] != FORMAT) {
        return ERR_TICKET;
    }
    size_t len = sealed.n - SEAL_OVERHEAD;
    struct str text = str_sub(sealed, HEAD_SIZE, len);
    unsigned char tag[TAG_SIZE];
    int n = 0;
    int rest = 0;
    unsigned char *room = (unsigned char *)buf_reserve(out, len + 1);
    if (room == NULL) {
        return ERR_LIMIT;
    }
    memcpy(tag, sealed.p + HEAD_SIZE + len, TAG_SIZE);
    EVP_CIPHER_CTX *c = s->theirs.cipher;
    if (!take_salt(s, sealed.p + 1)) {
        return ERR_IO;
    }
    if (!begin(c, sealed.p + 1 + SALT_SIZE, label)
        || EVP_CipherUpdate(c, room, &n, (const unsigned char *)text.p, (int)text.n) != 1
        || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG_SIZE, tag) != 1
        || EVP_CipherFinal_ex(c, room + n, &rest) != 1) {
        return ERR_TICKET;
    }
    buf_commit(out, len);
    return ERR_OK;
}
