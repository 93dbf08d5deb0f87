/* The doctor's rules on settings, ports and hosts: each is broken alone, and found alone. D16, D17, D18, D19, D24, D29, D34, D36. */
#include "main/doctor.h"
#include "main/self_signed.h"
#include "main/state.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct config *read_config(const char *text)
{
    char path[] = "/tmp/limetta-doctor-XXXXXX";
    struct config *c = NULL;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
    assert_int_equal(config_read(path, &c), ERR_OK);
    (void)unlink(path);
    return c;
}

/* A host with which nothing is wrong. */
static struct doctor_host make_host(void)
{
    return (struct doctor_host){
        .now_s = 1800000000,
        .is_clock_synchronised = true,
        .is_landlock_there = true,
        .descriptors = 1 << 20,
        .free_octets = UINT64_MAX,
        .free_inodes = UINT64_MAX,
    };
}

static void check(struct doctor *d)
{
    struct doctor_service services[DOCTOR_SERVICES_MOST];
    size_t count = doctor_list_services(d, services);
    doctor_check_ports(d, services, count);
    doctor_check_config(d);
    doctor_check_host(d);
}

/* Exactly one finding, of that rule and level. */
static void assert_found(const struct doctor *d, const char *rule, enum doctor_level level)
{
    if (d->findings.count != 1 || strcmp(d->findings.at[0].rule, rule) != 0) {
        for (size_t i = 0; i < d->findings.count; i++) {
            print_message("%s: %s\n", d->findings.at[i].rule, d->findings.at[i].text.p);
        }
        fail_msg("not %s alone", rule);
    }
    assert_int_equal(d->findings.at[0].level, level);
}

#define GOOD "tls = required\ndomains = \"a.example\"\n"

static void test_settings(void **state)
{
    static const struct {
        const char *text;
        const char *rule;
        enum doctor_level level;
    } ROWS[] = {
        {"tls = offered\ndomains = \"a.example\"\n", "tls-not-required", DOCTOR_WARNING},
        {"tls = required\n", "no-domains", DOCTOR_WARNING},
        {GOOD "plaintext_login = always\n", "plaintext-login", DOCTOR_ERROR},
        {GOOD "idle_timeout_s = 1800\nmax_idle_s = 0\n", "short-logout", DOCTOR_WARNING},
        {GOOD "max_idle_s = 1500\n", "chatty", DOCTOR_WARNING},
        {GOOD "max_idle_s = 28800\nidle_timeout_s = 40000\n", "long-idle", DOCTOR_NOTE},
        {GOOD "tcp_keepalive_s = 7200\n", "tcp-keepalive", DOCTOR_NOTE},
        {GOOD "time_unit_ms = 10\n", "test-setting", DOCTOR_ERROR},
        {GOOD "mx_port = 2525\n", "test-setting", DOCTOR_ERROR},
        {GOOD "mta_sts_port = 8443\n", "test-setting", DOCTOR_ERROR},
        {GOOD "mx_addresses = any\n", "test-setting", DOCTOR_ERROR},
        {GOOD "relay_host = r.example\nrelay_tls = offered\n", "relay-tls", DOCTOR_WARNING},
        {GOOD "relay_host = r.example\nrelay_tls = off\nrelay_password = x\n", "relay-tls",
         DOCTOR_ERROR},
        {GOOD "lmtp_listen = \"192.0.2.7\"\n", "lmtp-network", DOCTOR_NOTE},
        {GOOD "lmtp_listen = \"::\"\nlmtp_allow = \"0.0.0.0/0\"\n", "open-lmtp", DOCTOR_ERROR},
        {GOOD "ldap_url = \"ldap://l.example\"\nldap_starttls = no\n", "ldap-tls", DOCTOR_ERROR},
        {GOOD "oauth_introspection = \"https://i.example/\"\n", "any-token", DOCTOR_WARNING},
    };
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        struct config *c = read_config(ROWS[i].text);
        struct doctor d = {.config = c, .dir = "/nowhere", .host = make_host()};
        d.has_domains = config_get(c, CONFIG_domains).n > 0;
        check(&d);
        if (strcmp(ROWS[i].rule, "short-logout")
            == 0) { /* comes with the other end of the same setting */
            assert_int_equal(d.findings.count, 2);
            assert_string_equal(d.findings.at[1].rule, "long-idle");
            buf_release(&d.findings.at[1].text);
            d.findings.count--;
        }
        assert_found(&d, ROWS[i].rule, ROWS[i].level);
        doctor_release(&d);
        config_free(&c);
    }
}

static void test_nothing_wrong(void **state)
{
    struct config *c = read_config(GOOD);
    struct doctor d = {.config = c, .dir = "/nowhere", .has_domains = true, .host = make_host()};
    check(&d);
    assert_int_equal(d.findings.count, 0);
    doctor_release(&d);
    config_free(&c);
}

