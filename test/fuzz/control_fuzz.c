/* Control messages between supervisor and role: any packet is taken apart within its bounds, or refused. */
#include "fuzz.h"

#include "main/control.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str packet = str_make((const char *)data, size);
    for (int has_fd = 0; has_fd < 2; has_fd++) {
        struct control_message m;
        if (control_parse(packet, has_fd == 1, &m) != ERR_OK) {
            continue;
        }
        assert(m.type > 0 && m.type < CONTROL_TYPE_END);
        assert(m.key.n <= CONTROL_KEY_MOST && m.value.n <= CONTROL_PART_MOST);
        assert(m.key.n + m.value.n + 8 == size);
        assert(m.type != CONTROL_PEER || (m.role < ROLE_SUPERVISOR && has_fd == 1));
    }
    return 0;
}
