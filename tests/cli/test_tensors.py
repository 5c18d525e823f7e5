"""gradfold push and pull: what NumPy writes is pushed, what is pulled NumPy reads."""

import io
import os
import zipfile

import numpy

from tool import FAILED, FILE, TIMEOUT, USAGE, Case, node

NUMPY = {"f32": "<f4", "f64": "<f8", "f16": "<f2", "i32": "<i4", "i64": "<i8"}
VALUES = [0, 1, -2, 3, -1000, 7]


def npy(array, version=(1, 0)):
    out = io.BytesIO()
    numpy.lib.format.write_array(out, array, version)
    return out.getvalue()


def header(text, body=b""):
    """An .npy file with any header."""
    text = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body


class Tensors(Case):
    def save(self, name, array):
        numpy.save(self.path(name), array)
        return name

    def load(self, name):
        return numpy.load(self.path(name), allow_pickle=False)

    def put(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)
        return name

    def push(self, job, *arguments, worker=0, **more):
        return self.run_tool("push", "--worker", worker, "--final", job, *arguments, **more)

    def refused(self, job, file, status=FILE):
        said = self.error("push", "--worker=0", job, f"a={file}", status=status)
        self.assertEqual(self.json("describe", job)["rounds"][-1]["pushes"], 0)
        return said


