#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""Ping, and a file of 100 MB with its checksum, over virtio-net and over e1000."""
import hashlib
import http.server
import random
import threading

import machine as m
import scenario
import tap

SIZE = 100 * 1000 * 1000
data = random.Random(1).randbytes(1 << 20) * (SIZE // (1 << 20) + 1)
data = memoryview(data)[:SIZE]
# Every MiB begins with its number: equal blocks could be exchanged unseen.
data = bytearray(data)
for start in range(0, SIZE, 1 << 20):
    data[start:start + 8] = start.to_bytes(8, "little")
digest = hashlib.sha256(data).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(SIZE))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://10.0.2.2:{server.server_port}/file"

for model, driver in (("virtio-net-pci", "virtio_net"), ("e1000", "e1000")):
    with m.boot(f"network-{driver}", f"paravane.test=network paravane.url={url}",
                options=m.network(model)) as machine:
        scenario.guest_ended(machine, "network", f"{driver}: the transfer ends", timeout=240)
        output = machine.buffer.decode(errors="replace")
        tap.ok(f"network: driver {driver}" in output, f"{driver}: it is the driver")
        tap.ok("network: ping answered" in output, f"{driver}: ping is answered")
        tap.ok(f"network: sha256 {digest}" in output, f"{driver}: 100 MB arrive unchanged")
        tap.diag(f"{driver}: {machine.elapsed():.0f} s")
server.shutdown()
tap.done()
