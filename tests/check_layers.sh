#!/bin/bash
# The dependency rule: dataplane includes only itself; pcaps only itself and the packet, verdict, trace and tap headers
# of dataplane; topology's library part never the captures; each archive links alone.
bad() { echo "not ok $1"; echo "$2"; rc=1; }
rc=0

up=$(grep -nE '#include "' dataplane/*.[ch] | grep -v '#include "dataplane/')
[ -z "$up" ] && echo "ok dataplane includes only itself" || bad "dataplane includes only itself" "$up"

ext=$(grep -nE '#include <' dataplane/*.[ch] | grep -vE '<(assert|errno|inttypes|limits|math|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|sys/mman|immintrin|cpuid)\.h>')
[ -z "$ext" ] && echo "ok dataplane uses only libc" || bad "dataplane uses only libc" "$ext"

up=$(grep -nE '#include "' pcaps/*.[ch] | grep -vE '#include "(pcaps/|dataplane/(arena|addr|packet|wire|verdict|trace|tap|csum)\.h)')
[ -z "$up" ] && echo "ok pcaps includes" || bad "pcaps includes" "$up"

root='^topology/(main|cmd_[a-z_]*|wire_[a-z_]*)\.[ch]:'
up=$(grep -nE '#include "pcaps/' topology/*.[ch] | grep -vE "$root")
[ -z "$up" ] && echo "ok topology reaches captures in the composition root only" || bad "topology includes" "$up"

int=$(grep -nE '#include "[a-z]*/[a-z_]*_int\.h"' */*.[ch] | awk -F'[:"]' '{
    split($1, f, "/"); split($4, h, "/"); m = h[2]; sub(/_int\.h$/, "", m)
    if (f[1] != "tests" && f[1] != "bench" && !(f[1] == h[1] && index(f[2], m) == 1)) print }')
[ -z "$int" ] && echo "ok internal headers stay inside" || bad "internal headers stay inside" "$int"
exit $rc
