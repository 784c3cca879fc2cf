# Python's own clients at an event stream: prints how it is coded, an empty line, and its text as it comes.
#
#   python3 listen.py http.client http://127.0.0.1:8080/sse/subscribe/alice gzip
import http.client
import sys
import urllib.parse
import urllib.request
import zlib

client, url, *coding = sys.argv[1:]
fields = {"Accept-Encoding": coding[0]} if coding else {}
if client == "http.client":
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.request("GET", f"{parts.path}?{parts.query}", headers=fields)
    answer = connection.getresponse()
else:
    answer = urllib.request.urlopen(urllib.request.Request(url, headers=fields))
coded = answer.headers.get("Content-Encoding", "identity")
print(f"coding: {coded}\n", flush=True)
inflate = zlib.decompressobj(wbits=31) if coded == "gzip" else None
# read() would wait until all that it is to read has come.
while piece := answer.read1(65536):
    sys.stdout.buffer.write(inflate.decompress(piece) if inflate else piece)
    sys.stdout.buffer.flush()
# Sum and length are compared when the end has come; then nothing is left.
if inflate and (not inflate.eof or inflate.unused_data or inflate.flush()):
    sys.exit("the end of the compressed body did not come, or something after it")
