/* linktype.h - link-layer types as capture files number them (www.tcpdump.org/linktypes.html), and their DLT_
 * names inside libpcap, which differ on Linux for raw IP only. */
#ifndef VNETSIM_PCAPS_LINKTYPE_H
#define VNETSIM_PCAPS_LINKTYPE_H

enum linktype {
    LINK_ETHERNET = 1,
    LINK_RAW = 101, /* IPv4 or IPv6 by the version field */
    LINK_IPV4 = 228,
    LINK_IPV6 = 229,
};

enum { LINK_DLT_RAW = 12, LINK_SNAPLEN = 262144 }; /* the most bytes of a packet that libpcap takes */

static inline int linktype_to_dlt(unsigned linktype)
{
    return linktype == LINK_RAW ? LINK_DLT_RAW : (int)linktype;
}

static inline unsigned linktype_from_dlt(int dlt)
{
    return dlt == LINK_DLT_RAW ? LINK_RAW : (unsigned)dlt;
}

#endif
