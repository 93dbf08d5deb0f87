/* limetta.conf: what is refused says where and why; what the pages say is what the table says. */
#include "main/config.h"

#include "net/fields.h"

#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/config-XXXXXX";
static char path[64];
static char errors[64];

static void write_config(const char *octets)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    (void)fputs(octets, f);
    (void)fclose(f);
}

static void read_text(const char *from, struct buf *out)
{
    char part[4096];
    size_t n;
    FILE *f = fopen(from, "r");
    if (f == NULL) {
        fail_msg("cannot read %s", from);
        return;
    }
    while ((n = fread(part, 1, sizeof(part), f)) > 0) {
        buf_add(out, str_make(part, n));
    }
    (void)fclose(f);
}

/* Reads the configuration with standard error going to a file, whose text is appended to said. */
static enum err read_config(struct config **c, struct buf *said)
{
    (void)fflush(stderr);
    int old = dup(STDERR_FILENO);
    int fd = open(errors, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(old >= 0 && fd >= 0);
    (void)dup2(fd, STDERR_FILENO);
    enum err e = config_read(path, c);
    (void)fflush(stderr);
    (void)dup2(old, STDERR_FILENO);
    (void)close(old);
    (void)close(fd);
    read_text(errors, said);
    return e;
}

static void test_refused(void **state)
{
    static const struct {
        const char *config;
        const char *says; /* after "limetta: PATH:" */
    } CASES[] = {
        {"no_such = 1\n",
         "1: there is no setting called no_such; limetta.conf(5) lists them all\n"},
        {"\n\nworkers = 0\n", "3: workers must be a number from 1 to 64\n"},
        {"workers = \"8 \"\n", "1: workers must be a number from 1 to 64\n"},
        {"workers = -1\n", "1: workers must be a number from 1 to 64\n"},
        {"workers = 99999999999999999999\n", "1: workers must be a number from 1 to 64\n"},
        {"# comment\ntls = maybe\n", "2: tls must be one of: off offered required\n"},
        {"relay_password = '#' # one\nrelay_password = \"\\\"#\" # two\n\nfoo = 1\n",
         "4: there is no setting called foo; limetta.conf(5) lists them all\n"},
        {"tls = \"\"\n", "1: tls must be one of: off offered required\n"},
        {"tls = \"off offered\"\n", "1: tls must be one of: off offered required\n"},
        {"tls_self_signed = true\n", "1: tls_self_signed must be yes or no\n"},
        {"tls_cert = cert.pem\n", "1: tls_cert must be a path that begins with /\n"},
        {"hostname = \"a b\"\n", "1: hostname must be one word without spaces\n"},
        {"relay_password = \"a\\nb\"\n",
         "1: relay_password must be one line of at most 4096 octets\n"},
        {"burl \"imap.example.org\" {\n tls = maybe\n}\n",
         "2: tls must be one of: required immediate off\n"},
        {"burl \"imap.example.org\" {\n port = 0\n}\n",
         "2: port must be a number from 1 to 65535\n"},
        {"burl \"imap.example.org\" {\n workers = 2\n}\n",
         "2: there is no setting called workers; limetta.conf(5) lists them all\n"},
        {"burl \"imap.example.org\" {\n}\n", "2: burl \"imap.example.org\" needs a password\n"},
        {"burl \"[::1]\" { password = x }\n",
         "1: burl must be followed by a host name in quotes\n"},
        {"burl \"a.\" { password = x }\n", "1: burl must be followed by a host name in quotes\n"},
        {"burl \"\" { password = x }\n", "1: burl must be followed by a host name in quotes\n"},
        {"link \"inside\" {\n port = 0\n}\n", "2: port must be a number from 1 to 65535\n"},
        {"link \"inside\" {\n password = x\n}\n",
         "2: there is no setting called password; limetta.conf(5) lists them all\n"},
        {"link \"inside\" {\n}\n", "2: link \"inside\" needs roles\n"},
        {"link \"in side\" { roles = auth }\n",
         "1: link must be followed by a host's name in quotes\n"},
        {"tls = off\nrelay_host = { a, b }\n",
         "2: several words stand in one pair of quotes, as in \"a b\"\n"},
        {"tls = off\nlink \"inside\" {\n roles = auth # }\n",
         "2: this section has no } at its end\n"},
        {"burl \"a.b\" {\n password = '}'\n", "1: this section has no } at its end\n"},
        {"domains = \"a b\n", "2: the file ends within a value: is a quote missing?\n"},
        {"\033[2J\377 = 1\n",
         "1: there is no setting called ?[2J?; limetta.conf(5) lists them all\n"},
        {"port = 143\n", "1: there is no setting called port; limetta.conf(5) lists them all\n"},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct config *c = NULL;
        struct buf said = BUF_INIT(8192);
        struct buf want = BUF_INIT(8192);
        write_config(CASES[i].config);
        assert_int_equal(read_config(&c, &said), ERR_SYNTAX);
        assert_null(c);
        buf_addf(&want, "limetta: %s:%s", path, CASES[i].says);
        assert_str(buf_str(&said), buf_str(&want));
        buf_release(&said);
        buf_release(&want);
    }
}

static void test_broken_syntax(void **state)
{
    static const char *const CASES[] = {"workers", "workers =",     "= 4",      "workers = 4 5",
                                        "{",       "workers = 4 }", "\xff\xfe", "tls = \"off"};
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct config *c = NULL;
        struct buf said = BUF_INIT(8192);
        write_config(CASES[i]);
        assert_int_equal(read_config(&c, &said), ERR_SYNTAX);
        assert_true(said.len > 0);
        buf_release(&said);
    }
}

