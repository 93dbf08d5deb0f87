#ifndef LIMETTA_AUTH_ALIAS_FILE_H
#define LIMETTA_AUTH_ALIAS_FILE_H

#include "base/str.h"

/* Reads the aliases files of other mail servers: "name: target, target" as in aliases(5) of Postfix and sendmail, or
 * "address target, target" as in virtual(5) of Postfix. */

struct alias_file_handler {
    /* One alias and one of its targets, without quotes around; borrowed for the call. line: from 1, where the entry
     * begins. */
    void (*on_target)(void *owner, unsigned line, struct str name, struct str target);
    /* Something that is no address: a program, a file, an include; or a line without a target. why: a few words. */
    void (*on_problem)(void *owner, unsigned line, struct str what, const char *why);
    void *owner;
};

void alias_file_read(struct str text, const struct alias_file_handler *h);

#endif
