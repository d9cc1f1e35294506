/* The floor in C: writes what comes on its standard input (four bytes of length, little-endian,
 * and so many bytes) to every client's socket, one after the other, and does nothing else. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_CLIENTS 16384
#define MAX_BYTES (1 << 20)

static const char HEAD[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                           "transfer-encoding: chunked\r\n\r\n9\r\n: hello\n\n\r\n";
static int clients[MAX_CLIENTS], count;
static char data[MAX_BYTES], request[65536];

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void read_all(void *to, size_t size) {
    for (size_t got = 0; got < size;) {
        ssize_t n = read(0, (char *)to + got, size - got);
        if (n < 0 && errno != EINTR) die("read");
        if (n == 0) exit(0);
        if (n > 0) got += n;
    }
}

static void watch(int poller, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
}

int main(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), poller = epoll_create1(0);
    if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 4096)) die("listen");
    getsockname(listener, (struct sockaddr *)&address, &length);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    watch(poller, 0);
    watch(poller, listener);
    for (;;) {
        struct epoll_event events[64];
        int ready = epoll_wait(poller, events, 64, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == 0) {
                uint32_t size;
                read_all(&size, sizeof size);
                if (size > MAX_BYTES) exit(1);
                read_all(data, size);
                for (int j = 0; j < count; j++)
                    if (send(clients[j], data, size, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)size) die("send");
            } else if (fd == listener) {
                int client = accept(listener, 0, 0);
                if (client < 0 || count == MAX_CLIENTS) die("accept");
                watch(poller, client);
            } else if (read(fd, request, sizeof request) > 0) { /* a request is in one piece here */
                if (send(fd, HEAD, sizeof HEAD - 1, MSG_NOSIGNAL) < 0) die("send");
                clients[count++] = fd;
            } else {
                exit(0); /* the clients leave together, at the end */
            }
        }
    }
}
