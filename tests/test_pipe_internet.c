/* test_pipe_internet.c - stories of packets to and from the Internet: translation, public addresses, sites on
 * premises, addresses that nobody has, networks that use the same ones. */
#include "tests/support_world.h"

#include <criterion/criterion.h>

/* -- translation to the Internet (O-01, O-02, O-04, O-09, M-06) ------------------------------------------ */

Test(nat, no_way_out)
{
    struct world w;
    world_new(&w);
    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 1, "93.184.216.34", 443);
    STORY(t, "vm> route@1 snat!NoOutboundAccess");
    lab_free(&w.l);
}

Test(nat, keeps_the_port_where_it_is_free)
{
    struct world w;
    world_new(&w);
    const uint32_t pool = lab_pool(&w.l, w.hub, "20.0.0.9", 1024, 65535);
    world_port(&w, w.vm)->pool = world_port(&w, w.vm2)->pool = pool;
    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 40000, "93.184.216.34", 443);
    STORY(t, "vm> route@1 snat=20.0.0.9:40000 to web | >web here");
    struct trip r = trip_reply(&t);
    STORY(r, "web> dnat=10.0.1.4:40000 to vm | >vm known here");
    struct trip u =
        trip_new(&w.l, w.vm2, TCP, "10.0.1.5", 40000, "93.184.216.34", 443); /* taken: the next one */
    STORY(u, "vm2> route@1 snat=20.0.0.9:40001 to web | >web here");
    r = trip_reply(&u);
    STORY(r, "web> dnat=10.0.1.5:40000 to vm2 | >vm2 known here");
    u = trip_new(&w.l, w.vm2, TCP, "10.0.1.5", 40000, "93.184.216.34", 80); /* free towards another port */
    STORY(u, "vm2> route@1 snat=20.0.0.9:40000 to web | >web here");
    u = trip_new(&w.l, w.vm2, TCP, "10.0.1.5", 40000, "20.61.97.129", 443); /* and another address */
    STORY(u, "vm2> route@1 snat=20.0.0.9:40000 to acr | >acr here");
    u = trip_new(&w.l, w.vm2, UDP, "10.0.1.5", 40000, "93.184.216.34", 443); /* and another protocol */
    STORY(u, "vm2> route@1 snat=20.0.0.9:40000 to web | >web here");
    lab_free(&w.l);
}

Test(nat, a_flow_keeps_its_translation)
{
    struct world w;
    world_new(&w);
    world_port(&w, w.vm)->pool = lab_pool(&w.l, w.hub, "20.0.0.9", 1024, 65535);
    for (int i = 0; i < 3; i++) {
        struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 500, "93.184.216.34", 443);
        STORY(t, i ? "vm> known route@1 snat=20.0.0.9:1524 to web | >web here"
                   : "vm> route@1 snat=20.0.0.9:1524 to web | >web here"); /* 500 is not among the ports */
    }
    lab_free(&w.l);
}

Test(nat, ports_run_out)
{
    struct world w;
    world_new(&w);
    world_port(&w, w.vm)->pool = lab_pool(&w.l, w.hub, "20.0.0.9", 2000, 2002);
    static const char *const want[] = {
        "vm> route@1 snat=20.0.0.9:2001 to web | >web here",
        "vm> route@1 snat=20.0.0.9:2002 to web | >web here",
        "vm> route@1 snat=20.0.0.9:2000 to web | >web here",
        "vm> route@1 snat!SnatExhausted",
    };
    static const uint16_t sport[] = {2001, 2002, 30000, 2000}; /* 30000 % 3 is 0 */
    for (size_t i = 0; i < 4; i++) {
        struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", sport[i], "93.184.216.34", 443);
        STORY(t, want[i]);
    }
    struct trip t =
        trip_new(&w.l, w.vm, TCP, "10.0.1.4", 2001, "93.184.216.34", 443); /* who has one keeps it */
    STORY(t, "vm> known route@1 snat=20.0.0.9:2001 to web | >web here");
    t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 2000, "93.184.216.34",
                 80); /* another destination has all of them */
    STORY(t, "vm> route@1 snat=20.0.0.9:2000 to web | >web here");
    lab_free(&w.l);
}

