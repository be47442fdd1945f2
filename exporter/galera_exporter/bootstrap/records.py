"""The values of the protocol's keys in etcd, in which words.

Anyone may write below our prefix, an older or a newer version of this program too. A value
is read as a whole or not at all, for an election may follow from it: a field that is
absent has its default (an older version did not know it), a field that is unknown is
ignored, and a field of the wrong kind, or a newer schema, makes the value unreadable. No
``decode_`` ever raises.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from galera_exporter.bootstrap.fields import Fields, UnreadableError, read
from galera_exporter.bootstrap.local import KEPT
from galera_exporter.bootstrap.state import (
    NO_EPOCHS,
    Activity,
    Bootstrap,
    Component,
    Epoch,
    Held,
    LastKnown,
    Mode,
    Order,
    Phase,
    Purpose,
    Report,
    Rule,
    Turn,
    View,
)
from galera_exporter.model import NodeRecord, Position
from galera_exporter.registry.records import MAX_MEMBERS, SCHEMA, is_text, is_uuid

MAX_EPOCH: Final = 2**31 - 1
"""More elections than there ever will be; the next number must be writable too."""


def encode(value: Bootstrap | Epoch | Report | Component | Turn | Order | str) -> bytes:
    """Return the value of a key of the protocol: one JSON object. A text is the reason of a hold."""
    fields: dict[str, Any]
    match value:
        case Bootstrap():
            fields = {"phase": value.phase, "token": value.token, "epoch": epoch_fields(value.epoch)}
        case Epoch():
            fields = epoch_fields(value)
        case Report():
            fields = _report_fields(value)
        case Order():
            fields = {
                "token": value.token,
                "purpose": value.purpose,
                "node": value.node,
                "lossy": value.lossy,
                "by": value.by,
            }
        case Turn():
            fields = {"node": value.node}
        case str():
            fields = {"reason": value}
        case (uuid, conf_id):
            fields = {"uuid": uuid, "conf_id": conf_id}
    return json.dumps({"schema": SCHEMA, **fields}, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def decode_bootstrap(value: bytes) -> Bootstrap | None:
    """Return the newest election, None where it cannot be read."""
    return read(
        value,
        lambda fields: Bootstrap(fields.choice("phase", Phase), _epoch(fields.inner("epoch")), fields.text("token")),
    )


def decode_epoch(value: bytes, number: str) -> Epoch | None:
    """Return the epoch of ``history/<number>``, None where it cannot be read or is another one."""
    found = read(value, _epoch)
    return found if found is not None and str(found.number) == number else None


def decode_report(value: bytes, node: str) -> Report | None:
    """Return the report of ``node``, None where it cannot be read or is another node's."""
    found = read(value, _report)
    return found if found is not None and found.node == node else None


def decode_component(value: bytes) -> Component | None:
    """Return the Primary view that a node is part of, None where it cannot be read."""
    return read(value, lambda fields: (fields.uuid("uuid"), fields.number("conf_id")))


def decode_order(value: bytes, token: str) -> Order | None:
    """Return the order of ``override/<token>``, None where it cannot be read or is another one."""
    found = read(
        value,
        lambda fields: Order(
            fields.text("token"),
            fields.choice("purpose", Purpose),
            fields.text("node", ""),
            fields.flag("lossy"),
            fields.text("by", ""),
        ),
    )
    return found if found is not None and found.token == token else None


def decode_turn(value: bytes) -> Turn | None:
    """Return whose turn it is to join, None where it cannot be read."""
    return read(value, lambda fields: Turn(fields.name("node")))


def decode_hold(value: bytes) -> str | None:
    """Return why elections are frozen, None where it cannot be read."""
    return read(value, lambda fields: fields.text("reason", ""))


def read_epoch(found: object) -> Epoch | None:
    """Return the epoch that is a part of a JSON document, None where it cannot be read."""
    try:
        return _epoch(Fields.of(found))
    except UnreadableError:
        return None


def epoch_fields(epoch: Epoch) -> dict[str, Any]:
    """Return an epoch as a part of a JSON document."""
    return {
        "number": epoch.number,
        "parent": epoch.parent,
        "base": epoch.base,
        "uuid": epoch.uuid,
        "node": epoch.node,
        "mode": epoch.mode,
        "rule": epoch.rule,
        "lossy": epoch.lossy,
        "confirmed": epoch.confirmed,
        "group": epoch.group,
    }


def last_known(record: NodeRecord) -> LastKnown:
    """Return what the protocol takes from ``nodes/<node>``."""
    return LastKnown(record.node, record.position, record.epoch, record.member_uuid, record.final)


def _report_fields(report: Report) -> dict[str, Any]:
    view = report.view
    return {
        "node": report.node,
        "owner": report.owner,
        "boot_id": report.boot_id,
        "activity": report.activity,
        "held": report.held,
        "uuid": report.position.uuid,
        "seqno": report.position.seqno,
        "epoch": report.epoch,
        "safe": report.safe,
        "tainted": report.tainted,
        "incarnation": report.incarnation,
        "view": None if view is None else {"seq": view.seq, "members": view.members},
        "expected": report.expected,
        "history": [epoch_fields(report.history[number]) for number in sorted(report.history)],
        **({"refused": True} if report.refused else {}),
    }


def _epoch(fields: Fields) -> Epoch:
    number = fields.number("number", low=1, high=MAX_EPOCH)
    return Epoch(
        number=number,
        parent=fields.number("parent", low=0, high=number - 1),  # each way through the epochs ends
        base=fields.number("base"),
        uuid=fields.uuid("uuid"),
        node=fields.name("node"),
        mode=fields.choice("mode", Mode),
        rule=fields.choice("rule", Rule),
        lossy=fields.flag("lossy"),
        confirmed=fields.flag("confirmed"),
        group=fields.word("group", ""),
    )


def _report(fields: Fields) -> Report:
    epochs = _epochs(_epoch(Fields.of(item)) for item in fields.items("history", KEPT))
    return Report(
        node=fields.name("node"),
        owner=fields.text("owner"),
        boot_id=fields.text("boot_id", ""),
        activity=fields.choice("activity", Activity),
        held=fields.choice("held", Held),
        position=Position(fields.uuid("uuid"), fields.number("seqno")),
        epoch=fields.number("epoch", 0, low=0, high=MAX_EPOCH),
        safe=fields.flag("safe"),
        tainted=fields.flag("tainted"),
        incarnation=fields.uuid("incarnation", ""),
        view=_view(fields.inner("view")) if fields.has("view") else None,
        expected=fields.number("expected", 0, low=0, high=MAX_MEMBERS),
        history=epochs,
        refused=fields.flag("refused"),
    )


def _view(fields: Fields) -> View:
    members = fields.items("members", MAX_MEMBERS)
    if not all(is_text(member) and is_uuid(member) for member in members):
        raise UnreadableError("members")
    return View(fields.number("seq"), tuple(members))


def _epochs(epochs: Iterable[Epoch]) -> Mapping[int, Epoch]:
    return {epoch.number: epoch for epoch in epochs} or NO_EPOCHS
