"""A search in Python: all settings, the best by the validation rows, and that one on all rows."""

from training_time.clock import Clock

from .scores import cost, scores


def search(sets, settings, train, logits, criterion):
    """What `train(setting, x, y, previous)` comes to, whose models give `logits(model, x)`.

    `previous` is the model of the setting before; None for the first setting, and for the last
    training, which is on all rows. The clock stands still while data are read and scaled, and while
    the test set is scored."""
    trials, model = [], None
    (x, y), validation = sets.searching()
    clock = Clock()
    for setting in settings:
        model = train(setting, x, y, model)
        trials.append(setting | scores(logits, model, validation, sets.classes))
    clock.stop()
    costs = [cost(trial, criterion) for trial in trials]
    best = settings[costs.index(min(costs))]
    if min(costs) == float("inf"):
        raise RuntimeError("all settings diverged")
    (x, y), test = sets.whole()
    last = Clock()
    model = train(best, x, y, None)
    last.stop()
    return scores(logits, model, test, sets.classes) | {
        "setting": ", ".join(f"{name} {value:g}" for name, value in best.items()),
        "best_seconds": last.seconds,
        "search_seconds": clock.seconds + last.seconds,
        "trials": trials,
    }
