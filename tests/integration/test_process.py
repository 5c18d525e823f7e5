"""The server as a process: stop, listeners, limits of connections and descriptors."""

import os
import resource
import signal
import socket
import subprocess
import threading
import time
import unittest

import wire
from case import push_message, tensor
from server import Server, binary, wait_until
from wire import F32, OK, UNAVAILABLE, node

LONG = int(wire.DEADLINE * 1000)


def make_job(conn, name="job", **fields):
    spec = wire.new("JobSpec", name=name, nodes=[node(F32, [2])], world_size=2, **fields)
    return conn.call("create_job", spec=spec).code


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


class Stop(unittest.TestCase):
    def test_sigterm_and_sigint_end_an_idle_server(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = Server().start()
            server.process.send_signal(number)
            server.finish()

    def test_waiting_pulls_are_answered_unavailable(self):
        with Server() as server:
            conns = [server.connect() for _ in range(5)]
            self.assertEqual(make_job(conns[0]), OK)
            ids = [conn.send("pull", job="job", round=0, wait_ms=LONG) for conn in conns]
            for conn in conns:
                self.assertTrue(conn.quiet(0.05))
            server.terminate()
            for conn, id in zip(conns, ids):
                self.assertEqual(conn.wait(id).code, UNAVAILABLE)
                conn.close()

    def test_half_sent_pushes_do_not_hold_up_the_stop(self):
        with Server() as server:
            conn = server.connect()
            self.assertEqual(make_job(conn), OK)
            message, body = push_message("job", [tensor(0, [1, 2])])
            header = wire.request_header("push", 9, message)
            conn.send_raw(wire.PREFIX.pack(wire.MAGIC, len(header), len(body)) + header + body[:3])
            silent = server.connect()
            server.connect().send_raw(b"GFD1")
            self.assertTrue(conn.quiet(0.05))
            start = time.monotonic()
            server.stop()
            self.assertLess(time.monotonic() - start, 8 * wire.SCALE)
            conn.close()
            silent.close()

    def test_a_stop_under_load_is_clean(self):
        with Server() as server:
            conn = server.connect()
            self.assertEqual(make_job(conn), OK)
            message, body = push_message("job", [tensor(0, [1, 2])])

            def load():
                own = server.connect()
                try:
                    for i in range(1_000_000):
                        if own.call("push", message.copy(sequence=i), body).code != OK:
                            break
                except (OSError, EOFError):
                    pass
                own.close()

            threads = [threading.Thread(target=load) for _ in range(4)]
            for thread in threads:
                thread.start()
            wait_until(
                lambda: conn.call("describe_job", job="job").result.job.rounds[0].pushes > 200,
                "200 pushes",
            )
            server.stop()
            for thread in threads:
                thread.join()

    def test_what_was_accepted_is_answered_before_the_end(self):
        with Server() as server:
            conn = server.connect()
            self.assertEqual(make_job(conn), OK)
            message, body = push_message("job", [tensor(0, [1, 2])])
            ids = [conn.send("push", message.copy(sequence=i), body) for i in range(500)]
            self.assertEqual(conn.wait(ids[0]).code, OK)
            server.terminate()
            codes = []
            try:
                for id in ids[1:]:
                    codes.append(conn.wait(id).code)
            except (EOFError, ConnectionResetError):
                pass
            self.assertEqual(codes, sorted(codes, key=lambda code: code == UNAVAILABLE))
            self.assertLessEqual(set(codes), {OK, UNAVAILABLE})

    def test_the_port_is_free_again_at_once(self):
        with Server() as server:
            conn = server.connect()
            self.assertEqual(make_job(conn), OK)
            port = server.address[1]
        with Server(listen=(f"127.0.0.1:{port}",)) as again:
            self.assertEqual(again.address[1], port)

    def test_more_signals_while_it_stops_do_not_hurt(self):
        with Server() as server:
            conns = [server.connect() for _ in range(20)]
            self.assertEqual(make_job(conns[0]), OK)
            server.terminate()

            def ended():
                if server.process.poll() is None:
                    server.process.send_signal(signal.SIGTERM)
                    server.process.send_signal(signal.SIGINT)
                return server.process.poll() is not None

            wait_until(ended, "the exit", pause=0.001)
            for conn in conns:
                conn.close()


class Listeners(unittest.TestCase):
    def refused(self, *options):
        """The program refuses to start, and says why."""
        done = subprocess.run(
            [binary(), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=20 * wire.SCALE,
            check=False,
        )
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertGreater(done.returncode, 0, "ended by a signal")
        return done.stdout.decode()

    def test_several_listeners_serve_the_same_jobs(self):
        listen = ["127.0.0.1:0", "127.0.0.1:0"] + (["[::1]:0"] if has_ipv6() else [])
        with Server(listen=listen) as server:
            self.assertEqual(len(server.listeners), len(listen))
            conns = [server.connect(i) for i in range(len(listen))]
            self.assertEqual(make_job(conns[0]), OK)
            for conn in conns:
                self.assertEqual(conn.call("list_jobs").result.jobs, ["job"])
                conn.close()

    @unittest.skipUnless(has_ipv6(), "no IPv6 here")
    def test_ipv6(self):
        with Server(listen=("[::1]:0",)) as server:
            self.assertEqual(server.address[0], "::1")
            conn = server.connect()
            self.assertEqual(conn.call("hello", protocol=1).code, OK)
            conn.close()

    def test_beyond_loopback_only_when_told_insecure(self):
        for address in ("0.0.0.0:0", "[::]:0"):
            if "::" in address and not has_ipv6():
                continue
            self.assertIn("insecure", self.refused("--listen", address, "--admin", "127.0.0.1:0"))
        with Server("--insecure", listen=("0.0.0.0:0",)) as server:
            conn = wire.Connection(("127.0.0.1", server.address[1]))
            self.assertEqual(conn.call("list_jobs").code, OK)
            conn.close()

    def test_an_address_in_use_is_refused(self):
        with Server() as server:
            text = self.refused(
                "--listen", f"127.0.0.1:{server.address[1]}", "--admin", "127.0.0.1:0"
            )
            self.assertIn(str(server.address[1]), text)

    def test_nonsense_is_refused(self):
        for options in (
            ["--listen", "nowhere"],
            ["--listen", "127.0.0.1:99999"],
            ["--no-such-option"],
            ["--staging-bytes", "many"],
            ["--staging-bytes", "-1"],
            ["--threads", "-3"],
            ["--log-level", "loud"],
            ["--log-format", "xml"],
            ["--max-connections", "0"],
            ["--idle-timeout", "soon"],
            ["--admin", "x"],
            ["stray"],
        ):
            with self.subTest(options):
                self.assertIn(options[-1].lstrip("-"), self.refused(*options))

    def test_options_may_come_from_the_environment(self):
        with Server(environment={"GRADFOLDD_MAX_BODY_BYTES": "4096"}) as server:
            conn = server.connect()
            self.assertEqual(conn.call("hello", protocol=1).result.max_body_bytes, 4096)
            conn.close()

    def test_help_names_every_option(self):
        text = subprocess.run(
            [binary(), "--help"], stdout=subprocess.PIPE, check=True
        ).stdout.decode()
        for option in (
            "listen",
            "port-file",
            "insecure",
            "staging-bytes",
            "max-body-bytes",
            "max-connections",
            "threads",
            "io-threads",
            "log-level",
            "log-format",
            "admin",
        ):
            self.assertIn("--" + option, text)

    def test_json_logs_are_json_lines(self):
        import json

        server = Server("--log-format", "json").start()
        conn = server.connect()
        self.assertEqual(make_job(conn), OK)
        conn.close()
        log = server.log()
        server.stop()
        lines = [json.loads(line) for line in log.splitlines()]
        self.assertTrue(any("job" in json.dumps(line) for line in lines))


class Limits(unittest.TestCase):
    def test_max_connections(self):
        with Server("--max-connections", "8") as server:
            conns = [server.connect() for _ in range(8)]
            for conn in conns:
                self.assertEqual(conn.call("list_jobs").code, OK)
            extra = [server.connect() for _ in range(20)]
            for conn in conns:
                self.assertEqual(conn.call("list_jobs").code, OK)
            for conn in conns + extra:
                conn.close()
            self.wait_served(server)

    def wait_served(self, server):
        def served():
            try:
                conn = server.connect()
                conn.sock.settimeout(1)
                try:
                    return conn.call("list_jobs").code == OK
                finally:
                    conn.close()
            except (OSError, EOFError):
                return False

        wait_until(served, "a new connection is served", seconds=20 * wire.SCALE, pause=0.05)

    def test_descriptors_exhausted(self):
        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

        with Server(preexec=few) as server:
            first = server.connect()
            self.assertEqual(make_job(first), OK)
            conns = [server.connect() for _ in range(150)]
            self.assertTrue(conns[-1].quiet(0.2) or True)
            self.assertEqual(first.call("list_jobs").result.jobs, ["job"])
            time.sleep(0.5)  # a server that spins on accept would fill its log in this time
            self.assertLess(os.path.getsize(server.log_path), 200_000)
            for conn in conns:
                conn.close()
            self.wait_served(server)
            self.assertEqual(first.call("list_jobs").result.jobs, ["job"])
            first.close()

    def test_descriptors_exhausted_do_not_burn_the_processor(self):
        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

        with Server(preexec=few) as server:
            conns = [server.connect() for _ in range(150)]

            def ticks():
                with open(f"/proc/{server.process.pid}/stat", encoding="ascii") as file:
                    fields = file.read().rpartition(")")[2].split()
                return int(fields[11]) + int(fields[12])

            before = ticks()
            time.sleep(1)
            self.assertLess(ticks() - before, 0.5 * os.sysconf("SC_CLK_TCK"))
            for conn in conns:
                conn.close()


if __name__ == "__main__":
    unittest.main()
