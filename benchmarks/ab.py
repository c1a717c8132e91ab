"""Two commits by turns: ``python -m benchmarks.ab COMMIT_A COMMIT_B [-k EXPRESSION]``.

Each commit is checked out into a temporary folder, with a cache of kernels of its own. The benchmarks of this checkout,
those marked `quick` unless -k names others, are run with mbfast of A, of B, of A and so on. For each case the ratio of
the medians over all rounds is printed, above 1 where B is faster, and its scatter: half the range that the middle half
of the ratios of one A and the B behind it has.
"""

import argparse
import contextlib
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from . import runs

HERE = Path(__file__).resolve().parents[1]


def git(*arguments):
    done = subprocess.run(["git", "-C", HERE, *arguments], capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise runs.UnreadableError(f"git {arguments[0]}: {(done.stderr.strip() or 'failed').splitlines()[0]}")
    return done.stdout.strip()


@contextlib.contextmanager
def checked_out(*commits):
    """Give folders with the commits, which are gone afterwards, whatever ends the comparison."""
    commits = [
        git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}") for commit in commits
    ]
    folder = Path(tempfile.mkdtemp(prefix="mbfast-ab-"))
    try:
        trees = [folder / side for side in "AB"]
        for tree, commit in zip(trees, commits, strict=True):
            git("worktree", "add", "--detach", "--force", str(tree), commit)
        yield trees
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        git("worktree", "prune")


def measure(tree, options, file):
    """Run the benchmarks of this checkout with mbfast of a folder; return medians by case."""
    environment = os.environ | {"PYTHONPATH": str(tree), "NUMBA_CACHE_DIR": str(tree.with_suffix(".cache"))}
    command = [sys.executable, "-P", "-m", "pytest", "benchmarks", "-q", "-p", "no:cacheprovider", *options]
    command.append(f"--benchmark-json={file}")
    done = subprocess.run(command, cwd=HERE, env=environment, capture_output=True, encoding="utf-8", check=False)
    if not file.exists():
        last = (done.stdout + done.stderr).strip().splitlines()[-1:]
        raise runs.UnreadableError(f"nothing was measured with mbfast of {tree.name}: {''.join(last)}")
    groups = runs.read_run(file).groups
    return {(group, name): entry["stats"]["median"] for group, found in groups.items() for name, entry in found.items()}


def compared(first, second):
    """Return ratio and scatter by case, from the medians of each round of A and of B."""
    found = {}
    for case in [case for case in first[0] if all(case in medians for medians in first + second)]:
        a, b = ([medians[case] for medians in side] for side in (first, second))
        ratio, parts = statistics.median(a) / statistics.median(b), [x / y for x, y in zip(a, b, strict=True)]
        low, _, high = statistics.quantiles(parts, n=4, method="inclusive") if len(parts) > 1 else (ratio, ratio, ratio)
        found[case] = ratio, 0.5 * (high - low) / ratio
    return found


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ab", description=__doc__.partition("\n")[0])
    parser.add_argument("a", help="a commit, as git names it")
    parser.add_argument("b", help="another")
    parser.add_argument("-k", metavar="EXPRESSION", help="as of pytest; without it, what is marked quick")
    parser.add_argument("--rounds", type=int, default=5, help="of A and B each; %(default)s unless it is given")
    given = parser.parse_args()
    if given.rounds < 2:
        raise runs.UnreadableError(f"rounds must be at least 2, got {given.rounds}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options, found = ["-k", given.k] if given.k else ["-m", "quick"], ([], [])
    with checked_out(given.a, given.b) as trees:
        for number in range(given.rounds):
            for side, tree in zip(found, trees, strict=True):
                side.append(measure(tree, options, tree.with_suffix(f".{number}.json")))
                print(f"\rround {number + 1} of {given.rounds}, {tree.name}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(f"| case | contender | {given.a} / {given.b} | scatter |\n|---|---|---|---|")
    for (group, name), (ratio, scatter) in compared(*found).items():
        print(f"| {group} | {name} | {ratio:.3f} | {scatter:.1%} |")
    return 0


if __name__ == "__main__":
    try:
        runs.command(main)
    except KeyboardInterrupt:
        sys.exit(130)
