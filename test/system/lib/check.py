"""Small things that tests share."""
import os
import re
import subprocess
import time

from .servers import PASSWORD, TOP


class Skip(Exception):
    """This host lacks something that the test is about; the message says what. The test is then neither passed nor failed."""


def limetta_only(f):
    """The test needs more than an IMAP server."""
    f.is_limetta_only = True
    return f


def equal(got, want, what=''):
    if got != want:
        raise AssertionError(f'{what}: got {got!r}, expected {want!r}')


def contains(got, want, what=''):
    if want not in got:
        raise AssertionError(f'{what}: {want!r} is not in {got!r}')


def matches(got, pattern, what=''):
    m = re.search(pattern, got)
    if not m:
        raise AssertionError(f'{what}: {pattern!r} does not match {got!r}')
    return m


def true(is_so, what):
    if not is_so:
        raise AssertionError(what)


def eventually(f, what, timeout_s=60):
    """The first true value of f(). Patient, for the machine may be busy with other things."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        value = f()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f'{what}: not so within {timeout_s} s')


def run(args, stdin=b'', timeout_s=300, must_be=0, **more):
    """Output of a program (both streams)."""
    r = subprocess.run(args, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout_s, **more)
    if r.returncode != must_be:
        raise AssertionError(f'{" ".join(map(str, args))}: exit code {r.returncode}\n{r.stdout.decode(errors="replace")[-3000:]}')
    return r.stdout


def message(subject, body='Hello.', sender='alice@localhost', to='bob@localhost', more=''):
    return (f'From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\nDate: Sat, 14 Mar 2026 09:26:53 +0000\r\n'
            f'Message-ID: <{subject.replace(" ", ".")}@test.example>\r\n{more}\r\n{body}\r\n').encode()
