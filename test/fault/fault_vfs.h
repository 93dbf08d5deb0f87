#ifndef LIMETTA_TEST_FAULT_VFS_H
#define LIMETTA_TEST_FAULT_VFS_H

#include <stdbool.h>

/* An SQLite VFS over the default one that makes writes, truncations and syncs go wrong, and the same for the write() and
 * fsync() of our own code (the linker's --wrap hands them to us). */
enum fault_kind {
    FAULT_NONE,
    FAULT_IO,       /* fails with an I/O error, once */
    FAULT_NO_SPACE, /* fails as a full disk does, from then on until disarmed; syncs work */
    FAULT_KILL,     /* the process dies by SIGKILL before the call */
    FAULT_CUT       /* fault_cut_power() before the call */
};

/* Becomes the default VFS. Call once, before any database is open. */
void fault_vfs_install(void);
/* The at-th call from now on (1 is the next) goes wrong. Counting starts anew. */
void fault_arm(enum fault_kind kind, unsigned at);
void fault_disarm(void);
/* Calls counted since fault_arm(); it counts with FAULT_NONE, too. */
unsigned fault_get_calls(void);
/* How many of them were syncs. */
unsigned fault_get_syncs(void);
/* The armed fault happened. */
bool fault_has_struck(void);
/* Undoes every write that was not synced, as a power cut may, and dies by SIGKILL. Needs fault_keep_undo(). */
__attribute__((noreturn)) void fault_cut_power(void);
/* From now on writes can be undone. */
void fault_keep_undo(void);

#endif
