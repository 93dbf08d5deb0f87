/* Command lines.
 *
 * All programs read standard input, which is a file in memory (so that those that seek can), and write standard output. Those
 * that want a name are given /proc/self/fd/0. Formats are named wherever a program would guess: what guesses finds playlists
 * and scripts.
 *
 *   image  limetta-convert-image  built where libvips is; says itself which formats that reads
 *   office limetta-convert-office
 *   pdf    pdftotext (poppler-utils); pages: limetta-convert-image
 *   doc    catdoc, xls2csv, catppt (catdoc)
 *   sound  ffmpeg, with the encoders that it has */
#include "main/convert_tools.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define INPUT "/proc/self/fd/0"

static const char *const READS_NOTHING[] = {NULL};
static const char *const READS_FONTS[] = {
    "/usr/share/fonts",      "/usr/share/poppler",    "/etc/fonts",
    "/usr/share/fontconfig", "/var/cache/fontconfig", NULL};
static const char *const READS_CATDOC[] = {"/usr/share/catdoc", NULL};

/* Programs of the system. */
static const struct {
    enum convert_tool tool;
    const char *program;
    const char *needs; /* a word of `program -encoders`; NULL: to be there is enough */
} PROGRAMS[] = {
    {TOOL_PDF_TEXT, "/usr/bin/pdftotext", NULL},
    {TOOL_DOC, "/usr/bin/catdoc", NULL},
    {TOOL_XLS, "/usr/bin/xls2csv", NULL},
    {TOOL_PPT, "/usr/bin/catppt", NULL},
    {TOOL_MP3, "/usr/bin/ffmpeg", " libmp3lame "},
    {TOOL_AAC, "/usr/bin/ffmpeg", " aac "},
    {TOOL_AMR, "/usr/bin/ffmpeg", " libopencore_amrnb "},
    {TOOL_OPUS, "/usr/bin/ffmpeg", " libopus "},
};

enum { PROGRAM_COUNT = sizeof(PROGRAMS) / sizeof(PROGRAMS[0]), SAID_MOST = 64 * 1024 };

/* ---- probing ---- */

/* What a program prints; empty when it cannot be run. command: fixed words and our own folder. */
static void run_program(const char *command, struct buf *out)
{
    char piece[4096];
    FILE *f = popen(command, "re"); /* NOLINT(cert-env33-c): before anything of a peer's is there */
    if (f == NULL) {
        return;
    }
    for (size_t n; (n = fread(piece, 1, sizeof(piece), f)) > 0;) {
        buf_add(out, str_make(piece, n));
    }
    (void)pclose(f);
}

static bool has_word(const struct buf *said, const char *word)
{
    return str_find_str(buf_str(said), str_from_c(word)) < said->len;
}

static unsigned probe_own(const char *dir)
{
    char path[PATH_MAX + 64];
    unsigned tools = 0;
    struct buf said = BUF_INIT(SAID_MOST);
    (void)snprintf(path, sizeof(path), "%s/limetta-convert-office", dir);
    tools |= access(path, X_OK) == 0 ? 1U << TOOL_OFFICE : 0;
    (void)snprintf(path, sizeof(path), "%s/limetta-convert-image", dir);
    if (access(path, X_OK) == 0 && strchr(path, '\'') == NULL) {
        (void)snprintf(path, sizeof(path), "'%s/limetta-convert-image' formats 2>/dev/null", dir);
        run_program(path, &said);
    }
    tools |= has_word(&said, " jpeg ") ? 1U << TOOL_IMAGE : 0;
    tools |= has_word(&said, " heif ") ? 1U << TOOL_HEIF : 0;
    tools |= has_word(&said, " pdf ") ? 1U << TOOL_PDF_IMAGE : 0;
    buf_release(&said);
    return tools;
}

unsigned convert_tools_probe(const char *dir)
{
    unsigned tools = probe_own(dir);
    struct buf encoders = BUF_INIT(SAID_MOST);
    if (access("/usr/bin/ffmpeg", X_OK) == 0) {
        run_program("/usr/bin/ffmpeg -hide_banner -encoders 2>/dev/null </dev/null", &encoders);
    }
    for (size_t i = 0; i < PROGRAM_COUNT; i++) {
        bool is_there = PROGRAMS[i].needs == NULL ? access(PROGRAMS[i].program, X_OK) == 0
                                                  : has_word(&encoders, PROGRAMS[i].needs);
        tools |= is_there ? 1U << PROGRAMS[i].tool : 0;
    }
    buf_release(&encoders);
    return tools;
}

/* ---- command lines ---- */

struct writer {
    struct tool_command *out;
    size_t count;
};

static void add(struct writer *w, const char *word)
{
    if (w->count < TOOL_ARGS_MOST) {
        w->out->argv[w->count++] = word;
        w->out->argv[w->count] = NULL;
    }
}

