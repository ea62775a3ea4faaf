-- XMPP over WebSocket, RFC 7395. TLS, if any, is the gateway's: without this line no client may log in.
consider_websocket_secure = true
modules_enabled = { "roster", "saslauth", "tls", "disco", "websocket" }
http_ports = { 8012 }
http_interfaces = { "*" }
https_ports = {}
c2s_ports = {}
s2s_ports = {}
data_path = "/tmp"
pidfile = "/tmp/prosody.pid"
log = { info = "*console" }
authentication = "anonymous"
VirtualHost "prosody.example"
