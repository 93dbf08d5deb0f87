"""GET /metrics: strict OpenMetrics, every family documented, a dashboard and alerts that use nothing else, read by a real Prometheus."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.parse
import urllib.request

from lib.check import Skip, contains, equal, eventually, limetta_only, matches, true
from lib.servers import PASSWORD, TOP, free_offset
from lib.wire import Imap, context_for, open_imap, open_smtp, plain

PROMETHEUS = os.path.join(TOP, 'build', 'peers', 'prometheus', 'usr', 'bin')
PARSER = '''
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
print(json.dumps([[f.name, f.type, f.unit, [[s.name, s.labels, s.value] for s in f.samples]]
                  for f in text_string_to_metric_families(sys.stdin.read())]))
'''


def read(server):
    with urllib.request.urlopen(f'http://127.0.0.1:{9143 + server.offset}/metrics', timeout=60) as r:
        contains(r.headers['Content-Type'], 'application/openmetrics-text; version=1.0.0')
        return r.read().decode()


def parse(text):
    """Families by name, by the parser of Debian's python3-prometheus-client, which believes nothing."""
    r = subprocess.run(['/usr/bin/python3', '-c', PARSER], input=text.encode(), capture_output=True, check=False)
    if b'ModuleNotFoundError' in r.stderr:
        raise Skip("Debian's python3-prometheus-client is not there")
    true(r.returncode == 0, f'{r.stderr.decode()[-500:]}\n{text}')
    return {name: (kind, unit, samples) for name, kind, unit, samples in json.loads(r.stdout)}


def get(server, sample, **labels):
    """The sum of the samples of that name with these labels."""
    return sum(value for _, _, samples in parse(read(server)).values() for name, has, value in samples
               if name == sample and all(has.get(k) == v for k, v in labels.items()))


def use(server):
    """A little of everything, so that every family has samples."""
    c = open_imap(server, 'alice', PASSWORD)
    for line in ('SELECT INBOX', 'LIST "" *', 'SEARCH ALL', 'NOOP'):
        c.command(line)
    smtp = open_smtp(server, 'alice', PASSWORD, True)
    return c, smtp


@limetta_only
def test_strict(make):
    with make() as s:
        clients = use(s)
        eventually(lambda: get(s, 'limetta_command_seconds_count') >= 4, 'commands are counted')
        families = parse(read(s))
        for name, (kind, unit, samples) in families.items():
            true(samples, f'{name} has no sample')
            true(not unit or name.endswith('_' + unit), f'{name}: unit {unit}')
            if kind == 'counter':
                true(all(n == name + '_total' for n, _, _ in samples), name)
        kind, _, samples = families['limetta_command_seconds']
        equal(kind, 'histogram')
        groups = {labels['command'] for _, labels, _ in samples}
        true({'select', 'list', 'search', 'other'} <= groups, groups)
        for c in clients:
            c.close()


@limetta_only
def test_documented(make):
    """docs/metrics.md lists what there is, with its type and labels, and nothing else."""
    with make() as s:
        clients = use(s)
        eventually(lambda: get(s, 'limetta_command_seconds_count') >= 4, 'commands are counted')
        with open(os.path.join(TOP, 'docs', 'metrics.md')) as f:
            rows = re.findall(r'^\| `(limetta_\w+)` \| (\w+) \| (.*?) \|', f.read(), re.M)
        told = {name: (kind, set(re.findall(r'`(\w+)`', labels.split(':')[0]))) for name, kind, labels in rows}
        real = {name: (kind, {l for _, labels, _ in samples for l in labels} - {'le'})
                for name, (kind, _, samples) in parse(read(s)).items()}
        equal({n: (k, sorted(l)) for n, (k, l) in told.items()}, {n: (k, sorted(l)) for n, (k, l) in real.items()})
        for c in clients:
            c.close()


@limetta_only
def test_counts(make):
    """What clients do is what is counted."""
    with make() as s:
        stranger = Imap(s.host, s.imap_port)
        c = open_imap(s, 'alice', PASSWORD)
        bad = Imap(s.host, s.imap_port)
        bad.command('STARTTLS')
        bad.start_tls(context_for(s.cert))
        bad.command(f'AUTHENTICATE PLAIN {plain("alice", "wrong")}', must_be_ok=False)
        no_tls = Imap(s.host, s.imap_port)
        no_tls.command('STARTTLS')
        no_tls.socket.sendall(b'this is no TLS at all\r\n' * 10)
        for sample, labels, value in (
                ('limetta_sessions', {'service': 'imap', 'state': 'live'}, 1),
                ('limetta_sessions_opened_total', {'service': 'imap'}, 1),
                ('limetta_logins_total', {'result': 'succeeded'}, 1),
                ('limetta_logins_total', {'result': 'failed'}, 1),
                ('limetta_tls_handshakes_total', {'result': 'failed'}, 1)):
            eventually(lambda: get(s, sample, **labels) == value, f'{sample} {labels}')  # noqa: B023 (asked within the turn)
        before = get(s, 'limetta_client_octets_total', direction='in')
        c.command('NOOP "' + 'x' * 5000 + '"', must_be_ok=False)
        eventually(lambda: get(s, 'limetta_client_octets_total', direction='in') >= before + 5000, 'octets in')
        for client in (stranger, bad, no_tls, c):
            client.close()
        eventually(lambda: get(s, 'limetta_sessions') == 0, 'all are gone')
        os.kill(s.roles('submit')[0], 9)
        eventually(lambda: get(s, 'limetta_role_restarts_total', role='submit') == 1, 'the crash is counted')