/* D29, D34: one service a port, and none on ports of others. An offset leads there, for the ports themselves are fixed. */
static void test_ports(void **state)
{
    static const struct {
        unsigned port;
        const char *rule;
        enum doctor_level level;
    } ROWS[] = {
        {80, "http-port", DOCTOR_ERROR},
        {443, "http-port", DOCTOR_ERROR},
        {8080, "http-port", DOCTOR_ERROR},
        {25, "port-25", DOCTOR_ERROR},
        {465, "implicit-tls-port", DOCTOR_WARNING},
        {993, "implicit-tls-port", DOCTOR_WARNING},
        {587, "shared-port", DOCTOR_ERROR},
    };
    struct config *c = read_config(GOOD);
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        struct doctor d = {.config = c, .dir = "/nowhere", .host = make_host()};
        const struct doctor_service services[] = {{"submission", 587, STR("::"), "", true},
                                                  {"IMAP", ROWS[i].port, STR("::"), "", true}};
        doctor_check_ports(&d, services, 2);
        assert_found(&d, ROWS[i].rule, ROWS[i].level);
        doctor_release(&d);
    }
    struct doctor d = {.config = c, .dir = "/nowhere", .offset = 300, .has_domains = true};
    d.host = make_host();
    check(&d); /* 143 + 300 = 443 */
    assert_int_equal(d.findings.count, 2);
    assert_string_equal(d.findings.at[0].rule, "http-port");
    assert_string_equal(d.findings.at[1].rule, "other-ports");
    doctor_release(&d);
    config_free(&c);
}

/* Where it listens: as it was started, else as the file says. */
static void test_addresses(void **state)
{
    static const struct {
        const char *file;
        const char *listen;
        const char *seen;
        const char *rule; /* thrice: of each service for clients */
    } ROWS[] = {
        {GOOD, "", "all addresses", NULL},
        {GOOD "listen = \"192.0.2.7 2001:db8::7\"\n", "", "192.0.2.7 2001:db8::7", NULL},
        {GOOD "listen = \"192.0.2.7\"\n", "127.0.0.1", "127.0.0.1", NULL},
        {GOOD, " ", "all addresses", NULL},
        {GOOD "listen = \"mail.example\"\n", "", "mail.example", "no-address"},
        {GOOD, "192.0.2.7 192.0.2.300", "192.0.2.7 192.0.2.300", "no-address"},
    };
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        struct config *c = read_config(ROWS[i].file);
        struct doctor d = {.config = c, .dir = "/nowhere", .has_domains = true};
        struct doctor_service services[DOCTOR_SERVICES_MOST];
        d.listen = str_from_c(ROWS[i].listen);
        d.host = make_host();
        size_t count = doctor_list_services(&d, services);
        assert_true(count >= 3);
        for (size_t k = 0; k < 3; k++) {
            assert_str(services[k].addresses, str_from_c(ROWS[i].seen));
        }
        doctor_check_ports(&d, services, count);
        assert_int_equal(d.findings.count, ROWS[i].rule == NULL ? 0 : 3);
        for (size_t k = 0; k < d.findings.count; k++) {
            assert_string_equal(d.findings.at[k].rule, ROWS[i].rule);
            assert_int_equal(d.findings.at[k].level, DOCTOR_ERROR);
        }
        doctor_release(&d);
        config_free(&c);
    }
}

/* Without a state folder that is what is said, once, and not that its certificate is missing; one elsewhere is looked for all the same. */
static void test_no_state(void **state)
{
    struct config *c = read_config(GOOD);
    struct doctor d = {.config = c, .dir = "/nowhere/at/all", .has_domains = true};
    d.host = make_host();
    doctor_check_tls(&d);
    doctor_check_files(&d);
    assert_found(&d, "no-state", DOCTOR_WARNING);
    doctor_release(&d);
    config_free(&c);
    c = read_config(GOOD "tls_cert = \"/nowhere/cert.pem\"\n");
    d.config = c;
    doctor_check_tls(&d);
    assert_found(&d, "no-tls", DOCTOR_ERROR);
    doctor_release(&d);
    d.dir = "/"; /* which is there */
    config_free(&c);
    c = read_config(GOOD);
    d.config = c;
    doctor_check_tls(&d);
    assert_found(&d, "no-tls", DOCTOR_ERROR);
    doctor_release(&d);
    config_free(&c);
}

/* A host without an edge has no clients: no certificate for them, no ports of theirs, no rules on their logins and silence. */
static void test_inside(void **state)
{
    struct config *c = read_config("roles = \"auth store convert\"\ndomains = \"a.example\"\n"
                                   "tls = offered\nmax_idle_s = 60\nlink_listen = \"192.0.2.7\"\n"
                                   "link \"dmz1\" { roles = \"edge submit\" }\n");
    struct doctor d = {.config = c, .dir = "/", .has_domains = true, .host = make_host()};
    d.offset = 10000;
    d.host.descriptors = 1024;
    check(&d);
    doctor_check_tls(&d);
    assert_int_equal(d.findings.count, 0);
    doctor_release(&d);
    config_free(&c);
}

