/* Fuzzes sieve/script: any octets compile or are refused with words in UTF-8 and a line of the script; what compiles once
 * compiles again. */
#include "fuzz.h"

#include "base/utf8.h"
#include "sieve/script.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make((const char *)data, size);
    struct sieve_script *first = NULL;
    struct sieve_script *second = NULL;
    struct sieve_error error = {.line = 0};
    struct sieve_config config = {.has_imap_events = true};
    uint32_t lines = 1;
    for (size_t i = 0; i < size; i++) {
        lines += data[i] == '\n';
    }
    if (sieve_compile(text, &config, &first, &error) != ERR_OK) {
        assert(first == NULL);
        assert(error.text[0] != '\0' && error.line <= lines);
        return 0;
    }
    struct buf words = BUF_INIT(4096);
    struct buf again = BUF_INIT(4096);
    assert(sieve_compile(text, &config, &second, &error) == ERR_OK);
    sieve_script_write_extensions(first, &words);
    sieve_script_write_extensions(second, &again);
    assert(str_eq(buf_str(&words), buf_str(&again)));
    buf_release(&words);
    buf_release(&again);
    sieve_script_free(&first);
    sieve_script_free(&second);
    return 0;
}
