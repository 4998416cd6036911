/* layout.h: the flow table as it lies in shared memory, for C++ and BPF alike.
 *
 * A connection's first packet is decided once; what was decided is written down here and replayed
 * by whoever meets the next packet. Every array below is a BPF array that user space maps, or
 * ordinary memory of the same shape. Addresses and ports stand in wire order, everything else in
 * host order.
 *
 * One writer a field, except the state word, which all change by compare-and-swap:
 *   state            whoever claims, ends, replaces or reuses the slot
 *   key, translation whoever claimed the slot, before the state becomes LIVE
 *   punt, report     the engine
 *   last_seen,
 *   packets          whoever replays the entry
 */
#ifndef XVS_FLOW_LAYOUT_H
#define XVS_FLOW_LAYOUT_H

#include <linux/types.h>

/* Raised with every change of a struct below; a daemon refuses pinned tables of another version. */
#define XVS_LAYOUT_MAGIC 0x58565331u /* "XVS1" */
#define XVS_LAYOUT_VERSION 8u

#define XVS_NONE 0xffffffffu /* no such index */

/* A flow is looked for in this many slots from its home on; past them the table is full. */
#define XVS_PROBES 32u

/* The state word: bits 0-2 the slot's state, bits 3-31 its generation, which changes whenever a
 * slot is claimed, so that a late report about an earlier flow cannot end the present one. */
#define XVS_STATE_MASK 0x7u
#define XVS_GENERATION_SHIFT 3

enum xvs_slot_state {
    XVS_SLOT_EMPTY = 0,     /* never used, or cleaned up: a look-up ends here */
    XVS_SLOT_CLAIMED = 1,   /* being written: not to be read */
    XVS_SLOT_LIVE = 2,      /* replay it */
    XVS_SLOT_DEAD = 3,      /* retired, waiting for its grace period: a look-up goes on */
    XVS_SLOT_TOMBSTONE = 4, /* free for reuse, but a look-up goes on */
    XVS_SLOT_DRAWN = 5, /* installed by the kernel from a stock of decisions: replay it; it has no
                         * connection record yet */
    XVS_SLOT_REPLACED = 6, /* its connection was closed, and another one has begun with its key, in
                            * another slot: a look-up goes on, and the engine retires it */
};

/* Events of a packet, at the places of the TCP flags; XVS_EVENT_NONE stands where PSH does and
 * means "none of SYN, FIN, RST, ACK", which is also the event of UDP and of SCTP's data. */
#define XVS_EVENT_FIN 0x01u
#define XVS_EVENT_SYN 0x02u
#define XVS_EVENT_RST 0x04u
#define XVS_EVENT_NONE 0x08u
#define XVS_EVENT_ACK 0x10u
#define XVS_EVENT_ANY 0x1fu
/* In a punt mask: its connection is closed, so that a new one may take its place. */
#define XVS_PUNT_CLOSED 0x20u
/* An SCTP packet that is no data: with the number of its chunk's event in the lower bits, whatever
 * these say of TCP. Only the engine meets it. */
#define XVS_EVENT_CHUNK 0x80u

/* xvs_flow*.flags */
#define XVS_FLOW_OUTBOUND 0x01u /* real server -> client */
#define XVS_FLOW_MOVED 0x02u    /* DEAD, since it is now in the slot that `translation` names */
#define XVS_FLOW_OWNER_SHIFT 4  /* from here on the number of the worker whose it is */

/* Threads of the engine there may be: each owns the connections of some clients' ports. */
#define XVS_MAX_WORKERS 16u
#define XVS_NO_WORKER 0xffu

/* An entry: packets with these five fields, in this state, get that translation. */
struct xvs_flow4 {
    __u32 state;
    __u32 source;
    __u32 destination;
    __u16 source_port;
    __u16 destination_port;
    __u8 protocol;
    __u8 flags;
    __u8 punt;         /* XVS_EVENT_*: give the packet to the engine, unreplayed */
    __u8 report;       /* XVS_EVENT_*: replay, and tell the engine */
    __u32 translation; /* index */
    __u32 last_seen;   /* ticks, see XVS_TICK_SHIFT */
    __u32 packets;
};

