"""The commit protocol of datasets as a small model, and a checker that explores all that can happen in it.

A world is a head document, the objects in the store, requests that are still under way, and some writers and a collector, each
at its own step. One transition is one operation on the store, as the library does them. The environment may, within small bounds,
crash a process before any operation, lose the reply of an operation, or hold a request back that takes effect later, when its
writer has long gone on. The checker visits every reachable world and holds the promises against each.

`commit_model.py` explores and prints what it saw; `--traces N` also prints runs for tests/dataset/test_race.c, one a line, which
together take every kind of transition. Written for reading next to docs/specification/dataset.md.
"""

import argparse
import random
import sys
from collections import namedtuple

# ---- worlds ----------------------------------------------------------------------------------------------------------

# The head: `tag` is its ETag, which never comes back; `log` the commit ids that it lists, newest first, ended after WINDOW;
# `version` that of the newest; `files` what it names. `done` is for the checker alone: all ids ever committed, oldest first.
Head = namedtuple("Head", "tag version log files done")
# A writer: what it does (adds its own file, and removes `takes` when that is not None), where it stands, the head that its
# change began on, the head that its next write is conditional on, and how it ended.
Writer = namedtuple("Writer", "name takes step base seen unclear result")
# The collector: what it found unused; young files are not looked at.
Collector = namedtuple("Collector", "step head doomed")
World = namedtuple("World", "head objects pending writers collector crashes losses")

WINDOW = 2  # ids that the head lists: small here, 24 hours in the library

OPEN, PUT_FILE, PUT_HEAD, LOOK, ENDED, DEAD = "open", "put file", "put head", "look", "ended", "dead"


def begin(takes, crashes, losses):
    head = Head(0, 0, (), frozenset({"old0", "old1"}), ())
    writers = tuple(Writer(f"w{i}", t, OPEN, None, None, False, None) for i, t in enumerate(takes))
    return World(head, head.files, (), writers, Collector(OPEN, None, frozenset()), crashes, losses)


# ---- the protocol ----------------------------------------------------------------------------------------------------


def next_head(head, writer):
    """What a writer's commit makes of a head: the change rebased over it."""
    files = (head.files - {writer.takes}) | {writer.name + ".file"}
    return Head(writer.name, head.version + 1, ((writer.name,) + head.log)[:WINDOW], files, head.done + (writer.name,))


def collides(writer, head):
    return writer.takes is not None and writer.takes not in head.files


def listed_since(head, base):
    """Whether the head still lists every commit that came after `base`."""
    return head.version - len(head.log) <= base.version


def apply_put(world, put):
    """The store's side of a conditional write: (world, whether it took effect)."""
    writer_name, tag, head = put
    if world.head.tag != tag:
        return world, False
    return world._replace(head=head), True


def with_writer(world, i, **changes):
    writers = list(world.writers)
    writers[i] = writers[i]._replace(**changes)
    return world._replace(writers=tuple(writers))


def decide(world, i, head):
    """A writer that has just read the head."""
    w = world.writers[i]
    if w.name in head.log:
        return with_writer(world, i, step=ENDED, result="committed")
    if w.unclear and not listed_since(head, w.base):
        return with_writer(world, i, step=ENDED, result="unknown")
    if collides(w, head):
        # A request that is still under way is conditional on a head that is gone or, when it is not, would not collide.
        return with_writer(world, i, step=ENDED, result="conflict")
    return with_writer(world, i, step=PUT_HEAD, seen=head)


def writer_steps(world, i):
    """Yields (label, world) for each thing that may happen to writer i next."""
    w = world.writers[i]
    if w.step in (ENDED, DEAD):
        return
    if world.crashes > 0:
        yield f"{w.name} crash", with_writer(world, i, step=DEAD)._replace(crashes=world.crashes - 1)
    if w.step == OPEN:
        step = PUT_FILE if w.takes is None or w.takes in world.head.files else ENDED
        result = None if step == PUT_FILE else "conflict"
        yield f"{w.name} read", with_writer(world, i, step=step, base=world.head, seen=world.head, result=result)
    elif w.step == PUT_FILE:
        there = world._replace(objects=world.objects | {w.name + ".file"})
        yield f"{w.name} file", with_writer(there, i, step=PUT_HEAD)
    elif w.step == LOOK:
        yield f"{w.name} read", decide(world, i, world.head)
    elif w.step == PUT_HEAD:
        put = (w.name, w.seen.tag, next_head(w.seen, w))
        after, effect = apply_put(world, put)
        if effect:
            yield f"{w.name} put", with_writer(after, i, step=ENDED, result="committed")
        else:
            yield f"{w.name} refused", with_writer(world, i, step=LOOK)
        if world.losses > 0:
            spent = world._replace(losses=world.losses - 1)
            if effect:
                yield f"{w.name} lost-reply", with_writer(after._replace(losses=spent.losses), i, step=LOOK, unclear=True)
            late = spent._replace(pending=tuple(sorted(spent.pending + (put,), key=lambda p: (p[0], str(p[1])))))
            yield f"{w.name} held", with_writer(late, i, step=LOOK, unclear=True)


