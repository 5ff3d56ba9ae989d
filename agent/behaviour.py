"""The whole device, decided here: what happens on a scan, a press, an answer, a lost link, a full disk.

`handle(event, now)` answers with effects in the order they must be carried out. It opens nothing, waits for nothing and
asks no clock, so every rule of the device can be read and tested as a table of events and effects. What goes out when
is `delivery`'s business, what an input means is `inputs`', and what the person is told of it all is the `panel`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import assert_never

from agent.config import Config
from agent.delivery import Delivery, DeliveryTerms, Ending
from agent.effects import REPEAT, Answer, Effect, Hurry, Hush, Note, Play, Report, Say, Send, Signal, Store
from agent.events import (
    Event,
    Fetched,
    IdentityFound,
    IdentityMissing,
    Requested,
    Stopping,
    StoreFailed,
    StoreWorks,
    Tick,
)
from agent.hub.events import EVENT_POLICY_DENIED, MAX_AUDIO_BYTES, SPEAK_EVENTS, ThalovantEvent
from agent.hub.link_events import HubSaid, HubSentBinary, LinkDown, LinkOffer, LinkProved, LinkTrouble, LinkUp
from agent.hub.reply import ThalovantBinary
from agent.inputs import Inputs
from agent.offline import OfflineAnswers
from agent.panel import Panel
from agent.parcel import Outcome, Parcel
from agent.refusals import Refusals
from agent.stamps import StampSource, age
from agent.status import EVENT_STATUS, EVENT_STATUS_REQUEST, NOT_ALLOWED
from agent.visits import Visits
from agent.wishes import Wishes, still_kept
from hardware.facts import ButtonPressed, CodeScanned, DeviceFound, DeviceLost, ScanRefused

_FRESH_SECONDS = 60.0
"""The person who made an input this long ago has left: what becomes of it is shown, not beeped or spoken."""
_CHANGE_SECONDS = 5.0
"""Changes of the device's health within this time are reported to the hub as one."""


