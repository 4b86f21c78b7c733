// NVTX ranges: remembered, so that reports can name the one in which a kernel was launched.
#include "cusim.h"
#include <nvtx3/nvToolsExt.h>

static thread_local std::vector<std::string> ranges;

std::string cusim::nvtx_current() {
  std::string path;
  for (const std::string &r : ranges) path += (path.empty() ? "" : " / ") + r;
  return path;
}
int nvtxRangePushA(const char *message) {
  ranges.push_back(message ? message : "");
  return static_cast<int>(ranges.size()) - 1;
}
int nvtxRangePop(void) {
  if (ranges.empty()) {
    cusim::report("nvtxRangePop without nvtxRangePush at %s",
                  cusim::place(__builtin_return_address(0)).c_str());
    return -1;
  }
  ranges.pop_back();
  return static_cast<int>(ranges.size());
}
void nvtxMarkA(const char *) {}
nvtxRangeId_t nvtxRangeStartA(const char *) {
  static std::atomic<nvtxRangeId_t> next{1};
  return next++;
}
void nvtxRangeEnd(nvtxRangeId_t) {}
void nvtxNameOsThreadA(uint32_t, const char *) {}
