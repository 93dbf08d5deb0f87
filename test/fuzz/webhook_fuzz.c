/* Fuzzes the allow-list of web hooks: the input is a list and, behind a line end, a URL. What is allowed has a host and a port that the
 * list names, and reads the same twice. */
#include "fuzz.h"

#include "wire/webhook.h"

#include <assert.h>

static bool is_named(struct str list, const struct webhook_url *asked)
{
    while (list.n > 0) {
        struct webhook_url u;
        if (webhook_parse(str_split(&list, ' '), &u) && u.port == asked->port
            && str_eq_nocase(u.host, asked->host)) {
            return true;
        }
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str url = str_make((const char *)data, size);
    struct str list = str_split(&url, '\n');
    struct webhook_url u;
    struct str bad;
    (void)webhook_is_sound(list, &bad);
    if (webhook_is_allowed(list, url)) {
        assert(webhook_parse(url, &u) && u.host.n > 0 && u.port > 0);
        assert(is_named(list, &u));
        assert(str_find_char(u.host, '@') == u.host.n && str_find_char(url, ' ') == url.n);
    }
    return 0;
}
