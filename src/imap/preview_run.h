#ifndef LIMETTA_IMAP_PREVIEW_RUN_H
#define LIMETTA_IMAP_PREVIEW_RUN_H

#include "base/err.h"
#include "base/str.h"
#include "mime/preview.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

/* Making the preview of a stored message, a bounded piece of work a call. All zero: not begun. */
struct preview_run {
    unsigned candidate;
    const struct part *part;
    struct preview *preview; /* of part */
    uint64_t at;             /* octets of the part that were read */
    uint64_t done;           /* octets read in all */
};

/* STEP_DONE: *text is the preview, empty when there is none, borrowed until preview_run_clear(); *is_known is false only when
 * is_lazy and it would take more than a moment. STEP_MORE: call again. STEP_BAD: the store failed. shape: as stored. */
MUST_USE enum step preview_run_step(struct preview_run *run, const struct shape *shape,
                                    struct body_reader *r, bool is_lazy, struct str *text,
                                    bool *is_known);
void preview_run_clear(struct preview_run *run);

#endif