@limetta_only
def test_parked(make):
    """A session that rests is parked, what comes for it wakes it, and a restart of the store resumes it."""
    with make(config={'park_after_s': 1, 'time_unit_ms': 100, 'workers': 1}) as s:
        idle = open_imap(s, 'alice', PASSWORD)
        idle.command('SELECT INBOX')
        parked = {'service': 'imap', 'state': 'parked'}
        eventually(lambda: get(s, 'limetta_sessions', **parked) == 1, 'it is parked')
        equal(get(s, 'limetta_sessions', service='imap', state='live'), 0, 'and so not live')
        woken, resumed = get(s, 'limetta_wakeups_total'), get(s, 'limetta_resumes_total', result='resumed')
        idle.command('NOOP')
        eventually(lambda: get(s, 'limetta_wakeups_total') > woken, 'it went on')
        eventually(lambda: get(s, 'limetta_resumes_total', result='resumed') > resumed, 'in a process')
        r = subprocess.run([s.program, 'restart', 'store', '--state', s.state], capture_output=True, timeout=60, check=False)
        equal(r.returncode, 0)
        idle.command('NOOP')
        equal(get(s, 'limetta_resumes_total', result='refused') + get(s, 'limetta_resumes_total', result='late'), 0)
        idle.close()


def expressions():
    """Of the dashboard and of the alerts."""
    with open(os.path.join(TOP, 'etc', 'grafana', 'limetta.json')) as f:
        dashboard = json.load(f)
    found = [t['expr'] for p in dashboard['panels'] for t in p.get('targets', [])]
    with open(os.path.join(TOP, 'etc', 'prometheus', 'limetta.rules.yml')) as f:
        found += re.findall(r'^ *expr: (.*)$', f.read(), re.M)
    return found


@limetta_only
def test_dashboard(make):
    """The dashboard is one that Grafana would import, and asks for nothing that is not there."""
    with open(os.path.join(TOP, 'etc', 'grafana', 'limetta.json')) as f:
        d = json.load(f)
    true(d['schemaVersion'] >= 30 and d['title'] == 'Limetta' and d['uid'], 'what Grafana needs')
    variables = {v['name'] for v in d['templating']['list']}
    ids = [p['id'] for p in d['panels']]
    equal(len(ids), len(set(ids)), 'panel ids')
    taken = set()
    for p in d['panels']:
        g = p['gridPos']
        true(g['x'] + g['w'] <= 24, p['title'])
        cells = {(x, y) for x in range(g['x'], g['x'] + g['w']) for y in range(g['y'], g['y'] + g['h'])}
        true(not cells & taken, f'{p["title"]} lies over another panel')
        taken |= cells
        true(p['type'] in ('row', 'stat', 'timeseries'), p['type'])
        true(p['type'] == 'row' or (p['targets'] and p['description'] and p['fieldConfig']['defaults']['unit']), p['title'])
        refs = [t['refId'] for t in p.get('targets', [])]
        equal(len(refs), len(set(refs)), p['title'])
    for e in (t['expr'] for p in d['panels'] for t in p.get('targets', [])):
        true(set(re.findall(r'\$(\w+)', e)) <= variables | {'__rate_interval'}, e)
    with make() as s:
        clients = use(s)
        eventually(lambda: get(s, 'limetta_command_seconds_count') >= 4, 'commands are counted')
        samples = {n for _, _, all_of in parse(read(s)).values() for n, _, _ in all_of}
        labels = {n: set(has) for _, _, all_of in parse(read(s)).values() for n, has, _ in all_of}
        for e in expressions():
            for name, matchers in re.findall(r'(limetta_\w+)(?:\{(.*?)\})?', e):
                true(name in samples, f'{name} in {e}')
                used = set(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)', matchers)) - {'instance', 'job'}
                true(used <= labels[name], f'{name} has no label {used - labels[name]}')
        for c in clients:
            c.close()


