# pool_python.py process small|large COUNT: see measures.lua.
# SPDX-License-Identifier: MIT
import collections
import concurrent.futures
import sys
import time

WINDOWS = {"small": 1000, "large": 16}
TEXT = "x" * (1 << 20)


def work(request):
    return request["n"] + 1 if isinstance(request, dict) else request


def batch(pool, what, total):
    waiting = collections.deque()
    for n in range(1, total + 1):
        if len(waiting) == WINDOWS[what]:
            expected, future = waiting.popleft()
            assert future.result() == expected
        request = {"n": n} if what == "small" else TEXT
        waiting.append((n + 1 if what == "small" else TEXT, pool.submit(work, request)))
    for expected, future in waiting:
        assert future.result() == expected


def main():
    what, count = sys.argv[2], int(sys.argv[3])
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        batch(pool, what, count // 5)
        begin = time.monotonic()
        batch(pool, what, count)
        print(f"{count / (time.monotonic() - begin):.1f}")


if __name__ == "__main__":
    main()
