"""The checker of the commit protocol's model must find what is wrong with protocols that are: each of these breaks one rule."""

import commit_model as m


def broken_promises(**patches):
    saved = {name: getattr(m, name) for name in patches}
    for name, patch in patches.items():
        setattr(m, name, patch)
    try:
        found = set()
        for takes in m.CASES.values():
            *_, broken = m.explore(m.begin(takes, 0, 1)._replace(collector=m.Collector(m.DEAD, None, frozenset())))
            found |= {promise for _, what in broken for promise in what}
        return found
    finally:
        for name, value in saved.items():
            setattr(m, name, value)


def blind_retry(world, i, head):
    """Whoever hears nothing commits again, over whatever is there."""
    w = world.writers[i]
    if m.collides(w, head):
        return m.with_writer(world, i, step=m.ENDED, result="conflict")
    return m.with_writer(world, i, step=m.PUT_HEAD, seen=head)


def no_condition(world, put):
    """A store that takes the condition and ignores it."""
    return world._replace(head=put[2]), True


def no_check(writer, head):
    """Nothing ever collides."""
    return False


def guesses(head, base):
    """What is not listed is taken not to have happened."""
    return True


def main():
    assert not broken_promises(), "the protocol as it is"
    assert "a commit took effect twice" in broken_promises(decide=blind_retry)
    assert any("was told of success and is not there" in promise for promise in broken_promises(apply_put=no_condition))
    assert any("removed a file that was gone" in promise for promise in broken_promises(collides=no_check))
    saved, m.WINDOW = m.WINDOW, 1
    try:
        assert "a commit took effect twice" in broken_promises(listed_since=guesses)
        assert not broken_promises(), "a short log makes outcomes unknown, never wrong"
    finally:
        m.WINDOW = saved


if __name__ == "__main__":
    main()
