/* The INTERNAL token of an authorized URL (RFC 4467, 4; layout as its section 8 advises):
 *
 *     offset  octets  what
 *     0       1       algorithm: 01 is HMAC-SHA-256
 *     1       32      HMAC of the rump URL under the mailbox's access key
 *
 * written as 66 hex digits. The first octet lets a later algorithm live beside this one. A token is compared in constant
 * time: whoever could measure how much of a guess is right would need no key. */
#include "wire/imap_url.h"

#include "base/base64.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

enum { ALGORITHM = 1, MAC_SIZE = 32 };

enum err urlauth_write_token(struct buf *out, struct str key, struct str rump)
{
    unsigned char token[1 + MAC_SIZE] = {ALGORITHM};
    unsigned int size = 0;
    const unsigned char *data = (const unsigned char *)(rump.n == 0 ? "" : rump.p);
    if (key.n == 0 || key.n > INT32_MAX
        || HMAC(EVP_sha256(), key.p, (int)key.n, data, rump.n, token + 1, &size) == NULL
        || size != MAC_SIZE) {
        return ERR_IO;
    }
    hex_write(out, str_make((const char *)token, sizeof(token)));
    OPENSSL_cleanse(token, sizeof(token));
    return buf_err(out);
}

bool urlauth_is_token(struct str key, struct str rump, struct str token)
{
    struct buf given = BUF_INIT(URLAUTH_TOKEN_SIZE);
    struct buf ours = BUF_INIT(URLAUTH_TOKEN_SIZE);
    struct buf raw = BUF_INIT(URLAUTH_TOKEN_SIZE);
    bool is_same = false;
    /* Through octets and back, so that the case of the digits does not matter. */
    if (hex_parse(token, &raw) == ERR_OK && urlauth_write_token(&ours, key, rump) == ERR_OK) {
        hex_write(&given, buf_str(&raw));
        is_same = str_eq_secret(buf_str(&given), buf_str(&ours));
    }
    if (ours.p != NULL) {
        OPENSSL_cleanse(ours.p, ours.len);
    }
    buf_release(&given);
    buf_release(&ours);
    buf_release(&raw);
    return is_same;
}
