# nginx.sh PORT DIR WORKERS: nginx's configuration with nchan as a hub for SSE and WebSocket, on stdout.
cat <<C
load_module /usr/lib/nginx/modules/ngx_nchan_module.so;
daemon off;
worker_processes $3;
worker_rlimit_nofile $(ulimit -n);
pid $2/nginx.pid;
error_log $2/nginx.log warn;
events { worker_connections $(($(ulimit -n) - 100)); }
http {
	access_log off;
	keepalive_requests 1000000000;
	client_body_temp_path $2/nginx-body;
	proxy_temp_path $2/nginx-proxy;
	fastcgi_temp_path $2/nginx-fastcgi;
	uwsgi_temp_path $2/nginx-uwsgi;
	scgi_temp_path $2/nginx-scgi;
	nchan_shared_memory_size 256M;
	server {
		listen 127.0.0.1:$1 backlog=4096;
		location = /healthz { return 200; }
		location = /publish {
			nchan_publisher;
			nchan_channel_id signals;
			nchan_message_buffer_length 1000;
		}
		location = /sse {
			nchan_subscriber eventsource;
			nchan_channel_id signals;
			nchan_subscriber_first_message newest;
		}
		location = /ws {
			nchan_subscriber websocket;
			nchan_channel_id signals;
			nchan_subscriber_first_message newest;
		}
	}
}
C
