/* steer_layout.h: what the steering program and the daemon share beside the flow table: the keys of
 * its maps, and the metadata that a frame carries over the private link. For C++ and BPF alike. */
#ifndef XVS_OFFLOAD_STEER_LAYOUT_H
#define XVS_OFFLOAD_STEER_LAYOUT_H

#include <linux/types.h>

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

/* In the place of a frame's destination MAC address, on the private link in either direction. A
 * frame without the magic is none of ours. */
struct xvs_metadata {
    __u8 magic;
    __u8 kind;      /* going up: enum xvs_reason; coming down: enum xvs_command */
    __u16 slot;     /* of the interface */
    __u16 position; /* XVS_COMMAND_ENCAPSULATE: which outer header; going up: kept for a ring
                       position */
};

#define XVS_METADATA_MAGIC 0x56u /* as a MAC address: unicast, locally administered */

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

/* The program's constants, set before it is loaded. */
struct xvs_steer_constants {
    __u32 near_ifindex; /* the private link's near end */
    __u32 watched;      /* steer only while the daemon's socket is in the map `alive` */
};

/* Which kinds of services there are beside those of one port: user space keeps it, the program asks
 * nothing that nobody has. */
struct xvs_steer_kinds {
    __u32 any_port; /* services of port 0 */
    __u32 ftp;      /* services of TCP port 21, whose data connections may come to any free port */
};

#define XVS_FTP_PORT 21
#define XVS_FTP_DATA_PORT 20
#define XVS_FIRST_FREE_PORT 1024

/* Marks tell a steering program what it has seen before; it clears them. */
#define XVS_MARK_TO_HOST 0x58565348u /* being received again */
#define XVS_MARK_TO_WIRE 0x58565357u /* sent by the engine, or let go by it */

#endif
