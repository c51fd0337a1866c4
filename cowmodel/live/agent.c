/* Processes that do what they are told, one operation at a time, and count the faults that it takes.
 *
 *   controller --go-->  process: warm up; rusage, operation, rusage  --done--> controller
 *              (pipe)                                                (pipe)
 *
 * Orders, results and lists of accesses lie in a memory file that all share, at the same address: fork does not
 * copy shared memory, so it never faults between the two readings. All else that the program uses is private
 * and copied on write by fork; therefore every process, before every operation, makes its own code, data and
 * stack resident and writable (`warm`), which leaves nothing of the program's own to fault.
 *
 * agent MEMORY_FD MEMORY_BYTES LIST_OFFSET HOME_CPU GO_FD:DONE_FD ...     one pair of pipe ends a process
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef __x86_64__
#error "the agent is for x86-64"
#endif

enum { SYSCALL, ACCESS, FORK, EXIT, VFORK, SPAWN, FORKEXEC, PIN, UNPIN, FILL, REAP };
enum { READ, WRITE, MODIFY };
enum { MOST_AREAS = 64, MOST_PROCESSES = 256, MOST_PINS = 256, STACK = 64 << 10, PAGE = 4096 };

struct order { /* 512 bytes; the controller knows the layout */
    int64_t op, argument[7];
    int64_t returned, error, signal, done, ns, minflt, majflt, noise, checked_in;
    int64_t children_ns; /* of those that this process has reaped, all that they took */
    int64_t unused[4];
    struct rusage before, after; /* 144 bytes each */
    int64_t end[6];
};
_Static_assert(sizeof(struct order) == 512, "the controller expects 64 words");

static struct order *orders; /* at the start of the shared memory */
static char *lists;          /* of accesses: addresses, 8 bytes each */
static volatile int64_t *start_flag;
static int go_fd[MOST_PROCESSES], done_fd[MOST_PROCESSES];
static int me, home_cpu;
static sigjmp_buf retreat;
static char signal_stack[STACK] __attribute__((aligned(PAGE)));
static char *self_path = "/proc/self/exe";

static struct area { char *start; size_t bytes; int advice; } areas[MOST_AREAS];
static int area_count;

static struct pin { char *start; int ring; } pins[MOST_PINS];
static int pin_count;

static void fail(const char *what) {
    perror(what);
    _exit(3);
}

/* The kernel's own call, without libc's frame: nothing is written to memory around it. */
static inline __attribute__((always_inline)) long raw(long nr, long a, long b, long c, long d, long e, long f) {
    register long r10 asm("r10") = d;
    register long r8 asm("r8") = e;
    register long r9 asm("r9") = f;
    long result;
    asm volatile("syscall" : "=a"(result) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                 : "rcx", "r11", "memory");
    return result;
}

#define USAGE(where) raw(SYS_getrusage, RUSAGE_SELF, (long)(where), 0, 0, 0, 0)

static int64_t clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000ll + now.tv_nsec;
}

/* What a process does by itself is measured in its own time on the processor, which others cannot lengthen;
 * where it waits for a child, by the clock on the wall. */
static int64_t own_ns(void) { return clock_ns(CLOCK_THREAD_CPUTIME_ID); }
static int64_t wall_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

/* Which memory is the program's own: all that is mapped before the first region is. */
static void find_areas(void) {
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512], rights[8], name[256];
    unsigned long start, end;
    if (!maps) fail("maps");
    while (fgets(line, sizeof line, maps) && area_count < MOST_AREAS) {
        name[0] = 0;
        if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %255s", &start, &end, rights, name) < 3) continue;
        if (!strncmp(name, "[v", 2) || rights[0] != 'r') continue; /* vdso and vvar are never copied */
        int advice = rights[1] == 'w' ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
        areas[area_count++] = (struct area){(char *)start, end - start, advice};
    }
    fclose(maps);
}

static void warm(void) {
    for (int i = 0; i < area_count; i++) madvise(areas[i].start, areas[i].bytes, areas[i].advice);
    own_ns(), wall_ns();
}

static void on_signal(int number) {
    orders[me].signal = number;
    siglongjmp(retreat, 1);
}

static void run_on(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set)) orders[me].error = errno;
}

/* Each access is fenced, so that no later one faults first. */
static void __attribute__((noinline)) access_all(struct order *order) {
    char *volatile const *list = (char *volatile const *)(lists + order->argument[2] * 8);
    int64_t count = order->argument[1];
    int mode = order->argument[0];
    for (int64_t i = 0; i < count; i++) {
        volatile char *byte = list[i];
        if (mode == READ) (void)*byte;
        else if (mode == WRITE) *byte = 1;
        else asm volatile("addb $1, %0" : "+m"(*byte));
        __sync_synchronize();
        order->done = i + 1;
    }
}

