#ifndef LIMETTA_SIEVE_CONTROL_H
#define LIMETTA_SIEVE_CONTROL_H

#include "base/err.h"

#include <stdbool.h>

/* For insiders of the room: what the rows of sieve/commands.c name. Each family of commands has its file; _check looks at a node when
 * a script is compiled, _run and _test carry it out. Errors: the script's, or the host's. */

struct sieve_compiler;
struct sieve_node;
struct sieve_run;

#define SIEVE_CHECK(name)                                                                          \
    enum err sieve_##name##_check(struct sieve_compiler *c, struct sieve_node *n)
#define SIEVE_RUN(name) enum err sieve_##name##_run(struct sieve_run *r, const struct sieve_node *n)
#define SIEVE_TEST(name)                                                                           \
    enum err sieve_##name##_test(struct sieve_run *r, const struct sieve_node *n, bool *out)

/* control.c */
SIEVE_CHECK(require);
SIEVE_RUN(require);
SIEVE_CHECK(if);
SIEVE_RUN(stop);
SIEVE_TEST(allof);
SIEVE_TEST(anyof);
SIEVE_TEST(not );
SIEVE_TEST(true);
SIEVE_TEST(false);

/* action.c */
SIEVE_RUN(keep);
SIEVE_RUN(discard);
SIEVE_RUN(fileinto);
SIEVE_CHECK(fileinto);
SIEVE_CHECK(redirect);
SIEVE_RUN(redirect);

/* test_header.c */
SIEVE_TEST(header);
SIEVE_TEST(exists);
SIEVE_TEST(size);
SIEVE_CHECK(size);
SIEVE_CHECK(index);

/* test_address.c, test_body.c, test_date.c */
SIEVE_CHECK(address);
SIEVE_TEST(address);
SIEVE_CHECK(envelope);
SIEVE_TEST(envelope);
SIEVE_TEST(body);
SIEVE_CHECK(date);
SIEVE_TEST(date);
SIEVE_CHECK(currentdate);
SIEVE_TEST(currentdate);

/* ext_flags.c, ext_variables.c */
SIEVE_CHECK(flags);
SIEVE_RUN(setflag);
SIEVE_RUN(addflag);
SIEVE_RUN(removeflag);
SIEVE_TEST(hasflag);
SIEVE_CHECK(set);
SIEVE_RUN(set);
SIEVE_TEST(string);
SIEVE_CHECK(global);
SIEVE_RUN(global);

/* ext_editheader.c, ext_reject.c */
SIEVE_CHECK(addheader);
SIEVE_RUN(addheader);
SIEVE_CHECK(deleteheader);
SIEVE_RUN(deleteheader);
SIEVE_RUN(reject);
SIEVE_RUN(ereject);
/* At the end of a script: is nothing delivered that was rejected? */
enum err sieve_reject_finish(struct sieve_run *r);

/* ext_vacation.c, ext_notify.c */
SIEVE_CHECK(fcc);
SIEVE_CHECK(vacation);
SIEVE_RUN(vacation);
SIEVE_CHECK(notify);
SIEVE_RUN(notify);
SIEVE_TEST(valid_notify_method);
SIEVE_TEST(notify_method_capability);

/* ext_include.c, ext_ihave.c */
SIEVE_CHECK(include);
SIEVE_RUN(include);
SIEVE_RUN(return );
SIEVE_CHECK(ihave);
SIEVE_TEST(ihave);
SIEVE_RUN(error);

/* ext_duplicate.c, ext_environment.c, ext_mailbox.c */
SIEVE_TEST(duplicate);
SIEVE_TEST(environment);
SIEVE_TEST(mailboxexists);
SIEVE_TEST(mailboxidexists);
SIEVE_TEST(specialuse_exists);
SIEVE_TEST(metadata);
SIEVE_TEST(metadataexists);
SIEVE_TEST(servermetadata);
SIEVE_TEST(servermetadataexists);

#endif
