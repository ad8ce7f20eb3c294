#error "<sys/syscall.h> is for Linux only"
