/* Text of others' making in JSON: whatever it is, the output stays JSON. */
#include "tools/json_text.h"

#include "base/utf8.h"

void json_text_add(struct buf *out, struct str s)
{
    uint32_t c = 0;
    buf_add_char(out, '"');
    while (s.n > 0) {
        if (!utf8_next(&s, &c)) {
            s = str_skip(s, 1);
            c = 0xfffd;
        }
        if (c == '"' || c == '\\') {
            buf_addf(out, "\\%c", (char)c);
        } else if (c < 32 || c == 127) {
            buf_addf(out, "\\u%04x", (unsigned)c);
        } else {
            utf8_add(out, c);
        }
    }
    buf_add_char(out, '"');
}
