"""What operators read about the audit is what it does."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from docs.site import reference
from fair_models.audit.rules import RULES
from fair_models.params import AuditParams
from flows.runtime.announcements import AUDIT_FAILED, AUDIT_FINISHED, AUDIT_RESOURCE

PROJECT = Path(__file__).resolve().parent.parent.parent
GUIDE = (PROJECT / "docs" / "guides" / "audit.md").read_text(encoding="utf-8")
MONITORING = (PROJECT / "docs" / "guides" / "monitoring.md").read_text(encoding="utf-8")


def test_the_table_of_rules_is_that_of_the_program() -> None:
    repairs = {rule.name: rule.repair.sentence if rule.repair else "–" for rule in RULES}
    rows = [f"| `{rule.name}` | {rule.severity} | {rule.sentence} | {repairs[rule.name]} |" for rule in RULES]
    page = reference.pages()["audit-rules.md"]
    found = re.findall(r"^\| `[a-z-]+` \| (?:error|warning) \|.*$", page, re.MULTILINE)
    assert found == rows


def test_the_events_are_named() -> None:
    assert f"`{AUDIT_FINISHED}`" in MONITORING
    assert f"`{AUDIT_FAILED}`" in MONITORING


def test_the_schedule_asks_for_a_sample_and_for_no_repairs() -> None:
    deployments = yaml.safe_load((PROJECT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    [audit] = [each for each in deployments if each["name"] == "audit"]
    params = AuditParams.model_validate(audit["parameters"]["params"])
    assert (params.digests, params.sample, params.repair) == (False, 0.05, False)
    assert "every day at 03:15 UTC" in GUIDE
    assert audit["schedules"][0]["cron"] == "15 3 * * *"


def test_the_automation_that_is_shown_is_one_that_prefect_takes() -> None:
    from prefect.events.schemas.automations import AutomationCore, EventTrigger
    from prefect.events.schemas.events import Resource, ResourceSpecification

    [shown] = re.findall(r"```yaml\n(name: Tell us.*?)```", MONITORING, re.DOTALL)
    automation = AutomationCore.model_validate(yaml.safe_load(shown))
    assert isinstance(automation.trigger, EventTrigger)
    assert automation.trigger.expect == {AUDIT_FAILED}
    match = ResourceSpecification.model_validate(automation.trigger.match)
    assert match.matches(Resource({"prefect.resource.id": AUDIT_RESOURCE}))
