/* Fuzzes the reading of DNS responses: for each type, what is taken is bounded and lies in the arena. */
#include "fuzz.h"

#include "net/dns.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum dns_type TYPES[] = {DNS_A, DNS_AAAA, DNS_MX, DNS_TXT, DNS_TLSA};
    for (size_t i = 0; i < sizeof(TYPES) / sizeof(TYPES[0]); i++) {
        struct arena *a = arena_new(1 << 20);
        struct dns_answer out = {.count = 0};
        enum err e =
            dns_parse(a, str_make((const char *)data, size), STR("x.test"), TYPES[i], &out);
        assert(e == ERR_OK || out.count == 0);
        assert(out.count <= DNS_RECORDS_MOST);
        for (size_t k = 0; k < out.count; k++) {
            assert(out.records[k].host.n <= DNS_NAME_MOST);
            assert(out.records[k].text.n <= size && out.records[k].data.n <= size);
        }
        arena_free(&a);
    }
    return 0;
}