class Behaviour:
    """The device's decisions and the little they depend on. Not thread-safe: the core's."""

    def __init__(self, config: Config, stamps: StampSource, *, chance: Callable[[], float]) -> None:
        """`chance` gives numbers in [0, 1), to spread a fleet's reports."""
        self._language = config.device.language
        self._status = config.status
        self._max_age = config.speech.max_age_seconds
        self._says_markup = config.speech.markup == "pass"
        self._stamps = stamps
        self._chance = chance
        self._inputs = Inputs(config, stamps)
        self._offline = OfflineAnswers(config.offline, config.device.language)
        self._visits = Visits(
            config.device.session,
            config.device.visit_idle_seconds,
            ending=[button.name for button in config.buttons if button.ends_visit],
        )
        self._panel = Panel(config.device.language, page=config.page.enabled)
        self.delivery = Delivery(
            DeliveryTerms(in_flight=config.hub.in_flight, answer_seconds=config.hub.answer_seconds)
        )
        self.counts: Counter[str] = Counter()
        """What happened since the start, by name; for `status`."""
        self.refusals = Refusals()
        """What scanners sent that was no code; for `status` on the device alone."""
        self.status_denied = False
        """Whether the hub said in this session that the device may not report its status."""
        self._denial_told = False
        self._wishes = Wishes()
        self._session: int | None = None
        self._report_at: float | None = None
        self._stopped = False

    @property
    def lost(self) -> dict[tuple[str, str], str]:
        """What is missing now, by kind and name, with the reason."""
        return self._panel.lost

    def deadline(self, now: float) -> float | None:
        """When `Tick` is due at the latest, or None."""
        moments = (
            *(self.delivery.deadline(now), self._wishes.deadline(), self._report_at),
            *(self._panel.deadline(), self._visits.deadline()),
        )
        return None if self._stopped else min((moment for moment in moments if moment is not None), default=None)

    def handle(self, event: Event, now: float) -> list[Effect]:
        """What is to be done about `event`. `now` is in seconds of the monotonic clock, never less than before.

        What time has brought comes before what a new input leads to: that is where the disk may fail, and then nothing
        behind it is done.
        """
        if self._stopped:
            return []
        effects = [*self.delivery.tick(now), *self._tell(now)]
        if isinstance(event, CodeScanned | ButtonPressed | Requested):
            effects += self._pump(now)
        effects += self._react(event, now)
        if isinstance(event, Stopping):
            return effects + self._panel.changes(now)
        effects += self._tell(now)
        # A failure to read is not answered by reading again: that would go on for as long as the disk fails.
        if not isinstance(event, StoreFailed) or event.changes:
            effects += self._pump(now)
        return effects + self._tell(now)

    def _pump(self, now: float) -> list[Effect]:
        effects = self.delivery.pump(now, self._stamps())
        self._panel.left(effects)
        return effects

    # -- one method for each kind of event

    def _react(self, event: Event, now: float) -> list[Effect]:
        match event:
            case CodeScanned():
                return self._scanned(event, now)
            case ScanRefused():
                self._visits.go_on(now)
                return self._scan_refused(event, now)
            case ButtonPressed():
                self.counts["presses"] += 1
                parcel = self._inputs.press(event)
                return [] if parcel is None else self._keep(parcel, now)
            case Requested():
                return self._requested(event, now)
            case Fetched():
                self.delivery.fetched(event)
            case StoreFailed():
                return self._store_failed(event, now)
            case StoreWorks():
                self._panel.store_trouble("")
                self._report_soon(now)
            case LinkUp():
                return self._link_up(event, now)
            case LinkDown():
                return self._link_down(event, now)
            case LinkTrouble(cause):
                if self._session is None:
                    self._panel.link_trouble(cause, now)
            case LinkOffer():
                self.delivery.hold()
            case LinkProved(asked):
                self.delivery.proved(asked)
            case HubSaid():
                return self._hub_said(event, now)
            case HubSentBinary():
                return self._binary(event.binary)
            case DeviceFound() | DeviceLost():
                return self._device(event, now)
            case IdentityFound():
                self._panel.identity_trouble("")
            case IdentityMissing(reason):
                self._panel.identity_trouble(reason)
            case Tick():
                return self._tick(now)
            case Stopping():
                return self._stopping()
            case _:
                assert_never(event)
        return []

    def _scanned(self, fact: CodeScanned, now: float) -> list[Effect]:
        try:
            parcel = self._inputs.scan(fact)
        except ValueError:  # spaces alone: there is nothing to send
            return self._scan_refused(ScanRefused(fact.scanner, "empty", fact.raw, fact.at), now)
        if parcel is None:
            self.counts["repeats"] += 1
            return [Signal(REPEAT, fact.scanner)]
        self.counts["scans"] += 1
        return self._keep(parcel, now)

    def _scan_refused(self, fact: ScanRefused, now: float) -> list[Effect]:
        self.counts["scans_refused"] += 1
        self.refusals.add(fact)
        fields = {"scanner": fact.scanner, "reason": fact.reason, "bytes": len(fact.raw)}
        if fact.remark:
            fields["remark"] = fact.remark
        return [*self._panel.scan_refused(fact.scanner, fact.reason, now), Note("info", "scan refused", fields)]

    def _keep(self, parcel: Parcel, now: float) -> list[Effect]:
        """Store first; only what stands behind the store's effect tells anybody."""
        linked = self._session is not None and self.delivery.unheard is None
        parcel = self._visits.take(parcel, now)
        self.delivery.stored(parcel, now)
        self._panel.kept(parcel, now, linked=linked)
        effects: list[Effect] = [Store(parcel), Signal("accepted", parcel.origin)]
        if not linked:
            effects += [*self._offline_answer(parcel), Hurry()]
        return [*effects, *self._end_visit()] if self._visits.ends_with(parcel) else effects

    def _offline_answer(self, parcel: Parcel) -> list[Effect]:
        """What the device says itself, where it was told what to say while the hub is away."""
        found = self._offline.to(parcel)
        if found is None:
            return []
        text, language = found
        self._panel.answered(text, None)
        self._panel.front.said(text, language, parcel.request_id)
        return [Say(text, language, parcel.request_id)]

    def _hear_nothing(self) -> list[Effect]:
        """The hub has fallen silent, though the link is not lost: whoever waits for its answer gets the device's."""
        silent = self.delivery.unheard
        news = self._panel.unheard(None if silent is None else frozenset(parcel.request_id for parcel in silent))
        waiting = [parcel for parcel in silent or () if self._panel.about(parcel.request_id)] if news else []
        return [effect for parcel in waiting for effect in self._offline_answer(parcel)]

    def _end_visit(self) -> list[Effect]:
        """Whoever was served has left: nothing of theirs stays to be seen or heard."""
        self._visits.end()
        self._panel.clear()
        return [Hush()]

    def _requested(self, wish: Requested, now: float) -> list[Effect]:
        try:
            parcel = self._inputs.request(wish)
        except ValueError as error:
            return [Answer(wish.ticket, {"ok": False, "error": str(error)})]
        self.counts["requests"] += 1
        effects = self._keep(parcel, now)
        if wish.wait_seconds <= 0:
            return [*effects, Answer(wish.ticket, still_kept(parcel.request_id))]
        self._wishes.add(parcel.request_id, wish.ticket, now + wish.wait_seconds)
        return effects

    def _store_failed(self, event: StoreFailed, now: float) -> list[Effect]:
        """What was refused is told, and what was held back for it is made good."""
        effects: list[Effect] = []
        self.delivery.not_read()
        self._panel.tell_again()
        refused = {change.parcel.request_id: change.parcel for change in event.changes if isinstance(change, Store)}
        no = {"ok": False, "error": f"not accepted: {event.reason}"}
        for effect in reversed(event.held_back):
            if isinstance(effect, Send):
                self.delivery.not_sent(effect.message, now)
            elif isinstance(effect, Answer):
                effects.append(Answer(effect.ticket, no) if effect.answer.get("request_id") in refused else effect)
        for request_id, parcel in refused.items():
            self.counts["not_stored"] += 1
            self.delivery.not_stored(request_id)
            self._inputs.forget(parcel)
            effects += self._panel.not_kept(parcel, event.reason, now)
            effects += self._wishes.not_stored(request_id, no)
        if self._panel.store_trouble(event.reason):
            effects.append(Note("error", "the store does not take what is scanned", {"reason": event.reason}))
            self._report_soon(now)
        return effects

    def _link_up(self, event: LinkUp, now: float) -> list[Effect]:
        effects: list[Effect] = []
        if self._session is not None:  # moved to a better carrier: one session ends where the next begins
            effects += self.delivery.link_down()
        self._session = event.session
        self._panel.link_works()
        self.status_denied = False
        self.delivery.link_up(event.session, event.protocol)
        return [*effects, *self._report(now)]

    def _link_down(self, event: LinkDown, now: float) -> list[Effect]:
        if self._session not in {None, event.session}:
            return []  # one that is over already
        self._session = None
        self._report_at = None
        self.counts["drops"] += 1
        effects = self.delivery.link_down()
        if self.delivery.waiting:
            effects.append(Hurry())  # somebody may stand there for the answer
        self._panel.link_trouble(event.cause, now)
        return effects

    def _hub_said(self, said: HubSaid, now: float) -> list[Effect]:
        event = said.event
        effects: list[Effect] = []
        self._visits.heard(event, now)
        if event.name in SPEAK_EVENTS:
            self._wishes.said(event.request_id, event.display_text, now)
            effects += [] if self._visits.stranger(event.request_id) else self._answered(event)
        elif event.is_audio:
            effects += self._sounded(event)
        elif event.name == EVENT_POLICY_DENIED and event.data.get("denied_type") == EVENT_STATUS:
            if not self._denial_told:
                effects.append(Note("warning", NOT_ALLOWED, {"type": EVENT_STATUS}))
            self.status_denied = self._denial_told = True
            self._report_at = None
        elif event.name == EVENT_STATUS_REQUEST:
            effects += self._report(now)
        return [*effects, *self.delivery.hub_said(event, now)]

    def _answered(self, event: ThalovantEvent) -> list[Effect]:
        """Show what the hub says, and say it to whoever still stands there."""
        text = event.display_text
        if text and not self._panel.answered(text, event.request_id, event.name):
            return []
        self._panel.front.answered(event, self._language)
        if not text:
            return []
        if not self._fresh(event.request_id):
            return []
        spoken = event.text if self._says_markup else text
        return [Say(spoken, event.lang or self._language, event.request_id or "")]

    def _fresh(self, request_id: str | None) -> bool:
        """Whether whoever asked this is still there to hear the answer."""
        return self.delivery.fresh(request_id, self._stamps(), self._max_age)

    def _sounded(self, event: ThalovantEvent) -> list[Effect]:
        """Play a skill's sound, in its place between the sentences."""
        if not event.has_audio or self._visits.stranger(event.request_id) or not self._fresh(event.request_id):
            return []
        try:
            return [Play(event.audio_bytes(), event.request_id or "")]
        except ValueError as error:
            return [Note("info", "a sound cannot be played", {"reason": str(error)})]

    def _binary(self, binary: ThalovantBinary) -> list[Effect]:
        """Play speech the hub has rendered. It names no request, so where visitors change somebody must be there."""
        self.counts["binary"] += 1
        spoken = binary.kind == "tts_audio" and 0 < len(binary.data) <= MAX_AUDIO_BYTES and self._visits.somebody
        return [Play(binary.data, says=binary.utterance or "")] if spoken else []

    def _device(self, fact: DeviceFound | DeviceLost, now: float) -> list[Effect]:
        effects: list[Effect] = []
        key = (fact.kind, fact.name)
        if isinstance(fact, DeviceLost):
            if self.lost.get(key) != fact.detail:
                effects.append(Note("warning", f"{fact.kind} lost", {"device": fact.name, "reason": fact.detail}))
            self.lost[key] = fact.detail
        else:
            was_lost = self.lost.pop(key, None) is not None
            effects.append(Note("info", f"{fact.kind} {'back' if was_lost else 'found'}", {"device": fact.name}))
        self._report_soon(now)
        return effects

    def _tick(self, now: float) -> list[Effect]:
        effects = self._wishes.tick(now)
        if self._visits.over(now):
            effects += self._end_visit()
        if self._report_at is not None and now >= self._report_at:
            effects += self._report(now)
        return effects

    def _stopping(self) -> list[Effect]:
        self._stopped = True
        effects = [*self._panel.stopped(), *self._wishes.stop()]
        if self._session is not None and self._status.emit and not self.status_denied:
            effects.append(Report(self._session, "stopping"))
        return effects

    # -- what others are told

    def _report(self, now: float) -> list[Effect]:
        if self._session is None or not self._status.emit or self.status_denied:
            return []
        # Spread over a tenth of the time, so that a fleet that came up together does not report together.
        self._report_at = now + self._status.every_seconds * (1 + self._chance() / 10)
        return [Report(self._session, "")]

    def _report_soon(self, now: float) -> None:
        if self._report_at is not None:
            self._report_at = min(self._report_at, now + _CHANGE_SECONDS)

    def _tell(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        for ending in self.delivery.endings:
            effects += [*self._ended(ending, now), *self._wishes.ended(ending, now)]
        self.delivery.endings.clear()
        self._panel.hub_trouble(self.delivery.hub_trouble)
        effects += self._hear_nothing()
        return effects + self._panel.changes(now)

    def _ended(self, ending: Ending, now: float) -> list[Effect]:
        parcel, outcome = ending.parcel, ending.outcome
        self.counts[outcome] += 1
        effects: list[Effect] = []
        if outcome is not Outcome.DONE:
            fields = {"request_id": parcel.request_id, "origin": parcel.origin, "reason": ending.reason}
            effects.append(Note("info", f"{parcel.kind} {outcome}", fields))
        if not self._visits.stranger(parcel.request_id):
            effects += self._panel.ended(ending, now, fresh=age(parcel.made, self._stamps()) < _FRESH_SECONDS)
        return effects
