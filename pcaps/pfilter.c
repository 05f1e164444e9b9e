/* pfilter.c - see pfilter.h.
 *
 * The handle is a dead one, and libpcap then compiles words such as "inbound" into loads from the Linux
 * kernel's own place beside the packet, which fail in user space: the filter would quietly match nothing.
 * Such programs are refused. */
#include "pcaps/pfilter.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>

struct pfilter {
    struct bpf_program program;
};

/* Offsets from here up are the kernel's (SKF_LL_OFF, SKF_NET_OFF, SKF_AD_OFF in linux/filter.h). */
#define KERNEL_OFFSETS UINT32_C(0xffe00000)

static bool needs_kernel(const struct bpf_program *p)
{
    for (u_int i = 0; i < p->bf_len; i++) {
        const struct bpf_insn *in = &p->bf_insns[i];
        if (BPF_CLASS(in->code) == BPF_LD && BPF_MODE(in->code) == BPF_ABS && in->k >= KERNEL_OFFSETS)
            return true;
    }
    return false;
}

struct pfilter *pfilter_compile(const char *expr, unsigned linktype, char *err, size_t errlen)
{
    struct pfilter *f = calloc(1, sizeof *f);
    pcap_t *dead = pcap_open_dead(linktype_to_dlt(linktype), LINK_SNAPLEN);
    int rc = PCAP_ERROR;
    if (f && dead)
        rc = pcap_compile(dead, &f->program, expr, 1, PCAP_NETMASK_UNKNOWN);
    if (rc != 0)
        snprintf(err, errlen, "%s", f && dead ? pcap_geterr(dead) : "out of memory");
    if (dead)
        pcap_close(dead);
    if (rc == 0 && !needs_kernel(&f->program))
        return f;
    if (rc == 0)
        snprintf(err, errlen, "a part of it needs a live network interface (inbound, outbound and the like)");
    pfilter_free(f);
    return NULL;
}

bool pfilter_match(const struct pfilter *f, const uint8_t *data, uint32_t caplen, uint32_t origlen)
{
    return bpf_filter(f->program.bf_insns, data, origlen, caplen) != 0;
}

void pfilter_free(struct pfilter *f)
{
    if (!f)
        return;
    pcap_freecode(&f->program);
    free(f);
}
