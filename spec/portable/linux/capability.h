#error "<linux/capability.h> is for Linux only"
