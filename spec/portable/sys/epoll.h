#error "<sys/epoll.h> is for Linux only"