class RoundTrip(Tensors):
    def test_every_dtype_and_shape(self):
        nodes, arrays = [], {}
        for dtype, descr in NUMPY.items():
            for shape in ((), (6,), (2, 3), (1, 2, 1, 3, 1)):
                name = f"{dtype}-{len(shape)}"
                nodes.append(node(name, dtype, shape))
                count = int(numpy.prod(shape))
                arrays[name] = numpy.array(VALUES[:count] or [5], descr).reshape(shape)
        job = self.create(nodes)
        numpy.savez(self.path("in.npz"), **arrays)
        self.push(job, "in.npz")
        self.run_tool("pull", "--output", "out.npz", job)
        out = self.load("out.npz")
        self.assertEqual(sorted(out.files), sorted(arrays))
        for name, array in arrays.items():
            self.assertEqual((out[name].dtype, out[name].shape), (array.dtype, array.shape), name)
            numpy.testing.assert_array_equal(out[name], array)

    def test_sums_of_two_workers_from_compressed_files(self):
        job = self.create([node("w", "f32", [300, 7]), node("b", "f64", [1000])], world_size=2)
        sources = numpy.random.default_rng(1)
        parts = [(sources.standard_normal((300, 7)).astype("f4"), sources.standard_normal(1000))
                 for _ in range(2)]
        for worker, (w, b) in enumerate(parts):
            numpy.savez_compressed(self.path("in.npz"), w=w, b=b)
            self.push(job, "in.npz", worker=worker)
        self.run_tool("pull", "-o", "out.npz", job)
        out = self.load("out.npz")
        numpy.testing.assert_array_equal(out["w"], parts[0][0] + parts[1][0])
        numpy.testing.assert_array_equal(out["b"], parts[0][1] + parts[1][1])

    def test_bf16_as_bits_and_as_float32(self):
        bits = numpy.array([0x0000, 0x3f80, 0xc000, 0x7f7f, 0x0001, 0x4049], "<u2")
        job = self.create([node("h", "bf16", [6])])
        self.save("h.npy", bits)
        said = self.error("push", "-w0", "-f", job, "h.npy", status=FILE)
        self.assertIn("say --bf16", said)
        self.push(job, "--bf16", "h.npy")
        self.run_tool("pull", "--bf16", "-o", "raw.npy", job)
        numpy.testing.assert_array_equal(self.load("raw.npy"), bits)
        self.run_tool("pull", "-o", "wide.npy", job)
        wide = self.load("wide.npy")
        self.assertEqual(wide.dtype, numpy.dtype("<f4"))
        numpy.testing.assert_array_equal(wide.view("<u4"), bits.astype("<u4") << 16)

    def test_bf16_as_ml_dtypes_saves_it(self):
        job = self.create([node("h", "bf16", [2])])
        self.put("h.npy", header("{'descr': '<V2', 'fortran_order': False, 'shape': (2,), }",
                                 b"\x80\x3f\x00\x40"))
        self.push(job, "--bf16", "h.npy")
        self.run_tool("pull", "-o", "h2.npy", job)
        numpy.testing.assert_array_equal(self.load("h2.npy"), [1, 2])

    def test_fortran_order_means_the_same(self):
        array = numpy.arange(2 * 3 * 4, dtype="<f8").reshape(2, 3, 4)
        for shape in ((24,), (4, 6), (2, 3, 4), (3, 1, 8), (2, 0, 3)):
            job = self.create([node("a", "f64", shape)])
            source = array.reshape(shape) if 0 not in shape else numpy.zeros(shape)
            self.save("a.npy", numpy.asfortranarray(source))
            self.push(job, "a.npy")
            self.run_tool("pull", "-o", "b.npy", job)
            numpy.testing.assert_array_equal(self.load("b.npy"), source)

    def test_versions_of_the_format(self):
        for version in ((1, 0), (2, 0), (3, 0)):
            job = self.create([node("a", "f32", [3])])
            self.put("a.npy", npy(numpy.float32([1, 2, 3]), version))
            self.push(job, "a.npy")
            self.run_tool("pull", "-o", "b.npy", job)
            numpy.testing.assert_array_equal(self.load("b.npy"), [1, 2, 3])

    def test_the_same_sums_are_the_same_file(self):
        job = self.create([node("a", "f32", [3]), node("b", "i32", [])])
        self.run_tool("push", "-w0", "-f", job, f"a={self.save('x.npy', numpy.float32([1, 2, 3]))}")
        for name in ("one.npz", "two.npz", "one.npy", "two.npy"):
            self.run_tool("pull", "-o", name, "-n", "a", job)
        for kind in ("npz", "npy"):
            with open(self.path(f"one.{kind}"), "rb") as one, \
                    open(self.path(f"two.{kind}"), "rb") as two:
                self.assertEqual(one.read(), two.read())
        self.assertEqual([n for n in os.listdir(self.folder) if ".new" in n], [])

    def test_many_nodes(self):
        names = [f"layer.{i}.weight" for i in range(1500)]
        job = self.create([node(name, "f32", [2]) for name in names])
        numpy.savez(self.path("in.npz"), **{n: numpy.float32([i, -i]) for i, n in enumerate(names)})
        self.push(job, "in.npz")
        self.run_tool("pull", "-o", "out.npz", job)
        out = self.load("out.npz")
        for i, name in enumerate(names):
            numpy.testing.assert_array_equal(out[name], [i, -i])

    def test_large_tensors(self):
        array = numpy.random.default_rng(2).standard_normal(5_000_000).astype("f4")
        job = self.create([node("a", "f32", array.shape)])
        self.push(job, "--checksum", self.save("a.npy", array))
        self.run_tool("pull", "-o", "b.npy", job)
        numpy.testing.assert_array_equal(self.load("b.npy"), array)


