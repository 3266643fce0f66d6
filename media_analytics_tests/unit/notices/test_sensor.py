"""The sensor on a real Dagster instance with real runs, a real mail server and a real receiver of webhooks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange

from media_analytics.automation.notices.sensor import notices_sensors
from media_analytics.automation.pipeline import PIPELINE
from media_analytics.errors import ServiceError, SettingsError
from media_analytics.resources.channels import ChannelDownError, Channels
from media_analytics.resources.clock import Clock
from media_analytics.settings import Settings
from media_analytics_tests.builders import settings as builder
from media_analytics_tests.services.post import MailServer, WebhookServer, mail_server, webhook_server

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
SIDE_JOB = "side_job"


@dataclass
class World:
    """Four tables in a row (silver.a, gold.b, gold.c, gold.d), a sensor, and what it is told with."""

    instance: dg.DagsterInstance
    settings: Settings
    mail: MailServer
    slack: WebhookServer
    # What silver.a and gold.b do when they are computed.
    bodies: dict[str, Callable[[], None]] = field(default_factory=dict)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    cursor: str | None = None
    channels: Channels | None = None
    skipped: str | None = None

    def __post_init__(self) -> None:
        self.channels = Channels(self.settings)
        self.definitions = dg.Definitions(
            assets=[self._table("silver", "a"), *(self._table("gold", n, p) for n, p in ("ba", "cb", "dc"))],
            jobs=[
                dg.define_asset_job(PIPELINE, selection=["silver/a", "gold/b", "gold/c"]),
                dg.define_asset_job(SIDE_JOB, selection=["silver/a"]),
            ],
            sensors=notices_sensors(self.settings, [PIPELINE]),
            executor=dg.in_process_executor,
            resources={
                "settings": self.settings,
                "clock": Clock(lambda: self.now()),
                "channels": self.channels,
            },
        )
        self.repository = self.definitions.get_repository_def()

    def _table(self, layer: str, name: str, parent: str | None = None) -> dg.AssetsDefinition:
        above = {"a": ["silver", "a"]}.get(parent or "", ["gold", parent or ""])

        @dg.asset(key=[layer, name], name=None, deps=[dg.AssetKey(above)] if parent else [])
        def computed() -> None:
            self.bodies.get(f"{layer}.{name}", lambda: None)()

        return computed

    def run(self, job: str = PIPELINE, **tags: str) -> str:
        result = self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance, raise_on_error=False, tags={f"dagster/{k}": v for k, v in tags.items()}
        )
        return result.run_id

    def tick(self) -> None:
        context = dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            repository_def=self.repository,
            resources={
                "settings": self.settings,
                "clock": Clock(lambda: self.now()),
                "channels": self.channels,
            },
        )
        data = self.repository.get_sensor_def("notices").evaluate_tick(context)
        self.cursor, self.skipped = data.cursor, data.skip_message

    def told(self) -> list[str]:
        """Subjects of the mails, oldest first; both channels got the same."""
        subjects = [str(mail["Subject"]) for mail in self.mail.mails]
        assert [text.splitlines()[0].strip("*") for text in self.slack.texts()] == subjects
        return subjects


@pytest.fixture
def post() -> Iterator[tuple[MailServer, WebhookServer]]:
    with mail_server() as mail, webhook_server() as slack:
        yield mail, slack


@pytest.fixture
def world(tmp_path: Path, post: tuple[MailServer, WebhookServer]) -> Iterator[World]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield make(instance, tmp_path, post)


def make(instance: Any, folder: Path, post: tuple[MailServer, WebhookServer], **more: str) -> World:
    mail, slack = post
    values = {
        "CHANNELS__SMTP__HOST": "127.0.0.1",
        "CHANNELS__SMTP__PORT": str(mail.port),
        "CHANNELS__SMTP__SENDER": "platform@example.org",
        "CHANNELS__SMTP__ENCRYPTION": "none",
        "CHANNELS__SLACK_WEBHOOK": slack.url,
        "CHANNELS__RUNBOOKS_URL": "https://wiki.example.org/runbooks",
        "OPERATIONS__NOTIFICATIONS__EMAIL_TO": '["one@example.org", "two@example.org"]',
    }
    return World(instance, builder.make(folder, **values | more), mail, slack)


def fail(error: Exception) -> Callable[[], None]:
    def failing() -> None:
        raise error

    return failing


def test_a_failure_says_what_why_since_when_what_it_blocks_and_where_to_look(world: World) -> None:
    world.tick()
    world.bodies["gold.b"] = fail(ServiceError("the store is away; start it"))
    run_id = world.run()
    world.tick()
    world.tick()
    assert world.told() == [f"[dev] {PIPELINE} failed: gold.b"]
    (text,) = world.mail.bodies()
    assert world.mail.recipients == [["one@example.org", "two@example.org"]]
    for said in (
        f"{PIPELINE} failed at gold.b",
        "the store is away; start it (it never succeeded)",
        "Blocks:   gold.c, gold.d (2)",
        f"http://127.0.0.1:1/runs/{run_id}",
        "https://wiki.example.org/runbooks/run-failure.md",
    ):
        assert said in text


def test_what_happened_before_the_first_tick_is_not_told(world: World) -> None:
    world.bodies["silver.a"] = fail(ServiceError("old"))
    world.run()
    world.tick()
    world.tick()
    assert world.told() == []


def test_errors_of_others_are_named_but_not_quoted(world: World) -> None:
    """Catches a row of data, or a person's name, in a mail."""
    world.tick()
    world.bodies["silver.a"] = fail(ValueError("customer 4711"))
    world.run()
    world.bodies["silver.a"] = fail(dg.Failure("2 partitions break the contract"))
    world.run()
    world.tick()
    first, second = world.mail.bodies()
    assert "4711" not in first + "".join(world.slack.texts())
    assert "ValueError" in first
    assert "2 partitions break the contract" in second


