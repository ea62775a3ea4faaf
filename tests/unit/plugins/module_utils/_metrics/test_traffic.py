# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is counted of the lines of a log, once each, whatever happens to the file and to who reads it."""

from __future__ import annotations

import json
import os
import re
import string
import tempfile
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics import exposition, traffic
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics.traffic import Traffic
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._config import server_blocks
from hypothesis import given
from hypothesis import strategies as st

# Whether a site refuses clients without a certificate.
SITES = {"a.example": False, "b.example": True}
SESSION = {
    "site": "a.example",
    "status": "101",
    "seconds": "61.250",
    "tls": "",
    "bytes_to_client": "300",
    "bytes_from_client": "200",
    "upstream": "10.0.0.1:3000",
    "user_agent": "",
    "limit_conn": "",
    "limit_req": "",
    "upgrade": "websocket",
    "completion": "OK",
}
SESSION_LABELS = 'site="a.example",status="101"'
REFUSED = {**SESSION, "status": "403", "seconds": "0.000", "upstream": "", "bytes_from_client": ""}


def line(**fields: object) -> bytes:
    return json.dumps({**SESSION, **fields}).encode() + b"\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "record").mkdir()
    path = tmp_path / "websockets.log"
    path.touch()
    return path


def reader(log: Path) -> Traffic:
    return Traffic([log], log.parent / "record", SITES)


def shown(found: Traffic, name: str) -> dict[str, float]:
    """The samples of a family, by their labels as Prometheus reads them."""
    pattern = re.compile(rf"{name}(?:\{{(.*)\}})? (\S+)")
    matches = map(pattern.fullmatch, exposition.text(found.families()).splitlines())
    return {match[1] or "": float(match[2]) for match in matches if match}


def ended(found: Traffic) -> dict[str, float]:
    """The sessions that there were."""
    return {labels: number for labels, number in shown(found, "wsfleet_sessions_total").items() if number}


def counted(log: Path, *lines: bytes) -> Traffic:
    found = reader(log)
    log.write_bytes(b"".join(lines))
    found.read()
    return found


def test_a_session_is_counted_by_its_length_and_its_bytes(log: Path) -> None:
    found = counted(log, line(), line(seconds="10.000"), line(seconds="90000.001"))
    assert ended(found) == {'site="a.example",reason="closed"': 3}
    numbers = {"1": 0, "10": 1, "60": 1, "300": 2, "900": 2, "3600": 2, "14400": 2, "86400": 2, "+Inf": 3}
    assert shown(found, "wsfleet_session_seconds_bucket") == {
        f'site="a.example",le="{bound}"': number for bound, number in numbers.items()
    }
    assert shown(found, "wsfleet_session_seconds_sum") == {'site="a.example"': 90071.251}
    assert shown(found, "wsfleet_session_seconds_count") == {'site="a.example"': 3}
    assert shown(found, "wsfleet_bytes_total") == {
        'site="a.example",direction="in"': 600,
        'site="a.example",direction="out"': 900,
    }


def test_what_nginx_ends_with_its_worker_is_told_from_what_others_end(log: Path) -> None:
    before = {key: value for key, value in SESSION.items() if key not in ("upgrade", "completion")}
    found = counted(log, line(completion=""), line(), json.dumps(before).encode() + b"\n")
    assert ended(found) == {
        'site="a.example",reason="closed"': 2,
        'site="a.example",reason="shutdown"': 1,
    }
    assert shown(found, "wsfleet_handshakes_total") == {'site="a.example",status="101"': 3}


