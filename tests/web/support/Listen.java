// Java's HttpClient against a hub: listens as each of the users and prints what it hears, a line for each event. First it
// sends each an event itself, over the same connection.
//
//   java Listen.java https://localhost:8443 authority.pem alice bob
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class Listen {
  public static void main(String[] arguments) throws Exception {
    String url = arguments[0];
    HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_2).sslContext(trusting(arguments[1])).build();
    List<CompletableFuture<Void>> streams = new ArrayList<>();
    for (String user : List.of(arguments).subList(2, arguments.length)) {
      HttpRequest request = HttpRequest.newBuilder(URI.create(url + "/sse/subscribe/" + user)).build();
      HttpResponse<Stream<String>> response = client.send(request, HttpResponse.BodyHandlers.ofLines());
      say("open " + user + " " + response.statusCode() + " " + response.version());
      // Each on a thread of its own: reading waits.
      streams.add(CompletableFuture.runAsync(() -> {
        response.body().filter(line -> line.startsWith("data: ")).forEach(line -> say(user + " " + line));
        say("end " + user);
      }, task -> new Thread(task).start()));
      HttpRequest.BodyPublisher body = HttpRequest.BodyPublishers.ofString("Java to " + user);
      HttpRequest post = HttpRequest.newBuilder(URI.create(url + "/sse/send/" + user)).POST(body).build();
      HttpResponse<String> sent = client.send(post, HttpResponse.BodyHandlers.ofString());
      say("sent " + user + " " + sent.statusCode() + " " + sent.version());
    }
    for (CompletableFuture<Void> stream : streams) stream.join();
  }

  private static synchronized void say(String line) {
    System.out.println(line);
  }

  private static SSLContext trusting(String file) throws Exception {
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    try (var in = Files.newInputStream(Path.of(file))) {
      store.setCertificateEntry("authority", CertificateFactory.getInstance("X.509").generateCertificate(in));
    }
    TrustManagerFactory managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    managers.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, managers.getTrustManagers(), null);
    return context;
  }
}
