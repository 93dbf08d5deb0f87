/* Fuzzes convert/office: any octets as an archive, and any octets as the XML in one. */
#include "fuzz.h"

#include "convert/office.h"

enum { OUT_CAP = 16 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct str TYPES[] = {
        {"x/wordprocessingml.document", 27},
        {"x/spreadsheetml.sheet", 21},
        {"x/presentationml.presentation", 29},
        {"application/vnd.oasis.opendocument.text", 39},
    };
    struct str octets = str_make((const char *)data, size);
    for (size_t i = 0; i < sizeof(TYPES) / sizeof(TYPES[0]); i++) {
        struct buf out = BUF_INIT(OUT_CAP);
        enum err e = office_to_text(TYPES[i], octets, &out);
        (void)e; /* whatever it is, it is an answer */
        buf_release(&out);
    }
    return 0;
}
