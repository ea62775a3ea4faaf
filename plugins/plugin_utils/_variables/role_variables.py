# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of the role."""

from __future__ import annotations

import functools
from dataclasses import replace

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import (
    addresses,
    nginx_versions,
    raw_directives,
    values,
)
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import Errors
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.keys import Key, list_of, mapping
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.site_keys import SITE, site
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.upstream_keys import (
    SERVER_PARAMETERS,
    UPSTREAM,
    upstream,
)

_RUN = "it says how a playbook goes about it"
GROUP = "ws_gateways"


def _verify_address(value: object, path: str, errors: Errors) -> str | bool | None:
    return False if value is False else addresses.host(value, path, errors)


VARIABLES = {
    "websockets_state": Key(
        values.one_of(*values.STATES),
        "Whether the host is a gateway. V(absent) removes the configuration and its log, and nginx too if this role "
        "installed it and no other site uses it. Open WebSockets have O(websockets_stop_timeout) to end before nginx "
        "is uninstalled; if nginx stays, they stay open as after a reload.",
        default="present",
        unprinted=_RUN,
        type="str",
        choices=values.STATES,
    ),
    "websockets_upstreams": Key(
        functools.partial(list_of, upstream),
        "The upstreams, a list of mappings, see below.",
        default=[],
        type="list",
        elements="raw",
        keys=UPSTREAM,
    ),
    "websockets_sites": Key(
        functools.partial(list_of, site),
        "The sites that the gateway serves, a list of mappings, see below.",
        default=[],
        type="list",
        elements="raw",
        keys=SITE,
    ),
    "websockets_directives": replace(
        raw_directives.key(
            "http",
            {},
            {
                "upstream": "use the variable websockets_upstreams",
                "server": "use the variable websockets_sites",
            },
        ),
        description="Whole lines of nginx for the C(http) block, such as C(map), C(geo) and C(proxy_cache_path), for "
        "what has no variable. One string or a list of them. They come first in the file.",
        version_added="0.6.0",
    ),
    "websockets_server": Key(
        functools.partial(mapping, keys=SERVER_PARAMETERS),
        "A variable of a backend, not of the gateway: the parameters of that host as a server, see below, in every "
        "upstream that is built from a group with O(websockets_upstreams[].group).",
        default={},
        unprinted="it is read from the variables of the hosts of a group",
        keys=SERVER_PARAMETERS,
        version_added="0.2.0",
    ),
    "websockets_probe_policy": Key(
        values.one_of(*values.PROBE_POLICIES),
        "What happens if a route is not verified: V(rollback), V(fail), V(warn) or V(skip).\n"
        "Each time it is reported which one, why, and what to do.\n"
        "V(rollback) rolls the deploy back if it caused the failure. It did where a route was verified before and is "
        "not now, and where a new route is not verified although a backend takes the same handshake when it is asked "
        "directly. The host fails either way.\n"
        "V(fail) fails the host, V(warn) warns, and both keep the new configuration, which nginx accepted.\n"
        "V(skip) probes nothing.",
        default="rollback",
        unprinted=_RUN,
        type="str",
        choices=values.PROBE_POLICIES,
        version_added="0.3.0",
        see="Where a route is not verified",
    ),
    "websockets_probe_interval": Key(
        values.seconds,
        "How many seconds after each other every route is probed all the time, such as V(15s), and at least V(5s). "
        "V(0) probes it in deploys and in the playbook C(wsfleet.nginx.verify) only.\n"
        "The service C(wsfleet-prober) makes the probes of a deploy, and probes each server directly. It writes "
        "figures for Prometheus, which the role P(wsfleet.nginx.exporter#role) has node_exporter read. It takes "
        "systemd 247.\n"
        "The default is V(0), as backends see and log each probe: two handshakes for each route, and one for each "
        "server, of every gateway.",
        default="0",
        unprinted="the service wsfleet-prober does that",
        type="str",
        version_added="0.11.0",
        see="Probes all the time",
    ),
    "websockets_group": Key(
        values.plain_text,
        "The inventory group whose hosts are the gateways of a playbook.\n"
        "Ansible chooses the hosts of a play before it knows the variables of the inventory, so give it with C(-e), or "
        "as C(vars) of C(import_playbook).",
        default=GROUP,
        unprinted=_RUN,
        type="str",
        version_added="0.9.0",
        see="Another group",
    ),
    "websockets_serial": Key(
        values.serial,
        "The sizes of the batches in which the playbooks C(wsfleet.nginx.site), C(wsfleet.nginx.rollback) and "
        "C(wsfleet.nginx.upgrade) go over the gateways, each a number or a share of them. The last one holds for all "
        "batches that follow.\n"
        "All gateways of a run need the same; another value is an error before any host is touched.",
        default=[1, "10%", "25%"],
        unprinted=_RUN,
        version_added="0.5.0",
        see="Fleets",
    ),
    "websockets_health_path": Key(
        values.health_path,
        "A path, such as V(/healthz), where load balancers ask whether new clients may come.\n"
        "Every server of the gateway responds V(200) there, or V(503) while there is a file beside "
        "O(websockets_config_path) that has its name with a leading dot, and C(.out) in place of C(.conf).",
        default=None,
        type="str",
        version_added="0.5.0",
        see="Draining",
    ),
    "websockets_health_wait": Key(
        values.seconds,
        "How long a deploy that changes something takes the gateway out of its load balancers before it begins.\n"
        "It costs no socket to deploy to a gateway that is in.",
        default="0s",
        unprinted=_RUN,
        type="str",
        version_added="0.5.0",
    ),
    "websockets_drain": Key(
        values.machines,
        "The servers and gateways that the playbook C(wsfleet.nginx.drain) takes out, a list, or a string with "
        "commas.\n"
        "A server is a host of an upstream's group, or the host of an address, with its port or without.\n"
        "It gets nginx's parameter C(down). nginx's own parameter C(drain) is something else.",
        default=[],
        version_added="0.5.0",
        see="Draining",
    ),
    "websockets_undrain": Key(
        values.machines,
        "Those that it brings back.",
        default=[],
        unprinted="it brings back what an earlier run took out",
        version_added="0.5.0",
    ),
    "websockets_drain_timeout": Key(
        values.seconds,
        "How long it waits for the connections of what it took out. The run fails if some are left.",
        default="10m",
        unprinted=_RUN,
        type="str",
        version_added="0.5.0",
    ),
    "websockets_drain_force": Key(
        values.boolean_or_text,
        "V(true) closes the connections that are left after O(websockets_drain_timeout), without a close frame.\n"
        "Only those of nginx to the drained servers, and those of clients to a drained gateway at ports that no other "
        "site of its nginx has.",
        default=False,
        unprinted=_RUN,
        version_added="0.8.0",
        see="Draining",
    ),
    "websockets_capacity": Key(
        values.capacity,
        "How many WebSockets the gateway must be able to hold at once. nginx's limits follow from it.\n"
        "A WebSocket takes two connections, and any worker may come to hold all of them, so C(worker_connections) is "
        "twice the capacity and 512 for all else, and C(worker_rlimit_nofile) is 512 more.",
        default=4096,
        version_added="0.3.0",
        see="Capacity",
    ),
    "websockets_worker_shutdown_timeout": Key(
        values.milliseconds,
        "How long a WebSocket may stay open after a reload in the workers that it was opened with; V(0) for ever.",
        default="1h",
        unprinted="it stands in nginx.conf",
        type="str",
        version_added="0.3.0",
    ),
    "websockets_reconnect_rate": Key(
        values.count,
        "How many WebSockets of old workers are ended in a second, after O(websockets_worker_shutdown_timeout), and by "
        "O(websockets_drain_force), so that their clients do not come back all at once.\n"
        "V(0) leaves it to nginx, which ends all of a worker at once.",
        default=None,
        otherwise="a full gateway's within five minutes: O(websockets_capacity) / 300",
        unprinted="the service wsfleet-pacer does that",
        type="int",
        version_added="0.10.0",
    ),
    "websockets_stop_timeout": Key(
        values.seconds,
        "How long WebSockets may stay open when nginx is stopped or restarted, which admits no new clients meanwhile.\n"
        "The default is that of Debian's own unit, so that no stop and no restart takes longer than without the role. "
        "A longer time suits a gateway that its load balancers have left before.",
        default="5s",
        unprinted="it stands in the drop-in of the service",
        type="str",
        version_added="0.10.0",
        see="Stopping nginx",
    ),
    "websockets_manage_nginx_conf": Key(
        values.boolean,
        "V(false) leaves C(nginx.conf) to others.\n"
        "Otherwise C(worker_processes), C(worker_rlimit_nofile), C(worker_shutdown_timeout) and C(worker_connections) "
        "are set in it, and all else in that file stays as it is.\n"
        "With V(false), a limit that is too low for O(websockets_capacity) is a warning.",
        default=True,
        unprinted=_RUN,
        version_added="0.3.0",
    ),
    "websockets_manage_service": Key(
        values.boolean,
        "V(false) leaves the service's unit to others.\n"
        "Otherwise the unit of systemd has a drop-in that lets nginx open as many files as it needs, gives open "
        "WebSockets O(websockets_stop_timeout) to end when it is stopped, and starts it again after it failed.",
        default=True,
        unprinted=_RUN,
        version_added="0.3.0",
    ),
    "websockets_guard_upgrades": Key(
        values.one_of(*values.GUARDS),
        "What becomes of the restarts of nginx by apt, unattended-upgrades or needrestart, which close every WebSocket "
        "and keep new clients out for seconds.\n"
        "V(exchange) has the new binary take over from the running one, which closes no WebSocket; if the new one "
        "fails, the running one stays in service. V(defer) leaves nginx as it runs, for the playbook "
        "C(wsfleet.nginx.upgrade). V(ignore) lets it be restarted.\n"
        "For Debian and Ubuntu with systemd: other packages of nginx exchange the binary by themselves.",
        default="exchange",
        unprinted=_RUN,
        type="str",
        choices=values.GUARDS,
        version_added="0.10.0",
        see="Upgrades by others",
    ),
    "websockets_status_listen": Key(
        addresses.loopback,
        "The address of the loopback interface at which nginx reports which configuration is live. No site may use its "
        "port.\n"
        "Any local user can take a port above 1023 while nginx is stopped, and nginx then does not start.",
        default="127.0.0.1:488",
        type="str",
    ),
    "websockets_config_path": Key(
        values.absolute_path,
        "The file that is written, unless other sites of the host require one that nginx reads later. nginx must\n"
        "include it.",
        default="/etc/nginx/conf.d/00-websockets.conf",
        type="path",
        see="Other sites of the host",
    ),
    "websockets_replaces": Key(
        values.replaced_files,
        "The files of nginx whose sites this gateway serves from now on, such as V(/etc/nginx/sites-enabled/chat): a "
        "path, or a list of them.\n"
        "A deploy removes them in the same transaction, so that no name is without a site at any moment. If it is "
        "rolled back, then or later, they are back. A copy of each stays in C(/var/lib/wsfleet-nginx/replaced).\n"
        "Other sites in these files go with them.",
        default=[],
        unprinted="a deploy removes them",
        version_added="0.12.0",
        see="In the place of a file",
    ),
    "websockets_nginx_version": Key(
        nginx_versions.given,
        "A version of nginx, such as V(1.26.3). What it cannot do is an error, before any host is touched.\n"
        "The playbook C(wsfleet.nginx.render) requires it, for it asks no host. A deploy goes by the nginx that it "
        "finds on the host.",
        default=None,
        type="str",
        version_added="0.2.0",
        see="Versions of nginx",
    ),
    "websockets_openssl_version": Key(
        values.openssl_version,
        "A version of OpenSSL, such as V(3.5.4), for files that are rendered without a host.\n"
        "Without one, what some hosts lack is left out. A deploy goes by the OpenSSL that it finds.",
        default=None,
        type="str",
        version_added="0.4.0",
        see="Without a host",
    ),
    "websockets_nginx_package_version": Key(
        values.package_version,
        "The version of nginx's package that the playbook C(wsfleet.nginx.upgrade) installs, as the host's package "
        "manager writes it, such as V(1.22.1-9+deb12u11).",
        default=None,
        otherwise="the newest",
        unprinted=_RUN,
        type="str",
        version_added="0.10.0",
        see="Upgrading nginx",
    ),
    "websockets_report": Key(
        values.directory,
        "The directory on the controller for the report of the playbook C(wsfleet.nginx.verify).\n"
        "It gets the files C(report.json), C(junit.xml) and C(index.html). It is relative to where the playbook was "
        "started.",
        default=None,
        unprinted=_RUN,
        type="str",
        version_added="0.5.0",
        see="Verify",
    ),
    "websockets_verify_fail_on": Key(
        values.one_of(*values.VERIFY_FAIL_ON),
        "Whether the playbook C(wsfleet.nginx.verify) fails for V(errors) alone, or for V(warnings) too.",
        default="errors",
        unprinted=_RUN,
        type="str",
        choices=values.VERIFY_FAIL_ON,
        version_added="0.8.0",
        see="Verify",
    ),
    "websockets_verify_address": Key(
        _verify_address,
        "The host name or address at which the controller reaches the sites of the gateway, for the playbook "
        "C(wsfleet.nginx.verify); V(false) if it reaches none, as behind a firewall.\n"
        "With V(false) the routes are probed from the gateway alone.",
        default=None,
        otherwise="C(ansible_host), or the gateway's name in the inventory",
        unprinted=_RUN,
        version_added="0.5.0",
        see="Verify",
    ),
    "websockets_render_dir": Key(
        values.directory,
        "The directory on the controller for the files that the playbook C(wsfleet.nginx.render) writes.\n"
        "It is relative to where the playbook was started.",
        default=None,
        unprinted=_RUN,
        type="str",
        version_added="0.2.0",
        see="Without a host",
    ),
    "websockets_blackbox_dir": Key(
        values.directory,
        "The directory on the controller for the files that the playbook C(wsfleet.nginx.blackbox) writes.\n"
        "It is relative to where the playbook was started.",
        default=None,
        unprinted=_RUN,
        type="str",
        version_added="0.11.0",
        see="Probed by Prometheus",
    ),
    "websockets_blackbox_prober": Key(
        values.one_of(*values.BLACKBOX_PROBERS),
        "How C(blackbox_exporter) opens WebSockets: V(tcp), which every version has, or V(websocket), its own prober "
        "of that name.",
        default="tcp",
        unprinted=_RUN,
        type="str",
        choices=values.BLACKBOX_PROBERS,
        version_added="0.11.0",
        see="Probed by Prometheus",
    ),
}
