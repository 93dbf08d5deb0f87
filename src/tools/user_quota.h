#ifndef LIMETTA_TOOLS_USER_QUOTA_H
#define LIMETTA_TOOLS_USER_QUOTA_H

/* Shows the quota of the account called name (as people type it), after setting the limits that are given: by enum
 * quota_resource, NULL: stays. Returns an exit code, after a line on standard error when it is not EXIT_FINE. */
int user_quota(const char *state, const char *name, const char *const *limits);

#endif
