"""Choosing rules, and what people and programs get to read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from fair_models.audit import report_file
from fair_models.audit.findings import Finding, Repair, Report
from fair_models.audit.rules import RULES, select
from fair_models.cli.app import app
from fair_models.errors import Conflict, Invalid

Run = Callable[..., Report]


def report(*findings: Finding) -> Report:
    return Report(
        findings=findings,
        rules=["assets", "links"],
        skipped={"runs": "no ledger was given"},
        checked={"base-models": 1, "datasets": 0, "local-models": 2},
        unchecked=["https://example.org/schema.json"],
        started=datetime(2026, 11, 21, 8, 30, tzinfo=UTC),
        seconds=0.25,
    )


ERROR = Finding("local-models/roofs-v2", "assets", "error", "asset a|b is missing\nhere", "Bring it back.")
WARNING = Finding("local-models/huts", "no-active-version", "warning", "no version is active", "Publish one.")


def test_every_rule_has_a_name_of_its_own_and_says_what_it_checks() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.sentence.endswith(".") for rule in RULES)
    assert all(rule.each or rule.whole for rule in RULES)


def test_no_name_means_all_rules() -> None:
    assert select([]) == list(RULES)


def test_rules_run_in_the_order_of_the_table_whatever_was_asked_for() -> None:
    assert [rule.name for rule in select(["links", "profile"])] == ["profile", "links"]


def test_an_unknown_rule_is_refused_with_those_that_there_are(run: Run) -> None:
    with pytest.raises(Invalid) as refused:
        run("links", "lincs")
    assert "No audit rule is called lincs" in str(refused.value)
    assert all(rule.name in str(refused.value) for rule in RULES)


def test_errors_and_warnings_are_counted() -> None:
    made = report(ERROR, WARNING)
    assert made.counts == {"error": 1, "warning": 1}
    assert not made.ok
    assert report(WARNING).ok


def test_json_holds_everything() -> None:
    said = orjson.loads(orjson.dumps(report(ERROR, WARNING).to_json()))
    assert said["ok"] is False
    assert said["counts"] == {"error": 1, "warning": 1}
    assert said["findings"][0] == {
        "item": "local-models/roofs-v2",
        "rule": "assets",
        "severity": "error",
        "message": "asset a|b is missing\nhere",
        "next_step": "Bring it back.",
    }
    assert said["checked"]["local-models"] == 2
    assert said["skipped"] == {"runs": "no ledger was given"}
    assert said["unchecked"] == ["https://example.org/schema.json"]
    assert said["started"] == "2026-11-21T08:30:00+00:00"


def test_markdown_is_a_summary_and_a_table_that_no_message_breaks() -> None:
    text = report(ERROR, WARNING).to_markdown()
    assert "1 error, 1 warning." in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 3
    assert r"asset a\|b is missing here" in rows[1]
    assert "`runs`: no ledger was given" in text
    assert "https://example.org/schema.json" in text


def test_markdown_of_a_clean_audit_has_no_table() -> None:
    text = report().to_markdown()
    assert "No errors, no warnings." in text
    assert "|" not in text


def test_repairs_and_those_that_failed_are_told() -> None:
    repaired = replace(
        report(ERROR),
        repairs=[Repair("stages", "local-models/roofs", "roofs-v2 is production in ZenML now")],
        unrepaired={"index": "the folder\nis full"},
        sample=0.05,
    )
    said = orjson.loads(orjson.dumps(repaired.to_json()))
    assert said["repairs"] == [
        {"rule": "stages", "item": "local-models/roofs", "done": "roofs-v2 is production in ZenML now"}
    ]
    assert said["unrepaired"] == {"index": "the folder\nis full"}
    text = repaired.to_markdown()
    assert "| stages | local-models/roofs | roofs-v2 is production in ZenML now |" in text
    assert "- `index`: the folder is full" in text
    assert "0.05 of the assets, others every day" in text


@pytest.mark.parametrize(("name", "start"), [("found.md", b"# Audit"), ("found.json", b"{")])
def test_a_report_is_written_in_the_format_of_its_file(tmp_path: Path, name: str, start: bytes) -> None:
    assert report_file.write(report(ERROR), str(tmp_path / name), tmp_path / "audits") == tmp_path / name
    assert (tmp_path / name).read_bytes().startswith(start)
    assert not (tmp_path / "audits").exists()


def test_reports_are_kept_by_time(tmp_path: Path) -> None:
    path = report_file.write(report(ERROR), None, tmp_path / "audits")
    assert path == tmp_path / "audits" / "20261121T083000Z.json"
    assert sorted(each.suffix for each in path.parent.iterdir()) == [".json", ".md"]


@pytest.mark.parametrize("name", ["found.md", "found.json"])
def test_a_report_takes_the_place_of_an_earlier_one(tmp_path: Path, name: str) -> None:
    first = report_file.write(report(), str(tmp_path / name), tmp_path / "audits").read_bytes()
    (tmp_path / "kept").hardlink_to(tmp_path / name)
    assert report_file.write(report(ERROR), str(tmp_path / name), tmp_path / "audits").read_bytes() != first
    assert (tmp_path / "kept").read_bytes() == first


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("item.json", b'{"type": "Feature", "stac_version": "1.1.0"}'),
        ("notes.md", b"# Audit\n\nof last year, by hand\n"),
        ("broken.json", b"{"),
        ("list.json", b"[]"),
        ("empty.md", b""),
    ],
)
def test_a_report_takes_the_place_of_nothing_else(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    (tmp_path / f"link-{name}").symlink_to(path)
    for named in (path, tmp_path / f"link-{name}", f"file://{path}"):
        for refuse in (report_file.check, lambda named: report_file.write(report(), named, tmp_path)):
            with pytest.raises(Conflict, match="is no report"):
                refuse(str(named))
    assert path.read_bytes() == content


def test_an_item_that_holds_all_that_a_report_has_is_an_item_still(tmp_path: Path) -> None:
    path = tmp_path / "item.json"
    path.write_bytes(orjson.dumps({**report().to_json(), "type": "Feature", "stac_version": "1.1.0"}))
    with pytest.raises(Conflict):
        report_file.check(str(path))


def test_a_folder_is_no_report(tmp_path: Path) -> None:
    (tmp_path / "found.json").mkdir()
    with pytest.raises(Conflict):
        report_file.check(str(tmp_path / "found.json"))


def test_a_report_is_not_written_into_the_catalogue(home: Path, registry: None) -> None:
    item = next((home / "catalog").rglob("banepa-roofs-v1.json"))
    before = item.read_bytes()
    for path in (item, item.with_name("new.json"), item.parent / "new" / "x.md"):
        with pytest.raises(Invalid, match="keeps its own files"):
            report_file.check(str(path))
        with pytest.raises(Invalid, match="keeps its own files"):
            report_file.write(report(), str(path), home / "audits")
    assert item.read_bytes() == before


def test_a_report_of_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"found\.pdf ends in neither"):
        report_file.check(str(tmp_path / "found.pdf"))
    report_file.check(None)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--sample", "2"], "sample"),
        (["--grace-hours", "0.5"], "grace_hours"),
        (["--least", "fair:iou=much"], "thresholds"),
        (["--least", "iou=0.5"], "thresholds"),
    ],
)
def test_the_command_refuses_wrong_requests_before_it_asks_a_server(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(app, ["audit", *arguments])
    assert done.exit_code == 2
    assert words in done.output
