// Workload: raw sectors through the virtio disk, which moves the data itself.
#include "user.h"

int main(int argc, char **argv) {
  disk_workload("diskvirtio", DISK_VIRTIO, parameter(argc, argv, "n", 128),
                parameter(argc, argv, "chunk", 1), parameter(argc, argv, "write", 0));
}
