/* LOGIN, AUTHENTICATE, STARTTLS (RFC 3501, 6.2): the edge speaks these before a session is here. Afterwards they are
 * known, but in the wrong state. */
#include "imap/cmd/list.h"

const struct command command_login = {.name = STR("LOGIN")};
const struct command command_authenticate = {.name = STR("AUTHENTICATE")};
const struct command command_starttls = {.name = STR("STARTTLS")};