struct xvs_flow6 {
    __u32 state;
    __u32 translation;
    __u32 last_seen;
    __u32 packets;
    __u8 source[16];
    __u8 destination[16];
    __u16 source_port;
    __u16 destination_port;
    __u8 protocol;
    __u8 flags;
    __u8 punt;
    __u8 report;
    __u64 reserved;
};

/* Stands as protocol in the entry of a persistence template: no packet is looked up by these. */
#define XVS_TEMPLATE_IP 0xfbu
#define XVS_TEMPLATE_SCTP 0xfcu
#define XVS_TEMPLATE_TCP 0xfdu
#define XVS_TEMPLATE_UDP 0xfeu

/* Times are CLOCK_MONOTONIC nanoseconds >> 24: 16.8 ms a tick, which wraps after two years. */
#define XVS_TICK_SHIFT 24

/* xvs_translation.rewrite */
#define XVS_REWRITE_SOURCE 0x01u      /* address and port as given */
#define XVS_REWRITE_DESTINATION 0x02u /* address and port as given */
#define XVS_ENCAPSULATE 0x04u         /* an outer header in front */
#define XVS_TO_HOST 0x08u             /* then to the host's own stack */
#define XVS_KEEP_PORT 0x10u           /* rewrite the address alone */
#define XVS_SUSPENDED 0x20u /* its destination was removed: whatever gets it is for the engine */

/* What to write into a packet: shared by all connections of a service, destination, direction and
 * next hop. `generation` 0: unused. */
struct xvs_translation {
    __u32 generation;
    __u32 service;
    __u32 destination; /* index, valid while its record has this generation */
    __u32 destination_generation;
    __u32 next_hop; /* index, valid while its record has this generation: both change as one word */
    __u32 next_hop_generation;
    __u8 rewrite;
    __u8 family;              /* 4 or 6: of the packet that is rewritten */
    __u8 outer_family;        /* 4 or 6: of the outer header */
    __u8 tunnel;              /* 0 ipip, 1 gue, 2 gre (IP_VS_CONN_F_TUNNEL_TYPE_*) */
    __u16 network_difference; /* to add to the IPv4 header checksum: one's complement, wire order */
    __u16 address_difference; /* to add to a partial (pseudo-header) checksum */
    __u16 full_difference;    /* to add to a complete TCP or UDP checksum: addresses and ports */
    __u16 port;               /* the new port */
    __u16 overhead;           /* bytes that encapsulation adds */
    __u16 tunnel_port;
    __u16 tunnel_flags;
    __u16 reserved;
    __u8 address[16]; /* the new address */
    __u8 outer_source[16];
    __u8 outer_destination[16];
    __u32 reserved2; /* every size is a multiple of 8, to which a BPF array rounds its elements */
} __attribute__((aligned(8))); /* else compilers for BPF read next hop and generation one by one */

/* xvs_next_hop.flags */
#define XVS_HOP_RESOLVED 0x01u    /* the MAC addresses are right */
#define XVS_HOP_LINK_HEADER 0x02u /* frames on this interface have an Ethernet header */
#define XVS_HOP_PEER 0x04u        /* a veth whose other end is in another network namespace */
#define XVS_HOP_XDP 0x08u         /* frames may leave by `lower` at XDP */
#define XVS_HOP_CHANGES 0xf0u     /* counts changes of the MAC addresses, without end */
#define XVS_HOP_CHANGE 0x10u      /* one of them */

/* Where a packet leaves: rewritten in place when a neighbour's MAC changes, given a new generation
 * when it no longer is the way for those who name it. `generation` 0: unused. */