class Prometheus:
    """A real one, with our sample files, that scrapes one server quickly."""

    def __init__(self, server):
        if not os.path.exists(os.path.join(PROMETHEUS, 'prometheus')):
            raise Skip('Prometheus was not unpacked (tools/unpack-peer prometheus prometheus)')
        self.dir = tempfile.mkdtemp(prefix='limetta-test-')
        for name in ('limetta.yml', 'limetta.rules.yml'):
            shutil.copy(os.path.join(TOP, 'etc', 'prometheus', name), self.dir)
        path = os.path.join(self.dir, 'limetta.yml')
        with open(path) as f:
            text = f.read()
        with open(path, 'w') as f:
            f.write(text.replace('127.0.0.1:9143', f'127.0.0.1:{9143 + server.offset}').replace('15s', '1s'))
        self.port = 9090 + free_offset((9090,))
        self.log = open(os.path.join(self.dir, 'log'), 'w')
        self.process = subprocess.Popen(
            [os.path.join(PROMETHEUS, 'prometheus'), f'--config.file={path}', f'--storage.tsdb.path={self.dir}/data',
             f'--web.listen-address=127.0.0.1:{self.port}'], cwd=self.dir, stdout=self.log, stderr=self.log)

    def ask(self, path, **query):
        url = f'http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}'
        try:
            with urllib.request.urlopen(url, timeout=60) as r:
                return json.load(r)['data']
        except urllib.error.HTTPError as e:
            raise AssertionError(f'{query}: {e.read().decode()}') from None
        except OSError:
            return None

    def query(self, expr):
        data = self.ask('query', query=expr)
        return data and data['result']

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.process.terminate()
        self.process.wait(60)
        self.log.close()
        shutil.rmtree(self.dir)


@limetta_only
def test_prometheus(make):
    """A real Prometheus scrapes us without a complaint, understands each expression, and its alerts are quiet."""
    with make(config={'park_after_s': 0}) as s, Prometheus(s) as p:
        clients = use(s)
        eventually(lambda: p.query('up{job="limetta"} == 1'), 'it is scraped', timeout_s=60)
        eventually(lambda: p.query('limetta_sessions{service="imap",state="live"} == 1'), 'a session is seen', timeout_s=60)
        target = p.ask('targets')['activeTargets'][0]
        equal((target['health'], target['lastError']), ('up', ''))
        for e in expressions():
            for variable, value in (('$__rate_interval', '1m'), ('$instance', '.*')):
                e = e.replace(variable, value)
            true(p.query(e) is not None, e)
        rules = p.ask('rules')['groups'][0]['rules']
        true(len(rules) >= 8 and all(r['health'] in ('ok', 'unknown') and r['state'] == 'inactive' for r in rules), rules)
        for c in clients:
            c.close()


@limetta_only
def test_alerts(make):
    """The alert rules are right by promtool, and two of them fire when they should."""
    if not os.path.exists(os.path.join(PROMETHEUS, 'promtool')):
        raise Skip('Prometheus was not unpacked (tools/unpack-peer prometheus prometheus)')
    folder = tempfile.mkdtemp(prefix='limetta-test-')
    rules = os.path.join(TOP, 'etc', 'prometheus', 'limetta.rules.yml')
    for args in (['check', 'rules', rules], ['check', 'config', os.path.join(TOP, 'etc', 'prometheus', 'limetta.yml')]):
        r = subprocess.run([os.path.join(PROMETHEUS, 'promtool'), *args], capture_output=True, text=True, check=False)
        equal(r.returncode, 0, r.stdout + r.stderr)
    with open(os.path.join(folder, 'test.yml'), 'w') as f:
        f.write(f'''
rule_files: [{rules}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: 'limetta_role_ready{{role="store",index="2",instance="a"}}'
        values: '1 1 0x10'
      - series: 'limetta_logins_total{{result="failed",instance="a"}}'
        values: '0+120x40'
    alert_rule_test:
      - eval_time: 1m
        alertname: LimettaRoleDown
      - eval_time: 5m
        alertname: LimettaRoleDown
        exp_alerts:
          - exp_labels: {{severity: critical, role: store, index: "2", instance: a}}
            exp_annotations: {{summary: "store 2 on a does not serve; the log says why"}}
      - eval_time: 30m
        alertname: LimettaLoginFailures
        exp_alerts:
          - exp_labels: {{severity: warning, result: failed, instance: a}}
            exp_annotations: {{summary: "more than one login a second fails on a: somebody guesses passwords"}}
''')
    r = subprocess.run([os.path.join(PROMETHEUS, 'promtool'), 'test', 'rules', f.name], capture_output=True, text=True, check=False)
    equal(r.returncode, 0, r.stdout + r.stderr)
    shutil.rmtree(folder)
    matches(r.stdout, 'SUCCESS')
