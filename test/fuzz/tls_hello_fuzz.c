/* Fuzzes net/tls_hello: a look that wants more wants no more than brings something new, and what is enough stays enough. */
#include "fuzz.h"

#include "net/tls_hello.h"

#include <assert.h>

enum { LOOKS_MOST = 2048 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str octets = str_make((const char *)data, size);
    size_t wanted = 0;
    bool is_over = false;
    for (size_t n = 0; n <= size && n <= LOOKS_MOST; n++) {
        size_t least = 0;
        enum err e = tls_hello_look(str_sub(octets, 0, n), &least);
        bool is_enough = e != ERR_OK || least <= n;
        assert(is_enough || least <= TLS_HELLO_OCTETS_MOST + TLS_HELLO_MOST);
        assert(!is_over || is_enough);
        assert(is_over || !is_enough || n >= wanted);
        is_over = is_enough && n > 0;
        wanted = is_enough ? wanted : least;
    }
    return 0;
}
