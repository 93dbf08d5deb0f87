"""Mail that real software wrote, from Debian packages that ship it for their own tests.

libpython3.11-testsuite            the messages of Python's email package
golang-github-jhillyerd-enmime-dev mail of many user agents, good and broken
python3-flufl.bounce               bounces and delivery reports of many servers
"""
import glob
import os

PLACES = {
    'libpython3.11-testsuite': '/usr/lib/python3.11/test/test_email/data/msg_*.txt',
    'golang-github-jhillyerd-enmime-dev': '/usr/share/gocode/src/github.com/jhillyerd/enmime/testdata/*/*.raw',
    'python3-flufl.bounce': '/usr/lib/python3/dist-packages/flufl/bounce/tests/data/*.txt',
}


def collect():
    """Package -> octets of its messages."""
    found = {}
    for package, pattern in PLACES.items():
        found[package] = []
        for path in sorted(glob.glob(pattern)):
            with open(path, 'rb') as f:
                found[package].append(f.read())
        if not found[package]:
            raise AssertionError(f'no mail at {pattern}: is {package} installed?')
    return found


def write_eml(folder):
    """Writes all as .eml files; returns their octets, by path."""
    written = {}
    for package, messages in collect().items():
        for i, octets in enumerate(messages):
            path = os.path.join(folder, f'{package}-{i:03}.eml')
            with open(path, 'wb') as f:
                f.write(octets)
            written[path] = octets
    return written
