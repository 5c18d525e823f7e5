"""gradfold create: what it makes of a spec, and how it says what is wrong with one."""

import json

from tool import DONE, FAILED, FILE, USAGE, Case, node

SPEC = {
    "name": "all", "world_size": 5, "quorum": 3, "grace_ms": 1500, "reduction": "mean",
    "accumulation": "in_order", "non_finite": "propagate", "retain_rounds": 7,
    "nodes": [
        {"name": "a", "dtype": "f32", "shape": [2, 3]},
        {"dtype": "i64", "shape": [], "requires_grad": False},
        {"name": "b.c_d-e", "dtype": "bf16", "shape": [4]},
    ],
}
START = '{"name": "x", "world_size": 2, "nodes": ['
NODE = '{"dtype": "f32", "shape": [2]}'

# A spec with @ where the complaint must point to, and what it must contain.
WRONG = (
    ('{"name": "x",\n "world_size": 2,\n @"nodez": []}', "nodez: unknown field"),
    ('{"name": "x", "nodes": [],\n  @"world_size": "two"}', "world_size: expected a whole number"),
    ('{"name": "x", "nodes": [], @"world_size": 2.5}', "world_size: expected a whole number"),
    ('{"name": "x", "nodes": [], @"world_size": -1}', "world_size: expected a whole number"),
    ('{"name": "x", "nodes": [], @"world_size": 4294967296}', "from 0 to 4294967295"),
    ('@{"name": "x", "nodes": []}', '"world_size" is missing'),
    ('@{"name": "x", "world_size": 2}', '"nodes" is missing'),
    ('@{"world_size": 2, "nodes": []}', "--name was not given"),
    ('{@"name": 7, "world_size": 2, "nodes": []}', "name: expected a string"),
    ('\n\t @[1, 2]', "expected an object"),
    ('{"name": "x", "world_size": 2, @"nodes": {}}', "nodes: expected a list of nodes"),
    ('{"name": "x", "world_size": 2, "nodes": [], @"reduction": "max"}',
     'reduction: expected "sum" or "mean"'),
    ('{"name": "x", "world_size": 2, "nodes": [], @"accumulation": null}',
     'accumulation: expected "exact" or "in_order"'),
    ('{"name": "x", "world_size": 2, "nodes": [], @"non_finite": "drop"}',
     'non_finite: expected "reject" or "propagate"'),
    (START + NODE + ",\n    @7]}", "nodes[1]: expected an object"),
    (START + NODE + ',\n @{"dtype": "f32"}]}', 'nodes[1]: the field "shape" is missing'),
    (START + NODE + ',\n @{"shape": []}]}', 'nodes[1]: the field "dtype" is missing'),
    (START + NODE + ',\n {"shape": [2], @"dtype": "f31"}]}', 'nodes[1].dtype: expected "f32", '),
    (START + NODE + ',\n {"dtype": "f32", "shape": [2, @-3]}]}', "nodes[1].shape[1]: expected"),
    (START + NODE + ',\n {"dtype": "f32", @"shape": 2}]}', "nodes[1].shape: expected a list"),
    (START + '{"dtype": "f32", "shape": [], @"requires_grad": 0}]}',
     "nodes[0].requires_grad: expected true or false"),
    (START + '{"dtype": "f32", "shape": [], @"expected": [1]}]}', "nodes[0].expected: expected"),
    (START + '{"dtype": "f32", "shape": [], @"frozen": true}]}', "nodes[0].frozen: unknown field"),
    # Text that could lead astray whoever looks for a place: quotes, braces, escapes, characters.
    ('{"n\\u0061me": "\\\\\\"]}[{", "world_size": 2, "nodes": [{"name": "éü€", "dtype": "f32", '
     '"shape": [], @"b\\u0061d": {"a": ["]", "}"]}}]}', "nodes[0].bad: unknown field"),
)