Test(nat, a_second_address_takes_over)
{
    struct world w;
    world_new(&w);
    const uint32_t n = lab_pool(&w.l, w.hub, "20.0.0.9", 2000, 2000);
    static ip4 both[2];
    both[0] = lab_ip("20.0.0.9");
    both[1] = lab_ip("20.0.0.10");
    exact_set(w.l.img->addresses, REALM_PUBLIC, both[1], POOL_FLAG | n);
    w.l.img->pool[n].addr = both;
    w.l.img->pool[n].n = 2;
    world_port(&w, w.vm)->pool = n;
    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 1, "93.184.216.34", 443);
    STORY(t, "vm> route@1 snat=20.0.0.9:2000 to web | >web here");
    t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 2, "93.184.216.34", 443);
    STORY(t, "vm> route@1 snat=20.0.0.10:2000 to web | >web here");
    struct trip r = trip_reply(&t);
    STORY(r, "web> dnat=10.0.1.4:2 to vm | >vm known here");
    t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 3, "93.184.216.34", 443);
    STORY(t, "vm> route@1 snat!SnatExhausted");
    lab_free(&w.l);
}

/* When the pool's address is replaced, nothing may leave with the old one, which leads nowhere. */
Test(nat, a_translation_ends_with_its_address)
{
    struct world w;
    world_new(&w);
    const uint32_t n = lab_pool(&w.l, w.hub, "20.0.0.9", 1024, 65535);
    world_port(&w, w.vm)->pool = n;
    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 40000, "93.184.216.34", 443);
    trip_go(&t);
    exact_del(w.l.img->addresses, REALM_PUBLIC, lab_ip("20.0.0.9"));
    exact_set(w.l.img->addresses, REALM_PUBLIC, lab_ip("20.0.0.10"), POOL_FLAG | n);
    w.l.img->pool[n].addr[0] = lab_ip("20.0.0.10");
    world_change(&w);
    t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 40000, "93.184.216.34", 443);
    STORY(t, "vm> known route@1 snat=20.0.0.10:40000 to web | >web here");
    struct trip r = trip_reply(&t);
    STORY(r, "web> dnat=10.0.1.4:40000 to vm | >vm known here");
    lab_free(&w.l);
}

Test(nat, carries_echoes_and_fragments_only_where_the_pool_does)
{
    struct world w;
    world_new(&w);
    const uint32_t n = lab_pool(&w.l, w.hub, "20.0.0.9", 1024, 65535);
    world_port(&w, w.vm)->pool = world_port(&w, w.vm2)->pool = n;
    struct trip t = trip_new(&w.l, w.vm, ICMP, "10.0.1.4", 3000, "93.184.216.34", 0);
    STORY(t, "vm> route@1 snat!ProtocolUnsupported");
    struct trip esp = trip_new(&w.l, w.vm, IPPROTO_NR_ESP, "10.0.1.4", 0, "93.184.216.34", 0);
    STORY(esp, "vm> route@1 snat!ProtocolUnsupported");
    struct trip f = trip_new(&w.l, w.vm, UDP, "10.0.1.4", 3000, "93.184.216.34", 9);
    f.start.info.mf = true;
    STORY(f, "vm> route@1 snat!FragmentDropped");
    f.start.info.mf = false;
    f.start.info.frag_offset = 8;
    STORY(f, "vm> known route@1 snat!FragmentDropped");

    w.l.img->pool[n].carries_icmp = w.l.img->pool[n].carries_fragments = true;
    f.start.info.sport = f.start.info.dport = 0;
    STORY(f, "vm> known route@1 snat=20.0.0.9:3000 to web | >web here");
    STORY(t, "vm> known route@1 snat=20.0.0.9:3000 to web | >web here");
    struct trip u = trip_new(&w.l, w.vm2, ICMP, "10.0.1.5", 3000, "93.184.216.34", 0);
    STORY(u, "vm2> route@1 snat=20.0.0.9:3001 to web | >web here");
    struct trip r = trip_reply(&u);
    STORY(r, "web> dnat=10.0.1.5:3000 to vm2 | >vm2 known here");
    r = trip_reply(&t);
    STORY(r, "web> dnat=10.0.1.4:3000 to vm | >vm known here");
    esp = trip_new(&w.l, w.vm, IPPROTO_NR_ESP, "10.0.1.4", 0, "93.184.216.34", 0);
    STORY(esp, "vm> known route@1 snat!ProtocolUnsupported");
    lab_free(&w.l);
}

