#ifndef LIMETTA_LOAD_TARGET_H
#define LIMETTA_LOAD_TARGET_H

#include <stdbool.h>
#include <sys/socket.h>

/* Whom the load generator may load: this machine, or one in a network that a test made. */

/* Reads "127.0.0.1:10143" or "[::1]:10143". */
bool target_parse(const char *text, struct sockaddr_storage *out, socklen_t *size);
/* NULL: it may be loaded. Otherwise why not, for people. */
const char *target_find_objection(const struct sockaddr_storage *to);

#endif
