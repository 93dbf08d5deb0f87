#!/bin/sh
# Installs what is missing, builds, runs every check and test. The last line is "N passed, N failed".
#
# usage: ./test.sh [--list] [--only STAGE,...] [--skip STAGE,...]      (stages: docs/testing.md)
set -eu
cd "$(dirname "$0")"
tools/install-packages build run
tools/install-packages test
tools/unpack-peer cyrus cyrus-common cyrus-imapd
tools/unpack-peer exim exim4-daemon-light exim4-base
tools/unpack-peer names knot unbound
tools/unpack-peer slapd slapd
tools/unpack-peer prometheus prometheus
exec python3 tools/test-all "$@"
