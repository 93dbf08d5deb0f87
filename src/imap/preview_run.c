/* PREVIEW (RFC 8970): from the stored octets to the words of mime/preview.h.
 *
 * Nothing is kept: a preview is made whenever it is asked for, from as much of a part as its first words take. That is one
 * read of some KiB for nearly every message; HTML may have style sheets in front of its words, so up to PART_MOST octets of a part
 * are looked at, and then another part, if there is one. What LAZY may take without "undue delay" (section 4.1) is the
 * first LAZY_MOST octets. */
#include "imap/preview_run.h"

enum { READ_SIZE = 4 * 1024, PART_MOST = 512 * 1024, LAZY_MOST = 32 * 1024, READS_A_STEP = 8 };

static void end_part(struct preview_run *run)
{
    preview_free(&run->preview);
    run->part = NULL;
    run->at = 0;
    run->candidate++;
}

static bool begin_part(struct preview_run *run, const struct shape *shape)
{
    while (run->part == NULL) {
        const struct part *part = preview_find_part(shape, run->candidate);
        if (part == NULL) {
            return false;
        }
        if (preview_new(part, &run->preview) == ERR_OK) {
            run->part = part;
        } else {
            run->candidate++;
        }
    }
    return true;
}

/* Reads on. *is_over: nothing more is to be read of the part. */
static enum err read_part(struct preview_run *run, struct body_reader *r, bool *is_over)
{
    const struct part *part = run->part;
    struct str octets;
    uint64_t left = part->body_size - run->at;
    size_t n = left < READ_SIZE ? (size_t)left : READ_SIZE;
    TRY(body_reader_get(r, part->body_offset + run->at, n, &octets));
    if (octets.n != n) {
        return ERR_CORRUPT;
    }
    run->at += n;
    run->done += n;
    bool is_last = run->at == part->body_size || run->at >= PART_MOST;
    *is_over = preview_feed(run->preview, octets, is_last) || is_last;
    return ERR_OK;
}

enum step preview_run_step(struct preview_run *run, const struct shape *shape,
                           struct body_reader *r, bool is_lazy, struct str *text, bool *is_known)
{
    *text = STR_EMPTY;
    *is_known = true;
    for (unsigned i = 0; i < READS_A_STEP; i++) {
        bool is_over = false;
        if (!begin_part(run, shape)) {
            return STEP_DONE;
        }
        if (is_lazy && run->done >= LAZY_MOST) {
            *is_known = false;
            return STEP_DONE;
        }
        if (read_part(run, r, &is_over) != ERR_OK) {
            return STEP_BAD;
        }
        if (is_over && preview_get(run->preview).n > 0) {
            *text = preview_get(run->preview);
            return STEP_DONE;
        }
        if (is_over) {
            end_part(run);
        }
    }
    return STEP_MORE;
}

void preview_run_clear(struct preview_run *run)
{
    preview_free(&run->preview);
    *run = (struct preview_run){0};
}