struct xvs_next_hop {
    __u32 generation;
    __u32 interface;         /* ifindex */
    __u32 mtu;               /* of layer 3 */
    __u8 mac_destination[6]; /* both are copied as three words */
    __u8 mac_source[6];
    __u8 flags;
    __u8 family; /* 4 or 6: of the gateway address */
    __u16 vlan;  /* at XDP: the tag that frames get, or 0; host order */
    __u32 lower; /* at XDP: ifindex of the device under the interface, or the interface itself */
    __u8 gateway[16];  /* the neighbour: the gateway, or the destination itself when on-link */
    __u8 reserved[16]; /* one cache line each */
};

/* xvs_destination.flags */
#define XVS_DESTINATION_AVAILABLE \
    0x01u /* configured; a removed one only waits for its connections */
#define XVS_DESTINATION_OVERLOADED 0x02u /* at its upper threshold */

/* It names its service by value too: a later daemon finds its own services again by it. */
struct xvs_destination {
    __u32 generation; /* 0: unused */
    __u32 service;    /* index */
    __u8 flags;
    __u8 method; /* IP_VS_CONN_F_FWD_MASK numbers */
    __u8 family;
    __u8 virtual_family;
    __u16 port;
    __u16 virtual_port;
    __u8 address[16];
    __u8 virtual_address[16];
    __u32 virtual_fwmark;
    __u8 virtual_protocol;
    __u8 reserved[11];
};

/* A service by value: a later daemon knows it again by that. */
struct xvs_service {
    __u32 generation; /* 0: unused */
    __u32 epoch;      /* counts its edits, for listings that have to begin anew */
    __u32 fwmark;
    __u8 protocol;
    __u8 family;
    __u16 port;
    __u8 address[16];
};

/* Packets and layer-3 bytes of one destination, counted by one writer (an engine worker or a CPU):
 * the array holds a row of all destinations for each writer. */
struct xvs_counters {
    __u64 packets_in;
    __u64 bytes_in;
    __u64 packets_out;
    __u64 bytes_out;
};

/* What statistics need beyond the counters; the engine's alone. */
struct xvs_sums {
    __u64 connections; /* scheduled */
    struct xvs_counters counters;
};

struct xvs_destination_totals {
    __u64 connections;        /* scheduled, ever */
    struct xvs_sums zeroed;   /* what -Z subtracts */
    __u32 service_generation; /* of the service that it was added to last */
    __u32 reserved;
};

/* Of a service, or (the last record) of the director. */
struct xvs_service_totals {
    struct xvs_sums absorbed; /* of destinations that are gone */
    struct xvs_sums zeroed;   /* what -Z subtracts */
};

/* xvs_connection.role: whether an assistant reads what the connection says, and whether it speaks
 * for another one. */
#define XVS_ROLE_NONE 0u
#define XVS_ROLE_FTP 1u          /* a control connection of FTP: the engine sees all its packets */
#define XVS_ROLE_PASSIVE_DATA 2u /* the client opens it: its real server has the virtual port */
#define XVS_ROLE_ACTIVE_DATA 3u  /* the real server opens it: from the port below its own */

/* A connection: what the engine knows beyond its flow entries. Addresses and ports are the
 * entries'. */
struct xvs_connection {
    __u32 state;       /* as of a flow entry: EMPTY or LIVE, and a generation */
    __u32 inbound;     /* slot of the entry client -> VIP */
    __u32 outbound;    /* slot of the entry real server -> client, or XVS_NONE */
    __u32 destination; /* index */
    __u32 controller;  /* connection or template that controls this one, or XVS_NONE */
    __u32 flags;       /* IP_VS_CONN_F_* */
    __u32 timeout;     /* ticks after the last packet */
    __u32 check_at;    /* tick at which the timer looks at it next */
    __u8 protocol;
    __u8 protocol_state; /* IP_VS_TCP_S_*, IP_VS_SCTP_S_* */
    __u8 owner;          /* worker that ends it in time; of a free one XVS_NO_WORKER */
    __u8 role;           /* XVS_ROLE_* */
    __u32 controlled;    /* how many connections name this one as controller */
};