def network_steps(world):
    """A request that was held back arrives at last, or never."""
    for put in world.pending:
        rest = tuple(p for p in world.pending if p is not put)
        after, effect = apply_put(world._replace(pending=rest), put)
        yield f"{put[0]} {'arrives' if effect else 'arrives-late'}", after


def collector_steps(world):
    """Reads the head, then lists, then deletes one object after another. The age limit is longer than any of its runs, so that
    only what belonged to a writer that was dead when it began, or was superseded then, is old enough."""
    c = world.collector
    if c.step == OPEN:
        young = {w.name + ".file" for w in world.writers if w.step != DEAD}
        held = {p[0] + ".file" for p in world.pending}
        yield "gc read", world._replace(collector=Collector("list", world.head, frozenset(young | held)))
    elif c.step == "list":
        doomed = frozenset(world.objects - c.head.files - c.doomed)
        yield "gc list", world._replace(collector=Collector("delete", None, doomed))
    elif c.step == "delete" and c.doomed:
        for name in sorted(c.doomed):
            rest = world._replace(objects=world.objects - {name})
            yield "gc delete " + name, rest._replace(collector=c._replace(doomed=c.doomed - {name}))
        if world.crashes > 0:
            yield "gc crash", world._replace(collector=Collector(DEAD, None, frozenset()), crashes=world.crashes - 1)


def steps(world):
    for i in range(len(world.writers)):
        yield from writer_steps(world, i)
    yield from network_steps(world)
    yield from collector_steps(world)


# ---- the promises ----------------------------------------------------------------------------------------------------


def check(world):
    """Each promise that a world breaks, as text."""
    head = world.head
    if len(set(head.done)) != len(head.done):
        yield "a commit took effect twice"
    files = {"old0", "old1"}
    for name in head.done:
        w = next(w for w in world.writers if w.name == name)
        if w.takes is not None and w.takes not in files:
            yield f"{name} removed a file that was gone"
        files = (files - {w.takes}) | {name + ".file"}
    if files != set(head.files):
        yield "the head is not what its commits make: something was lost"
    if not set(head.files) <= set(world.objects):
        yield "the head names a file that is not there"
    for w in world.writers:
        if w.result == "committed" and w.name not in head.done:
            yield f"{w.name} was told of success and is not there"
        if w.result == "conflict" and w.name in head.done:
            yield f"{w.name} was told of a conflict and is there"


def check_end(world):
    """Of worlds in which nothing more can happen."""
    for w in world.writers:
        if w.result is None and w.step != DEAD:
            yield f"{w.name} never ended"


# ---- exploring -------------------------------------------------------------------------------------------------------


def explore(start):
    """Every reachable world. Returns (worlds, transitions, parents, ends, broken)."""
    parents = {start: None}
    queue, ends, broken, transitions = [start], [], [], 0
    while queue:
        world = queue.pop()
        what = list(check(world))
        dead_end = True
        for label, after in steps(world):
            transitions += 1
            dead_end = False
            if after not in parents:
                parents[after] = (world, label)
                queue.append(after)
        if dead_end:
            ends.append(world)
            what += check_end(world)
        if what:
            broken.append((world, what))
    return len(parents), transitions, parents, ends, broken


def path(parents, world):
    labels = []
    while parents[world] is not None:
        world, label = parents[world]
        labels.append(label)
    return labels[::-1]


CASES = {
    "three appends": (None, None, None),
    "two that collide and an append": ("old0", "old0", None),
    "a removal each and an append": ("old0", "old1", None),
}


def random_runs(takes, count, seed):
    """Runs from the start to an end, chosen at random: (labels, last world)."""
    rng = random.Random(seed)
    for _ in range(count):
        world, labels = begin(takes, 1, 2)._replace(collector=Collector(DEAD, None, frozenset())), []
        while True:
            choices = list(steps(world))
            if not choices:
                break
            label, world = rng.choice(choices)
            labels.append(label)
        yield labels, world


def print_traces(count):
    """takes | steps | how each writer ended | the commits in order. The library's window is not as small as the model's."""
    global WINDOW
    WINDOW = 100
    for takes in CASES.values():
        for labels, world in random_runs(takes, count, 7):
            results = ",".join(w.result or "crashed" for w in world.writers)
            print("|".join([",".join(t or "-" for t in takes), ",".join(labels), results, ",".join(world.head.done)]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--traces", type=int, default=0, metavar="N", help="print N runs of each case and explore nothing")
    parser.add_argument("--losses", type=int, default=1, help="lost replies and held requests, together")
    parser.add_argument("--crashes", type=int, default=1)
    args = parser.parse_args()
    if args.traces:
        print_traces(args.traces)
        return 0
    failed = False
    for name, takes in CASES.items():
        worlds, transitions, parents, ends, broken = explore(begin(takes, args.crashes, args.losses))
        outcomes = sorted({w.result or "crashed" for end in ends for w in end.writers})
        print(f"{name}: {worlds} worlds, {transitions} transitions, {len(ends)} ends, outcomes {', '.join(outcomes)}")
        for world, what in broken[:3]:
            failed = True
            print(f"  broken: {'; '.join(what)}\n  by: {', '.join(path(parents, world))}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
