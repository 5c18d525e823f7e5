"""Who takes part: each contestant is one command, of which one run gives one report."""

import importlib.util
import os
import shlex
import shutil
import sys

from process import Server, measure

HERE = os.path.dirname(os.path.abspath(__file__))
TRANSPORTS = ("tcp", "unix", "shm")
MPIRUN = ["mpirun", "--oversubscribe", "--mca", "pml", "ob1"]
MPI_OVER = {
    "tcp": ["--mca", "btl", "tcp,self", "--mca", "osc", "pt2pt"],
    "shm": ["--mca", "btl", "vader,self"],
}
MPI_AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


class Contestant:
    """once() measures one run; afterwards `command` is the exact command, with its server's."""

    def __init__(self, name):
        self.name, self.command = name, None


class Program(Contestant):
    """One that brings along whatever it talks to."""

    def __init__(self, name, command, environment=None):
        super().__init__(name)
        self.arguments, self.environment = command, environment

    def once(self):
        self.command = shlex.join(self.arguments)
        return measure(self.arguments, self.environment)


class Gradfold(Contestant):
    """One that talks to a gradfoldd, started anew for each run."""

    def __init__(self, name, server, program, over, words):
        super().__init__(name)
        self.server, self.program, self.over, self.words = server, program, over, words

    def once(self):
        with Server(*self.server, self.over != "tcp") as server:
            address = server.tcp if self.over == "tcp" else server.unix
            arguments = [self.program, f"address={address}", *self.words]
            self.command = f"{shlex.join(server.command)} & {shlex.join(arguments)}"
            report = measure(arguments)
            return {**report, **server.memory()}


class Field:
    """Makes contestants of a build, and knows which peers are missing."""

    def __init__(self, build, server_arguments):
        self.binaries = os.path.join(build, "bin")
        self.server_arguments = server_arguments
        self.missing = {}
        if not shutil.which("mpirun") or not os.path.exists(self._program("mpi_accumulate")):
            self.missing["MPI_Accumulate"] = "not installed (deploy/install-deps --bench)"
        if importlib.util.find_spec("torch") is None:
            self.missing["gloo all_reduce"] = (
                f"no torch for {sys.executable} (deploy/install-deps --bench)")

    def _program(self, name):
        return os.path.join(self.binaries, "bench", name)

    def gradfold(self, name, program, over, words, server=()):
        daemon = os.path.join(self.binaries, "gradfoldd")
        return Gradfold(name, (daemon, [*self.server_arguments, *server]), self._program(program),
                        over, words)

    def gradfold_round(self, over, words, name="gradfold", server=()):
        transport = "transport=shm" if over == "shm" else "transport=copy"
        return self.gradfold(f"{name} {over}", "gradfold_round", over, [transport, *words], server)

    def program(self, name, program, words):
        return Program(name, [self._program(program), *words])

    def raw(self, over, words):
        return self.program(f"raw sockets {over}", "raw_round", [f"transport={over}", *words])

    def mpi(self, over, workers, words):
        command = [*MPIRUN, "-np", str(workers + 1), *MPI_OVER[over],
                   self._program("mpi_accumulate"), *words]
        return Program(f"MPI_Accumulate {over}", command, MPI_AS_ROOT)

    def gloo(self, words):
        command = [sys.executable, os.path.join(HERE, "gloo_allreduce.py"), *words]
        return Program("gloo all_reduce", command)

    def present(self, contestants):
        """Those whose software is there."""
        return [c for c in contestants if not any(c.name.startswith(m) for m in self.missing)]
