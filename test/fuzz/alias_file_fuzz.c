/* Fuzzes auth/alias_file: what is told lies inside the text, and no name or target is empty. */
#include "fuzz.h"

#include "auth/alias_file.h"

#include <assert.h>

static void check(struct str text, struct str part)
{
    assert(part.n > 0 && part.p >= text.p && part.p + part.n <= text.p + text.n);
}

static void on_target(void *owner, unsigned line, struct str name, struct str target)
{
    assert(line > 0);
    check(*(struct str *)owner, name);
    check(*(struct str *)owner, target);
}

static void on_problem(void *owner, unsigned line, struct str what, const char *why)
{
    assert(line > 0 && why[0] != '\0');
    check(*(struct str *)owner, what);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make((const char *)data, size);
    const struct alias_file_handler h = {on_target, on_problem, &text};
    alias_file_read(text, &h);
    return 0;
}
