/* verdict.h - what can become of a packet and of a flow: one list, so that enumeration, name, sentence, rule ids,
 * counter and JSON key cannot differ. The words and their verdicts are fixed by the scenario contract, section 2. */
#ifndef VNETSIM_DATAPLANE_VERDICT_H
#define VNETSIM_DATAPLANE_VERDICT_H

/* X(name, word, sentence) */
#define VERDICTS(X)                                                                                            \
    X(DELIVERED, "delivered", "the request reached its destination and the answer came back")                  \
    X(DENIED, "denied", "the transport worked and the service refused the request by its own rules")           \
    X(REFUSED, "refused", "a host answered that nothing listens")                                              \
    X(DROPPED, "dropped", "packets vanished in the network, silently; the sender timed out")                   \
    X(RESET, "reset", "an established connection was cut")                                                     \
    X(UNRESOLVED, "unresolved", "the name gave no address")

/* X(name, word, verdict, rule ids, sentence) */
#define REASONS(X)                                                                                             \
    X(NSG_DENY, "NsgDeny", DROPPED, "G-01 G-02 G-03", "a security rule denies it")                             \
    X(ADMIN_RULE_DENY, "AdminRuleDeny", DROPPED, "G-16",                                                       \
      "a security admin rule of the network manager denies it, before any security group is asked")            \
    X(ROUTE_NONE, "RouteNone", DROPPED, "Y-03 R-17 R-18", "the route that wins has next hop None")             \
    X(NO_PEERING, "NoPeering", DROPPED, "P-01 P-03 P-07 Y-19", "no peering carries it")                             \
    X(PEERING_NOT_FORWARDED, "PeeringNotForwarded", DROPPED, "P-04",                                           \
      "the receiving network's peering link does not allow forwarded traffic")                                 \
    X(ENDPOINT_NOT_APPROVED, "EndpointNotApproved", DROPPED, "PE-01",                                          \
      "the private endpoint's connection is not approved")                                                     \
    X(ENDPOINT_REVERSE_INITIATION, "EndpointReverseInitiation", DROPPED, "PE-04",                              \
      "only the consumer can open a connection, never the service or the endpoint")                            \
    X(ENDPOINT_ROUTE_INVALID, "EndpointRouteInvalid", DROPPED, "R-13",                                         \
      "a VnetLocal user route invalidates the endpoint's /32 and does not take over")                          \
    X(IP_FORWARDING_OFF, "IpForwardingOff", DROPPED, "P-08",                                                   \
      "the NIC does not forward: IP forwarding is off and the packet is not its own")                          \
    X(SPOOFED, "Spoofed", DROPPED, "P-08", "the source address does not belong to the sending NIC")            \
    X(ASYMMETRIC_RETURN, "AsymmetricReturn", DROPPED, "PE-15",                                                 \
      "a stateful appliance saw only one direction of the flow")                                               \
    X(APPLIANCE_DROP, "ApplianceDrop", DROPPED, "P-08 P-10", "the appliance's guest drops it")                 \
    X(APPLIANCE_DOWN, "ApplianceDown", DROPPED, "R-17", "the appliance stopped while the flow ran")            \
    X(ROUTING_LOOP, "RoutingLoop", DROPPED, "R-30", "the packet went in circles until its TTL ended")          \
    X(SNAT_EXHAUSTED, "SnatExhausted", DROPPED, "O-02 O-05", "no source port is left for translation")         \
    X(NO_OUTBOUND_ACCESS, "NoOutboundAccess", DROPPED, "O-01 O-06", "the NIC has no way out to the Internet")  \
    X(SMTP_BLOCKED, "SmtpBlocked", DROPPED, "G-15",                                                            \
      "machines of the sender's subscription may not reach TCP port 25 of the Internet")                       \
    X(INBOUND_CLOSED, "InboundClosed", DROPPED, "G-19",                                                        \
      "a Standard public address is closed to inbound traffic without a security group")                       \
    X(ON_PREMISES_NO_INTERNET, "OnPremisesNoInternet", DROPPED, "R-20",                                        \
      "the on-premises network has no way out to the Internet")                                                \
    X(NO_HEALTHY_BACKEND, "NoHealthyBackend", DROPPED, "B-03 B-06", "no backend of the pool is healthy")            \
    X(NO_HOST, "NoHost", DROPPED, "Y-01", "nobody has that address")                                           \
    X(NO_BALANCING_RULE, "NoBalancingRule", DROPPED, "B-02 B-05",                                              \
      "no rule of the load balancer's frontend takes it")                                                      \
    X(BACKEND_LOOP, "BackendLoop", DROPPED, "B-08",                                                            \
      "the load balancer chose the machine that sent it, which would not know its own packet")                 \
    X(FLOW_EXPIRED, "FlowExpired", DROPPED, "O-08 PE-24", "the flow was idle too long and is forgotten")       \
    X(PROTOCOL_UNSUPPORTED, "ProtocolUnsupported", DROPPED, "SE-10 PE-18 A-07 O-02 B-02",                          \
      "that protocol is not carried there")                                                                    \
    X(FRAGMENT_DROPPED, "FragmentDropped", DROPPED, "M-06", "fragments are not carried there")                 \
    X(MTU_EXCEEDED, "MtuExceeded", DROPPED, "M-01 M-02", "the packet is too large and may not be fragmented")  \
    X(FLOW_LIMIT, "FlowLimit", DROPPED, "M-05 L-13", "the NIC has no room for another flow")                   \
    X(LINK_LOSS, "LinkLoss", DROPPED, "-", "the link lost it, as the scenario asked")                          \
    X(UNROUTABLE, "Unroutable", DROPPED, "P-02", "the sender has no route to that address")                    \
    X(SERVICE_FIREWALL, "ServiceFirewall", DENIED, "SE-12", "the service's firewall does not allow the source") \
    X(PUBLIC_ACCESS_DISABLED, "PublicAccessDisabled", DENIED, "PE-14 SE-12",                                   \
      "the service's public network access is disabled")                                                       \
    X(PRIVATE_ENDPOINT_ONLY, "PrivateEndpointOnly", DENIED, "PE-12",                                           \
      "the service takes private endpoints only while it has one")                                             \
    X(ENDPOINT_POLICY_DENY, "EndpointPolicyDeny", DENIED, "SE-19",                                             \
      "the subnet's service endpoint policy does not list the resource")                                       \
    X(WRONG_RESOURCE, "WrongResource", DENIED, "PE-06",                                                        \
      "the private endpoint leads to another resource of the service")                                         \
    X(TENANT_MISMATCH, "TenantMismatch", DENIED, "SE-18", "network and service belong to different tenants")   \
    X(NO_LISTENER, "NoListener", REFUSED, "-", "nothing listens on that port")                                 \
    X(CONNECTION_CLOSED_BY_CHANGE, "ConnectionClosedByChange", RESET, "SE-02 R-14 PE-16",                      \
      "a change of the network closed the connection")                                                         \
    X(IDLE_TIMEOUT, "IdleTimeout", RESET, "O-02 O-08", "the connection was idle too long")                     \
    X(PROXY_PROTOCOL_MISMATCH, "ProxyProtocolMismatch", RESET, "PE-23",                                        \
      "one side speaks the PROXY protocol and the other does not")                                             \
    X(NX_DOMAIN, "NxDomain", UNRESOLVED, "N-04", "the name does not exist")                                    \
    X(NO_DATA, "NoData", UNRESOLVED, "N-03", "the name has no address record")                                 \
    X(DNS_UNREACHABLE, "DnsUnreachable", UNRESOLVED, "N-08 N-17", "no DNS server answered")

enum verdict {
    VERDICT_NONE, /* not decided yet */
#define X(name, word, sentence) VERDICT_##name,
    VERDICTS(X)
#undef X
        VERDICT_COUNT
};

enum reason {
    REASON_NONE, /* no reason needed: delivered, or not decided yet */
#define X(name, word, verdict, rules, sentence) REASON_##name,
    REASONS(X)
#undef X
        REASON_COUNT
};

/* => the contract's word ("dropped", "NsgDeny"); "" for NONE. Literals; cannot fail. */
const char *verdict_word(enum verdict v);
const char *reason_word(enum reason r);
/* => the word for its code; NONE where no such word exists. */
enum verdict verdict_from_word(const char *word);
enum reason reason_from_word(const char *word);
/* => the verdict that a reason belongs to; DELIVERED for NONE. */
enum verdict reason_verdict(enum reason r);
/* => one sentence without full stop; rule ids separated by blanks ("-" where no rule speaks). Literals. */
const char *verdict_sentence(enum verdict v);
const char *reason_sentence(enum reason r);
const char *reason_rules(enum reason r);

#endif