static void add_all(struct writer *w, const char *const *words)
{
    for (size_t i = 0; words[i] != NULL; i++) {
        add(w, words[i]);
    }
}

static void add_str(struct writer *w, struct str s)
{
    char *word = w->out->words[w->count < TOOL_ARGS_MOST ? w->count : 0];
    (void)snprintf(word, TOOL_WORD_MOST, "%.*s", STR_ARG(s));
    add(w, word);
}

static void add_u64(struct writer *w, uint64_t v)
{
    char *word = w->out->words[w->count < TOOL_ARGS_MOST ? w->count : 0];
    (void)snprintf(word, TOOL_WORD_MOST, "%llu", (unsigned long long)v);
    add(w, word);
}

static void write_image(struct writer *w, const struct tool_task *t)
{
    const struct convert_settings *s = t->settings;
    const uint64_t numbers[] = {s->pix_x,   s->pix_y, s->resize, s->size,
                                s->quality, s->depth, s->page,   t->pixels};
    add_str(w, t->from);
    add_str(w, t->to);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        add_u64(w, numbers[i]);
    }
}

static void write_pdf_text(struct writer *w, const struct convert_settings *s)
{
    static const char *const WORDS[] = {"-q", "-enc", "UTF-8", "-eol", "unix", NULL};
    add_all(w, WORDS);
    if (s->page > 0) {
        add(w, "-f");
        add_u64(w, s->page);
        add(w, "-l");
        add_u64(w, s->page);
    }
    add(w, "-");
    add(w, "-");
}

static void write_audio(struct writer *w, enum convert_tool tool)
{
    static const char *const BEGINNING[] = {
        "-nostdin",
        "-v",
        "error",
        "-protocol_whitelist",
        "file,pipe",
        "-format_whitelist",
        "mp3,mov,aac,amr,amrnb,amrwb,ogg,wav,flac,au,matroska,webm",
        "-i",
        "file:" INPUT,
        "-vn",
        "-map_metadata",
        "-1",
        "-fflags",
        "+bitexact",
        "-flags:a",
        "+bitexact",
        NULL};
    static const char *const MP3[] = {"-c:a", "libmp3lame", "-b:a", "64k",    "-write_xing",
                                      "0",    "-f",         "mp3",  "pipe:1", NULL};
    static const char *const AAC[] = {"-c:a", "aac", "-b:a", "64k", "-f", "adts", "pipe:1", NULL};
    static const char *const AMR[] = {"-c:a",   "libopencore_amrnb",
                                      "-ar",    "8000",
                                      "-ac",    "1",
                                      "-b:a",   "12.2k",
                                      "-f",     "amr",
                                      "pipe:1", NULL};
    static const char *const OPUS[] = {"-c:a", "libopus", "-b:a",   "32k",
                                       "-f",   "ogg",     "pipe:1", NULL};
    add_all(w, BEGINNING);
    add_all(w, tool == TOOL_MP3 ? MP3 : tool == TOOL_AAC ? AAC : tool == TOOL_AMR ? AMR : OPUS);
}

/* Where the program is: one of the system's, or beside us. */
static void find_program(enum convert_tool tool, const char *dir, char out[PATH_MAX])
{
    const char *name = tool == TOOL_OFFICE ? "limetta-convert-office" : "limetta-convert-image";
    (void)snprintf(out, PATH_MAX, "%.*s/%s", PATH_MAX - 32, dir, name);
    for (size_t i = 0; i < PROGRAM_COUNT; i++) {
        if (PROGRAMS[i].tool == tool) {
            (void)snprintf(out, PATH_MAX, "%s", PROGRAMS[i].program);
        }
    }
}

void convert_tools_write(const struct tool_task *task, const char *dir, struct tool_command *out)
{
    static const char *const DOC[] = {"-dutf-8", "-w", NULL};
    static const char *const SHEETS[] = {"-dutf-8", INPUT, NULL};
    struct writer w = {.out = out};
    out->reads = READS_NOTHING;
    find_program(task->tool, dir, out->program);
    add(&w, out->program);
    switch ((int)task->tool) {
    case TOOL_PDF_IMAGE:
        out->reads = READS_FONTS;
        write_image(&w, task);
        break;
    case TOOL_IMAGE:
    case TOOL_HEIF:
        write_image(&w, task);
        break;
    case TOOL_PDF_TEXT:
        out->reads = READS_FONTS;
        write_pdf_text(&w, task->settings);
        break;
    case TOOL_OFFICE:
        add_str(&w, task->from);
        break;
    case TOOL_DOC:
    case TOOL_XLS:
    case TOOL_PPT:
        out->reads = READS_CATDOC;
        add_all(&w, task->tool == TOOL_DOC ? DOC : SHEETS);
        break;
    default:
        write_audio(&w, task->tool);
        break;
    }
}
