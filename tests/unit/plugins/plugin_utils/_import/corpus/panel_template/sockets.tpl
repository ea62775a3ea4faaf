# Filled in by the panel for each domain.
server {
    listen      %ip%:%web_port%;
    server_name %domain% %aliases%;
    error_log   /var/log/domains/%domain%.log error;

    location /updates {
        proxy_pass http://127.0.0.1:4600;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "Upgrade";
        proxy_set_header Host $host;
        allow 10.20.0.0/16;
        deny all;
    }

    location ~ /\.git {return 404;}
}
