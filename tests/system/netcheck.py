# SPDX-License-Identifier: BSD-2-Clause
"""A network card: ping, and a file of 100 MB with its checksum."""
import hashlib
import http.server
import random
import threading

import machine as m
import scenario
import tap

SIZE = 100 * 1000 * 1000


def make_data():
    """Random bytes; every MiB begins with its place, for equal blocks could be exchanged unseen."""
    block = random.Random(1).randbytes(1 << 20)
    data = bytearray(block * (SIZE // len(block) + 1))[:SIZE]
    for start in range(0, SIZE, len(block)):
        data[start:start + 8] = start.to_bytes(8, "little")
    return data


def serve(data):
    """An HTTP server on a free port, which QEMU's network shows to its guest as 10.0.2.2."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://10.0.2.2:{server.server_port}/file"


def check(model, driver):
    data = make_data()
    with m.boot(f"network-{driver}", f"paravane.test=network paravane.url={serve(data)}",
                options=m.network(model)) as machine:
        scenario.guest_ended(machine, "network", "the transfer ends", timeout=240)
        output = machine.buffer.decode(errors="replace")
        tap.ok(f"network: driver {driver}" in output, f"the driver is {driver}")
        tap.ok("network: ping answered" in output, "ping is answered")
        tap.ok(f"network: sha256 {hashlib.sha256(data).hexdigest()}" in output,
               "100 MB arrive unchanged")
        tap.diag(f"{driver}: {machine.elapsed():.0f} s")
    tap.done()
