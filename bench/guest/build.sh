#!/bin/sh
# Builds bench.elf and fp.elf from the sources beside it. Needs Debian's gcc-aarch64-linux-gnu.
set -eu
cd "$(dirname "$0")"
# An object with a name of its own: the ELF's symbol table shows it, and the build is reproducible.
aarch64-linux-gnu-gcc -c start.S -o start.o
build() {
  aarch64-linux-gnu-gcc -O2 $2 -ffreestanding -fno-builtin -nostdlib -static -fno-pic -no-pie \
    -mcmodel=small -fno-tree-loop-distribute-patterns -Wl,--no-warn-rwx-segments -T link.ld start.o "$1.c" \
    -o "$1.elf"
}
build bench -mgeneral-regs-only
build fp ''
rm start.o