/* What was taken out of a stream of bytes, and what took its place: the text stands where the last
 * byte that was taken out was, the others leave nothing. */
#define XVS_EDITS 2u
#define XVS_EDIT_TEXT 64u

struct xvs_edit {
    __u32 at; /* sequence number, as its sender counts, of the first byte */
    __u16 removed;
    __u8 inserted; /* bytes of the text */
    __u8 is_open;  /* its end is not here yet: nothing is inserted, all since `at` is withheld */
    char text[XVS_EDIT_TEXT];
};

/* One direction of a connection that an assistant reads. */
struct xvs_stream {
    __u32 next;    /* sequence number, as its sender counts, of the byte that is read next */
    __u8 is_known; /* whether `next` is */
    __u8 phase;    /* the assistant's: where in a line it is */
    __u8 filled;   /* likewise: how much of the line it keeps */
    __u8 reserved;
};

/* What an assistant knows of a connection: the engine's alone. */
struct xvs_assistance {
    __u32 connection; /* index */
    __u32 state;      /* of that record, which names its generation; 0: this one is free */
    __u8 family;
    __u8 armed; /* the assistant's: what it waits for */
    __u8 edit_count;
    __u8 reserved[5];
    __u32 shift; /* by how much older edits have moved what the real server says */
    struct xvs_edit edits[XVS_EDITS];
    struct xvs_stream client;
    struct xvs_stream server;
    char line[76]; /* the beginning of the client's line */
};

/* What a program in the kernel tells the engine of a packet that it has replayed. */
struct xvs_report {
    __u32 state; /* of the entry when it was replayed; XVS_REPORT_LOST: a translation */
    __u32 slot;  /* XVS_REPORT_LOST: the other translation */
    __u32 tick;
    __u8 events; /* XVS_EVENT_*, or one of XVS_REPORT_* */
    __u8 family; /* 4 or 6 */
    __u16 reserved;
};

/* Three that are of no packet. */
#define XVS_REPORT_DRAWN 0x40u /* the entry is new, and DRAWN: its connection is to be recorded */
#define XVS_REPORT_REPLACED 0x50u /* it was LIVE, and is REPLACED: what it was of has ended */
#define XVS_REPORT_LOST 0x60u     /* a decision was drawn in vain, and can't be put back */

/* Reports of one CPU about entries of one worker: written at `head`, which counts on without end,
 * as long as it is less than XVS_REPORTS ahead of `tail`; read by the worker. Either lies in a
 * cache line of its own. That of worker w and CPU c is number w * report_rings + c. */
#define XVS_REPORTS 8192u

struct xvs_report_ring {
    __u32 head; /* the CPU's */
    __u32 reserved[15];
    __u32 tail; /* the worker's */
    __u32 reserved2[15];
};

/* How many of a flow table's slots are in use: it starts small, so that few flows lie close
 * together, and doubles as it fills. While `former` is not `active`, a flow that is not found among
 * `active` slots may be among `former` still. Powers of two. */
struct xvs_table_extent {
    __u32 active;
    __u32 former;
    __u32 cleanings; /* odd while slots are freed, so that an entry may be passed by */
    __u32 reserved;
};

/* The next decisions for one service, 0 to `stocked` - 1 of an epoch, of which `drawn` are taken.
 * Both words hold the epoch in their upper half; they belong together if that is the same. Decision
 * number n is in place n modulo `size` of the ring that begins with element `first` of the array of
 * decisions.
 *
 * Where the client decides (`kind` is not XVS_STOCK_IN_TURN), the ring is parted into shares, a
 * power of two of them, each with the decisions for one real server, drawn from in the same way;
 * `stocked` counts 1 then where they are open. Share k of stock s is element XVS_STOCKS + s *
 * XVS_SHARES + k of the same array. Which one is a client's stands in element s of the array of
 * places. */
#define XVS_STOCKS 256u
#define XVS_STOCK_SIZE 1024u
#define XVS_SHARES 64u

