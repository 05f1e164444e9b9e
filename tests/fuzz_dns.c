/* fuzz_dns.c - the DNS decoder on any bytes: what it accepts must encode, and decode to the same again. */
#include "dataplane/dns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int same(const struct dns_msg *a, const struct dns_msg *b)
{
    if (a->id != b->id || a->response != b->response || a->rcode != b->rcode || a->qtype != b->qtype ||
        a->n != b->n || strcmp(a->qname, b->qname) != 0)
        return 0;
    for (unsigned i = 0; i < a->n; i++) {
        const struct dns_answer_rr *x = &a->rr[i], *y = &b->rr[i];
        if (strcmp(x->name, y->name) != 0 || x->type != y->type || x->ttl != y->ttl || x->addr != y->addr ||
            strcmp(x->target, y->target) != 0)
            return 0;
    }
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dns_msg m, again;
    static uint8_t buf[65536];
    if (dns_decode(data, size, &m) != 0)
        return 0;
    int n = dns_encode(&m, buf, sizeof buf);
    if (n < 0 || dns_decode(buf, (size_t)n, &again) != 0 || !same(&m, &again))
        abort();
    return 0;
}