def test_handshakes_are_counted_by_status_and_plain_requests_are_none(log: Path) -> None:
    found = counted(
        log,
        *(line(status="502", upstream="10.0.0.1:3000, 10.0.0.2:3000", bytes_from_client="10, 20"), line(status="777")),
        line(status="200", upgrade=""),
    )
    assert shown(found, "wsfleet_handshakes_total") == {
        'site="a.example",status="502"': 1,
        'site="a.example",status="other"': 1,
    }
    assert ended(found) == {}
    assert shown(found, "wsfleet_bytes_total")['site="a.example",direction="in"'] == 430


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "400", "upgrade": ""}, "request"),
        ({"status": "400", "tls": "TLSv1.3"}, "request"),
        ({"status": "400", "tls": "TLSv1.3", "site": "b.example"}, "certificate"),
        # A request without TLS at a port that has it, or another port of the site.
        ({"status": "400", "site": "b.example"}, "request"),
        ({"status": "401"}, "token"),
        ({"status": "403"}, "origin"),
        ({"status": "421", "site": ""}, "host"),
        ({"status": "426", "upgrade": ""}, "upgrade"),
        ({"status": "429", "limit_conn": "REJECTED"}, "limit_conn"),
        ({"status": "429", "limit_conn": "PASSED", "limit_req": "REJECTED"}, "limit_req"),
        ({"status": "404"}, None),
        ({"status": "403", "upstream": "10.0.0.1:3000"}, None),
        ({"status": "101", "limit_conn": "REJECTED_DRY_RUN"}, None),
    ],
)
def test_a_refusal_is_counted_by_its_reason_if_it_is_nginx_own(
    log: Path, fields: dict[str, object], reason: str | None
) -> None:
    found = counted(log, line(**{**REFUSED, **fields}))
    site = fields.get("site", "a.example") or "other"
    assert shown(found, "wsfleet_refusals_total") == ({f'site="{site}",reason="{reason}"': 1} if reason else {})


def test_probes_are_no_traffic(log: Path) -> None:
    found = counted(log, line(user_agent="wsfleet.nginx-probe"))
    assert [shown(found, f"wsfleet_{name}_total") for name in ("handshakes", "refusals", "bytes")] == [{}, {}, {}]
    assert ended(found) == {}


def test_sockets_that_nginx_closes_are_counted_from_zero_on(log: Path) -> None:
    assert shown(reader(log), "wsfleet_sessions_total") == {f'site="{site}",reason="shutdown"': 0 for site in SITES}


def test_what_clients_send_makes_no_label(log: Path) -> None:
    found = counted(log, *(line(site=f"{number}.example", status=str(number)) for number in range(100, 999)))
    labels = shown(found, "wsfleet_handshakes_total")
    assert len(labels) < 70
    assert all(label.startswith('site="other"') for label in labels)


@pytest.mark.parametrize(
    "malformed",
    [
        *(b"", b"{", b"[]", b"1", b'"x"', b"null", b"\xff\xfe", b"\0", b'127.0.0.1 - - "GET /"', b"[" * 9999),
        *(line(status="2"), line(status=101), line(seconds="1e999"), line(seconds="-"), line(bytes_to_client="x")),
        *(line(bytes_from_client=None), b'{"n":%s}' % (b"9" * 5000), b"x" * 600_000),
    ],
)  # fmt: skip
def test_a_line_that_is_malformed_is_counted_and_the_next_one_is_read(log: Path, malformed: bytes) -> None:
    found = counted(log, malformed.rstrip(b"\n") + b"\n", line())
    assert shown(found, "wsfleet_log_lines_malformed_total")[""] >= 1
    assert ended(found) == {'site="a.example",reason="closed"': 1}


def test_the_format_of_the_configuration_has_each_field_that_is_read() -> None:
    assert set(SESSION) <= set(server_blocks._LOG_FIELDS)


def test_what_is_there_at_the_first_look_is_not_counted(log: Path) -> None:
    log.write_bytes(line() * 3)
    found = reader(log)
    found.read()
    assert ended(found) == {}


def test_a_log_that_cannot_be_read_is_said(log: Path) -> None:
    log.unlink()
    found = reader(log)
    found.read()
    assert shown(found, "wsfleet_log_readable") == {"": 0}
    os.mkfifo(log)
    found.read()
    assert shown(found, "wsfleet_log_readable") == {"": 0}
    log.unlink()
    log.write_bytes(line())
    found.read()
    assert shown(found, "wsfleet_log_readable") == {"": 1}
    assert ended(found) == {'site="a.example",reason="closed"': 1}


@pytest.mark.parametrize(
    "record", [b"", b"{}", b"[]", b'{"logs": {"x": [[1]]}, "counts": []}', b'{"logs": [], "counts": 1}']
)
def test_a_damaged_record_is_none(log: Path, record: bytes) -> None:
    (log.parent / "record" / traffic.RECORD).write_bytes(record)
    assert ended(counted(log, line())) == {'site="a.example",reason="closed"': 1}