/* xvs_stock.kind */
#define XVS_STOCK_IN_TURN 0u
#define XVS_STOCK_BY_SH 1u        /* the client's place is as sh has it */
#define XVS_STOCK_BY_MH 2u        /* as mh has it */
#define XVS_STOCK_WITH_PORT 0x10u /* and the client's port counts */

struct xvs_stock {
    __u64 drawn;   /* whoever draws, by compare-and-swap; the engine, when it begins an epoch */
    __u64 stocked; /* the engine, as all that follows */
    __u32 low;     /* who finds so few left makes it 0 and sends the packet to the engine */
    __u32 first;
    __u32 size; /* a power of two */
    __u32 kind; /* XVS_STOCK_* */
    __u32 reserved[8];
};

/* The share that a client has, by its place: 256 of sh, 4093 of mh. */
#define XVS_PLACES 4096u
#define XVS_NO_SHARE 0xffu /* the engine decides */

struct xvs_places {
    __u8 share[XVS_PLACES];
};

/* What a new connection gets. It has a reference of each translation, which passes to the entries
 * that are made of it. `inbound` XVS_NONE: the engine alone can carry it out. */
struct xvs_decision {
    __u32 inbound;  /* translation of requests */
    __u32 outbound; /* of replies, if their way is the usual one; XVS_NONE: not known yet */
    __u8 inbound_punt;
    __u8 inbound_report;
    __u8 outbound_punt;
    __u8 outbound_report;
    __u8 has_outbound; /* replies come through here, and have an entry of their own */
    __u8 reserved[3];
};

/* Who installs an entry holds the stripe of its client's address and port (xvs_client_hash4()):
 * `holder` is 0 or 1, and changed by compare-and-swap. Programs do not wait for it. */
#define XVS_STRIPES 4096u

struct xvs_stripe {
    __u32 holder;
    __u32 reserved;
};

/* The way that replies to a client take, in the place that its address hashes to. `version` is odd
 * while it is written. */
#define XVS_CLIENT_WAYS 16384u

struct xvs_client_way {
    __u32 version;
    __u32 next_hop;
    __u32 generation; /* of the next hop */
    __u32 family;     /* 0: nothing here */
    __u8 client[16];  /* of IPv4 the first four bytes, the rest 0 */
};

/* One for the whole set of arrays. */
struct xvs_table_header {
    __u32 magic;
    __u32 version;
    __u32 slots4; /* powers of two */
    __u32 slots6;
    __u32 connections4;
    __u32 connections6;
    __u32 translations;
    __u32 next_hops;
    __u32 destinations;
    __u32 services;
    __u32 counter_rows; /* one for each worker there may be, then one for each CPU */
    __u32 seed[2];      /* of the flow hash: random, so that a stranger cannot aim at one slot */
    __u32 report_rings; /* of each worker: one for each CPU, or none */
    struct xvs_table_extent extent4;
    struct xvs_table_extent extent6;
    __u32 timeouts_changed_at; /* tick: connections take new timeouts with their next packet */
    __u32 workers;             /* how many there may be */
    __u32 stocks;              /* XVS_STOCKS, or 0: there are none */
    __u32 stocks_are_open;     /* programs may draw */
    __u32 reuses_closed;       /* and have new connections take the place of closed ones */
    __u32 reserved;
};

/* Why the steering program sends a packet up; it stands in the frame's metadata. */
enum xvs_reason {
    XVS_REASON_FLOW = 1,     /* a live flow's packet */
    XVS_REASON_SERVICE = 2,  /* for a virtual service, no flow yet */
    XVS_REASON_REPLY = 3,    /* from a NAT destination, no flow */
    XVS_REASON_FRAGMENT = 4, /* a fragment to or from an address of ours */
    XVS_REASON_ICMP = 5,     /* an ICMP error about a packet of ours */
    XVS_REASON_EGRESS = 6,   /* sent by the host itself from a NAT destination: local node */
};

#endif