static void test_missing_file(void **state)
{
    struct config *c = NULL;
    struct buf said = BUF_INIT(8192);
    (void)unlink(path);
    assert_int_equal(read_config(&c, &said), ERR_NOT_FOUND);
    assert_true(str_find_str(buf_str(&said), STR("cannot read")) < said.len);
    buf_release(&said);
}

static void test_values(void **state)
{
    struct config *c = NULL;
    struct buf said = BUF_INIT(8192);
    write_config("# ours\nworkers = 8\nmessage_most = \"2000000\"\ntls = required\n"
                 "domains = \"example.org example.net\"\ntls_self_signed = yes\n"
                 "relay_password = 'a # b'\nlog_level = info\nlog_level = debug\n");
    assert_int_equal(read_config(&c, &said), ERR_OK);
    assert_int_equal(said.len, 0);
    assert_int_equal(config_get_u64(c, CONFIG_workers), 8);
    assert_int_equal(config_get_u64(c, CONFIG_message_most), 2000000);
    assert_str(config_get(c, CONFIG_tls), STR("required"));
    assert_str(config_get(c, CONFIG_domains), STR("example.org example.net"));
    assert_str(config_get(c, CONFIG_relay_password), STR("a # b"));
    assert_str(config_get(c, CONFIG_log_level), STR("debug"));
    assert_true(config_is_on(c, CONFIG_tls_self_signed));
    assert_str(config_get(c, CONFIG_plaintext_login), STR("loopback"));
    assert_int_equal(config_get_u64(c, CONFIG_relay_port), 587); /* D4 */
    config_free(&c);
}

/* X-BURL-HOSTS, S-15: stores that BURL fetches from, by name, identity and password; "submit" unless said otherwise. */
static void test_burl(void **state)
{
    struct config *c = NULL;
    struct buf said = BUF_INIT(8192);
    struct buf octets = BUF_INIT(8192);
    buf_addf(&octets,
             "burl \"imap.example.org\" { password = 'a # b' }\n"
             "burl imap.example.com {\n port = 993\n tls = immediate\n user = fetch\n"
             " password = \"c\"\n address = 192.0.2.1\n ca_file = %s\n}\n",
             path);
    write_config(octets.p);
    assert_int_equal(read_config(&c, &said), ERR_OK);
    assert_int_equal(said.len, 0);
    struct fields f;
    assert_int_equal(fields_parse(config_get_burl(c, 0), &f), ERR_OK);
    assert_str(fields_get(&f, STR("host")), STR("imap.example.org"));
    assert_int_equal(fields_get_u64(&f, STR("port"), 0), 143);
    assert_str(fields_get(&f, STR("tls")), STR("required"));
    assert_str(fields_get(&f, STR("user")), STR("submit"));
    assert_str(fields_get(&f, STR("password")), STR("a # b"));
    assert_false(fields_has(&f, STR("ca")));
    fields_release(&f);
    assert_int_equal(fields_parse(config_get_burl(c, 1), &f), ERR_OK);
    assert_str(fields_get(&f, STR("host")), STR("imap.example.com"));
    assert_int_equal(fields_get_u64(&f, STR("port"), 0), 993);
    assert_str(fields_get(&f, STR("tls")), STR("immediate"));
    assert_str(fields_get(&f, STR("user")), STR("fetch"));
    assert_str(fields_get(&f, STR("password")), STR("c"));
    assert_str(fields_get(&f, STR("address")), STR("192.0.2.1"));
    assert_str(fields_get(&f, STR("ca")), buf_str(&octets));
    fields_release(&f);
    assert_int_equal(config_get_burl(c, 2).n, 0);
    config_free(&c);
    write_config("burl x { password = y\n ca_file = /nowhere/ca.pem\n}\n");
    assert_int_equal(read_config(&c, &said), ERR_SYNTAX);
    assert_true(str_find_str(buf_str(&said), STR("cannot read ca_file /nowhere/ca.pem"))
                < said.len);
    buf_release(&said);
    buf_release(&octets);
}

