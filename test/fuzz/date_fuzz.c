/* Fuzzes mime/date: what is read is a real time, and its day goes to days and back. */
#include "fuzz.h"

#include "mime/date.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t unix_s = 0;
    int32_t zone_s = 0;
    if (date_parse(str_make((const char *)data, size), &unix_s, &zone_s) == ERR_OK) {
        struct civil day = date_from_days((unix_s + zone_s) / 86400);
        assert(date_is_real(day));
        assert(date_to_days(day) == (unix_s + zone_s) / 86400);
        assert(zone_s > -100 * 3600 - 100 * 60 && zone_s < 100 * 3600 + 100 * 60);
    }
    return 0;
}
