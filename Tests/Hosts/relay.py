#!/usr/bin/env python3
"""relay.py DELAY_MS LOSS_PERCENT NAMESPACE...: passes frames between taps `v0` in network namespaces, late and not all of them.

Stopping the process cuts the link.
"""
import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time

TUNSETIFF, IFF_TAP_NO_PI = 0x400454CA, 0x1002
delay, loss = float(sys.argv[1]) / 1e3, float(sys.argv[2]) / 100
libc = ctypes.CDLL(None)
taps = []
for namespace in sys.argv[3:]:
    assert libc.setns(os.open("/run/netns/" + namespace, 0), 0x40000000) == 0  # CLONE_NEWNET
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", b"v0", IFF_TAP_NO_PI))
    taps.append(tap)
print("ready", flush=True)

queue, count = [], 0
while True:
    while queue and queue[0][0] <= time.monotonic():
        _, _, target, frame = heapq.heappop(queue)
        try:
            os.write(target, frame)
        except OSError:
            pass
    timeout = max(0, queue[0][0] - time.monotonic()) if queue else 1
    for tap in select.select(taps, [], [], timeout)[0]:
        frame = os.read(tap, 65600)
        for target in taps:
            if target != tap and random.random() >= loss:
                count += 1
                heapq.heappush(queue, (time.monotonic() + delay, count, target, frame))
