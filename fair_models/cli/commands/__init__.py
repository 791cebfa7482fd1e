"""The commands: one line for each, so that `fair-models --help` loads none of their modules."""

WORK = "Work (needs a server: fair-models up)"
EVALUATE = "Evaluate (needs a server: fair-models up)"
LOCAL_SERVER = "Local server (needs a checkout)"

COMMANDS = {
    "Begin here": {
        "demo": (
            "demo.demo",
            "Register, ingest, fine-tune, promote, predict, audit: everything once, in a few minutes.",
        ),
        "sample": (
            "sample.sample",
            "Write the chips and labels of an invented settlement, in the layout that fAIr uses.",
        ),
    },
    WORK: {
        "register": (
            "work.register",
            "Publish a base model: a contribution's folder or a finished item.",
        ),
        "ingest": ("work.ingest", "Publish image chips and labels as a dataset."),
        "finetune": ("work.finetune", "Train the next version of a model on a dataset."),
        "promote": (
            "work.promote",
            "Publish a version of a fine-tuned model, or make one active again that was published before.",
        ),
        "retire": ("work.retire", "Archive or delete what is published."),
        "predict": (
            "work.predict",
            "Run a model over chips, an image or tiles, or repeat a prediction (--from).",
        ),
        "audit": (
            "work.audit",
            "Check the whole catalogue, and repair what is safe if asked. Ends with code 1 if it has errors.",
        ),
        "feedback": (
            "work.feedback",
            "Publish what people say of a prediction as a dataset, to train its model further.",
        ),
        "pin": ("work.pin", "Pin a version, so that nothing deletes it."),
        "unpin": ("work.unpin", "Remove the pin of a version."),
        "clean-runs": (
            "work.clean_runs",
            "Delete old training runs that are not published and not pinned; without --delete, list them.",
        ),
    },
    "Look": {
        "list": (
            "items.list_items",
            "List what is published, page by page: all of it, or what conditions hold for.",
        ),
        "show": ("items.show", "Show one item; with --json the whole STAC item."),
        "rank": (
            "ranking.rank",
            "Find the chips that a sentence describes, or the captions that describe an image.",
        ),
    },
    "Trainings": {
        "versions": ("versions.versions", "List the versions of a model, with stage and metrics."),
        "runs": (
            "versions.runs",
            "List training runs, published or not, page by page: all of them, or what conditions hold for.",
        ),
        "rerun": (
            "versions.rerun",
            "Repeat the training of a version from its run config. The result is the next version.",
        ),
    },
    EVALUATE: {
        "compare": ("work.compare", "Measure versions side by side on the same held-out chips."),
        "slice": (
            "work.slice_dataset",
            "Publish a part of a dataset, by area, class or tag, to evaluate versions on.",
        ),
        "search": (
            "work.search",
            "Search for good hyperparameters: each trial is a version, the best is trained once more.",
        ),
    },
    "Contribute a model": {
        "new-model": (
            "models.new_model",
            "Make a folder for a new model: complete, small, and ready to be changed.",
        ),
        "check-model": (
            "models.check_model",
            "List everything that is wrong with a contributed model. Ends with code 2 if something is.",
        ),
        "check-item": (
            "models.check_item",
            "List everything that is wrong with an item of a base model, dataset, local model or prediction.",
        ),
    },
    LOCAL_SERVER: {
        "doctor": (
            "doctor.doctor",
            "Check every configured part by using it: what works, or what is wrong and what to do.",
        ),
        "up": (
            "server.up",
            "Start a local Prefect server, its workers and all deployments. What runs already stays.",
        ),
        "down": ("server.down", "Stop the local server, its workers, and the runs that they work on."),
    },
    "Runs on the server": {
        "flow-runs": ("runs.flow_runs", "List the latest runs on the server."),
        "status": ("runs.status", "Show the status of a run and of the runs that it started."),
        "follow": ("runs.follow", "Follow a run until it is over, and print its result."),
        "logs": ("runs.logs", "Print the log lines of a run and of the runs that it started."),
        "results": ("runs.results", "Print the result of a run, and where its files lie."),
        "cancel": ("runs.cancel", "Cancel a run and the runs that it started."),
    },
    "Operate": {
        "catalog": ("catalog.group", "Make a catalogue in pgstac, copy or check a catalogue."),
    },
}
"""Each command by heading and name: where it is in this package, and its help in one line."""