/* Every default stands its own check. */
static void test_defaults(void **state)
{
    struct config *c = NULL;
    struct buf said = BUF_INIT(8192);
    struct buf octets = BUF_INIT(65536);
    for (unsigned i = 0; i < CONFIG_COUNT; i++) {
        const struct config_key *k = config_get_key((enum config_id)i);
        if (k->fallback[0] != '\0') {
            buf_addf(&octets, "%s = \"%s\"\n", k->name, k->fallback);
        }
    }
    write_config(octets.p);
    assert_int_equal(read_config(&c, &said), ERR_OK);
    config_free(&c);
    buf_release(&octets);
}

static void expect_in(const struct buf *page, const struct buf *line, const char *name)
{
    if (str_find_str(buf_str(page), buf_str(line)) >= page->len) {
        fail_msg("%s: not found: %s", name, line->p);
    }
}

static void expect_key(const struct config_key *k, const char *indent, const struct buf *page,
                       const struct buf *sample, const struct buf *man)
{
    struct buf line = BUF_INIT(4096);
    if (k->type == CONFIG_NUMBER) {
        buf_addf(&line, "| `%s` | %s | %llu to %llu%s%s | %s |", k->name, k->fallback,
                 (unsigned long long)k->least, (unsigned long long)k->most,
                 k->choices[0] != '\0' ? ", or " : "", k->choices, k->help);
    } else {
        buf_addf(&line, "| `%s` | %s | %s | %s |", k->name, k->fallback,
                 k->type == CONFIG_CHOICE   ? k->choices
                 : k->type == CONFIG_SWITCH ? "yes no"
                                            : "",
                 k->help);
    }
    expect_in(page, &line, "docs/configuration.md");
    buf_clear(&line);
    buf_addf(&line, "\n# %s%s\n", indent, k->help);
    expect_in(sample, &line, "etc/limetta.conf");
    buf_clear(&line);
    buf_addf(&line, "\n# %s%s = ", indent, k->name);
    expect_in(sample, &line, "etc/limetta.conf");
    buf_clear(&line);
    buf_addf(&line, ".It Cm %s", k->name);
    expect_in(man, &line, "limetta.conf.5");
    buf_release(&line);
}

/* docs/configuration.md, etc/limetta.conf and limetta.conf(5) name every setting with its default and range. */
static void test_pages(void **state)
{
    struct buf page = BUF_INIT(1 << 20);
    struct buf sample = BUF_INIT(1 << 20);
    struct buf man = BUF_INIT(1 << 20);
    read_text(LIMETTA_SOURCE "/docs/configuration.md", &page);
    read_text(LIMETTA_SOURCE "/etc/limetta.conf", &sample);
    read_text(LIMETTA_SOURCE "/docs/man/limetta.conf.5", &man);
    for (unsigned i = 0; i < CONFIG_COUNT; i++) {
        expect_key(config_get_key((enum config_id)i), "", &page, &sample, &man);
    }
    for (size_t i = 0; config_find_burl_key(i) != NULL; i++) {
        expect_key(config_find_burl_key(i), "    ", &page, &sample, &man);
    }
    for (size_t i = 0; config_find_link_key(i) != NULL; i++) {
        expect_key(config_find_link_key(i), "    ", &page, &sample, &man);
    }
    buf_release(&page);
    buf_release(&sample);
    buf_release(&man);
}

static int set_up(void **state)
{
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof(path), "%s/limetta.conf", folder);
    (void)snprintf(errors, sizeof(errors), "%s/errors", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)unlink(path);
    (void)unlink(errors);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused), cmocka_unit_test(test_broken_syntax),
        cmocka_unit_test(test_values),  cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_burl),    cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_pages),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
