#!/bin/bash
set -e
echo "[1/3] nginx"
apt-get install -y nginx > /dev/null 2>&1
cat > /etc/nginx/sites-available/announcer << 'EOX'
upstream announcer {
    server 127.0.0.1:3000;
}

server {
    listen 80 default_server;
    listen [::]:80 default_server;
    server_name _;
    client_max_body_size 10M;
    proxy_connect_timeout 60s;
    proxy_send_timeout 60s;
    proxy_read_timeout 60s;

    location / {
        proxy_pass http://announcer;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection 'upgrade';
        proxy_set_header Host $host;
        proxy_buffering off;
    }
    location /socket.io {
        proxy_pass http://announcer/socket.io;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "Upgrade";
    }
}
EOX
ln -sf /etc/nginx/sites-available/announcer /etc/nginx/sites-enabled/
nginx -t && systemctl reload nginx
