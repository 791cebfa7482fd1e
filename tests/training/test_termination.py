"""Ending a training from outside. Real processes and signals."""

import signal
import subprocess
import sys
import time

SWALLOWING = """
while True:
    try:
        time.sleep(60)
    except BaseException:
        pass
"""
NATIVE = """
hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # native code that does not come back for minutes
"""
FORKING = """
child = os.fork()
if child == 0:
    time.sleep(60)
time.sleep(0.5)
os.kill(child, signal.SIGTERM)
os.waitpid(child, 0)
time.sleep(2)
"""


def run(body: str, *, ask_to_end: bool = True) -> int:
    """Run code within `ending_on_request`, ask it to end while it is busy, and give its exit code."""
    lines = "\n".join(f"    {line}" for line in ["print(1, flush=True)", *body.strip().splitlines()])
    code = (
        "import hashlib, os, signal, time\n"
        "from fair_models.training.process.termination import ending_on_request\n"
        f"with ending_on_request(grace_s=1):\n{lines}\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        if ask_to_end:
            time.sleep(1)  # into the body
            process.terminate()
        return process.wait(timeout=60)


def test_a_process_that_is_asked_to_end_ends_as_by_exit() -> None:
    assert run("time.sleep(60)") == 128 + signal.SIGTERM


def test_a_training_that_swallows_the_request_is_killed_after_the_grace() -> None:
    assert run(SWALLOWING) == -signal.SIGKILL


def test_a_training_deep_in_native_code_is_killed_after_the_grace() -> None:
    assert run(NATIVE) == -signal.SIGKILL


def test_the_end_of_a_process_that_it_forked_is_not_its_own() -> None:
    assert run(FORKING, ask_to_end=False) == 0


def test_zenml_does_not_take_the_signal_over_while_a_step_runs() -> None:
    body = """
from zenml.orchestrators.signal_handler import SignalHandler
before = signal.getsignal(signal.SIGTERM)
SignalHandler(step_run=None, execution_mode=None).register()
assert signal.getsignal(signal.SIGTERM) is before
"""
    assert run(body, ask_to_end=False) == 0