class Nodes(Tensors):
    def test_by_name_by_id_by_file(self):
        job = self.create([node("a", "f32", [1]), {"dtype": "f32", "shape": [1]},
                           node("0", "f32", [1])])
        self.save("a.npy", numpy.float32([1]))
        self.save("some.npy", numpy.float32([2]))
        self.save("other.npy", numpy.float32([3]))
        os.mkdir(self.path("folder"))
        os.rename(self.path("a.npy"), self.path("folder/a.npy"))
        self.push(job, "folder/a.npy", "1=some.npy", "0=other.npy")
        self.run_tool("pull", "-o", "out.npz", job)
        out = self.load("out.npz")
        self.assertEqual({n: float(out[n][0]) for n in out.files}, {"a": 1, "1": 2, "0": 3})
        pulled = self.json("pull", "-o", "one.npz", "-n", "0", "--node=1", job)
        self.assertEqual([(n["id"], n["name"]) for n in pulled["nodes"]], [(2, "0"), (1, "1")])

    def test_a_node_that_is_not_there(self):
        job = self.create([node("a", "f32", [1])])
        self.save("b.npy", numpy.float32([1]))
        for label in ("b.npy", "1=b.npy", "A=b.npy", "=b.npy"):
            said = self.error("push", "-w0", job, label)
            self.assertIn("has no node", said)
            self.assertIn(f"gradfold describe {job}", said)
        self.assertIn('has no node "b"', self.error("pull", "-o", "x.npy", "--node", "b", job))
        self.assertFalse(os.path.exists(self.path("x.npy")))

    def test_a_file_for_no_known_node(self):
        self.assertIn("NODE=FILE", self.error("push", "-w0", "j", "data.bin", status=USAGE))
        self.assertIn("names its nodes itself",
                      self.error("push", "-w0", "j", "a=x.npz", status=USAGE))

    def test_frozen_nodes_are_counted(self):
        job = self.create([node("a", "f32", [1]), node("f", "f32", [1], requires_grad=False)])
        self.save("a.npy", numpy.float32([1]))
        self.save("f.npy", numpy.float32([1]))
        self.assertIn("1 of them ignored", self.push(job, "a.npy", "f.npy").stdout)


class Pushes(Tensors):
    def setUp(self):
        super().setUp()
        self.job = self.create([node("a", "f32", [2])], world_size=2)
        self.save("a.npy", numpy.float32([1, 2]))

    def push_json(self, *arguments):
        return self.json("push", self.job, *arguments)

    def test_again_is_a_duplicate_and_counts_once(self):
        arguments = ("--worker=0", "--round=0", "a.npy")
        self.assertEqual(self.push_json(*arguments)["verdict"], "accepted")
        self.assertEqual(self.push_json(*arguments)["verdict"], "duplicate")
        self.assertIn("duplicate", self.output("push", self.job, *arguments))
        self.push_json("--worker=0", "--sequence=2", "--final")
        self.push_json("--worker=1", "--final", "a.npy")
        self.run_tool("pull", "-o", "b.npy", self.job)
        numpy.testing.assert_array_equal(self.load("b.npy"), [2, 4])

    def test_another_push_needs_another_sequence(self):
        self.push_json("--worker=0", "a.npy")
        said = self.error("push", "--worker=0", "--final", self.job)
        self.assertIn("CONFLICT", said)
        self.assertIn("--sequence", said)
        self.assertEqual(self.push_json("--worker=0", "--final", "--sequence=2")["tensors"], 0)

    def test_goes_into_the_open_round(self):
        for round_ in range(3):
            for worker in range(2):
                pushed = self.push_json(f"--worker={worker}", "--final", "a.npy")
                self.assertEqual((pushed["round"], pushed["bytes"]), (round_, 8))

    def test_refusals_show_code_message_and_advice(self):
        other = numpy.float32([1, 2, 3])
        cases = (
            ("SHAPE_MISMATCH", f"a={self.save('s.npy', other)}", "gradfold describe"),
            ("DTYPE_MISMATCH", f"a={self.save('d.npy', numpy.float64([1, 2]))}",
             "gradfold describe"),
            ("NON_FINITE", f"a={self.save('n.npy', numpy.float32([1, numpy.nan]))}", "propagate"),
        )
        for code, file, advice in cases:
            said = self.error("push", "--worker=0", self.job, file)
            self.assertIn(f"{self.job}: {code}: ", said)
            self.assertIn(advice, said)
        said = self.error("push", "--worker=0", "--round=7", self.job, "a.npy")
        self.assertIn("FUTURE_ROUND", said)
        self.assertIn("which round is open", said)
        self.assertIn("INVALID_ARGUMENT", self.error("push", "--worker=2", self.job, "a.npy"))
        self.assertIn("NOT_FOUND", self.error("push", "--worker=0", "nowhere", "a.npy"))
        self.assertEqual(self.json("describe", self.job)["rounds"][-1]["pushes"], 0)

    def test_nothing_to_push(self):
        self.assertIn("--final", self.error("push", "--worker=0", self.job, status=USAGE))
        self.assertIn("--worker N is missing", self.error("push", self.job, status=USAGE))

    def test_one_bad_file_and_nothing_is_pushed(self):
        self.put("bad.npy", b"no")
        self.error("push", "--worker=0", self.job, "a.npy", "a=bad.npy", status=FILE)
        self.assertEqual(self.json("describe", self.job)["rounds"][-1]["pushes"], 0)


