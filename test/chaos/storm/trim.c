/* What a process has in use: preloaded into a gateway, gives what glibc keeps of freed memory
 * back to the system, once a second, before it waits for its sockets. So what is in RAM then is
 * in use, and a burst that was survived looks like none, and a leak like a leak. */
#include <dlfcn.h>
#include <malloc.h>
#include <signal.h>
#include <sys/epoll.h>
#include <time.h>

int epoll_wait(int fd, struct epoll_event *events, int most, int timeout);
int epoll_pwait(int fd, struct epoll_event *events, int most, int timeout,
                const sigset_t *mask);

static void give_back(void)
{
    static time_t given;
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec != given) {
        given = now.tv_sec;
        malloc_trim(0);
    }
}

int epoll_wait(int fd, struct epoll_event *events, int most, int timeout)
{
    int (*real)(int, struct epoll_event *, int, int) = NULL;

    *(void **)&real = dlsym(RTLD_NEXT, "epoll_wait");
    give_back();
    return real(fd, events, most, timeout);
}

int epoll_pwait(int fd, struct epoll_event *events, int most, int timeout, const sigset_t *mask)
{
    int (*real)(int, struct epoll_event *, int, int, const sigset_t *) = NULL;

    *(void **)&real = dlsym(RTLD_NEXT, "epoll_pwait");
    give_back();
    return real(fd, events, most, timeout, mask);
}