def test_figures_of_a_site_go_with_the_site(log: Path) -> None:
    counted(log, line(), line(site="b.example"), b"malformed\n")
    found = Traffic([log], log.parent / "record", {"b.example": False})
    assert ended(found) == {'site="b.example",reason="closed"': 1}
    assert shown(found, "wsfleet_log_lines_malformed_total") == {"": 1}


def test_a_file_that_rotations_have_named_by_the_date_is_read_to_its_end(log: Path) -> None:
    counted(log, line())
    with log.open("ab") as file:
        file.write(line() * 2)
    log.rename(log.with_name("websockets.log-20261126"))
    log.write_bytes(line())
    found = reader(log)
    found.read()
    assert ended(found) == {'site="a.example",reason="closed"': 4}


def test_no_file_stays_open_that_a_rotation_has_taken_away(log: Path) -> None:
    found = reader(log)
    found.read()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(5):
        log.rename(log.with_name(f"websockets.log.{number}"))
        log.write_bytes(line())
        found.read()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1
    assert ended(found) == {'site="a.example",reason="closed"': 5}


def test_a_turn_reads_a_bounded_part(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "_CHUNK", 512)
    monkeypatch.setattr(traffic, "_MOST_BYTES", 1024)
    found = counted(log, line() * 20)
    numbers: list[float] = []
    while not numbers or numbers[-1] < 20:
        numbers.append(sum(ended(found).values()))
        found.read()
    assert len(numbers) > 3
    assert numbers == sorted(numbers)


class Host:
    """nginx writes, logrotate renames or truncates, and whoever reads is restarted."""

    def __init__(self, directory: Path) -> None:
        self.log = directory / "websockets.log"
        self.log.touch()
        (directory / "record").mkdir()
        self.reader = reader(self.log)
        # The file of the log by now, and what it was before the last rotation, which some workers still have open.
        self.files = [self.log.open("ab", buffering=0)]

    def write(self, text: bytes, *, late: bool) -> None:
        # nginx writes a line at once, but a disk may be full.
        for part in (text[:40], text[40:]):
            self.files[0 if late else -1].write(part)
            if len(text) % 2:
                self.reader.read()

    def rotate(self) -> None:
        # Who reads looks more often than logs are rotated.
        self.reader.read()
        self.log.rename(self.log.with_name("websockets.log.1"))
        self.files.append(self.log.open("ab", buffering=0))
        for file in self.files[:-2]:
            file.close()
        del self.files[:-2]

    def truncate(self) -> None:
        self.reader.read()
        os.truncate(self.log, 0)
        self.reader.read()

    def restart(self, *, hard: bool) -> None:
        if not hard:
            self.reader.read()
        self.reader = reader(self.log)


STEPS = st.one_of(
    st.tuples(st.just("session"), st.booleans(), st.text(string.printable + "é€\x00", max_size=20)),
    st.tuples(st.just("malformed"), st.booleans(), st.sampled_from(["", "{", "[]", "x" * 99, '{"status": "101"}'])),
    st.sampled_from([("rotate",), ("truncate",), ("restart",), ("kill",), ("read",)]),
)


@given(st.lists(STEPS, max_size=25))
def test_each_line_is_counted_once_whatever_happens_to_the_file_and_to_who_reads_it(
    steps: list[tuple[str, bool, str]],
) -> None:
    written = {"session": 0, "malformed": 0}
    with tempfile.TemporaryDirectory() as directory:
        host = Host(Path(directory))
        host.reader.read()
        for kind, *how in steps:
            if kind in written:
                late, text = how
                host.write(line(origin=text) if kind == "session" else f"{text}\n".encode(), late=bool(late))
                written[kind] += 1
            elif kind == "rotate":
                host.rotate()
            elif kind == "truncate":
                host.truncate()
            elif kind == "read":
                host.reader.read()
            else:
                host.restart(hard=kind == "kill")
        host.reader.read()
        for file in host.files:
            file.close()
    sessions = ended(host.reader)
    assert sum(sessions.values()) == shown(host.reader, "wsfleet_handshakes_total").get(SESSION_LABELS, 0)
    assert sum(sessions.values()) == written["session"]
    assert shown(host.reader, "wsfleet_log_lines_malformed_total") == {"": written["malformed"]}
