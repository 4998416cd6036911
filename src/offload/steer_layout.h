/* steer_layout.h: what the steering program and the daemon share beside the flow table: the keys of
 * its maps, and the metadata that a frame carries over the private link. For C++ and BPF alike. */
#ifndef XVS_OFFLOAD_STEER_LAYOUT_H
#define XVS_OFFLOAD_STEER_LAYOUT_H

#include <linux/types.h>

#include "flow/hash.h"

/* Names a service, a NAT destination or (port and protocol 0) an address. Address and port in wire
 * order; of an IPv4 address the first four bytes count, the rest are zero. */
struct xvs_endpoint_key {
    __u8 address[16];
    __u16 port;
    __u8 protocol;
    __u8 family; /* 4 or 6 */
};

/* Keys of the two longest-prefix maps of local addresses. */
struct xvs_prefix4 {
    __u32 length;
    __u8 address[4];
};

struct xvs_prefix6 {
    __u32 length;
    __u8 address[16];
};

#define XVS_MAX_SERVICES 65536u
#define XVS_MAX_NAT_SOURCES 262144u
#define XVS_MAX_ADDRESSES 262144u
#define XVS_MAX_LOCAL_PREFIXES 65536u

/* A served interface, by its slot: metadata has no room for a 32-bit ifindex. */
#define XVS_MAX_INTERFACES 4096u

struct xvs_interface {
    __u32 ifindex; /* 0: unused */
    __u8 mac[6];
    __u16 link_header; /* 1: frames have an Ethernet header */
    __u32 reserved;    /* an array's elements are a multiple of 8 bytes */
};

/* Names a layer-3 interface by what its frames look like at XDP: the device under it (or itself),
 * VLAN tag or 0, and its MAC address. */
struct xvs_host_key {
    __u32 ifindex;
    __u16 vlan;
    __u8 mac[6];
};

/* What is to be known of such an interface there. Of a device that has AF_XDP sockets, one for each
 * of its receive queues, `first_socket` and `sockets` say which; a frame that the engine must see
 * goes on to tc where its queue has none. */
struct xvs_host {
    __u16 slot;
    __u16 flags; /* XVS_HOST_* */
    __u16 first_socket;
    __u16 sockets;
};

#define XVS_HOST_UNFILLED 1u /* a veth: checksums may be left to whoever sends last */
#define XVS_MAX_XDP_SOCKETS 1024u

/* In the place of a frame's destination MAC address, on the private link in either direction. A
 * frame without the magic is none of ours. What goes up names the CPU that sent it as well, in the
 * bits that are left: 4 of `kind`, 4 of `slot` and 2 of `position`. The worker that it is for
 * stands in the packet's mark. */
struct xvs_metadata {
    __u8 magic;
    __u8 kind;      /* going up: enum xvs_reason; coming down: enum xvs_command */
    __u16 slot;     /* of the interface */
    __u16 position; /* going up: how far the CPU's reports to that worker had come;
                     * XVS_COMMAND_ENCAPSULATE: which outer header */
};

#define XVS_METADATA_MAGIC 0x56u /* as a MAC address: unicast, locally administered */

#ifdef __cplusplus
#define XVS_CAST(type, value) static_cast<type>(value)
#else
#define XVS_CAST(type, value) ((type)(value))
#endif

#define XVS_SLOT_BITS 12
#define XVS_POSITION_BITS 14
#define XVS_REASON_BITS 4

static inline struct xvs_metadata xvs_metadata_up(__u32 reason,
                                                  __u32 slot,
                                                  __u32 cpu,
                                                  __u32 position) {
    struct xvs_metadata metadata;
    metadata.magic = XVS_METADATA_MAGIC;
    metadata.kind = XVS_CAST(__u8, reason | (cpu & 0xf) << XVS_REASON_BITS);
    metadata.slot = XVS_CAST(__u16, slot | ((cpu >> 4) & 0xf) << XVS_SLOT_BITS);
    metadata.position = XVS_CAST(
        __u16,
        (position & ((1u << XVS_POSITION_BITS) - 1)) | ((cpu >> 8) & 0x3) << XVS_POSITION_BITS);
    return metadata;
}

static inline __u32 xvs_metadata_reason(const struct xvs_metadata* metadata) {
    return metadata->kind & ((1u << XVS_REASON_BITS) - 1);
}

static inline __u32 xvs_metadata_slot(const struct xvs_metadata* metadata) {
    return metadata->slot & ((1u << XVS_SLOT_BITS) - 1);
}

static inline __u32 xvs_metadata_cpu(const struct xvs_metadata* metadata) {
    const __u32 kind = metadata->kind;
    const __u32 slot = metadata->slot;
    const __u32 position = metadata->position;
    return kind >> XVS_REASON_BITS | slot >> XVS_SLOT_BITS << 4 |
           position >> XVS_POSITION_BITS << 8;
}

static inline __u32 xvs_metadata_position(const struct xvs_metadata* metadata) {
    return metadata->position & ((1u << XVS_POSITION_BITS) - 1);
}