Test(nat, noise_from_outside_is_dropped)
{
    struct world w;
    world_new(&w);
    world_port(&w, w.vm)->pool = lab_pool(&w.l, w.hub, "20.0.0.9", 1024, 65535);
    struct trip t = trip_new(&w.l, w.web, TCP, "93.184.216.34", 443, "20.0.0.9", 40000);
    STORY(t, "web> delivery!NoHost");
    struct trip q = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 40000, "93.184.216.34", 443);
    trip_go(&q);
    STORY(t, "web> dnat=10.0.1.4:40000 to vm | >vm known here");
    t = trip_new(&w.l, w.web, TCP, "93.184.216.34", 444, "20.0.0.9", 40000); /* another peer port */
    STORY(t, "web> delivery!NoHost");
    t = trip_new(&w.l, w.sto, TCP, "20.150.0.4", 443, "20.0.0.9", 40000); /* another peer */
    STORY(t, "sto> delivery!NoHost");
    lab_free(&w.l);
}

/* P-09: an appliance must translate to its own address first. */
Test(nat, foreign_sources_are_not_translated)
{
    struct world w;
    world_new(&w);
    world_port(&w, w.nva)->pool = lab_pool(&w.l, w.hub, "20.0.0.9", 1024, 65535);
    struct trip t = trip_new(&w.l, w.nva, TCP, "10.0.1.4", 1025, "93.184.216.34", 443);
    STORY(t, "nva> route@1 snat!NoOutboundAccess");
    t = trip_new(&w.l, w.nva, TCP, "10.0.9.4", 1025, "93.184.216.34", 443);
    STORY(t, "nva> route@1 snat=20.0.0.9:1025 to web | >web here");
    lab_free(&w.l);
}

Test(nat, private_addresses_are_not_sent_to_the_internet)
{
    struct world w;
    world_new(&w);
    world_port(&w, w.vm)->pool = lab_pool(&w.l, w.hub, "20.0.0.9", 1024, 65535);
    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 1, "172.16.0.1", 443);
    STORY(t, "vm> route@1 delivery!Unroutable");
    t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 1, "8.8.8.8", 443);
    STORY(t, "vm> route@1 snat=20.0.0.9:1025 delivery!NoHost");
    lab_free(&w.l);
}

/* -- public address of an instance (O-04, G-19) ---------------------------------------------------------- */

Test(instance, the_address_is_one_to_one)
{
    struct world w;
    world_new(&w);
    world_public_vm(&w);
    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 7, "93.184.216.34", 443);
    STORY(t, "vm> route@1 snat=20.50.1.4:7 to web | >web here");
    struct trip r = trip_reply(&t);
    STORY(r, "web> to vm | >vm dnat=10.0.1.4:7 known here");
    t = trip_new(&w.l, w.web, TCP, "93.184.216.34", 9, "20.50.1.4", 22);
    STORY(t, "web> to vm | >vm dnat=10.0.1.4:22 here");
    r = trip_reply(&t);
    STORY(r, "vm> known route@1 snat=20.50.1.4:22 to web | >web here");
    t = trip_new(&w.l, w.web, ICMP, "93.184.216.34", 9, "20.50.1.4", 0);
    STORY(t, "web> to vm | >vm dnat=10.0.1.4:9 here");
    r = trip_reply(&t);
    STORY(r, "vm> known route@1 snat=20.50.1.4:9 to web | >web here");
    t = trip_new(&w.l, w.vm, IPPROTO_NR_ESP, "10.0.1.4", 0, "93.184.216.34", 0);
    STORY(t, "vm> route@1 snat=20.50.1.4:0 to web | >web here");
    t = trip_new(&w.l, w.vm, UDP, "10.0.1.4", 7, "93.184.216.34", 443);
    t.start.info.mf = true; /* M-06: fragments too */
    STORY(t, "vm> route@1 snat=20.50.1.4:7 to web | >web here");
    lab_free(&w.l);
}

