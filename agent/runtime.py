"""The whole agent, built from its configuration and run.

The order of the start is part of the promise: the store, then the outputs, then the inputs, and systemd hears that the
agent is ready. Only then the link begins, on a thread of its own, with everything it needs to import. A device without
a network, an identity or a hub is a whole device by then.

At the end the inputs go first and what they left is stored; then the hub and the person are told; then the rest ends.
"""

from __future__ import annotations

import functools
import logging
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agent import status as device_status
from agent.behaviour import Behaviour
from agent.board import read_board
from agent.commits import Commits
from agent.config import Config
from agent.config_trial import ConfigTrial
from agent.control_commands import ControlCommands
from agent.control_socket import ControlServer
from agent.core import Core
from agent.dead_letters import DeadLetters
from agent.descriptor_store import DescriptorStore
from agent.devices import Devices
from agent.events import Event
from agent.hub import messages
from agent.hub.errors import ThalovantError
from agent.hub.identity import ThalovantIdentity
from agent.hub.link_events import HubSaid, LinkUp
from agent.identity_source import IdentityFile
from agent.inbox import Inbox
from agent.journal import Redactor
from agent.linking import LIMIT_SECONDS, DeviceLink, EmitLink, Linking
from agent.memory import settle
from agent.metrics_output import MetricsOutput
from agent.outbox import Outbox
from agent.performer import Performer
from agent.record import replace
from agent.remote_commands import EVENT_COMMAND, RemoteCommands
from agent.stamps import SystemStamps
from agent.state_folder import KEYS, OUTBOX, StateFolder, in_memory
from agent.status import EVENT_STATUS, NOT_ALLOWED, Card, Status
from agent.tasks import Task
from agent.watchdog import Notifier, Watchdog, sd_notify, watchdog_seconds
from agent.workers import Workers
from hardware.facts import DeviceError
from hardware.stopping import StopEvent

if TYPE_CHECKING:
    from gpiozero import Factory

    from agent.kiosk_page import KioskPage
    from hardware.recording import Record

log = logging.getLogger(__name__)

_SCANNERS_SECONDS = 0.5
_STOP_SECONDS = 3.0
"""For the workers, the link's goodbye of 2 s among them; with all the rest a stop takes less than 5 s."""
_CONTROL_LIMIT_SECONDS = 200.0
_SETTLED_SECONDS = 5.0
"""After the start, where no link comes up: by then everything that is needed has been imported."""

Spawn = Callable[[str, Callable[[], None]], bool]
LinkFactory = Callable[[Config, StateFolder, ThalovantIdentity, EmitLink, Spawn], DeviceLink]


def hub_link(
    config: Config, state: StateFolder, identity: ThalovantIdentity, emit: EmitLink, spawn: Spawn
) -> DeviceLink:
    """The link to the identity's hub. What it is made of is imported here, on the link's own thread."""
    from agent.hub.keyring import Keyring

    keyring = Keyring(state.path / KEYS)
    keyring.expect(identity)

    from agent.hub.dialling import Caller
    from agent.hub.link import Link

    previous = state.previous_session
    names = state.names()
    caller = Caller(
        identity=identity,
        keyring=keyring,
        user_agent=device_status.user_agent(),
        session_id=names.session_id,
        client_id=names.client_id,
    )
    return Link(
        caller,
        protocols=config.hub.protocols,
        emit=emit,
        spawn=spawn,
        previous=previous,
        said_goodbye=state.said_goodbye,
    )


def _kept_ports(environ: Mapping[str, str]) -> DescriptorStore | None:
    """The service manager's descriptor store; None where there is no service manager."""
    address = environ.get("NOTIFY_SOCKET")
    if not address:
        return None
    return DescriptorStore(environ, pid=os.getpid(), notify=functools.partial(sd_notify, address=address))


