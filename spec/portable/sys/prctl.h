#error "<sys/prctl.h> is for Linux only"
