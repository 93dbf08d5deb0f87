#!/bin/sh
# The edge and the gate face the network: they link libc, libuv, OpenSSL, zlib, libseccomp, and nothing else.
# usage: libraries_test.sh PROGRAM
set -eu
libraries=$(objdump -p "$1" | awk '$1 == "NEEDED" { print $2 }')
[ -n "$libraries" ]
bad=
for library in $libraries; do
    case $library in
    libc.so.* | ld-linux*.so.* | libuv.so.* | libssl.so.* | libcrypto.so.* | libz.so.* | libseccomp.so.*) ;;
    libasan.so.* | libubsan.so.* | libm.so.* | libgcc_s.so.* | libgcov.so.*) ;; # what the compiler adds to test builds
    *) bad="$bad $library" ;;
    esac
done
if [ -n "$bad" ]; then
    echo "$1 links what it must not:$bad" >&2
    exit 1
fi