class BadFiles(Tensors):
    def setUp(self):
        super().setUp()
        self.job = self.create([node("a", "f32", [2, 2])])
        self.good = npy(numpy.float32([[1, 2], [3, 4]]))

    def test_other_types_say_what_to_do(self):
        for array, advice in ((numpy.zeros((2, 2), ">f4"), "astype('<f4')"),
                              (numpy.zeros((2, 2), "u1"), "no type for"),
                              (numpy.zeros((2, 2), "c8"), "no type for"),
                              (numpy.zeros((2, 2), "?"), "no type for"),
                              (numpy.zeros((2, 2), "u2"), "say --bf16"),
                              (numpy.zeros((2, 2), [("x", "f4")]), "structures")):
            self.assertIn(advice, self.refused(self.job, self.save("x.npy", array)))

    def test_objects_are_not_unpickled(self):
        numpy.save(self.path("o.npy"), numpy.array([None]), allow_pickle=True)
        self.assertIn("no type for", self.refused(self.job, "o.npy"))

    def test_every_truncation_is_noticed(self):
        for length in list(range(0, 20)) + [64, 127, 128, len(self.good) - 1]:
            said = self.refused(self.job, self.put("t.npy", self.good[:length]))
            self.assertIn("t.npy: array a: it", said)

    def test_trailing_bytes_are_noticed(self):
        self.assertIn("17 bytes", self.refused(self.job, self.put("t.npy", self.good + b"x")))

    def test_headers_that_make_no_sense(self):
        for text in ("", "{", "[]", "{'descr': '<f4'}",
                     "{'descr': '<f4', 'fortran_order': 1, 'shape': (4,)}",
                     "{'descr': '<f4', 'fortran_order': False, 'shape': (2, -2)}",
                     "{'descr': '<f4', 'fortran_order': False, 'shape': (4)}",
                     "{'descr': '<f4', 'fortran_order': False, 'shape': [4]}",
                     "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), 'x': 1}",
                     "{'descr': '<f4', 'fortran_order': False, 'shape': (4,)",
                     "{'descr': '<f4" + "4" * 40 + "', 'fortran_order': False, 'shape': (4,)}",
                     "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1," * 65 + ")}",
                     "{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616,)}",
                     "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387905, 4)}"):
            with self.subTest(header=text):
                self.refused(self.job, self.put("h.npy", header(text, bytes(16))))

    def test_a_version_of_the_future(self):
        data = self.good[:6] + b"\x04" + self.good[7:]
        self.assertIn("version", self.refused(self.job, self.put("v.npy", data)))

    def test_files_that_are_not_there(self):
        self.assertIn("No such file", self.refused(self.job, "nowhere.npy"))
        said = self.error("push", "-w0", self.job, "nowhere.npz", status=FILE)
        self.assertIn("nowhere.npz", said)

    def zipped(self, name, members, how=zipfile.ZIP_STORED):
        with zipfile.ZipFile(self.path(name), "w", how) as file:
            for member, data in members.items():
                file.writestr(member, data)
        return name

    def test_zips_that_make_no_sense(self):
        self.put("no.npz", b"this is no zip file")
        self.zipped("other.npz", {"a.txt": b"x"})
        self.zipped("inner.npz", {"a.npy": b"x"})
        with open(self.path(self.zipped("crc.npz", {"a.npy": self.good})), "rb") as file:
            data = bytearray(file.read())
        data[data.index(self.good) + len(self.good) - 1] ^= 1
        self.put("crc.npz", bytes(data))
        with open(self.path(self.zipped("size.npz", {"a.npy": self.good})), "rb") as file:
            data = bytearray(file.read())
        entry = data.index(b"PK\x01\x02")
        for size, name in ((len(self.good) + 1, "longer.npz"), (0xfffffffe, "huge.npz")):
            data[entry + 24:entry + 28] = size.to_bytes(4, "little")
            self.put(name, bytes(data))
            self.assertIn(name, self.error("push", "-w0", self.job, name, status=FILE))
        for name, expected in (("no.npz", "Not a zip archive"), ("other.npz", "a.txt is no .npy"),
                               ("inner.npz", "it is no .npy file"), ("crc.npz", "CRC")):
            said = self.error("push", "-w0", self.job, name, status=FILE)
            self.assertIn(name, said)
            self.assertIn(expected, said)


