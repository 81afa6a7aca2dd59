"""Autobahn's WebSocket cases against the echo of a server program, compressed messages (12 and 13) among them.

Usage: run.py SERVER_PROGRAM
The program is started with `--port 0` and says `listening on ADDRESS`. Ends with `N passed, M failed` and exit status 1 when a case failed.
"""

import asyncio
import subprocess
import sys
import threading

from kosoku import FailureError, run_fuzzingclient

# There are no groups 8 and 11.
CASES = [f"{group}.*" for group in (1, 2, 3, 4, 5, 6, 7, 9, 10, 12, 13)]
# As many as there are today: a suite that silently became smaller is no success.
CASES_MIN = 517
ADDRESS_DEADLINE_S = 60
SUITE_DEADLINE_S = 1200


def address(server):
    """The address in the first lines that the server writes."""
    watchdog = threading.Timer(ADDRESS_DEADLINE_S, server.kill)
    watchdog.start()
    try:
        for line in server.stdout:
            if line.startswith("listening on "):
                return line.split()[2]
    finally:
        watchdog.cancel()
    raise SystemExit("the server did not say its address")


async def results_of(url):
    """One result per case, whether it passed or not."""
    try:
        run = run_fuzzingclient(url, CASES, concurrency=4)
        return await asyncio.wait_for(run, SUITE_DEADLINE_S)
    except FailureError as failure:
        return failure.results


def main():
    # The suite's own programs fail on an answer that is not compressed where that was agreed, though it may be (RFC 7692,
    # section 6): they hash it as text.
    command = [sys.argv[1], "--port", "0", "--cores", "1", "--deflate-floor", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            results = asyncio.run(results_of(f"ws://{address(server)}/ws/echo"))
        finally:
            server.kill()
    failed = 0
    for case in results:
        verdicts = (case.behavior.value, case.behavior_close.value)
        if not case.passed:
            failed += 1
            print(f"FAILED {case.case_id}: {verdicts}: {case.result} {case.result_close}")
            print(f"       {case.description}\n       expected: {case.expectation}")
        elif verdicts != ("OK", "OK"):
            print(f"note   {case.case_id}: {verdicts}")
    if len(results) < CASES_MIN:
        failed += 1
        print(f"FAILED only {len(results)} cases ran, of at least {CASES_MIN}")
    passed = sum(case.passed for case in results)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