/* G-04: rules see the private address. */
Test(instance, rules_see_the_private_address)
{
    struct world w;
    world_new(&w);
    world_public_vm(&w);
    world_port(&w, w.vm)->acl[1][1] = lab_acl(&w.l, "deny * * 20.50.1.4/32 *;allow * * 10.0.1.4/32 *");
    world_port(&w, w.vm)->acl[0][1] = lab_acl(&w.l, "deny * 20.50.1.4/32 * *;allow * 10.0.1.4/32 * *");
    struct trip t = trip_new(&w.l, w.web, TCP, "93.184.216.34", 9, "20.50.1.4", 22);
    STORY(t, "web> to vm | >vm dnat=10.0.1.4:22 subnet#1 here");
    t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 9, "93.184.216.34", 22);
    STORY(t, "vm> subnet#1 route@1 snat=20.50.1.4:9 to web | >web here");
    lab_free(&w.l);
}

Test(instance, a_closed_address_takes_answers_only)
{
    struct world w;
    world_new(&w);
    world_public_vm(&w);
    world_port(&w, w.vm)->inbound_closed = true;
    struct trip t = trip_new(&w.l, w.web, TCP, "93.184.216.34", 443, "20.50.1.4", 7);
    STORY(t, "web> to vm | >vm public!InboundClosed");
    struct trip q = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 7, "93.184.216.34", 443);
    trip_go(&q);
    t = trip_reply(&q);
    STORY(t, "web> to vm | >vm dnat=10.0.1.4:7 known here");
    w.l.now += 241 * SECOND;
    t = trip_reply(&q);
    STORY(t, "web> to vm | >vm public!InboundClosed");
    t = trip_new(&w.l, w.vm2, TCP, "10.0.1.5", 1, "10.0.1.4", 7); /* closed is the public side only */
    STORY(t, "vm2> route@0 to vm | >vm here");
    lab_free(&w.l);
}

/* A NAT gateway wins for what the instance opens (O-01); what came in through the address is answered through
 * it. */
Test(instance, answers_through_the_address_though_there_is_a_pool)
{
    struct world w;
    world_new(&w);
    world_public_vm(&w);
    world_port(&w, w.vm)->pool = lab_pool(&w.l, w.hub, "20.0.0.9", 1024, 65535);
    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 7000, "93.184.216.34", 443);
    STORY(t, "vm> route@1 snat=20.0.0.9:7000 to web | >web here");
    struct trip r = trip_reply(&t);
    STORY(r, "web> dnat=10.0.1.4:7000 to vm | >vm known here");
    t = trip_new(&w.l, w.web, TCP, "93.184.216.34", 9, "20.50.1.4", 22);
    STORY(t, "web> to vm | >vm dnat=10.0.1.4:22 here");
    for (int i = 0; i < 3; i++) {
        r = trip_reply(&t);
        STORY(r, "vm> known route@1 snat=20.50.1.4:22 to web | >web here");
        struct trip more = trip_new(&w.l, w.web, TCP, "93.184.216.34", 9, "20.50.1.4", 22);
        STORY(more, "web> to vm | >vm dnat=10.0.1.4:22 known here");
    }
    world_change(&w); /* a change of the state does not move it */
    w.l.img->rule_change_keeps_flows = false;
    r = trip_reply(&t);
    STORY(r, "vm> known route@1 snat=20.50.1.4:22 to web | >web here");
    lab_free(&w.l);
}

/* -- on premises ----------------------------------------------------------------------------------------- */

