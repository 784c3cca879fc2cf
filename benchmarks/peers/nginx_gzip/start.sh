#!/usr/bin/env bash
# nginx as a peer of `compression serve`: it compresses what the server at port $1 sends plainly. It says where it listens
# and runs until it is ended.
set -eu
directory=$(mktemp -d)
port=$((20000 + RANDOM % 10000))
cat > "$directory/nginx.conf" <<CONF
daemon off;
master_process off;
worker_rlimit_nofile 40000;
pid $directory/nginx.pid;
error_log $directory/error.log warn;
events { worker_connections 39900; use epoll; }
http {
  access_log off;
  client_body_temp_path $directory/body;
  proxy_temp_path $directory/proxy;
  fastcgi_temp_path $directory/fastcgi;
  uwsgi_temp_path $directory/uwsgi;
  scgi_temp_path $directory/scgi;
  server {
    listen 127.0.0.1:$port backlog=4096;
    gzip on;
    gzip_types text/event-stream;
    gzip_comp_level 6;
    location / {
      proxy_pass http://127.0.0.1:$1;
      proxy_http_version 1.1;
      proxy_set_header Host 127.0.0.1:$1;
      proxy_set_header Accept-Encoding "";
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 1h;
    }
  }
}
CONF
nginx=$(command -v nginx || echo /usr/sbin/nginx)
(
  until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.05; done
  echo "listening on http://127.0.0.1:$port"
) &
exec "$nginx" -p "$directory" -c "$directory/nginx.conf"