class Pulls(Tensors):
    def setUp(self):
        super().setUp()
        self.job = self.create([node("a", "f32", [2]), node("b", "f32", [1], expected=1)])
        self.save("a.npy", numpy.float32([1, 2]))
        self.save("b.npy", numpy.float32([3]))

    def test_what_is_not_complete(self):
        said = self.error("pull", "-o", "x.npz", "--no-wait", self.job, status=TIMEOUT)
        self.assertIn("DEADLINE_EXCEEDED", said)
        said = self.error("pull", "-o", "x.npz", "--timeout", "200ms", self.job, status=TIMEOUT)
        self.assertIn(f"gradfold status {self.job}", said)
        self.assertEqual(os.path.exists(self.path("x.npz")), False)

    def test_a_complete_node_of_an_open_round(self):
        self.run_tool("push", "-w0", self.job, "b.npy")
        pulled = self.json("pull", "-o", "x.npy", "-n", "b", "--round=0", self.job)
        self.assertEqual((pulled["round"], pulled["state"]), (0, "open"))
        self.assertEqual(pulled["nodes"][0]["contributions"], 1)
        numpy.testing.assert_array_equal(self.load("x.npy"), [3])

    def test_older_rounds(self):
        for value in (1, 2, 3):
            self.save("a.npy", numpy.float32([value, 0]))
            self.push(self.job, "a.npy")
        self.run_tool("pull", "-o", "x.npy", "-n", "a", "-r", "1", self.job)
        numpy.testing.assert_array_equal(self.load("x.npy"), [2, 0])
        self.assertIn("NOT_FOUND", self.error("pull", "-o", "x.npy", "-n", "a", "-r0", self.job))

    def test_an_npy_holds_one(self):
        self.push(self.job, "a.npy", "b.npy")
        self.assertIn("--node", self.error("pull", "-o", "x.npy", self.job, status=USAGE))

    def test_a_file_that_cannot_be_written(self):
        self.push(self.job, "a.npy", "b.npy")
        for name in ("d.npz", "d.npy"):
            os.mkdir(self.path(name))
        for name in ("no/x.npz", "no/x.npy", "d.npz", "d.npy"):
            said = self.error("pull", "-o", name, "-n", "a", self.job, status=FILE)
            self.assertIn(name, said)
        self.assertEqual(sorted(os.listdir(self.folder)),
                         ["a.npy", "b.npy", "d.npy", "d.npz"])

    def test_an_old_file_is_replaced_when_the_new_one_is_there(self):
        self.put("x.npz", b"old")
        self.error("pull", "-o", "x.npz", "--no-wait", self.job, status=TIMEOUT)
        with open(self.path("x.npz"), "rb") as file:
            self.assertEqual(file.read(), b"old")
        self.push(self.job, "a.npy", "b.npy")
        self.run_tool("pull", "-o", "x.npz", self.job, "--quiet")
        self.assertEqual(sorted(self.load("x.npz").files), ["a", "b"])

    def test_no_job(self):
        self.assertIn("NOT_FOUND", self.error("pull", "-o", "x.npz", "nowhere", status=FAILED))