Test(onprem, inside_and_towards_azure)
{
    struct world w;
    world_new(&w);
    struct trip t = trip_new(&w.l, w.laptop, TCP, "192.168.1.10", 1, "10.0.1.4", 2);
    STORY(t, "laptop> route@1 to gw | >gw here | gw> route@0 to vm | >vm here");
    struct trip r = trip_reply(&t);
    STORY(r, "vm> known route@5 to gw | >gw here | gw> route@5 to laptop | >laptop here");
    t = trip_new(&w.l, w.laptop, TCP, "192.168.1.10", 1, "192.168.1.11", 2);
    STORY(t, "laptop> route@0 delivery!NoHost");
    t = trip_new(&w.l, w.laptop, TCP, "192.168.1.10", 1, "172.16.0.1", 2);
    STORY(t, "laptop> route@0 delivery!NoHost");
    lab_free(&w.l);
}

Test(onprem, the_way_out_translates_or_is_missing)
{
    struct world w;
    world_new(&w);
    struct trip t = trip_new(&w.l, w.laptop, TCP, "192.168.1.10", 5000, "93.184.216.34", 443);
    STORY(t, "laptop> route@0 delivery!OnPremisesNoInternet");
    w.l.img->realm[w.hq].pool = lab_pool(&w.l, w.hq, "198.51.100.7", 1024, 65535);
    STORY(t, "laptop> route@0 snat=198.51.100.7:5000 to web | >web here");
    struct trip r = trip_reply(&t);
    STORY(r, "web> dnat=192.168.1.10:5000 to laptop | >laptop here");
    t = trip_new(&w.l, w.web, TCP, "93.184.216.34", 443, "198.51.100.7", 5001);
    STORY(t, "web> delivery!NoHost");
    lab_free(&w.l);
}

/* Forced tunnelling: the network's Internet traffic leaves by the site, and its answers come back by
 * it. */
Test(onprem, forced_traffic_goes_out_there_and_comes_back)
{
    struct world w;
    world_new(&w);
    lab_route(&w.l, w.hub_t, "0.0.0.0/0", nh_port(w.gw, NONE32)); /* @6 */
    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 5000, "93.184.216.34", 443);
    STORY(t, "vm> route@6 to gw | >gw here | gw> route@6 delivery!OnPremisesNoInternet");
    w.l.img->realm[w.hq].pool = lab_pool(&w.l, w.hq, "198.51.100.7", 1024, 65535);
    STORY(t, "vm> known route@6 to gw | >gw here | gw> route@6 snat=198.51.100.7:5000 to web | >web here");
    struct trip r = trip_reply(&t);
    STORY(r, "web> dnat=10.0.1.4:5000 to gw | >gw here | gw> route@0 to vm | >vm known here");
    lab_free(&w.l);
}

/* -- what is not there ----------------------------------------------------------------------------------- */

Test(nowhere, no_route_no_host_not_running)
{
    struct world w;
    world_new(&w);
    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 1, "10.0.1.77", 2);
    STORY(t, "vm> route@0 delivery!NoHost");
    t = trip_new(&w.l, w.web, TCP, "93.184.216.34", 1, "10.0.1.4", 2);
    STORY(t, "web> delivery!Unroutable");
    t = trip_new(&w.l, w.web, TCP, "93.184.216.34", 1, "20.99.99.99", 2);
    STORY(t, "web> delivery!NoHost");
    world_port(&w, w.vm2)->up = false;
    t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 1, "10.0.1.5", 2);
    STORY(t, "vm> route@0 to vm2!NoHost");
    world_port(&w, w.nva)->up = false;
    lab_route(&w.l, w.hub_t, "10.3.0.0/16", nh_port(w.nva, NONE32));
    t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 1, "10.3.0.1", 2);
    STORY(t, "vm> route@6 to nva!NoHost");
    world_port(&w, w.acr)->up = false;
    t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 1, "10.0.2.5", 2);
    STORY(t, "vm> route@3 to pe | >pe pe to acr!NoHost");
    world_port(&w, w.vm)->table = lab_table(&w.l);
    t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 1, "10.0.2.5", 3);
    STORY(t, "vm> route@-!Unroutable");
    world_port(&w, w.vm)->table = NONE32;
    t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 1, "10.0.2.5", 4);
    STORY(t, "vm> route@-!Unroutable");
    lab_free(&w.l);
}

