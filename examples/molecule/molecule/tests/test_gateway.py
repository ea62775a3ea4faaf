"""What each gateway serves, as a client of it sees it."""

testinfra_hosts = ["ansible://ws_gateways"]


def probe(host, options):
    """Open a WebSocket by this gateway: the result of the module, also where it fails."""
    arguments = f"url=ws://chat.example.com/ connect_to=127.0.0.1:80 {options}"
    try:
        # testinfra runs modules in check mode. This one changes nothing, and does all of its work there too.
        return host.ansible("wsfleet.nginx.websocket_probe", arguments)
    except host.ansible.AnsibleException as failed:
        return failed.result


def test_a_page_of_ours_opens_a_websocket(host):
    opened = probe(host, "origin=http://www.example.com")
    assert opened["status"] == 101, opened["msg"]


def test_a_foreign_page_is_refused(host):
    assert probe(host, "origin=http://elsewhere.example.net")["status"] == 403