static void __attribute__((noinline)) timed_access(struct order *order) {
    if (sigsetjmp(retreat, 1) == 0) {
        int64_t began = own_ns();
        USAGE(&order->before);
        access_all(order);
        USAGE(&order->after);
        order->ns = own_ns() - began;
    } else {
        USAGE(&order->after);
    }
}

static void __attribute__((noinline)) timed_syscall(struct order *order) {
    int64_t *a = order->argument, began = own_ns();
    USAGE(&order->before);
    long result = raw(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
    USAGE(&order->after);
    order->ns = own_ns() - began;
    order->returned = result;
    order->error = result < 0 && result > -4096 ? -result : 0;
}

/* Fork, and in the parent write nothing to memory that the child shares until the faults are counted. */
static long __attribute__((noinline)) timed_fork(struct order *order, int exec, char **words) {
    int64_t began = own_ns();
    USAGE(&order->before);
    long child = raw(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
    if (child == 0) {
        if (exec) raw(SYS_execve, (long)self_path, (long)words, 0, 0, 0, 0), _exit(4);
        return 0;
    }
    if (exec && child > 0) raw(SYS_wait4, child, 0, 0, 0, 0, 0);
    USAGE(&order->after);
    order->ns = own_ns() - began;
    order->returned = child;
    order->error = child < 0 ? -child : 0;
    return child;
}

static void __attribute__((noinline)) timed_vfork(struct order *order, const int exec, char **const words) {
    int64_t began = wall_ns();
    USAGE(&order->before);
    pid_t child = vfork();
    if (child == 0) {
        if (exec) execve(self_path, words, words + 1);
        _exit(exec ? 4 : 0);
    }
    if (child > 0) raw(SYS_wait4, child, 0, 0, 0, 0, 0);
    USAGE(&order->after);
    order->ns = wall_ns() - began;
    order->error = child < 0 ? errno : 0;
}

static int64_t total_ns(const struct rusage *usage) {
    return (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000000ll +
           (usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * 1000ll;
}

/* End a child, wait until it has ended, and tell how long that kept the processor busy. What wait4 tells has in
 * it the time of the child's own children that it has waited for. */
static void __attribute__((noinline)) timed_reap(struct order *order) {
    pid_t pid = order->argument[0];
    struct rusage all = {0}, children;
    signal(SIGCHLD, SIG_DFL); /* so that it can be waited for */
    int64_t before = clock_ns(~(clockid_t)pid << 3 | 2); /* its own time (man 3 clock_getcpuclockid) */
    if (kill(pid, SIGKILL) || wait4(pid, 0, 0, &all) != pid) order->error = errno;
    order->ns = total_ns(&all) - before - orders[order->argument[1]].children_ns;
    getrusage(RUSAGE_CHILDREN, &children);
    order->children_ns = total_ns(&children);
    signal(SIGCHLD, SIG_IGN);
}

/* The same bytes in all of some pages, so that the kernel may merge them. */
static void __attribute__((noinline)) timed_fill(struct order *order) {
    int64_t *a = order->argument;
    if (sigsetjmp(retreat, 1) == 0) {
        USAGE(&order->before);
        memset((char *)a[0], a[2], a[1]);
        order->done = 1;
    }
    USAGE(&order->after);
}

/* Memory that io_uring has as a buffer is pinned for long, for writing. A ring of its own for each pin. */
static void pin(struct order *order) {
    struct io_uring_params params = {0};
    struct iovec buffer = {(char *)order->argument[0], order->argument[1]};
    long ring = raw(SYS_io_uring_setup, 1, (long)&params, 0, 0, 0, 0);
    int64_t call[] = {SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, (long)&buffer, 1, 0, 0};
    memcpy(order->argument, call, sizeof call);
    timed_syscall(order);
    if (ring >= 0 && (order->error || pin_count == MOST_PINS)) close(ring);
    else if (ring >= 0) pins[pin_count++] = (struct pin){buffer.iov_base, ring};
    if (ring < 0) order->error = -ring;
}

/* Let go of what was pinned from `start` on; the kernel does that at once only if it is told to. */
static void unpin(char *start, size_t bytes) {
    int kept = 0;
    for (int i = 0; i < pin_count; i++) {
        if (pins[i].start < start || pins[i].start >= start + bytes) {
            pins[kept++] = pins[i];
            continue;
        }
        raw(SYS_io_uring_register, pins[i].ring, IORING_UNREGISTER_BUFFERS, 0, 0, 0, 0);
        close(pins[i].ring);
    }
    pin_count = kept;
}

/* After mremap, what was pinned from a page on that moved is let go of by its new address. */
static void carry_pins(struct order *order) {
    int64_t *a = order->argument;
    if (a[0] != SYS_mremap || order->error) return;
    for (int i = 0; i < pin_count; i++) {
        int64_t inside = (int64_t)pins[i].start - a[1];
        if (inside >= 0 && inside < a[2]) pins[i].start = (char *)a[5] + inside;
    }
}

static void timed_unpin(struct order *order) {
    USAGE(&order->before);
    unpin((char *)order->argument[0], order->argument[1]);
    USAGE(&order->after);
}

static void prepare(struct order *order) {
    order->returned = order->error = order->signal = order->done = order->ns = order->noise = 0;
    warm();
    struct order rehearsal = {.op = ACCESS, .argument = {WRITE, 0, 0}};
    for (int i = 0; i < 2; i++) timed_access(&rehearsal);
    order->noise = rehearsal.after.ru_minflt - rehearsal.before.ru_minflt;
}

static void rendezvous(struct order *order) { /* of accesses that are to run at the same time */
    int64_t turn = order->argument[5];
    if (!turn) return;
    order->checked_in = turn;
    while (*start_flag != turn) __builtin_ia32_pause();
}

static void answer(struct order *order) {
    order->minflt = order->after.ru_minflt - order->before.ru_minflt;
    order->majflt = order->after.ru_majflt - order->before.ru_majflt;
    if (write(done_fd[me], "d", 1) != 1) _exit(3);
}

static void become(int number) {
    me = number;
    while (pin_count) close(pins[--pin_count].ring); /* those of the parent, who has them still */
    prepare(&orders[me]);
    orders[me].op = -1;
    if (write(done_fd[me], "b", 1) != 1) _exit(3);
}

static void serve(void) {
    static char *words[] = {"agent", NULL};
    for (char byte; read(go_fd[me], &byte, 1) == 1;) {
        struct order *order = &orders[me];
        if (order->op == EXIT) unpin(0, SIZE_MAX), _exit(0);
        int cpu = order->op == ACCESS ? order->argument[3] : home_cpu;
        if (cpu != home_cpu) run_on(cpu);
        prepare(order);
        switch (order->op) {
        case SYSCALL: timed_syscall(order), carry_pins(order); break;
        case ACCESS: rendezvous(order), timed_access(order); break;
        case REAP: timed_reap(order); break;
        case VFORK: timed_vfork(order, 0, words); break;
        case SPAWN: timed_vfork(order, 1, words); break;
        case FORKEXEC: {
            int64_t began = wall_ns();
            timed_fork(order, 1, words);
            order->ns = wall_ns() - began;
            break;
        }
        case PIN: pin(order); break;
        case UNPIN: timed_unpin(order); break;
        case FILL: timed_fill(order); break;
        case FORK: {
            int64_t child = order->argument[0];
            if (timed_fork(order, 0, words) == 0) {
                become(child);
                continue;
            }
        }
        }
        if (cpu != home_cpu) run_on(home_cpu);
        answer(order);
    }
}

int main(int argc, char **argv) {
    if (argc < 6) return argc != 1; /* alone it is the program that spawn and exec run */
    size_t bytes = strtoull(argv[2], 0, 10);
    home_cpu = atoi(argv[4]);
    for (int i = 5; i < argc && i - 5 < MOST_PROCESSES; i++)
        if (sscanf(argv[i], "%d:%d", &go_fd[i - 5], &done_fd[i - 5]) != 2) return 2;
    char *memory = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[1]), 0);
    if (memory == MAP_FAILED) fail("shared memory");
    orders = (struct order *)memory;
    lists = memory + strtoull(argv[3], 0, 10);
    start_flag = (volatile int64_t *)(lists - 8);

    stack_t alternate = {.ss_sp = signal_stack, .ss_size = STACK};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_NODEFER};
    if (sigaltstack(&alternate, 0) || sigaction(SIGSEGV, &action, 0) || sigaction(SIGBUS, &action, 0))
        fail("signals");
    signal(SIGCHLD, SIG_IGN); /* nobody stays a zombie */
    run_on(home_cpu);
    char deep[STACK];
    memset(deep, 1, sizeof deep); /* the stack grows now or never */
    asm volatile("" : : "r"(deep) : "memory");
    find_areas();
    become(0);
    serve();
    return 0;
}