/* In front of a frame that goes up by AF_XDP, which is as it came. */
struct xvs_frame_metadata {
    struct xvs_metadata up;
    __u16 link_size; /* of its link header, tag included */
    __u16
        checksum_start; /* 0, or behind the link header: an unfilled checksum covers what follows */
    __u16 checksum_offset; /* from there: where it belongs */
    __u16 worker;          /* that it is for */
    __u16 reserved;        /* the size is a multiple of 4, as the kernel wants it */
};

/* A longer one is tc's: no chunk of a socket's memory holds it. */
#define XVS_XDP_CHUNK 4096u
#define XVS_XDP_HEADROOM 256u

/* What the program at the private link's near end is to do with a frame. */
enum xvs_command {
    XVS_COMMAND_TO_HOST = 0x81,     /* receive it again where it came in */
    XVS_COMMAND_TO_WIRE = 0x82,     /* send it where it was about to leave (XVS_REASON_EGRESS) */
    XVS_COMMAND_ENCAPSULATE = 0x83, /* put an outer header in front and send it */
};

/* On XVS_REASON_EGRESS the source MAC's place holds the destination MAC address that the frame was
 * about to leave with; the source is the interface's own and is put back from its slot. */

/* The headers of an encapsulated super-packet travel beside it, since the kernel cuts what it takes
 * for plain TCP only. A ring: its length is far more than can be under way on the private link. */
#define XVS_MAX_OUTER_HEADERS 8192u

struct xvs_outer_header {
    __u8 ethernet[14];
    __u8 family; /* 4 or 6 */
    __u8 reserved;
    __u8 header[40]; /* an IPv4 header of 20 bytes, or an IPv6 header */
};

/* The programs' constants, set before they are loaded. */
struct xvs_steer_constants {
    struct xvs_hash_keys keys; /* of the tables, as what follows */
    __u32 destinations;
    __u32 translations;
    __u32 next_hops;
    __u32 workers;          /* there may be: so many rows of counters precede those of the CPUs */
    __u32 cpus;             /* report rings of each worker */
    __u32 watched;          /* steer only while the daemon's socket is in the map `alive` */
    __u32 replays;          /* replay live flows; else their packets go to the engine */
    __u32 can_cast;         /* the kernel tells how a packet's checksum stands */
    __u32 has_sockets;      /* the kernel has AF_XDP */
    __u32 draws;            /* begin connections with decisions from stocks */
    __u32 is_tested;        /* the clock is moved by xvs_steer_control.tick_offset */
    __u32 reads_ahead_from; /* slots in use from which on entries are read ahead: replay_ahead.bpf.h
                             */
};

/* What the daemon changes while they run: one record, which a later daemon finds again. */
struct xvs_steer_control {
    __u32 near_ifindex; /* the private link's near end */
    __u32 heartbeat;    /* tick at which the daemon last was seen alive */
    __u32 orphan_ticks; /* silent for longer: nothing is sent to it any more; 0: never */
    __u32 tick_offset;
    __u32 workers; /* there are: the clients' connections are spread over them */
    __u32 reserved;
};

/* The addresses that packets of ours come from or go to: VIPs and NAT destinations. A Bloom filter,
 * so that whoever is a stranger costs no look-up; what is in it stays in it. */
#define XVS_ADDRESS_BITS 20
#define XVS_ADDRESS_WORDS (1u << (XVS_ADDRESS_BITS - 6))

/* Its upper bits name one of the filter. */
static inline __u64 xvs_address_hash4(__u32 address) {
    return address * 0x9e3779b97f4a7c15ull;
}

static inline __u64 xvs_address_hash6(__u32 a, __u32 b, __u32 c, __u32 d) {
    const __u64 high = a;
    const __u64 low = c;
    __u64 hash = (high << 32 | b) * 0xff51afd7ed558ccdull;
    return (hash ^ hash >> 32 ^ (low << 32 | d)) * 0x9e3779b97f4a7c15ull;
}

/* Which kinds of services there are beside those of one port: user space keeps it, the program asks
 * nothing that nobody has. */
struct xvs_steer_kinds {
    __u32 any_port;   /* services of port 0 */
    __u32 mark_rules; /* how many there are */
    __u32 ftp; /* services of TCP port 21, whose data connections may come to any free port */
    __u32
        awaits_clients; /* there are flows whose client's port is not known yet, and stands as 0 */
    __u32 access;       /* which access lists there are: XVS_HAS_ACCESS_* */
};

#define XVS_HAS_ACCESS_OF_ALL 1u
#define XVS_HAS_ACCESS_OF_SERVICES 2u

#define XVS_FTP_PORT 21
#define XVS_FTP_DATA_PORT 20
#define XVS_FIRST_FREE_PORT 1024

/* What a daemon has stocked lasts so many ticks after its last sign of life: three seconds. */
#define XVS_STOCK_TICKS 179u

/* Marks tell a steering program what it has seen before; it clears them. */
#define XVS_LOOPBACK 1u              /* the index of lo, in every network namespace */
#define XVS_MARK_TO_HOST 0x58565348u /* being received again */
#define XVS_MARK_TO_WIRE 0x58565357u /* sent by the engine, or let go by it */

#endif
