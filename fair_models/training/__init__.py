"""Run config, the ZenML pipeline, the ledger over ZenML, MLflow."""
