"""Hello: optional, protocol 1, and the limits that it tells."""

import unittest

import wire
from case import ServerCase
from wire import INVALID_ARGUMENT, OK


class Hello(ServerCase):
    OPTIONS = ("--max-body-bytes", "1048576")

    def test_tells_protocol_version_and_limits(self):
        reply = self.expect(self.conn.call("hello", protocol=1, client="test"), OK)
        self.assertEqual(reply.result.protocol, 1)
        self.assertTrue(reply.result.server_version)
        self.assertEqual(reply.result.max_header_bytes, wire.HEADER_MAX)
        self.assertEqual(reply.result.max_body_bytes, 1 << 20)

    def test_token_is_ignored(self):
        self.expect(self.conn.call("hello", protocol=1, token="anything"), OK)

    def test_may_be_said_twice_and_late(self):
        self.expect(self.conn.call("list_jobs"), OK)
        for _ in range(2):
            self.expect(self.conn.call("hello", protocol=1), OK)

    def test_another_protocol_is_refused_naming_the_supported_one(self):
        for protocol in (2, 0, None, 0xFFFFFFFF):
            self.expect(self.conn.call("hello", protocol=protocol), INVALID_ARGUMENT, r"\b1\b")
        self.expect_alive(self.conn)


if __name__ == "__main__":
    unittest.main()