/* A machine that goes while packets fly, and one that is gone and still has something to say. */
Test(nowhere, ports_that_are_down_take_and_send_nothing)
{
    struct world w;
    world_new(&w);
    struct pipe_decision d;
    struct trip t = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 1, "10.0.1.5", 2);
    pipe_out(w.l.pipe, w.l.img, 0, w.vm, &t.start.info, &t.start.meta, &d);
    cr_assert_eq(d.next, w.vm2);
    world_port(&w, w.vm2)->up = false;
    pipe_in(w.l.pipe, w.l.img, 0, w.vm2, &t.start.info, &t.start.meta, &d);
    cr_assert_eq(d.reason, REASON_NO_HOST);
    t = trip_new(&w.l, w.vm2, TCP, "10.0.1.5", 1, "10.0.1.4", 2);
    STORY(t, "vm2> delivery!NoHost");
    *world_port(&w, w.vm2) =
        (struct image_port){.table = NONE32, .pool = NONE32}; /* as in an image where it is gone */
    STORY(t, "vm2> delivery!NoHost");
    lab_free(&w.l);
}

/* Networks that use the same addresses see nothing of each other, not even in a service's records. */
Test(realms, overlapping_networks_do_not_mix)
{
    struct world w;
    world_new(&w);
    lab_route(&w.l, w.hub_t, "20.150.0.0/16", nh_service());
    lab_route(&w.l, w.other_t, "20.150.0.0/16", nh_service()); /* @2 */
    struct trip a = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 9, "10.0.1.5", 80);
    STORY(a, "vm> route@0 to vm2 | >vm2 here");
    struct trip b = trip_new(&w.l, w.twin, TCP, "10.0.1.4", 9, "10.0.1.5", 80);
    STORY(b, "twin> route@0 to twin2 | >twin2 here");
    struct trip r = trip_reply(&b);
    STORY(r, "twin2> known route@0 to twin | >twin known here");

    a = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 9, "20.150.0.4", 443);
    STORY(a, "vm> route@6 identity to sto | >sto here");
    b = trip_new(&w.l, w.twin, TCP, "10.0.1.4", 9, "20.150.0.4", 443);
    trip_go(&b);
    cr_assert_eq(b.reason, REASON_NONE);
    cr_assert_eq(b.now.meta.identity, 8);
    r = trip_reply(&a);
    STORY(r, "sto> to vm | >vm known here");
    r = trip_reply(&b);
    STORY(r, "sto> to twin | >twin known here");

    a = trip_new(&w.l, w.vm, UDP, "10.0.1.4", 5353, "168.63.129.16", 53);
    b = trip_new(&w.l, w.twin, UDP, "10.0.1.4", 5353, "168.63.129.16", 53);
    trip_go(&a);
    trip_go(&b);
    r = trip_reply(&a);
    STORY(r, "dns> to vm | >vm known here");
    r = trip_reply(&b);
    STORY(r, "dns> to twin | >twin known here");
    lab_free(&w.l);
}

Test(realms, pools_lead_back_into_their_own_network)
{
    struct world w;
    world_new(&w);
    world_port(&w, w.vm)->pool = lab_pool(&w.l, w.hub, "20.0.0.9", 1024, 65535);
    world_port(&w, w.twin)->pool = lab_pool(&w.l, w.other, "20.0.0.10", 1024, 65535);
    struct trip a = trip_new(&w.l, w.vm, TCP, "10.0.1.4", 5000, "93.184.216.34", 443);
    struct trip b = trip_new(&w.l, w.twin, TCP, "10.0.1.4", 5000, "93.184.216.34", 443);
    STORY(a, "vm> route@1 snat=20.0.0.9:5000 to web | >web here");
    STORY(b, "twin> route@1 snat=20.0.0.10:5000 to web | >web here");
    struct trip r = trip_reply(&a);
    STORY(r, "web> dnat=10.0.1.4:5000 to vm | >vm known here");
    r = trip_reply(&b);
    STORY(r, "web> dnat=10.0.1.4:5000 to twin | >twin known here");
    lab_free(&w.l);
}
