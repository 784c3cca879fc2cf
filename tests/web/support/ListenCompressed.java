// Java's own clients at an event stream: prints how it is coded, an empty line, and its text as it comes.
//
//   java ListenCompressed.java HttpClient http://127.0.0.1:8080/sse/subscribe/alice gzip
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.zip.GZIPInputStream;

public class ListenCompressed {
  public static void main(String[] arguments) throws Exception {
    URI uri = URI.create(arguments[1]);
    String asked = arguments.length > 2 ? arguments[2] : null;
    if (arguments[0].equals("HttpClient")) {
      HttpRequest.Builder request = HttpRequest.newBuilder(uri);
      if (asked != null) request.header("Accept-Encoding", asked);
      HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
      HttpResponse<InputStream> answer = client.send(request.build(), HttpResponse.BodyHandlers.ofInputStream());
      print(answer.headers().firstValue("Content-Encoding").orElse("identity"), answer.body());
    } else {
      HttpURLConnection connection = (HttpURLConnection) uri.toURL().openConnection();
      if (asked != null) connection.setRequestProperty("Accept-Encoding", asked);
      InputStream body = connection.getInputStream();
      String coding = connection.getContentEncoding();
      print(coding == null ? "identity" : coding, body);
    }
  }

  private static void print(String coding, InputStream body) throws IOException {
    System.out.print("coding: " + coding + "\n\n");
    System.out.flush();
    InputStream text = coding.equals("gzip") ? new GZIPInputStream(body) : body;
    byte[] piece = new byte[65536];
    for (int size; (size = text.read(piece)) > 0;) {
      System.out.write(piece, 0, size);
      System.out.flush();
    }
  }
}
