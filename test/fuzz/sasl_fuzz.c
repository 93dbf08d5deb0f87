/* A SASL exchange with a hostile client: the first octet chooses mechanism and channel binding, the rest are messages
 * between NUL NUL. Nobody has a password here, so nothing may ever succeed. */
#include "fuzz.h"

#include "auth/exchange.h"

#include <assert.h>
#include <string.h>

static void find_nobody(void *owner, struct str name, struct verifier *out)
{
    (void)owner;
    (void)name;
    memset(out, 0, sizeof(*out));
    out->scram_iterations = SCRAM_ITERATIONS_LEAST;
}

static void run(struct exchange *x, struct str messages)
{
    enum exchange_state state = EXCHANGE_CHALLENGE;
    for (int i = 0; i < 8 && state == EXCHANGE_CHALLENGE; i++) {
        struct buf out = BUF_INIT(EXCHANGE_MESSAGE_MOST);
        size_t end = str_find_str(messages, STR("\0\0"));
        state = exchange_step(x, str_sub(messages, 0, end), &out);
        messages = str_skip(messages, end + 2);
        buf_release(&out);
    }
    assert(state != EXCHANGE_YES);
    if (state == EXCHANGE_PASSWORD) {
        assert(exchange_get_user(x).n <= 255 && exchange_get_password(x).n <= 1024);
    }
    if (state == EXCHANGE_TOKEN) {
        struct buf out = BUF_INIT(EXCHANGE_MESSAGE_MOST);
        assert(exchange_get_token(x).n > 0 && exchange_get_authzid(x).n <= 512);
        exchange_refuse_token(x, STR("mail"), STR_EMPTY, &out);
        assert(exchange_step(x, STR("\1"), &out) == EXCHANGE_NO);
        buf_release(&out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const MECHANISMS[] = {
        "PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "OAUTHBEARER", "XOAUTH2"};
    if (size == 0) {
        return 0;
    }
    struct sasl *s = sasl_new(find_nobody, NULL);
    struct exchange *x = NULL;
    struct str cb_type = (data[0] & 4) != 0 ? STR("tls-exporter") : STR("tls-unique");
    struct str cb = (data[0] & 8) != 0 ? STR("0123456789abcdef") : STR_EMPTY;
    if (exchange_new(s, str_from_c(MECHANISMS[(data[0] & 3) + ((data[0] & 16) != 0 ? 2 : 0)]),
                     cb_type, cb, &x)
        == ERR_OK) {
        run(x, str_make((const char *)data + 1, size - 1));
        exchange_free(&x);
    }
    sasl_free(&s);
    return 0;
}
