/* Rules on the host: clock, descriptors, disk, kernel, firewall. The facts come from the kernel and from the running server, in one
 * struct, so that tests bring facts of their own. */
#include "main/doctor.h"
#include "main/desk.h"
#include "main/control.h"
#include "tools/desk_link.h"

#include <inttypes.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

enum {
    CLOCK_OFF_S = 2,
    DESCRIPTORS_SPARE = 256,
    FREE_LEAST = 64 << 20,
    FREE_LITTLE = 1 << 30,
    INODES_LITTLE = 10000,
    CONNTRACK_LEAST_S = 7440, /* RFC 5382, REQ-5 */
    LINE_MOST = 512
};

/* ---- rules ---- */

static void check_clock(struct doctor *d)
{
    const struct doctor_host *h = &d->host;
    if (!h->is_clock_synchronised) {
        doctor_say(
            d, DOCTOR_WARNING, "clock-not-synchronised",
            "the kernel's clock is not held by NTP: tickets, certificates and retries depend on "
            "it");
    }
    if (h->clock_off_s > CLOCK_OFF_S || h->clock_off_s < -CLOCK_OFF_S) {
        doctor_say(d, DOCTOR_WARNING, "clock-jumped",
                   "the clock was moved by %lld s since the server started",
                   (long long)h->clock_off_s);
    }
}

static void check_descriptors(struct doctor *d)
{
    uint64_t most = config_get_u64(d->config, CONFIG_connections_most);
    if (doctor_has_role(d, STR("edge")) && d->host.descriptors < most + DESCRIPTORS_SPARE) {
        doctor_say(d, DOCTOR_WARNING, "descriptors",
                   "a process may have %" PRIu64 " descriptors, connections_most = %" PRIu64
                   " needs %" PRIu64 "; raise the limit (LimitNOFILE=), or lower the setting",
                   d->host.descriptors, most, most + DESCRIPTORS_SPARE);
    }
}

static void check_user(struct doctor *d)
{
    if (d->host.roles_as_root > 0) {
        doctor_say(d, DOCTOR_ERROR, "roles-as-root",
                   "%" PRIu64
                   " roles run as root: the setting user, or a folder above the state folder, "
                   "keeps them from becoming somebody else",
                   d->host.roles_as_root);
    }
    if (d->host.roles_as_nobody > 0) {
        doctor_say(d, DOCTOR_WARNING, "roles-as-nobody",
                   "%" PRIu64
                   " roles run as nobody, and so may other programs, which can then read mail: "
                   "make a system user limetta, and restart",
                   d->host.roles_as_nobody);
    }
}

static void check_disk(struct doctor *d)
{
    uint64_t octets = d->host.free_octets;
    if (octets < FREE_LITTLE) {
        doctor_say(d, octets < FREE_LEAST ? DOCTOR_ERROR : DOCTOR_WARNING, "disk",
                   "%" PRIu64 " MiB are left where the state folder is", octets >> 20);
    }
    if (d->host.free_inodes < INODES_LITTLE) {
        doctor_say(d, DOCTOR_WARNING, "inodes",
                   "%" PRIu64 " files can still be made where the state "
                   "folder is",
                   d->host.free_inodes);
    }
}

void doctor_check_host(struct doctor *d)
{
    check_clock(d);
    check_descriptors(d);
    check_disk(d);
    if (!d->host.is_landlock_there) {
        doctor_say(d, DOCTOR_WARNING, "no-landlock",
                   "this kernel has no Landlock: roles are held by their user and seccomp alone");
    }
    if (d->host.conntrack_s > 0 && d->host.conntrack_s < CONNTRACK_LEAST_S) {
        doctor_say(
            d, DOCTOR_ERROR, "short-conntrack",
            "this host's firewall forgets silent connections after %" PRIu64
            " s: nf_conntrack_tcp_timeout_established must be 7440 or more (RFC 5382, REQ-5)",
            d->host.conntrack_s);
    }
    check_user(d);
}

/* ---- facts ---- */

/* The number behind key in a file of lines "key number", or of one number (key NULL); fallback: none. */
static uint64_t read_number(const char *path, const char *key, uint64_t fallback)
{
    char line[LINE_MOST];
    uint64_t value = fallback;
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return fallback;
    }
    while (fgets(line, sizeof(line), f) != NULL) {
        struct str rest = str_from_c(line);
        if (key != NULL && !str_starts(rest, str_from_c(key))) {
            continue;
        }
        rest = str_trim(str_skip(rest, key != NULL ? strlen(key) : 0));
        while (rest.n > 0 && (rest.p[0] == ' ' || rest.p[0] == '\t')) {
            rest = str_skip(rest, 1);
        }
        size_t n = 0;
        while (n < rest.n && rest.p[n] >= '0' && rest.p[n] <= '9') {
            n++;
        }
        (void)str_to_u64(str_sub(rest, 0, n), UINT64_MAX, &value);
        break;
    }
    (void)fclose(f);
    return value;
}

static struct str next_word(struct str *line)
{
    while (line->n > 0 && line->p[0] == ' ') {
        *line = str_skip(*line, 1);
    }
    return str_split(line, ' ');
}

/* Four or fewer hexadecimal digits. */
static unsigned read_hex(struct str digits)
{
    static const char HEX[] = "0123456789ABCDEF";
    unsigned value = 0;
    for (size_t i = 0; i < digits.n && i < 4; i++) {
        const char *at = strchr(HEX, digits.p[i]);
        value = value * 16 + (at == NULL ? 0 : (unsigned)(at - HEX));
    }
    return value;
}

