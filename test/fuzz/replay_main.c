/* Runs a fuzz target over its corpus without a fuzzer, so that every compiler, sanitizer and valgrind can.
 *
 * usage: fuzz-<name> FILE|DIRECTORY... [--only-corpus]
 *
 * Each file is fed whole. Small files are then fed again in cheap, always equal variations, because most parser bugs
 * sit at an end that came too early or at one octet that changed: cut at every length (at most CUTS of them, spread
 * evenly) and with one octet replaced (REPLACED times, chosen by a fixed generator). What the fuzzer found once goes
 * into the corpus, so it is tried for ever after. Input is copied to memory of its exact size, so that a sanitizer
 * sees the first octet read beyond it. */
#include "fuzz.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { CUTS = 256, REPLACED = 256, VARIED_MOST = 16384 };

static void feed(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size > 0 ? size : 1);
    if (exact == NULL) {
        abort();
    }
    if (size > 0) {
        memcpy(exact, data, size);
    }
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static void feed_varied(uint8_t *data, size_t size)
{
    static const uint8_t odd[] = {0,   '\r', '\n', ' ', '"', '(',  ')', '{', '}',  '\\',
                                  '*', ':',  ',',  '<', ';', 0x7f, '=', '%', 0x80, 0xff};
    size_t step = size / CUTS + 1;
    for (size_t n = 0; n < size; n += step) {
        feed(data, n);
    }
    uint32_t random = (uint32_t)size;
    for (int i = 0; i < REPLACED && size > 0; i++) {
        random = random * 1664525U + 1013904223U;
        size_t at = (random >> 8) % size;
        uint8_t was = data[at];
        data[at] = odd[(random >> 3) % sizeof(odd)];
        feed(data, size);
        data[at] = was;
    }
}

static bool feed_file(const char *path, bool is_varied)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        return false;
    }
    struct stat st;
    if (fstat(fileno(f), &st) != 0) {
        perror(path);
        (void)fclose(f);
        return false;
    }
    size_t size = (size_t)st.st_size;
    uint8_t *data = malloc(size + 1);
    bool is_read = data != NULL && fread(data, 1, size, f) == size;
    (void)fclose(f);
    if (is_read) {
        feed(data, size);
        if (is_varied && size <= VARIED_MOST) {
            feed_varied(data, size);
        }
    }
    free(data);
    return is_read;
}

/* Feeds every file of a folder, or the file. Returns how many; -1 when one could not be read. */
static long feed_path(const char *path, bool is_varied)
{
    DIR *d = opendir(path);
    if (d == NULL) {
        return feed_file(path, is_varied) ? 1 : -1;
    }
    long count = 0;
    const struct dirent *e;
    while ((e = readdir(d)) != NULL && count >= 0) {
        char name[4096];
        if (e->d_name[0] == '.') {
            continue;
        }
        (void)snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
        count = feed_file(name, is_varied) ? count + 1 : -1;
    }
    (void)closedir(d);
    return count;
}

int main(int argc, char **argv)
{
    bool is_varied = strcmp(argv[argc - 1], "--only-corpus") != 0;
    long count = 0;
    for (int i = 1; i < (is_varied ? argc : argc - 1); i++) {
        long n = feed_path(argv[i], is_varied);
        if (n < 0) {
            return 1;
        }
        count += n;
    }
    feed((const uint8_t *)"", 0);
    printf("%ld inputs\n", count);
    return count > 0 ? 0 : 1;
}
