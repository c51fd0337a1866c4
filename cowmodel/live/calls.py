"""The system calls that a scenario makes: their numbers, flags and words, and how they may be refused."""

from errno import EFAULT, EINVAL, ENOMEM

# x86-64: arch/x86/entry/syscalls/syscall_64.tbl; include/uapi/asm-generic/mman-common.h
MMAP, MREMAP, MADVISE = 9, 25, 28
NUMBERS = {"mprotect": 10, "munmap": 11, "madvise": MADVISE, "mlock": 149}
HUGETLB, FIXED_NOREPLACE = 0x40000, 0x100000
MAYMOVE, FIXED = 1, 2
MERGEABLE, HUGEPAGE, NOHUGEPAGE = 12, 14, 15
ADVICE = {
    "dontneed": 4,
    "free": 8,
    "dontfork": 10,
    "wipeonfork": 18,
    "populate_read": 22,
    "populate_write": 23,
}
RIGHTS = {"none": 0, "r": 1, "rw": 3}
WORDS = {"madvise": ADVICE, "mprotect": RIGHTS}
# what a call comes to that faults pages in, when one of the faults can not be handled
POPULATE = EFAULT, EINVAL
NO_PAGE = {
    "madvise populate_read": POPULATE,
    "madvise populate_write": POPULATE,
    "mlock": (ENOMEM,),
    "pin": (EFAULT,),
}
COMMITS = ("map", "mprotect", "fork", "forkexec")  # fail with ENOMEM if not so much is to be committed