def test_start_and_success_are_told_of_the_pipeline_only_and_only_where_wanted(
    tmp_path: Path, post: tuple[MailServer, WebhookServer]
) -> None:
    always = '["start", "success", "failure"]'
    wanted = {f"OPERATIONS__NOTIFICATIONS__{c}_ON": always for c in ("EMAIL", "SLACK")}
    with dg.DagsterInstance.ephemeral() as instance:
        world = make(instance, tmp_path, post, **wanted)
        world.tick()
        world.run(schedule_name="daily")
        world.run(SIDE_JOB)
        world.tick()
        assert world.told() == [f"[dev] {PIPELINE} started", f"[dev] {PIPELINE} succeeded"]
        assert "started by the schedule daily" in world.mail.bodies()[0]


def test_a_mail_server_that_fails_delays_the_mail_and_repeats_no_message(world: World) -> None:
    """Catches a notice lost with a refused delivery, one sent twice, and a channel that holds up the other."""
    world.tick()
    world.mail.answer = "451 later"
    world.bodies["silver.a"] = fail(ServiceError("away"))
    world.run()
    world.tick()
    assert world.skipped is not None
    assert "1 notices wait" in world.skipped
    assert "451" in world.skipped
    assert (len(world.mail.mails), len(world.slack.posts)) == (0, 1)
    world.mail.answer = "250 taken"
    world.tick()
    world.tick()
    assert len(world.told()) == 1


def test_a_webhook_that_fails_delays_its_message_only(world: World) -> None:
    world.tick()
    world.slack.status = 503
    world.bodies["silver.a"] = fail(ServiceError("away"))
    world.run()
    world.tick()
    assert (len(world.mail.mails), len(world.slack.posts)) == (1, 0)
    assert world.skipped is not None
    assert "secret" not in world.skipped
    world.slack.status = 200
    world.tick()
    world.tick()
    assert len(world.told()) == 1


class Dying(Channels):
    """Sends a mail, then the process ends."""

    def slack(self, message: Any) -> None:
        raise KeyboardInterrupt


def test_a_tick_that_dies_after_sending_sends_nothing_twice(world: World) -> None:
    """Catches a memory of what was sent that is stored at the tick's end only."""
    world.tick()
    world.bodies["silver.a"] = fail(ServiceError("away"))
    world.run()
    before, world.channels = world.cursor, Dying(world.settings)
    with pytest.raises(KeyboardInterrupt):
        world.tick()
    assert world.cursor == before
    world.channels = Channels(world.settings)
    world.tick()
    world.tick()
    assert len(world.told()) == 1


