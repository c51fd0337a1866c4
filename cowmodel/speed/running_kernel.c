/* What a fork and the writes after it cost the running kernel, in CPU time.
 *
 *   heap, all pages resident; orders of pages      not measured
 *   fork                                           fork      of the parent
 *   child: write every page in random order, exit  children  user and system, from rusage
 *   parent: write every page in random order       parent
 *
 * running_kernel HEAP_BYTES CHILDREN WRITES SEED
 * prints: fork_s children_s parent_s
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096 };

static uint64_t state;

static uint64_t draw(uint64_t below) { /* xorshift64: Marsaglia, Xorshift RNGs, 2003 */
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state % below;
}

static uint32_t *permutation(size_t pages) {
    uint32_t *order = malloc(pages * sizeof *order);
    if (!order) exit(1);
    for (size_t i = 0; i < pages; i++) order[i] = i;
    for (size_t i = pages - 1; i > 0; i--) {
        size_t j = draw(i + 1);
        uint32_t other = order[j];
        order[j] = order[i], order[i] = other;
    }
    return order;
}

static void write_all(volatile char *heap, const uint32_t *order, size_t pages, int writes) {
    for (int round = 0; round < writes; round++)
        for (size_t i = 0; i < pages; i++) heap[(size_t)order[i] * PAGE]++;
}

static double cpu_s(int who) {
    struct rusage used;
    getrusage(who, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv) {
    if (argc != 5) return fputs("expected HEAP_BYTES CHILDREN WRITES SEED\n", stderr), 2;
    size_t bytes = strtoull(argv[1], 0, 10), pages = bytes / PAGE;
    int children = atoi(argv[2]), writes = atoi(argv[3]);
    state = strtoull(argv[4], 0, 10) * 2 + 1;
    if (pages == 0) return fputs("expected a heap of at least one page\n", stderr), 2;

    char *heap = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (heap == MAP_FAILED) return perror("mmap"), 1;
    madvise(heap, bytes, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < pages; i++) heap[i * PAGE] = 1;
    uint32_t **orders = malloc((children + 1) * sizeof *orders);
    if (!orders) return perror("malloc"), 1;
    for (int i = 0; i <= children; i++) orders[i] = permutation(pages);

    double before = cpu_s(RUSAGE_SELF);
    for (int i = 1; i <= children; i++) {
        pid_t child = fork();
        if (child < 0) return perror("fork"), 1;
        if (child == 0) {
            write_all(heap, orders[i], pages, writes);
            _exit(0);
        }
    }
    double forked = cpu_s(RUSAGE_SELF);
    for (int status; wait(&status) > 0;)
        if (status) return fputs("a child failed\n", stderr), 1;
    double waited = cpu_s(RUSAGE_SELF);
    write_all(heap, orders[0], pages, writes);
    printf("%.6f %.6f %.6f\n", forked - before, cpu_s(RUSAGE_CHILDREN), cpu_s(RUSAGE_SELF) - waited);
    return 0;
}
