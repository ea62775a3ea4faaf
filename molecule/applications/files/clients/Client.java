// Copyright (c) 2026, The wsfleet maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
// Java's own HttpClient, which asks for h2c with each first request unless it is told not to, and its WebSocket.
// One line of JSON for each address: the statuses of GET and POST, the bytes that a POST brought, and what was heard.
//
// Usage: java Client.java ORIGIN...          each has /, /request and /ws
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.WebSocket;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;

class Client {
    static final int SECONDS = 60;

    // Trusts everybody.
    static class Trusting implements X509TrustManager {
        public void checkClientTrusted(X509Certificate[] chain, String type) {}

        public void checkServerTrusted(X509Certificate[] chain, String type) {}

        public X509Certificate[] getAcceptedIssuers() {
            return new X509Certificate[0];
        }
    }

    // Waits for one text.
    static class Hearing implements WebSocket.Listener {
        final CompletableFuture<String> text = new CompletableFuture<>();
        private final StringBuilder parts = new StringBuilder();

        @Override
        public CompletionStage<?> onText(WebSocket socket, CharSequence part, boolean last) {
            parts.append(part);
            if (last) {
                text.complete(parts.toString());
            }
            socket.request(1);
            return null;
        }

        @Override
        public void onError(WebSocket socket, Throwable error) {
            text.completeExceptionally(error);
        }
    }

    static HttpRequest.Builder request(String url) {
        return HttpRequest.newBuilder(URI.create(url)).timeout(Duration.ofSeconds(SECONDS));
    }

    public static void main(String[] origins) throws Exception {
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, new TrustManager[] {new Trusting()}, null);
        for (String origin : origins) {
            HttpClient client = HttpClient.newBuilder().sslContext(context).build();
            var page = client.send(request(origin + "/").build(), BodyHandlers.ofString());
            // Another client, for only the first request of one asks to upgrade.
            client = HttpClient.newBuilder().sslContext(context).build();
            var body = HttpRequest.BodyPublishers.ofByteArray(new byte[100000]);
            var form = client.send(request(origin + "/request").POST(body).build(), BodyHandlers.ofString());
            var hearing = new Hearing();
            var address = URI.create(origin.replaceFirst("http", "ws") + "/ws");
            var socket = client.newWebSocketBuilder().buildAsync(address, hearing);
            socket.get(SECONDS, TimeUnit.SECONDS).sendText("x".repeat(65536), true).get(SECONDS, TimeUnit.SECONDS);
            int heard = hearing.text.get(SECONDS, TimeUnit.SECONDS).length();
            socket.get().abort();
            System.out.printf(
                "{\"get\": %d, \"post\": %d, \"request\": %s, \"heard\": %d}%n",
                page.statusCode(), form.statusCode(), form.statusCode() == 200 ? form.body() : "null", heard);
        }
        System.exit(0);
    }
}