class Create(Case):
    def test_all_fields_reach_the_server(self):
        self.run_tool("create", self.write("spec.json", json.dumps(SPEC)))
        seen = json.loads(self.server.http("/v1/jobs/all"))["spec"]
        for field in SPEC:
            if field not in ("name", "nodes"):
                self.assertEqual(seen[field], SPEC[field], field)
        self.assertEqual([n["name"] for n in seen["nodes"]], ["a", "", "b.c_d-e"])
        self.assertEqual([n["dtype"] for n in seen["nodes"]], ["f32", "i64", "bf16"])
        self.assertEqual([n["shape"] for n in seen["nodes"]], [[2, 3], [], [4]])
        self.assertEqual([n["requires_grad"] for n in seen["nodes"]], [True, False, True])

    def test_expected_contributions_reach_the_server(self):
        name = self.create([node("a", "f32", [1], expected=9)], world_size=3)
        self.assertEqual(json.loads(self.server.http(f"/v1/jobs/{name}"))["spec"]["nodes"][0]
                         ["expected"], 9)

    def test_defaults_are_the_servers(self):
        name = self.create([node("a", "f32", [1])], world_size=4)
        seen = json.loads(self.server.http(f"/v1/jobs/{name}?nodes=0"))["spec"]
        self.assertEqual((seen["quorum"], seen["grace_ms"], seen["reduction"], seen["accumulation"],
                          seen["non_finite"], seen["retain_rounds"]),
                         (4, 0, "sum", "exact", "reject", 2))

    def test_the_same_spec_again_finds_the_job(self):
        text = json.dumps({**SPEC, "name": "again"})
        self.assertEqual(self.json("create", "-", stdin=text),
                         {"job": "again", "created": True, "open_round": 0})
        self.assertEqual(self.json("create", "-", stdin=text)["created"], False)
        self.assertIn("was there", self.output("create", "-", stdin=text))

    def test_another_spec_is_refused_with_advice(self):
        self.run_tool("create", "-", "--name", "taken", stdin=json.dumps(SPEC))
        said = self.error("create", "-", "--name=taken", stdin=json.dumps({**SPEC, "quorum": 2}))
        self.assertIn("ALREADY_EXISTS", said)
        self.assertIn("gradfold describe --spec taken", said)

    def test_a_described_spec_creates_the_same_job(self):
        self.run_tool("create", "-", "--name", "first", stdin=json.dumps(SPEC))
        text = self.output("describe", "--spec", "first")
        self.assertEqual(self.json("create", "-", stdin=text)["created"], False)
        self.assertEqual(self.json("create", "-n", "second", "-", stdin=text)["created"], True)

    def test_wrong_specs_are_pointed_at(self):
        for text, expected in WRONG:
            before = text.partition("@")[0]
            line = before.count("\n") + 1
            column = len(before) - (before.rfind("\n") + 1) + 1
            path = self.write("spec.json", text.replace("@", "", 1))
            with self.subTest(text=text):
                said = self.error("create", path, status=FILE)
                self.assertTrue(said.startswith(f"gradfold create: spec.json:{line}:{column}: "),
                                said)
                self.assertIn(expected, said)

    def test_what_is_no_json_is_pointed_at(self):
        for text, line in (("", 1), ("{\n\n", 3), ('{"name": "x",\n "name": "y"}', 2),
                           ('{"name":\n"x\x01"}', 2), ("[1,\n2\n3]", 3)):
            with self.subTest(text=text):
                said = self.error("create", self.write("spec.json", text), status=FILE)
                self.assertRegex(said, rf"^gradfold create: spec.json:{line}:\d+: not valid JSON: ")

    def test_a_nul_byte_is_no_space(self):
        text = '{"name": "x",\0 "world_size": 1, "nodes": []}'
        self.assertIn("NUL byte", self.error("create", self.write("spec.json", text), status=FILE))

    def test_files_that_cannot_be_read(self):
        self.assertIn("nowhere.json: No such file", self.error("create", "nowhere.json",
                                                               status=FILE))
        self.assertIn("Is a directory", self.error("create", ".", status=FILE))

    def test_the_server_has_the_last_word(self):
        said = self.error("create", "-", stdin='{"name": "no spaces", "world_size": 1, "nodes": '
                          '[{"dtype": "f32", "shape": [1]}]}')
        self.assertIn("INVALID_ARGUMENT", said)

    def test_names_are_of_a_length(self):
        self.error("create", "-", "--name", "x" * 256, status=USAGE, stdin=json.dumps(SPEC))
        self.run_tool("create", "-", "--name", "x" * 255, stdin=json.dumps(SPEC), status=DONE)

    def test_a_lack_of_room_is_refused(self):
        said = self.error("create", "-", stdin=json.dumps(
            {"name": "huge", "world_size": 1, "nodes": [node("a", "f64", [1 << 40])]}),
            status=FAILED)
        self.assertIn("RESOURCE_EXHAUSTED", said)
        self.assertIn("gradfold status", said)