/* Ports in state LISTEN (0A): "  0: 0100007F:1F90 00000000:0000 0A ...". */
static size_t read_listening(const char *path, uint16_t *ports, size_t count)
{
    char text[LINE_MOST];
    FILE *f = fopen(path, "re");
    while (f != NULL && count < DOCTOR_PORTS_MOST && fgets(text, sizeof(text), f) != NULL) {
        struct str line = str_from_c(text);
        (void)next_word(&line); /* its number */
        struct str local = next_word(&line);
        (void)next_word(&line); /* the other end */
        if (str_eq(next_word(&line), STR("0A"))) {
            ports[count++] = (uint16_t)read_hex(str_skip(local, str_find_char(local, ':') + 1));
        }
    }
    if (f != NULL) {
        (void)fclose(f);
    }
    return count;
}

static bool has_landlock(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

static bool is_synchronised(void)
{
    struct timex t = {.modes = 0};
    int state = adjtimex(&t);
    return state >= 0 && state != TIME_ERROR && (t.status & STA_UNSYNC) == 0;
}

/* Seconds since the system started, with sleep. */
static double get_uptime_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* When a process started, in seconds since the system did: field 22 of /proc/PID/stat, in ticks. */
static bool get_start_s(uint64_t pid, double *out)
{
    char path[64];
    char text[LINE_MOST] = "";
    (void)snprintf(path, sizeof(path), "/proc/%" PRIu64 "/stat", pid);
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return false;
    }
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    (void)fclose(f);
    text[n] = '\0';
    struct str rest = str_from_c(text);
    rest = str_skip(rest, str_find_last_char(rest, ')') + 2);
    uint64_t ticks = 0;
    for (int field = 3; field < 22; field++) {
        (void)str_split(&rest, ' ');
    }
    bool is_there = str_to_u64(str_split(&rest, ' '), UINT64_MAX, &ticks);
    *out = (double)ticks / (double)sysconf(_SC_CLK_TCK);
    return is_there;
}

/* How far the wall clock is from where it would be had nobody moved it since the process started at since_ms. */
static int64_t get_clock_off_s(uint64_t pid, uint64_t since_ms, int64_t now_s)
{
    double start_s = 0;
    if (!get_start_s(pid, &start_s)) {
        return 0;
    }
    double lived_s = get_uptime_s() - start_s;
    return (int64_t)((double)now_s - (double)since_ms / 1000 - lived_s);
}

static void take_block(const struct fields *f, struct doctor_host *h)
{
    char path[64];
    struct stat st;
    struct str type = fields_get(f, STR("type"));
    uint64_t pid = fields_get_u64(f, STR("pid"), 0);
    (void)snprintf(path, sizeof(path), "/proc/%" PRIu64, pid);
    if (str_eq(type, STR("server"))) {
        h->is_running = true;
        h->clock_off_s = get_clock_off_s(pid, fields_get_u64(f, STR("since"), 0), h->now_s);
    } else if (str_eq(fields_get(f, STR("role")), STR("edge")) && pid > 0) {
        (void)snprintf(path, sizeof(path), "/proc/%" PRIu64 "/limits", pid);
        h->descriptors = read_number(path, "Max open files", h->descriptors);
        (void)snprintf(path, sizeof(path), "/proc/%" PRIu64, pid);
    }
    if (str_eq(type, STR("role")) && pid > 0 && stat(path, &st) == 0) {
        const struct passwd *nobody = getpwnam("nobody");
        h->roles_as_root += st.st_uid == 0 ? 1 : 0;
        h->roles_as_nobody += nobody != NULL && st.st_uid == nobody->pw_uid ? 1 : 0;
    }
}

static void ask_server(const char *state, struct doctor_host *h)
{
    CLEANUP(buf_release) struct buf answer = BUF_INIT(DESK_ANSWER_MOST);
    struct fields f;
    int fd = desk_link_open(state, "control");
    if (fd < 0) {
        return;
    }
    if (desk_link_ask(fd, STR("op=status\n"), &answer) == ERR_OK) {
        struct str rest = buf_str(&answer);
        while (desk_link_next(&rest, &f)) {
            take_block(&f, h);
            fields_release(&f);
        }
    }
    (void)close(fd);
}

void doctor_read_host(const char *state, uint16_t ports[DOCTOR_PORTS_MOST], struct doctor_host *out)
{
    struct rlimit limit = {.rlim_max = 0};
    struct statvfs disk;
    *out = (struct doctor_host){.now_s = (int64_t)time(NULL), .listening = ports};
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    out->descriptors = limit.rlim_max;
    out->is_clock_synchronised = is_synchronised();
    out->is_landlock_there = has_landlock();
    out->free_octets = UINT64_MAX;
    out->free_inodes = UINT64_MAX;
    if (statvfs(state, &disk) == 0) {
        out->free_octets = (uint64_t)disk.f_bavail * disk.f_frsize;
        out->free_inodes = disk.f_files == 0 ? UINT64_MAX : disk.f_favail;
    }
    out->conntrack_s =
        read_number("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established", NULL, 0);
    out->listening_count = read_listening("/proc/net/tcp", ports, 0);
    out->listening_count = read_listening("/proc/net/tcp6", ports, out->listening_count);
    ask_server(state, out);
}
