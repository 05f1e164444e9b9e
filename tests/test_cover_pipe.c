/* test_cover_pipe.c - what flows cannot send: packets of other protocols, to many at once, from the host's own port. */
#include "tests/support_world.h"

#include <criterion/criterion.h>

/* */
Test(cover_pipe, A07_unicast_of_five_protocols)
{
    static const uint8_t carried[] = {TCP, UDP, ICMP, IPPROTO_NR_ESP, IPPROTO_NR_AH};
    struct world w;
    world_new(&w);
    for (unsigned proto = 0; proto < 256; proto++) {
        bool is = false;
        for (size_t i = 0; i < sizeof carried; i++)
            is |= carried[i] == proto;
        struct trip t = trip_new(&w.l, w.vm, (uint8_t)proto, "10.0.1.4", 5, "10.0.1.5", 5);
        cr_expect_str_eq(trip_go(&t), is ? "vm> route@0 to vm2 | >vm2 here" : "vm> source!ProtocolUnsupported",
                         "protocol %u", proto);
    }
    lab_free(&w.l);
}

/* The order of a NIC's checks holds: a foreign source comes first, and rules are not asked. */
Test(cover_pipe, A07_to_many_at_once)
{
    struct world w;
    world_new(&w);
    static const char *const many[] = {"224.0.0.1", "239.255.255.250", "255.255.255.255"};
    for (size_t i = 0; i < 3; i++) {
        struct trip t = trip_new(&w.l, w.vm, UDP, "10.0.1.4", 5, many[i], 5);
        STORY(t, "vm> source!ProtocolUnsupported");
        t = trip_new(&w.l, w.vm, UDP, "10.0.1.77", 5, many[i], 5);
        STORY(t, "vm> source!Spoofed");
    }
    struct trip t = trip_new(&w.l, w.vm, UDP, "10.0.1.4", 5, "223.255.255.255", 5);
    cr_assert_neq(trip_go(&t), NULL);
    cr_assert_neq(t.reason, REASON_PROTOCOL_UNSUPPORTED);
    lab_free(&w.l);
}

Test(cover_pipe, A07_the_hosts_own_port)
{
    struct world w;
    world_new(&w);
    struct trip t = trip_new(&w.l, w.vm, UDP, "10.0.1.4", 65330, "10.0.1.5", 53);
    STORY(t, "vm> source!ProtocolUnsupported");
    t = trip_new(&w.l, w.vm, UDP, "10.0.1.4", 65331, "10.0.1.5", 53);
    STORY(t, "vm> route@0 to vm2 | >vm2 here");
    t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 65330, "10.0.1.5", 53);
    STORY(t, "vm> route@0 to vm2 | >vm2 here");
    t = trip_new(&w.l, w.vm, UDP, "10.0.1.4", 53, "10.0.1.5", 65330);
    STORY(t, "vm> route@0 to vm2 | >vm2 here");
    lab_free(&w.l);
}

/* the host answers for leases, no machine of the network gets to hear of them, broadcast or not. */
Test(cover_pipe, A07_leases_are_the_hosts_business)
{
    struct world w;
    world_new(&w);
    struct trip t = trip_new(&w.l, w.vm, UDP, "10.0.1.4", 68, "10.0.1.5", 67);
    STORY(t, "vm> source!ProtocolUnsupported");
    t = trip_new(&w.l, w.vm, UDP, "10.0.1.4", 68, "255.255.255.255", 67);
    STORY(t, "vm> source!ProtocolUnsupported");
    t = trip_new(&w.l, w.vm, UDP, "10.0.1.4", 68, "10.0.1.5", 68);
    STORY(t, "vm> route@0 to vm2 | >vm2 here");
    t = trip_new(&w.l, w.vm, UDP, "10.0.1.4", 67, "10.0.1.5", 68);
    STORY(t, "vm> route@0 to vm2 | >vm2 here");
    t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 68, "10.0.1.5", 67);
    STORY(t, "vm> route@0 to vm2 | >vm2 here");
    lab_free(&w.l);
}