class Runtime:
    """One agent. `run` is for one thread and one time; `stop` may be called from any, and from a signal handler."""

    def __init__(
        self,
        config: Config,
        *,
        redactor: Redactor | None = None,
        notifier: Notifier | None = None,
        environ: Mapping[str, str] | None = None,
        make_link: LinkFactory = hub_link,
        pin_factory: Factory | None = None,
        trial: ConfigTrial | None = None,
        recording: Sequence[Record] | None = None,
    ) -> None:
        """`trial` is of the configuration, which it chose; `redactor` is given the identity's secrets.

        `make_link` and `pin_factory` are the real ones when left out.

        A `recording` takes the place of all inputs. Raises DeviceError where the configuration cannot be read with.
        """
        environ = os.environ if environ is None else environ
        self._config = config
        self._trial = trial or ConfigTrial(None, None)
        self._again = False
        self._redactor = redactor
        self._started = time.monotonic()
        self._notifier = notifier or Notifier()
        self._watchdog = Watchdog(self._notifier, interval=watchdog_seconds(environ, pid=os.getpid()))
        self._workers = Workers(watchdog=self._watchdog, expected=(ThalovantError, DeviceError))
        self._inbox: Inbox[Event | Task] = Inbox()
        self._stamps = SystemStamps()
        self._state = StateFolder(config.identity.state)
        self._volatile = False
        self._outbox = Outbox(
            config.identity.state / OUTBOX,
            max_messages=config.outbox.max_messages,
            max_bytes=config.outbox.max_bytes,
        )
        self._commits = Commits(self._outbox, self._stamps, beat=self._beat)
        self._behaviour = Behaviour(config, self._stamps, chance=random.random)
        self._ports = _kept_ports(environ)
        self._devices = Devices(
            config,
            self._inbox.put,
            self._workers,
            emit_scan=self._inbox.put_with_room,
            pin_factory=pin_factory,
            ports=self._ports,
            recording=recording,
        )
        self._linking = Linking(
            IdentityFile(config.identity.file, environ),
            lambda identity, emit: make_link(config, self._state, identity, emit, self._workers.spawn_once),
            self._hear,
            learnt=self._hide_secrets,
        )
        self._control = ControlCommands(
            self._inbox.put,
            status=lambda now: self._told(now, refused=self._behaviour.refusals.as_list(now)),
            letters=DeadLetters(self._outbox, self._behaviour.delivery, self._stamps),
            drive=self._devices.drive,
            reload=self.reload,
        )
        self._control_end = StopEvent()
        self._page: KioskPage | None = None
        if config.page.enabled:
            from agent.kiosk_page import RESTART_REQUEST, KioskPage

            self._page = KioskPage(
                config.page,
                config.device.language,
                self._inbox.put,
                user_agent=device_status.user_agent(),
                restart_request=config.control.socket.parent / RESTART_REQUEST,
            )
        self._session = 0
        self._settled = False
        self._remote = RemoteCommands(
            config.identity.state,
            restart=self._restart,
            reload=self.reload,
            identify=lambda: self._devices.signal("attention"),
            volume=self._devices.set_volume,
            quiet=self._devices.set_quiet,
            send=lambda kind, data: self._linking.send(messages.event(kind, data), self._session),
        )
        if config.commands.enabled:
            self._remote.restore()
        self._metrics = MetricsOutput(config.metrics, self._inbox.put, self._told)
        self._performer = Performer(
            self._commits,
            link=self._linking,
            outputs=self._devices,
            answer=self._answer,
            report=self._report,
            show_page=self._page.show if self._page else lambda _: None,
        )
        self._core = Core(
            self._behaviour,
            self._commits,
            self._performer,
            self._inbox,
            watchdog=self._watchdog,
            each_round=self._after_round,
        )

    def stop(self) -> None:
        """End `run`, soon and in order."""
        self._core.stop()

    def reload(self) -> None:
        """End `run` so that another agent follows with what the file says now. Raises ConfigError, and nothing ends."""
        self._trial.propose(link_is_up=self._link_is_up)
        log.info("trying the configuration anew")
        self._again = True
        self._core.stop()

    @property
    def wants_another(self) -> bool:
        """Whether `run` ended for another agent to follow in this process."""
        return self._again

    def pass_on(self) -> None:
        """Give the scanners' ports to the agent that follows. To be called last, right before it does."""
        if self._ports is not None:
            self._ports.pass_on(os.environ, pid=os.getpid())

    def run(self) -> None:
        """Run until `stop`. Raises StateFolderError, before anything was begun, when another agent runs here."""
        self._state.claim()
        try:
            self._volatile = in_memory(self._state.path)
            if self._volatile:
                log.warning(
                    "scans do not survive a power cut here, nor does the device's key: the state folder is in memory",
                    extra={"folder": str(self._state.path)},
                )
            self._core.begin()
            self._devices.start()
            if self._page is not None:
                self._page.start(self._workers)
            self._metrics.start(self._workers)
            self._notifier.ready()
            log.info("reading inputs", extra={"version": device_status.version()})
            self._workers.start("control", self._serve_control, limit_seconds=_CONTROL_LIMIT_SECONDS)
            self._workers.start("link", self._linking.run, limit_seconds=LIMIT_SECONDS)
            self._core.run()
        finally:
            self._end()

    def _end(self) -> None:
        if not self._again:  # or systemd would wait for the process to end
            self._notifier.stopping()
        self._devices.end_inputs(_SCANNERS_SECONDS)
        if self._ports is not None and not self._again:
            self._ports.close()
        self._core.finish()
        self._refresh_page()
        self._commits.flush()
        self._linking.leave()
        self._devices.end_outputs()
        if self._page is not None:
            self._page.end()
        self._metrics.end()
        self._control_end.set()
        self._workers.stop(_STOP_SECONDS)
        self._outbox.close()
        self._state.release()
        log.info("stopped")

    def _restart(self) -> None:
        self._again = True
        self._core.stop()

    def _hear(self, event: Event) -> bool:
        """What the link tells goes to the core; commands as well, as tasks, where they are allowed."""
        taken = self._inbox.put(event)
        if self._config.commands.enabled:
            if isinstance(event, LinkUp):
                self._inbox.put(Task(lambda _: self._answer_commands(event.session)))
            elif isinstance(event, HubSaid) and event.event.name == EVENT_COMMAND:
                data = dict(event.event.data)
                self._inbox.put(Task(lambda _: self._remote.take(data)))
        return taken

    def _answer_commands(self, session: int) -> None:
        self._session = session
        self._remote.link_up()

    @property
    def _link_is_up(self) -> bool:
        link = self._linking.snapshot()
        return link is not None and link.state in {"up", "degraded"}

    def _after_round(self, now: float) -> None:
        if not self._settled and (self._link_is_up or now - self._started >= _SETTLED_SECONDS):
            self._settled = True
            settle()
        self._notifier.status(self._status(now).headline)
        self._refresh_page()
        self._metrics.look(now)
        match self._trial.look(now, link_is_up=self._link_is_up):
            case "passed":
                log.info("the configuration works and is kept")
            case "failed":
                log.error("the configuration does not work; going back to the last one that did")
                self._again = True
                self._core.stop()

    def _refresh_page(self) -> None:
        if self._page is not None:
            waiting = max(self._commits.counts().waiting - self._behaviour.delivery.in_flight, 0)
            self._page.refresh(waiting=waiting, clock=self._stamps().sure)

    def _answer(self, ticket: str, answer: Mapping[str, Any]) -> None:
        if self._page is None or not self._page.answer(ticket, answer):
            self._control.answer(ticket, answer)

    def _beat(self) -> None:
        self._watchdog.tick(time.monotonic())

    def _serve_control(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        server = ControlServer(self._config.control.socket, self._control.handle)
        server.run(self._control_end, beat)
        stop.wait(_STOP_SECONDS)

    def _report(self, session: int, state: str) -> None:
        """What the operator is told. The hub knows what time it is, and whose device this is."""
        self._linking.send(messages.event(EVENT_STATUS, self._told(time.monotonic(), state)), session)

    def _told(
        self, now: float, state: str | None = None, refused: Sequence[Mapping[str, Any]] | None = None
    ) -> dict[str, Any]:
        """The status with all that is looked up only for those who ask."""
        board = read_board(self._state.path, time.time())
        status = replace(self._status(now), oldest_seconds=self._commits.oldest_age())
        return status.as_dict(state=state, board=board, refused=refused)

    def _status(self, now: float) -> Status:
        inputs, outputs = device_status.parts(self._config, self._behaviour.lost)
        return Status(
            now=now,
            version=device_status.version(),
            uptime_seconds=now - self._started,
            boot_id=self._stamps().boot,
            site_id=self._linking.site_id,
            identity_trouble=self._linking.identity_trouble,
            store_trouble=self._commits.trouble,
            config_trouble=self._trial.trouble,
            from_hub=self._remote.settings if self._config.commands.enabled else {},
            report_trouble=NOT_ALLOWED if self._behaviour.status_denied else "",
            link=self._linking.snapshot(),
            outbox=self._commits.counts(),
            card=self._card(),
            inputs=inputs,
            outputs=outputs,
            counts=self._behaviour.counts | Counter(inbox_full=self._inbox.refused),
        )

    def _card(self) -> Card:
        return Card(
            flushes=self._outbox.counts().flushes,
            written_bytes=device_status.written_bytes(),
            survives_power_cut=not self._volatile,
        )

    def _hide_secrets(self, identity: ThalovantIdentity) -> None:
        if self._redactor is None:
            return
        self._redactor.add(identity.access_key, identity.password)
        if identity.mqtt is not None:
            self._redactor.add(identity.mqtt.username, identity.mqtt.password, identity.mqtt.topic_prefix or "")
