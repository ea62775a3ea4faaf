# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report for CI systems: JUnit's XML, as Jenkins, GitLab and others read it."""

from __future__ import annotations

from xml.etree import ElementTree

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.schema import (
    Finding,
    Gateway,
    ProbeResult,
    Report,
    Route,
    clean,
)

_FINDINGS = "findings"
_OF_GATEWAYS = ("route", "unreachable")
_UNREACHABLE = "the gateway is unreachable"


def junit(report: Report, fail_on: str = "errors") -> str:
    """One testsuite for the findings, and one for each gateway with a testcase for each of its routes."""
    root = ElementTree.Element("testsuites", name="wsfleet.nginx.verify")
    _add_findings(root, report, fail_on)
    for gateway in report["gateways"]:
        _add_suite(root, gateway, report)
    for count in ("tests", "failures", "errors", "skipped"):
        root.set(count, str(sum(int(suite.attrib[count]) for suite in root)))
    root.set("time", f"{sum(float(suite.attrib['time']) for suite in root):.3f}")
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _suite(root: ElementTree.Element, name: str, report: Report) -> ElementTree.Element:
    suite = ElementTree.SubElement(root, "testsuite", name=clean(name), timestamp=report["time"].rstrip("Z"))
    properties = ElementTree.SubElement(suite, "properties")
    for key, value in (
        ("inventory", ", ".join(report["inventory"])),
        ("wsfleet.nginx", report["collection_version"]),
    ):
        ElementTree.SubElement(properties, "property", name=key, value=clean(value))
    return suite


def _add_suite(root: ElementTree.Element, gateway: Gateway, report: Report) -> None:
    suite = _suite(root, gateway["name"], report)
    for route in gateway["routes"]:
        _add_route(suite, gateway, route)
    if gateway["state"] == "unreachable" and not gateway["routes"]:
        case = _case(suite, gateway["name"], "connect to the gateway", None)
        ElementTree.SubElement(case, "error", type="unreachable", message=clean(gateway["message"]))
    _count(suite)


def _add_findings(root: ElementTree.Element, report: Report, fail_on: str) -> None:
    """A testcase for each finding but those of routes and of unreachable gateways, which are testcases of gateways.

    CI systems show the messages of failures and of skipped testcases. The output of one that passed is less prominent.
    """
    found = [finding for finding in report["findings"] if not _is_of_gateways(finding)]
    if not found:
        return
    suite = _suite(root, _FINDINGS, report)
    for finding in found:
        case = _case(suite, f"{_FINDINGS}.{finding['kind']}", finding["title"], None)
        text = "\n".join(filter(None, [finding["text"], *finding["details"], _gateways(finding)]))
        if finding["severity"] == "error" or (finding["severity"], fail_on) == ("warning", "warnings"):
            failure = ElementTree.SubElement(case, "failure", type=finding["kind"], message=clean(finding["title"]))
            failure.text = clean(text)
        elif finding["severity"] == "warning":
            ElementTree.SubElement(case, "skipped", message=clean(f"warning: {text}"))
        else:
            ElementTree.SubElement(case, "system-out").text = clean(text)
    _count(suite)


def _is_of_gateways(finding: Finding) -> bool:
    """Whether testcases of gateways have it: an upstream without a live server is an error where its routes fail."""
    return finding["kind"] in _OF_GATEWAYS or (finding["kind"], finding["severity"]) == ("upstream", "error")


def _gateways(finding: Finding) -> str:
    return f"gateways: {', '.join(finding['gateways'])}" if finding["gateways"] else ""


def _count(suite: ElementTree.Element) -> None:
    suite.set("tests", str(len(suite.findall("testcase"))))
    for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("time", f"{sum(float(case.attrib['time']) for case in suite.findall('testcase')):.3f}")


def _case(suite: ElementTree.Element, classname: str, name: str, milliseconds: float | None) -> ElementTree.Element:
    return ElementTree.SubElement(
        suite,
        "testcase",
        classname=clean(classname),
        name=clean(name),
        time=f"{(milliseconds or 0) / 1000:.3f}",
    )


def _add_route(suite: ElementTree.Element, gateway: Gateway, route: Route) -> None:
    result = route["gateway"] or route["controller"]
    case = _case(suite, gateway["name"], f"{route['site']} {route['path']}", result["milliseconds"] if result else None)
    if route["state"] == "failed":
        failures = [_failure("gateway", route["gateway"]), _failure("controller", route["controller"])]
        failure = ElementTree.SubElement(
            case, "failure", type="probe_failed", message=clean("; ".join(filter(None, failures)))
        )
        failure.text = clean("\n".join([route["at"], *filter(None, (result["hint"] if result else "",))]))
    elif route["state"] == "unknown":
        message = f"{_UNREACHABLE}: {gateway['message']}"
        ElementTree.SubElement(case, "error", type="unreachable", message=clean(message))
    elif route["state"] == "unverified":
        why = result["unverified"] if result else ""
        ElementTree.SubElement(case, "skipped", message=clean(f"not verified: {why}"))
    elif route["state"] == "not_probed":
        ElementTree.SubElement(case, "skipped", message="probe: false")


def _failure(source: str, result: ProbeResult | None) -> str:
    return f"from the {source}: {result['failure']}" if result and result["failure"] else ""
