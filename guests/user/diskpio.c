// Workload: raw sectors through the ATA disk, whose data the processor moves itself.
#include "user.h"

int main(int argc, char **argv) {
  disk_workload("diskpio", DISK_ATA, parameter(argc, argv, "n", 128),
                parameter(argc, argv, "chunk", 1), parameter(argc, argv, "write", 0));
}
