"""The commands: one line for each, so that `fair-models --help` loads none of their modules."""

COMMANDS = {
    "Begin here": {
        "demo": ("demo", "Register, ingest, fine-tune, promote, predict and audit once, in a few minutes."),
        "sample": ("sample", "Write chips and labels of an invented settlement, in fAIr's layout."),
    },
    "Work (needs a server: fair-models up)": {
        "register": ("work", "Publish a base model: a contribution's folder or a finished item."),
        "ingest": ("work", "Publish image chips and labels as a dataset."),
        "finetune": ("work", "Train the next version of a model on a dataset."),
        "promote": ("work", "Publish a version of a fine-tuned model, also one that was published before."),
        "retire": ("work", "Archive or delete what is published."),
        "predict": ("work", "Run a model over chips, an image or tiles, or repeat a prediction (--from)."),
        "audit": ("work", "Check the whole catalogue, and repair it if asked. Code 1 if it has errors."),
        "feedback": ("work", "Publish feedback on a prediction as a dataset, to train its model further."),
        "pin": ("work", "Pin a version, so that nothing deletes it."),
        "unpin": ("work", "Remove the pin of a version."),
        "clean-runs": (
            "work",
            "List old training runs that are not published or pinned; --delete deletes them.",
        ),
    },
    "Look": {
        "list": (
            "items.list_items",
            "List what is published, page by page: all of it, or what conditions match.",
        ),
        "show": ("items", "Show one item; with --json the whole STAC item."),
        "export-dataset": ("exports", "Write a dataset for other tools: fAIr, COCO, YOLO or masks."),
        "rank": ("ranking", "Find the chips that a sentence describes, or the captions of an image."),
    },
    "Trainings": {
        "versions": ("versions", "List the versions of a model, with stage and metrics."),
        "runs": ("versions", "List training runs, page by page: all of them, or what conditions match."),
        "rerun": ("versions", "Repeat the training of a version from its run config, as the next version."),
    },
    "Evaluate (needs a server: fair-models up)": {
        "compare": ("work", "Measure versions side by side on the same held-out chips."),
        "slice": (
            "work.slice_dataset",
            "Publish a part of a dataset, by area, class or tag, to evaluate on.",
        ),
        "search": ("work", "Search for good hyperparameters: each trial is a version, the best is repeated."),
    },
    "Contribute a model": {
        "new-model": ("models", "Make a folder for a new model: complete, small, and ready to be changed."),
        "check-model": ("models", "List all problems of a contributed model. Code 2 if it has any."),
        "check-item": ("models", "List all problems of a model's, dataset's or prediction's item."),
    },
    "Local server (needs a checkout)": {
        "doctor": ("doctor", "Check every configured part by using it; say what is wrong and what to do."),
        "up": (
            "server",
            "Start a local Prefect server, its workers and all deployments, and the registry service.",
        ),
        "down": (
            "server",
            "Stop the local server, its workers, the registry service, and the runs that are worked on.",
        ),
    },
    "Runs on the server": {
        "flow-runs": ("runs", "List the latest runs on the server."),
        "status": ("runs", "Show the status of a run and of the runs that it started."),
        "follow": ("runs", "Follow a run until it is over, and print its result."),
        "logs": ("runs", "Print the log lines of a run and of the runs that it started."),
        "results": ("runs", "Print the result of a run, and where its files lie."),
        "cancel": ("runs", "Cancel a run and the runs that it started."),
    },
    "Operate": {
        "catalog": ("catalog.group", "Make a catalogue in pgstac, copy or check a catalogue."),
        "serve": (
            "server",
            "Run the registry service until it is stopped: STAC API, JSON API and downloads over HTTP.",
        ),
        "user": ("accounts.users", "Make accounts of the web service, list them, change their roles."),
        "token": ("accounts.tokens", "Make, list and revoke tokens of the web service."),
    },
}
"""Each command by heading and name: its module here (and its function, if it has another name), its help."""