/* Who listens: we when we run, nobody when we do not. */
static void test_listening(void **state)
{
    static const uint16_t ALL[] = {143, 587, 4190, 24, 9143};
    struct config *c = read_config(GOOD);
    struct doctor d = {.config = c, .dir = "/nowhere", .has_domains = true, .host = make_host()};
    d.host.is_running = true;
    d.host.listening = ALL;
    d.host.listening_count = 5;
    check(&d);
    assert_int_equal(d.findings.count, 0);
    d.host.listening = ALL + 1;
    d.host.listening_count = 4;
    check(&d);
    assert_found(&d, "port-closed", DOCTOR_ERROR);
    doctor_release(&d);
    d.host.is_running = false;
    d.host.listening = ALL;
    d.host.listening_count = 1;
    check(&d);
    assert_found(&d, "port-taken", DOCTOR_ERROR);
    doctor_release(&d);
    config_free(&c);
}

static void test_host(void **state)
{
    static const char *const RULES[] = {"clock-not-synchronised",
                                        "clock-jumped",
                                        "clock-jumped",
                                        "descriptors",
                                        "disk",
                                        "disk",
                                        "inodes",
                                        "no-landlock",
                                        "short-conntrack",
                                        "roles-as-root",
                                        "roles-as-nobody"};
    static const enum doctor_level LEVELS[] = {DOCTOR_WARNING, DOCTOR_WARNING, DOCTOR_WARNING,
                                               DOCTOR_WARNING, DOCTOR_WARNING, DOCTOR_ERROR,
                                               DOCTOR_WARNING, DOCTOR_WARNING, DOCTOR_ERROR,
                                               DOCTOR_ERROR,   DOCTOR_WARNING};
    struct config *c = read_config(GOOD);
    for (size_t i = 0; i < sizeof(RULES) / sizeof(RULES[0]); i++) {
        struct doctor_host h = make_host();
        h.is_clock_synchronised = i != 0;
        h.clock_off_s = i == 1 ? 3600 : i == 2 ? -5 : 1;
        h.descriptors = i == 3 ? 20100 : h.descriptors;
        h.free_octets = i == 4 ? 900 << 20 : i == 5 ? 1 << 20 : h.free_octets;
        h.free_inodes = i == 6 ? 12 : h.free_inodes;
        h.is_landlock_there = i != 7;
        h.conntrack_s = i == 8 ? 3600 : 7440;
        h.roles_as_root = i == 9 ? 2 : 0;
        h.roles_as_nobody = i == 10 ? 2 : 0;
        struct doctor d = {.config = c, .dir = "/nowhere", .has_domains = true, .host = h};
        check(&d);
        assert_found(&d, RULES[i], LEVELS[i]);
        doctor_release(&d);
    }
    config_free(&c);
}

/* A certificate that begins to count later than now. */
static void test_early(void **state)
{
    char dir[] = "/tmp/limetta-doctor-XXXXXX";
    char path[64];
    struct buf cert = BUF_INIT(65536);
    struct buf key = BUF_INIT(65536);
    struct config *c = read_config(GOOD "hostname = localhost\n");
    assert_non_null(mkdtemp(dir));
    assert_int_equal(self_signed_make(STR("localhost"), &cert, &key), ERR_OK);
    (void)snprintf(path, sizeof(path), "%s/tls-cert.pem", dir);
    assert_int_equal(state_write_file(path, buf_str(&cert), 0600), ERR_OK);
    (void)snprintf(path, sizeof(path), "%s/tls-key.pem", dir);
    assert_int_equal(state_write_file(path, buf_str(&key), 0600), ERR_OK);
    struct doctor d = {.config = c, .dir = dir, .host = make_host()};
    d.host.now_s = 1000000000;
    doctor_check_tls(&d);
    assert_int_equal(d.findings.count, 2);
    assert_string_equal(d.findings.at[0].rule, "self-signed");
    assert_string_equal(d.findings.at[1].rule, "certificate-early");
    doctor_release(&d);
    (void)unlink(path);
    (void)snprintf(path, sizeof(path), "%s/tls-cert.pem", dir);
    (void)unlink(path);
    (void)rmdir(dir);
    buf_release(&cert);
    buf_release(&key);
    config_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_wrong), cmocka_unit_test(test_settings),
        cmocka_unit_test(test_ports),         cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_no_state),      cmocka_unit_test(test_inside),
        cmocka_unit_test(test_listening),     cmocka_unit_test(test_host),
        cmocka_unit_test(test_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