def test_a_run_that_takes_too_long_is_told_once(world: World) -> None:
    began = datetime.now(UTC)

    def working() -> None:
        for after in (1.9, 2.1, 2.2, 5.0):
            world.now = lambda after=after: began + after * HOUR
            world.tick()
            counts.append(len(world.mail.mails))

    counts: list[int] = []
    world.tick()
    world.bodies["gold.b"] = working
    world.run()
    assert counts == [0, 1, 1, 1]
    world.tick()
    assert world.told() == [f"[dev] {PIPELINE} runs longer than 120 min"]
    (text,) = world.mail.bodies()
    assert "gold.b, gold.c" in text
    assert "gold.b, gold.c, gold.d (3)" in text


SLA = {"OPERATIONS__PIPELINE__SLA_MINUTES": "20"}


def scheduled(now: datetime) -> dict[str, str]:
    return SLA | {"OPERATIONS__PIPELINE__SCHEDULE": f"{now.minute} {now.hour} * * *"}


@pytest.mark.parametrize(
    ("run_of", "fails", "after", "why"),
    [
        (None, False, 21 * MINUTE, "no run was started for it"),
        (-1, False, 21 * MINUTE, None),
        (-2, False, 21 * MINUTE, "no run was started for it"),
        (-1, True, 21 * MINUTE, "failed: away"),
        (None, False, 19 * MINUTE, None),
    ],
)
def test_a_missed_sla_is_told_once_with_its_cause(
    run_of: int | None,
    fails: bool,
    after: timedelta,
    why: str | None,
    tmp_path: Path,
    post: tuple[MailServer, WebhookServer],
) -> None:
    """Catches a run of another day that counts for this one, and a judgement before the time is over."""
    due = datetime.now(UTC).replace(second=0, microsecond=0)
    with dg.DagsterInstance.ephemeral() as instance:
        world = make(instance, tmp_path, post, **scheduled(due))
        world.now = lambda: due
        world.tick()
        if fails:
            world.bodies["silver.a"] = fail(ServiceError("away"))
        if run_of is not None:
            world.run(partition=(due.date() + timedelta(days=run_of)).isoformat())
        world.now = lambda: due + after
        for _ in range(3):
            world.tick()
        found = [text for text in world.mail.bodies() if "sla.md" in text]
        assert len(found) == (why is not None)
        if why is not None:
            assert why in found[0]
            assert "gold.b, gold.c, gold.d, silver.a" in found[0]


def test_late_tables_are_told_together_and_again_after_they_were_fresh(world: World) -> None:
    def becomes(state: FreshnessState, *names: str) -> None:
        for name in names:
            change = FreshnessStateChange(
                key=dg.AssetKey(name.split(".")),
                previous_state=FreshnessState.UNKNOWN,
                new_state=state,
                state_change_timestamp=datetime.now(UTC).timestamp(),
            )
            world.instance._report_runless_asset_event(change)

    world.tick()
    becomes(FreshnessState.FAIL, "silver.a", "gold.b")
    world.tick()
    world.tick()
    becomes(FreshnessState.PASS, "silver.a", "gold.b")
    world.tick()
    becomes(FreshnessState.FAIL, "gold.b")
    world.tick()
    assert world.told() == ["[dev] late: gold.b, silver.a", "[dev] late: gold.b"]
    assert "Blocks:   gold.c, gold.d (2)" in world.mail.bodies()[0]


def test_a_job_that_fails_each_minute_is_told_once_an_hour(world: World) -> None:
    world.tick()
    world.bodies["silver.a"] = fail(ServiceError("away"))
    for _ in range(3):
        world.run(SIDE_JOB)
        world.tick()
    later = datetime.now(UTC) + HOUR
    world.now = lambda: later
    world.run(SIDE_JOB)
    world.tick()
    assert len(world.told()) == 2
    assert "2 like it since the last notice" in world.mail.bodies()[1]


def test_nobody_need_be_told_on_a_laptop_but_elsewhere(tmp_path: Path) -> None:
    assert notices_sensors(builder.make(tmp_path), [PIPELINE]) == []
    away = builder.make(tmp_path, LOCAL="false", COLLECTOR__KEYS='[{"key": "k", "kind": "server"}]')
    with pytest.raises(SettingsError, match="nobody would hear"):
        notices_sensors(away, [PIPELINE])
    with pytest.raises(ChannelDownError, match="SMTP__HOST"):
        Channels(builder.make(tmp_path)).mail([], "", "", "", datetime.now(UTC))
