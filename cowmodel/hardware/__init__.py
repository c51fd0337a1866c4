"""What the processor and the memory are: paging, frames and page tables."""
